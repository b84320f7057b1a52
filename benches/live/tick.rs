//! One tick after the other: look, rows, end.

use std::collections::HashSet;
use std::time::Duration;
use std::time::Instant;

use recto::live::feed::Feed;
use recto::live::feed::LogFeed;
use recto::live::feed::Outcome;
use recto::prelude::*;
use recto::value::Key;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::NoTls;

use crate::live::figures::Spread;

use crate::live::fixture;
use crate::live::fixture::Watch;
use crate::live::fixture::body;
use crate::live::machine;
use crate::live::machine::Meter;
use crate::live::support::cluster::Cluster;
use crate::room::Message;

/// How many ticks are timed, after a tenth as many that are not.
const TICKS: u64 = 1500;

/// How many watched tables there are besides those of the chat: the look asks for the shape of all.
const OTHER_TABLES: [u32; 2] = [0, 50];

/// Rows of one transaction between two ticks.
const ROWS: [i64; 3] = [0, 1, 100];

/// Measures with few and with many watched tables.
pub(crate) fn run(cluster: &Cluster) {
    println!(
        "
TICKS: microseconds, {TICKS} each, load {}
  look     the snapshot, the shape of the tables and the new keys
  rows     the touched rows in that snapshot
  end      the end of the tick
  else     what unrelated programs took of one processor meanwhile
",
        machine::load()
    );
    println!(
        "{:<24} | {:>6} {:>6} | {:>6} {:>6} | {:>6} {:>6} | {:>6} {:>6} | {:>4}",
        "", "look", "p99", "rows", "p99", "end", "p99", "all", "p99", "else"
    );
    machine::runtime().block_on(async {
        for tables in OTHER_TABLES {
            let database = cluster.create_database();
            fixture::prepare(database.url(), Watch::On).await;
            let (client, connection) =
                tokio_postgres::connect(database.url(), NoTls).await.expect("the cluster is there");
            let mut driver = JoinSet::new();
            driver.spawn(connection);
            watch_more(&client, tables).await;
            for rows in ROWS {
                measure(database.url(), &client, tables, rows).await;
            }
        }
    });
}

/// Tables that are watched and never written; the feed cannot tell them from others.
async fn watch_more(client: &Client, tables: u32) {
    for number in 0..tables {
        let script = format!(
            "create table other_{number} (id bigint primary key, a text, b text, c text, d text,
                 e int, f int, g int, h int, i timestamptz);
             create trigger recto_log after insert on other_{number}
                 for each row execute function suppress_redundant_updates_trigger();
             insert into recto.watched (tab, relid, script)
                 values ('other_{number}', 'other_{number}'::regclass, '')"
        );
        client.batch_execute(&script).await.expect("a table can be made");
    }
}

async fn measure(url: &str, client: &Client, tables: u32, rows: i64) {
    client.batch_execute("set recto.notify = 'off'").await.expect("a setting can be made");
    let insert = "insert into messages (room_id, author, body) \
        select 1 + n % 100, 'writer', $2 from generate_series(1, $1::bigint) n";
    let insert = client.prepare(insert).await.expect("the table is there");
    let repo = Repo::connect(url).await.expect("the database is there");
    let mut feed = LogFeed::connect(repo.clone()).await.expect("a log is installed");
    let mut parts: [Vec<i64>; 4] = Default::default();
    let meter = Meter::start();
    for number in 0..TICKS + TICKS / 10 {
        if 0 < rows {
            client.execute(&insert, &[&rows, &body(number)]).await.expect("rows can be written");
        }
        let began = Instant::now();
        let tick = feed.tick().await.expect("the log can be read");
        let looked = began.elapsed();
        let keys = tick.touched.get("messages").and_then(|keys| keys.read(Message::table()));
        let keys: HashSet<Key> = keys.unwrap_or_default();
        let found = if keys.is_empty() {
            Vec::new()
        } else {
            feed.rows(Message::table(), &keys).await.expect("rows can be read")
        };
        let read = began.elapsed();
        feed.end(Outcome::Done).await;
        let ended = began.elapsed();
        assert!(number == 0 || found.len() == keys.len(), "every key has its row");
        if TICKS / 10 <= number {
            let [looked, read, ended] = [looked, read, ended].map(micros);
            let all = [looked, read - looked, ended - read, ended];
            for (part, took) in parts.iter_mut().zip(all) {
                part.push(took);
            }
        }
    }
    let others = meter.others();
    let name = format!("{} tables, {rows} rows", tables + 3);
    print!("{name:<24}");
    for part in parts {
        let spread = Spread::of(part);
        print!(" | {:>6.0} {:>6.0}", spread.percentile(50) * 1e3, spread.percentile(99) * 1e3);
    }
    println!(" | {others:>3.0}%");
    repo.close();
}

fn micros(took: Duration) -> i64 {
    i64::try_from(took.as_micros()).expect("it took less than an age")
}
