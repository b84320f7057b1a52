//! A crowd that comes all at once, as after a deployment or a cut cable: how long until each has what
//! it wants, and what the database was asked for it.

use std::mem;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value as Json;
use serde_json::json;
use tokio::task::JoinSet;

use crate::live::figures::Spread;
use crate::live::fixture::ROOMS;
use crate::live::machine;
use crate::live::report::Report;
use crate::live::serve::Serving;
use crate::live::socket::Socket;
use crate::live::support::cluster::Cluster;
use crate::live::systems::By;
use crate::live::systems::Place;
use crate::live::systems::System;
use crate::live::writer;
use crate::live::writer::Pace;
use crate::live::writer::Writer;

/// Longer than any of them waits.
const PATIENCE: Duration = Duration::from_mins(2);

/// What everybody asks for, by one name.
const QUERY: &str = "latest";

const HOW: &str = "\
Clients on PostgreSQL, a hundredth of them in each of 100 rooms, each with the newest 50 messages of its room; a message was
written into every room while they were away. All of them connect at the same moment and join, with the cursor that they had or
none; the client's time ends when it has its answer, which is checked to hold the newest message. *Led on*: what happened since
their cursor; *all rows*: a snapshot instead. *Reads*: what the database was asked to load for all of them. `cpu`: processor
seconds of the server, which shares the machine with the clients.";

/// Measures.
pub(crate) fn run(report: &mut Report, cluster: &Cluster, clients: usize) {
    report.open("storm", HOW);
    report.head(&[
        &*format!("{clients} clients"),
        "all answered",
        "p50 / p99",
        "led on",
        "all rows",
        "reads",
        "cpu",
        "MiB",
    ]);
    machine::runtime().block_on(measure(report, cluster, clients));
    report.close();
}

async fn measure(report: &mut Report, cluster: &Cluster, clients: usize) {
    let mut place = Place::open(System::RectoPostgres, cluster).await;
    let mut writers = vec![place.writers(By::Others, 1).await.remove(0)];
    let mut crowd: Vec<Client> = (0..clients).map(|_| Client::default()).collect();
    let newest = write(&mut place, &mut writers).await;
    storm(report, "new, to a node that has shown nothing", &place.serving, &mut crowd, newest)
        .await;
    crowd.iter_mut().for_each(Client::leave);
    let newest = write(&mut place, &mut writers).await;
    storm(report, "cut off, back to the same node", &place.serving, &mut crowd, newest).await;
    let other = Serving::ours("serve", place.url()).await;
    // It dies with all its connections.
    drop(mem::replace(&mut place.serving, other));
    let newest = write(&mut place, &mut writers).await;
    storm(report, "their node killed, to another", &place.serving, &mut crowd, newest).await;
    crowd = (0..clients).map(|_| Client::default()).collect();
    storm(report, "new, to a node that shows it already", &place.serving, &mut crowd, newest).await;
}

/// Writes a message into every room; returns the number of the first.
async fn write(place: &mut Place, writers: &mut Vec<Writer>) -> u64 {
    let first = place.next_id;
    let count = ROOMS.unsigned_abs();
    place.next_id += count;
    writer::write_to_each(writers, Pace { first, count, per_second: 1000 }).await;
    first
}

/// One of them.
#[derive(Default)]
struct Client {
    socket: Option<Socket>,
    cursor: Option<Json>,
}

impl Client {
    fn leave(&mut self) {
        self.socket = None;
    }

    /// Connects and asks; returns how long that took, and how it was answered.
    async fn come(&mut self, address: &str, room: i64, newest: &str) -> (i64, String) {
        let began = Instant::now();
        let mut query = json!({"q": "messages.latest", "args": {"room_id": room}});
        if let Some(cursor) = &self.cursor {
            query["since"] = cursor.clone();
        }
        let joined = Socket::open(address, "", json!({QUERY: query})).await;
        let (socket, mut answer) = joined.expect("the server lets everybody in");
        let took = i64::try_from(began.elapsed().as_micros()).expect("nobody waits for an age");
        let text = answer.to_string();
        assert!(text.contains(newest), "the newest message of room {room} is missing: {text}");
        let mode = answer["queries"][QUERY]["mode"].as_str().unwrap_or_default().to_owned();
        *self =
            Self { socket: Some(socket), cursor: Some(answer["queries"][QUERY]["cursor"].take()) };
        (took, mode)
    }
}

async fn storm(
    report: &mut Report,
    who: &str,
    serving: &Serving,
    crowd: &mut Vec<Client>,
    newest: u64,
) {
    let (before, cpu) = (reads(&serving.address).await, machine::ours(serving.pid));
    let began = Instant::now();
    let mut coming = JoinSet::new();
    for (number, mut client) in (0..).zip(mem::take(crowd)) {
        let address = serving.address.clone();
        coming.spawn(async move {
            let room = number % ROOMS;
            let mark = format!("#{} And", newest + room.unsigned_abs());
            let answered = client.come(&address, 1 + room, &mark);
            let answered = tokio::time::timeout(PATIENCE, answered).await;
            (number, client, answered.expect("everybody is answered in time"))
        });
    }
    let mut back = coming.join_all().await;
    let took = began.elapsed();
    let cpu = machine::ours(serving.pid) - cpu;
    let reads = reads(&serving.address).await - before;
    // Each stays in its room.
    back.sort_unstable_by_key(|(number, ..)| *number);
    let count = |wanted: &str| back.iter().filter(|(_, _, (_, mode))| mode == wanted).count();
    let (led_on, all_rows) = (count("delta"), count("snapshot"));
    assert_eq!(led_on + all_rows, back.len(), "somebody was refused");
    let times = Spread::of(back.iter().map(|(_, _, (took, _))| *took));
    report.row(&[
        who.to_owned(),
        format!("{:.2} s", took.as_secs_f64()),
        format!("{:.2} / {:.2} s", times.percentile(50) / 1000.0, times.percentile(99) / 1000.0),
        led_on.to_string(),
        all_rows.to_string(),
        reads.to_string(),
        // Hundredths of a second.
        format!("{}.{:02}", cpu / 100, cpu % 100),
        (machine::resident(serving.pid) / 1024).to_string(),
    ]);
    crowd.extend(back.into_iter().map(|(_, client, _)| client));
}

/// What the server has read for those who came.
async fn reads(address: &str) -> i64 {
    let mut asks = Socket::join(address, "counts", json!({})).await;
    let loads = asks
        .mutate(&json!({"id": format!("c:{}", crate::live::figures::now()), "name": "bench.loads"}))
        .await;
    loads.as_i64().expect("a number")
}
