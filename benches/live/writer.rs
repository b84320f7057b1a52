//! Those who write: at a given pace, through the server or past it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::NoTls;
use tokio_postgres::Statement;

use crate::live::figures::now;
use crate::live::figures::scatter;
use crate::live::fixture::ROOMS;
use crate::live::fixture::body;
use crate::live::rest::Rest;
use crate::live::socket::Socket;

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The first message's number; the others follow.
    pub(crate) first: u64,
    pub(crate) count: u64,
    pub(crate) per_second: u32,
}

/// One message, as its writer saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Insert {
    pub(crate) id: u64,
    pub(crate) room: i64,
    /// When the writer asked for it.
    pub(crate) sent: i64,
    /// When the call that inserted it returned.
    pub(crate) committed: i64,
}

/// A writer with a connection.
pub(crate) enum Writer {
    /// `bench.post` on the server, which writes through its own repo.
    Mutation(Socket),
    /// SQL on a connection that the server knows nothing of.
    Postgres { client: Client, statement: Statement, _driver: JoinSet<()> },
    /// The same for a file.
    Sqlite(rusqlite::Connection),
    /// A request to Parse, which writes through itself.
    Rest(Rest),
}

impl Writer {
    pub(crate) async fn mutation(address: &str, number: u32) -> Self {
        Self::Mutation(Socket::join(address, &format!("writer{number}"), json!({})).await)
    }

    pub(crate) async fn postgres(url: &str) -> Self {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.expect("the cluster lets everybody in");
        let mut driver = JoinSet::new();
        driver.spawn(async move { connection.await.expect("nobody cuts the connection") });
        let sql = "insert into messages (room_id, author, body) values ($1, $2, $3)";
        let statement = client.prepare(sql).await.expect("the table is there");
        Self::Postgres { client, statement, _driver: driver }
    }

    pub(crate) fn sqlite(file: &Path) -> Self {
        let connection = rusqlite::Connection::open(file).expect("the file is there");
        let bound = Duration::from_secs(5);
        connection.busy_timeout(bound).expect("a connection can be set up");
        connection
            .execute_batch("pragma synchronous = normal; pragma foreign_keys = on")
            .expect("a connection can be set up");
        Self::Sqlite(connection)
    }

    pub(crate) async fn rest(address: &str) -> Self {
        Self::Rest(Rest::connect(address).await)
    }

    async fn insert(&mut self, id: u64, room: i64) -> Insert {
        let sent = now();
        let body = body(id);
        let committed = match self {
            Self::Mutation(socket) => {
                let args = json!({"room_id": room, "author": "writer", "body": body});
                let call = json!({"id": format!("w:{id}"), "name": "bench.post", "args": args});
                let committed = socket.mutate(&call).await;
                committed.as_i64().expect("the time of the commit")
            }
            Self::Postgres { client, statement, .. } => {
                let done = client.execute(&*statement, &[&room, &"writer", &body]).await;
                done.expect("a message can be inserted");
                now()
            }
            Self::Sqlite(connection) => tokio::task::block_in_place(|| {
                let sql = "insert into messages (room_id, author, body) values (?1, 'writer', ?2)";
                let mut statement = connection.prepare_cached(sql).expect("the table is there");
                statement.execute((room, body)).expect("a message can be inserted");
                now()
            }),
            Self::Rest(rest) => {
                let message = json!({"room_id": room, "author": "writer", "body": body});
                rest.create("Message", &message).await;
                now()
            }
        };
        Insert { id, room, sent, committed }
    }
}

/// Writes at a pace, each writer its share; returns what was written, in order, and how long it
/// took. The writers are kept for another time.
pub(crate) async fn write(writers: &mut Vec<Writer>, pace: Pace) -> (Vec<Insert>, Duration) {
    write_into(writers, pace, |id| 1 + scatter(id, ROOMS)).await
}

/// The same, into one room after the other from the first on.
pub(crate) async fn write_to_each(
    writers: &mut Vec<Writer>,
    pace: Pace,
) -> (Vec<Insert>, Duration) {
    write_into(writers, pace, move |id| 1 + (id - pace.first).cast_signed() % ROOMS).await
}

async fn write_into(
    writers: &mut Vec<Writer>,
    pace: Pace,
    room: impl Fn(u64) -> i64 + Copy + Send + 'static,
) -> (Vec<Insert>, Duration) {
    let began = Instant::now();
    let lanes = writers.len();
    let mut tasks = JoinSet::new();
    for (lane, mut writer) in writers.drain(..).enumerate() {
        let order = pace;
        tasks.spawn(async move {
            let mut written = Vec::new();
            let start = u64::try_from(lane).expect("there are few writers");
            for number in (start..order.count).step_by(lanes) {
                tokio::time::sleep_until(began + due(number, order.per_second)).await;
                let id = order.first + number;
                written.push(writer.insert(id, room(id)).await);
            }
            (writer, written)
        });
    }
    let mut written = Vec::new();
    for (writer, share) in tasks.join_all().await {
        writers.push(writer);
        written.extend(share);
    }
    let took = began.elapsed();
    written.sort_unstable_by_key(|insert| insert.id);
    (written, took)
}

/// When a message is to be sent, after the first.
fn due(number: u64, per_second: u32) -> Duration {
    Duration::from_micros(number * 1_000_000 / u64::from(per_second))
}
