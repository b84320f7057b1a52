//! The prepared statements of one connection, the least recently used of which go first.
//!
//! **Invariant:** at most [`Statements::MOST`]; dropping one closes it on the server.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use tokio_postgres::Statement as Prepared;

/// Prepared statements by their text.
#[derive(Debug, Default)]
pub(super) struct Statements {
    by_text: HashMap<Arc<str>, (Prepared, u64), RandomState>,
    clock: u64,
}

impl Statements {
    /// Enough for every question of a program of some size; each costs the server some kilobytes.
    pub(super) const MOST: usize = 256;

    /// The statement for `sql`, if it is there.
    pub(super) fn get(&mut self, sql: &str) -> Option<Prepared> {
        self.clock += 1;
        let (prepared, used) = self.by_text.get_mut(sql)?;
        *used = self.clock;
        Some(prepared.clone())
    }

    /// Keeps a statement, in the place of the one that was not used for the longest time.
    pub(super) fn put(&mut self, sql: Arc<str>, prepared: Prepared) {
        self.clock += 1;
        if self.by_text.len() == Self::MOST && !self.by_text.contains_key(&sql) {
            // A scan of 256 entries, on the way to a round trip.
            let oldest = self.by_text.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(text, _)| Arc::clone(text));
            if let Some(oldest) = oldest {
                self.by_text.remove(&oldest);
            }
        }
        self.by_text.insert(sql, (prepared, self.clock));
    }

    /// Forgets the statement for `sql`.
    pub(super) fn evict(&mut self, sql: &str) {
        self.by_text.remove(sql);
    }

    /// Forgets all statements: the tables they are about may be others now.
    pub(super) fn clear(&mut self) {
        self.by_text.clear();
    }
}
