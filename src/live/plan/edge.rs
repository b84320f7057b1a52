//! One edge of a live tree: how its rows are read, and which touched rows concern it.
//!
//! **Invariant:** the rows that hang on an owner depend on the value that leads to them alone, not on
//! the owner nor on the result; so they are held once for all.

use std::sync::Arc;

use super::Level;
use super::tables_of_inner;
use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::adapter::sql;
use crate::adapter::sql::Dialect;
use crate::adapter::sql::EdgeRead;
use crate::error::Result;
use crate::live::patch::Keyed;
use crate::live::step::Branch;
use crate::live::step::View;
use crate::query::Edge;
use crate::query::Output;
use crate::query::Plan;
use crate::query::ast::Shape;
use crate::query::eval::Evaluator;
use crate::query::eval::Semantics;
use crate::schema::Between;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// What touched rows of a table are to an edge with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// They may hang there.
    Target(usize),
    /// They may lead there.
    Between(usize),
    /// What hangs there may depend on any of them.
    Inside(usize),
}

/// What is the same for all edges of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    pub(super) dialect: &'static dyn Dialect,
    pub(super) semantics: Semantics,
}

/// One edge of a tree.
#[derive(Debug)]
pub(crate) struct TreeEdge {
    /// Its place among all edges of the tree: those above an edge come before it.
    pub(crate) number: usize,
    /// The edge whose rows own the rows here; none for those of the roots.
    pub(crate) above: Option<usize>,
    pub(crate) read: EdgeRead,
    /// The position of the column, in rows above, that leads to rows here.
    pub(crate) owner_column: usize,
    /// The position of the column here that this leads to, or that rows in between lead to.
    pub(crate) target_column: usize,
    pub(crate) between: Option<Via>,
    pub(crate) below: Level,
    name: &'static str,
    pub(super) is_one: bool,
    pub(crate) table: &'static Table,
    /// The tables that it reads, each with what its rows are here.
    pub(crate) roles: Vec<(&'static Table, Role)>,
    /// Tells of a row whether it may hang here, where that needs no database.
    filter: Option<(Plan, Semantics)>,
}

/// The table between owners and the rows of an edge.
#[derive(Debug)]
pub(crate) struct Via {
    pub(crate) table: &'static Table,
    /// The position of the column that owners' values lead to.
    pub(crate) from: usize,
    sql: Arc<str>,
    kinds: Arc<[Kind]>,
}

impl Via {
    fn new(between: &Between, dialect: &dyn Dialect) -> Result<Self> {
        let (sql, kinds) = sql::select_between(between, dialect)?;
        Ok(Self { table: between.table, from: between.from, sql, kinds })
    }

    /// The statement that reads the rows between that these values lead to.
    pub(crate) fn reading(&self, keys: Vec<Value>) -> Statement {
        Statement {
            sql: Arc::clone(&self.sql),
            params: vec![Value::Array(keys.into())],
            kinds: Arc::clone(&self.kinds),
            effect: Effect::None,
        }
    }

    /// Of a row that [`Via::reading`] read: its key, the value that leads to it, and the one that it
    /// leads on with.
    pub(crate) fn parts(&self, row: &Row) -> (Key, Value, Value) {
        let (key, ends) = row.values().split_at(self.table.primary_key.len());
        (key.to_vec().into(), ends[0].clone(), ends[1].clone())
    }
}

/// The question of `plan` without its order, if it can be told of a row whether it is in its answer.
pub(super) fn teller(plan: &Plan, semantics: Semantics) -> Option<Plan> {
    let mut plan = plan.clone();
    plan.ast.shape.order_by.clear();
    plan.ast.shape.edges.clear();
    let can_tell = Evaluator::new(&plan.ast.shape, &plan.ast.params, semantics).is_some();
    (can_tell && plan.is_whole_root() && !plan.ast.shape.is_grouped()).then_some(plan)
}

impl TreeEdge {
    pub(super) fn new(
        edge: &Edge,
        above: Option<usize>,
        next: &mut usize,
        ground: Ground,
    ) -> Result<Self> {
        let number = *next;
        *next += 1;
        let link = edge.link()?;
        let read = EdgeRead::new(edge, ground.dialect)?;
        let plan = Plan::new(&edge.ast)?;
        let between = match &link.between {
            None => None,
            Some(between) => Some(Via::new(between, ground.dialect)?),
        };
        let edges = &edge.ast.shape.edges;
        let filter = teller(&plan, ground.semantics).map(|plan| (plan, ground.semantics));
        Ok(Self {
            number,
            above,
            owner_column: link.owner_column,
            target_column: link.target_column,
            below: Level::grow(plan.items.len(), edges, Some(number), next, ground)?,
            name: edge.assoc.name,
            is_one: edge.is_one(),
            table: link.target,
            roles: roles(number, &plan.ast.shape, link.target, between.as_ref()),
            filter,
            between,
            read,
        })
    }

    /// True unless the row, as it is now, certainly does not hang here.
    pub(crate) fn may_hang(&self, row: &Row) -> bool {
        self.filter.as_ref().is_none_or(|(plan, semantics)| {
            Evaluator::planned(&plan.ast.shape, &plan.ast.params, *semantics).matches(row.values())
        })
    }

    /// The name of the column that is the key of rows here, where clients have it as it is.
    pub(super) fn key(&self) -> Option<&'static str> {
        let [position] = *self.table.primary_key else { return None };
        let column = &self.table.columns[position];
        let is_plain =
            matches!(column.kind, Kind::I16 | Kind::I32 | Kind::I64 | Kind::Text | Kind::Uuid);
        is_plain.then_some(column.field)
    }

    pub(super) fn branch(&self) -> Branch {
        let columns = self.table.columns.iter();
        let outputs = columns.map(|column| Output { name: column.field, kind: column.kind });
        Branch {
            name: self.name,
            is_one: self.is_one,
            view: View {
                outputs: outputs.collect(),
                key: self.key(),
                is_ordered: true,
                start: self.below.start,
                branches: self.below.branches(),
                resumable: None,
            },
        }
    }

    /// The rows that hang on one row.
    pub(crate) fn keyed(&self, branch: &Value) -> Vec<Keyed> {
        rows_of(branch).map(|row| Keyed { key: self.table.key_of(&row), row }).collect()
    }

    /// The statement that reads what hangs on rows above with these values.
    pub(crate) fn reading(&self, keys: Vec<Value>) -> Statement {
        Statement {
            sql: Arc::clone(&self.read.sql),
            params: self.read.params(keys),
            kinds: Arc::clone(&self.read.kinds),
            effect: Effect::None,
        }
    }
}

/// The rows that a value holds for an edge.
pub(crate) fn rows_of(branch: &Value) -> impl Iterator<Item = Row> + '_ {
    let rows = if let Value::Array(rows) = branch { &rows[..] } else { &[] };
    rows.iter().filter_map(Value::as_row)
}

fn roles(
    number: usize,
    shape: &Shape,
    target: &'static Table,
    between: Option<&Via>,
) -> Vec<(&'static Table, Role)> {
    let mut roles = vec![(target, Role::Target(number))];
    roles.extend(between.map(|via| (via.table, Role::Between(number))));
    let mut inside = tables_of_inner(shape);
    let is_answer =
        !shape.withs.is_empty() || shape.sources.iter().any(|source| source.answer.is_some());
    if is_answer || 0 < shape.offset {
        // Its rows may be those of an answer, or come behind one that is not held.
        inside.push(target);
    }
    roles.extend(inside.into_iter().map(|table| (table, Role::Inside(number))));
    roles
}
