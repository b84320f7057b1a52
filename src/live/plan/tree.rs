//! The tree tier: rows with what hangs on them, each level as values in the rows above.
//!
//! A row of a tree is the row of the question followed by one value for each edge: an array of the
//! rows that hang there, each an array of its columns followed by its own edges. So a tree is kept,
//! compared and replayed like any other answer, and differences are found level by level.

use std::collections::HashMap;
use std::sync::Arc;

use super::edge::Ground;
use super::edge::TreeEdge;
use crate::error::Result;
use crate::live::patch::Keyed;
use crate::live::patch::Op;
use crate::live::patch::diff;
use crate::live::step::Branch;
use crate::query::Edge;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

/// What hangs on the rows of one level.
#[derive(Debug)]
pub(crate) struct Level {
    /// How many values a row has before its edges.
    pub(crate) start: usize,
    pub(crate) edges: Vec<TreeEdge>,
}

impl Level {
    /// What hangs on roots of `start` values.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when an association names a field that is not there, or
    /// the database cannot express what hangs there.
    pub(super) fn new(start: usize, edges: &[Arc<Edge>], ground: Ground) -> Result<Self> {
        Self::grow(start, edges, None, &mut 0, ground)
    }

    /// What hangs on rows of the edge `above`; numbers edges from `next` on.
    pub(super) fn grow(
        start: usize,
        edges: &[Arc<Edge>],
        above: Option<usize>,
        next: &mut usize,
        ground: Ground,
    ) -> Result<Self> {
        let edges = edges.iter().map(|edge| TreeEdge::new(edge, above, next, ground));
        Ok(Self { start, edges: edges.collect::<Result<_>>()? })
    }

    /// All edges of the tree, each at its number.
    pub(crate) fn all_edges(&self) -> Vec<&TreeEdge> {
        let mut all = Vec::new();
        let mut open: Vec<&TreeEdge> = self.edges.iter().rev().collect();
        while let Some(edge) = open.pop() {
            all.push(edge);
            open.extend(edge.below.edges.iter().rev());
        }
        all
    }

    /// The branches as clients see them.
    pub(crate) fn branches(&self) -> Vec<Branch> {
        self.edges.iter().map(TreeEdge::branch).collect()
    }

    /// The steps from `old` to `new`, which reach inside rows where only what hangs on them changed.
    pub(crate) fn diff(&self, old: &[Keyed], new: &[Keyed]) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut by_key: Option<HashMap<&Key, &Row>> = None;
        for op in diff(old, new) {
            let Op::Update { new, columns } = op else {
                ops.push(op);
                continue;
            };
            let by_key = by_key
                .get_or_insert_with(|| old.iter().map(|keyed| (&keyed.key, &keyed.row)).collect());
            let before = by_key.get(&new.key);
            let mut rest = Vec::new();
            for column in columns {
                let edge = column.checked_sub(self.start).map(|edge| &self.edges[edge]);
                match (edge, before) {
                    (Some(edge), Some(before)) if edge.key().is_some() => {
                        let old_below = edge.keyed(&before.values()[column]);
                        let new_below = edge.keyed(&new.row.values()[column]);
                        if edge.is_one && !is_same_one(&old_below, &new_below) {
                            rest.push(column);
                            continue;
                        }
                        let ops_inside = edge.below.diff(&old_below, &new_below);
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

/// True where the only row is still the only one.
fn is_same_one(old: &[Keyed], new: &[Keyed]) -> bool {
    matches!((old, new), ([old], [new]) if old.key == new.key)
}

/// A row of a level with what hangs on it.
pub(crate) fn with_branches(
    row: &Row,
    start: usize,
    branches: impl IntoIterator<Item = Value>,
) -> Row {
    row.values()[..start].iter().cloned().chain(branches).collect()
}

#[cfg(all(test, feature = "sqlite"))]
#[path = "tree_law.rs"]
mod law;
