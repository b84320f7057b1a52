//! How the live engine is set up.

use std::time::Duration;

use super::Audit;

/// How the live engine is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The longest wait between two looks at the log, in case every doorbell failed. One second:
    /// the price of a lost ring.
    pub heartbeat: Duration,
    /// How often a SQLite file is looked at for changes by other processes; 25 times as often for
    /// half a second after each change. 10 ms: below what a person notices; a hundred looks a second
    /// take less than four percent of a core in a debug build.
    pub poll: Duration,
    /// How long entries stay in the change log. Two minutes: longer than a deploy.
    pub retention: Duration,
    /// How long a result without subscribers is kept for those who come back. Thirty seconds.
    pub linger: Duration,
    /// The most live results at once; beyond it new questions are refused. A million.
    pub most_results: usize,
    /// How many results are read at once for the first time, on connections of the pool. Four: a crowd
    /// that comes back leaves connections to others.
    pub loads: usize,
    /// How many results may wait to be read for the first time; beyond it new questions are refused, and
    /// clients are told to ask later. 10,000: four connections at a millisecond each are done with
    /// them in the ten seconds that official clients wait for the answer to a join.
    pub most_loading: usize,
    /// Compares every live result with the plain answer at every tick. For tests, and for those who
    /// want to see it with their own eyes: it costs one run of every live query per tick.
    pub audit: Option<Audit>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(1),
            poll: Duration::from_millis(10),
            retention: Duration::from_mins(2),
            linger: Duration::from_secs(30),
            most_results: 1_000_000,
            loads: 4,
            most_loading: 10_000,
            audit: None,
        }
    }
}
