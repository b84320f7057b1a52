//! What to load besides the rows of an answer: a tree of associations, as data.
//!
//! **Invariant:** a tree is read edge by edge, one question for all rows of a level; nothing is
//! asked row by row.

use std::fmt;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use super::Query;
use super::ast::Ast;
use crate::error::Result;
use crate::schema::Assoc;
use crate::schema::AssocKind;
use crate::schema::Link;
use crate::schema::Relation;
use crate::schema::Schema;
use crate::schema::Table;
use crate::value::Row;
#[cfg(feature = "live")]
use crate::value::Value;

/// One association of a tree: which rows hang on which, and what hangs on those.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Edge {
    /// The association.
    pub assoc: &'static Assoc,
    /// The table on this side.
    pub owner: &'static Table,
    /// Which rows of the other side, in which order, and what hangs on those; its limit and offset
    /// are those of each owner.
    pub ast: Ast,
}

impl PartialEq for Edge {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.owner, other.owner)
            && self.assoc.name == other.assoc.name
            && self.ast == other.ast
    }
}

impl Eq for Edge {}

impl Hash for Edge {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.owner.name.hash(state);
        self.assoc.name.hash(state);
        self.ast.hash(state);
    }
}

impl Edge {
    /// The columns that lead to the other side.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the association names a field that is not there.
    pub fn link(&self) -> Result<Link> {
        self.assoc.link(self.owner)
    }

    /// True where each owner has at most one row on the other side.
    pub fn is_one(&self) -> bool {
        match self.assoc.kind {
            AssocKind::BelongsTo | AssocKind::HasOne => true,
            AssocKind::HasMany => false,
        }
    }
}

/// A row and what was loaded besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nested {
    /// The row.
    pub row: Row,
    /// The rows of each edge, in the order of the edges.
    pub branches: Vec<Vec<Self>>,
}

impl Nested {
    /// The rows that a live tree holds in one value for an edge.
    #[cfg(feature = "live")]
    pub(crate) fn unfold(branch: &Value, edge: &Edge) -> Vec<Self> {
        let Value::Array(rows) = branch else { return Vec::new() };
        let edges = &edge.ast.shape.edges;
        let rows = rows.iter().filter_map(Value::as_row).map(|row| {
            let start = row.values().len().saturating_sub(edges.len());
            let values = edges.iter().zip(&row.values()[start..]);
            let branches = values.map(|(edge, branch)| Self::unfold(branch, edge)).collect();
            Self { row, branches }
        });
        rows.collect()
    }
}

type Put<O> = dyn Fn(&mut O, &[Nested]) -> Result<()> + Send + Sync;

/// What to load besides each row of an answer: an association, which of its rows, and what hangs on
/// those.
///
/// # Examples
///
/// ```
/// # use recto::doctest::*;
/// use recto::prelude::*;
///
/// // Each room with its two newest messages.
/// let newest = from::<Message>().order_by(|m| m.id.desc()).limit(2);
/// let rooms = from::<Room>().preload(Room::messages.query(newest));
/// # _ = rooms;
/// ```
pub struct Preload<O> {
    edge: Arc<Edge>,
    put: Arc<Put<O>>,
}

impl<O> Clone for Preload<O> {
    fn clone(&self) -> Self {
        Self { edge: Arc::clone(&self.edge), put: Arc::clone(&self.put) }
    }
}

impl<O> fmt::Debug for Preload<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.edge.fmt(f)
    }
}

impl<O> Preload<O> {
    /// The tree as data.
    pub fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }

    /// Puts loaded rows in place.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when a row cannot be read.
    pub fn put(&self, owner: &mut O, loaded: &[Nested]) -> Result<()> {
        (self.put)(owner, loaded)
    }
}

impl<S: Schema, T: Schema, K: 'static> Relation<S, T, K> {
    /// Loads only the rows of `query`, in its order, with what it preloads itself; its limit and
    /// offset are those of each owner.
    pub fn query(self, query: Query<T>) -> Preload<S> {
        let edge =
            Arc::new(Edge { assoc: self.assoc(), owner: S::table(), ast: query.ast().clone() });
        let put = move |owner: &mut S, loaded: &[Nested]| {
            let rows: Result<Vec<T>> = loaded.iter().map(|row| query.load_nested(row)).collect();
            self.set(owner, rows?);
            Ok(())
        };
        Preload { edge, put: Arc::new(put) }
    }

    /// Loads its rows, each with another association of theirs.
    pub fn with(self, child: impl Into<Preload<T>>) -> Preload<S> {
        self.query(super::from::<T>().preload(child))
    }
}

impl<S: Schema, T: Schema, K: 'static> From<Relation<S, T, K>> for Preload<S> {
    fn from(relation: Relation<S, T, K>) -> Self {
        relation.query(super::from::<T>())
    }
}
