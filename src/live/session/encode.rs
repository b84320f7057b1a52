//! Messages to a client, as text.
//!
//! **Invariant:** payloads are written straight into the frame; what is shared by many clients was
//! encoded once and is only copied.

use std::fmt::Write;

use super::frame::Vsn;
use crate::value::Json;
use crate::value::write_json_text;

/// Where a message goes: everything but its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) join_ref: &'a Json,
    pub(crate) reference: &'a Json,
    pub(crate) topic: &'a str,
    pub(crate) event: &'a str,
}

/// A whole frame whose payload `write` appends.
pub(crate) fn frame(vsn: Vsn, head: Head<'_>, write: impl FnOnce(&mut String)) -> String {
    let Head { join_ref, reference, topic, event } = head;
    let mut out = String::new();
    match vsn {
        Vsn::V2 => {
            out.push('[');
            value(join_ref, &mut out);
            out.push(',');
            value(reference, &mut out);
            out.push(',');
            write_json_text(topic, &mut out);
            out.push(',');
            write_json_text(event, &mut out);
            out.push(',');
            write(&mut out);
            out.push(']');
        }
        Vsn::V1 => {
            out.push_str("{\"topic\":");
            write_json_text(topic, &mut out);
            out.push_str(",\"event\":");
            write_json_text(event, &mut out);
            out.push_str(",\"ref\":");
            value(reference, &mut out);
            out.push_str(",\"payload\":");
            write(&mut out);
            out.push('}');
        }
    }
    out
}

/// The payload of a reply whose `response` `write` appends.
pub(crate) fn reply(status: &str, write: impl FnOnce(&mut String), out: &mut String) {
    out.push_str("{\"status\":\"");
    out.push_str(status);
    out.push_str("\",\"response\":");
    write(out);
    out.push('}');
}

/// A JSON object, one entry at a time.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn open(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, is_empty: true }
    }

    /// Starts an entry; what is appended to the text that comes back is its value.
    pub(crate) fn key(&mut self, key: &str) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        write_json_text(key, self.out);
        self.out.push(':');
        self.out
    }

    pub(crate) fn close(self) {
        self.out.push('}');
    }
}

/// The object that the Phoenix protocol itself refuses with.
pub(crate) fn value_of_reason(reason: &str) -> String {
    let mut out = String::new();
    let mut object = Object::open(&mut out);
    write_json_text(reason, object.key("reason"));
    object.close();
    out
}

/// Anything that prints as JSON: numbers, truth values, JSON itself.
pub(crate) fn value(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("writing to a `String` cannot fail");
}
