//! What keeping the results of each shape takes, counted.

use super::plan::Tier;

/// All live results of one shape: how many there are, what they hold, and what they took so far.
///
/// # Shape
///
/// Numbers "at present" rise and fall; all others count since the shape was asked for first, and
/// are forgotten with its last result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShapeMetrics {
    /// The question in the database's words; parameters are not in it.
    pub sql: String,
    /// How its results are kept current.
    pub tier: Tier,
    /// The tables whose changes can touch it.
    pub tables: Vec<&'static str>,
    /// Results at present: one for each set of parameters that somebody asked with.
    pub results: usize,
    /// Subscribers of them at present.
    pub subscribers: usize,
    /// Rows that clients see, in all results at present.
    pub rows: usize,
    /// What was done.
    pub counts: Counts,
}

/// What was done for all results of a shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// First reads of results.
    pub loads: u64,
    /// Results that were asked again in a tick.
    pub reruns: u64,
    /// Statements by key, each for all results that it concerns.
    pub keyed: u64,
    /// Steps: results that moved, counted once a tick.
    pub steps: u64,
    /// Operations in these steps.
    pub operations: u64,
    /// Steps times subscribers.
    pub deliveries: u64,
    /// Clients that came back, or were slow, and were led to the present by steps.
    pub ring_hits: u64,
    /// Clients that got all rows.
    pub snapshots: u64,
}
