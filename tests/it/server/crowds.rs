//! Many clients, slow clients, and clients that come back all at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use recto::live::Config;
use recto::live::server::Limits;
use recto::live::server::Server;
use recto::prelude::*;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Client;
use super::House;
use super::Note;
use super::Room;
use crate::support::wait::eventually_eq;
use crate::support::wait::within;

/// Longer than a thousand clients take on a machine that does other things too.
const LONG: Duration = Duration::from_mins(2);

/// A client with little room, who reads when it is told to.
struct Slow {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Slow {
    /// Connects, joins with all notes, and hears the answer.
    async fn join(at: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // So little that what it does not read soon waits in the server.
        socket.set_recv_buffer_size(4096).unwrap();
        let mut slow = Self { stream: socket.connect(at).await.unwrap(), read: Vec::new() };
        let request = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        slow.stream.write_all(request.as_bytes()).await.unwrap();
        slow.fill(|read| read.ends_with(b"\r\n\r\n")).await;
        slow.read.clear();
        let join = r#"["1","1","live:1","phx_join",{"queries":{"a":{"q":"notes.all"}}}]"#;
        let mut frame = vec![0x81, 0x80 | u8::try_from(join.len()).unwrap(), 0, 0, 0, 0];
        frame.extend(join.as_bytes());
        slow.stream.write_all(&frame).await.unwrap();
        let answer = slow.frame().await;
        assert!(answer.contains("\"mode\":\"snapshot\""), "{answer}");
        slow
    }

    async fn fill(&mut self, is_enough: impl Fn(&[u8]) -> bool) {
        while !is_enough(&self.read) {
            let read =
                within("the server says something", LONG, self.stream.read_buf(&mut self.read));
            assert_ne!(read.await.unwrap(), 0, "the server hung up");
        }
    }

    /// Reads a little of what is there, if anything is.
    fn sip(&mut self, bytes: usize) {
        // Those that were closed read nothing, or an error.
        _ = self.stream.try_read(&mut vec![0; bytes]);
    }

    /// The next frame, as text.
    async fn frame(&mut self) -> String {
        self.fill(|read| 2 <= read.len()).await;
        let head = if self.read[1] == 126 {
            4
        } else if self.read[1] == 127 {
            10
        } else {
            2
        };
        self.fill(|read| head <= read.len()).await;
        let length = match self.read[1] {
            126 => usize::from(u16::from_be_bytes([self.read[2], self.read[3]])),
            127 => {
                let bytes: [u8; 8] = self.read[2..10].try_into().unwrap();
                usize::try_from(u64::from_be_bytes(bytes)).unwrap()
            }
            short => usize::from(short),
        };
        self.fill(|read| head + length <= read.len()).await;
        let text = String::from_utf8(self.read[head..head + length].to_vec()).unwrap();
        self.read.drain(..head + length);
        text
    }

