//! Messages to a client, as text.
//!
//! **Invariant:** payloads are written straight into the frame; what is shared by many clients was
//! encoded once and is only copied.

use std::fmt;
use std::fmt::Write;

use super::frame::Vsn;
use super::text::Text;
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
pub(crate) fn frame(vsn: Vsn, head: Head<'_>, write: impl FnOnce(&mut Text)) -> Text {
    let mut out = Text::default();
    open(vsn, head, out.own());
    write(&mut out);
    close(vsn, out.own());
    out
}

/// A frame up to its payload.
pub(crate) fn open(vsn: Vsn, head: Head<'_>, out: &mut String) {
    let Head { join_ref, reference, topic, event } = head;
    match vsn {
        Vsn::V2 => {
            out.push('[');
            value(join_ref, out);
            out.push(',');
            value(reference, out);
            out.push(',');
            write_json_text(topic, out);
            out.push(',');
            write_json_text(event, out);
            out.push(',');
        }
        Vsn::V1 => {
            out.push_str("{\"topic\":");
            write_json_text(topic, out);
            out.push_str(",\"event\":");
            write_json_text(event, out);
            out.push_str(",\"ref\":");
            value(reference, out);
            out.push_str(",\"payload\":");
        }
    }
}

/// A frame after its payload.
pub(crate) fn close(vsn: Vsn, out: &mut String) {
    out.push(match vsn {
        Vsn::V2 => ']',
        Vsn::V1 => '}',
    });
}

/// The payload of a reply whose `response` `write` appends.
pub(crate) fn reply(status: &str, write: impl FnOnce(&mut Text), out: &mut Text) {
    out.push_str("{\"status\":\"");
    out.push_str(status);
    out.push_str("\",\"response\":");
    write(out);
    out.push_str("}");
}

/// A JSON object, one entry at a time.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    out: &'a mut Text,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn open(out: &'a mut Text) -> Self {
        out.push_str("{");
        Self { out, is_empty: true }
    }

    /// Starts an entry; what is appended to the text that comes back is its value.
    pub(crate) fn key(&mut self, key: &str) -> &mut Text {
        let own = self.out.own();
        if !self.is_empty {
            own.push(',');
        }
        self.is_empty = false;
        write_json_text(key, own);
        own.push(':');
        self.out
    }

    pub(crate) fn close(self) {
        self.out.push_str("}");
    }
}

/// The object that the Phoenix protocol itself refuses with.
pub(crate) fn value_of_reason(reason: &str) -> String {
    let mut out = String::from("{\"reason\":");
    write_json_text(reason, &mut out);
    out.push('}');
    out
}

/// Anything that prints as JSON: numbers, truth values, JSON itself.
pub(crate) fn value(value: impl fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("writing to a `String` cannot fail");
}
