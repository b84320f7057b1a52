//! Questions inside questions.

use super::Query;
use super::Row;
use super::Source;
use super::ast::Node;
use super::ast::Tree;
use super::expr::Col;
use super::expr::Expr;
use super::expr::raised;
use super::row;
use super::term::Typed;
use crate::value::FromValue;

impl<S: Source> Row<'_, S> {
    /// The same row for the closures of a query inside this one; of a query inside that one,
    /// `outer().outer()`.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// use recto::prelude::*;
    ///
    /// let silent = from::<Room>().filter(|room| {
    ///     exists(from::<Message>().filter(|m| m.room_id.eq(room.outer().id))).not()
    /// });
    /// assert!(repo.all(silent).await?.is_empty());
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// When it is called more than fifteen times on one row.
    pub fn outer<'inner>(self) -> Row<'inner, S> {
        row(raised(self.source))
    }
}

/// True where the query has an answer; with [`Row::outer`] it may depend on the row.
pub fn exists<'q, S, O>(query: Query<S, O>) -> Expr<'q, bool> {
    Expr::of(Tree::query(query.ast, Node::Exists))
}

/// What the only row of a query's answer shows; `None` where there is no row.
///
/// # Errors
///
/// The query is [`Invalid`](crate::ErrorKind::Invalid) unless the one inside has at most one row
/// by its form: an aggregate without groups, or a limit of one.
pub fn scalar<'q, S, O: FromValue>(query: Query<S, O>) -> Expr<'q, Option<O::Inner>> {
    Expr::of(Tree::query(query.ast, Node::Scalar))
}

macro_rules! membership {
    ($type:ident) => {
        impl<'q, T: FromValue> $type<'q, T> {
            /// Equals what one row of the query's answer shows.
            ///
            /// Unknown where it equals none and one of them is `NULL`.
            pub fn in_query<S, O>(self, query: Query<S, O>) -> Expr<'q, bool>
            where
                O: FromValue<Inner = T::Inner>,
            {
                Expr::of(self.tree().in_query(query.ast))
            }
        }
    };
}

membership!(Col);
membership!(Expr);
