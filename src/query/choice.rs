//! Choices: `case when` with types.

use std::fmt;
use std::marker::PhantomData;

use super::ast::Node;
use super::ast::Tree;
use super::expr::Brand;
use super::expr::Expr;
use super::term::Term;
use super::term::Typed;
use crate::value::FromValue;

/// A choice: `when(condition).then(value).otherwise(value)`.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use recto::prelude::*;
///
/// let greetings = from::<Message>()
///     .select(|m| (m.author, when(m.body.eq("hello")).then("polite").otherwise(m.body)))
///     .order_by(|m| m.id.asc());
/// let greetings = repo.all(greetings).await?;
/// assert_eq!(greetings[0].1, "the engine weaves");
/// assert_eq!(greetings[1].1, "polite");
/// # Ok(())
/// # });
/// ```
#[must_use = "a choice needs `then`, and `otherwise` or `or_null`"]
pub fn when(condition: Expr<'_, bool>) -> When<'_> {
    When(condition)
}

/// The condition of a choice.
#[derive(Debug)]
#[must_use = "a choice needs `then`, and `otherwise` or `or_null`"]
pub struct When<'q>(Expr<'q, bool>);

impl<'q> When<'q> {
    /// What it is where the condition is true.
    pub fn then<V: Typed<'q>>(self, value: V) -> Then<'q, V::Type> {
        Then {
            condition: self.0.tree(),
            value: value.tree(),
            types: PhantomData,
            brand: PhantomData,
        }
    }
}

/// A choice that lacks its other side.
#[must_use = "a choice needs `otherwise` or `or_null`"]
pub struct Then<'q, T> {
    condition: Tree,
    value: Tree,
    types: PhantomData<fn() -> T>,
    brand: Brand<'q>,
}

impl<T> fmt::Debug for Then<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Then").field(&self.condition).field(&self.value).finish()
    }
}

impl<'q, T: FromValue> Then<'q, T> {
    /// What it is where the condition is false or unknown.
    pub fn otherwise(self, value: impl Term<'q, T>) -> Expr<'q, T> {
        let mut tree = self.condition;
        let condition = tree.root();
        let then = tree.take(self.value);
        let otherwise = tree.take(value.tree());
        Expr::of(tree.over(Node::When(condition, then, Some(otherwise))))
    }

    /// `NULL` where the condition is false or unknown.
    pub fn or_null(self) -> Expr<'q, Option<T::Inner>> {
        let tree = self.condition;
        Expr::of(tree.join(self.value, |condition, then| Node::When(condition, then, None)))
    }
}
