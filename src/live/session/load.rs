//! One request for queries on its way: names are turned into questions, questions into rows.
//!
//! **Invariant:** a load is answered once, when each of its queries is there, was refused, or was
//! removed by the client in the meantime.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::answer::Part;
use crate::live::client::Wanted;
use crate::live::mailbox::Name;
use crate::live::step::Cursor;
use crate::query::ast::Ast;
use crate::value::Json;

/// What a load answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A join.
    Join,
    /// An `add` or a `resync`.
    More,
}

/// One request for queries.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) kind: Kind,
    pub(super) reference: Json,
    /// The queries that the client still waits for, and where it left off with each.
    waiting: BTreeMap<Name, Option<Cursor>>,
    /// How many handlers have not answered.
    missing: usize,
    wanted: Vec<Wanted>,
    refused: Vec<(Name, Part)>,
}

impl Load {
    pub(super) fn new(kind: Kind, reference: Json) -> Self {
        let (waiting, wanted, refused) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { kind, reference, waiting, missing: 0, wanted, refused }
    }

    /// One more query, whose handler is asked.
    pub(super) fn expect(&mut self, name: Name, since: Option<&str>) {
        // A cursor that nobody made is the same as none: the client gets everything.
        self.waiting.insert(name, since.and_then(|text| text.parse().ok()));
        self.missing += 1;
    }

    /// One more query, which no handler is asked about.
    pub(super) fn refuse(&mut self, name: Name, error: String) {
        self.refused.push((name, Part::Refused(error)));
    }

    /// A handler's answer: a question, or a refusal as JSON.
    pub(super) fn resolved(&mut self, name: Name, answer: Result<Ast, String>) {
        self.missing -= 1;
        match (self.waiting.get(&name).copied(), answer) {
            // Removed in the meantime.
            (None, _) => {}
            (Some(since), Ok(ast)) => self.wanted.push(Wanted { name, ast, since }),
            (Some(_), Err(error)) => {
                self.waiting.remove(&name);
                self.refuse(name, error);
            }
        }
    }

    /// True when all handlers have answered.
    pub(super) fn is_resolved(&self) -> bool {
        self.missing == 0
    }

    /// The client lost interest.
    pub(super) fn cancel(&mut self, name: &str) {
        self.wanted.retain(|wanted| &*wanted.name != name);
        self.refused.retain(|(refused, _)| &**refused != name);
        self.waiting.remove(name);
    }

    /// The names that have no answer yet.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Name> {
        self.waiting.keys()
    }

    /// The names that were refused.
    pub(super) fn refused(&self) -> impl Iterator<Item = &Name> {
        self.refused.iter().map(|(name, _)| name)
    }

    /// The questions for the engine.
    pub(super) fn take_wanted(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.wanted)
    }

    /// True when the client still waits for this query.
    pub(super) fn waits_for(&self, name: &Name) -> bool {
        self.waiting.contains_key(name)
    }

    /// The refusals, for the answer.
    pub(super) fn into_refused(self) -> Vec<(Name, Part)> {
        self.refused
    }
}

/// A client's own name for a query.
pub(super) fn name(text: &str) -> Name {
    Arc::from(text)
}
