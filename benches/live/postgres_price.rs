//! What a watched table costs its writers on PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::NoTls;
use tokio_postgres::Statement;

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
use crate::live::serve::Serving;
use crate::live::support::cluster::Cluster;

/// What a writer does, over and over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// With a number and a text.
    sql: &'static str,
    /// The numbers are from one to this.
    numbers: i64,
    /// How many rows one statement writes.
    rows: usize,
}

pub(crate) const INSERT: Work = Work {
    name: "insert, chat's messages",
    sql: "insert into messages (room_id, author, body) values ($1, 'writer', $2)",
    numbers: ROOMS,
    rows: 1,
};

const INSERT_BARE: Work = Work {
    name: "insert, key and text only",
    sql: "insert into notes (body) select $2 where 0 < $1::bigint",
    numbers: 1,
    rows: 1,
};

const UPDATE: Work = Work {
    name: "update by primary key",
    sql: "update messages set body = $2 where id = $1",
    numbers: MESSAGES,
    rows: 1,
};

pub(crate) const INSERT_MANY: Work = Work {
    name: "insert of 10,000 rows, rows/s",
    sql: "insert into messages (room_id, author, body) \
        select 1 + ($1::bigint + n) % 100, 'writer', $2 from generate_series(1, 10000) n",
    numbers: ROOMS,
    rows: 10_000,
};

/// Whether a connection is one of those that ring the bell themselves, as those of a Repo do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bell {
    Silent,
    Rung,
}

/// Several connections that do the same.
pub(crate) struct Writers {
    clients: Vec<(Arc<Client>, Statement)>,
    _drivers: JoinSet<()>,
    work: Work,
}

static NUMBER: AtomicU64 = AtomicU64::new(1);

impl Writers {
    pub(crate) async fn connect(url: &str, bell: Bell, count: usize, work: Work) -> Self {
        let (mut clients, mut drivers) = (Vec::new(), JoinSet::new());
        for _ in 0..count {
            let client = connect(url, &mut drivers).await;
            if bell == Bell::Silent {
                let set = client.batch_execute("set recto.notify = 'off'").await;
                set.expect("a setting can be made");
            }
            let statement = client.prepare(work.sql).await.expect("the table is there");
            clients.push((Arc::new(client), statement));
        }
        Self { clients, _drivers: drivers, work }
    }

    /// Writes once on each connection.
    pub(crate) async fn once(&self) {
        for (client, statement) in &self.clients {
            write(client, statement, self.work).await;
        }
    }

    /// Writes for so long, and says how many rows a second.
    pub(crate) async fn turn(&self, each: Duration) -> f64 {
        let began = Instant::now();
        let (mut tasks, work) = (JoinSet::new(), self.work);
        for (client, statement) in &self.clients {
            let (client, statement) = (Arc::clone(client), statement.clone());
            tasks.spawn(async move {
                let mut count = 0;
                while began.elapsed() < each {
                    write(&client, &statement, work).await;
                    count += work.rows;
                }
                count
            });
        }
        let count = tasks.join_all().await.into_iter().sum();
        rate(count, began.elapsed())
    }
}

async fn write(client: &Client, statement: &Statement, work: Work) {
    let id = NUMBER.fetch_add(1, Ordering::Relaxed);
    let number = 1 + scatter(id, work.numbers);
    let done = client.execute(statement, &[&number, &body(id)]).await;
    done.expect("a row can be written");
}

async fn connect(url: &str, drivers: &mut JoinSet<()>) -> Client {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.expect("the cluster lets everybody in");
    drivers.spawn(async move { connection.await.expect("nobody cuts the connection") });
    client
}

/// Measures one kind of work after the other.
pub(crate) fn run(report: &mut Report, cluster: &Cluster, each: Duration) {
    price::head(report, "PostgreSQL");
    let runtime = machine::runtime();
    let [plain, watched, rung] = std::array::from_fn(|_| cluster.create_database());
    // Without a node that follows, nobody is rung; one that does takes a part of the machine.
    let _serving = runtime.block_on(async {
        fixture::prepare(plain.url(), Watch::Off).await;
        fixture::prepare(watched.url(), Watch::On).await;
        fixture::prepare(rung.url(), Watch::On).await;
        Serving::ours("serve", rung.url()).await
    });
    let silent = [(plain.url(), Bell::Silent), (watched.url(), Bell::Silent)];
    let all = [silent[0], silent[1], (rung.url(), Bell::Rung)];
    for (work, variants) in [(INSERT, &all[..]), (INSERT_BARE, &silent), (UPDATE, &silent)] {
        for count in [1, 8, 32] {
            compare(report, &runtime, variants, each, count, work);
        }
    }
    compare(report, &runtime, &silent, each, 1, INSERT_MANY);
}

fn compare(
    report: &mut Report,
    runtime: &Runtime,
    variants: &[(&str, Bell)],
    each: Duration,
    count: usize,
    work: Work,
) {
    let mut connected = Vec::new();
    for (url, bell) in variants {
        connected.push(runtime.block_on(Writers::connect(url, *bell, count, work)));
    }
    let meter = Meter::start();
    let figures = price::take_turns(&mut connected, |writers| runtime.block_on(writers.turn(each)));
    let others = meter.others();
    let connections = if count == 1 { "connection" } else { "connections" };
    let name = format!("{}, {count} {connections}", work.name);
    price::row(report, &name, &figures[0], &figures[1], others);
    if let Some(rung) = figures.get(2) {
        price::row(report, "the same by SQL, with a node that follows", &figures[0], rung, others);
    }
}
