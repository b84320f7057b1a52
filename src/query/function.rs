//! Functions of values: arithmetic, text, the clock.

use std::ops::Add;
use std::ops::Mul;
use std::ops::Sub;

use super::ast::Node;
use super::ast::Operator;
use super::ast::TextFunction;
use super::ast::Tree;
use super::expr::Col;
use super::expr::Expr;
use super::expr::IntoExpr;
use super::term::Term;
use super::term::Typed;
use crate::value::Decimal;
use crate::value::FromValue;
use crate::value::Timestamp;

/// A number that can be calculated with; what does not fit is an error of the database.
///
/// `f32` is none: databases disagree about where they round it.
pub trait Number {}

impl Number for i16 {}
impl Number for i32 {}
impl Number for i64 {}
impl Number for f64 {}
impl Number for Decimal {}

fn join<'q, T: FromValue>(
    left: Tree,
    right: impl Term<'q, T>,
    node: impl FnOnce(super::ast::NodeId, super::ast::NodeId) -> Node,
) -> Expr<'q, T> {
    Expr::of(left.join(right.tree(), node))
}

macro_rules! operator {
    ($type:ident, $trait:ident, $method:ident, $operator:ident) => {
        impl<'q, T, R> $trait<R> for $type<'q, T>
        where
            T: FromValue<Inner: Number>,
            R: Term<'q, T>,
        {
            type Output = Expr<'q, T>;

            fn $method(self, right: R) -> Expr<'q, T> {
                join(self.tree(), right, |left, right| {
                    Node::Arithmetic(Operator::$operator, left, right)
                })
            }
        }
    };
}

macro_rules! functions {
    ($type:ident) => {
        operator!($type, Add, add, Add);
        operator!($type, Sub, sub, Subtract);
        operator!($type, Mul, mul, Multiply);

        impl<'q, T: FromValue> $type<'q, T> {
            /// Itself, or `other` where it is `NULL`.
            pub fn coalesce(self, other: impl Term<'q, T::Inner>) -> Expr<'q, T::Inner> {
                Expr::of(self.tree().join(other.tree(), Node::Coalesce))
            }

            /// At least `low` and at most `high`.
            pub fn between(
                self,
                low: impl IntoExpr<'q, T::Inner>,
                high: impl IntoExpr<'q, T::Inner>,
            ) -> Expr<'q, bool> {
                let tree = self.tree();
                let at_least = Expr::<T>::of(tree.clone()).ge(low);
                at_least.and(Expr::<T>::of(tree).le(high))
            }
        }

        impl<'q, T: FromValue<Inner = String>> $type<'q, T> {
            /// In small letters.
            ///
            /// # Backends
            ///
            /// SQLite knows those of ASCII only; PostgreSQL those of its locale.
            pub fn lower(self) -> Expr<'q, T> {
                Expr::of(self.tree().wrap(|of| Node::Text(TextFunction::Lower, of)))
            }

            /// In capitals.
            ///
            /// # Backends
            ///
            /// As [`lower`](Self::lower).
            pub fn upper(self) -> Expr<'q, T> {
                Expr::of(self.tree().wrap(|of| Node::Text(TextFunction::Upper, of)))
            }
        }

        impl<'q> $type<'q, String> {
            /// How many characters it has.
            pub fn length(self) -> Expr<'q, i64> {
                Expr::of(self.tree().wrap(|of| Node::Text(TextFunction::Length, of)))
            }
        }

        impl<'q> $type<'q, Option<String>> {
            /// How many characters it has.
            pub fn length(self) -> Expr<'q, Option<i64>> {
                Expr::of(self.tree().wrap(|of| Node::Text(TextFunction::Length, of)))
            }
        }
    };
}

functions!(Col);
functions!(Expr);

/// The time at which the transaction began, by the clock of the database.
///
/// A live query cannot ask for it: its answer would change although no row does.
///
/// # Backends
///
/// PostgreSQL counts microseconds. SQLite counts milliseconds, and from the statement's beginning.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use recto::prelude::*;
///
/// let in_the_past = from::<Message>().filter(|m| m.inserted_at.lt(now()));
/// assert_eq!(repo.count(in_the_past).await?, 0);
/// # Ok(())
/// # });
/// ```
pub fn now<'q>() -> Expr<'q, Timestamp> {
    Expr::of(Tree::leaf(Node::Now))
}
