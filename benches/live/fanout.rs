//! How much more a delivery costs than the write it ends in: many sockets on one live result, beside
//! bare connections that are written to and nothing else, in the same run and the same process.

use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use crate::live::control::Control;
use crate::live::fanout_crowd::Hello;
use crate::live::fanout_crowd::Listeners;
use crate::live::fanout_serve::Places;
use crate::live::figures::rate;
use crate::live::machine;
use crate::live::machine::Meter;
use crate::live::report::Report;
use crate::live::report::share;
use crate::live::support::process::Program;

/// How many commits come at once where frames are to wait for each other.
const BURST: u64 = 8;

/// How many rounds are not counted.
const COLD: u64 = 24;

/// The process that serves, and the connection that says what it is to do.
pub(crate) struct Served {
    _program: Program,
    pub(crate) places: Places,
    control: Control,
}

impl Served {
    pub(crate) async fn start() -> Self {
        let this = std::env::current_exe().expect("this program has a path");
        let mut program = Program::start(Path::new(&this), &["serve-fanout"], &[]);
        let bound = Duration::from_secs(30);
        let line = program.line("its addresses", bound, |line| line.starts_with("ready ")).await;
        let mut words = line.split(' ').skip(1).map(str::to_owned);
        let mut word = || words.next().expect("it says where it is");
        let (sockets, bare, control) = (word(), word(), word());
        let pid = word().parse().expect("the number of a process");
        let control = Control::connect(&control).await;
        Self { _program: program, places: Places { sockets, bare, pid }, control }
    }

    pub(crate) async fn order(&mut self, command: &str) {
        assert_eq!(self.control.order(command).await, "done");
    }
}

/// What one way of delivering came to.
pub(crate) struct Delivered {
    pub(crate) per_second: f64,
    /// Processor seconds of the server for a million deliveries.
    pub(crate) per_million: f64,
    /// How many frames a read at the other end found.
    frames_per_read: f64,
    others: f64,
}

/// Measures.
pub(crate) fn run(report: &mut Report, sockets: usize, each: Duration) {
    report.open(
        "Fan-out",
        &format!(
            "{sockets} sockets on one live result (the newest 50 rows of a room, SQLite in memory), every commit a delivery
to each; {} s a line. *Floor*: as many bare TCP connections in the same process, written a frame of the same length, encoded
before, and nothing else. *cpu*: processor seconds of the server for a million deliveries. *frames/read*: how many frames the
clients found at a time. *else*: what unrelated programs took of one processor meanwhile.",
            each.as_secs()
        ),
    );
    report.head(&["", "deliveries/s", "cpu", "frames/read", "else"]);
    machine::runtime().block_on(measure(report, sockets, each));
    report.close();
}

async fn measure(report: &mut Report, sockets: usize, each: Duration) {
    let mut served = Served::start().await;
    let pid = served.places.pid;
    served.order("post 1").await;
    let length = length(&mut served).await;
    // One after the other: a process may have no more than so many connections.
    let bare = open_bare(&mut served, sockets).await;
    let floor = write(&mut served, &bare, sockets, each, length, 1).await;
    let floor_burst = write(&mut served, &bare, sockets, each, length, BURST).await;
    drop(bare);
    served.order("hang-up").await;
    let idle = idle(&served, sockets).await;
    let empty = machine::resident(pid);
    let listeners = Listeners::open(&served.places.sockets.clone(), sockets, Hello::Join).await;
    let joined = machine::resident(pid);
    let one = deliver(&mut served, &listeners, sockets, each, 1).await.0;
    let burst = deliver(&mut served, &listeners, sockets, each, BURST).await.0;
    let again = deliver(&mut served, &listeners, sockets, each, 1).await.0;
    let after = machine::resident(pid);
    row(report, "floor, one frame at a time", &floor);
    row(report, "recto, one frame at a time", &one);
    row(report, "recto, the same once more", &again);
    row(report, &format!("floor, {BURST} frames, a write for each"), &floor_burst);
    row(report, &format!("recto, {BURST} commits at once"), &burst);
    let ratio = |ours: &Delivered, theirs: &Delivered| {
        format!(
            "{:.0} % of the floor's deliveries a second, {:.0} % of its deliveries per processor second",
            100.0 * ours.per_second / theirs.per_second,
            100.0 * theirs.per_million / ours.per_million
        )
    };
    report.say(&format!(
        "
Frames of {length} bytes. One at a time: {}; {BURST} commits at once: {}. What a socket costs in resident memory of
the server, without what the system holds for it: {} bytes idle without a join, {} joined, {} after all deliveries.",
        ratio(&one, &floor),
        ratio(&burst, &floor_burst),
        idle,
        joined.saturating_sub(empty) * 1024 / sockets,
        after.saturating_sub(empty) * 1024 / sockets,
    ));
}

