//! The server of the fan-out benchmark, in a process of its own: sockets on one live result, bare
//! connections for the floor, and one connection that says what to do.
//!
//! Commands are lines, each answered with one line: `post N` commits N rows, one tick each, and waits
//! for no client; `raw N LENGTH` writes one frame of that length N times to every bare connection.

use std::io::ErrorKind as Io;
use std::sync::Arc;
use std::time::Duration;

use recto::live::server::Limits;
use recto::live::server::Server;
use recto::prelude::*;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::live::control::Control;
use crate::live::machine;

/// What everybody looks at.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "notes")]
struct Note {
    id: i64,
    room: i64,
    body: String,
}

/// The window of every room, and of the one that all look at.
fn newest(room: i64) -> Query<Note> {
    from::<Note>().filter(move |n| n.room.eq(room)).order_by(|n| n.id.desc()).limit(50)
}

#[derive(serde::Deserialize)]
struct Room {
    room: i64,
}

const TABLE: &str = "create table notes (id integer primary key autoincrement, room integer not null, body text not null);
    create index notes_room on notes (room)";

/// Where the parent reaches the child.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) sockets: String,
    pub(crate) bare: String,
    pub(crate) pid: u32,
}

/// Serves until killed.
pub(crate) fn run() {
    let served = machine::runtime().block_on(async {
        let repo = Repo::connect("sqlite://:memory:").await?;
        repo.batch_sql(TABLE).await?;
        ChangeLog::new([Note::table()]).install(&repo).await?;
        for number in 0..60 {
            repo.insert(note(number)).await?;
        }
        let live = Live::start(&repo).await?;
        // Nobody says anything for as long as a measurement takes.
        let limits =
            Limits { idle: Duration::from_hours(1), sockets: 1_000_000, ..Limits::default() };
        let server = Server::new(live.clone())
            .limits(limits)
            .query("newest", async |_, Room { room }: Room| Ok(newest(room)));
        let running = server.bind("127.0.0.1:0").await?;
        let bare = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let control = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let at = |listener: &TcpListener| listener.local_addr().expect("it listens");
        println!(
            "ready {} {} {} {}",
            running.local_addr(),
            at(&bare),
            at(&control),
            std::process::id()
        );
        obey(control, bare, &repo, &live).await;
        Ok::<(), Error>(())
    });
    if let Err(error) = served {
        panic!("the server does not start: {}", error.chain());
    }
}

/// A chat's message, the same length every time.
fn note(number: u64) -> Note {
    let body = format!("{number:08} And so I said to her that it could not go on like that.");
    Note { room: 7, body, ..Note::default() }
}

async fn obey(control: TcpListener, bare: TcpListener, repo: &Repo, live: &Live) {
    let mut control = Control::accept(control).await;
    let mut watched = live.query(newest(7)).await.expect("the question can be asked");
    let mut connections: Vec<Arc<TcpStream>> = Vec::new();
    let mut posted = 0;
    while let Some(line) = control.hear().await {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |place: usize| words[place].parse::<u64>().expect("a number");
        match words[0] {
            "post" => {
                for _ in 0..number(1) {
                    posted += 1;
                    repo.insert(note(posted)).await.expect("a row can be inserted");
                    watched.caught_up().await.expect("the engine runs");
                }
            }
            "bare" => {
                for _ in 0..number(1) {
                    let (stream, _) = bare.accept().await.expect("somebody connects");
                    stream.set_nodelay(true).expect("a connection can be set up");
                    write_all(&stream, b".").await;
                    connections.push(Arc::new(stream));
                }
            }
            "hang-up" => connections.clear(),
            "raw" => raw(&connections, number(1), number(2)).await,
            other => panic!("`{other}` is not a command"),
        }
        control.say("done").await;
    }
}

/// The floor: one frame, encoded before, written to every connection by as many tasks as there are
/// processors, without anything else around the writes.
async fn raw(connections: &[Arc<TcpStream>], rounds: u64, length: u64) {
    let frame: Arc<[u8]> = frame(length).into();
    let tasks = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut writers = JoinSet::new();
    for chunk in connections.chunks(connections.len().div_ceil(tasks)) {
        let (chunk, frame) = (chunk.to_vec(), Arc::clone(&frame));
        writers.spawn(async move {
            for _ in 0..rounds {
                for stream in &chunk {
                    write_all(stream, &frame).await;
                }
            }
        });
    }
    writers.join_all().await;
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == Io::WouldBlock => {
                stream.writable().await.expect("the parent reads");
            }
            Err(error) => panic!("a connection broke: {error}"),
        }
    }
}

/// A text frame that is so long in all.
fn frame(length: u64) -> Vec<u8> {
    let length = usize::try_from(length).expect("frames are short");
    let text = length - 4;
    let mut frame = vec![0x81, 126];
    frame.extend(u16::try_from(text).expect("frames are short").to_be_bytes());
    frame.resize(length, b'x');
    frame
}
