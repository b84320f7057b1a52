//! A client's copy of a live result, moved forward by patches alone.
//!
//! **Invariant:** a replica at version `v` equals the server's result at `v`; an operation that does
//! not fit is refused, never guessed at.

use super::patch::Keyed;
use super::patch::Op;
use crate::value::Key;

/// A copy of a live result.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    rows: Vec<Keyed>,
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
        Self { rows }
    }

    /// The rows, in order.
    pub fn rows(&self) -> &[Keyed] {
        &self.rows
    }

    fn place(&self, key: &Key) -> Option<usize> {
        self.rows.iter().position(|keyed| keyed.key == *key)
    }

    fn behind(&self, after: Option<&Key>) -> Option<usize> {
        match after {
            None => Some(0),
            Some(key) => self.place(key).map(|place| place + 1),
        }
    }

    /// Applies one operation and says where; `None` when it does not fit, and nothing changed.
    pub fn apply(&mut self, op: &Op) -> Option<Effect> {
        match op {
            Op::Insert { new, after } => {
                if self.place(&new.key).is_some() {
                    return None;
                }
                let place = self.behind(after.as_ref())?;
                self.rows.insert(place, new.clone());
                Some(Effect::Put(place))
            }
            Op::Update { new, .. } => {
                let place = self.place(&new.key)?;
                self.rows[place] = new.clone();
                Some(Effect::Put(place))
            }
            Op::Move { key, after } => {
                let from = self.place(key)?;
                let keyed = self.rows.remove(from);
                let Some(to) = self.behind(after.as_ref()) else {
                    self.rows.insert(from, keyed);
                    return None;
                };
                self.rows.insert(to, keyed);
                Some(Effect::Moved(from, to))
            }
            Op::Remove { key } => {
                let place = self.place(key)?;
                self.rows.remove(place);
                Some(Effect::Removed(place))
            }
        }
    }
}
