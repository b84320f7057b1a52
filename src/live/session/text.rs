//! A message as pieces: what is one client's own is copied, what is long and shared is not.

use std::fmt;

use bytes::Bytes;

use crate::live::step::Shared;

/// What is shared from this length on is not copied into a message but sent from where it is.
///
/// A guess: at a few KiB a copy costs what another piece of a write does.
const SHARED: usize = 4096;

/// A message on its way: what is this client's own, and what many clients share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    own: String,
    /// Where in `own` something shared comes in, and what; in order.
    shared: Vec<(usize, Bytes)>,
}

impl Text {
    /// Empties it, and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.own.clear();
        self.shared.clear();
    }

    /// What is this client's own, to be appended to.
    pub(crate) fn own(&mut self) -> &mut String {
        &mut self.own
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        self.own.push_str(text);
    }

    /// Appends a part of `whole`; copies what is short.
    pub(crate) fn push_shared(&mut self, whole: &Shared, part: &str) {
        if part.len() < SHARED {
            self.own.push_str(part);
        } else {
            self.shared.push((self.own.len(), whole.bytes().slice_ref(part.as_bytes())));
        }
    }

    /// Appends a message to a message.
    pub(crate) fn push_text(&mut self, text: &Self) {
        let before = self.own.len();
        self.own.push_str(&text.own);
        let shared = text.shared.iter().map(|(at, bytes)| (before + at, bytes.clone()));
        self.shared.extend(shared);
    }

    /// How long it is, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.own.len() + self.shared.iter().map(|(_, shared)| shared.len()).sum::<usize>()
    }

    /// The parts it is made of, in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let ends = self.shared.iter().map(|(at, _)| *at).chain([self.own.len()]);
        let starts = [0].into_iter().chain(self.shared.iter().map(|(at, _)| *at));
        let shared = self.shared.iter().map(|(_, shared)| Some(shared)).chain([None]);
        starts.zip(ends).zip(shared).flat_map(|((start, end), shared)| {
            [Some(Part::Own(&self.own[start..end])), shared.map(Part::Shared)].into_iter().flatten()
        })
    }
}

/// A part of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// This client's own.
    Own(&'a str),
    /// Shared with others.
    Shared(&'a Bytes),
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts().try_for_each(|part| match part {
            Part::Own(text) => f.write_str(text),
            Part::Shared(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_shared_and_what_is_short_is_copied() {
        let whole = Shared::new("x".repeat(SHARED + 1));
        let (long, short) = (&whole.as_str()[1..], &whole.as_str()[2..]);
        let mut text = Text::default();
        text.push_str("a");
        text.push_shared(&whole, short);
        text.push_str("b");
        text.push_shared(&whole, long);
        text.push_shared(&whole, long);
        text.push_str("c");
        assert_eq!(text.len(), 3 * SHARED + 2);
        assert_eq!(text.to_string(), format!("a{short}b{long}{long}c"));
        let shared = text.parts().filter(|part| matches!(part, Part::Shared(_)));
        assert_eq!(shared.count(), 2);
        let mut twice = text.clone();
        twice.push_text(&text);
        assert_eq!(twice.to_string(), text.to_string().repeat(2));
    }
}
