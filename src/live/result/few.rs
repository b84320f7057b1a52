//! A set that mostly has one member.

use std::collections::HashSet;
use std::hash::Hash;

use foldhash::fast::RandomState;

/// Some values, each once.
#[derive(Debug, Default)]
pub(crate) enum Few<T> {
    /// None.
    #[default]
    None,
    /// One.
    One(T),
    /// Several, or as many as are left of several.
    Many(HashSet<T, RandomState>),
}

impl<T: Eq + Hash> Few<T> {
    /// Adds a value that may be there already.
    pub(crate) fn add(&mut self, value: T) {
        match self {
            Self::None => *self = Self::One(value),
            Self::One(held) if *held == value => {}
            Self::One(_) => {
                if let Self::One(held) = std::mem::take(self) {
                    *self = Self::Many([held, value].into_iter().collect());
                }
            }
            Self::Many(held) => _ = held.insert(value),
        }
    }

    /// Takes a value out, and says whether none is left.
    pub(crate) fn remove(&mut self, value: &T) -> bool {
        match self {
            Self::None => {}
            Self::One(held) => {
                if held == value {
                    *self = Self::None;
                }
            }
            Self::Many(held) => {
                held.remove(value);
                if held.is_empty() {
                    *self = Self::None;
                }
            }
        }
        self.is_empty()
    }

    /// True when it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(value) => (Some(value), None),
            Self::Many(values) => (None, Some(values.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}
