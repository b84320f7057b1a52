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
//! Refused, because it cannot be derived from touched keys: joins, aggregates, trees, re-runs, and
//! windows that begin behind an offset. A window gets a snapshot where more of its rows are new than it
//! has in reserve. And tables whose keys are texts: keys of rows that the client may not see are among
//! those that were touched and may have been there before, and a number or a UUID says less than a
//! name. Where a UUID alone is a secret, or a key names a tenant, let it not be the key of a table
//! with live queries for strangers.
//!
//! One client whose true cursor is older than the log has all who come back in the same tick get
//! snapshots.
//!
//! **Invariant:** nobody goes back in time: this node may be behind the one that the client was on, so
//! who comes from there is answered at a tick that began after it came.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::super::catchup::Catchup;
use super::super::catchup::Missed;
use super::super::feed::Keys;
use super::super::feed::Since;
use super::super::router::ResultId;
use super::super::step::Answer;
use super::super::step::Cursor;
use super::Engine;
use crate::schema::Table;

/// How many times as much a row is to tell as a key. A guess.
const ROW: usize = 10;

/// How much more than the rows of a snapshot may be told, in keys; beyond it a snapshot costs less. A
/// guess.
const MOST: usize = 100;

impl Engine {
    /// True when a cursor was made elsewhere, and the log may lead on from it.
    pub(super) fn is_from_elsewhere(&self, cursor: Cursor) -> bool {
        cursor.seal != 0 && cursor.node != self.origin.node
    }

    /// From where on the log must be read for those who come back at this tick, in this life of the
    /// database. Cursors that do not fit do not count: they would have everybody read a log that is
    /// too long, or reaches back too far.
    pub(crate) fn oldest_return(&mut self, life: u64) -> Option<u64> {
        self.returned.append(&mut self.returning);
        let cursors = self.returned.iter().flat_map(|number| self.cursors_of(*number));
        let fits = |cursor: &Cursor| {
            self.is_from_elsewhere(*cursor)
                && cursor.seal == Cursor::seal(life, cursor.bind, cursor.from)
        };
        cursors.filter(fits).map(|cursor| cursor.from).min()
    }

    /// Takes what the log told; `None` where it does not reach back.
    pub(crate) fn hear_log(&mut self, log: Option<Since>) {
        self.log = log.map(Heard::new);
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
        let log = self.log.as_mut()?;
        let result = self.results.get_mut(id)?;
        let table = result.plan.view.resumable?;
        let seal = Cursor::seal(log.since.life, since.bind, since.from);
        if since.bind != result.bind || since.seal != seal {
            return None;
        }
        if let Some(known) = log.ways.get(&id) {
            return known.clone().map(Answer::Catchup);
        }
        let missed = log.missed(table)?;
        let snapshot = result.snapshot(origin, version);
        let most = ROW * snapshot.rows.len() + MOST;
        let way = result
            .rest()
            .filter(|_| missed.older.len() <= most)
            .and_then(|rest| Catchup::new(&snapshot, &missed, rest))
            .filter(|way| way.gone.len() + ROW * way.put.len() <= most)
            .map(Arc::new);
        log.ways.insert(id, way.clone());
        way.map(Answer::Catchup)
    }
}

/// What the log told those who come back at a tick.
#[derive(Debug)]
pub(super) struct Heard {
    since: Since,
    /// What it says of tables that somebody asked about; nothing where it does not know the keys.
    missed: Vec<(&'static Table, Option<Arc<Missed>>)>,
    /// The ways that were found, or not: all who come back to a result go the same.
    ways: HashMap<ResultId, Option<Arc<Catchup>>, RandomState>,
}

impl Heard {
    fn new(since: Since) -> Self {
        Self { since, missed: Vec::new(), ways: HashMap::default() }
    }

    fn missed(&mut self, table: &'static Table) -> Option<Arc<Missed>> {
        if let Some((_, known)) = self.missed.iter().find(|(held, _)| std::ptr::eq(*held, table)) {
            return known.clone();
        }
        let read = |all: &HashMap<String, Keys>| {
            all.get(table.name).map_or_else(|| Some(HashSet::new()), |keys| keys.read(table))
        };
        let (touched, older) = (read(&self.since.touched), read(&self.since.older));
        let missed = touched.zip(older).map(|(touched, older)| Arc::new(Missed { touched, older }));
        self.missed.push((table, missed.clone()));
        missed
    }
}
