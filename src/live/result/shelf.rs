//! Rows in order, of which there is mostly one.

use std::ops::Deref;
use std::ops::DerefMut;

use super::super::patch::Keyed;

/// Some rows in order; one alone needs no allocation, and no second look at memory.
#[derive(Debug)]
pub(super) enum Shelf {
    /// One.
    One([Keyed; 1]),
    /// None, or several, or what is left of several.
    Many(Vec<Keyed>),
}

impl Default for Shelf {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl From<Vec<Keyed>> for Shelf {
    fn from(rows: Vec<Keyed>) -> Self {
        <[Keyed; 1]>::try_from(rows).map_or_else(Self::Many, Self::One)
    }
}

impl From<Shelf> for Vec<Keyed> {
    fn from(shelf: Shelf) -> Self {
        match shelf {
            Shelf::One(one) => one.into(),
            Shelf::Many(rows) => rows,
        }
    }
}

impl Deref for Shelf {
    type Target = [Keyed];

    fn deref(&self) -> &[Keyed] {
        match self {
            Self::One(one) => one,
            Self::Many(rows) => rows,
        }
    }
}

impl DerefMut for Shelf {
    fn deref_mut(&mut self) -> &mut [Keyed] {
        match self {
            Self::One(one) => one,
            Self::Many(rows) => rows,
        }
    }
}

impl Shelf {
    /// Puts a row at a place, before those that stand there and behind.
    ///
    /// # Panics
    ///
    /// Beyond the end.
    pub(super) fn insert(&mut self, place: usize, row: Keyed) {
        *self = match std::mem::take(self) {
            Self::Many(rows) if rows.is_empty() && rows.capacity() == 0 && place == 0 => {
                Self::One([row])
            }
            held @ (Self::One(_) | Self::Many(_)) => {
                let mut rows = Vec::from(held);
                rows.insert(place, row);
                Self::Many(rows)
            }
        };
    }

    /// Takes the row at a place out.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub(super) fn remove(&mut self, place: usize) -> Keyed {
        let mut rows = Vec::from(std::mem::take(self));
        let row = rows.remove(place);
        // Whoever goes back and forth between none and one has no need of room for four.
        *self = Self::Many(if rows.is_empty() { Vec::new() } else { rows });
        row
    }

    /// Takes the last row out.
    pub(super) fn pop(&mut self) -> Option<Keyed> {
        let last = self.len().checked_sub(1)?;
        Some(self.remove(last))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::Key;
    use crate::value::Row;
    use crate::value::Value;

    fn keyed(value: i64) -> Keyed {
        let values = vec![Value::Int(value)];
        Keyed { key: Key::from(values.clone()), row: Row::from(values) }
    }

    proptest! {
        #[test]
        fn it_is_a_list(steps in prop::collection::vec((0..4_usize, 0..5_usize), 0..40)) {
            let (mut shelf, mut truth) = (Shelf::default(), Vec::new());
            for (number, (what, place)) in (0..).zip(steps) {
                let row = keyed(number);
                match what {
                    0 | 1 => {
                        let place = place.min(truth.len());
                        shelf.insert(place, row.clone());
                        truth.insert(place, row);
                    }
                    2 if place < truth.len() => {
                        prop_assert_eq!(shelf.remove(place), truth.remove(place));
                    }
                    2 => prop_assert_eq!(shelf.pop(), truth.pop()),
                    _ => {
                        truth.truncate(place);
                        shelf = Shelf::from(truth.clone());
                        if let Some(first) = truth.first_mut() {
                            *first = row.clone();
                            shelf[0] = row;
                        }
                    }
                }
                prop_assert_eq!(&*shelf, &truth[..]);
            }
        }
    }
}
