//! Whether writers shall ring, and when to look without being rung.
//!
//! A ring inside a transaction queues its commit behind one lock of the whole server, so writers ring
//! only while they are few; of many, one look finds more than one anyway. *Listening*, a node sleeps
//! until it is rung; a crowd of rings makes it tell writers to be silent, and it *polls*; when nothing
//! came for a while it tells them to ring again. Writers that began before that may have been silent,
//! so until the last of them is over it *settles*: it goes on looking, ever less often.
//!
//! All nodes share one bell, which any of them may change: who silences it rings, so that those who
//! sleep look, and find that it is silent, or has another number.
//!
//! **Invariant:** a node sleeps only when every transaction that was not told to ring is over and has
//! been looked at. What this gets wrong costs at most a heartbeat, never a change.

use std::sync::Arc;
use std::time::Duration;

use super::Keys;
use super::Tick;
use super::snapshot::At;

/// What writers do when they have written, as a tick found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bell {
    /// Whatever they always do: there is nothing to arrange with them.
    Given,
    /// They ring.
    Rings {
        /// Tells this arrangement from every other.
        number: i64,
        /// How much longer they will.
        left: Duration,
    },
    /// They do not ring.
    Silent,
}

/// What is to be arranged with writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ring from now on, for so long.
    Ring(Duration),
    /// Ring no more. All nodes are rung, so that none relies on it.
    Hush,
    /// Nothing; but who writes from now on is to be told from those before.
    Mark,
}

/// The pause between two looks of a node that polls, after one that found nothing: what a change waits
/// for one. A look takes as long, half of it the database's.
const PAUSE: Duration = Duration::from_micros(300);

/// The pause after a look that found many transactions: each look takes from writers what they need most,
/// and this many have no use for one each. Looks that follow each other at once took a quarter off
/// what writers did that kept both processors busy. Two a millisecond is more than what latency is
/// promised at.
const BREATH: Duration = Duration::from_millis(2);
const MANY: usize = 4;

/// So many rings within [`WINDOW`] are a crowd: 160 a second. Fewer writers lose little by ringing, and
/// polling for them would cost more looks than they make changes; where a flush takes five
/// milliseconds, ringing writers come no faster than 200 a second however many wait. Guesses.
const CROWD: u32 = 16;
const WINDOW: Duration = Duration::from_millis(100);

/// How long nothing must have come until writers ring again, doubled each time that the next crowd
/// comes within a second. Guesses: below 50 changes a second rings are cheap.
const PATIENCE: Duration = Duration::from_millis(20);
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);
const RELAPSE: Duration = Duration::from_secs(1);

/// How long writers ring when no node says so again: who died is rung in vain for no longer. Long, so
/// that a quiet database is left alone, and longer than some heartbeats.
const LEASE: Duration = Duration::from_mins(10);
const LEASE_HEARTBEATS: u32 = 4;

/// A node that settles waits for this part of the time it has been settling: a transaction that goes on
/// for long costs few looks, and is found late by an eighth of the time that it took.
const SHARE: u32 = 8;

/// Whether writers shall ring, and when to look without being rung.
#[derive(Debug)]
pub(crate) struct Attention {
    state: State,
    lease: Duration,
    /// The life of the database that this is about.
    epoch: Arc<str>,
    /// Rings since the window was opened.
    rings: u32,
    window: Duration,
    /// When others were seen to write, as far as it matters.
    news: Duration,
    /// When the last tick began, if what it brought may be of others: a commit of ours is seen before
    /// we hear that it is done.
    doubt: Option<Duration>,
    /// How long nothing must have come.
    patience: Duration,
    /// When writers were last found to ring.
    settled: Duration,
    /// Where the transactions of the last tick's snapshot ended.
    reached: u64,
    /// When to look again; whoever is rung looks earlier.
    next: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listening {
        number: Option<i64>,
    },
    Settling {
        number: i64,
        /// Those with lower numbers may have been silent; nothing until it is known.
        mark: Option<u64>,
        since: Duration,
    },
    Polling,
}

impl Attention {
    /// The attention of a node that has yet to look. Times are since some common beginning.
    pub(crate) fn new(heartbeat: Duration) -> Self {
        Self {
            state: State::Listening { number: None },
            lease: heartbeat.saturating_mul(LEASE_HEARTBEATS).max(LEASE),
            epoch: Arc::from(""),
            rings: 0,
            window: Duration::ZERO,
            news: Duration::ZERO,
            doubt: None,
            patience: PATIENCE,
            settled: Duration::ZERO,
            reached: 0,
            next: None,
        }
    }

