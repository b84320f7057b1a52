//! Rust types as [`Value`]s, and back.

use std::sync::Arc;

use rust_decimal::Decimal;
use serde_json::Value as Json;
use uuid::Uuid;

use super::Date;
use super::Kind;
use super::Time;
use super::Timestamp;
use super::Value;
use crate::error::Error;
use crate::error::Result;

/// A Rust type that can be sent to a database.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a database",
    note = "implement `ToValue` and `FromValue` for it, or use one of the types of `recto::value`"
)]
pub trait ToValue {
    /// The value a database gets.
    fn to_value(&self) -> Value;
}

/// A Rust type that can be read from a column.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a column",
    note = "implement `ToValue` and `FromValue` for it, or use one of the types of `recto::value`"
)]
pub trait FromValue: Sized {
    /// The same type without `Option`.
    type Inner: FromValue<Inner = Self::Inner>;

    /// What the column holds.
    const KIND: Kind;

    /// True when the column may be `NULL`.
    const NULLABLE: bool = false;

    /// Reads the value of a column.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the value is of another kind, or `NULL` and the
    /// type is not an `Option`.
    fn from_value(value: &Value) -> Result<Self>;
}

/// The error of a value that is not of the kind the type wants.
pub(crate) fn mismatch(kind: Kind, value: &Value) -> Error {
    Error::invalid(format!("expected {kind}, found {}", value.type_name()))
}

macro_rules! convert {
    ($($type:ty, $kind:ident, $variant:ident, $to:expr, $from:expr;)*) => {$(
        impl ToValue for $type {
            fn to_value(&self) -> Value {
                let to: fn(&$type) -> Value = $to;
                to(self)
            }
        }

        impl FromValue for $type {
            type Inner = Self;

            const KIND: Kind = Kind::$kind;

            fn from_value(value: &Value) -> Result<Self> {
                let from = $from;
                let Value::$variant(inner) = value else { return Err(mismatch(Self::KIND, value)) };
                from(inner)
            }
        }
    )*};
}

convert! {
    bool, Bool, Bool, |value| Value::Bool(*value), |value: &bool| Ok(*value);
    i16, I16, Int, |value| Value::Int((*value).into()), |value: &i64| narrow(*value, Kind::I16);
    i32, I32, Int, |value| Value::Int((*value).into()), |value: &i64| narrow(*value, Kind::I32);
    i64, I64, Int, |value| Value::Int(*value), |value: &i64| Ok(*value);
    f64, F64, Float, |value| Value::Float(*value), |value: &f64| Ok(*value);
    f32, F32, Float, |value| Value::Float((*value).into()), |value: &f64| Ok(round(*value));
    String, Text, Text, |value: &String| Value::text(value), |value: &Arc<str>| Ok(value.as_ref().to_owned());
    Uuid, Uuid, Uuid, |value| Value::Uuid(*value), |value: &Uuid| Ok(*value);
    Decimal, Decimal, Decimal, |value| Value::Decimal(*value), |value: &Decimal| Ok(*value);
    Date, Date, Date, |value| Value::Date(*value), |value: &Date| Ok(*value);
    Time, Time, Time, |value| Value::Time(*value), |value: &Time| Ok(*value);
    Timestamp, Timestamp, Timestamp, |value| Value::Timestamp(*value), |value: &Timestamp| Ok(*value);
    Json, Json, Json, |value| Value::Json(Arc::new(value.clone())), |value: &Arc<Json>| Ok(value.as_ref().clone());
    Vec<u8>, Bytes, Bytes, |value| Value::Bytes(value.as_slice().into()), |value: &Arc<[u8]>| Ok(value.to_vec());
}

macro_rules! into_value {
    ($($type:ty),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                value.to_value()
            }
        }
    )*};
}

into_value!(
    bool,
    i16,
    i32,
    i64,
    f32,
    f64,
    String,
    &str,
    Uuid,
    Decimal,
    Date,
    Time,
    Timestamp,
    Json,
    Vec<u8>
);

/// Types whose `Vec` is an array column; `u8` is not one, since `Vec<u8>` is bytes.
pub trait ArrayItem: ToValue + FromValue {}

impl ArrayItem for bool {}
impl ArrayItem for i16 {}
impl ArrayItem for i32 {}
impl ArrayItem for i64 {}
impl ArrayItem for f32 {}
impl ArrayItem for f64 {}
impl ArrayItem for String {}
impl ArrayItem for Uuid {}
impl ArrayItem for Decimal {}
impl ArrayItem for Date {}
impl ArrayItem for Timestamp {}

impl<T: ArrayItem> ToValue for Vec<T> {
    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(ToValue::to_value).collect())
    }
}

impl<T: ArrayItem> FromValue for Vec<T> {
    type Inner = Self;

    const KIND: Kind = Kind::Array(&T::KIND);

    fn from_value(value: &Value) -> Result<Self> {
        let Value::Array(values) = value else { return Err(mismatch(Self::KIND, value)) };
        values.iter().map(T::from_value).collect()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    type Inner = T::Inner;

    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn from_value(value: &Value) -> Result<Self> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::text(self)
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

fn narrow<T: TryFrom<i64>>(value: i64, kind: Kind) -> Result<T> {
    T::try_from(value).map_err(|_| Error::invalid(format!("{value} does not fit a {kind}")))
}

#[expect(clippy::cast_possible_truncation, reason = "the value came from a 32-bit column")]
fn round(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_needs_an_option() {
        assert_eq!(Option::<i64>::from_value(&Value::Null).unwrap(), None);
        let error = i64::from_value(&Value::Null).unwrap_err();
        assert_eq!(error.to_string(), "invalid: expected integer, found null");
    }

    #[test]
    fn a_wide_integer_does_not_wrap() {
        let error = i16::from_value(&Value::Int(40_000)).unwrap_err();
        assert_eq!(error.to_string(), "invalid: 40000 does not fit a 16-bit integer");
    }
}
