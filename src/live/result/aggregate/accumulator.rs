//! What a group knows of the values of one column, kept so that any value can be taken out again.

use std::collections::BTreeMap;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::decimals::Decimals;
use super::decimals::integer_mean;
use crate::query::ast::Function;
use crate::query::eval::Arithmetic;
use crate::value::Value;

/// What must be known of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// How many values there are.
    Count,
    /// The sum of integers.
    Integers,
    /// The sum of decimals.
    Decimals,
    /// The smallest and the greatest value.
    Extremes,
    /// How many different values there are.
    Distinct,
    /// In how many ways equal values are written: the group shows one of them.
    Faces,
}

/// The values of one column of one group, none of them `NULL`.
#[derive(Debug)]
pub(super) enum Accumulator {
    Count(i64),
    Integers(Integers),
    Decimals(Decimals),
    Extremes(BTreeMap<Faced, u32>),
    Distinct(HashMap<Value, u32, RandomState>),
    Faces(BTreeMap<Faced, u32>),
}

/// A sum of integers.
#[derive(Debug, Default)]
pub(super) struct Integers {
    count: u32,
    sum: i128,
    /// The sum of their absolute values.
    magnitude: u128,
}

/// A value and how it is written, where equal values may be written in different ways.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Faced {
    value: Value,
    face: u32,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other values are written in one way")]
fn faced(value: &Value) -> Faced {
    let face = match value {
        Value::Decimal(decimal) => decimal.scale(),
        Value::Float(float) => u32::from(*float == 0.0 && float.is_sign_negative()),
        _ => 0,
    };
    Faced { value: value.clone(), face }
}

/// The database has to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt;

