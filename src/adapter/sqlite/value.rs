//! Values as SQLite stores them, and back.
//!
//! SQLite has five types. What has no type of its own is text in one canonical form, chosen so that
//! the order of the texts is the order of the values (decimals excepted, which have a collation).
//!
//! **Invariant:** what is loaded is what would have been stored: a text that is not the canonical
//! form of its kind is an error, since the database would sort and compare it differently than we.

use std::fmt::Write;
use std::str::FromStr;
use std::sync::Arc;

use rusqlite::types::ToSqlOutput;
use rusqlite::types::Value as Stored;
use rusqlite::types::ValueRef;

use crate::error::Error;
use crate::error::Result;
use crate::value::Date;
use crate::value::Decimal;
use crate::value::Kind;
use crate::value::Time;
use crate::value::Timestamp;
use crate::value::Uuid;
use crate::value::Value;

/// The form in which `value` is stored.
pub(super) fn store(value: &Value) -> Result<ToSqlOutput<'_>> {
    Ok(match value {
        Value::Null => ToSqlOutput::Owned(Stored::Null),
        Value::Bool(value) => ToSqlOutput::Owned(Stored::Integer(i64::from(*value))),
        Value::Int(value) => ToSqlOutput::Owned(Stored::Integer(*value)),
        Value::Float(value) if value.is_nan() => {
            return Err(Error::invalid("SQLite would store `NaN` as `NULL`"));
        }
        Value::Float(value) => ToSqlOutput::Owned(Stored::Real(*value)),
        Value::Text(text) if text.contains('\0') => {
            return Err(Error::invalid("text must not hold the character NUL"));
        }
        Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        Value::Uuid(_)
        | Value::Decimal(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_) => ToSqlOutput::Owned(Stored::Text(canonical(value)?)),
        Value::Json(json) => ToSqlOutput::Owned(Stored::Text(json.to_string())),
        Value::Array(items) => ToSqlOutput::Owned(Stored::Text(list(items)?)),
    })
}

