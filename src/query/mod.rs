//! Questions: a typed builder over plain data.
//!
//! Ecto's `Ecto.Query`. Differences: columns are typed values that a closure gets, so that a wrong
//! table, a wrong type or a column of another query does not compile; and the plan always
//! completes an order by the primary key, so that equal rows never change places.
//!
//! This module refuses to know dialects, connections and changesets.

pub mod ast;
mod check;
mod choice;
mod combine;
mod complete;
pub mod eval;
mod expr;
mod fragment;
mod function;
mod like;
mod lock;
mod nested;
mod plan;
mod preload;
mod select;
mod term;
mod window;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use self::ast::Ast;
use self::ast::Comparison;
use self::ast::Join;
use self::ast::JoinKind;
use self::ast::Node;
use self::ast::Tree;
pub use self::choice::{Then, When, when};
pub use self::combine::Combined;
pub use self::expr::{Col, Expr, IntoExpr, Named, Sort, Summable, count};
pub use self::fragment::{Holes, fragment};
pub use self::function::{Number, now};
pub use self::nested::{exists, scalar};
pub use self::plan::{Output, Plan};
pub use self::preload::{Edge, Nested, Preload};
use self::select::add_order;
pub use self::select::{Grouping, Part, Selection, Sorting};
pub use self::term::{Term, Typed};
pub use self::window::{Over, Windowed, dense_rank, order_by, partition_by, rank, row_number};
use crate::error::Result;
use crate::schema::Nullable;
use crate::schema::Present;
use crate::schema::Relation;
use crate::schema::RowReader;
use crate::schema::Schema;
use crate::schema::Table;
use crate::value::Row as Values;

/// One table of a query's type: a schema, or [`Left`] of one.
pub trait Source: 'static {
    /// The columns as closures see them.
    type Columns<'q>: Copy;

    /// The columns of source number `source`.
    fn columns<'q>(source: u16) -> Self::Columns<'q>;
}

impl<S: Schema> Source for S {
    type Columns<'q> = S::Columns<'q, Present>;

    fn columns<'q>(source: u16) -> Self::Columns<'q> {
        S::columns::<Present>(source)
    }
}

/// The right side of a left join: all its columns may be `NULL`.
#[derive(Debug)]
pub struct Left<S>(PhantomData<S>);

impl<S: Schema> Source for Left<S> {
    type Columns<'q> = S::Columns<'q, Nullable>;

    fn columns<'q>(source: u16) -> Self::Columns<'q> {
        S::columns::<Nullable>(source)
    }
}

/// One source of a query inside a closure; its fields are the columns.
pub struct Row<'q, S: Source> {
    columns: S::Columns<'q>,
    source: u16,
    brand: PhantomData<fn(&'q ()) -> &'q ()>,
}

impl<S: Source> Clone for Row<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Source> Copy for Row<'_, S> {}

impl<S: Source> fmt::Debug for Row<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.source)
    }
}

impl<'q, S: Source> Deref for Row<'q, S> {
    type Target = S::Columns<'q>;

    fn deref(&self) -> &S::Columns<'q> {
        &self.columns
    }
}

fn row<'q, S: Source>(source: u16) -> Row<'q, S> {
    Row { columns: S::columns(source), source, brand: PhantomData }
}

/// A question about rows, as a value: build it, pass it around, ask it many times.
///
/// `S` is the source or the tuple of sources, `O` what a row of the answer is: the root schema
/// until [`select`](Query::select) says otherwise.
///
/// # Order
///
/// None, unless `order_by`, `limit` or `offset` is used: then rows that are equal in what the
/// query orders by come in the order of their primary keys.
///
/// # Cost
///
/// Building allocates a few small vectors. Nothing is sent.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use recto::prelude::*;
///
/// let long = from::<Message>()
///     .filter(|m| m.author.eq("ada").and(m.body.like("%engine%")))
///     .order_by(|m| m.id.desc())
///     .limit(10);
/// assert_eq!(repo.all(long).await?.len(), 1);
/// # Ok(())
/// # });
/// ```
#[must_use = "a query does nothing until a repo runs it"]
pub struct Query<S, O = S> {
    ast: Ast,
    load: fn(&Values) -> Result<O>,
    preloads: Vec<Preload<O>>,
    sources: PhantomData<fn() -> S>,
}

impl<S, O> Clone for Query<S, O> {
    fn clone(&self) -> Self {
        Self {
            ast: self.ast.clone(),
            load: self.load,
            preloads: self.preloads.clone(),
            sources: PhantomData,
        }
    }
}

