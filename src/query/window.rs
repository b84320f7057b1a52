//! Window functions: values that rest on other rows of the answer.

use std::marker::PhantomData;

use super::ast::NodeId;
use super::ast::Order;
use super::ast::Tree;
use super::ast::Window;
use super::ast::WindowFunction;
use super::expr::Brand;
use super::expr::Col;
use super::expr::Expr;
use super::expr::IntoExpr;
use super::expr::Sort;
use super::select::Grouping;
use super::select::Sorting;
use super::term::Typed;
use crate::value::FromValue;

/// Which rows a window looks at, and in which order.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use recto::prelude::*;
/// use recto::query::partition_by;
/// use recto::query::row_number;
///
/// let numbered = from::<Message>()
///     .select(|m| (m.body, row_number().over(partition_by(m.author).order_by(m.id.desc()))));
/// assert_eq!(repo.all(numbered).await?[0], ("the engine weaves".to_owned(), 1));
/// # Ok(())
/// # });
/// ```
#[derive(Debug, Default)]
#[must_use = "a window does nothing until something is looked at over it"]
pub struct Over<'q> {
    partition_by: Vec<Tree>,
    order_by: Vec<Sort<'q>>,
}

/// Looks at rows together that agree in these.
pub fn partition_by<'q>(parts: impl Grouping<'q>) -> Over<'q> {
    Over { partition_by: parts.trees(), order_by: Vec::new() }
}

/// Looks at all rows of the answer together, in this order.
pub fn order_by<'q>(order: impl Sorting<'q>) -> Over<'q> {
    Over::default().order_by(order)
}

impl<'q> Over<'q> {
    /// Looks at them in this order; a second call adds less important parts.
    pub fn order_by(mut self, order: impl Sorting<'q>) -> Self {
        self.order_by.extend(order.sorts());
        self
    }

    /// `function` of what `tree` has at its root, over this window.
    fn tree(self, mut tree: Tree, function: WindowFunction) -> Tree {
        let partition_by = self.partition_by.into_iter().map(|part| tree.take(part)).collect();
        let mut order_by = Vec::new();
        for sort in self.order_by {
            let node = tree.take(sort.tree);
            order_by.push(Order { node, direction: sort.direction, nulls: sort.nulls });
        }
        tree.push_window(Window { function, partition_by, order_by });
        tree
    }
}

/// A function that needs a window.
#[derive(Debug)]
#[must_use = "it needs a window: `over`"]
pub struct Windowed<'q, T> {
    tree: Tree,
    function: fn(NodeId, u32) -> WindowFunction,
    by: u32,
    types: PhantomData<fn() -> T>,
    brand: Brand<'q>,
}

impl<'q, T> Windowed<'q, T> {
    fn new(tree: Tree, function: fn(NodeId, u32) -> WindowFunction, by: u32) -> Self {
        Self { tree, function, by, types: PhantomData, brand: PhantomData }
    }

    /// Over this window.
    ///
    /// Where the window's order leaves open which of two rows comes first, and it matters, the
    /// primary keys decide.
    pub fn over(self, window: Over<'q>) -> Expr<'q, T> {
        let function = (self.function)(self.tree.root(), self.by);
        Expr::of(window.tree(self.tree, function))
    }
}

/// The place of a row in its window, counted from one.
pub fn row_number<'q>() -> Windowed<'q, i64> {
    Windowed::new(Tree::default(), |_, _| WindowFunction::RowNumber, 0)
}

/// The place of a row in its window, counted from one; equals share one, and leave the next out.
pub fn rank<'q>() -> Windowed<'q, i64> {
    Windowed::new(Tree::default(), |_, _| WindowFunction::Rank, 0)
}

/// The place of a row in its window, counted from one; equals share one, and leave none out.
pub fn dense_rank<'q>() -> Windowed<'q, i64> {
    Windowed::new(Tree::default(), |_, _| WindowFunction::DenseRank, 0)
}

macro_rules! windows {
    ($type:ident) => {
        impl<'q, T: FromValue> $type<'q, T> {
            /// The value of the row `rows` before this one in the window; `None` where there is
            /// none.
            pub fn lag(self, rows: u32) -> Windowed<'q, Option<T::Inner>> {
                Windowed::new(self.tree(), WindowFunction::Lag, rows)
            }

            /// The value of the row `rows` after this one in the window; `None` where there is
            /// none.
            pub fn lead(self, rows: u32) -> Windowed<'q, Option<T::Inner>> {
                Windowed::new(self.tree(), WindowFunction::Lead, rows)
            }
        }
    };
}

windows!(Col);
windows!(Expr);

impl<'q, T: FromValue> Expr<'q, T> {
    /// An aggregate of the rows of a window: of all of them, or, in a window with an order, of those
    /// up to this row and its equals.
    ///
    /// # Errors
    ///
    /// The query is [`Invalid`](crate::ErrorKind::Invalid) when this is no aggregate.
    pub fn over(self, window: Over<'q>) -> Self {
        let tree = self.into_tree();
        let aggregate = tree.root();
        Self::of(window.tree(tree, WindowFunction::Aggregate(aggregate)))
    }
}
