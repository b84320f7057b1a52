//! Replaying what happened inside rows gives the new tree.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::adapter::sqlite::SEMANTICS;
use crate::adapter::sqlite::SqliteDialect;
use crate::live::replica::Replica;
use crate::query::from;
use crate::schema::HasMany;
use crate::schema::Schema;
use crate::value::Key;

#[derive(recto_macros::Schema, Clone, Debug, Default)]
#[schema(table = "folders")]
struct Folder {
    id: i64,
    parent: i64,
    #[schema(has_many, foreign_key = "parent")]
    folders: HasMany<Self>,
}

/// Rows by number and value, with rows below.
type Rows = Vec<(i64, i64, Vec<(i64, i64)>)>;

fn level() -> Level {
    let query = from::<Folder>().preload(Folder::folders.with(Folder::folders));
    let edges = &query.ast().shape.edges;
    let ground = Ground { dialect: &SqliteDialect, semantics: SEMANTICS };
    Level::new(Folder::table().columns.len(), edges, ground).expect("a tree")
}

fn row(id: i64, value: i64, below: Vec<Value>) -> Row {
    Row::from(vec![Value::Int(id), Value::Int(value), Value::Array(below.into())])
}

fn leaf(&(id, value): &(i64, i64)) -> Value {
    Row::from(vec![Value::Int(id), Value::Int(value)]).into()
}

/// One root whose rows are `rows`, each number once.
fn state(rows: &Rows) -> Vec<Keyed> {
    let mut middle: Vec<Value> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (id, value, below) in rows.iter().filter(|(id, ..)| seen.insert(*id)) {
        let mut leaves = std::collections::HashSet::new();
        let below = below.iter().filter(|(id, _)| leaves.insert(*id)).map(leaf).collect();
        middle.push(row(*id, *value, below).into());
    }
    let root = row(1, 0, middle);
    vec![Keyed { key: Key::from(vec![Value::Int(1)]), row: root }]
}

/// What a client does that has only the operations: what it is told of a row as a whole, it
/// forgets where the operations are about what hangs on it.
fn replay(level: &Level, rows: Vec<Keyed>, ops: &[Op]) -> Vec<Keyed> {
    let mut replica = Replica::new(rows);
    for op in ops {
        let Op::Inside { new, column, ops } = op else {
            replica.apply(op).expect("it fits");
            continue;
        };
        let edge = &level.edges[column - level.start];
        let held = replica.rows().iter().find(|held| held.key == new.key);
        let held = held.expect("it fits");
        let mut values = held.row.values().to_vec();
        let below = replay(&edge.below, edge.keyed(&values[*column]), ops);
        values[*column] = Value::Array(below.into_iter().map(|keyed| keyed.row.into()).collect());
        let new = Keyed { key: new.key.clone(), row: values.into() };
        replica.apply(&Op::Update { new, columns: vec![*column] }).expect("it fits");
    }
    replica.rows().to_vec()
}

fn rows() -> impl Strategy<Value = Rows> {
    vec((0..5_i64, 0..3_i64, vec((0..4_i64, 0..3_i64), 0..4)), 0..5)
}

proptest! {
    #[test]
    fn replaying_what_happened_inside_gives_the_new_tree(old in rows(), new in rows()) {
        let level = level();
        let (old, new) = (state(&old), state(&new));
        let ops = level.diff(&old, &new);
        prop_assert_eq!(replay(&level, old, &ops), new);
        let is_inside = |op: &Op| matches!(op, Op::Inside { .. });
        prop_assert!(ops.iter().all(is_inside));
    }
}