    /// Reads until all notes up to `last` are there, and says in how many messages they came.
    async fn catch_up(mut self, last: i64) -> usize {
        let mut version = None;
        let mut shown = BTreeSet::new();
        let mut messages = 0;
        while !shown.contains(&last) {
            messages += 1;
            let mut message: Json = serde_json::from_str(&self.frame().await).unwrap();
            let (event, payload) = (message[3].take(), message[4].take());
            if event == "diff" {
                if let Some(version) = version {
                    assert_eq!(payload["p"], version, "a step that does not follow");
                }
                for op in payload["q"]["a"].as_array().unwrap() {
                    assert_eq!(op[0], "+");
                    assert!(shown.insert(op[1].as_i64().unwrap()), "{} came twice", op[1]);
                }
            } else {
                assert_eq!(event, "reset");
                let keys = payload["queries"]["a"]["keys"].as_array().unwrap();
                shown = keys.iter().map(|key| key.as_i64().unwrap()).collect();
            }
            version = payload["v"].as_u64();
        }
        let missing = (1..=last).find(|id| !shown.contains(id));
        assert_eq!(missing, None, "a note was never shown");
        messages
    }
}

/// Writes so many notes, each its own step.
async fn write(house: &House, count: i64, bytes: usize) {
    let mut live = house.live.query(from::<Note>().order_by(|n| n.id.asc())).await.unwrap();
    let body = "x".repeat(bytes);
    for _ in 0..count {
        house.repo.insert(Note::of(7, &body)).await.unwrap();
        live.caught_up().await.unwrap();
    }
}

async fn joined(at: SocketAddr, count: usize) -> Vec<Slow> {
    let mut joining = JoinSet::new();
    let mut slow = Vec::new();
    for _ in 0..count {
        joining.spawn(Slow::join(at));
        if 64 <= joining.len() {
            slow.push(joining.join_next().await.unwrap().unwrap());
        }
    }
    slow.extend(joining.join_all().await);
    slow
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_clients_cost_a_bounded_amount_and_miss_nothing() {
    let house = House::new().await;
    let limits =
        Limits { stalled: Duration::from_mins(10), all_bytes: 2 << 30, ..Limits::default() };
    let running = house.run_narrow(limits);
    let slow = joined(running.local_addr(), 1000).await;
    let mut quick = Client::connect(running.local_addr()).await;
    quick.join().await;

    // Far more than the buffers of the system hold, and more steps than a mailbox does.
    let (count, bytes) = (200, 4000);
    let quick = async {
        let mut shown = 0;
        while shown < count {
            let heard = within("the quick one is served", LONG, quick.hear()).await;
            // A machine that is busy may leave it behind.
            if heard[3] == "reset" {
                shown = heard[4]["queries"]["a"]["keys"].as_array().unwrap().len();
            } else {
                shown += heard[4]["q"]["a"].as_array().unwrap().len();
            }
        }
    };
    tokio::join!(write(&house, 200, bytes), quick);
    let waiting = running.stats().waiting_bytes;
    // What one write takes at most, and the step that goes beyond it, with what is around the note.
    assert!(waiting <= 1000 * (64 * 1024 + 3 * bytes), "{waiting} bytes wait");
    let shapes = house.live.shapes().await.unwrap();
    println!("{waiting} bytes wait for a thousand slow clients after {count} steps; {shapes:?}");

    let mut catching_up = JoinSet::new();
    for slow in slow {
        catching_up.spawn(slow.catch_up(200));
    }
    let messages = catching_up.join_all().await;
    // Some were led to the present by joined steps: fewer messages than steps.
    assert!(messages.iter().any(|messages| *messages < count), "{messages:?}");
    assert_eq!(running.stats().slow, 0);
}

#[tokio::test]
async fn when_too_much_waits_for_all_the_slowest_go_first() {
    let house = House::new().await;
    let limits =
        Limits { stalled: Duration::from_mins(10), all_bytes: 500_000, ..Limits::default() };
    let running = house.run_with(limits).await;
    let mut quick = Client::connect(running.local_addr()).await;
    quick.join().await;
    let mut slow = joined(running.local_addr(), 8).await;
    let body = "x".repeat(200_000);
    let mut written = 0;
    while running.stats().shed == 0 {
        written += 1;
        assert!(written < 500, "nobody is shed: {:?}", running.stats());
        house.repo.insert(Note::of(7, &body)).await.unwrap();
        quick.diff().await;
        // What waits for each is the rest of a frame: a byte or nearly all of it. They read a little,
        // each another amount, so that there are rests of every size.
        for (one, place) in slow.iter_mut().zip(1..) {
            one.sip(place * 10_000);
        }
    }
    let waiting = async || running.stats().waiting_bytes <= 500_000;
    eventually_eq("less waits than may", LONG, true, waiting).await;
    let stats = running.stats();
    assert_eq!(stats.shed, stats.slow);
    assert!(stats.sockets < 9, "{stats:?}");
    // The quick one is still there.
    house.repo.insert(Note::of(7, "last")).await.unwrap();
    quick.diff().await;
    drop(slow);
}

#[tokio::test]
async fn more_than_a_socket_may_hold_ends_it() {
    let house = House::new().await;
    let limits = Limits { socket_bytes: 100_000, ..Limits::default() };
    let running = house.run_with(limits).await;
    let _slow = Slow::join(running.local_addr()).await;
    // More than any system takes at once.
    house.repo.insert(Note::of(7, &"x".repeat(16 << 20))).await.unwrap();
    let slow = async || running.stats().slow;
    eventually_eq("it is given up", LONG, 1, slow).await;
    eventually_eq("its place is free", LONG, 0, async || running.stats().sockets).await;
}

#[tokio::test]
async fn joins_are_limited_in_a_second_and_queries_on_a_socket() {
    let house = House::new().await;
    let limits = Limits { joins_per_second: 3, queries: 2, ..Limits::default() };
    let running = house.run_with(limits).await;
    let mut client = Client::connect(running.local_addr()).await;
    let all = || json!({"q": "notes.all"});
    let joined = client.join_with(json!({"a": all()})).await;
    assert_eq!(joined["queries"]["a"]["mode"], "snapshot");
    let more = client.ask("2", "add", json!({"queries": {"b": all(), "c": all()}})).await;
    let queries = &more["response"]["queries"];
    assert_eq!(queries["b"]["mode"], "snapshot");
    assert_eq!(queries["c"]["error"]["code"], "too_many_queries");
    // Another channel has no room of its own.
    client.send(json!(["9", "9", "live:2", "phx_join", {"queries": {"d": all()}}])).await;
    let other = client.hear_as("9", "phx_reply").await;
    assert_eq!(other["response"]["queries"]["d"]["error"]["code"], "too_many_queries");

    // More at once than in the seconds that it takes.
    let many = 100;
    for number in 0..many {
        client.send(json!(["1", number, "live:1", "add", {"queries": {}}])).await;
    }
    let mut refused = 0;
    for _ in 0..many {
        let heard = client.hear().await;
        if heard[4]["status"] == "error" {
            assert_eq!(heard[4]["response"]["code"], "rate_limited");
            assert!(heard[4]["response"]["retry_after_ms"].is_u64(), "{heard}");
            refused += 1;
        }
    }
    assert!(0 < refused);
}

/// How many clients come back at once: `RECTO_CROWD`, or as many as fit any limit of open files.
fn many() -> usize {
    std::env::var("RECTO_CROWD").map_or(300, |crowd| crowd.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_comes_back_is_led_on_and_shares_what_it_sees() {
    let house = House::new().await;
    house.repo.insert(Note::of(7, "old")).await.unwrap();
    let running = house.run().await;
    let at = running.local_addr();
    let mut first = Client::connect(at).await;
    let cursor = first.join().await["queries"]["a"]["cursor"].clone();
    house.repo.insert(Note::of(7, "new")).await.unwrap();
    first.diff().await;
    let mut crowd = JoinSet::new();
    let began = Instant::now();
    for number in 0..many() {
        let cursor = cursor.clone();
        crowd.spawn(async move {
            let mut client = Client::connect(at).await;
            let mut query = json!({"q": "notes.all"});
            // Two of three come back; the others are new.
            if number % 3 != 0 {
                query["since"] = cursor;
            }
            let joined =
                within("it is answered", LONG, client.join_with(json!({"a": query}))).await;
            joined["queries"]["a"]["mode"].as_str().unwrap().to_owned()
        });
    }
    let modes = crowd.join_all().await;
    println!("{} clients came back within {:?}", modes.len(), began.elapsed());
    let new = modes.len().div_ceil(3);
    assert_eq!(modes.iter().filter(|mode| *mode == "delta").count(), modes.len() - new);
    assert_eq!(modes.iter().filter(|mode| *mode == "snapshot").count(), new);
    let shapes = house.live.shapes().await.unwrap();
    let [shape] = &*shapes else { panic!("one question was asked, not {shapes:?}") };
    // The first client's snapshot counts, too.
    let counts = shape.counts;
    let (new, back) = (u64::try_from(new).unwrap(), u64::try_from(modes.len() - new).unwrap());
    assert_eq!((counts.loads, counts.ring_hits, counts.snapshots), (1, back, new + 1));
}

#[tokio::test]
async fn a_crowd_with_many_questions_is_told_when_too_many_wait() {
    let house = House::new().await;
    let mut config = Config::default();
    (config.loads, config.most_loading) = (1, 5);
    let live = Live::start_with(&house.repo, config).await.unwrap();
    let server = Server::new(live)
        .query("notes.in_room", async |_, args: Room| Ok(Note::in_room(args.room)));
    let running = server.bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::connect(running.local_addr()).await;
    let ask =
        |room: i64| (format!("q{room:02}"), json!({"q": "notes.in_room", "args": {"room": room}}));
    let all: serde_json::Map<_, _> = (0..20).map(ask).collect();
    // One request, which the engine hears before it begins to read.
    let joined = client.join_with(all.into()).await;
    let queries = joined["queries"].as_object().unwrap();
    let refused: Vec<_> = queries.iter().filter(|(_, query)| query["mode"] == "error").collect();
    assert_eq!(refused.len(), 15);
    for (_, query) in &refused {
        assert_eq!(query["error"]["code"], "overloaded");
        assert!(query["error"]["retry_after_ms"].is_u64(), "{query}");
    }
    // Those who ask later find room.
    let (name, query) = ask(19);
    let more = client.ask("2", "add", json!({"queries": {name.clone(): query}})).await;
    assert_eq!(more["response"]["queries"][name]["mode"], "snapshot");
}

#[tokio::test]
async fn a_server_that_goes_away_lets_nobody_in_while_others_are_still_there() {
    let house = House::new().await;
    let limits = Limits {
        drain_batch: 1,
        drain_pause: Duration::from_secs(1),
        drain: Duration::from_mins(1),
        ..Limits::default()
    };
    let running = house.run_with(limits).await;
    let at = running.local_addr();
    let (mut first, mut last) = (Client::connect(at).await, Client::connect(at).await);
    first.join().await;
    last.join().await;
    let watched = async {
        assert_eq!(first.goodbye().await, 1012);
        assert!(TcpStream::connect(at).await.is_err(), "somebody still listens");
        // Whoever has not been asked to go is served as before.
        house.repo.insert(Note::of(7, "last")).await.unwrap();
        assert!(last.diff().await["q"]["a"].is_array());
        assert_eq!(last.goodbye().await, 1012);
    };
    tokio::join!(running.shutdown(), watched);
}
