//! The table of latencies: what was written beside what was heard.

use std::collections::HashSet;
use std::time::Duration;

use crate::live::crowd::Heard;
use crate::live::figures::Spread;
use crate::live::machine;
use crate::live::writer::Insert;

/// One line of the table.
pub(crate) struct Measured<'a> {
    pub(crate) database: &'a str,
    /// Who writes.
    pub(crate) by: &'a str,
    pub(crate) rooms: i64,
    /// Inserts asked for in a second.
    pub(crate) asked: u32,
    /// Inserts done in a second.
    pub(crate) done: f64,
    /// Those that count, in order of their numbers.
    pub(crate) inserts: &'a [Insert],
    pub(crate) heard: &'a [Heard],
    /// Hundredths of a processor that the server had, and MiB.
    pub(crate) server: f64,
    pub(crate) memory: usize,
    /// Hundredths of a processor that went to programs that have nothing to do with this.
    pub(crate) others: f64,
}

/// Says what the table shows.
pub(crate) fn open(each: Duration, subscribers: usize) {
    println!(
        "
LATENCY: {subscribers} WebSocket clients with `messages.latest` (50 rows), {} s each, load {}
  by       server: a mutation on a socket, through the server's own Repo
           others: plain SQL on connections that the server knows nothing of
  commit   when the insert call returned to whoever made it (server: to the mutation's handler)
  client   when the client's program had read the frame that holds the message
  answer   when the writer was told (server: the reply to the mutation, which follows its diff)
  else     what unrelated programs took of one processor meanwhile: such a line is disturbed
  milliseconds; one sample is one message at one client; `cpu` and `MiB` are the server's

{:<31} | {:<20} | {:<13} | {:<13} |",
        each.as_secs(),
        machine::load(),
        "",
        "commit → client",
        "send → client",
        "send → answer",
    );
    println!(
        "{:<10} {:<6} {:>5} {:>7} | {:>6} {:>6} {:>6} | {:>6} {:>6} | {:>6} {:>6} | {:>8} {:>5} | {:>4} {:>4} {:>5}",
        "database",
        "by",
        "rooms",
        "per s",
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
        "MiB",
        "else"
    );
}

/// Says how busy the machine was.
pub(crate) fn close() {
    println!("load {}", machine::load());
}

/// Prints one line.
pub(crate) fn row(measured: &Measured<'_>) {
    let Measured { database, by, rooms, asked, done, inserts, heard, server, memory, others } =
        *measured;
    let Arrivals { from_commit, from_send, lost } = arrivals(inserts, heard);
    let answers = Spread::of(inserts.iter().map(|insert| insert.answered - insert.sent));
    println!(
        "{database:<10} {by:<6} {rooms:>5} {asked:>7} | {:>6.2} {:>6.2} {:>6.1} | {:>6.2} {:>6.2} | {:>6.2} {:>6.2} | {:>8} {lost:>5} | {server:>3.0}% {memory:>4} {others:>4.0}%",
        from_commit.percentile(50),
        from_commit.percentile(99),
        from_commit.max(),
        from_send.percentile(50),
        from_send.percentile(99),
        answers.percentile(50),
        answers.percentile(99),
        from_commit.len(),
    );
    if done < 0.98 * f64::from(asked) {
        println!("  the writers did no more than {done:.0} inserts a second");
    }
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
