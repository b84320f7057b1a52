//! Who watches a result: mostly one client, now and then thousands.

use std::collections::HashSet;

use super::super::client::ClientId;
use super::super::mailbox::Name;

/// Beyond so many, who leaves is found by hash.
///
/// A guess.
const FEW: usize = 8;

/// The clients of a result, each with its name for it.
///
/// Either one, which is as much as most results have, or whatever else.
#[derive(Debug)]
pub(crate) enum Subscribers {
    /// One.
    One((ClientId, Name)),
    /// None, or several.
    Others(Option<Box<Others>>),
}

/// Several clients.
#[derive(Debug)]
pub(crate) enum Others {
    /// Few, in a list.
    Few(Vec<(ClientId, Name)>),
    /// Many.
    Many(HashSet<(ClientId, Name)>),
}

impl Default for Subscribers {
    fn default() -> Self {
        Self::Others(None)
    }
}

impl Subscribers {
    /// The same name in the memory of somebody who watches already, if it is easily found.
    pub(crate) fn name_like(&self, name: &Name) -> Option<&Name> {
        self.iter().take(FEW).map(|(_, held)| held).find(|held| *held == name)
    }

    /// Adds one that is not there yet.
    pub(crate) fn insert(&mut self, client: ClientId, name: Name) {
        match self {
            Self::Others(None) => *self = Self::One((client, name)),
            Self::One((held, called)) => {
                let few = vec![(*held, Name::clone(called)), (client, name)];
                *self = Self::Others(Some(Box::new(Others::Few(few))));
            }
            Self::Others(Some(others)) => others.insert(client, name),
        }
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, client: ClientId, name: &Name) {
        match self {
            Self::One((held, called)) if *held == client && called == name => {
                *self = Self::default();
            }
            Self::One(_) | Self::Others(None) => {}
            Self::Others(Some(others)) => {
                others.remove(client, name);
                if others.len() == 0 {
                    *self = Self::default();
                }
            }
        }
    }

    /// True when nobody watches.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many watch.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Others(others) => others.as_ref().map_or(0, |others| others.len()),
        }
    }

    /// What the only one calls it.
    pub(crate) fn only(&self) -> Option<&Name> {
        match self {
            Self::One((_, name)) => Some(name),
            Self::Others(_) => None,
        }
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(ClientId, Name)> + '_ {
        let (few, many) = match self {
            Self::One(one) => (std::slice::from_ref(one), None),
            Self::Others(None) => (&[][..], None),
            Self::Others(Some(others)) => match &**others {
                Others::Few(few) => (&few[..], None),
                Others::Many(many) => (&[][..], Some(many.iter())),
            },
        };
        few.iter().chain(many.into_iter().flatten())
    }

    /// Takes all of them out.
    pub(crate) fn take(&mut self) -> Vec<(ClientId, Name)> {
        match std::mem::take(self) {
            Self::One(one) => vec![one],
            Self::Others(None) => Vec::new(),
            Self::Others(Some(others)) => match *others {
                Others::Few(few) => few,
                Others::Many(many) => many.into_iter().collect(),
            },
        }
    }
}

impl Others {
    fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    fn insert(&mut self, client: ClientId, name: Name) {
        match self {
            Self::Few(few) if few.len() < FEW => few.push((client, name)),
            Self::Few(few) => {
                let mut many: HashSet<_> = std::mem::take(few).into_iter().collect();
                many.insert((client, name));
                *self = Self::Many(many);
            }
            Self::Many(many) => _ = many.insert((client, name)),
        }
    }

    fn remove(&mut self, client: ClientId, name: &Name) {
        match self {
            Self::Few(few) => few.retain(|(held, called)| *held != client || called != name),
            Self::Many(many) => _ = many.remove(&(client, Name::clone(name))),
        }
    }
}
