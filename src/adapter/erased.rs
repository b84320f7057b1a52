//! The adapter traits with their futures boxed, so that what stands above needs no type parameter.
//!
//! One allocation for each round trip is the price of a plain `Repo`.
//!
//! **Invariant:** nothing happens here: every method is the method of the same name.

#[cfg(all(feature = "postgres", feature = "live"))]
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::Access;
use super::Adapter;
use super::Answer;
use super::Connection;
use super::Statement;
use super::sql::Dialect;
use crate::error::Result;
use crate::query::eval::Semantics;

/// A future whose type is erased.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Adapter`] as a trait object.
pub(crate) trait ErasedAdapter: fmt::Debug + Send + Sync + 'static {
    /// How it spells SQL.
    fn dialect(&self) -> &'static dyn Dialect;

    /// The most connections of one kind that make sense.
    fn most(&self, access: Access) -> Option<usize>;

    /// True when readers and writers share one set of connections.
    fn shares_connections(&self) -> bool;

    /// A new connection.
    fn connect(&self, access: Access) -> BoxFuture<'_, Result<Box<dyn ErasedConnection>>>;

    /// The adapter itself, for what only one database can do.
    #[cfg(all(feature = "postgres", feature = "live"))]
    fn as_any(&self) -> &dyn Any;
}

impl<A: Adapter> ErasedAdapter for A {
    fn dialect(&self) -> &'static dyn Dialect {
        Adapter::dialect(self)
    }

    fn most(&self, access: Access) -> Option<usize> {
        Adapter::most(self, access)
    }

    fn shares_connections(&self) -> bool {
        Adapter::shares_connections(self)
    }

    fn connect(&self, access: Access) -> BoxFuture<'_, Result<Box<dyn ErasedConnection>>> {
        Box::pin(async move {
            let connection = Adapter::connect(self, access).await?;
            Ok(Box::new(connection) as Box<dyn ErasedConnection>)
        })
    }

    #[cfg(all(feature = "postgres", feature = "live"))]
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// [`Connection`] as a trait object.
pub(crate) trait ErasedConnection: fmt::Debug + Send + 'static {
    /// Runs statements one after the other.
    fn run(&mut self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Vec<Answer>>>;

    /// Runs a script of statements without parameters or answers.
    fn batch<'a>(&'a mut self, script: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Where this database differs about values.
    fn semantics(&self) -> Semantics;

    /// True when it can no longer be used.
    fn is_broken(&self) -> bool;

    /// Ends whatever is going on, soon and without waiting.
    fn abandon(&mut self);
}

impl<C: Connection> ErasedConnection for C {
    fn run(&mut self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Vec<Answer>>> {
        Box::pin(Connection::run(self, statements))
    }

    fn batch<'a>(&'a mut self, script: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(Connection::batch(self, script))
    }

    fn semantics(&self) -> Semantics {
        Connection::semantics(self)
    }

    fn is_broken(&self) -> bool {
        Connection::is_broken(self)
    }

    fn abandon(&mut self) {
        Connection::abandon(self);
    }
}
