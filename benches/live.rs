//! What live queries cost and how fast they are: `cargo bench --bench live`.
//!
//! `latency` is the time from a commit to the clients that watch, through the chat's own server in
//! a process of its own; `triggers` is the price a writer pays for being watched. Both run on a
//! private PostgreSQL cluster that flushes to the disk, and on SQLite. Nothing is written but the
//! tables on stdout; `docs/benchmarks.md` says how to read them.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../examples/chat/room.rs"]
mod room;
#[path = "../examples/chat/web.rs"]
mod web;

mod live {
    pub(crate) mod crowd;
    pub(crate) mod figures;
    pub(crate) mod fixture;
    pub(crate) mod latency;
    pub(crate) mod machine;
    pub(crate) mod postgres_price;
    pub(crate) mod price;
    pub(crate) mod report;
    pub(crate) mod serve;
    pub(crate) mod socket;
    pub(crate) mod sqlite_price;
    pub(crate) mod support;
    pub(crate) mod writer;
}

use std::process::ExitCode;
use std::time::Duration;

use crate::live::latency;
use crate::live::machine;
use crate::live::postgres_price;
use crate::live::serve;
use crate::live::sqlite_price;

const USAGE: &str = "usage: cargo bench --bench live -- [latency|triggers|all] [OPTION…]

  latency           from commit to client, through the chat's server
  triggers          what a watched table costs its writers
  all               both (the default; under four minutes)
  --seconds N       how long each measurement takes (default: 3 for latency, 0.6 for triggers)
  --subscribers N   how many WebSocket clients watch (default: 100)";

/// What to measure, and for how long.
struct Options {
    latency: bool,
    triggers: bool,
    seconds: Option<u64>,
    subscribers: usize,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { latency: true, triggers: true, seconds: None, subscribers: 100 };
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let number = arguments.next().and_then(|text| text.parse::<u32>().ok());
            number.filter(|number| 0 < *number).ok_or(format!("`{argument}` needs a number"))
        };
        match argument.as_str() {
            "latency" => options.triggers = false,
            "triggers" => options.latency = false,
            "--seconds" => options.seconds = Some(number()?.into()),
            "--subscribers" => {
                options.subscribers = usize::try_from(number()?).unwrap_or(usize::MAX);
            }
            // What cargo says to every benchmark, and the default.
            "--bench" | "all" => {}
            _ => return Err(format!("`{argument}` is not an option")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, url] = arguments.as_slice()
        && command == "serve"
    {
        serve::run(url);
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing is measured unless cargo says `--bench`\n\n{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match options(arguments.into_iter()) {
        Ok(options) => options,
        Err(what) => {
            println!("{what}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let each = |usual| options.seconds.map_or(usual, Duration::from_secs);
    machine::describe();
    let cluster = machine::cluster();
    if options.latency {
        latency::run(&cluster, each(Duration::from_secs(3)), options.subscribers);
    }
    if options.triggers {
        let each = each(Duration::from_millis(600));
        postgres_price::run(&cluster, each);
        sqlite_price::run(each);
    }
    ExitCode::SUCCESS
}
