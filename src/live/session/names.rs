//! The queries that a client has: a short list, looked through for every diff.
//!
//! **Invariant:** no name is in it twice.

use std::sync::Arc;

use crate::live::list::List;
use crate::live::mailbox::Name;

/// A set of names, a hundred at most and a few as a rule.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: List<Name>,
}

impl Names {
    /// Whether it holds a name. The engine says a name with the pointer it was given, which is found
    /// without a look at the text.
    pub(super) fn contains(&self, name: &Name) -> bool {
        self.names.iter().any(|held| Arc::ptr_eq(held, name))
            || self.names.iter().any(|held| held == name)
    }

    /// Adds a name; the pointer it comes with is the one that will be asked for.
    pub(super) fn insert(&mut self, name: &Name) {
        if let Some(held) = self.names.iter_mut().find(|held| *held == name) {
            *held = Arc::clone(name);
            return;
        }
        self.names.push_back(Arc::clone(name));
    }

    /// Takes a name out, and says whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.names.take(|held| &**held == name).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }
}
