//! What closures of `select`, `group_by` and `order_by` may return.

use super::Row;
use super::Source;
use super::ast;
use super::ast::Ast;
use super::ast::Function;
use super::ast::Item;
use super::ast::Node;
use super::ast::Order;
use super::ast::Tree;
use super::ast::WindowFunction;
use super::ast::index;
use super::expr::Col;
use super::expr::Expr;
use super::expr::IntoExpr;
use super::expr::Named;
use super::expr::Sort;
use crate::error::Error;
use crate::error::Result;
use crate::schema::RowReader;
use crate::schema::Schema;
use crate::value::FromValue;
use crate::value::Kind;
use crate::value::Row as Values;
use crate::value::Value;

/// One part of a selection: a column, an expression, or a whole row.
pub trait Part<'q> {
    /// What it is in Rust.
    type Out: 'static;

    /// Adds its expressions to `ast`.
    fn add(self, ast: &mut Ast);

    /// Reads it from the front of `values`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the values are of another kind.
    fn read(values: &mut &[Value]) -> Result<Self::Out>;
}

fn push(ast: &mut Ast, tree: Tree, name: Option<&'static str>, kind: Kind) {
    let node = ast.add(tree);
    let name = name.unwrap_or_else(|| default_name(ast, ast.shape.node(node)));
    ast.shape.select.push(Item { node, name, kind });
}

#[expect(clippy::wildcard_enum_match_arm, reason = "conditions have no name of their own")]
fn default_name(ast: &Ast, node: Node) -> &'static str {
    match node {
        Node::Column { source, column } => {
            let source = ast.shape.sources.get(usize::from(source));
            source.map_or("column", |source| column_name(ast, source, usize::from(column)))
        }
        Node::Aggregate(function, _) => aggregate_name(function),
        Node::Window(number) => match ast.shape.nodes.window(number).function {
            WindowFunction::RowNumber => "row_number",
            WindowFunction::Rank => "rank",
            WindowFunction::DenseRank => "dense_rank",
            WindowFunction::Lag(..) => "lag",
            WindowFunction::Lead(..) => "lead",
            WindowFunction::Aggregate(of) => match ast.shape.node(of) {
                Node::Aggregate(function, _) => aggregate_name(function),
                _ => "value",
            },
        },
        _ => "value",
    }
}

fn column_name(ast: &Ast, source: &ast::Source, column: usize) -> &'static str {
    let Some(answer) = source.answer else { return source.table.columns[column].field };
    let first = &ast.shape.withs[usize::from(answer.index)].first;
    let shown = first.select.get(column).map(|item| item.name);
    shown.unwrap_or_else(|| first.root().columns[column].field)
}

fn aggregate_name(function: Function) -> &'static str {
    match function {
        Function::Count | Function::CountDistinct => "count",
        Function::Sum => "sum",
        Function::Avg => "avg",
        Function::Min => "min",
        Function::Max => "max",
    }
}

fn read_one<T: FromValue>(values: &mut &[Value]) -> Result<T> {
    let (first, rest) =
        values.split_first().ok_or_else(|| Error::invalid("row ends before its last column"))?;
    *values = rest;
    T::from_value(first)
}

impl<'q, T: FromValue + 'static> Part<'q> for Col<'q, T> {
    type Out = T;

    fn add(self, ast: &mut Ast) {
        push(ast, self.into_tree(), None, T::KIND);
    }

    fn read(values: &mut &[Value]) -> Result<T> {
        read_one(values)
    }
}

impl<'q, T: FromValue + 'static> Part<'q> for Expr<'q, T> {
    type Out = T;

    fn add(self, ast: &mut Ast) {
        push(ast, self.into_tree(), None, T::KIND);
    }

    fn read(values: &mut &[Value]) -> Result<T> {
        read_one(values)
    }
}

impl<'q, T: FromValue + 'static> Part<'q> for Named<'q, T> {
    type Out = T;

    fn add(self, ast: &mut Ast) {
        push(ast, self.expr.into_tree(), Some(self.name), T::KIND);
    }

