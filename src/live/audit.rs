//! Asking every live question again, plainly, in the tick's own snapshot, and comparing.
//!
//! This is how the project's tests know that live results are exact, and anybody may have it run
//! beside a program of their own: it costs one run of every live query per tick.

use std::fmt;
use std::sync::Arc;

use super::patch::Keyed;
use super::plan::Tier;
use super::step::Version;

/// One live result beside the plain answer to its question, both at one committed state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Audited {
    /// The version that clients have after this tick.
    pub version: Version,
    /// Which result: the number its cursors carry.
    pub bind: u64,
    /// How it is kept.
    pub tier: Tier,
    /// Whether this tick moves it.
    pub will_change: bool,
    /// What the engine holds.
    pub held: Vec<Keyed>,
    /// What the database answered.
    pub truth: Vec<Keyed>,
}

impl Audited {
    /// True when both are the same rows in the same order, to the last digit.
    pub fn is_exact(&self) -> bool {
        let mut pairs = self.held.iter().zip(&self.truth);
        self.held.len() == self.truth.len()
            && pairs.all(|(held, truth)| held.key == truth.key && held.row.is_identical(&truth.row))
    }
}

/// Hears every comparison; see [`Config::audit`](super::Config::audit).
#[derive(Clone)]
pub struct Audit(Arc<dyn Fn(Audited) + Send + Sync>);

impl Audit {
    /// Calls `hear` for every live result at every tick, in the engine's task.
    pub fn new(hear: impl Fn(Audited) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    pub(crate) fn hear(&self, audited: Audited) {
        (self.0)(audited);
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}
