//! A chat whose rooms and messages are live queries: `cargo run --example chat`.
//!
//! No database named: a SQLite file `chat.db` in the working directory. With `DATABASE_URL` or
//! `--database-url`: PostgreSQL, the same program.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod room;
mod web;

use std::process::ExitCode;

use recto::prelude::*;
use tracing_subscriber::EnvFilter;

const USAGE: &str = "usage: chat [--port PORT] [--database-url URL]

  --port PORT          the port to listen on; 0 picks a free one (default: $PORT, or 4000)
  --database-url URL   postgres://… or sqlite://… (default: $DATABASE_URL, or sqlite://chat.db)";

struct Options {
    port: u16,
    url: String,
}

/// Reads the command line; what it does not say, the environment does.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut port = env("PORT").unwrap_or_else(|| "4000".to_owned());
    let mut url = env("DATABASE_URL").unwrap_or_else(|| "sqlite://chat.db".to_owned());
    while let Some(argument) = arguments.next() {
        let value = arguments.next();
        match (argument.as_str(), value) {
            ("--port", Some(value)) => port = value,
            ("--database-url", Some(value)) => url = value,
            ("--port" | "--database-url", None) => {
                return Err(format!("`{argument}` needs a value\n\n{USAGE}"));
            }
            ("--help" | "-h", _) => return Err(USAGE.to_owned()),
            _ => return Err(format!("`{argument}` is not an option\n\n{USAGE}")),
        }
    }
    let port = port.parse().map_err(|_| format!("`{port}` is not a port\n\n{USAGE}"))?;
    Ok(Options { port, url })
}

async fn run(options: Options) -> Result<(), Error> {
    let repo = Repo::connect(options.url.as_str()).await?;
    room::migrate(&repo).await?;
    let live = Live::start(&repo).await?;
    let running = web::server(live).bind(("127.0.0.1", options.port)).await?;
    let insert = "insert into messages(room_id, author, body) values (1, 'sql', 'hello')";
    let (database, by_hand) = if let Some(file) = options.url.strip_prefix("sqlite://") {
        (format!("SQLite, file {file}"), format!("sqlite3 {file} \"{insert}\""))
    } else {
        // The rest of the url may hold a password.
        let name = options.url.rsplit('/').next().unwrap_or_default();
        (format!("PostgreSQL, database {name}"), format!("psql {name} -c \"{insert}\""))
    };
    println!("The chat is at http://{}", running.local_addr());
    println!("Database: {database}");
    println!("Try next: open the address in a second tab, and write in one of them;");
    println!("          or insert by hand:  {by_hand}");
    running.run_until(async { _ = tokio::signal::ctrl_c().await }).await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.chain());
            ExitCode::FAILURE
        }
    }
}
