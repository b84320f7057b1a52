//! Answers of several questions as one, and answers with a name.

use std::marker::PhantomData;

use super::Query;
use super::Source;
use super::ast::Answer;
use super::ast::Ast;
use super::ast::Combination;
use super::ast::Shape;
use super::ast::With;
use super::expr::Col;
use crate::schema::Present;
use crate::schema::Schema;
use crate::schema::Table;
use crate::value::FromValue;

/// The source of a query that combines the answers of others: its columns are what they show.
#[derive(Debug)]
pub struct Combined<O>(PhantomData<O>);

impl<S: Schema> Source for Combined<S> {
    type Columns<'q> = S::Columns<'q, Present>;

    fn columns<'q>(source: u16) -> Self::Columns<'q> {
        S::columns::<Present>(source)
    }
}

macro_rules! tuples {
    ($(($($part:ident $column:literal),+))*) => {$(
        impl<$($part: FromValue + 'static),+> Source for Combined<($($part,)+)> {
            type Columns<'q> = ($(Col<'q, $part>,)+);

            fn columns<'q>(source: u16) -> Self::Columns<'q> {
                ($(Col::<$part>::new(source, $column),)+)
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

impl<S, O> Query<S, O> {
    /// The rows of either answer, each once.
    pub fn union<R>(self, other: Query<R, O>) -> Query<Combined<O>, O> {
        self.combined(Combination::Union, other)
    }

    /// The rows of both answers.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// use recto::prelude::*;
    ///
    /// let said = from::<Message>().select(|m| (m.author, m.body));
    /// let names = from::<Room>().select(|room| (room.name, room.name));
    /// let all = said.union_all(names).order_by(|row| row.0.desc()).limit(1);
    /// assert_eq!(repo.all(all).await?, [("bob".to_owned(), "hello".to_owned())]);
    /// # Ok(())
    /// # });
    /// ```
    pub fn union_all<R>(self, other: Query<R, O>) -> Query<Combined<O>, O> {
        self.combined(Combination::UnionAll, other)
    }

    /// The rows that are in both answers, each once.
    pub fn intersect<R>(self, other: Query<R, O>) -> Query<Combined<O>, O> {
        self.combined(Combination::Intersect, other)
    }

    /// The rows that are not in the other answer, each once.
    pub fn except<R>(self, other: Query<R, O>) -> Query<Combined<O>, O> {
        self.combined(Combination::Except, other)
    }

    fn combined<R>(mut self, how: Combination, other: Query<R, O>) -> Query<Combined<O>, O> {
        let root = self.ast.root();
        let mut ast = Ast { shape: Shape::all_of(root), params: Vec::new() };
        ast.shape.edges = std::mem::take(&mut self.ast.shape.edges);
        let mut with = with(&mut ast, self.ast, None);
        let second = ast.take(other.ast);
        with.rest.push((how, second));
        ast.shape.push_with(with);
        ast.shape.sources[0].answer = Some(Answer { up: 0, index: 0 });
        Query { ast, load: self.load, preloads: self.preloads, sources: PhantomData }
    }

    /// Lets the table of `T` stand for the answer of `query`, here and in queries inside this one:
    /// `from::<T>()` and `join_on::<T>(…)` then read that answer. What `query` shows must be the
    /// columns of `T`, in their order.
    ///
    /// # Errors
    ///
    /// The query is [`Invalid`](crate::ErrorKind::Invalid) when it shows something else.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// use recto::prelude::*;
    ///
    /// /// No table of the database: a name for what a query shows.
    /// #[derive(Schema, Clone, Debug, Default)]
    /// #[schema(table = "totals")]
    /// struct Total {
    ///     #[schema(primary_key)]
    ///     author: String,
    ///     messages: i64,
    /// }
    ///
    /// let totals = from::<Message>().group_by(|m| m.author).select(|m| (m.author, count()));
    /// let busy = from::<Message>()
    ///     .join_on::<Total>(|m, total| total.author.eq(m.author))
    ///     .filter(|_, total| total.messages.ge(1))
    ///     .with::<Total, _, _>(totals);
    /// assert_eq!(repo.count(busy).await?, 2);
    /// # Ok(())
    /// # });
    /// ```
    pub fn with<T: Schema, R, P>(mut self, query: Query<R, P>) -> Self {
        let with = with(&mut self.ast, query.ast, Some(T::table()));
        self.ast.shape.push_with(with);
        self
    }

    /// [`with`](Query::with) for a query that reads its own answer: `first`, and what `rest` gives
    /// again and again, reading by `from::<T>()` the rows that came last, until nothing comes.
    pub fn with_recursive<T: Schema, R, Q, P>(
        mut self,
        first: Query<R, P>,
        rest: Query<Q, P>,
    ) -> Self {
        let mut with = with(&mut self.ast, first.ast, Some(T::table()));
        let rest = self.ast.take(rest.ast);
        with.rest.push((Combination::UnionAll, rest));
        with.is_recursive = true;
        self.ast.shape.push_with(with);
        self
    }
}

/// A question as one that `ast` can read the answer of; a mere combination stays one.
fn with(ast: &mut Ast, query: Ast, table: Option<&'static Table>) -> With {
    let mut shape = ast.take(query);
    if is_mere_combination(&shape)
        && let Some(with) = std::mem::take(&mut shape.withs).into_vec().pop()
    {
        return With { table, ..with };
    }
    With { table, first: shape, rest: Vec::new(), is_recursive: false }
}

/// True for a question that shows a combination of others as it is.
fn is_mere_combination(shape: &Shape) -> bool {
    let mut plain = Shape::all_of(shape.root());
    plain.withs.clone_from(&shape.withs);
    plain.sources[0].answer = Some(Answer { up: 0, index: 0 });
    matches!(&*shape.withs, [With { table: None, .. }]) && *shape == plain
}
