//! What can stand beside typed columns: columns, expressions and values.
//!
//! **Invariant:** a type says exactly what may be `NULL`: `T` never is, `Option<T>` may be.

use super::ast::Tree;
use super::expr::Col;
use super::expr::Expr;
use super::expr::IntoExpr;
use crate::value::FromValue;
use crate::value::ToValue;

/// Something whose type is its own: a column, an expression, or a value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a column, nor an expression, nor a value of a column"
)]
pub trait Typed<'q> {
    /// What it holds.
    type Type: FromValue;

    /// The expression, untyped.
    fn tree(self) -> Tree;
}

impl<'q, T: FromValue> Typed<'q> for Col<'q, T> {
    type Type = T;

    fn tree(self) -> Tree {
        self.into_tree()
    }
}

impl<'q, T: FromValue> Typed<'q> for Expr<'q, T> {
    type Type = T;

    fn tree(self) -> Tree {
        self.into_tree()
    }
}

impl<T: ToValue + FromValue<Inner = T>> Typed<'_> for T {
    type Type = T;

    fn tree(self) -> Tree {
        Tree::param(self.to_value(), T::KIND)
    }
}

impl Typed<'_> for &str {
    type Type = String;

    fn tree(self) -> Tree {
        Tree::param(self.to_value(), String::KIND)
    }
}

/// Something that can stand where a `T` stands: it is `NULL` only if a `T` may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand where a `{T}` stands",
    note = "what may be `NULL` cannot stand where nothing may: give it a value with `coalesce`"
)]
pub trait Term<'q, T>: Typed<'q> {}

impl<'q, T: FromValue> Term<'q, T> for Col<'q, T> {}
impl<'q, T: FromValue> Term<'q, Option<T>> for Col<'q, T> {}
impl<'q, T: FromValue> Term<'q, T> for Expr<'q, T> {}
impl<'q, T: FromValue> Term<'q, Option<T>> for Expr<'q, T> {}
impl<T: ToValue + FromValue<Inner = T>> Term<'_, T> for T {}
impl<T: ToValue + FromValue<Inner = T>> Term<'_, Option<T>> for T {}
impl Term<'_, String> for &str {}
impl Term<'_, Option<String>> for &str {}
