//! The sockets there are: how many, how far behind, and how to end them.
//!
//! One clock for all of them: each says when it wants to be woken, and a task that looks once in a
//! while wakes those whose time has come. A timer per socket would cost every idle one.
//!
//! - **Invariant:** whoever holds a [`Seat`] is counted, and is not once it is dropped.
//! - **Invariant:** what waits for all clients together stays below a bound, but for what comes
//!   between two looks; beyond it those that took nothing for longest are closed first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::time::Instant;

use super::gauge::Gauge;
use super::gauge::NEVER;
use super::gauge::Order;
use super::handler::Stats;
use crate::live::meter;

/// All sockets of one server.
#[derive(Debug)]
pub(super) struct Sockets {
    /// By number, so that the oldest are closed first.
    seats: Mutex<BTreeMap<u64, Arc<Gauge>>>,
    taken: AtomicU64,
    is_closed: watch::Sender<bool>,
    began: Instant,
    /// How many bytes wait for clients, and how many may.
    waiting: AtomicUsize,
    most_waiting: usize,
    /// Rings when more waits than may.
    is_full: Notify,
    panics: AtomicU64,
    slow: AtomicU64,
    shed: AtomicU64,
    sent_frames: AtomicU64,
    sent_bytes: AtomicU64,
}

/// What was sent: messages, and bytes that clients took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

/// One socket's place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Seat {
    /// The number of the socket.
    pub(super) number: u64,
    pub(super) gauge: Arc<Gauge>,
    sockets: Arc<Sockets>,
}

