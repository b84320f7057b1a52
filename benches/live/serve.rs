//! The chat's server, in a process of its own.
//!
//! It has two mutations more than the chat: `bench.post` does what `messages.post` does, and answers
//! with the time at which the repo's `insert` returned; `bench.loads` answers with how many results
//! were read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use recto::changeset::WriteError;
use recto::live::server::Limits;
use recto::prelude::*;

use crate::live::control::Control;
use crate::live::figures::now;
use crate::live::machine;
use crate::live::support::process::Program;
use crate::room::Message;
use crate::web;

/// Longer than any measurement takes.
const LONG: Duration = Duration::from_hours(1);

/// Longer than any server takes to start.
const START: Duration = Duration::from_mins(1);

/// A server that runs; killed when dropped, with all it started.
pub(crate) struct Serving {
    pub(crate) program: Program,
    pub(crate) address: String,
    pub(crate) pid: u32,
}

impl Serving {
    /// Starts this program again, as a server: `serve` or `floor`.
    pub(crate) async fn ours(what: &str, url: &str) -> Self {
        Self::again(&[what, url]).await
    }

    /// Starts this program again, which says that it is ready.
    pub(crate) async fn again(arguments: &[&str]) -> Self {
        let this = std::env::current_exe().expect("this program has a path");
        Self::start(&this, arguments).await
    }

    /// Starts a program that says `ready ADDRESS PID`.
    pub(crate) async fn start(path: &Path, arguments: &[&str]) -> Self {
        let mut program = Program::start(path, arguments, &[]);
        let line = program.line("its address", START, |line| line.starts_with("ready ")).await;
        let mut words = line.split(' ').skip(1);
        let mut word = || words.next().expect("it says where it is, and its number").to_owned();
        let (address, pid) = (word(), word().parse().expect("the number of a process"));
        Self { program, address, pid }
    }

    /// Has something done, and returns the answer.
    ///
    /// # Panics
    ///
    /// With what it complained about, where it is gone.
    pub(crate) async fn order(&self, control: &mut Control, order: &str) -> String {
        control.say(order).await;
        let answer = control.hear().await;
        answer.unwrap_or_else(|| panic!("`{order}` is not answered: {}", self.complaints()))
    }

    /// What it complained about.
    pub(crate) fn complaints(&self) -> String {
        let transcript = self.program.transcript();
        let (_, errors) = transcript.split_once("--- its errors\n").unwrap_or_default();
        errors.trim().to_owned()
    }
}

/// Runs this program again in a process of its own, until it has said a line that starts so; then
/// looks at something while it is still there.
pub(crate) async fn run_again<T>(
    arguments: &[&str],
    start: &str,
    look: impl FnOnce() -> T,
) -> (String, T) {
    let this = std::env::current_exe().expect("this program has a path");
    let mut program = Program::start(&this, arguments, &[]);
    let line = program.line(start, LONG, |line| line.starts_with(start)).await;
    (line, look())
}

/// Serves until killed.
pub(crate) fn run(url: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let served = machine::runtime().block_on(async {
        let repo = Repo::connect(url).await?;
        let live = Live::start(&repo).await?;
        // The load comes from few sockets, and all at once where the machine was held up.
        let limits = Limits { mutations_per_second: u32::MAX, ..Limits::default() };
        let loads = {
            let live = live.clone();
            move |_: Arc<()>, _: Repo, _: Params| {
                let live = live.clone();
                async move { loads(&live).await }
            }
        };
        let server = web::server(live)
            .limits(limits)
            .mutation("bench.post", post)
            .mutation("bench.loads", loads);
        let running = server.bind("127.0.0.1:0").await?;
        println!("ready {} {}", running.local_addr(), std::process::id());
        running.run().await;
        Ok::<(), Error>(())
    });
    if let Err(error) = served {
        panic!("the server does not start: {}", error.chain());
    }
}

/// What was read for those who came.
async fn loads(live: &Live) -> Result<i64, Error> {
    let loads: u64 = live.shapes().await?.iter().map(|shape| shape.counts.loads).sum();
    Ok(loads.cast_signed())
}

async fn post(_: Arc<()>, repo: Repo, params: Params) -> Result<i64, WriteError<Message>> {
    repo.insert(Message::default().changeset(&params)).await?;
    Ok(now())
}
