//! Data on its way between Rust and a database: [`Value`], [`Row`], [`Key`] and [`Kind`].
//!
//! This module refuses to know what a table is, and what SQL looks like.
//!
//! **Invariant:** equality, order and hash of a [`Value`] agree with each other and are total; they
//! say what the *same value* is (`NaN` equals `NaN`, `-0.0` equals `0.0`). Three-valued SQL logic
//! lives in `query`.

mod convert;
mod kind;
mod time;

use std::cmp::Ordering;
use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

pub use rust_decimal::Decimal;
pub use serde_json::Value as Json;
pub use uuid::Uuid;

pub(crate) use self::convert::mismatch;
pub use self::convert::{ArrayItem, FromValue, ToValue};
pub use self::kind::Kind;
pub use self::time::{Date, Time, Timestamp};

/// One value of one column.
///
/// # Shape
///
/// A clone costs at most a reference-count bump, except for JSON, which is copied.
#[derive(Clone, Debug)]
pub enum Value {
    /// SQL `NULL`.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A floating number of any width.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A UUID.
    Uuid(Uuid),
    /// An exact decimal.
    Decimal(Decimal),
    /// A day.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// An instant.
    Timestamp(Timestamp),
    /// JSON.
    Json(Arc<Json>),
    /// A one-dimensional array.
    Array(Arc<[Value]>),
}

impl Value {
    /// Text, from anything that is text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// True for SQL `NULL`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The name of the variant, for error messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a floating number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Uuid(_) => "a UUID",
            Self::Decimal(_) => "a decimal",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time",
            Self::Timestamp(_) => "a timestamp",
            Self::Json(_) => "JSON",
            Self::Array(_) => "an array",
        }
    }

    /// Writes the value as JSON onto `out`, as clients see it.
    ///
    /// Integers and decimals beyond what a double holds exactly (2^53) become text, and so do
    /// `NaN` and the infinities, since JSON has no word for them.
    pub fn write_json(&self, out: &mut String) {
        use std::fmt::Write;
        const EXACT: u64 = 1 << 53;
        let written = match self {
            Self::Null => write!(out, "null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) if value.unsigned_abs() <= EXACT => write!(out, "{value}"),
            Self::Int(value) => write!(out, "\"{value}\""),
            Self::Float(value) if value.is_finite() => {
                out.push_str(&Json::from(*value).to_string());
                Ok(())
            }
            Self::Float(value) => write!(out, "\"{value}\""),
            Self::Text(value) => {
                write_json_text(value, out);
                Ok(())
            }
            Self::Bytes(value) => {
                out.push('"');
                for byte in value.iter() {
                    out.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
                    out.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
                }
                out.push('"');
                Ok(())
            }
            Self::Uuid(value) => write!(out, "\"{value}\""),
            Self::Decimal(value) => write!(out, "\"{value}\""),
            Self::Date(value) => write!(out, "\"{value}\""),
            Self::Time(value) => write!(out, "\"{value}\""),
            Self::Timestamp(value) => write!(out, "\"{value}\""),
            Self::Json(value) => write!(out, "{value}"),
            Self::Array(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if 0 < index {
                        out.push(',');
                    }
                    value.write_json(out);
                }
                out.push(']');
                Ok(())
            }
        };
        written.expect("writing to a `String` cannot fail");
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::Float(_) => 3,
            Self::Decimal(_) => 4,
            Self::Text(_) => 5,
            Self::Bytes(_) => 6,
            Self::Uuid(_) => 7,
            Self::Date(_) => 8,
            Self::Time(_) => 9,
            Self::Timestamp(_) => 10,
            Self::Json(_) => 11,
            Self::Array(_) => 12,
        }
    }
}

/// Writes `text` as a JSON string, quotes and all.
pub(crate) fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[start..index]);
        if escape.is_empty() {
            use std::fmt::Write;
            write!(out, "\\u{byte:04x}").expect("writing to a `String` cannot fail");
        } else {
            out.push_str(escape);
        }
        start = index + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}

/// Floats in the order of PostgreSQL: `NaN` is one value and the greatest, zeros are equal.
pub(crate) fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            (Self::Float(left), Self::Float(right)) => compare_floats(*left, *right),
            (Self::Decimal(left), Self::Decimal(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Bytes(left), Self::Bytes(right)) => left.cmp(right),
            (Self::Uuid(left), Self::Uuid(right)) => left.cmp(right),
            (Self::Date(left), Self::Date(right)) => left.cmp(right),
            (Self::Time(left), Self::Time(right)) => left.cmp(right),
            (Self::Timestamp(left), Self::Timestamp(right)) => left.cmp(right),
            // JSON has no order of its own here; its text is one that agrees with equality.
            (Self::Json(left), Self::Json(right)) if left == right => Ordering::Equal,
            (Self::Json(left), Self::Json(right)) => left.to_string().cmp(&right.to_string()),
            (Self::Array(left), Self::Array(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Null => {}
            Self::Bool(value) => value.hash(state),
            Self::Int(value) => value.hash(state),
            Self::Float(value) if value.is_nan() => f64::NAN.to_bits().hash(state),
            // Adding zero turns `-0.0` into `0.0`, which it equals.
            Self::Float(value) => (value + 0.0).to_bits().hash(state),
            Self::Decimal(value) => value.hash(state),
            Self::Text(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::Uuid(value) => value.hash(state),
            Self::Date(value) => value.hash(state),
            Self::Time(value) => value.hash(state),
            Self::Timestamp(value) => value.hash(state),
            Self::Json(value) => value.to_string().hash(state),
            Self::Array(value) => value.hash(state),
        }
    }
}

/// The values of one row, in the order of the statement that read it.
///
/// # Shape
///
/// A clone is a reference-count bump.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row(Arc<[Value]>);

impl Row {
    /// The values, in order.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// True when both are one allocation, which is a cheap sign that nothing changed.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl From<Vec<Value>> for Row {
    fn from(values: Vec<Value>) -> Self {
        Self(values.into())
    }
}

impl FromIterator<Value> for Row {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// What tells one row of an answer from all others: its primary key, or several of them.
///
/// # Shape
///
/// One value or more; no value at all names the only row of an answer that has just one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<[Value]>);

impl Key {
    /// The parts of the key, in the order of the primary key.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// Writes the key as clients see it: a number or text as such, several parts as the text of
    /// a JSON array, so that a key is always a JSON scalar.
    pub fn write_json(&self, out: &mut String) {
        match &*self.0 {
            [value @ (Value::Int(_) | Value::Text(_) | Value::Uuid(_))] => value.write_json(out),
            values => {
                let mut array = String::new();
                Value::Array(values.into()).write_json(&mut array);
                write_json_text(&array, out);
            }
        }
    }
}

impl From<Vec<Value>> for Key {
    fn from(values: Vec<Value>) -> Self {
        Self(values.into())
    }
}

impl FromIterator<Value> for Key {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_json(&mut text);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests;
