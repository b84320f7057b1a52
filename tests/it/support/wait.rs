//! Waiting for something to become true, with a bound.
//!
//! Tests do not sleep: they name a condition and the longest they are ready to wait for it. The
//! wait is level-triggered, so a condition that held before the wait began is seen as well. The
//! pause between two looks lives here and nowhere else.
//!
//! **Invariant:** every wait ends; one that ran out of time panics with what was awaited, for how
//! long, and where in the test.

use std::fmt::Debug;
use std::panic::Location;
use std::time::{Duration, Instant};

/// The pause between two looks: short beside a round trip to a database, long enough that a few
/// hundred waiting tests leave the processors to the work they wait for. A guess, not measured.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(
    what: &str,
    bound: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    eventually_some(what, bound, async move || condition().await.then_some(()))
}

/// Waits until `look` finds something, and returns it.
#[track_caller]
pub(crate) fn eventually_some<T>(
    what: &str,
    bound: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    within(what, bound, async move {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

/// Waits until `look` returns `expected`; a failure shows what it returned last.
#[track_caller]
pub(crate) fn eventually_eq<T: Debug + PartialEq>(
    what: &str,
    bound: Duration,
    expected: T,
    mut look: impl AsyncFnMut() -> T,
) -> impl Future<Output = ()> {
    let place = Location::caller();
    async move {
        let mut last = None;
        let settled = async {
            loop {
                let seen = look().await;
                if seen == expected {
                    return;
                }
                last = Some(seen);
                tokio::time::sleep(PAUSE).await;
            }
        };
        if tokio::time::timeout(bound, settled).await.is_err() {
            let last = last.map_or_else(|| "no answer".to_owned(), |last| format!("{last:?}"));
            panic!(
                "waited {bound:?} for {what}, at {place}\n expected: {expected:?}\n     last: {last}"
            );
        }
    }
}

/// Waits for `future`, which has to be done within `bound`.
#[track_caller]
pub(crate) fn within<T>(
    what: &str,
    bound: Duration,
    future: impl Future<Output = T>,
) -> impl Future<Output = T> {
    let place = Location::caller();
    async move {
        let Ok(output) = tokio::time::timeout(bound, future).await else {
            panic!("waited {bound:?} for {what}, at {place}");
        };
        output
    }
}

/// Waits until `condition` holds, blocking the thread; for code that has no runtime.
#[track_caller]
pub(crate) fn block_until(what: &str, bound: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < bound, "waited {bound:?} for {what}");
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_condition_is_looked_at_until_it_holds() {
        let mut looks = 0;
        eventually("the third look", LONG, async || {
            looks += 1;
            looks == 3
        })
        .await;

        assert_eq!(looks, 3);
        assert_eq!(eventually_some("seven", LONG, async || Some(7)).await, 7);
        eventually_eq("seven again", LONG, 7, async || 7).await;
    }

    #[tokio::test]
    #[should_panic(expected = "waited 30ms for the moon, at ")]
    async fn a_wait_that_runs_out_names_what_it_waited_for() {
        eventually("the moon", SHORT, async || false).await;
    }

    #[tokio::test]
    #[should_panic(expected = "waited 30ms for an answer, at ")]
    async fn a_look_that_hangs_runs_out_too() {
        eventually("an answer", SHORT, async || std::future::pending().await).await;
    }

    #[tokio::test]
    #[should_panic(expected = "last: 2")]
    async fn a_value_that_never_settles_is_shown() {
        eventually_eq("three", SHORT, 3, async || 2).await;
    }

    #[test]
    #[should_panic(expected = "waited 30ms for the moon")]
    fn a_blocking_wait_runs_out_too() {
        block_until("the moon", SHORT, || false);
    }
}
