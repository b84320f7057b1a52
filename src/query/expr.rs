//! Typed columns and operators: what the closures of a query see.
//!
//! **Invariant:** the types are all that is here; every operator leaves plain nodes behind.

use std::fmt;
use std::marker::PhantomData;

use super::ast::Case;
use super::ast::Comparison;
use super::ast::Direction;
use super::ast::Function;
use super::ast::Node;
use super::ast::Nulls;
use super::ast::Tree;
use crate::value::Decimal;
use crate::value::FromValue;
use crate::value::ToValue;
use crate::value::Value;

/// Ties an expression to the query it was made in.
pub(super) type Brand<'q> = PhantomData<fn(&'q ()) -> &'q ()>;

/// A column of one source of a query.
pub struct Col<'q, T> {
    source: u16,
    column: u16,
    types: PhantomData<fn() -> T>,
    brand: Brand<'q>,
}

impl<T> Clone for Col<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Col<'_, T> {}

impl<T> fmt::Debug for Col<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}.c{}", self.source, self.column)
    }
}

impl<T> Col<'_, T> {
    /// Column number `column` of source number `source`; for the derive.
    pub const fn new(source: u16, column: u16) -> Self {
        Self { source, column, types: PhantomData, brand: PhantomData }
    }
}

/// A typed expression.
#[must_use = "an expression does nothing until a query takes it"]
pub struct Expr<'q, T> {
    tree: Tree,
    types: PhantomData<fn() -> T>,
    brand: Brand<'q>,
}

impl<T> fmt::Debug for Expr<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.fmt(f)
    }
}

impl<T> Expr<'_, T> {
    pub(super) fn of(tree: Tree) -> Self {
        Self { tree, types: PhantomData, brand: PhantomData }
    }
}

/// Something that can stand on the right of a comparison with a `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be compared with a column of type `{T}`",
    label = "expected a `{T}`, a column or an expression of that type"
)]
pub trait IntoExpr<'q, T> {
    /// The expression, untyped.
    fn into_tree(self) -> Tree;
}

/// Source numbers from here on are of a question around the one they stand in: see [`raised`].
const OUTER: u16 = 1 << 12;

/// The number of a source as one question further in sees it.
///
/// # Panics
///
/// When it is seen from more questions further in than can stand in each other.
pub(super) fn raised(source: u16) -> u16 {
    source.checked_add(OUTER).expect("a row is seen from at most fifteen questions further in")
}

/// A column of a source, which may be of a question around this one.
pub(super) fn column(source: u16, column: u16) -> Tree {
    let (up, source) = (source / OUTER, source % OUTER);
    Tree::leaf(match up {
        0 => Node::Column { source, column },
        up => Node::Outer { up, source, column },
    })
}

impl<'q, T: FromValue> IntoExpr<'q, T::Inner> for Col<'q, T> {
    fn into_tree(self) -> Tree {
        column(self.source, self.column)
    }
}

impl<'q, T: FromValue> IntoExpr<'q, T::Inner> for Expr<'q, T> {
    fn into_tree(self) -> Tree {
        self.tree
    }
}

impl<T: ToValue + FromValue<Inner = T>> IntoExpr<'_, T> for T {
    fn into_tree(self) -> Tree {
        Tree::param(self.to_value(), T::KIND)
    }
}

impl<T: ToValue + FromValue<Inner = T>> IntoExpr<'_, T> for &T {
    fn into_tree(self) -> Tree {
        Tree::param(self.to_value(), T::KIND)
    }
}

impl IntoExpr<'_, String> for &str {
    fn into_tree(self) -> Tree {
        Tree::param(Value::text(self), String::KIND)
    }
}

/// A type whose values can be added up.
pub trait Summable {
    /// The type of the sum.
    type Sum: FromValue<Inner = Self::Sum>;
    /// The type of the mean.
    type Avg: FromValue<Inner = Self::Avg>;
}

macro_rules! summable {
    ($($type:ty => $sum:ty, $avg:ty;)*) => {$(
        impl Summable for $type {
            type Sum = $sum;
            type Avg = $avg;
        }
    )*};
}

summable! {
    i16 => i64, f64;
    i32 => i64, f64;
    i64 => i64, f64;
    f32 => f64, f64;
    f64 => f64, f64;
    Decimal => Decimal, Decimal;
}

