//! From commit to client: who writes, who watches, and how fast the news arrives.

use std::path::PathBuf;
use std::time::Duration;

use crate::live::crowd::Crowd;
use crate::live::figures::rate;
use crate::live::fixture;
use crate::live::fixture::ROOMS;
use crate::live::fixture::Watch;
use crate::live::machine;
use crate::live::machine::Meter;
use crate::live::report;
use crate::live::report::Measured;
use crate::live::serve::Serving;
use crate::live::support::cluster::Cluster;
use crate::live::support::process::Scratch;
use crate::live::writer;
use crate::live::writer::Insert;
use crate::live::writer::Pace;
use crate::live::writer::Writer;

/// Inserts a second. The aim is for the first two; the third shows what happens beyond.
const RATES: [u32; 3] = [10, 100, 1000];

/// How long to wait for what has not arrived when the last insert is over.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database with a server on it.
struct Place {
    name: &'static str,
    /// Where to write past the server.
    past: Past,
    serving: Serving,
    /// The number of the next message: no two have the same.
    next_id: u64,
}

enum Past {
    Postgres(String),
    Sqlite(PathBuf),
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// The server, asked by clients.
    Server,
    /// A program that the server knows nothing of.
    Others,
}

/// Measures on both databases.
pub(crate) fn run(cluster: &Cluster, each: Duration, subscribers: usize) {
    report::open(each, subscribers);
    machine::runtime().block_on(async {
        let database = cluster.create_database();
        let past = Past::Postgres(database.url().to_owned());
        on("PostgreSQL", database.url(), past, each, subscribers).await;
        let scratch = Scratch::new();
        let file = scratch.path().join("chat.db");
        let url = format!("sqlite://{}", file.display());
        on("SQLite", &url, Past::Sqlite(file), each, subscribers).await;
    });
    report::close();
}

async fn on(name: &'static str, url: &str, past: Past, each: Duration, subscribers: usize) {
    fixture::prepare(url, Watch::On).await;
    let serving = Serving::start(url).await;
    let mut place = Place { name, past, serving, next_id: 1 };
    for by in [By::Server, By::Others] {
        for rooms in [ROOMS, 1] {
            for rate in RATES {
                place.measure(by, rooms, rate, each, subscribers).await;
            }
        }
    }
    let complaints = place.serving.complaints();
    if !complaints.is_empty() {
        println!("the server complained:\n{complaints}");
    }
}

impl Place {
    async fn measure(
        &mut self,
        by: By,
        rooms: i64,
        asked: u32,
        each: Duration,
        subscribers: usize,
    ) {
        let crowd = Crowd::gather(&self.serving.address, subscribers, rooms).await;
        // The first half second finds connections and statements cold, and is not counted.
        let cold = u64::from(asked / 2);
        let count = u64::from(asked) * each.as_secs();
        let pace = Pace { first: self.next_id, count: cold + count, per_second: asked, rooms };
        self.next_id += pace.count;
        let writers = self.writers(by, asked).await;
        let (meter, before) = (Meter::start(), machine::ticks(self.serving.pid, 2));
        let (mut inserts, took) = writer::write(writers, pace).await;
        let expected: usize =
            inserts.iter().map(|insert| watchers(insert, subscribers, rooms)).sum();
        wait_for(&crowd, expected).await;
        let others = meter.others();
        let server = machine::ticks(self.serving.pid, 2) - before;
        let server = rate(server, meter.elapsed());
        let heard = crowd.leave().await;
        let done = rate(inserts.len(), took);
        inserts.retain(|insert| pace.first + cold <= insert.id);
        report::row(&Measured {
            database: self.name,
            by: by.name(),
            rooms,
            asked,
            inserts: &inserts,
            heard: &heard,
            done,
            server,
            memory: machine::memory(self.serving.pid),
            others,
        });
    }

    /// Enough writers for the rate: a mutation waits for its answer, and a socket may send a
    /// hundred a second.
    async fn writers(&self, by: By, rate: u32) -> Vec<Writer> {
        let count = rate.div_ceil(50).min(16);
        let mut writers = Vec::new();
        for number in 0..count {
            writers.push(match (by, &self.past) {
                (By::Server, _) => Writer::mutation(&self.serving.address, number).await,
                (By::Others, Past::Postgres(url)) => Writer::postgres(url).await,
                // SQLite has one writer at a time.
                (By::Others, Past::Sqlite(_)) if 0 < number => break,
                (By::Others, Past::Sqlite(file)) => Writer::sqlite(file),
            });
        }
        writers
    }
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Others => "others",
        }
    }
}

/// How many clients must hear of a message: they sit in the rooms in turn.
pub(crate) fn watchers(insert: &Insert, subscribers: usize, rooms: i64) -> usize {
    let place = usize::try_from(insert.room - 1).expect("rooms are counted from one");
    let rooms = usize::try_from(rooms).expect("there are few rooms");
    (subscribers + rooms - 1 - place) / rooms
}

async fn wait_for(crowd: &Crowd, expected: usize) {
    let expected = u64::try_from(expected).expect("nobody counts so far");
    let began = tokio::time::Instant::now();
    while crowd.heard() < expected && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
