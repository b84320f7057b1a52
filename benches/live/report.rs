//! The table of latencies: what was written beside what was heard.

use std::collections::HashSet;
use std::time::Duration;

use crate::live::crowd::Heard;
use crate::live::figures::Spread;
use crate::live::figures::rate;
use crate::live::machine;
use crate::live::writer::Insert;

/// One line of the table.
pub(crate) struct Measured<'a> {
    pub(crate) database: &'a str,
    /// Who writes.
    pub(crate) by: &'a str,
    pub(crate) rooms: i64,
    /// Inserts asked for in a second.
    pub(crate) rate: u32,
    /// Those that count, in order of their numbers.
    pub(crate) inserts: &'a [Insert],
    pub(crate) heard: &'a [Heard],
    /// How long all inserts took, and how many they were, with those that do not count.
    pub(crate) took: Duration,
    pub(crate) written: u64,
    /// Hundredths of a second the server computed meanwhile.
    pub(crate) server_ticks: u64,
    pub(crate) server_kib: u64,
}

/// Says what the table shows.
pub(crate) fn open(each: Duration, subscribers: usize) {
    println!(
        "
LATENCY: {subscribers} WebSocket clients with `messages.latest` (50 rows), {} s each, load {}
  written by   server: a mutation on a socket, through the server's own Repo
               others: plain SQL on connections that the server knows nothing of
  commit       when the insert call returned to whoever made it (server: to the mutation's handler)
  client       when the client's program had read the frame that holds the message
  answer       when the writer was told (server: the reply to the mutation, which follows its diff)
  milliseconds; one sample is one message at one client; `cpu` and `MiB` are the server's
",
        each.as_secs(),
        machine::load()
    );
    println!(
        "{:<10} {:<7} {:>5} {:>13} | {:>6} {:>6} {:>6} | {:>6} {:>6} | {:>6} {:>6} | {:>8} {:>5} | {:>4} {:>4}",
        "",
        "written",
        "rooms",
        "inserts/s",
        "commit",
        "→",
        "client",
        "send →",
        "client",
        "send →",
        "answer",
        "",
        "",
        "",
        ""
    );
    println!(
        "{:<10} {:<7} {:>5} {:>5} {:>7} | {:>6} {:>6} {:>6} | {:>6} {:>6} | {:>6} {:>6} | {:>8} {:>5} | {:>4} {:>4}",
        "database",
        "by",
        "",
        "asked",
        "done",
        "p50",
        "p99",
        "max",
        "p50",
        "p99",
        "p50",
        "p99",
        "arrived",
        "lost",
        "cpu",
        "MiB"
    );
}

/// Says how busy the machine was.
pub(crate) fn close() {
    println!("load {}", machine::load());
}

/// Prints one line.
pub(crate) fn row(measured: &Measured<'_>) {
    let Measured { database, by, rooms, rate: asked, inserts, heard, took, .. } = *measured;
    let Arrivals { from_commit, from_send, lost } = arrivals(inserts, heard);
    let answers = Spread::of(inserts.iter().map(|insert| insert.answered - insert.sent));
    let written = usize::try_from(measured.written).expect("nobody writes so much");
    let ticks = usize::try_from(measured.server_ticks).expect("nobody computes for so long");
    println!(
        "{database:<10} {by:<7} {rooms:>5} {asked:>5} {:>7.1} | {:>6.2} {:>6.2} {:>6.1} | {:>6.2} {:>6.2} | {:>6.2} {:>6.2} | {:>8} {lost:>5} | {:>3.0}% {:>4}",
        rate(written, took),
        from_commit.percentile(50),
        from_commit.percentile(99),
        from_commit.max(),
        from_send.percentile(50),
        from_send.percentile(99),
        answers.percentile(50),
        answers.percentile(99),
        from_commit.len(),
        rate(ticks, took),
        measured.server_kib / 1024,
    );
    let resets: usize = heard.iter().map(|heard| heard.resets).sum();
    if 0 < resets {
        println!("  clients that fell behind were sent everything anew {resets} times");
    }
}

struct Arrivals {
    from_commit: Spread,
    from_send: Spread,
    lost: usize,
}

/// Matches what was heard with what was written. News that overtook the writer's own answer is
/// counted as no delay.
fn arrivals(inserts: &[Insert], heard: &[Heard]) -> Arrivals {
    let first = inserts.first().map_or(0, |insert| insert.id);
    let (mut from_commit, mut from_send, mut lost) = (Vec::new(), Vec::new(), 0);
    for Heard { room, arrivals, .. } in heard {
        let expected = inserts.iter().filter(|insert| insert.room == *room).count();
        let mut seen = HashSet::new();
        for (id, at) in arrivals {
            let place = id.checked_sub(first).and_then(|place| usize::try_from(place).ok());
            let Some(insert) = place.and_then(|place| inserts.get(place)) else { continue };
            assert_eq!(insert.room, *room, "message {id} came to another room");
            if seen.insert(*id) {
                from_commit.push((at - insert.committed).max(0));
                from_send.push(at - insert.sent);
            }
        }
        lost += expected - seen.len();
    }
    Arrivals { from_commit: Spread::of(from_commit), from_send: Spread::of(from_send), lost }
}
