//! What the engine says, as payloads.
//!
//! **Invariant:** rows and operations are never written here: their text was made once, for all
//! clients of a result, and is copied.

use std::collections::BTreeMap;

use super::encode::Object;
use super::encode::value;
use super::request::PROTO;
use super::text::Text;
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
pub(super) fn loaded(version: Version, parts: &[(Name, Part)], out: &mut Text) {
    let mut response = Object::open(out);
    value(PROTO, response.key("proto").own());
    value(version, response.key("v").own());
    queries(parts, response.key("queries"));
    response.close();
}

/// The payload of `reset`.
pub(super) fn reset(version: Version, parts: &[(Name, Part)], out: &mut Text) {
    let mut payload = Object::open(out);
    value(version, payload.key("v").own());
    queries(parts, payload.key("queries"));
    payload.close();
}

fn queries(parts: &[(Name, Part)], out: &mut Text) {
    let mut queries = Object::open(out);
    for (name, part) in parts {
        write_part(part, queries.key(name));
    }
    queries.close();
}

fn write_part(part: &Part, out: &mut Text) {
    match part {
        Part::Answer(Answer::Snapshot(snapshot)) => write_snapshot(snapshot, out),
        Part::Answer(Answer::Delta(steps, view, cursor)) => write_delta(steps, view, *cursor, out),
        Part::Answer(Answer::Catchup(catchup)) => {
            let mut query = open("delta", &catchup.view, catchup.cursor, out);
            query.key("ops").push_str(catchup.json());
            query.close();
        }
        // Whoever builds the parts turns failures into refusals, since they go to the log.
        Part::Answer(Answer::Failed(_)) => out.push_str("{\"mode\":\"error\"}"),
        Part::Refused(error) => {
            out.push_str("{\"mode\":\"error\",\"error\":");
            out.push_str(error);
            out.push_str("}");
        }
    }
}

fn write_snapshot(snapshot: &Snapshot, out: &mut Text) {
    let (keys, rows) = snapshot.json();
    let mut query = open("snapshot", &snapshot.view, snapshot.cursor, out);
    query.key("keys").push_shared(keys, keys.as_str());
    query.key("rows").push_shared(rows, rows.as_str());
    query.close();
}

fn write_delta(steps: &[std::sync::Arc<Step>], view: &View, cursor: Cursor, out: &mut Text) {
    let mut query = open("delta", view, cursor, out);
    write_ops(steps.iter().map(AsRef::as_ref), query.key("ops"));
    query.close();
}

fn open<'a>(mode: &str, view: &View, cursor: Cursor, out: &'a mut Text) -> Object<'a> {
    let mut query = Object::open(out);
    value(format_args!("\"{mode}\""), query.key("mode").own());
    value(format_args!("\"{cursor}\""), query.key("cursor").own());
    match view.key {
        Some(key) => crate::value::write_json_text(key, query.key("key").own()),
        None => query.key("key").push_str("null"),
    }
    value(view.is_ordered, query.key("ordered").own());
    query
}

/// The operations of several steps as one array.
fn write_ops<'a>(steps: impl Iterator<Item = &'a Step>, out: &mut Text) {
    out.push_str("[");
    let mut is_empty = true;
    for step in steps {
        let json = step.json();
        let inside = json.as_str().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let inside = inside.expect("operations are an array");
        if inside.is_empty() {
            continue;
        }
        if !is_empty {
            out.push_str(",");
        }
        is_empty = false;
        out.push_shared(json, inside);
    }
    out.push_str("]");
}

/// The payload of `diff`: the way of all queries from one version to a later one.
pub(super) fn diff(
    from: Version,
    to: Version,
    steps: &[(Name, std::sync::Arc<Step>)],
    out: &mut Text,
) {
    let mut payload = Object::open(out);
    value(to, payload.key("v").own());
    value(from, payload.key("p").own());
    if let [(name, step)] = steps {
        // By far the most frequent case, and the one that thousands of sockets share.
        one(name, step, payload.key("q"));
        payload.close();
        return;
    }
    let mut moved: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for (name, step) in steps {
        moved.entry(name).or_default().push(step);
    }
    let mut ops = Object::open(payload.key("q"));
    for (name, steps) in &moved {
        write_ops(steps.iter().copied(), ops.key(name));
    }
    ops.close();
    let mut cursors = Object::open(payload.key("c"));
    for (name, steps) in &moved {
        if let Some(last) = steps.last() {
            value(format_args!("\"{}\"", last.cursor), cursors.key(name).own());
        }
    }
    cursors.close();
    payload.close();
}

/// The rest of a `diff` with one step, as the general way writes it.
fn one(name: &Name, step: &Step, out: &mut Text) {
    let json = step.json();
    let mut ops = Object::open(out);
    ops.key(name).push_shared(json, json.as_str());
    ops.close();
    out.push_str(",\"c\":");
    let mut cursors = Object::open(out);
    cursors.key(name).push_str(step.cursor_json());
    cursors.close();
}
