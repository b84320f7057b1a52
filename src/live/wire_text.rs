//! Operations and rows as JSON text, the shapes every client reads.
//!
//! The shapes are pinned by the golden files in `tests/wire/`, which the JavaScript client's tests
//! read too.

use super::patch::Keyed;
use super::patch::Op;
use super::step::View;
use super::step::shown;
use crate::value::Key;
use crate::value::Row;
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
/// `["-",key]`.
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
            let columns = columns.iter().copied().filter(|&column| column < view.outputs.len());
            write_columns(view, &new.row, columns, out);
        }
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

/// One row as a JSON object of all columns that clients see.
pub(crate) fn write_row(view: &View, row: &Row, out: &mut String) {
    write_columns(view, row, 0..view.outputs.len(), out);
}

fn write_columns(view: &View, row: &Row, columns: impl Iterator<Item = usize>, out: &mut String) {
    out.push('{');
    for (count, column) in columns.enumerate() {
        if 0 < count {
            out.push(',');
        }
        write_json_text(view.outputs[column].name, out);
        out.push(':');
        shown(view, row)[column].write_json(out);
    }
    out.push('}');
}
