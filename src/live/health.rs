//! Whether live results are current: what a readiness probe asks.
//!
//! **Invariant:** an engine that hangs does not look well: who says nothing for some heartbeats is
//! behind, whatever it said last.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::step::Version;

/// Whether live results are current.
///
/// Whatever it is, each result is exact at some committed state; this tells whether that state is
/// the newest. A readiness probe should send clients elsewhere unless it is [`Healthy`](Self::Healthy),
/// and a liveness probe should restart nothing because of it: the engine mends itself as soon as the
/// database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// The last look at the log succeeded, at most three heartbeats (and at least two
    /// seconds) ago.
    Healthy,
    /// None has for this long: results may be so much older than the database.
    Behind(Duration),
    /// The engine has just started, or has lost its way (the database crashed, the log was cut
    /// short, a table has another shape), and is asking every query again.
    Reloading,
}

/// How far live results are: what tells a quiet database from an engine that stands still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The version of the newest state that was looked at.
    pub version: Version,
    /// How long ago the look at it began: nothing that was committed before is missing.
    pub age: Duration,
}

/// How many heartbeats may pass without a look that succeeded, and the least that this comes to:
/// guesses that let a busy machine be late.
const PATIENCE: u32 = 3;
const LEAST: Duration = Duration::from_secs(2);

/// What the driver does, for [`Health`].
#[derive(Debug)]
pub(crate) struct Pulse {
    heartbeat: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the newest look that succeeded began.
    looked: Instant,
    /// The version it led to.
    version: Version,
    is_failing: bool,
    is_reloading: bool,
}

impl Pulse {
    /// The pulse of an engine that has yet to look.
    pub(crate) fn new(heartbeat: Duration, now: Instant) -> Self {
        let state = State { looked: now, version: 0, is_failing: false, is_reloading: true };
        Self { heartbeat, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tick that began at `looked` came to its end, at `version`.
    pub(crate) fn ended(&self, looked: Instant, version: Version) {
        *self.state() = State { looked, version, is_failing: false, is_reloading: false };
    }

    /// What the newest look came to, as of `now`.
    pub(crate) fn progress(&self, now: Instant) -> Progress {
        let state = self.state();
        Progress { version: state.version, age: now.saturating_duration_since(state.looked) }
    }

    /// A tick broke off.
    pub(crate) fn broke_off(&self) {
        self.state().is_failing = true;
    }

    /// A tick asks everything again.
    pub(crate) fn reloads(&self) {
        let mut state = self.state();
        (state.is_failing, state.is_reloading) = (false, true);
    }

    /// The health at `now`.
    pub(crate) fn health(&self, now: Instant) -> Health {
        let state = self.state();
        let since = now.saturating_duration_since(state.looked);
        if state.is_failing {
            Health::Behind(since)
        } else if state.is_reloading {
            Health::Reloading
        } else if self.heartbeat.saturating_mul(PATIENCE).max(LEAST) < since {
            Health::Behind(since)
        } else {
            Health::Healthy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_silent_or_fails_is_behind() {
        let started = Instant::now();
        let at = |seconds| started + Duration::from_secs(seconds);
        let pulse = Pulse::new(Duration::from_secs(1), started);
        assert_eq!(pulse.health(at(9)), Health::Reloading);
        pulse.ended(at(10), 10);
        assert_eq!(pulse.health(at(13)), Health::Healthy);
        assert_eq!(pulse.health(at(14)), Health::Behind(Duration::from_secs(4)));
        pulse.ended(at(15), 15);
        assert_eq!(pulse.health(at(15)), Health::Healthy);
        pulse.broke_off();
        assert_eq!(pulse.health(at(16)), Health::Behind(Duration::from_secs(1)));
        pulse.reloads();
        assert_eq!(pulse.health(at(17)), Health::Reloading);
        pulse.broke_off();
        assert_eq!(pulse.health(at(18)), Health::Behind(Duration::from_secs(3)));
        pulse.ended(at(19), 19);
        assert_eq!(pulse.health(at(19)), Health::Healthy);
        let progress = Progress { version: 19, age: Duration::from_secs(2) };
        assert_eq!(pulse.progress(at(21)), progress);
    }
}
