//! What a program did to a database: [`Change`] and [`Commit`].
//!
//! This module refuses to know who noticed the change and who will be told.
//!
//! **Invariant:** a commit says *that* rows changed, promptly and by type. It is never folded into
//! a live result: two connections may commit in one order and announce in the other.

use std::fmt;

use crate::value::Key;

/// What happened to one row, or to many at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: &'static str,
    /// The operation.
    pub operation: Operation,
    /// The primary key of the row, where one statement touched one row; `None` where it touched
    /// any number of rows (`update_all`, `delete_all`).
    pub key: Option<Key>,
}

/// The operation of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A row is new.
    Insert,
    /// A row is different.
    Update,
    /// A row is gone.
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}

/// All that one transaction of a repo did, announced after `COMMIT` returned.
///
/// # Shape
///
/// The changes in the order of the statements. Raw SQL leaves no change here, but a transaction
/// that ran some is announced all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// What the statements did, in order.
    pub changes: Vec<Change>,
}