impl<S, O> fmt::Debug for Query<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ast.fmt(f)
    }
}

/// All rows of a schema.
pub fn from<S: Schema>() -> Query<S> {
    Query {
        ast: Ast::all_of(S::table()),
        load: |row| S::load(&mut RowReader::new(S::table(), row)),
        preloads: Vec::new(),
        sources: PhantomData,
    }
}

impl<S, O> Query<S, O> {
    /// The question as data.
    pub fn ast(&self) -> &Ast {
        &self.ast
    }

    /// The question as data, to change.
    pub(crate) fn ast_mut(&mut self) -> &mut Ast {
        &mut self.ast
    }

    /// Reads one row of the answer.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) naming the column that holds something else.
    pub fn load(&self, row: &Values) -> Result<O> {
        (self.load)(row)
    }

    /// The function that reads one row of the answer.
    #[cfg(feature = "live")]
    pub(crate) fn loader(&self) -> fn(&Values) -> Result<O> {
        self.load
    }

    /// What to load besides.
    pub fn preloads(&self) -> &[Preload<O>] {
        &self.preloads
    }

    /// Reads one row of the answer, and puts what was loaded besides in place.
    ///
    /// # Errors
    ///
    /// As [`Query::load`].
    pub fn load_nested(&self, nested: &Nested) -> Result<O> {
        let mut loaded = self.load(&nested.row)?;
        for (preload, rows) in self.preloads.iter().zip(&nested.branches) {
            preload.put(&mut loaded, rows)?;
        }
        Ok(loaded)
    }

    /// At most `rows` rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.ast.shape.limit = Some(rows);
        self
    }

    /// Leaves out the first `rows` rows.
    pub fn offset(mut self, rows: u64) -> Self {
        self.ast.shape.offset = rows;
        self
    }

    /// Leaves out repeated rows.
    pub fn distinct(mut self) -> Self {
        self.ast.shape.distinct = true;
        self
    }

    fn retyped<Q, P>(mut self, load: fn(&Values) -> Result<P>) -> Query<Q, P> {
        self.ast.shape.edges.clear();
        Query { ast: self.ast, load, preloads: Vec::new(), sources: PhantomData }
    }

    fn joined<Q>(
        mut self,
        table: &'static Table,
        kind: JoinKind,
        on: impl FnOnce(u16) -> Tree,
    ) -> Query<Q, O> {
        let tree = on(ast::index(self.ast.shape.sources.len()));
        let on = self.ast.add(tree);
        self.ast.shape.sources.push(ast::Source {
            table,
            answer: None,
            join: Some(Join { kind, on }),
        });
        let Self { ast, load, preloads, .. } = self;
        Query { ast, load, preloads, sources: PhantomData }
    }
}

impl<Q, O: Schema> Query<Q, O> {
    /// Loads the rows of an association with the answer: one more statement, however many rows.
    ///
    /// An association alone, as in `Room::messages`; with another of its rows, as in
    /// `Room::messages.with(Message::author)`; or only some rows, as in
    /// `Room::messages.query(newest)`, where the query's limit counts for each row of the answer.
    pub fn preload(mut self, preload: impl Into<Preload<O>>) -> Self {
        let preload = preload.into();
        self.ast.shape.edges.push(Arc::clone(preload.edge()));
        self.preloads.push(preload);
        self
    }
}

/// The condition of a join along an association of the root.
fn along<A: Schema, B: Schema>(relation: Relation<A, B>, source: u16) -> Tree {
    let assoc = relation.assoc();
    let column = |table: &Table, field| {
        let position = table.position(field);
        ast::index(position.unwrap_or_else(|| panic!("`{}` has no field `{field}`", table.name)))
    };
    let mine = Node::Column { source: 0, column: column(A::table(), assoc.owner_field) };
    let theirs = Node::Column { source, column: column(B::table(), assoc.target_field) };
    Tree::leaf(mine)
        .join(Tree::leaf(theirs), |left, right| Node::Compare(Comparison::Eq, left, right))
}

