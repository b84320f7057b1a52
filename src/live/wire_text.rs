//! Operations and rows as JSON text, the shapes every client reads.
//!
//! The shapes are pinned by the golden files in `tests/wire/`, which the JavaScript client's tests
//! read too.

use super::patch::Keyed;
use super::patch::Op;
use super::step::Branch;
use super::step::View;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;
use crate::value::write_json_text;

/// Two JSON arrays: the keys of `rows`, and the rows as objects.
pub(crate) fn rows(view: &View, rows: &[Keyed]) -> (String, String) {
    let (mut keys, mut objects) = (String::from("["), String::from("["));
    for (place, keyed) in rows.iter().enumerate() {
        if 0 < place {
            keys.push(',');
            objects.push(',');
        }
        keyed.key.write_json(&mut keys);
        write_row(view, &keyed.row, &mut objects);
    }
    keys.push(']');
    objects.push(']');
    (keys, objects)
}

/// A JSON array of operations: `["+",key,row,after]`, `["~",key,{…}]`, `[">",key,after]`,
/// `["-",key]`; and `["/",key,name,field,[…]]`, which applies operations to the rows that hang on a
/// row under `name`, or to the only one there, and whose keys are in `field`. Whoever applies them takes `+` for a key that is
/// there as a row in its place, and finds the keys of all others.
pub(crate) fn ops(view: &View, ops: &[Op]) -> String {
    let mut out = String::from("[");
    for op in ops {
        if 1 < out.len() {
            out.push(',');
        }
        write_op(view, op, &mut out);
    }
    out.push(']');
    out
}

/// The same for a way that was read from the log: `["x",key]` removes a row if it is there,
/// `["+",key,row,after]` puts a row in the place of the one with its key, if that is there.
pub(crate) fn catchup(view: &View, gone: &[Key], put: &[(Keyed, Option<Key>)]) -> String {
    let mut out = String::from("[");
    for key in gone {
        out.push_str(if out.len() == 1 { "[\"x\"," } else { ",[\"x\"," });
        key.write_json(&mut out);
        out.push(']');
    }
    for (new, after) in put {
        if 1 < out.len() {
            out.push(',');
        }
        write_op(view, &Op::Insert { new: new.clone(), after: after.clone() }, &mut out);
    }
    out.push(']');
    out
}

fn write_op(view: &View, op: &Op, out: &mut String) {
    match op {
        Op::Insert { new, after } => {
            out.push_str("[\"+\",");
            new.key.write_json(out);
            out.push(',');
            write_row(view, &new.row, out);
            out.push(',');
            write_after(after.as_ref(), out);
        }
        Op::Update { new, columns } => {
            out.push_str("[\"~\",");
            new.key.write_json(out);
            out.push(',');
            write_columns(view, &new.row, columns.iter().copied(), out);
        }
        Op::Inside { new, column, ops: inside } => match branch(view, *column) {
            Some(branch) if branch.view.key.is_some() => {
                out.push_str("[\"/\",");
                new.key.write_json(out);
                for name in [branch.name, branch.view.key.unwrap_or_default()] {
                    out.push(',');
                    write_json_text(name, out);
                }
                out.push(',');
                out.push_str(&ops(&branch.view, inside));
            }
            Some(_) | None => {
                let (new, columns) = (new.clone(), vec![*column]);
                return write_op(view, &Op::Update { new, columns }, out);
            }
        },
        Op::Move { key, after } => {
            out.push_str("[\">\",");
            key.write_json(out);
            out.push(',');
            write_after(after.as_ref(), out);
        }
        Op::Remove { key } => {
            out.push_str("[\"-\",");
            key.write_json(out);
        }
    }
    out.push(']');
}

fn write_after(after: Option<&Key>, out: &mut String) {
    match after {
        Some(key) => key.write_json(out),
        None => out.push_str("null"),
    }
}

/// What hangs in a column.
fn branch(view: &View, column: usize) -> Option<&Branch> {
    view.branches.get(column.checked_sub(view.start)?)
}

/// One row as a JSON object of all that clients see.
pub(crate) fn write_row(view: &View, row: &Row, out: &mut String) {
    let branches = view.start..view.start + view.branches.len();
    write_columns(view, row, (0..view.outputs.len()).chain(branches), out);
}

fn write_columns(view: &View, row: &Row, columns: impl Iterator<Item = usize>, out: &mut String) {
    out.push('{');
    let mut is_first = true;
    for column in columns {
        let name = match (view.outputs.get(column), branch(view, column)) {
            (Some(output), _) => output.name,
            (None, Some(branch)) => branch.name,
            // Only keys need it.
            (None, None) => continue,
        };
        if !std::mem::take(&mut is_first) {
            out.push(',');
        }
        write_json_text(name, out);
        out.push(':');
        match branch(view, column) {
            Some(branch) => write_branch(branch, &row.values()[column], out),
            None => row.values()[column].write_json(out),
        }
    }
    out.push('}');
}

/// The rows that hang on a row as a JSON array; where there is at most one, that row or `null`.
fn write_branch(branch: &Branch, rows: &Value, out: &mut String) {
    let Value::Array(rows) = rows else { return out.push_str("null") };
    let mut rows = rows.iter().filter_map(Value::as_row);
    if branch.is_one {
        let Some(row) = rows.next() else { return out.push_str("null") };
        return write_row(&branch.view, &row, out);
    }
    out.push('[');
    for (place, row) in rows.enumerate() {
        if 0 < place {
            out.push(',');
        }
        write_row(&branch.view, &row, out);
    }
    out.push(']');
}
