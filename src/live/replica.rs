//! A client's copy of a live result, moved forward by patches alone.
//!
//! **Invariant:** a replica at version `v` equals the server's result at `v`; an operation that does
//! not fit is refused, never guessed at.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::catchup::Catchup;
use super::patch::Keyed;
use super::patch::Op;
use crate::value::Key;

/// A copy of a live result.
///
/// # Cost
///
/// An operation looks for its row from where the last one took effect, in both directions: those of
/// one patch mostly stand near each other. At worst it walks over all rows.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    rows: Vec<Keyed>,
    keys: HashSet<Key, RandomState>,
    /// Where the last operation took effect.
    last: usize,
}

/// Where an operation took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The row now at this place is new or different.
    Put(usize),
    /// The row went from one place to another.
    Moved(usize, usize),
    /// The row that stood at this place is gone.
    Removed(usize),
}

impl Replica {
    /// A copy that starts with a snapshot.
    pub fn new(rows: Vec<Keyed>) -> Self {
        let keys = rows.iter().map(|keyed| keyed.key.clone()).collect();
        Self { rows, keys, last: 0 }
    }

    /// The rows, in order.
    pub fn rows(&self) -> &[Keyed] {
        &self.rows
    }

    fn place(&self, key: &Key) -> Option<usize> {
        if !self.keys.contains(key) {
            return None;
        }
        let is_it = |&place: &usize| self.rows[place].key == *key;
        let middle = self.last.min(self.rows.len());
        let (mut up, mut down) = (middle..self.rows.len(), (0..middle).rev());
        loop {
            let next = (up.next(), down.next());
            let found = next.0.filter(is_it).or_else(|| next.1.filter(is_it));
            if found.is_some() || next == (None, None) {
                return found;
            }
        }
    }

    fn behind(&self, after: Option<&Key>) -> Option<usize> {
        match after {
            None => Some(0),
            Some(key) => self.place(key).map(|place| place + 1),
        }
    }

    /// Goes the way that was read from the log; `None` when it does not fit.
    pub fn catch_up(&mut self, catchup: &Catchup) -> Option<()> {
        let put = catchup.put.iter().map(|(new, _)| &new.key);
        for key in catchup.gone.iter().chain(put) {
            if self.keys.contains(key) {
                self.apply(&Op::Remove { key: key.clone() })?;
            }
        }
        for (new, after) in &catchup.put {
            self.apply(&Op::Insert { new: new.clone(), after: after.clone() })?;
        }
        Some(())
    }

    /// Applies one operation and says where; `None` when it does not fit, and nothing changed.
    pub fn apply(&mut self, op: &Op) -> Option<Effect> {
        match op {
            Op::Insert { new, after } => {
                if self.keys.contains(&new.key) {
                    return None;
                }
                let place = self.behind(after.as_ref())?;
                self.rows.insert(place, new.clone());
                self.keys.insert(new.key.clone());
                self.last = place;
                Some(Effect::Put(place))
            }
            Op::Update { new, .. } | Op::Inside { new, .. } => {
                let place = self.place(&new.key)?;
                self.rows[place] = new.clone();
                self.last = place;
                Some(Effect::Put(place))
            }
            Op::Move { key, after } => {
                let from = self.place(key)?;
                let to = match self.behind(after.as_ref())? {
                    // A row does not stand behind itself.
                    to if to == from + 1 && after.as_ref() == Some(key) => return None,
                    to if from < to => to - 1,
                    to => to,
                };
                let keyed = self.rows.remove(from);
                self.rows.insert(to, keyed);
                self.last = to;
                Some(Effect::Moved(from, to))
            }
            Op::Remove { key } => {
                let place = self.place(key)?;
                self.rows.remove(place);
                self.keys.remove(key);
                self.last = place;
                Some(Effect::Removed(place))
            }
        }
    }
}
