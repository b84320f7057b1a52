//! Who watches a result: mostly one client, now and then thousands.

use std::collections::HashSet;

use super::super::client::ClientId;
use super::super::mailbox::Name;

/// Beyond so many, who leaves is found by hash.
///
/// A guess.
const FEW: usize = 8;

/// The clients of a result, each with its name for it.
#[derive(Debug)]
pub(crate) enum Subscribers {
    /// Few, in a list.
    Few(Vec<(ClientId, Name)>),
    /// Many.
    Many(HashSet<(ClientId, Name)>),
}

impl Default for Subscribers {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Subscribers {
    /// Adds one that is not there yet.
    pub(crate) fn insert(&mut self, client: ClientId, name: Name) {
        match self {
            Self::Few(few) if few.len() < FEW => {
                if few.is_empty() {
                    few.reserve_exact(1);
                }
                few.push((client, name));
            }
            Self::Few(few) => {
                let mut many: HashSet<_> = std::mem::take(few).into_iter().collect();
                many.insert((client, name));
                *self = Self::Many(many);
            }
            Self::Many(many) => _ = many.insert((client, name)),
        }
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, client: ClientId, name: &Name) {
        match self {
            Self::Few(few) => few.retain(|(held, called)| *held != client || called != name),
            Self::Many(many) => _ = many.remove(&(client, Name::clone(name))),
        }
    }

    /// True when nobody watches.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many watch.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(ClientId, Name)> + '_ {
        let (few, many) = match self {
            Self::Few(few) => (Some(few.iter()), None),
            Self::Many(many) => (None, Some(many.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    /// Takes all of them out.
    pub(crate) fn take(&mut self) -> Vec<(ClientId, Name)> {
        match std::mem::take(self) {
            Self::Few(few) => few,
            Self::Many(many) => many.into_iter().collect(),
        }
    }
}
