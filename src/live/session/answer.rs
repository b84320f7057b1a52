//! What the engine says, as payloads.
//!
//! **Invariant:** rows and operations are never written here: their text was made once, for all
//! clients of a result, and is copied.

use std::collections::BTreeMap;

use super::encode::Object;
use super::encode::value;
use super::request::PROTO;
use crate::live::mailbox::Name;
use crate::live::step::Answer;
use crate::live::step::Cursor;
use crate::live::step::Snapshot;
use crate::live::step::Step;
use crate::live::step::Version;
use crate::live::step::View;

/// One query's part of an answer.
#[derive(Debug)]
pub(super) enum Part {
    /// What the engine said.
    Answer(Answer),
    /// A refusal, as JSON.
    Refused(String),
}

/// The response to a join, an `add` or a `resync`.
pub(super) fn loaded(version: Version, parts: &[(Name, Part)], out: &mut String) {
    let mut response = Object::open(out);
    value(PROTO, response.key("proto"));
    value(version, response.key("v"));
    queries(parts, response.key("queries"));
    response.close();
}

/// The payload of `reset`.
pub(super) fn reset(version: Version, parts: &[(Name, Part)], out: &mut String) {
    let mut payload = Object::open(out);
    value(version, payload.key("v"));
    queries(parts, payload.key("queries"));
    payload.close();
}

fn queries(parts: &[(Name, Part)], out: &mut String) {
    let mut queries = Object::open(out);
    for (name, part) in parts {
        write_part(part, queries.key(name));
    }
    queries.close();
}

fn write_part(part: &Part, out: &mut String) {
    match part {
        Part::Answer(Answer::Snapshot(snapshot)) => write_snapshot(snapshot, out),
        Part::Answer(Answer::Delta(steps, view, cursor)) => write_delta(steps, view, *cursor, out),
        // Whoever builds the parts turns failures into refusals, since they go to the log.
        Part::Answer(Answer::Failed(_)) => out.push_str("{\"mode\":\"error\"}"),
        Part::Refused(error) => {
            out.push_str("{\"mode\":\"error\",\"error\":");
            out.push_str(error);
            out.push('}');
        }
    }
}

fn write_snapshot(snapshot: &Snapshot, out: &mut String) {
    let (keys, rows) = snapshot.json();
    // Most of a frame: one allocation instead of a dozen.
    out.reserve(keys.len() + rows.len() + 256);
    let mut query = open("snapshot", &snapshot.view, snapshot.cursor, out);
    query.key("keys").push_str(keys);
    query.key("rows").push_str(rows);
    query.close();
}

fn write_delta(steps: &[std::sync::Arc<Step>], view: &View, cursor: Cursor, out: &mut String) {
    let mut query = open("delta", view, cursor, out);
    write_ops(steps.iter().map(AsRef::as_ref), query.key("ops"));
    query.close();
}

fn open<'a>(mode: &str, view: &View, cursor: Cursor, out: &'a mut String) -> Object<'a> {
    let mut query = Object::open(out);
    value(format_args!("\"{mode}\""), query.key("mode"));
    value(format_args!("\"{cursor}\""), query.key("cursor"));
    match view.key {
        Some(key) => crate::value::write_json_text(key, query.key("key")),
        None => query.key("key").push_str("null"),
    }
    value(view.is_ordered, query.key("ordered"));
    query
}

/// The operations of several steps as one array.
fn write_ops<'a>(steps: impl Iterator<Item = &'a Step>, out: &mut String) {
    out.push('[');
    let mut is_empty = true;
    for step in steps {
        let json = step.json();
        let inside = json.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let inside = inside.expect("operations are an array");
        if inside.is_empty() {
            continue;
        }
        if !is_empty {
            out.push(',');
        }
        is_empty = false;
        out.push_str(inside);
    }
    out.push(']');
}

/// The payload of `diff`: the way of all queries from one version to a later one.
pub(super) fn diff(
    from: Version,
    to: Version,
    steps: &[(Name, std::sync::Arc<Step>)],
    out: &mut String,
) {
    let mut moved: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for (name, step) in steps {
        moved.entry(name).or_default().push(step);
    }
    let bytes: usize = steps.iter().map(|(name, step)| step.json().len() + 2 * name.len()).sum();
    out.reserve(bytes + 64 * moved.len() + 64);
    let mut payload = Object::open(out);
    value(to, payload.key("v"));
    value(from, payload.key("p"));
    let mut ops = Object::open(payload.key("q"));
    for (name, steps) in &moved {
        write_ops(steps.iter().copied(), ops.key(name));
    }
    ops.close();
    let mut cursors = Object::open(payload.key("c"));
    for (name, steps) in &moved {
        if let Some(last) = steps.last() {
            value(format_args!("\"{}\"", last.cursor), cursors.key(name));
        }
    }
    cursors.close();
    payload.close();
}