macro_rules! sources {
    ($($source:ident $number:literal),+ ; $sources:ty) => {
        impl<$($source: Source,)+ O> Query<$sources, O> {
            /// Keeps the rows for which `condition` is true; several filters must all hold.
            pub fn filter<F>(mut self, condition: F) -> Self
            where
                F: for<'q> FnOnce($(Row<'q, $source>),+) -> Expr<'q, bool>,
            {
                let node = self.ast.add(condition($(row::<$source>($number)),+).into_tree());
                self.ast.shape.filters.push(node);
                self
            }

            /// [`filter`](Query::filter) where there is something to filter by.
            pub fn filter_opt<V, F>(self, value: Option<V>, condition: F) -> Self
            where
                F: for<'q> FnOnce($(Row<'q, $source>,)+ V) -> Expr<'q, bool>,
            {
                match value {
                    Some(value) => {
                        let mut this = self;
                        let tree = condition($(row::<$source>($number),)+ value).into_tree();
                        let node = this.ast.add(tree);
                        this.ast.shape.filters.push(node);
                        this
                    }
                    None => self,
                }
            }

            /// Puts rows in order; a second call adds less important parts.
            pub fn order_by<'q, R: Sorting<'q>>(
                mut self,
                order: impl FnOnce($(Row<'q, $source>),+) -> R,
            ) -> Self {
                add_order(&mut self.ast, order($(row::<$source>($number)),+));
                self.ast.unify_groups();
                self
            }

            /// Makes one row of the answer of all rows that agree in these.
            pub fn group_by<'q, R: Grouping<'q>>(
                mut self,
                group: impl FnOnce($(Row<'q, $source>),+) -> R,
            ) -> Self {
                for tree in group($(row::<$source>($number)),+).trees() {
                    let node = self.ast.add(tree);
                    self.ast.shape.group_by.push(node);
                }
                self.ast.unify_groups();
                self
            }

            /// Keeps the groups for which `condition` is true.
            pub fn having<F>(mut self, condition: F) -> Self
            where
                F: for<'q> FnOnce($(Row<'q, $source>),+) -> Expr<'q, bool>,
            {
                let node = self.ast.add(condition($(row::<$source>($number)),+).into_tree());
                self.ast.shape.having.push(node);
                self.ast.unify_groups();
                self
            }

            /// Says what a row of the answer is: a column, an expression, a whole row, or a tuple.
            pub fn select<'q, R: Selection<'q>>(
                mut self,
                select: impl FnOnce($(Row<'q, $source>),+) -> R,
            ) -> Query<$sources, R::Out> {
                self.ast.shape.select.clear();
                select($(row::<$source>($number)),+).add_all(&mut self.ast);
                self.ast.unify_groups();
                self.retyped(R::load)
            }
        }
    };
}

macro_rules! joins {
    ($($source:ident $number:literal),* ; $next:ident ; $sources:ty) => {
        impl<A: Schema, $($source: Source,)* O> Query<$sources, O> {
            /// Joins along an association of the root; rows without a partner go.
            pub fn join<$next: Schema>(
                self,
                relation: Relation<A, $next>,
            ) -> Query<(A, $($source,)* $next), O> {
                self.joined($next::table(), JoinKind::Inner, |source| along(relation, source))
            }

            /// Joins along an association of the root; rows without a partner stay.
            pub fn left_join<$next: Schema>(
                self,
                relation: Relation<A, $next>,
            ) -> Query<(A, $($source,)* Left<$next>), O> {
                self.joined($next::table(), JoinKind::Left, |source| along(relation, source))
            }

            /// Joins rows of another table on a condition; rows without a partner go.
            pub fn join_on<$next: Schema>(
                self,
                on: impl for<'q> FnOnce(
                    Row<'q, A>,
                    $(Row<'q, $source>,)*
                    Row<'q, $next>,
                ) -> Expr<'q, bool>,
            ) -> Query<(A, $($source,)* $next), O> {
                self.joined($next::table(), JoinKind::Inner, |source| {
                    on(row::<A>(0), $(row::<$source>($number),)* row::<$next>(source)).into_tree()
                })
            }

            /// Joins rows of another table on a condition; rows without a partner stay.
            pub fn left_join_on<$next: Schema>(
                self,
                on: impl for<'q> FnOnce(
                    Row<'q, A>,
                    $(Row<'q, $source>,)*
                    Row<'q, $next>,
                ) -> Expr<'q, bool>,
            ) -> Query<(A, $($source,)* Left<$next>), O> {
                self.joined($next::table(), JoinKind::Left, |source| {
                    on(row::<A>(0), $(row::<$source>($number),)* row::<$next>(source)).into_tree()
                })
            }
        }
    };
}

sources!(A 0 ; A);
sources!(A 0, B 1 ; (A, B));
sources!(A 0, B 1, C 2 ; (A, B, C));
sources!(A 0, B 1, C 2, D 3 ; (A, B, C, D));
joins!( ; B ; A);
joins!(B 1 ; C ; (A, B));
joins!(B 1, C 2 ; D ; (A, B, C));

#[cfg(test)]
mod tests;