fn count_up<K>(entry: std::collections::btree_map::Entry<'_, K, u32>)
where
    K: Ord,
{
    *entry.or_default() += 1;
}

fn count_down(counts: &mut BTreeMap<Faced, u32>, value: &Faced) {
    if let Some(count) = counts.get_mut(value) {
        *count -= 1;
        if *count == 0 {
            counts.remove(value);
        }
    }
}

impl Accumulator {
    /// Nothing yet.
    pub(super) fn new(keeps: Keeps) -> Self {
        match keeps {
            Keeps::Count => Self::Count(0),
            Keeps::Integers => Self::Integers(Integers::default()),
            Keeps::Decimals => Self::Decimals(Decimals::default()),
            Keeps::Extremes => Self::Extremes(BTreeMap::new()),
            Keeps::Distinct => Self::Distinct(HashMap::default()),
            Keeps::Faces => Self::Faces(BTreeMap::new()),
        }
    }

    /// Takes a value in; aggregates do not see `NULL`.
    pub(super) fn add(&mut self, value: &Value) {
        match (self, value) {
            (_, Value::Null) => {}
            (Self::Count(count), _) => *count += 1,
            (Self::Integers(integers), Value::Int(value)) => {
                integers.count += 1;
                integers.sum += i128::from(*value);
                integers.magnitude += u128::from(value.unsigned_abs());
            }
            (Self::Decimals(decimals), Value::Decimal(value)) => decimals.add(*value),
            (Self::Integers(_) | Self::Decimals(_), _) => {
                debug_assert!(false, "columns hold values of their kind");
            }
            (Self::Extremes(counts) | Self::Faces(counts), value) => {
                count_up(counts.entry(faced(value)));
            }
            (Self::Distinct(counts), value) => *counts.entry(value.clone()).or_default() += 1,
        }
    }

    /// Undoes [`Accumulator::add`].
    pub(super) fn remove(&mut self, value: &Value) {
        match (self, value) {
            (_, Value::Null) => {}
            (Self::Count(count), _) => *count -= 1,
            (Self::Integers(integers), Value::Int(value)) => {
                integers.count -= 1;
                integers.sum -= i128::from(*value);
                integers.magnitude -= u128::from(value.unsigned_abs());
            }
            (Self::Decimals(decimals), Value::Decimal(value)) => decimals.remove(*value),
            (Self::Integers(_) | Self::Decimals(_), _) => {
                debug_assert!(false, "columns hold values of their kind");
            }
            (Self::Extremes(counts) | Self::Faces(counts), value) => {
                count_down(counts, &faced(value));
            }
            (Self::Distinct(counts), value) => {
                if let Some(count) = counts.get_mut(value) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(value);
                    }
                }
            }
        }
    }

    /// Whether what the group shows of this column is one value, written in one way.
    pub(super) fn is_certain(&self) -> bool {
        match self {
            Self::Faces(faces) => faces.len() < 2,
            Self::Count(_)
            | Self::Integers(_)
            | Self::Decimals(_)
            | Self::Extremes(_)
            | Self::Distinct(_) => true,
        }
    }

    /// The value of which all others are equals; `NULL` where there is none.
    pub(super) fn face(&self) -> Value {
        match self {
            Self::Faces(faces) => {
                faces.keys().next().map_or(Value::Null, |face| face.value.clone())
            }
            Self::Count(_)
            | Self::Integers(_)
            | Self::Decimals(_)
            | Self::Extremes(_)
            | Self::Distinct(_) => Value::Null,
        }
    }

    /// The aggregate, as the database has it.
    pub(super) fn value(&self, function: Function, by: Arithmetic) -> Result<Value, Doubt> {
        match (function, self) {
            (Function::Count, Self::Count(count)) => Ok(Value::Int(*count)),
            (Function::Count, Self::Integers(integers)) => Ok(Value::Int(integers.count.into())),
            (Function::Count, Self::Decimals(decimals)) => Ok(Value::Int(decimals.count().into())),
            (Function::CountDistinct, Self::Distinct(counts)) => {
                Ok(Value::Int(i64::try_from(counts.len()).map_err(|_| Doubt)?))
            }
            (Function::Sum, Self::Integers(integers)) => integers.sum(),
            (Function::Avg, Self::Integers(integers)) => integers.mean(by),
            (Function::Sum | Function::Avg, Self::Decimals(decimals)) if decimals.count() == 0 => {
                Ok(Value::Null)
            }
            (Function::Sum, Self::Decimals(decimals)) => {
                decimals.sum(by).map(Value::Decimal).ok_or(Doubt)
            }
            (Function::Avg, Self::Decimals(decimals)) => {
                decimals.mean(by).map(Value::Decimal).ok_or(Doubt)
            }
            (Function::Min, Self::Extremes(counts)) => extreme(counts.keys()),
            (Function::Max, Self::Extremes(counts)) => extreme(counts.keys().rev()),
            _ => Err(Doubt),
        }
    }
}

/// The first value, unless the next is equal and written in another way: which of them the database
/// shows, nobody knows.
fn extreme<'v>(mut values: impl Iterator<Item = &'v Faced>) -> Result<Value, Doubt> {
    let Some(first) = values.next() else { return Ok(Value::Null) };
    match values.next() {
        Some(second) if second.value == first.value => Err(Doubt),
        Some(_) | None => Ok(first.value.clone()),
    }
}

impl Integers {
    /// Where even the absolute values stay within 64 bits, no order of adding overflows.
    fn is_narrow(&self) -> bool {
        self.magnitude <= u128::from(i64::MAX.unsigned_abs())
    }

    fn sum(&self) -> Result<Value, Doubt> {
        match i64::try_from(self.sum) {
            _ if self.count == 0 => Ok(Value::Null),
            Ok(sum) if self.is_narrow() => Ok(Value::Int(sum)),
            Ok(_) | Err(_) => Err(Doubt),
        }
    }

    fn mean(&self, by: Arithmetic) -> Result<Value, Doubt> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        let mean = match by {
            Arithmetic::Numeric => integer_mean(self.sum, self.count),
            #[expect(clippy::cast_precision_loss, reason = "SQLite makes a double of it, too")]
            Arithmetic::Sqlite => self.is_narrow().then(|| self.sum as f64 / f64::from(self.count)),
        };
        mean.map(Value::Float).ok_or(Doubt)
    }
}