    fn read(values: &mut &[Value]) -> Result<T> {
        read_one(values)
    }
}

impl<'q, S: Schema + Source> Part<'q> for Row<'q, S> {
    type Out = S;

    fn add(self, ast: &mut Ast) {
        for (position, column) in S::table().columns.iter().enumerate() {
            let tree = super::expr::column(self.source, index(position));
            push(ast, tree, None, column.kind);
        }
    }

    fn read(values: &mut &[Value]) -> Result<S> {
        let (mine, rest) = values
            .split_at_checked(S::table().columns.len())
            .ok_or_else(|| Error::invalid("row ends before its last column"))?;
        *values = rest;
        let row: Values = mine.iter().cloned().collect();
        S::load(&mut RowReader::new(S::table(), &row))
    }
}

/// What a `select` may return: a part, or a tuple of parts.
pub trait Selection<'q> {
    /// The type of a row of the answer.
    type Out: 'static;

    /// Adds its expressions to `ast`.
    fn add_all(self, ast: &mut Ast);

    /// Reads a row of the answer.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the row holds something else.
    fn load(row: &Values) -> Result<Self::Out>;
}

impl<'q, P: Part<'q>> Selection<'q> for P {
    type Out = P::Out;

    fn add_all(self, ast: &mut Ast) {
        self.add(ast);
    }

    fn load(row: &Values) -> Result<P::Out> {
        P::read(&mut row.values())
    }
}

/// What a `group_by` may return: a column, an expression, or a tuple of them.
pub trait Grouping<'q> {
    /// The expressions.
    fn trees(self) -> Vec<Tree>;
}

impl<'q, T: FromValue> Grouping<'q> for Col<'q, T> {
    fn trees(self) -> Vec<Tree> {
        vec![self.into_tree()]
    }
}

impl<'q, T: FromValue> Grouping<'q> for Expr<'q, T> {
    fn trees(self) -> Vec<Tree> {
        vec![self.into_tree()]
    }
}

/// What an `order_by` may return: one part of an order, or a tuple of them.
pub trait Sorting<'q> {
    /// The parts, most important first.
    fn sorts(self) -> Vec<Sort<'q>>;
}

impl<'q> Sorting<'q> for Sort<'q> {
    fn sorts(self) -> Vec<Sort<'q>> {
        vec![self]
    }
}

pub(crate) fn add_order<'q>(ast: &mut Ast, sorting: impl Sorting<'q>) {
    for sort in sorting.sorts() {
        let node = ast.add(sort.tree);
        ast.shape.order_by.push(Order { node, direction: sort.direction, nulls: sort.nulls });
    }
}

macro_rules! tuples {
    ($(($($part:ident . $index:tt),+))*) => {$(
        impl<'q, $($part: Part<'q>),+> Selection<'q> for ($($part,)+) {
            type Out = ($($part::Out,)+);

            fn add_all(self, ast: &mut Ast) {
                $(self.$index.add(ast);)+
            }

            fn load(row: &Values) -> Result<Self::Out> {
                let mut values = row.values();
                Ok(($($part::read(&mut values)?,)+))
            }
        }

        impl<'q, $($part: Grouping<'q>),+> Grouping<'q> for ($($part,)+) {
            fn trees(self) -> Vec<Tree> {
                [$(self.$index.trees()),+].concat()
            }
        }

        impl<'q, $($part: Sorting<'q>),+> Sorting<'q> for ($($part,)+) {
            fn sorts(self) -> Vec<Sort<'q>> {
                let mut sorts = Vec::new();
                $(sorts.extend(self.$index.sorts());)+
                sorts
            }
        }
    )*};
}

tuples! {
    (A.0)
    (A.0, B.1)
    (A.0, B.1, C.2)
    (A.0, B.1, C.2, D.3)
    (A.0, B.1, C.2, D.3, E.4)
    (A.0, B.1, C.2, D.3, E.4, F.5)
    (A.0, B.1, C.2, D.3, E.4, F.5, G.6)
    (A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7)
}