    /// True when whoever writes rings, so that nothing is to be found by other looks.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening { .. })
    }

    /// When to look, if nobody rings before.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.next
    }

    /// Others rang so often.
    pub(crate) fn rang(&mut self, now: Duration, times: u32) {
        if self.window + WINDOW < now {
            (self.window, self.rings) = (now, 0);
        }
        self.rings = self.rings.saturating_add(times);
    }

    /// A tick ended that began at `began`, when this process had or had not committed anything since
    /// the one before. What is returned is to be arranged before the next one, and to be answered by
    /// [`Attention::arranged`].
    pub(crate) fn ticked(&mut self, began: Duration, tick: &Tick, is_ours: bool) -> Option<Order> {
        if self.epoch != tick.position.epoch {
            self.epoch = Arc::clone(&tick.position.epoch);
            self.poll(began);
        }
        if let Some(doubt) = self.doubt.take()
            && !is_ours
        {
            self.news = self.news.max(doubt);
        }
        let may_be_of_others = !is_ours && !tick.touched.is_empty();
        self.doubt = may_be_of_others.then_some(began);
        let order = match tick.bell {
            Bell::Given => {
                self.state = State::Listening { number: None };
                None
            }
            Bell::Rings { .. } if CROWD <= self.rings => {
                self.grow_patience(began);
                self.poll(began);
                Some(Order::Hush)
            }
            Bell::Rings { number, left } => self.heed(began, tick, number, left),
            Bell::Silent => self.hush(began),
        };
        let reached = std::mem::replace(&mut self.reached, tick.position.reached());
        let transactions = usize::try_from(self.reached.saturating_sub(reached));
        let are_many =
            MANY <= transactions.unwrap_or(usize::MAX) && MANY <= keys(tick).unwrap_or(usize::MAX);
        self.next = match self.state {
            State::Listening { .. } => None,
            State::Settling { since, .. } => {
                Some(began + PAUSE.max(began.saturating_sub(since) / SHARE))
            }
            State::Polling if may_be_of_others && are_many => Some(began + BREATH),
            // One change rarely comes alone.
            State::Polling if may_be_of_others => Some(began),
            State::Polling => Some(began + PAUSE),
        };
        order
    }

    /// Writers ring.
    fn heed(&mut self, now: Duration, tick: &Tick, number: i64, left: Duration) -> Option<Order> {
        let settling = State::Settling { number, mark: None, since: now };
        match self.state {
            State::Listening { number: Some(known) } if known == number => {
                return (left < self.lease / 2).then_some(Order::Ring(self.lease));
            }
            State::Settling { number: known, mark: Some(mark), .. } if known == number => {
                if is_over(mark, tick) {
                    self.state = State::Listening { number: Some(number) };
                }
                return None;
            }
            State::Polling if !self.is_quiet(now) => return None,
            State::Settling { number: known, mark: None, .. } if known == number => {}
            State::Listening { .. } | State::Settling { .. } | State::Polling => {
                self.state = settling;
                self.settled = now;
            }
        }
        Some(Order::Mark)
    }

    /// Writers do not ring.
    fn hush(&mut self, now: Duration) -> Option<Order> {
        if self.state != State::Polling {
            self.grow_patience(now);
            self.poll(now);
        }
        if !self.is_quiet(now) {
            return None;
        }
        // Those that were under way when it was silenced are no crowd.
        self.rings = 0;
        Some(Order::Ring(self.lease))
    }

    fn poll(&mut self, now: Duration) {
        (self.state, self.news, self.rings) = (State::Polling, now, 0);
    }

    fn is_quiet(&self, now: Duration) -> bool {
        self.doubt.is_none() && self.news + self.patience <= now
    }

    fn grow_patience(&mut self, now: Duration) {
        let is_relapse = !self.settled.is_zero() && now < self.settled + RELAPSE;
        self.patience =
            if is_relapse { (self.patience * 2).min(LONGEST_PATIENCE) } else { PATIENCE };
    }

    /// What was to be arranged is; where a mark was asked for, this is it.
    pub(crate) fn arranged(&mut self, given: Option<u64>) {
        if let State::Settling { mark, .. } = &mut self.state {
            *mark = given;
        }
    }

    /// It may not be arranged: whoever rings is heard, the others are found at heartbeats.
    pub(crate) fn refused(&mut self) {
        (self.state, self.next) = (State::Listening { number: None }, None);
    }
}

/// How many rows were touched, where it is known.
fn keys(tick: &Tick) -> Option<usize> {
    let each = tick.touched.values().map(|keys| match keys {
        Keys::Some(keys) => Some(keys.len()),
        Keys::All => None,
    });
    each.sum()
}

