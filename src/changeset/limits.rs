//! Ranges of lengths and numbers, and the words for what lies outside.

use std::ops::Bound;
use std::ops::RangeBounds;

use crate::value::ToValue;
use crate::value::Value;

/// Everything greater than `limit`, which Rust's ranges have no sign for.
///
/// # Examples
///
/// ```
/// use std::ops::RangeBounds;
///
/// use recto::changeset::above;
///
/// assert!(!above(0).contains(&0));
/// assert!(above(0).contains(&1));
/// ```
pub fn above<T>(limit: T) -> (Bound<T>, Bound<T>) {
    (Bound::Excluded(limit), Bound::Unbounded)
}

/// A rule that was broken: the template of the message, and its parameters.
pub(super) type Breach = (&'static str, Vec<(&'static str, Value)>);

/// The bounds of a range of numbers, without their type.
pub(super) fn erase<T: ToValue>(range: &impl RangeBounds<T>) -> (Bound<Value>, Bound<Value>) {
    (range.start_bound().map(ToValue::to_value), range.end_bound().map(ToValue::to_value))
}

/// All bounds that `value` breaks.
pub(super) fn check_number(range: &(Bound<Value>, Bound<Value>), value: &Value) -> Vec<Breach> {
    let breach = |template, kind, limit: &Value| -> Breach {
        (template, vec![("kind", Value::text(kind)), ("number", limit.clone())])
    };
    // `NaN` is above all numbers in the order of values, and in no range that anybody means.
    if matches!(value, Value::Float(number) if number.is_nan()) {
        return vec![("is invalid", Vec::new())];
    }
    if let (Bound::Included(least), Bound::Included(most)) = range
        && least == most
    {
        let equal = value == least;
        let broken = (!equal).then(|| breach("must be equal to %{number}", "equal_to", least));
        return broken.into_iter().collect();
    }
    let low = match &range.0 {
        Bound::Included(limit) if value < limit => Some(breach(
            "must be greater than or equal to %{number}",
            "greater_than_or_equal_to",
            limit,
        )),
        Bound::Excluded(limit) if value <= limit => {
            Some(breach("must be greater than %{number}", "greater_than", limit))
        }
        Bound::Included(_) | Bound::Excluded(_) | Bound::Unbounded => None,
    };
    let high = match &range.1 {
        Bound::Included(limit) if limit < value => {
            Some(breach("must be less than or equal to %{number}", "less_than_or_equal_to", limit))
        }
        Bound::Excluded(limit) if limit <= value => {
            Some(breach("must be less than %{number}", "less_than", limit))
        }
        Bound::Included(_) | Bound::Excluded(_) | Bound::Unbounded => None,
    };
    low.into_iter().chain(high).collect()
}

/// The least and the greatest length allowed.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    least: usize,
    most: Option<usize>,
}

impl Lengths {
    pub(super) fn of(range: &impl RangeBounds<usize>) -> Self {
        let least = match range.start_bound() {
            Bound::Included(&least) => least,
            Bound::Excluded(&below) => below.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let most = match range.end_bound() {
            Bound::Included(&most) => Some(most),
            Bound::Excluded(&above) => Some(above.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        Self { least, most }
    }

    /// The bound that `value` breaks; values without a length break none.
    pub(super) fn check(self, value: &Value) -> Option<Breach> {
        let (count, templates) = measure(value)?;
        let exact = self.most == Some(self.least);
        let (kind, limit) = match self.most {
            Some(most) if exact && count != most => (0, most),
            _ if count < self.least => (1, self.least),
            Some(most) if most < count => (2, most),
            _ => return None,
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params =
            vec![("kind", Value::text(["is", "min", "max"][kind])), ("count", Value::Int(limit))];
        Some((templates[kind], params))
    }
}

/// The length, if there is one, and what to say about it.
fn measure(value: &Value) -> Option<(usize, [&'static str; 3])> {
    if let Value::Text(text) = value {
        return Some((text.chars().count(), CHARACTERS));
    }
    if let Value::Bytes(bytes) = value {
        return Some((bytes.len(), BYTES));
    }
    if let Value::Array(items) = value {
        return Some((items.len(), ITEMS));
    }
    None
}

const CHARACTERS: [&str; 3] = [
    "should be %{count} character(s)",
    "should be at least %{count} character(s)",
    "should be at most %{count} character(s)",
];

const BYTES: [&str; 3] = [
    "should be %{count} byte(s)",
    "should be at least %{count} byte(s)",
    "should be at most %{count} byte(s)",
];

const ITEMS: [&str; 3] = [
    "should have %{count} item(s)",
    "should have at least %{count} item(s)",
    "should have at most %{count} item(s)",
];
