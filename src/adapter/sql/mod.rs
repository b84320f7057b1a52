//! SQL as text: questions and writes go in, statements come out.
//!
//! The databases share one renderer; what they spell differently is a [`Dialect`]. This module
//! refuses to know connections, and it never puts a value into a text: values are parameters.
//!
//! **Invariant:** the text depends on the shape of a question only, never on its parameters, so
//! that it can be cached by the shape and prepared once.

#[cfg(feature = "live")]
mod between;
mod edge;
mod expression;
#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
mod fixture;
mod function;
#[cfg(feature = "live")]
mod many;
mod quote;
mod read;
#[cfg(feature = "live")]
mod touched;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod verb;
mod with;
mod write;

use std::fmt;

#[cfg(feature = "live")]
pub(crate) use self::between::select_between;
pub(crate) use self::edge::EdgeRead;
#[cfg(feature = "live")]
pub(crate) use self::many::select_many;
#[cfg(any(feature = "live", feature = "postgres"))]
pub(crate) use self::quote::quoted_name;
#[cfg(feature = "live")]
pub(crate) use self::quote::quoted_table;
pub use self::read::{count, exists, key_lists, rows_by_key, select};
#[cfg(feature = "live")]
pub(crate) use self::touched::{select_rooted, select_touched};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use self::verb::{Verb, excerpt};
pub use self::write::{Chunk, delete, delete_all, insert, insert_all, update, update_all};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
use crate::error::Error;
use crate::error::Result;
use crate::query::ast::Case;
use crate::query::ast::Function;
use crate::query::ast::Lock;
use crate::query::ast::Operator;
use crate::query::ast::TextFunction;
use crate::value::Kind;

/// What databases spell differently.
///
/// An adapter author writes one; everything else about SQL is shared.
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// The name of the database, for people.
    fn name(&self) -> &'static str;

    /// The longest identifier in bytes, where longer ones would silently be cut.
    fn max_identifier_bytes(&self) -> Option<usize>;

    /// The most parameters of one statement.
    fn max_params(&self) -> usize;

    /// Writes parameter number `number`, counted from one.
    fn placeholder(&self, number: usize, out: &mut String);

    /// The name of the type that holds `kind`, where a parameter that stands alone must be told
    /// its type; `None` where the database asks no such thing.
    fn type_name(&self, kind: Kind) -> Option<String>;

    /// The right side of `item in …` whose items are in parameter `number`, `in` or `=` included;
    /// where `typed`, nothing on the left side tells the type of the items.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where values of this kind cannot be sent as a list.
    fn membership(&self, number: usize, kind: Kind, typed: bool) -> Result<String>;

    /// The condition that the key of a row is in the lists of [`key_lists`], the first of which is
    /// parameter `first`; `columns` are the key's columns as they stand in the statement.
    ///
    /// # Errors
    ///
    /// As [`Dialect::membership`].
    fn key_membership(&self, columns: &[(String, Kind)], first: usize) -> Result<String>;

    /// True when the parts of a composite key go in one list of rows, false when each part has a
    /// list of its own.
    fn keys_in_one_list(&self) -> bool;

    /// The operator of pattern matching.
    fn like(&self, case: Case) -> &'static str;

    /// An aggregate of `argument`, whose kind is `kind`, with the type that a query promises;
    /// `over` is empty, or the window that belongs behind the function.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where the database has no such aggregate.
    fn aggregate(
        &self,
        function: Function,
        kind: Kind,
        argument: &str,
        over: &str,
    ) -> Result<String>;

    /// An operator on two numbers of `kind`, in brackets; what does not fit the kind is an error of
    /// the database.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where the database cannot calculate with them.
    fn arithmetic(&self, operator: Operator, kind: Kind, left: &str, right: &str)
    -> Result<String>;

    /// A function of one text.
    fn text(&self, function: TextFunction, argument: &str) -> String;

    /// The time at which the transaction began.
    fn now(&self) -> &'static str;

    /// What locks the rows of the source called `source`, behind everything else.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) where the database has no locks of rows.
    fn lock(&self, lock: Lock, source: &str) -> Result<String>;

    /// The collation under which stored values of `kind` sort as the values do.
    fn collation(&self, kind: Kind) -> Option<&'static str>;

    /// The collation that a choice between values of `kind` must name, where one that its condition
    /// names would else become its own.
    fn collation_of_choice(&self, kind: Kind) -> Option<&'static str>;

    /// The statement that begins a transaction.
    fn begin(&self, begin: Begin) -> &'static str;

    /// The statement that sets session setting `$1` to `$2`, if there are such settings.
    fn set_setting(&self) -> Option<&'static str>;

    /// What stands for "no limit" where an offset cannot stand alone.
    fn no_limit(&self) -> Option<&'static str>;

    /// Whether it can do something that not all can.
    fn supports(&self, capability: Capability) -> bool;
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Begin {
    /// Reading and writing, each statement seeing what was committed before it.
    Write,
    /// Reading and writing, all statements seeing one state.
    RepeatableRead,
    /// As if transactions came one after the other.
    Serializable,
    /// Reading one state.
    Snapshot,
}

/// Something that not all databases can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Columns that hold arrays.
    Arrays,
    /// Ringing other connections: `LISTEN` and `NOTIFY`.
    Listen,
    /// Joining a subquery for each row of another table.
    Lateral,
    /// Going on in a transaction after a statement in it failed.
    GoesOnAfterFailure,
}

/// The error of a kind of values that a database cannot put in some place.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn cannot(dialect: &dyn Dialect, what: &str, kind: Kind) -> Error {
    Error::invalid(format!("{} cannot {what} values of kind {kind}", dialect.name()))
}
