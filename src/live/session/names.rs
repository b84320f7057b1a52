//! The queries that a client has: a short list, looked through for every diff.
//!
//! **Invariant:** no name is in it twice.

use std::sync::Arc;

use crate::live::mailbox::Name;

/// A set of names, a hundred at most and a few as a rule.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Name>,
}

impl Names {
    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|held| &**held == name)
    }

    /// Whether it holds a name. The engine says a name with the pointer it was given, which is found
    /// without a look at the text.
    pub(super) fn contains(&self, name: &Name) -> bool {
        self.names.iter().any(|held| Arc::ptr_eq(held, name)) || self.place(name).is_some()
    }

    /// Adds a name; the pointer it comes with is the one that will be asked for.
    pub(super) fn insert(&mut self, name: &Name) {
        match self.place(name) {
            Some(place) => self.names[place] = Arc::clone(name),
            None => self.names.push(Arc::clone(name)),
        }
    }

    /// Takes a name out, and says whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let place = self.place(name);
        if let Some(place) = place {
            self.names.swap_remove(place);
        }
        place.is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }
}
