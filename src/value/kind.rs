//! What a column holds, and how a value from outside becomes one of those.
//!
//! Casting is for data from people and programs we do not trust: it takes what a form or a JSON
//! body can say (`"42"` for a number) and refuses the rest with words for a person.

use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::Value;

/// The kind of values a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// True or false.
    Bool,
    /// An integer of 16 bits.
    I16,
    /// An integer of 32 bits.
    I32,
    /// An integer of 64 bits.
    I64,
    /// A floating number of 32 bits.
    F32,
    /// A floating number of 64 bits.
    F64,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// A UUID.
    Uuid,
    /// An exact decimal of at most 28 digits.
    Decimal,
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// An instant.
    Timestamp,
    /// JSON.
    Json,
    /// A one-dimensional array; PostgreSQL only.
    Array(&'static Kind),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Bool => "boolean",
            Self::I16 => "16-bit integer",
            Self::I32 => "32-bit integer",
            Self::I64 => "integer",
            Self::F32 => "32-bit floating number",
            Self::F64 => "floating number",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Uuid => "UUID",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Json => "JSON",
            Self::Array(item) => return write!(f, "array of {item}"),
        };
        f.write_str(name)
    }
}

impl Kind {
    /// Turns JSON from outside into a value of this kind, or returns `None` where that cannot be.
    ///
    /// Text is read as the kind's text form; JSON `null` is [`Value::Null`] for every kind but
    /// JSON itself, where it is too.
    pub fn cast(self, outside: &Json) -> Option<Value> {
        if outside.is_null() {
            return Some(Value::Null);
        }
        match self {
            Self::Bool => cast_bool(outside),
            Self::I16 => cast_int(outside, i64::from(i16::MIN), i64::from(i16::MAX)),
            Self::I32 => cast_int(outside, i64::from(i32::MIN), i64::from(i32::MAX)),
            Self::I64 => cast_int(outside, i64::MIN, i64::MAX),
            Self::F32 => cast_float(outside).map(|value| {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "a 32-bit column rounds, as the database would"
                )]
                let narrow = value as f32;
                Value::Float(f64::from(narrow))
            }),
            Self::F64 => cast_float(outside).map(Value::Float),
            Self::Text => outside.as_str().filter(|text| !text.contains('\0')).map(Value::text),
            Self::Bytes => outside.as_str().and_then(cast_hex),
            Self::Uuid => parse(outside).map(Value::Uuid),
            Self::Decimal => cast_decimal(outside).map(Value::Decimal),
            Self::Date => parse(outside).map(Value::Date),
            Self::Time => parse(outside).map(Value::Time),
            Self::Timestamp => parse(outside).map(Value::Timestamp),
            Self::Json => Some(Value::Json(Arc::new(outside.clone()))),
            Self::Array(item) => {
                let items: Option<Vec<Value>> =
                    outside.as_array()?.iter().map(|outside| item.cast(outside)).collect();
                Some(Value::Array(items?.into()))
            }
        }
    }

    /// True when `value` may stand in a column of this kind; `NULL` always may.
    pub fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null)
            | (Self::Bool, Value::Bool(_))
            | (Self::I64, Value::Int(_))
            | (Self::F32 | Self::F64, Value::Float(_))
            | (Self::Text, Value::Text(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::Uuid, Value::Uuid(_))
            | (Self::Decimal, Value::Decimal(_))
            | (Self::Date, Value::Date(_))
            | (Self::Time, Value::Time(_))
            | (Self::Timestamp, Value::Timestamp(_))
            | (Self::Json, Value::Json(_)) => true,
            (Self::I32, Value::Int(value)) => i32::try_from(*value).is_ok(),
            (Self::I16, Value::Int(value)) => i16::try_from(*value).is_ok(),
            (Self::Array(item), Value::Array(values)) => {
                values.iter().all(|value| item.holds(value))
            }
            _ => false,
        }
    }
}

fn parse<T: std::str::FromStr>(outside: &Json) -> Option<T> {
    outside.as_str()?.trim().parse().ok()
}

fn cast_bool(outside: &Json) -> Option<Value> {
    let value = match outside {
        Json::Bool(value) => *value,
        // What HTML forms and query strings say.
        Json::String(text) => match text.as_str() {
            "true" | "1" | "on" => true,
            "false" | "0" | "off" => false,
            _ => return None,
        },
        Json::Null | Json::Number(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    Some(Value::Bool(value))
}

fn cast_int(outside: &Json, least: i64, most: i64) -> Option<Value> {
    let value = outside.as_i64().or_else(|| parse(outside))?;
    (least <= value && value <= most).then_some(Value::Int(value))
}

fn cast_float(outside: &Json) -> Option<f64> {
    outside.as_f64().or_else(|| parse(outside))
}

fn cast_decimal(outside: &Json) -> Option<Decimal> {
    let Json::Number(number) = outside else {
        return Decimal::from_str_exact(outside.as_str()?.trim()).ok();
    };
    let text = number.to_string();
    Decimal::from_str_exact(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
}

fn cast_hex(text: &str) -> Option<Value> {
    let digits = text.strip_prefix("\\x").unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes: Option<Vec<u8>> =
        digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    Some(Value::Bytes(bytes?.into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: Kind, outside: &Json) -> String {
        let mut text = String::new();
        match kind.cast(outside) {
            Some(value) => value.write_json(&mut text),
            None => text.push_str("refused"),
        }
        text
    }

    #[test]
    fn forms_and_json_say_the_same() {
        assert_eq!(check(Kind::I64, &json!("42")), "42");
        assert_eq!(check(Kind::I64, &json!(42)), "42");
        assert_eq!(check(Kind::Bool, &json!("on")), "true");
        assert_eq!(check(Kind::Decimal, &json!("1.50")), "\"1.50\"");
        assert_eq!(check(Kind::Decimal, &json!(1.5)), "\"1.5\"");
        assert_eq!(check(Kind::Bytes, &json!("\\x00ff")), "\"00ff\"");
        assert_eq!(check(Kind::Array(&Kind::I32), &json!([1, "2"])), "[1,2]");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(check(Kind::I16, &json!(40_000)), "refused");
        assert_eq!(check(Kind::I64, &json!(1.5)), "refused");
        assert_eq!(check(Kind::Text, &json!("nul\0")), "refused");
        assert_eq!(check(Kind::Text, &json!(7)), "refused");
        assert_eq!(check(Kind::Decimal, &json!("1e400")), "refused");
        assert_eq!(check(Kind::Timestamp, &json!("yesterday")), "refused");
        assert_eq!(check(Kind::Bytes, &json!("0")), "refused");
        assert_eq!(check(Kind::Bytes, &json!("é0")), "refused");
    }
}
