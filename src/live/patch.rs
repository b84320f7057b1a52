//! The way from one state of a live result to the next: made by a keyed diff, replayed by clients.
//!
//! **Invariant:** applying the operations of [`diff`]`(old, new)` to `old`, in order, gives `new`,
//! rows and order; a key occurs at most once in a state.

use std::collections::HashMap;
use std::collections::HashSet;

use crate::value::Key;
use crate::value::Row;

/// One row of a live result, with what tells it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// What tells it apart.
    pub key: Key,
    /// Its values.
    pub row: Row,
}

/// One step of a patch; `after` is the key of the row it comes to stand behind, `None` for first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A row is new.
    Insert {
        /// The row.
        new: Keyed,
        /// Where.
        after: Option<Key>,
    },
    /// A row has other values and stands where it stood.
    Update {
        /// The row as it is now.
        new: Keyed,
        /// The columns that changed.
        columns: Vec<usize>,
    },
    /// What hangs on a row changed: rows came, went or moved inside it.
    Inside {
        /// The row as it is now.
        new: Keyed,
        /// The column in which the rows hang.
        column: usize,
        /// What happened to them, in order.
        ops: Vec<Self>,
    },
    /// A row stands elsewhere.
    Move {
        /// The row's key.
        key: Key,
        /// Where.
        after: Option<Key>,
    },
    /// A row is gone.
    Remove {
        /// The row's key.
        key: Key,
    },
}

/// The columns in which two rows differ.
pub(crate) fn changed_columns(old: &Row, new: &Row) -> Vec<usize> {
    if old.is_same(new) {
        return Vec::new();
    }
    let pairs = old.values().iter().zip(new.values()).enumerate();
    pairs.filter(|(_, (old, new))| !old.is_identical(new)).map(|(column, _)| column).collect()
}

/// The steps from `old` to `new`.
///
/// # Cost
///
/// Linear where only a few neighbouring rows changed, since equal heads and tails are passed over;
/// `n log n` of the rest.
pub fn diff(old: &[Keyed], new: &[Keyed]) -> Vec<Op> {
    let head = old.iter().zip(new).take_while(|(old, new)| same(old, new)).count();
    let tail = (old[head..].iter().rev().zip(new[head..].iter().rev()))
        .take_while(|(old, new)| same(old, new))
        .count();
    let before = head.checked_sub(1).map(|last| &new[last].key);
    diff_middle(&old[head..old.len() - tail], &new[head..new.len() - tail], before)
}

fn same(old: &Keyed, new: &Keyed) -> bool {
    old.key == new.key && changed_columns(&old.row, &new.row).is_empty()
}

fn diff_middle(old: &[Keyed], new: &[Keyed], before: Option<&Key>) -> Vec<Op> {
    let mut ops = Vec::new();
    let kept: HashSet<&Key> = new.iter().map(|keyed| &keyed.key).collect();
    let mut places: HashMap<&Key, usize> = HashMap::with_capacity(old.len());
    for (place, keyed) in old.iter().enumerate() {
        if kept.contains(&keyed.key) {
            places.insert(&keyed.key, place);
        } else {
            ops.push(Op::Remove { key: keyed.key.clone() });
        }
    }
    let still = staying(new.iter().map(|keyed| places.get(&keyed.key).copied()));
    let mut after = before;
    for (position, keyed) in new.iter().enumerate() {
        match places.get(&keyed.key) {
            None => ops.push(Op::Insert { new: keyed.clone(), after: after.cloned() }),
            Some(&place) => {
                if !still[position] {
                    ops.push(Op::Move { key: keyed.key.clone(), after: after.cloned() });
                }
                let columns = changed_columns(&old[place].row, &keyed.row);
                if !columns.is_empty() {
                    ops.push(Op::Update { new: keyed.clone(), columns });
                }
            }
        }
        after = Some(&keyed.key);
    }
    ops
}

/// Which of the old places in `places` can stay where they are: a longest increasing run of them.
fn staying(places: impl Iterator<Item = Option<usize>>) -> Vec<bool> {
    let places: Vec<Option<usize>> = places.collect();
    // `ends[n]` is the position whose place is smallest among all runs of length n + 1.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = vec![None; places.len()];
    for (position, place) in places.iter().enumerate() {
        let Some(place) = place else { continue };
        let length = ends.partition_point(|&end| places[end].is_some_and(|end| end < *place));
        previous[position] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(position);
        } else {
            ends[length] = position;
        }
    }
    let mut still = vec![false; places.len()];
    let mut next = ends.last().copied();
    while let Some(position) = next {
        still[position] = true;
        next = previous[position];
    }
    still
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::replica::Replica;
    use super::*;
    use crate::value::Value;

    fn state(rows: &[(i64, i64)]) -> Vec<Keyed> {
        let mut seen = HashSet::new();
        let fresh = rows.iter().filter(|(key, _)| seen.insert(*key));
        fresh
            .map(|&(key, value)| Keyed {
                key: Key::from(vec![Value::Int(key)]),
                row: Row::from(vec![Value::Int(key), Value::Int(value)]),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn applying_a_diff_gives_the_new_state(
            old in prop::collection::vec((0..12_i64, 0..3_i64), 0..12),
            new in prop::collection::vec((0..12_i64, 0..3_i64), 0..12),
        ) {
            let (old, new) = (state(&old), state(&new));
            let mut replica = Replica::new(old.clone());
            let ops = diff(&old, &new);
            for op in &ops {
                prop_assert!(replica.apply(op).is_some(), "{:?} does not fit", op);
            }
            prop_assert_eq!(replica.rows(), &new[..]);
            prop_assert_eq!(ops.is_empty(), old == new);
        }
    }

    #[test]
    fn one_row_that_moves_is_one_step() {
        let old = state(&[(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]);
        let new = state(&[(5, 0), (1, 0), (2, 0), (3, 0), (4, 0)]);
        assert_eq!(diff(&old, &new).len(), 1);
        assert_eq!(diff(&new, &old).len(), 1);
    }
}
