//! Clients that come back from another node, or from a former life of this one.
//!
//! A cursor carries the oldest transaction that was still running at its state. Every change since
//! was made by that transaction or a later one, so the keys that those logged hold all keys touched
//! since, and some more, which does no harm (see [`Catchup`]). They are read in a tick's snapshot, once
//! for all who come back, so that a crowd costs one look at the log. The cursor's seal is made with
//! what names the life of the database and the shape of its tables: another life, another shape,
//! another query and a forged cursor all fail to match, and get a snapshot, as does one from below the
//! floor of the log.
//!
//! Refused, because it cannot be derived from touched keys: windows, joins, aggregates, re-runs. And
//! tables whose keys are texts: keys of rows that the client may not see are among the touched ones,
//! and a number or a UUID says less than a name.
//!
//! **Invariant:** nobody goes back in time: this node may be behind the one that the client was on, so
//! who comes from there is answered at a tick that began after it came.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::catchup::Catchup;
use super::super::feed::Since;
use super::super::router::ResultId;
use super::super::step::Answer;
use super::super::step::Cursor;
use super::Engine;
use crate::value::Key;

/// How many touched keys that are not in the result may be told; beyond it a snapshot costs less. A
/// guess.
const MOST: usize = 1000;

impl Engine {
    /// True when a cursor was made elsewhere, and the log may lead on from it.
    pub(super) fn is_from_elsewhere(&self, cursor: Cursor) -> bool {
        cursor.seal != 0 && cursor.node != self.origin.node
    }

    /// From where on the log must be read for those who come back at this tick.
    pub(crate) fn oldest_return(&mut self) -> Option<u64> {
        self.returned.append(&mut self.returning);
        let cursors = self.returned.iter().flat_map(|number| self.cursors_of(*number));
        cursors.filter(|cursor| self.is_from_elsewhere(*cursor)).map(|cursor| cursor.from).min()
    }

    /// Takes what the log told; `None` where it does not reach back.
    pub(crate) fn hear_log(&mut self, log: Option<Since>) {
        self.log = log;
    }

    /// Answers those who came back before this tick.
    pub(super) fn answer_returned(&mut self) {
        for number in std::mem::take(&mut self.returned) {
            self.answer(number);
        }
        self.log = None;
    }

    /// The way from a cursor that was made elsewhere, if the log can tell.
    pub(super) fn catchup(&mut self, id: ResultId, since: Cursor) -> Option<Answer> {
        if !self.is_from_elsewhere(since) {
            return None;
        }
        let (origin, version) = (self.origin, self.version);
        let log = self.log.as_ref()?;
        let result = self.results.get_mut(id)?;
        let table = result.plan.view.resumable?;
        let seal = Cursor::seal(log.life, since.bind, since.from);
        if since.bind != result.bind || since.seal != seal {
            return None;
        }
        let keys = match log.touched.get(table.name) {
            None => HashSet::<Key>::new(),
            Some(keys) => keys.read(table)?,
        };
        let snapshot = result.snapshot(origin, version);
        let is_worth_it = keys.len() <= snapshot.rows.len() + MOST;
        is_worth_it.then(|| Answer::Catchup(Arc::new(Catchup::new(&snapshot, keys))))
    }
}
