//! The chat as its users meet it: real programs, a real browser, the official Phoenix client.

use std::path::PathBuf;
use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::process::Program;
use crate::support::process::Scratch;
use crate::support::process::example;
use crate::support::process::node;

const BOUND: Duration = Duration::from_secs(30);

/// A running chat and the address it printed.
struct Chat {
    _program: Program,
    address: String,
}

impl Chat {
    async fn start(url: &str) -> Self {
        let arguments = ["--port", "0", "--database-url", url];
        let mut program = Program::start(&example("chat"), &arguments, &[]);
        let line = program.line("the chat's address", BOUND, |line| line.contains("http://")).await;
        let address = line.split("http://").nth(1).unwrap().trim().to_owned();
        Self { _program: program, address }
    }

    fn socket(&self) -> String {
        format!("ws://{}/socket", self.address)
    }
}

fn json(items: &[&str]) -> String {
    serde_json::to_string(items).unwrap()
}

/// Where screenshots go, for people to look at.
fn shots(name: &str) -> PathBuf {
    let target = std::env::current_exe().unwrap();
    let shots = target.ancestors().nth(3).unwrap().join("screenshots").join(name);
    std::fs::create_dir_all(&shots).unwrap();
    shots
}

async fn browser(url: &str, insert: &[&str], name: &str) {
    let chat = example("chat");
    let shots = shots(name);
    let output = node(
        "browser.mjs",
        &[
            ("CHAT_BIN", chat.to_str().unwrap()),
            ("CHAT_ARGS", &json(&["--database-url", url])),
            ("INSERT_CMD", &json(insert)),
            ("SHOTS", shots.to_str().unwrap()),
        ],
    )
    .await;
    println!("{output}\nscreenshots are in {}", shots.display());
}

fn sqlite(scratch: &Scratch) -> (String, String) {
    let file = scratch.path().join("chat.db").display().to_string();
    (format!("sqlite://{file}"), file)
}

#[tokio::test]
async fn two_pages_of_one_browser_live_on_sqlite() {
    let scratch = Scratch::new();
    let (url, file) = sqlite(&scratch);
    browser(&url, &["sqlite3", "-cmd", ".timeout 5000", &file], "sqlite").await;
}

#[tokio::test]
async fn two_pages_of_one_browser_live_on_postgres() {
    let database = Cluster::shared().create_database();
    browser(database.url(), &["psql", database.url(), "-qAtc"], "postgres").await;
}

async fn phoenix(url: &str) {
    let chat = Chat::start(url).await;
    println!("{}", node("phoenix.mjs", &[("SOCKET_URL", &chat.socket())]).await);
}

#[tokio::test]
async fn the_official_phoenix_client_works_on_sqlite() {
    let scratch = Scratch::new();
    phoenix(&sqlite(&scratch).0).await;
}

#[tokio::test]
async fn the_official_phoenix_client_works_on_postgres() {
    phoenix(Cluster::shared().create_database().url()).await;
}

#[tokio::test]
async fn a_write_through_one_process_reaches_the_clients_of_another() {
    let database = Cluster::shared().create_database();
    let (one, other) = (Chat::start(database.url()).await, Chat::start(database.url()).await);
    let envs = [("ONE", one.socket()), ("OTHER", other.socket())];
    let envs: Vec<(&str, &str)> = envs.iter().map(|(name, url)| (*name, url.as_str())).collect();
    println!("{}", node("two.mjs", &envs).await);
}
