//! Which results a value or a key leads to.
//!
//! Most are one integer or one UUID, which have tables of their own that are small and hold no
//! pointers; everything else is kept under its own equality.
//!
//! **Invariant:** of equal keys all are in the same table.

use std::collections::HashMap;
use std::hash::Hash;
use std::hint::black_box;

use foldhash::fast::RandomState;
use uuid::Uuid;

use super::Ids;
use super::ResultId;
use super::flat::Flat;
use crate::value::Key;
use crate::value::Value;

/// What a key is, seen by itself.
#[derive(Clone, Copy)]
pub(super) enum Plain {
    Int(i64),
    Uuid(Uuid),
    Other,
}

/// Something that is mostly one integer or one UUID.
pub(super) trait Look: Clone + Eq + Hash {
    /// What it is. Equal ones are alike: no integer equals a value of another kind, nor does a UUID.
    fn plain(&self) -> Plain;
}

impl Look for Value {
    #[inline]
    #[expect(clippy::wildcard_enum_match_arm, reason = "the table of all others takes any")]
    fn plain(&self) -> Plain {
        match self {
            Self::Int(value) => Plain::Int(*value),
            Self::Uuid(value) => Plain::Uuid(*value),
            _ => Plain::Other,
        }
    }
}

impl Look for Key {
    #[inline]
    fn plain(&self) -> Plain {
        if let [value] = self.values() { value.plain() } else { Plain::Other }
    }
}

/// Results by key.
#[derive(Debug)]
pub(super) struct Index<K> {
    ints: Flat<i64>,
    uuids: Flat<Uuid>,
    others: HashMap<K, Ids, RandomState>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { ints: Flat::default(), uuids: Flat::default(), others: HashMap::default() }
    }
}

impl<K: Look> Index<K> {
    /// True when no key leads anywhere.
    pub(super) fn is_empty(&self) -> bool {
        self.ints.is_empty() && self.uuids.is_empty() && self.others.is_empty()
    }

    /// Leads a key to a result, to which it may lead already.
    pub(super) fn add(&mut self, key: &K, id: ResultId) {
        match key.plain() {
            Plain::Int(value) => self.ints.add(value, id),
            Plain::Uuid(value) => self.uuids.add(value, id),
            Plain::Other => self.others.entry(key.clone()).or_default().add(id),
        }
    }

    /// Undoes [`Index::add`], however often it was done.
    pub(super) fn remove(&mut self, key: &K, id: ResultId) {
        match key.plain() {
            Plain::Int(value) => self.ints.remove(value, id),
            Plain::Uuid(value) => self.uuids.remove(value, id),
            Plain::Other => {
                if self.others.get_mut(key).is_some_and(|ids| ids.remove(id)) {
                    self.others.remove(key);
                }
            }
        }
    }

    /// The results of a key, each once.
    pub(super) fn get(&self, key: &K) -> &[ResultId] {
        match key.plain() {
            Plain::Int(value) => self.ints.get(value),
            Plain::Uuid(value) => self.uuids.get(value),
            Plain::Other => self.others.get(key).map_or(&[], Ids::as_slice),
        }
    }

    /// Has the processor fetch what [`Index::get`] is going to look at, for many keys at once: nothing
    /// here waits for what is found, and so the waits for memory overlap.
    pub(super) fn peek<'k>(&self, keys: impl Iterator<Item = &'k K>)
    where
        K: 'k,
    {
        let seen = keys.map(|key| match key.plain() {
            Plain::Int(value) => self.ints.peek(value),
            Plain::Uuid(value) => self.uuids.peek(value),
            Plain::Other => 0,
        });
        black_box(seen.fold(0, |all, one| all ^ one));
    }

    /// All results, once for each key that leads to them.
    pub(super) fn all(&self) -> impl Iterator<Item = ResultId> + '_ {
        let others = self.others.values().flat_map(Ids::as_slice).copied();
        self.ints.all().chain(self.uuids.all()).chain(others)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values of many kinds, among them such that are equal and read otherwise, and such that read
    /// alike and are not equal.
    fn value() -> impl Strategy<Value = Value> {
        let number = prop_oneof![(-2..3_i64), Just(i64::MIN), Just(i64::MAX)];
        let float = prop_oneof![Just(0.0), Just(-0.0), Just(1.0), Just(f64::NAN), Just(-f64::NAN)];
        prop_oneof![
            Just(Value::Null),
            number.prop_map(Value::Int),
            float.prop_map(Value::Float),
            (0..2_u32).prop_map(|scale| Value::Decimal(rust_decimal::Decimal::new(
                10_i64.pow(scale),
                scale
            ))),
            (0..3_u8).prop_map(|text| Value::text(text.to_string())),
            (0..3_u128).prop_map(|number| Value::Uuid(Uuid::from_u128(number))),
            any::<bool>().prop_map(Value::Bool),
        ]
    }

    proptest! {
        #[test]
        fn it_finds_what_equality_finds(
            keys in prop::collection::vec(prop::collection::vec(value(), 1..3), 1..12),
            steps in prop::collection::vec((0..12_usize, 0..3_u64, any::<bool>()), 0..60),
        ) {
            let (mut values, mut rows) = (Index::<Value>::default(), Index::<Key>::default());
            let mut truth: Vec<(&Vec<Value>, ResultId)> = Vec::new();
            for (key, id, is_added) in steps {
                let key = &keys[key % keys.len()];
                let place = truth.iter().position(|held| *held == (key, id));
                match (is_added, place) {
                    (true, None) => truth.push((key, id)),
                    (false, Some(place)) => _ = truth.swap_remove(place),
                    (true, Some(_)) | (false, None) => {}
                }
                let row = Key::from(key.clone());
                if is_added { rows.add(&row, id) } else { rows.remove(&row, id) }
                if let [value] = &key[..] {
                    if is_added { values.add(value, id) } else { values.remove(value, id) }
                }
                for key in &keys {
                    let own = truth.iter().filter(|(held, _)| *held == key).map(|(_, id)| *id);
                    let mut own: Vec<ResultId> = own.collect();
                    own.sort_unstable();
                    let mut found = rows.get(&Key::from(key.clone())).to_vec();
                    found.sort_unstable();
                    prop_assert_eq!(&found, &own);
                    if let [value] = &key[..] {
                        let mut found = values.get(value).to_vec();
                        found.sort_unstable();
                        prop_assert_eq!(found, own);
                    }
                }
                prop_assert_eq!(rows.all().count(), truth.len());
                prop_assert_eq!(rows.is_empty(), truth.is_empty());
                prop_assert_eq!(values.is_empty(), truth.iter().all(|(key, _)| key.len() != 1));
            }
        }
    }
}
