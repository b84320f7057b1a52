//! Rows that are the same to the last bit, which is more than equal: `1.5` is not `1.50` here, and
//! `0` is not `-0`, since a plain answer shows which of them it is.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;

use recto::Value;
use recto::live::patch::Keyed;

use super::question::brief;

fn write(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Float(float) if !float.is_nan() => float.to_bits().hash(hasher),
        Value::Decimal(decimal) => decimal.serialize().hash(hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| write(item, hasher));
        }
        other => other.hash(hasher),
    }
}

/// A number that tells rows and their order from all others.
pub(crate) fn digest(rows: &[Keyed]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for keyed in rows {
        keyed.key.hash(&mut hasher);
        keyed.row.values().iter().for_each(|value| write(value, &mut hasher));
        0xff_u8.hash(&mut hasher);
    }
    hasher.finish()
}

fn line(keyed: &Keyed) -> String {
    let values: Vec<String> = keyed.row.values().iter().map(brief).collect();
    format!("{:?}: {}", keyed.key, values.join(", "))
}

/// What sets two states apart, in a few lines.
pub(crate) fn difference(held: &[Keyed], truth: &[Keyed]) -> String {
    let same = |left: &Keyed, right: &Keyed| {
        digest(std::slice::from_ref(left)) == digest(std::slice::from_ref(right))
    };
    let only = |those: &[Keyed], others: &[Keyed]| {
        let missing = those.iter().filter(|row| !others.iter().any(|other| same(row, other)));
        missing.take(3).map(line).collect::<Vec<_>>()
    };
    let mut lines = vec![format!("{} rows held, {} are true", held.len(), truth.len())];
    lines.extend(only(held, truth).into_iter().map(|line| format!("held, not true: {line}")));
    lines.extend(only(truth, held).into_iter().map(|line| format!("true, not held: {line}")));
    if lines.len() == 1
        && let Some(place) = held.iter().zip(truth).position(|(left, right)| !same(left, right))
    {
        lines.push(format!("at place {place} is {}", line(&held[place])));
        lines.push(format!("where belongs {}", line(&truth[place])));
    }
    lines.join("\n    ")
}
