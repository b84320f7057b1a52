//! Naps: waits that are shorter than a timer's step.
//!
//! tokio's timers have steps of a millisecond, and a wait that begins within one ends after the next:
//! one of a millisecond takes one and a half. Where changes come every millisecond that is longer than
//! all the rest of their way. A thread that sleeps is exact to a twentieth of that; there is one for
//! each who naps, made at the first nap, asleep between naps, and joined at the end.

use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Notify;

/// What is worth a nap; for longer waits a timer will do.
const LONGEST: Duration = Duration::from_millis(2);

/// Waits until then, by a nap where a timer would be late.
///
/// # Cancellation
///
/// Cancel safe.
pub(crate) async fn until(time: tokio::time::Instant, napper: &mut Napper) {
    if time < tokio::time::Instant::now() + LONGEST {
        napper.nap(time.into_std()).await;
    } else {
        tokio::time::sleep_until(time).await;
    }
}

/// Sleeps for others.
#[derive(Debug, Default)]
pub(crate) struct Napper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    changed: Condvar,
    over: Notify,
}

#[derive(Debug, Default)]
struct Wanted {
    until: Option<Instant>,
    is_closed: bool,
}

impl Napper {
    /// Waits until then. Where no thread can be made, by a timer.
    ///
    /// # Cancellation
    ///
    /// Cancel safe; the thread sleeps on, for no longer than was asked.
    async fn nap(&mut self, until: Instant) {
        if until <= Instant::now() {
            return;
        }
        if self.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let named = thread::Builder::new().name("recto-nap".to_owned());
            self.thread = named.spawn(move || shared.sleep()).ok();
        }
        if self.thread.is_none() {
            tokio::time::sleep_until(until.into()).await;
            return;
        }
        loop {
            // Asked before the time is, since the thread wakes whoever asked by then.
            let over = self.shared.over.notified();
            if until <= Instant::now() {
                return;
            }
            self.shared.wanted().until = Some(until);
            self.shared.changed.notify_one();
            over.await;
        }
    }
}

impl Drop for Napper {
    fn drop(&mut self) {
        self.shared.wanted().is_closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and is over as soon as a nap is.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().expect("no holder of this lock panics")
    }

    fn sleep(&self) {
        loop {
            let mut wanted = self.wanted();
            let until = loop {
                if wanted.is_closed {
                    return;
                }
                if let Some(until) = wanted.until.take() {
                    break until;
                }
                wanted = self.changed.wait(wanted).expect("no holder of this lock panics");
            };
            drop(wanted);
            // Whoever asks for more has a timer.
            thread::sleep(until.saturating_duration_since(Instant::now()).min(LONGEST));
            self.over.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_woken_before_the_time() {
        let mut napper = Napper::default();
        for micros in [0, 50, 300, 1500, 5000] {
            let until = Instant::now() + Duration::from_micros(micros);
            napper.nap(until).await;
            assert!(until <= Instant::now(), "{micros}");
        }
    }

    #[tokio::test]
    async fn a_nap_that_was_dropped_disturbs_none_that_follows() {
        let mut napper = Napper::default();
        for _ in 0..200 {
            let soon = Instant::now() + Duration::from_micros(400);
            assert!(futures::FutureExt::now_or_never(napper.nap(soon)).is_none());
            let until = Instant::now() + Duration::from_micros(100);
            napper.nap(until).await;
            assert!(until <= Instant::now());
        }
    }
}
