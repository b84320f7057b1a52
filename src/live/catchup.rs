//! The way from a state that only the database remembers: of every row that was touched since,
//! whether it is in the result now, and where.
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

impl Catchup {
    /// The way to `snapshot` for whoever knows the rows before these keys were touched.
    pub fn new(snapshot: &Snapshot, mut touched: HashSet<Key>) -> Self {
        let mut put = Vec::new();
        let mut after = None;
        for keyed in &snapshot.rows {
            if touched.remove(&keyed.key) {
                put.push((keyed.clone(), after.take()));
            }
            after = Some(keyed.key.clone());
        }
        let mut gone: Vec<Key> = touched.into_iter().collect();
        gone.sort_unstable();
        let (view, cursor) = (Arc::clone(&snapshot.view), snapshot.cursor);
        Self { view, cursor, gone, put, json: OnceLock::new() }
    }

    /// The operations as the JSON array clients get; written once.
    pub fn json(&self) -> &Arc<str> {
        self.json.get_or_init(|| wire_text::catchup(&self.view, &self.gone, &self.put).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::replica::Replica;
    use crate::value::Row;
    use crate::value::Value;

    fn key(number: i64) -> Key {
        [Value::Int(number)].into_iter().collect()
    }

    fn rows(rows: &[(i64, i64)]) -> Vec<Keyed> {
        let keyed = |&(number, value): &(i64, i64)| Keyed {
            key: key(number),
            row: Row::from(vec![Value::Int(number), Value::Int(value)]),
        };
        rows.iter().map(keyed).collect()
    }

    #[test]
    fn whoever_knows_less_comes_to_the_same_rows() {
        let view = View {
            outputs: Vec::new().into(),
            key: None,
            is_ordered: true,
            start: 0,
            branches: Vec::new(),
            resumable: None,
        };
        let cursor = Cursor { node: 1, version: 9, bind: 1, from: 0, seal: 0 };
        let now = rows(&[(5, 1), (2, 7), (9, 0), (1, 3)]);
        let snapshot = Snapshot::new(Arc::new(view), cursor, now.clone());
        // 7 was never there, 3 was and left, 5 came, 2 moved, 1 has another value.
        let touched = [7, 3, 5, 2, 1].into_iter().map(key).collect();
        let catchup = Catchup::new(&snapshot, touched);
        assert_eq!(catchup.gone, [key(3), key(7)]);
        for before in [
            rows(&[(9, 0), (2, 1), (3, 3), (1, 2)]),
            rows(&[(3, 0), (9, 0)]),
            rows(&[(9, 0)]),
            now.clone(),
        ] {
            let mut replica = Replica::new(before);
            replica.catch_up(&catchup).unwrap();
            assert_eq!(replica.rows(), now);
        }
    }
}
