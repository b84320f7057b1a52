//! Trees being read: the roots of all results of a shape that are asked, then level by level what
//! hangs on them, in one statement for each edge.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use super::super::plan::Level;
use super::super::plan::LivePlan;
use super::super::plan::TreeEdge;
use super::super::plan::with_branches;
use super::super::router::ResultId;
use crate::adapter::Statement;
use crate::value::Row;
use crate::value::Value;

/// The numbers of the edges from the root to a level.
type Path = Vec<usize>;

/// The rows of one edge by the value that leads to them.
type Branches = HashMap<Value, Vec<Row>>;

/// A reading of trees of one shape.
#[derive(Debug)]
pub(crate) struct Growth {
    plan: Arc<LivePlan>,
    results: Vec<ResultId>,
    roots: Vec<Vec<Row>>,
    rows: BTreeMap<Path, Branches>,
    /// What is being read: the roots, or these edges.
    statements: Vec<Statement>,
    paths: Vec<Path>,
}

impl Growth {
    /// Begins with the roots, which `statements` read.
    pub(crate) fn new(plan: Arc<LivePlan>, results: Vec<(ResultId, Statement)>) -> Self {
        let (results, statements) = results.into_iter().unzip();
        Self {
            plan,
            results,
            roots: Vec::new(),
            rows: BTreeMap::new(),
            statements,
            paths: Vec::new(),
        }
    }

    /// The results it is for.
    pub(crate) fn results(&self) -> &[ResultId] {
        &self.results
    }

    /// What to read next; nothing once the trees are whole.
    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Takes what was read.
    pub(crate) fn take(&mut self, answers: Vec<Vec<Row>>) {
        let Some(root) = &self.plan.tree else { return };
        let mut next: Vec<(Path, Vec<Value>)> = Vec::new();
        if self.roots.is_empty() {
            let rows = answers.iter().flatten();
            next.extend(wanted(&[], root, &rows));
            self.roots = answers;
        } else {
            for (path, rows) in std::mem::take(&mut self.paths).into_iter().zip(answers) {
                let Some(edge) = edge_at(root, &path) else { continue };
                let rows = edge.read.in_order(rows);
                next.extend(wanted(&path, &edge.below, &rows.iter()));
                let branches = self.rows.entry(path).or_default();
                for row in rows {
                    let link = edge.read.link_of(&row).clone();
                    branches.entry(link).or_default().push(row);
                }
            }
        }
        self.statements.clear();
        for (path, keys) in next {
            let Some(edge) = edge_at(root, &path) else { continue };
            self.statements.push(edge.reading(keys));
            self.paths.push(path);
        }
    }

    /// The whole trees of each result.
    pub(crate) fn finish(self) -> Vec<(ResultId, Vec<Row>)> {
        let Some(root) = &self.plan.tree else { return Vec::new() };
        let whole = |row: &Row| assemble(row, root, &mut Vec::new(), &self.rows);
        let trees = self.roots.iter().map(|rows| rows.iter().map(whole).collect());
        self.results.iter().copied().zip(trees).collect()
    }
}

/// What to read below `rows`: for each edge, the values that lead on.
fn wanted<'r>(
    path: &[usize],
    level: &Level,
    rows: &(impl Iterator<Item = &'r Row> + Clone),
) -> Vec<(Path, Vec<Value>)> {
    let edges = level.edges.iter().enumerate().filter_map(|(number, edge)| {
        let values = rows.clone().map(|row| row.values()[edge.owner_column].clone());
        let mut keys: Vec<Value> = values.filter(|value| !value.is_null()).collect();
        keys.sort_unstable();
        keys.dedup();
        let path = path.iter().copied().chain([number]).collect();
        (!keys.is_empty()).then_some((path, keys))
    });
    edges.collect()
}

fn edge_at<'l>(root: &'l Level, path: &[usize]) -> Option<&'l TreeEdge> {
    let (first, rest) = path.split_first()?;
    let edge = root.edges.get(*first)?;
    if rest.is_empty() { Some(edge) } else { edge_at(&edge.below, rest) }
}

/// A row with everything that hangs on it.
fn assemble(row: &Row, level: &Level, path: &mut Path, rows: &BTreeMap<Path, Branches>) -> Row {
    let mut branches = Vec::with_capacity(level.edges.len());
    for (number, edge) in level.edges.iter().enumerate() {
        path.push(number);
        let link = &row.values()[edge.owner_column];
        let below = rows.get(path).and_then(|branches| branches.get(link));
        let below = below.map_or(&[][..], Vec::as_slice).iter();
        let whole: Vec<Value> =
            below.map(|row| assemble(row, &edge.below, path, rows).into()).collect();
        branches.push(Value::Array(whole.into()));
        path.pop();
    }
    with_branches(row, level.start, branches)
}
