//! Where the rows of a question come from.

use std::hash::Hash;
use std::hash::Hasher;

use super::NodeId;
use crate::schema::Table;

/// One table of a question, and how it is joined.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The table; for an answer, the table whose columns its columns follow, or, where it follows
    /// none, the root of the question.
    pub table: &'static Table,
    /// The answer that it reads instead of a table. A plan knows all of them; before that, only
    /// those that no table stands for.
    pub answer: Option<Answer>,
    /// How it is joined to those before it; `None` for the root.
    pub join: Option<Join>,
}

/// Which [`With`](super::With) a source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// How many questions out the `with` stands.
    pub up: u16,
    /// Its place among those of that question.
    pub index: u16,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.table, other.table)
            && self.answer == other.answer
            && self.join == other.join
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.name.hash(state);
        self.answer.hash(state);
        self.join.hash(state);
    }
}

/// How a source is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Join {
    /// Whether rows without a partner stay.
    pub kind: JoinKind,
    /// The condition.
    pub on: NodeId,
}

/// Whether rows without a partner stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// They go.
    Inner,
    /// They stay, with `NULL`s.
    Left,
}
