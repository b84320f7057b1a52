//! Databases: what one must be able to do, and the ones we know.
//!
//! Ecto's `Ecto.Adapter`. An adapter may be slow and may fail; it may not retry, log or cache
//! answers, since the repo does that for all of them (statements prepared on a connection are its
//! own to cache).
//!
//! **Invariant:** driver types stay below this floor.

mod erased;
mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub(crate) use self::erased::{ErasedAdapter, ErasedConnection};
pub(crate) use self::pool::{Lease, Pool, PoolConfig};
use self::sql::Dialect;
use crate::error::Result;
use crate::query::eval::Semantics;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// One statement with its parameters.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The text; parameter `i` of [`Statement::params`] stands in it as the dialect writes
    /// parameter number `i + 1`, any number of times.
    pub sql: Arc<str>,
    /// The parameters.
    pub params: Vec<Value>,
    /// What the columns of the answer hold, so that a database with few types can tell a timestamp
    /// from text. Columns beyond the list, as in raw SQL, come as the database has them.
    pub kinds: Arc<[Kind]>,
    /// Whether it may change the database: decides between `Unavailable` and `InDoubt`.
    pub effect: Effect,
}

/// Whether a statement may change the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reads, or what it does is kept only by a later `COMMIT`.
    None,
    /// It is kept as soon as it is done: a write outside a transaction, or `COMMIT` itself.
    Keeps,
}

/// What a statement answered.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The rows, in the order the database sent them.
    pub rows: Vec<Row>,
    /// How many rows it changed, where the database says.
    pub affected: u64,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading; a database with one writer keeps these apart.
    Read,
    /// Reading and writing.
    Write,
}

/// What a database must be able to do for a repo.
pub trait Adapter: fmt::Debug + Send + Sync + 'static {
    /// One connection to it.
    type Connection: Connection;

    /// How it spells SQL.
    fn dialect(&self) -> &'static dyn Dialect;

    /// The most connections of one kind that make sense, if the database knows.
    ///
    /// SQLite has one writer; an in-memory database has one connection for everything.
    fn most(&self, access: Access) -> Option<usize>;

    /// True when readers and writers share one set of connections.
    fn shares_connections(&self) -> bool;

    /// A new connection.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the database cannot be reached,
    /// [`Invalid`](crate::ErrorKind::Invalid) when it refuses us for good (no such database, wrong
    /// password).
    fn connect(&self, access: Access) -> impl Future<Output = Result<Self::Connection>> + Send;
}

/// One connection to a database.
///
/// The caller begins, ends and nests transactions by statements; a connection keeps no count.
pub trait Connection: fmt::Debug + Send + 'static {
    /// Runs statements one after the other, sending all before it waits for the first answer where
    /// the protocol allows, and returns one answer for each.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the connection in an unknown state: the caller must
    /// [`abandon`](Connection::abandon) it.
    ///
    /// # Errors
    ///
    /// The first statement's that failed; those after it were not run.
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the connection was lost and no statement
    /// had [`Effect::Keeps`], [`InDoubt`](crate::ErrorKind::InDoubt) when it was lost and one had:
    /// on these two kinds the pool throws the connection away.
    /// [`Conflict`](crate::ErrorKind::Conflict) for a deadlock, a serialization failure or a lock
    /// that could not be had. [`Invalid`](crate::ErrorKind::Invalid) for everything else; with a
    /// [`Violation`](crate::error::Violation) where a rule of the database was broken.
    fn run(
        &mut self,
        statements: Vec<Statement>,
    ) -> impl Future<Output = Result<Vec<Answer>>> + Send;

    /// Runs a script of statements without parameters or answers, such as DDL.
    ///
    /// # Errors
    ///
    /// As [`Connection::run`]; statements before the failed one were done.
    fn batch(&mut self, script: &str) -> impl Future<Output = Result<()>> + Send;

    /// Where this database differs about values; asked once, by the connection that opened it.
    fn semantics(&self) -> Semantics;

    /// True when it can no longer be used.
    fn is_broken(&self) -> bool;

    /// Ends whatever is going on, soon and without waiting: an open transaction is rolled back, or
    /// the connection becomes broken. Called when a future that used it was dropped.
    fn abandon(&mut self);
}