/// How long the frame of a commit is.
pub(crate) async fn length(served: &mut Served) -> u64 {
    let few = Listeners::open(&served.places.sockets.clone(), 10, Hello::Join).await;
    deliver(served, &few, 10, Duration::from_millis(200), 1).await.1
}

/// Bytes of the server for a socket that has joined nothing.
async fn idle(served: &Served, sockets: usize) -> usize {
    let before = machine::resident(served.places.pid);
    let listeners = Listeners::open(&served.places.sockets, sockets, Hello::Socket).await;
    let idle = machine::resident(served.places.pid).saturating_sub(before) * 1024 / sockets;
    drop(listeners);
    idle
}

/// Commits, `together` at once, each round when everybody has heard the last one. Returns the length
/// of a frame, too.
pub(crate) async fn deliver(
    served: &mut Served,
    listeners: &Listeners,
    sockets: usize,
    each: Duration,
    together: u64,
) -> (Delivered, u64) {
    let command = format!("post {together}");
    let bytes = listeners.heard.bytes.load(std::sync::atomic::Ordering::Relaxed);
    let frames = listeners.frames();
    let round = sockets as u64 * together;
    let delivered = rounds(served, listeners, &command, round, each).await;
    let bytes = listeners.heard.bytes.load(std::sync::atomic::Ordering::Relaxed) - bytes;
    (delivered, bytes / (listeners.frames() - frames))
}

pub(crate) async fn open_bare(served: &mut Served, sockets: usize) -> Listeners {
    let address = served.places.bare.clone();
    let order = format!("bare {sockets}");
    let (listeners, ()) =
        tokio::join!(Listeners::open(&address, sockets, Hello::Bare), served.order(&order));
    listeners
}

pub(crate) async fn write(
    served: &mut Served,
    listeners: &Listeners,
    sockets: usize,
    each: Duration,
    length: u64,
    together: u64,
) -> Delivered {
    let command = format!("raw {together} {length}");
    rounds(served, listeners, &command, sockets as u64 * together, each).await
}

async fn rounds(
    served: &mut Served,
    listeners: &Listeners,
    command: &str,
    frames: u64,
    each: Duration,
) -> Delivered {
    // Without counting: connections and statements are cold, and the system acknowledges the first
    // dozens of packets of a connection each by itself.
    let mut expected = listeners.frames();
    for _ in 0..COLD {
        expected += frames;
        served.order(command).await;
        listeners.wait_for(expected).await;
    }
    let reads = || listeners.heard.reads.load(std::sync::atomic::Ordering::Relaxed);
    let (first, first_read) = (expected, reads());
    let (meter, before, began) = (Meter::start(), machine::ours(served.places.pid), Instant::now());
    while began.elapsed() < each {
        expected += frames;
        served.order(command).await;
        listeners.wait_for(expected).await;
    }
    let took = began.elapsed();
    let cpu = machine::ours(served.places.pid) - before;
    let count = usize::try_from(expected - first).expect("nobody counts so far");
    let reads = usize::try_from(reads() - first_read).expect("nobody counts so far");
    Delivered {
        per_second: rate(count, took),
        // Hundredths of a second by a million frames.
        per_million: rate(cpu, Duration::from_secs(count as u64)) * 10_000.0,
        frames_per_read: rate(count, Duration::from_secs(reads as u64)),
        others: meter.others(),
    }
}

fn row(report: &mut Report, what: &str, delivered: &Delivered) {
    let Delivered { per_second, per_million, frames_per_read, others } = delivered;
    report.row(&[
        what.to_owned(),
        format!("{per_second:.0}"),
        format!("{per_million:.2}"),
        format!("{frames_per_read:.2}"),
        share(*others),
    ]);
}
