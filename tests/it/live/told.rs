//! What clients make of steps: of a changed row they are told the columns that changed, and of what
//! hangs on it what happened there.

use recto::live::patch::Keyed;
use recto::live::patch::Op;
use recto::live::replica::Replica;
use recto::live::step::View;
use recto::prelude::*;
use recto::value::Key;
use recto::value::Row;

/// The operation as it is for who has nothing but what is sent; `None` where it does not fit `rows`.
pub(crate) fn as_told(view: &View, rows: &[Keyed], op: &Op) -> Option<Op> {
    let (new, changed) = match op {
        Op::Insert { .. } | Op::Move { .. } | Op::Remove { .. } => return Some(op.clone()),
        Op::Update { new, columns } => {
            let values = columns.iter().map(|&column| (column, new.row.values()[column].clone()));
            (new, values.collect::<Vec<_>>())
        }
        Op::Inside { new, column, ops } => {
            let before = rows.iter().find(|keyed| keyed.key == new.key)?;
            let inside = inside(view, *column, &before.row.values()[*column], ops)?;
            (new, vec![(*column, inside)])
        }
    };
    let before = rows.iter().find(|keyed| keyed.key == new.key)?;
    let mut values = before.row.values().to_vec();
    let columns = changed.iter().map(|(column, _)| *column).collect();
    for (column, value) in changed {
        values[column] = value;
    }
    Some(Op::Update { new: Keyed { key: new.key.clone(), row: values.into() }, columns })
}

/// What hangs in a column after `ops`.
fn inside(view: &View, column: usize, before: &Value, ops: &[Op]) -> Option<Value> {
    let below = &view.branches.get(column.checked_sub(view.start)?)?.view;
    let place = below.outputs.iter().position(|output| Some(output.name) == below.key)?;
    let Value::Array(rows) = before else { return None };
    let rows = rows.iter().map(|row| {
        let Value::Array(values) = row else { panic!("{row:?} is no row") };
        let key = Key::from(vec![values[place].clone()]);
        Keyed { key, row: Row::from(values.to_vec()) }
    });
    let mut replica = Replica::new(rows.collect());
    for op in ops {
        replica.apply(&as_told(below, replica.rows(), op)?)?;
    }
    let rows = replica.rows().iter().map(|keyed| Value::from(keyed.row.clone()));
    Some(Value::Array(rows.collect()))
}
