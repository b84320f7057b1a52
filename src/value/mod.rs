//! Data on its way between Rust and a database: [`Value`], [`Row`], [`Key`] and [`Kind`].
//!
//! This module refuses to know what a table is, and what SQL looks like.
//!
//! **Invariant:** equality, order and hash of a [`Value`] agree with each other and are total; they
//! say what the *same value* is (`NaN` equals `NaN`, `-0.0` equals `0.0`). Three-valued SQL logic
//! lives in `query`.

mod convert;
mod json;
mod kind;
mod row;
mod time;

use std::cmp::Ordering;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

pub use rust_decimal::Decimal;
pub use serde_json::Value as Json;
pub use uuid::Uuid;

pub(crate) use self::convert::mismatch;
pub use self::convert::{ArrayItem, FromValue, ToValue};
#[cfg(feature = "live")]
pub(crate) use self::json::write_json_text;
pub use self::kind::Kind;
#[cfg(feature = "live")]
pub(crate) use self::row::Values;
pub use self::row::{Key, Row};
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

    /// True when both read the same to the last digit: equal, and `1.0` is not `1.00`, nor `0` `-0`.
    pub fn is_identical(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(left), Self::Float(right)) => {
                left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
            }
            (Self::Decimal(left), Self::Decimal(right)) => {
                left == right && left.scale() == right.scale()
            }
            (Self::Array(left), Self::Array(right)) => {
                let mut pairs = left.iter().zip(right.iter());
                Arc::ptr_eq(left, right)
                    || left.len() == right.len()
                        && pairs.all(|(left, right)| left.is_identical(right))
            }
            _ => self == other,
        }
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

/// Floats in the order of PostgreSQL: `NaN` is one value and the greatest, zeros are equal.
pub(crate) fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// The mean of `count` decimals that add up to `sum`, to 28 digits, whatever zeros stand at its end;
/// `None` when it is too wide. What SQLite calls and what the live engine computes must be one.
#[cfg(any(feature = "sqlite", feature = "live"))]
pub(crate) fn decimal_mean(sum: Decimal, count: u32) -> Option<Decimal> {
    Some(sum.normalize().checked_div(Decimal::from(count))?.normalize())
}

impl PartialEq for Value {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // Most keys are integers, and are looked up by the thousand.
            (Self::Int(left), Self::Int(right)) => left == right,
            _ => self.cmp(other) == Ordering::Equal,
        }
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
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Most keys are integers, and are looked up by the thousand.
        if let Self::Int(value) = self {
            return value.hash(state);
        }
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

#[cfg(test)]
mod tests;
