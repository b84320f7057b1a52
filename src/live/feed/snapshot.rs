//! Which transactions a state of the database holds, and whether one state holds another.
//!
//! PostgreSQL's snapshots are totally ordered on a primary: transactions leave the list of running
//! ones under one lock. The list may be taken in any order; only membership counts.
//!
//! **Invariant:** nothing is compared across epochs: after a crash transaction ids are used again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Error;
use crate::error::Result;

/// A committed state of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The life of the database it belongs to; see [`Position::covers`].
    pub epoch: Arc<str>,
    /// The state within that life.
    pub at: At,
}

/// A state within one life of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// By the transactions that PostgreSQL shows.
    Transactions(Transactions),
    /// By the last number of a log that a single writer writes.
    Sequence(i64),
}

impl Position {
    /// From where on everything that is not visible here is logged.
    pub(crate) fn from(&self) -> u64 {
        match &self.at {
            At::Transactions(transactions) => transactions.xmin,
            At::Sequence(seq) => seq.unsigned_abs(),
        }
    }

    /// Before where everything is over or running: no earlier state is from later on.
    pub(super) fn reached(&self) -> u64 {
        match &self.at {
            At::Transactions(transactions) => transactions.xmax,
            At::Sequence(seq) => seq.unsigned_abs(),
        }
    }

    /// A position of which only [`Position::from`] is known: the earliest it can be.
    pub(super) fn earliest(from: u64, is_postgres: bool) -> Self {
        let at = if is_postgres {
            At::Transactions(Transactions { xmin: from, xmax: from, xip: Vec::new() })
        } else {
            At::Sequence(i64::try_from(from).unwrap_or(i64::MAX))
        };
        Self { epoch: Arc::from(""), at }
    }

    /// True when everything visible at `other` is visible here; never true across epochs.
    pub fn covers(&self, other: &Self) -> bool {
        self.epoch == other.epoch
            && match (&self.at, &other.at) {
                (At::Transactions(mine), At::Transactions(theirs)) => mine.cover(theirs),
                (At::Sequence(mine), At::Sequence(theirs)) => theirs <= mine,
                _ => false,
            }
    }
}

/// A snapshot of PostgreSQL: `pg_snapshot`, as `xmin:xmax:xip,…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transactions {
    /// All before are over.
    pub xmin: u64,
    /// All from here on had not begun.
    pub xmax: u64,
    /// Those between that were still running.
    pub xip: Vec<u64>,
}

impl Transactions {
    /// True when transaction `xid` is over in this snapshot.
    pub fn shows(&self, xid: u64) -> bool {
        xid < self.xmax && !self.xip.contains(&xid)
    }

    fn cover(&self, other: &Self) -> bool {
        other.xmax <= self.xmax && self.xip.iter().all(|&xid| !other.shows(xid))
    }
}

impl fmt::Display for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running: Vec<String> = self.xip.iter().map(ToString::to_string).collect();
        write!(f, "{}:{}:{}", self.xmin, self.xmax, running.join(","))
    }
}

impl FromStr for Transactions {
    type Err = Error;

    /// Reads what `pg_current_snapshot()::text` says.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when it is something else.
    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let mut parts = text.splitn(3, ':');
            let xmin = parts.next()?.parse().ok()?;
            let xmax = parts.next()?.parse().ok()?;
            let running = parts.next()?.split(',').filter(|xid| !xid.is_empty());
            let xip = running.map(|xid| xid.parse().ok()).collect::<Option<_>>()?;
            Some(Self { xmin, xmax, xip })
        };
        read().ok_or_else(|| Error::invalid(format!("`{}` is not a snapshot", text.escape_debug())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(later: &str, earlier: &str) -> bool {
        later.parse::<Transactions>().unwrap().cover(&earlier.parse().unwrap())
    }

    #[test]
    fn a_later_snapshot_covers_an_earlier_one() {
        assert!(covers("10:10:", "10:10:"));
        assert!(covers("10:20:12", "10:15:10,12"));
        assert!(!covers("10:20:12", "10:20:"));
        assert!(!covers("10:15:", "10:20:"));
        // 12 runs in both; 18 began in between and still runs.
        assert!(covers("12:20:12,18", "12:18:12"));
    }

    #[test]
    fn text_goes_in_and_out() {
        for text in ["10:20:12,18", "7:7:"] {
            assert_eq!(text.parse::<Transactions>().unwrap().to_string(), text);
        }
        assert!("10:20".parse::<Transactions>().is_err());
        assert!("10:20:x".parse::<Transactions>().is_err());
    }
}