macro_rules! operators {
    ($type:ident) => {
        impl<'q, T: FromValue> $type<'q, T> {
            fn compare(self, op: Comparison, other: impl IntoExpr<'q, T::Inner>) -> Expr<'q, bool> {
                let tree = self.into_tree();
                Expr::of(tree.join(other.into_tree(), |left, right| Node::Compare(op, left, right)))
            }

            /// Equal; unknown where either side is `NULL`.
            pub fn eq(self, other: impl IntoExpr<'q, T::Inner>) -> Expr<'q, bool> {
                self.compare(Comparison::Eq, other)
            }

            /// Different; unknown where either side is `NULL`.
            pub fn ne(self, other: impl IntoExpr<'q, T::Inner>) -> Expr<'q, bool> {
                self.compare(Comparison::Ne, other)
            }

            /// Less than.
            pub fn lt(self, other: impl IntoExpr<'q, T::Inner>) -> Expr<'q, bool> {
                self.compare(Comparison::Lt, other)
            }

            /// Less than or equal.
            pub fn le(self, other: impl IntoExpr<'q, T::Inner>) -> Expr<'q, bool> {
                self.compare(Comparison::Le, other)
            }

            /// Greater than.
            pub fn gt(self, other: impl IntoExpr<'q, T::Inner>) -> Expr<'q, bool> {
                self.compare(Comparison::Gt, other)
            }

            /// Greater than or equal.
            pub fn ge(self, other: impl IntoExpr<'q, T::Inner>) -> Expr<'q, bool> {
                self.compare(Comparison::Ge, other)
            }

            /// Is `NULL`.
            pub fn is_null(self) -> Expr<'q, bool> {
                Expr::of(self.into_tree().wrap(Node::IsNull))
            }

            /// Is not `NULL`.
            pub fn is_not_null(self) -> Expr<'q, bool> {
                self.is_null().not()
            }

            /// Equals one of `items`; never true for an empty list.
            pub fn in_<I>(self, items: I) -> Expr<'q, bool>
            where
                I: IntoIterator<Item: Into<T::Inner>>,
                T::Inner: ToValue,
            {
                let items = items.into_iter().map(|item| item.into().to_value()).collect();
                let list = Tree::param(Value::Array(items), T::KIND);
                Expr::of(self.into_tree().join(list, Node::In))
            }

            /// Smallest first.
            pub fn asc(self) -> Sort<'q> {
                Sort::new(self.into_tree(), Direction::Ascending)
            }

            /// Greatest first.
            pub fn desc(self) -> Sort<'q> {
                Sort::new(self.into_tree(), Direction::Descending)
            }

            fn aggregate<O>(self, function: Function) -> Expr<'q, O> {
                Expr::of(self.into_tree().wrap(|of| Node::Aggregate(function, Some(of))))
            }

            /// How many values that are not `NULL`.
            pub fn count(self) -> Expr<'q, i64> {
                self.aggregate(Function::Count)
            }

            /// How many different values that are not `NULL`.
            pub fn count_distinct(self) -> Expr<'q, i64> {
                self.aggregate(Function::CountDistinct)
            }

            /// The smallest value; `None` of no values.
            pub fn min(self) -> Expr<'q, Option<T::Inner>> {
                self.aggregate(Function::Min)
            }

            /// The greatest value; `None` of no values.
            pub fn max(self) -> Expr<'q, Option<T::Inner>> {
                self.aggregate(Function::Max)
            }

            /// The sum; `None` of no values. Integers beyond 64 bits are an error of the database.
            pub fn sum(self) -> Expr<'q, Option<<T::Inner as Summable>::Sum>>
            where
                T::Inner: Summable,
            {
                self.aggregate(Function::Sum)
            }

            /// The mean; `None` of no values.
            pub fn avg(self) -> Expr<'q, Option<<T::Inner as Summable>::Avg>>
            where
                T::Inner: Summable,
            {
                self.aggregate(Function::Avg)
            }

            /// Gives it the name that clients see in rows.
            pub fn named(self, name: &'static str) -> Named<'q, T> {
                Named { name, expr: Expr::of(self.into_tree()) }
            }
        }

        impl<'q, T: FromValue<Inner = String>> $type<'q, T> {
            /// Matches a pattern in which `%` is any text and `_` any character; `\` takes the next
            /// character as it is.
            ///
            /// # Backends
            ///
            /// PostgreSQL tells `A` from `a`; SQLite does not within ASCII.
            pub fn like(self, pattern: impl IntoExpr<'q, String>) -> Expr<'q, bool> {
                Expr::of(self.into_tree().join(pattern.into_tree(), |text, pattern| {
                    Node::Like(text, pattern, Case::AsDatabase)
                }))
            }

            /// The same, not telling `A` from `a`.
            ///
            /// # Backends
            ///
            /// SQLite folds ASCII only.
            pub fn ilike(self, pattern: impl IntoExpr<'q, String>) -> Expr<'q, bool> {
                Expr::of(self.into_tree().join(pattern.into_tree(), |text, pattern| {
                    Node::Like(text, pattern, Case::Fold)
                }))
            }
        }

        impl<'q, T: FromValue<Inner = bool>> $type<'q, T> {
            /// Both hold.
            pub fn and(self, other: impl IntoExpr<'q, bool>) -> Expr<'q, bool> {
                Expr::of(self.into_tree().join(other.into_tree(), Node::And))
            }

            /// One holds.
            pub fn or(self, other: impl IntoExpr<'q, bool>) -> Expr<'q, bool> {
                Expr::of(self.into_tree().join(other.into_tree(), Node::Or))
            }

            /// It does not hold; unknown stays unknown.
            #[expect(clippy::should_implement_trait, reason = "SQL's `not` beside `and` and `or`")]
            pub fn not(self) -> Expr<'q, bool> {
                Expr::of(self.into_tree().wrap(Node::Not))
            }
        }
    };
}

operators!(Col);
operators!(Expr);

/// The number of rows of a group, or of the whole answer.
pub fn count<'q>() -> Expr<'q, i64> {
    Expr::of(Tree::leaf(Node::Aggregate(Function::Count, None)))
}

/// An expression and the name that clients see.
#[derive(Debug)]
pub struct Named<'q, T> {
    pub(crate) name: &'static str,
    pub(crate) expr: Expr<'q, T>,
}

/// One part of an order.
#[derive(Debug)]
pub struct Sort<'q> {
    pub(crate) tree: Tree,
    pub(crate) direction: Direction,
    pub(crate) nulls: Option<Nulls>,
    brand: Brand<'q>,
}

impl Sort<'_> {
    fn new(tree: Tree, direction: Direction) -> Self {
        Self { tree, direction, nulls: None, brand: PhantomData }
    }

    /// `NULL`s before all values.
    pub fn nulls_first(mut self) -> Self {
        self.nulls = Some(Nulls::First);
        self
    }

    /// `NULL`s after all values.
    pub fn nulls_last(mut self) -> Self {
        self.nulls = Some(Nulls::Last);
        self
    }
}
