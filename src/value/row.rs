//! Rows and keys: values in order.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::ops::Deref;
use std::sync::Arc;

use super::Value;
use super::json::write_json_text;

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

    /// True when all values are identical; see [`Value::is_identical`].
    pub fn is_identical(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(other.0.iter());
        self.is_same(other)
            || self.0.len() == other.0.len() && pairs.all(|(left, right)| left.is_identical(right))
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

impl From<Row> for Value {
    /// The row as an array.
    fn from(row: Row) -> Self {
        Self::Array(row.0)
    }
}

impl Value {
    /// An array as a row.
    #[cfg(feature = "live")]
    pub(crate) fn as_row(&self) -> Option<Row> {
        if let Self::Array(values) = self { Some(Row(Arc::clone(values))) } else { None }
    }
}

impl FromIterator<Value> for Row {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Some values that never change, of which there is mostly one: that needs no allocation.
///
/// # Shape
///
/// A clone costs at most a reference-count bump.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// One.
    One(Value),
    /// None, or several.
    Several(Arc<[Value]>),
}

impl Deref for Values {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

impl Borrow<[Value]> for Values {
    fn borrow(&self) -> &[Value] {
        self
    }
}

impl FromIterator<Value> for Values {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(only), None) => Self::One(only),
            (first, second) => {
                Self::Several(first.into_iter().chain(second).chain(values).collect())
            }
        }
    }
}

impl PartialEq for Values {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(left), Self::One(right)) => left == right,
            _ => **self == **other,
        }
    }
}

impl Eq for Values {}

impl PartialOrd for Values {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Values {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Values {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// What tells one row of an answer from all others: its primary key, or several of them.
///
/// # Shape
///
/// One value or more; no value at all names the only row of an answer that has just one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Values);

impl Key {
    /// The parts of the key, in the order of the primary key.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// Writes the key as clients see it: a number or text as such, several parts as the text of
    /// a JSON array, so that a key is always a JSON scalar.
    pub fn write_json(&self, out: &mut String) {
        match self.values() {
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
        values.into_iter().collect()
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
