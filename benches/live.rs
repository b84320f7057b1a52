//! What live queries cost and how fast they are, beside their peers: `cargo bench --bench live`.
//!
//! Everything runs on a private PostgreSQL cluster that flushes to the disk, on SQLite files, and on
//! loopback. What was found is printed as Markdown; with `--write` it replaces the measured sections
//! of `docs/benchmarks.md`, which says how to read them.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../examples/chat/room.rs"]
mod room;
#[path = "../examples/chat/web.rs"]
mod web;

mod live {
    pub(crate) mod control;
    pub(crate) mod crowd;
    pub(crate) mod end_to_end;
    pub(crate) mod fanout;
    pub(crate) mod fanout_crowd;
    pub(crate) mod fanout_serve;
    pub(crate) mod figures;
    pub(crate) mod fixture;
    pub(crate) mod floor;
    pub(crate) mod growth;
    pub(crate) mod growth_price;
    pub(crate) mod growth_results;
    pub(crate) mod growth_server;
    pub(crate) mod growth_sockets;
    pub(crate) mod machine;
    pub(crate) mod many;
    pub(crate) mod options;
    pub(crate) mod peers;
    pub(crate) mod postgres_price;
    pub(crate) mod price;
    pub(crate) mod report;
    pub(crate) mod rest;
    pub(crate) mod scale;
    pub(crate) mod serve;
    pub(crate) mod shapes;
    pub(crate) mod socket;
    pub(crate) mod sqlite_price;
    pub(crate) mod step;
    pub(crate) mod storm;
    pub(crate) mod support;
    pub(crate) mod systems;
    pub(crate) mod tick;
    pub(crate) mod timed;
    pub(crate) mod tongue;
    pub(crate) mod wal;
    pub(crate) mod writer;
}

use std::cell::LazyCell;
use std::process::ExitCode;
use std::time::Duration;

use crate::live::end_to_end;
use crate::live::fanout;
use crate::live::fanout_serve;
use crate::live::floor;
use crate::live::growth;
use crate::live::machine;
use crate::live::many;
use crate::live::many::Then;
use crate::live::options::Options;
use crate::live::options::Part;
use crate::live::options::USAGE;
use crate::live::postgres_price;
use crate::live::price;
use crate::live::report::Report;
use crate::live::scale;
use crate::live::serve;
use crate::live::sqlite_price;
use crate::live::storm;
use crate::live::tick;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // This program is its own servers.
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve", url] => serve::run(url),
        ["floor", url] => floor::run(url),
        ["many", shape, results, items, url] => {
            many::run(shape, results, items, url, Then::End);
        }
        ["many-loaded", shape, results, items, url] => {
            many::run(shape, results, items, url, Then::Obey);
        }
        ["serve-fanout"] => fanout_serve::run(),
        words if !words.contains(&"--bench") => {
            println!("nothing is measured unless cargo says `--bench`\n\n{USAGE}");
        }
        _ => match Options::read(arguments.into_iter()) {
            Ok(options) => run(&options),
            Err(what) => {
                println!("{what}\n\n{USAGE}");
                return ExitCode::FAILURE;
            }
        },
    }
    ExitCode::SUCCESS
}

fn run(options: &Options) {
    let each = |usual| options.seconds.map_or(usual, Duration::from_secs);
    let mut report = Report::new(options.keep);
    let cluster = LazyCell::new(machine::cluster);
    for part in &options.parts {
        match part {
            Part::EndToEnd => {
                let each = each(Duration::from_secs(3));
                let (systems, subscribers) = (&options.systems, &options.subscribers);
                end_to_end::run(&mut report, &cluster, each, systems, subscribers);
            }
            Part::Scale => scale::run(&mut report, options.most),
            Part::Joins => scale::joins(&mut report, &cluster),
            Part::Growth => growth::run(&mut report, &cluster, options.minutes),
            Part::Ticks => tick::run(&cluster),
            Part::FanOut => {
                fanout::run(&mut report, options.sockets, each(Duration::from_secs(5)));
            }
            Part::Storm => storm::run(&mut report, &cluster, options.sockets),
            Part::Price => {
                let each = each(Duration::from_millis(600));
                price::open(&mut report, &cluster, each);
                postgres_price::run(&mut report, &cluster, each);
                sqlite_price::run(&mut report, each);
                report.close();
            }
        }
    }
}
