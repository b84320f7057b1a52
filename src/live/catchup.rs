//! The way from a state that only the database remembers: of every row that was touched since,
//! whether it is in the result now, and where.
//!
//! Where rows are limited, others move in and out that nobody touched. They keep their order among
//! each other, so a client had the first of them, and which ones it had for certain follows from how
//! many of the others it can have had.
//!
//! **Invariant:** applied to the rows at any state from which on all touched keys are known, it gives
//! the rows of the snapshot it was made from; keys that the client never had change nothing. So it
//! may know of more touched keys than there were, and never of fewer.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::OnceLock;

use super::patch::Keyed;
use super::step::Cursor;
use super::step::Snapshot;
use super::step::View;
use super::wire_text;
use crate::value::Key;

/// The way of one live result from an older state to a snapshot, by the keys touched in between.
#[derive(Debug)]
pub struct Catchup {
    /// The result.
    pub view: Arc<View>,
    /// Where a client is after it.
    pub cursor: Cursor,
    /// Rows that are not in the result: removed, where the client has them.
    pub gone: Vec<Key>,
    /// Rows as they are now, in the order of the result, each with the key of the row it stands
    /// behind, `None` for the first: inserted, or put in the place of the row with the same key.
    pub put: Vec<(Keyed, Option<Key>)>,
    json: OnceLock<Arc<str>>,
}

/// The keys of rows that were touched since an older state.
#[derive(Debug, Default)]
pub struct Missed {
    /// All of them.
    pub touched: HashSet<Key>,
    /// Those of them whose rows may have been others before. The rest have been inserted and left
    /// alone since: where they are not in the result now, they never were.
    pub older: HashSet<Key>,
}

/// What follows the rows that are shown.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'a> {
    /// How many rows are shown at most.
    pub limit: usize,
    /// The rows that come next.
    pub rows: &'a [Keyed],
    /// There are no more.
    pub is_all: bool,
}

impl Rest<'_> {
    /// All rows are shown, however many there are.
    pub const NOTHING: Self = Self { limit: usize::MAX, rows: &[], is_all: true };
}

impl Catchup {
    /// The way to `snapshot` for whoever knows the rows before these keys were touched; `None` where
    /// too little is known of what follows a limit.
    ///
    /// # Cost
    ///
    /// One look-up for each row, and a copy of what is told.
    pub fn new(snapshot: &Snapshot, missed: &Missed, rest: Rest<'_>) -> Option<Self> {
        let rows = &snapshot.rows;
        let is_touched = |keyed: &&Keyed| missed.touched.contains(&keyed.key);
        let is_new = |keyed: &&Keyed| is_touched(keyed) && !missed.older.contains(&keyed.key);
        let held = || rows.iter().chain(rest.rows);
        if !rest.is_all && held().filter(|keyed| !is_touched(keyed)).count() < rest.limit {
            return None;
        }
        // Of the rows that nobody touched, everybody had so many for certain, the first of them.
        let most_others = missed.older.len() + held().filter(is_new).count();
        let had = rest.limit.saturating_sub(most_others);
        // And nobody had more than the limit: those of them that are not shown any more were pushed
        // out.
        let shown = rows.iter().filter(|keyed| !is_touched(keyed)).count();
        let untouched = rest.rows.iter().filter(|keyed| !is_touched(keyed));
        let pushed_out = untouched.take(rest.limit - shown.min(rest.limit));
        let left = rest.rows.iter().filter(is_new).chain(pushed_out).map(|keyed| keyed.key.clone());
        let mut gone: HashSet<Key> = missed.older.iter().cloned().chain(left).collect();
        let mut put = Vec::new();
        let (mut after, mut untouched) = (None, 0);
        for keyed in rows {
            gone.remove(&keyed.key);
            let is_untouched = !is_touched(&keyed);
            if !is_untouched || had <= untouched {
                put.push((keyed.clone(), after.take()));
            }
            untouched += usize::from(is_untouched);
            after = Some(keyed.key.clone());
        }
        let mut gone: Vec<Key> = gone.into_iter().collect();
        gone.sort_unstable();
        let (view, cursor) = (Arc::clone(&snapshot.view), snapshot.cursor);
        Some(Self { view, cursor, gone, put, json: OnceLock::new() })
    }

    /// The operations as the JSON array clients get; written once.
    pub fn json(&self) -> &Arc<str> {
        self.json.get_or_init(|| wire_text::catchup(&self.view, &self.gone, &self.put).into())
    }
}

#[cfg(test)]
#[path = "catchup_law.rs"]
mod law;
