//! The payload of a diff as it was said last: thousands of sockets on the same queries are told the same.
//!
//! **Invariant:** what is compared is held, so that nothing else can come to be in its place.

use std::sync::Arc;

use super::answer;
use super::text::Text;
use crate::live::mailbox::Move;

/// What was said last, and its text.
#[derive(Debug, Default)]
pub(crate) struct Said {
    what: Option<Move>,
    text: Text,
}

impl Said {
    /// The payload of a diff; written anew unless it is what was said last.
    pub(super) fn diff(&mut self, moved: &Move) -> &Text {
        let is_same = self.what.as_ref().is_some_and(|said| {
            (said.from, said.to) == (moved.from, moved.to) && Arc::ptr_eq(&said.steps, &moved.steps)
        });
        if !is_same {
            self.text.clear();
            answer::diff(moved.from, moved.to, &moved.steps, &mut self.text);
            self.what = Some(moved.clone());
        }
        &self.text
    }

    /// Lets go of what was said; its memory may be used again.
    pub(crate) fn forget(&mut self) {
        self.what = None;
        self.text.clear();
    }
}