/// True when all transactions from before `mark` were over in the tick's snapshot.
fn is_over(mark: u64, tick: &Tick) -> bool {
    match &tick.position.at {
        At::Transactions(transactions) => mark <= transactions.xmin,
        At::Sequence(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::fmt::Write;

    use super::super::News;
    use super::super::snapshot::Position;
    use super::*;

    /// So many keys; none stands for all of them.
    fn keys(count: u32) -> Keys {
        let keys = (0..count).map(|key| Arc::from(key.to_string()));
        if count == 0 { Keys::All } else { Keys::Some(keys.collect()) }
    }

    /// Runs `script`, one tick a line, and shows what is arranged after it, and when the next look is.
    ///
    /// `5 silent news` is a tick at millisecond 5 that finds the bell silent and brings news, `news=3` of three rows, `ours`
    /// says that we committed something before it; `rings=7` finds number 7, `xmin=3` sees all transactions below 3 ended, `rang=9` is how
    /// often others rang before it, `left=1` for how many seconds they will ring, `mark=4` is what
    /// is answered to an order. `refused` is an answer too.
    fn check(script: &str) -> String {
        let mut attention = Attention::new(Duration::from_secs(1));
        let mut shown = String::new();
        for line in script.trim().lines() {
            let mut words = line.split_whitespace();
            let now = Duration::from_millis(words.next().unwrap().parse().unwrap());
            let (mut bell, mut xmin, mut left) = (Bell::Silent, 1_u32, LEASE);
            let (mut is_ours, mut mark, mut is_refused) = (false, None, false);
            let mut touched = HashMap::new();
            let mut epoch = "one";
            for word in words {
                let (name, value) = word.split_once('=').unwrap_or((word, "0"));
                let value: u32 = value.parse().unwrap();
                match name {
                    "silent" => bell = Bell::Silent,
                    "given" => bell = Bell::Given,
                    "rings" => bell = Bell::Rings { number: value.into(), left },
                    "left" => left = Duration::from_secs(value.into()),
                    "xmin" => xmin = value,
                    "rang" => attention.rang(now, value),
                    "news" => drop(touched.insert("items".to_owned(), keys(value))),
                    "ours" => is_ours = true,
                    "mark" => mark = Some(value.into()),
                    "refused" => is_refused = true,
                    "crash" => epoch = "two",
                    _ => panic!("{word}?"),
                }
            }
            let at = format!("{xmin}:{}:", xmin + 9).parse().unwrap();
            let tick = Tick {
                position: Position { epoch: epoch.into(), at: At::Transactions(at) },
                news: News::Known,
                touched,
                life: 1,
                bell,
            };
            let order = attention.ticked(now, &tick, is_ours);
            if is_refused {
                attention.refused();
            } else if order.is_some() {
                attention.arranged(mark);
            }
            let order = order.map_or("nothing".to_owned(), |order| match order {
                Order::Ring(lease) => format!("ring {lease:?}"),
                Order::Hush | Order::Mark => format!("{order:?}").to_lowercase(),
            });
            let next = attention
                .next()
                .map_or("asleep".to_owned(), |next| format!("in {:?}", next.saturating_sub(now)));
            writeln!(shown, "{}: {order}, {next}", line.trim()).unwrap();
        }
        shown
    }

    /// Up to where a node sleeps, and writers ring with number 7.
    const ASLEEP: &str = "0 silent\n20 silent\n21 rings=7 mark=3\n22 rings=7 xmin=3\n";

    /// What the lines after [`ASLEEP`] show.
    fn after(script: &str) -> String {
        let shown = check(&format!("{ASLEEP}{}", script.trim()));
        shown.split_inclusive('\n').skip(4).collect()
    }

    #[test]
    fn a_quiet_node_has_writers_ring_and_sleeps_when_the_silent_are_over() {
        assert_eq!(
            check(
                "0 silent\n20 silent\n21 rings=7 mark=3\n22 rings=7 xmin=2\n80 rings=7 xmin=2\n81 rings=7 xmin=3"
            ),
            "0 silent: nothing, in 300µs\n\
             20 silent: ring 600s, in 300µs\n\
             21 rings=7 mark=3: mark, in 300µs\n\
             22 rings=7 xmin=2: nothing, in 300µs\n\
             80 rings=7 xmin=2: nothing, in 7.375ms\n\
             81 rings=7 xmin=3: nothing, asleep\n"
        );
    }

    #[test]
    fn a_few_rings_change_nothing_and_a_crowd_is_silenced() {
        assert_eq!(
            after(
                "100 rang=15 rings=7 news\n201 rang=15 rings=7 news\n230 rang=1 rings=7 news\n231 silent news\n250 silent news\n270 silent"
            ),
            "100 rang=15 rings=7 news: nothing, asleep\n\
             201 rang=15 rings=7 news: nothing, asleep\n\
             230 rang=1 rings=7 news: hush, in 0ns\n\
             231 silent news: nothing, in 0ns\n\
             250 silent news: nothing, in 0ns\n\
             270 silent: nothing, in 300µs\n"
        );
    }

    #[test]
    fn a_bell_that_others_changed_is_not_relied_on() {
        // Silenced and asked for again in between: whoever wrote then is waited for.
        assert_eq!(
            after(
                "50 rings=8 mark=9\n51 rings=8 xmin=8\n52 rings=8 xmin=9\n60 silent\n61 rings=9 news\n80 silent"
            ),
            "50 rings=8 mark=9: mark, in 300µs\n\
             51 rings=8 xmin=8: nothing, in 300µs\n\
             52 rings=8 xmin=9: nothing, asleep\n\
             60 silent: nothing, in 300µs\n\
             61 rings=9 news: nothing, in 0ns\n\
             80 silent: nothing, in 300µs\n"
        );
    }

    #[test]
    fn a_look_that_found_many_transactions_is_followed_by_a_pause() {
        // Four transactions, three, many that wrote little of what is watched, and many of our own.
        assert_eq!(
            after(
                "60 silent xmin=3\n61 silent xmin=7 news\n63 silent xmin=10 news\n64 silent xmin=99 news=3\n\
                 65 silent xmin=103 news=4\n66 silent xmin=200\n67 silent ours xmin=300 news"
            ),
            "60 silent xmin=3: nothing, in 300µs\n\
             61 silent xmin=7 news: nothing, in 2ms\n\
             63 silent xmin=10 news: nothing, in 0ns\n\
             64 silent xmin=99 news=3: nothing, in 0ns\n\
             65 silent xmin=103 news=4: nothing, in 2ms\n\
             66 silent xmin=200: nothing, in 300µs\n\
             67 silent ours xmin=300 news: nothing, in 300µs\n"
        );
    }

    #[test]
    fn what_is_not_answered_or_refused_is_asked_again() {
        assert_eq!(
            after("50 rings=8\n51 rings=8 xmin=99\n52 rings=8 mark=4 xmin=99\n53 rings=8 xmin=99"),
            "50 rings=8: mark, in 300µs\n\
             51 rings=8 xmin=99: mark, in 300µs\n\
             52 rings=8 mark=4 xmin=99: mark, in 300µs\n\
             53 rings=8 xmin=99: nothing, asleep\n"
        );
        assert_eq!(
            check("0 silent\n20 silent refused\n1000 silent"),
            "0 silent: nothing, in 300µs\n\
             20 silent refused: ring 600s, asleep\n\
             1000 silent: nothing, in 300µs\n"
        );
    }

    #[test]
    fn another_life_of_the_database_is_looked_at_from_the_start() {
        assert_eq!(
            after(
                "50 crash rings=7 xmin=1\n70 crash rings=7 mark=2 xmin=1\n71 crash rings=7 xmin=2"
            ),
            "50 crash rings=7 xmin=1: nothing, in 300µs\n\
             70 crash rings=7 mark=2 xmin=1: mark, in 300µs\n\
             71 crash rings=7 xmin=2: nothing, asleep\n"
        );
    }

    #[test]
    fn writers_are_asked_again_before_they_stop() {
        assert_eq!(
            after("50 left=301 rings=7\n51 left=299 rings=7\n52 given"),
            "50 left=301 rings=7: nothing, asleep\n\
             51 left=299 rings=7: ring 600s, asleep\n\
             52 given: nothing, asleep\n"
        );
    }

    #[test]
    fn crowds_that_come_back_at_once_are_waited_for_longer() {
        assert_eq!(
            after(
                "100 rang=16 rings=7 news\n140 silent\n160 silent\n161 rings=9 mark=4\n3000 rings=9 xmin=4\n3001 rang=16 rings=9\n3021 silent"
            ),
            "100 rang=16 rings=7 news: hush, in 0ns\n\
             140 silent: ring 600s, in 300µs\n\
             160 silent: ring 600s, in 300µs\n\
             161 rings=9 mark=4: mark, in 300µs\n\
             3000 rings=9 xmin=4: nothing, asleep\n\
             3001 rang=16 rings=9: hush, in 300µs\n\
             3021 silent: ring 600s, in 300µs\n"
        );
    }

    #[test]
    fn what_we_write_ourselves_keeps_nobody_looking() {
        // The second of ours is seen before it is heard of; the last news are of others.
        assert_eq!(
            after(
                "60 silent\n61 silent ours news\n70 silent news\n71 silent ours\n100 silent ours news\n101 rings=9 news"
            ),
            "60 silent: nothing, in 300µs\n\
             61 silent ours news: nothing, in 300µs\n\
             70 silent news: nothing, in 0ns\n\
             71 silent ours: nothing, in 300µs\n\
             100 silent ours news: ring 600s, in 300µs\n\
             101 rings=9 news: nothing, in 0ns\n"
        );
    }
}
