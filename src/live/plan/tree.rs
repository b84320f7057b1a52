//! The tree tier: rows with what hangs on them, each level as values in the rows above.
//!
//! A row of a tree is the row of the question followed by one value for each edge: an array of the
//! rows that hang there, each an array of its columns followed by its own edges. So a tree is kept,
//! compared and replayed like any other answer, and differences are found level by level.

use std::sync::Arc;

use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::adapter::sql::Dialect;
use crate::adapter::sql::EdgeRead;
use crate::error::Result;
use crate::live::patch::Keyed;
use crate::live::patch::Op;
use crate::live::patch::diff;
use crate::live::step::Branch;
use crate::live::step::View;
use crate::query::Edge;
use crate::query::Output;
use crate::query::Plan;
use crate::schema::Table;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// What hangs on the rows of one level.
#[derive(Debug)]
pub(crate) struct Level {
    /// How many values a row has before its edges.
    pub(crate) start: usize,
    pub(crate) edges: Vec<TreeEdge>,
}

/// One edge of a tree.
#[derive(Debug)]
pub(crate) struct TreeEdge {
    pub(crate) read: EdgeRead,
    /// The position of the column, in rows above, that leads to rows here.
    pub(crate) owner_column: usize,
    pub(crate) below: Level,
    name: &'static str,
    is_one: bool,
    table: &'static Table,
}

impl Level {
    /// What hangs on rows of `start` values.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when an association names a field that is not there, or
    /// the database cannot express what hangs there.
    pub(crate) fn new(start: usize, edges: &[Arc<Edge>], dialect: &dyn Dialect) -> Result<Self> {
        let edges = edges.iter().map(|edge| TreeEdge::new(edge, dialect));
        Ok(Self { start, edges: edges.collect::<Result<_>>()? })
    }

    /// The branches as clients see them.
    pub(crate) fn branches(&self) -> Vec<Branch> {
        self.edges.iter().map(TreeEdge::branch).collect()
    }

    /// The steps from `old` to `new`, which reach inside rows where only what hangs on them changed.
    pub(crate) fn diff(&self, old: &[Keyed], new: &[Keyed]) -> Vec<Op> {
        let mut ops = Vec::new();
        for op in diff(old, new) {
            let Op::Update { new, columns } = op else {
                ops.push(op);
                continue;
            };
            let before = old.iter().find(|keyed| keyed.key == new.key);
            let mut rest = Vec::new();
            for column in columns {
                let edge = column.checked_sub(self.start).map(|edge| &self.edges[edge]);
                match (edge, before) {
                    (Some(edge), Some(before)) if !edge.is_one && edge.key().is_some() => {
                        let ops_inside = edge.below.diff(
                            &edge.keyed(&before.row.values()[column]),
                            &edge.keyed(&new.row.values()[column]),
                        );
                        ops.push(Op::Inside { new: new.clone(), column, ops: ops_inside });
                    }
                    _ => rest.push(column),
                }
            }
            if !rest.is_empty() {
                ops.push(Op::Update { new, columns: rest });
            }
        }
        ops
    }
}

impl TreeEdge {
    fn new(edge: &Edge, dialect: &dyn Dialect) -> Result<Self> {
        let link = edge.link()?;
        let read = EdgeRead::new(edge, dialect)?;
        let plan = Plan::new(&edge.ast)?;
        Ok(Self {
            owner_column: link.owner_column,
            below: Level::new(plan.items.len(), &edge.ast.shape.edges, dialect)?,
            name: edge.assoc.name,
            is_one: edge.is_one(),
            table: link.target,
            read,
        })
    }

    /// The name of the column that is the key of rows here, where clients have it as it is.
    fn key(&self) -> Option<&'static str> {
        let [position] = *self.table.primary_key else { return None };
        let column = &self.table.columns[position];
        let is_plain =
            matches!(column.kind, Kind::I16 | Kind::I32 | Kind::I64 | Kind::Text | Kind::Uuid);
        is_plain.then_some(column.field)
    }

    fn branch(&self) -> Branch {
        let columns = self.table.columns.iter();
        let outputs = columns.map(|column| Output { name: column.field, kind: column.kind });
        Branch {
            name: self.name,
            is_one: self.is_one,
            view: View {
                outputs: outputs.collect(),
                key: self.key(),
                is_ordered: true,
                bind: 0,
                start: self.below.start,
                branches: self.below.branches(),
                resumable: None,
            },
        }
    }

    /// The rows that hang on one row.
    pub(crate) fn keyed(&self, branch: &Value) -> Vec<Keyed> {
        let Value::Array(rows) = branch else { return Vec::new() };
        let rows = rows.iter().filter_map(Value::as_row);
        rows.map(|row| Keyed { key: self.table.key_of(&row), row }).collect()
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

/// A row of a level with what hangs on it.
pub(crate) fn with_branches(row: &Row, start: usize, branches: Vec<Value>) -> Row {
    row.values()[..start].iter().cloned().chain(branches).collect()
}

#[cfg(all(test, feature = "sqlite"))]
#[path = "tree_law.rs"]
mod law;