impl Sockets {
    /// No sockets; `most_waiting` bytes may wait for all of them together.
    pub(super) fn new(most_waiting: usize) -> Self {
        Self {
            seats: Mutex::default(),
            taken: AtomicU64::new(0),
            is_closed: watch::Sender::default(),
            began: Instant::now(),
            waiting: AtomicUsize::new(0),
            most_waiting,
            is_full: Notify::new(),
            panics: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            sent_frames: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
        }
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Gauge>>> {
        self.seats.lock().expect("no holder of this lock panics")
    }

    /// A place, unless all are taken or the server is going away.
    pub(super) fn sit(self: &Arc<Self>, most: usize) -> Option<Seat> {
        let mut seats = self.seats();
        // Read under the lock: whoever closes takes it afterwards and finds this seat.
        if *self.is_closed.borrow() || most <= seats.len() {
            return None;
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        let gauge = Arc::new(Gauge::new());
        seats.insert(number, Arc::clone(&gauge));
        Some(Seat { number, gauge, sockets: Arc::clone(self) })
    }

    /// How they are.
    pub(super) fn stats(&self) -> Stats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            sockets: self.seats().len(),
            panics: read(&self.panics),
            sent_frames: read(&self.sent_frames),
            sent_bytes: read(&self.sent_bytes),
            waiting_bytes: self.waiting(),
            slow: read(&self.slow),
            shed: read(&self.shed),
        }
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Notes that the code behind a socket panicked.
    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a client was given up because it took nothing, or too much waited for it.
    pub(super) fn gave_up(&self) {
        self.slow.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes what was sent.
    pub(super) fn sent(&self, Sent { frames, bytes }: Sent) {
        if 0 < frames {
            self.sent_frames.fetch_add(frames, Ordering::Relaxed);
        }
        if 0 < bytes {
            self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.is_closed.send_replace(true);
    }

    /// Waits until nobody is let in any more. Cancel safe.
    pub(super) async fn closed(&self) {
        // The sender is ours, and cannot be gone.
        self.is_closed.subscribe().wait_for(|is_closed| *is_closed).await.ok();
    }

    /// Wakes sockets whose time has come, every `period`, and sheds the slowest when too much waits.
    pub(super) async fn keep_time(self: Arc<Self>, period: Duration) {
        loop {
            // Woken early or late, the look is the same.
            tokio::time::timeout(period, self.is_full.notified()).await.ok();
            self.wake_due();
            self.shed_slowest();
            meter::sockets(&self.stats());
        }
    }

    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }

    fn wake_due(&self) {
        let now = self.now();
        for gauge in self.seats().values() {
            if gauge.due.load(Ordering::Relaxed) <= now {
                gauge.due.store(NEVER, Ordering::Relaxed);
                gauge.wake();
            }
        }
    }

    fn shed_slowest(&self) {
        let waiting = self.waiting();
        if waiting <= self.most_waiting {
            return;
        }
        let mut slow: Vec<Arc<Gauge>> = self.seats().values().cloned().collect();
        slow.retain(|gauge| 0 < gauge.waiting.load(Ordering::Relaxed));
        slow.sort_by_cached_key(|gauge| gauge.stuck.load(Ordering::Relaxed));
        let mut over = waiting - self.most_waiting;
        for gauge in slow {
            if gauge.order().is_none() {
                gauge.give(Order::Shed);
                self.shed.fetch_add(1, Ordering::Relaxed);
            }
            over = over.saturating_sub(gauge.waiting.load(Ordering::Relaxed));
            if over == 0 {
                break;
            }
        }
    }

    /// Asks all sockets to close, some at a time: clients come back within milliseconds, and must
    /// not all come at once to whoever is there next. Takes `most` at most.
    pub(super) async fn drain(&self, batch: usize, pause: Duration, most: Duration) {
        self.close();
        let gauges: Vec<_> = self.seats().values().cloned().collect();
        let rounds = most.as_millis() / pause.as_millis().max(1);
        let rounds = usize::try_from(rounds).unwrap_or(usize::MAX).max(1);
        let batch = batch.max(gauges.len().div_ceil(rounds)).max(1);
        for (round, gauges) in gauges.chunks(batch).enumerate() {
            if 0 < round {
                tokio::time::sleep(pause).await;
            }
            for gauge in gauges {
                gauge.give(Order::Restart);
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}

impl Seat {
    /// Notes what was sent.
    pub(super) fn sent(&self, sent: Sent) {
        self.sockets.sent(sent);
    }

    /// Notes how the socket is: how much waits, since when its client took none of it, and when its
    /// task wants to be woken.
    pub(super) fn note(&self, waiting: usize, stuck: Option<Instant>, due: Instant) {
        let (gauge, sockets) = (&self.gauge, &self.sockets);
        let at = |instant: Instant| millis(instant.duration_since(sockets.began));
        gauge.due.store(at(due), Ordering::Relaxed);
        gauge.stuck.store(stuck.map_or(NEVER, at), Ordering::Relaxed);
        self.waits(waiting);
    }

    fn waits(&self, waiting: usize) {
        let (gauge, sockets) = (&self.gauge, &self.sockets);
        let before = gauge.waiting.swap(waiting, Ordering::Relaxed);
        if before < waiting {
            let more = waiting - before;
            let all = sockets.waiting.fetch_add(more, Ordering::Relaxed) + more;
            if sockets.most_waiting < all {
                sockets.is_full.notify_one();
            }
        } else if waiting < before {
            sockets.waiting.fetch_sub(before - waiting, Ordering::Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.waits(0);
        self.sockets.seats().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets(most_waiting: usize) -> Arc<Sockets> {
        Arc::new(Sockets::new(most_waiting))
    }

    fn ordered(seats: &[Seat]) -> Vec<u64> {
        let ordered = seats.iter().filter(|seat| seat.gauge.order().is_some());
        ordered.map(|seat| seat.number).collect()
    }

    #[tokio::test]
    async fn places_are_counted_and_given_back() {
        let sockets = sockets(0);
        let first = sockets.sit(2).unwrap();
        let second = sockets.sit(2).unwrap();
        assert!(sockets.sit(2).is_none());
        drop(first);
        assert_eq!(sockets.sit(2).unwrap().number, 3);
        assert_eq!(sockets.stats().sockets, 1);
        sockets.close();
        assert!(sockets.sit(9).is_none());
        drop(second);
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_are_closed_some_at_a_time() {
        let sockets = sockets(0);
        let seats: Vec<_> = (0..5).map(|_| sockets.sit(9).unwrap()).collect();
        let pause = Duration::from_millis(50);
        let drain = sockets.drain(2, pause, Duration::from_secs(10));
        let mut drain = std::pin::pin!(drain);
        assert!(tokio::time::timeout(pause / 2, drain.as_mut()).await.is_err());
        assert_eq!(ordered(&seats), [1, 2]);
        assert!(tokio::time::timeout(pause, drain.as_mut()).await.is_err());
        assert_eq!(ordered(&seats), [1, 2, 3, 4]);
        drain.await;
        assert_eq!(ordered(&seats), [1, 2, 3, 4, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_sockets_go_in_larger_batches() {
        let sockets = sockets(0);
        let seats: Vec<_> = (0..1000).map(|_| sockets.sit(2000).unwrap()).collect();
        let before = Instant::now();
        // One at a time would take a minute.
        sockets.drain(1, Duration::from_millis(60), Duration::from_millis(180)).await;
        assert!(before.elapsed() <= Duration::from_millis(180));
        assert_eq!(ordered(&seats).len(), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn who_took_nothing_for_longest_goes_first_when_too_much_waits() {
        let sockets = sockets(100);
        let seats: Vec<_> = (0..4).map(|_| sockets.sit(9).unwrap()).collect();
        let began = Instant::now();
        let stuck = |millis| Some(began + Duration::from_millis(millis));
        seats[0].note(40, stuck(30), began);
        seats[1].note(40, stuck(10), began);
        seats[3].note(20, stuck(20), began);
        sockets.shed_slowest();
        assert!(ordered(&seats).is_empty());
        seats[3].note(65, stuck(20), began);
        sockets.shed_slowest();
        assert_eq!(ordered(&seats), [2, 4]);
        // They are still there, and count as gone already.
        sockets.shed_slowest();
        assert_eq!((ordered(&seats).len(), sockets.stats().shed), (2, 2));
        drop(seats);
        assert_eq!(sockets.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_wakes_those_whose_time_has_come() {
        let sockets = sockets(0);
        let (early, late) = (sockets.sit(9).unwrap(), sockets.sit(9).unwrap());
        let began = Instant::now();
        early.note(0, None, began + Duration::from_secs(3));
        late.note(0, None, began + Duration::from_mins(1));
        let clock = Arc::clone(&sockets).keep_time(Duration::from_secs(1));
        assert!(tokio::time::timeout(Duration::from_millis(4500), clock).await.is_err());
        let due = |seat: &Seat| seat.gauge.due.load(Ordering::Relaxed);
        assert_eq!((due(&early), due(&late)), (NEVER, 60_000));
    }
}
