//! The sockets there are: how many, and how to end them all.
//!
//! **Invariant:** whoever holds a [`Seat`] is counted, and is not once it is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::watch;

/// All sockets of one server.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// By number, so that the oldest are closed first. Each is told through its own bell.
    seats: Mutex<BTreeMap<u64, Arc<Notify>>>,
    taken: AtomicU64,
    is_closed: watch::Sender<bool>,
    panics: AtomicU64,
}

/// One socket's place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Seat {
    /// The number of the socket.
    pub(super) number: u64,
    bell: Arc<Notify>,
    sockets: Arc<Sockets>,
}

impl Sockets {
    fn seats(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Notify>>> {
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
        let bell = Arc::<Notify>::default();
        seats.insert(number, Arc::clone(&bell));
        Some(Seat { number, bell, sockets: Arc::clone(self) })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.seats().len()
    }

    /// Notes that the code behind a socket panicked.
    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the code behind a socket panicked.
    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
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

    /// Asks all sockets to close, some at a time: clients come back within milliseconds, and must
    /// not all come at once to whoever is there next. Takes `most` at most.
    pub(super) async fn drain(&self, batch: usize, pause: Duration, most: Duration) {
        self.close();
        let bells: Vec<_> = self.seats().values().cloned().collect();
        let rounds = most.as_millis() / pause.as_millis().max(1);
        let rounds = usize::try_from(rounds).unwrap_or(usize::MAX).max(1);
        let batch = batch.max(bells.len().div_ceil(rounds)).max(1);
        for (round, bells) in bells.chunks(batch).enumerate() {
            if 0 < round {
                tokio::time::sleep(pause).await;
            }
            for bell in bells {
                bell.notify_one();
            }
        }
    }
}

impl Seat {
    /// Waits until the server wants the socket closed. Cancel safe.
    pub(super) async fn asked_to_close(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sockets.seats().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let sockets = Arc::<Sockets>::default();
        let first = sockets.sit(2).unwrap();
        let second = sockets.sit(2).unwrap();
        assert!(sockets.sit(2).is_none());
        drop(first);
        assert_eq!(sockets.sit(2).unwrap().number, 3);
        assert_eq!(sockets.count(), 1);
        sockets.close();
        assert!(sockets.sit(9).is_none());
        drop(second);
    }

    #[tokio::test]
    async fn sockets_are_closed_some_at_a_time() {
        let sockets = Arc::<Sockets>::default();
        let seats: Vec<_> = (0..5).map(|_| sockets.sit(9).unwrap()).collect();
        let asked =
            || seats.iter().filter(|seat| seat.asked_to_close().now_or_never().is_some()).count();
        let drain = sockets.drain(2, Duration::from_millis(5), Duration::from_secs(10));
        let mut drain = std::pin::pin!(drain);
        assert!(drain.as_mut().now_or_never().is_none());
        assert_eq!(asked(), 2);
        drain.await;
        assert_eq!(asked(), 3);
    }

    #[tokio::test]
    async fn many_sockets_go_in_larger_batches() {
        let sockets = Arc::<Sockets>::default();
        let _seats: Vec<_> = (0..1000).map(|_| sockets.sit(2000).unwrap()).collect();
        let before = tokio::time::Instant::now();
        // One at a time would take a minute.
        sockets.drain(1, Duration::from_millis(60), Duration::from_millis(180)).await;
        assert!(before.elapsed() < Duration::from_secs(30));
    }
}
