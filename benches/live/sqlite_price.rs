//! What a watched table costs its writer on SQLite: one connection, set up as a Repo's.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use rusqlite::Connection;

use crate::live::figures::rate;
use crate::live::figures::scatter;
use crate::live::fixture;
use crate::live::fixture::MESSAGES;
use crate::live::fixture::ROOMS;
use crate::live::fixture::Watch;
use crate::live::fixture::body;
use crate::live::machine;
use crate::live::machine::Meter;
use crate::live::price;
use crate::live::report::Report;
use crate::live::support::process::Scratch;

/// What the writer does, with a number up to so much and a text, and how many rows that writes.
const WORK: [(&str, &str, i64, usize); 4] = [
    (
        "insert, chat's messages",
        "insert into messages (room_id, author, body) values (?1, 'writer', ?2)",
        ROOMS,
        1,
    ),
    ("insert, key and text only", "insert into notes (body) select ?2 where 0 < ?1", 1, 1),
    ("update by primary key", "update messages set body = ?2 where id = ?1", MESSAGES, 1),
    (
        "insert of 10,000 rows, rows/s",
        "insert into messages (room_id, author, body) \
            with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < 10000) \
            select 1 + (?1 + n) % 100, 'writer', ?2 from numbers",
        ROOMS,
        10_000,
    ),
];

const SETTINGS: &str = "
pragma synchronous = normal;
pragma foreign_keys = on;
pragma recursive_triggers = on;
";

/// Measures one kind of work after the other.
pub(crate) fn run(report: &mut Report, each: Duration) {
    price::head(report, "SQLite");
    let scratch = Scratch::new();
    let (plain, watched) = (scratch.path().join("plain.db"), scratch.path().join("watched.db"));
    machine::runtime().block_on(async {
        fixture::prepare(&format!("sqlite://{}", plain.display()), Watch::Off).await;
        fixture::prepare(&format!("sqlite://{}", watched.display()), Watch::On).await;
    });
    let mut connections = [open(&plain), open(&watched)];
    let mut id = 0;
    for (name, sql, numbers, rows) in WORK {
        let meter = Meter::start();
        let figures = price::take_turns(&mut connections, |connection| {
            turn(connection, sql, each, || {
                id += 1;
                (1 + scatter(id, numbers), body(id), rows)
            })
        });
        price::row(report, name, &figures[0], &figures[1], meter.others());
    }
}

fn open(file: &Path) -> Connection {
    let connection = Connection::open(file).expect("the file is there");
    connection.execute_batch(SETTINGS).expect("a connection can be set up");
    connection
}

/// Writes for so long, and says how many rows a second.
fn turn(
    connection: &Connection,
    sql: &str,
    each: Duration,
    mut next: impl FnMut() -> (i64, String, usize),
) -> f64 {
    let mut statement = connection.prepare_cached(sql).expect("the tables are there");
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < each {
        let (number, body, rows) = next();
        statement.execute((number, body)).expect("rows can be written");
        count += rows;
    }
    rate(count, began.elapsed())
}