/// The canonical text of a value that has no type of its own.
fn canonical(value: &Value) -> Result<String> {
    let (text, fits) = match value {
        Value::Uuid(uuid) => (uuid.hyphenated().to_string(), true),
        Value::Decimal(decimal) => (decimal.normalize().to_string(), true),
        Value::Date(date) => {
            let text = date.to_string();
            let fits = sorts(&text, 10) || is_infinite(&text);
            (text, fits)
        }
        Value::Time(time) => {
            let fits = (0..=24 * 3600 * 1_000_000).contains(&time.as_micros());
            (time.to_string(), fits)
        }
        Value::Timestamp(timestamp) => {
            let text = timestamp.to_string();
            let fits = sorts(&text, 27) || is_infinite(&text);
            (text, fits)
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Json(_)
        | Value::Array(_) => {
            return Err(Error::invalid(format!("{} has no text form", value.type_name())));
        }
    };
    if fits {
        return Ok(text);
    }
    Err(Error::invalid(format!("SQLite keeps the years 0000 to 9999, and `{text}` is outside")))
}

/// True for a date or an instant whose text sorts as it does: four digits of year.
fn sorts(text: &str, length: usize) -> bool {
    text.len() == length && text.starts_with(|char: char| char.is_ascii_digit())
}

fn is_infinite(text: &str) -> bool {
    text == "infinity" || text == "-infinity"
}

/// A list for `json_each`; see the dialect for how its items are read.
fn list(items: &[Value]) -> Result<String> {
    let mut out = String::from("[");
    for (index, item) in items.iter().enumerate() {
        if 0 < index {
            out.push(',');
        }
        match item {
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::Bytes(_) => {
                store(item)?;
                item.write_json(&mut out);
            }
            // The JSON for clients puts wide integers in quotes.
            Value::Int(value) => write!(out, "{value}").expect("writing to a `String` cannot fail"),
            Value::Float(value) => {
                store(item)?;
                write!(out, "\"{value:?}\"").expect("writing to a `String` cannot fail");
            }
            Value::Uuid(_)
            | Value::Decimal(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Timestamp(_) => {
                write!(out, "\"{}\"", canonical(item)?).expect("writing to a `String` cannot fail");
            }
            Value::Array(parts) => out.push_str(&list(parts)?),
            Value::Json(_) => return Err(Error::invalid("SQLite takes no JSON in a list")),
        }
    }
    out.push(']');
    Ok(out)
}

/// Reads a stored value; without a kind, as the database has it.
pub(super) fn load(stored: ValueRef<'_>, kind: Option<Kind>) -> Result<Value> {
    let Some(kind) = kind else { return as_it_is(stored) };
    match (kind, stored) {
        (_, ValueRef::Null) => Ok(Value::Null),
        (Kind::Bool, ValueRef::Integer(number @ (0 | 1))) => Ok(Value::Bool(number == 1)),
        (Kind::I16 | Kind::I32 | Kind::I64, ValueRef::Integer(number)) => {
            let value = Value::Int(number);
            if kind.holds(&value) { Ok(value) } else { Err(unlike(kind, stored)) }
        }
        (Kind::F32 | Kind::F64, ValueRef::Real(number)) => Ok(Value::Float(number)),
        // A column of type NUMERIC turns 2.0 into 2.
        (Kind::F32 | Kind::F64, ValueRef::Integer(number)) => {
            exact(number).map(Value::Float).ok_or_else(|| unlike(kind, stored))
        }
        (Kind::Bytes, ValueRef::Blob(bytes)) => Ok(Value::Bytes(bytes.into())),
        (_, ValueRef::Text(bytes)) => {
            let text = text(bytes)?;
            load_text(kind, text).ok_or_else(|| unlike(kind, stored))
        }
        _ => Err(unlike(kind, stored)),
    }
}

fn as_it_is(stored: ValueRef<'_>) -> Result<Value> {
    Ok(match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Float(number),
        ValueRef::Text(bytes) => Value::text(text(bytes)?),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
    })
}

fn load_text(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::text(text)),
        Kind::Json => serde_json::from_str(text).ok().map(|json| Value::Json(Arc::new(json))),
        Kind::Uuid => {
            let uuid = Uuid::try_parse(text).ok()?;
            let mut buffer = Uuid::encode_buffer();
            (uuid.hyphenated().encode_lower(&mut buffer) == text).then_some(Value::Uuid(uuid))
        }
        Kind::Decimal => {
            let decimal = Decimal::from_str_exact(text).ok()?;
            (decimal.normalize().to_string() == text).then_some(Value::Decimal(decimal))
        }
        Kind::Date => exactly(text, Value::Date as fn(Date) -> Value),
        Kind::Time => exactly(text, Value::Time as fn(Time) -> Value),
        Kind::Timestamp => exactly(text, Value::Timestamp as fn(Timestamp) -> Value),
        Kind::Bool
        | Kind::I16
        | Kind::I32
        | Kind::I64
        | Kind::F32
        | Kind::F64
        | Kind::Bytes
        | Kind::Array(_) => None,
    }
}

/// Reads a text that is the canonical form of what it says.
fn exactly<T: FromStr + Copy>(text: &str, value: fn(T) -> Value) -> Option<Value> {
    let value = value(text.parse().ok()?);
    (canonical(&value).ok()? == text).then_some(value)
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|error| Error::invalid("stored text is not UTF-8").caused_by(error))
}

/// An integer as a double, where one is exactly it.
fn exact(number: i64) -> Option<f64> {
    const EXACT: u64 = 1 << 53;
    #[expect(clippy::cast_precision_loss, reason = "at most 2^53, which a double holds exactly")]
    let float = number as f64;
    (number.unsigned_abs() <= EXACT).then_some(float)
}

fn unlike(kind: Kind, stored: ValueRef<'_>) -> Error {
    let found = match stored {
        ValueRef::Null => "nothing".to_owned(),
        ValueRef::Integer(number) => format!("the integer {number}"),
        ValueRef::Real(number) => format!("the number {number}"),
        ValueRef::Text(bytes) => {
            let text: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
            format!("the text `{}`", text.escape_debug())
        }
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    };
    let wants = match kind {
        Kind::Bool => "0 or 1",
        Kind::Uuid => "a lowercase UUID with hyphens",
        Kind::Decimal => "a decimal in text, without trailing zeros",
        Kind::Date => "a date such as `2026-11-22`",
        Kind::Time => "a time such as `08:00:00.000000`",
        Kind::Timestamp => "a timestamp such as `2026-11-22T08:00:00.000000Z`",
        Kind::Json => "JSON in text",
        Kind::Array(_) => "an array, which SQLite does not have",
        Kind::I16 | Kind::I32 | Kind::I64 => "an integer in range",
        Kind::F32 | Kind::F64 => "a number that a double holds exactly",
        Kind::Text => "text",
        Kind::Bytes => "bytes",
    };
    Error::invalid(format!("SQLite should hold {wants}, and holds {found}"))
}
