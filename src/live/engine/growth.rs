//! Trees being read: roots and touched branches first, then level by level what hangs on rows that are
//! new there, in one statement for each edge.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::super::plan::Level;
use super::super::plan::LivePlan;
use super::super::plan::TreeEdge;
use super::super::plan::split;
use super::super::plan::with_branches;
use super::super::result::Forest;
use super::super::result::Read;
use super::super::router::FamilyId;
use super::super::router::ResultId;
use crate::adapter::Statement;
use crate::value::Row;
use crate::value::Value;

/// Values that lead to branches.
pub(super) type Links = HashSet<Value, RandomState>;

/// The touched branches of one edge.
#[derive(Clone, Debug, Default)]
pub(super) struct Stale {
    /// Their rows are to be read.
    pub(super) rows: Links,
    /// The rows between that lead to them as well.
    pub(super) between: Links,
}

/// What a statement reads.
#[derive(Debug)]
enum Asked {
    /// The roots of these results.
    Roots(Vec<ResultId>),
    /// Rows of an edge.
    Rows(usize),
    /// The rows between that lead to an edge.
    Between(usize),
}

/// A reading of trees of one shape.
#[derive(Debug)]
pub(crate) struct Growth {
    pub(super) family: FamilyId,
    plan: Arc<LivePlan>,
    /// Nothing that is held counts: everything below the roots is read.
    is_whole: bool,
    /// The results it is for: those whose roots are read, and those that show a touched branch.
    results: Vec<ResultId>,
    roots: Vec<(ResultId, Vec<Row>)>,
    read: Vec<Read>,
    asked: Vec<Asked>,
    statements: Vec<Statement>,
}

impl Growth {
    /// A reading that asks nothing yet, for `results`.
    pub(super) fn new(
        family: FamilyId,
        plan: Arc<LivePlan>,
        is_whole: bool,
        results: Vec<ResultId>,
    ) -> Self {
        let edges = plan.tree.as_ref().map_or(0, |tree| tree.all_edges().len());
        Self {
            family,
            plan,
            is_whole,
            results,
            roots: Vec::new(),
            read: (0..edges).map(|_| Read::default()).collect(),
            asked: Vec::new(),
            statements: Vec::new(),
        }
    }

    /// Asks for the roots of these results, which one statement reads.
    pub(super) fn ask_roots(&mut self, results: Vec<ResultId>, statement: Statement) {
        self.asked.push(Asked::Roots(results));
        self.statements.push(statement);
    }

    /// Asks for touched branches.
    pub(super) fn ask_stale(&mut self, stale: Vec<Stale>) {
        let plan = Arc::clone(&self.plan);
        for (edge, stale) in plan.tree.iter().flat_map(Level::all_edges).zip(stale) {
            self.ask(edge, stale);
        }
    }

    fn ask(&mut self, edge: &TreeEdge, stale: Stale) {
        let read = &mut self.read[edge.number];
        let rows = unread(stale.rows, &mut read.rows);
        if !rows.is_empty() {
            self.asked.push(Asked::Rows(edge.number));
            self.statements.push(edge.reading(rows));
        }
        let Some(via) = &edge.between else { return };
        let between = unread(stale.between, &mut read.between);
        if !between.is_empty() {
            self.asked.push(Asked::Between(edge.number));
            self.statements.push(via.reading(between));
        }
    }

    /// The results it is for.
    pub(crate) fn results(&self) -> &[ResultId] {
        &self.results
    }

    /// Whether it reads one result and takes nothing from what is held.
    pub(super) fn is_alone(&self) -> bool {
        self.is_whole && self.results.len() < 2
    }

    /// What to read next; nothing once the trees are whole.
    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// How many results the statements read the roots of, and how many statements read branches.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let roots = self.asked.iter().map(|asked| match asked {
            Asked::Roots(ids) => (ids.len() as u64, 0),
            Asked::Rows(_) | Asked::Between(_) => (0, 1),
        });
        roots.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// Takes what was read; what hangs on it and is not in `forest` is read next.
    pub(crate) fn take(&mut self, answers: Vec<Vec<Row>>, forest: Option<&Forest>) {
        let plan = Arc::clone(&self.plan);
        let Some(tree) = &plan.tree else { return };
        let edges = tree.all_edges();
        let forest = forest.filter(|_| !self.is_whole);
        let mut next: Vec<Links> = edges.iter().map(|_| Links::default()).collect();
        let mut want = |level: &Level, row: &Row| {
            for edge in &level.edges {
                let value = &row.values()[edge.owner_column];
                if !value.is_null() && !forest.is_some_and(|held| held.holds(edge.number, value)) {
                    next[edge.number].insert(value.clone());
                }
            }
        };
        self.statements.clear();
        for (asked, rows) in std::mem::take(&mut self.asked).into_iter().zip(answers) {
            match asked {
                Asked::Roots(ids) => {
                    for row in &rows {
                        want(tree, row);
                    }
                    let parts = if ids.len() == 1 { vec![rows] } else { split(rows, ids.len()) };
                    self.roots.extend(ids.into_iter().zip(parts));
                }
                Asked::Rows(number) => {
                    let edge = edges[number];
                    for row in edge.read.in_order(rows) {
                        want(&edge.below, &row);
                        // The database may take two values for equal that we do not.
                        let branch = self.read[number].rows.get_mut(edge.read.link_of(&row));
                        if let Some(branch) = branch {
                            branch.push(row);
                        }
                    }
                }
                Asked::Between(number) => {
                    let Some(via) = &edges[number].between else { continue };
                    for row in rows {
                        let (key, from, to) = via.parts(&row);
                        if let Some(branch) = self.read[number].between.get_mut(&from) {
                            branch.push((key, to));
                        }
                    }
                }
            }
        }
        for (edge, links) in edges.into_iter().zip(next) {
            self.ask(edge, Stale { rows: links.clone(), between: links });
        }
    }

    /// What was read: the roots, and the branches of each edge.
    pub(super) fn into_parts(self) -> (Vec<(ResultId, Vec<Row>)>, Vec<Read>) {
        (self.roots, self.read)
    }

    /// The whole trees of the results whose roots were read, from what was read alone.
    pub(crate) fn finish(self) -> Vec<(ResultId, Vec<Row>)> {
        let Some(root) = &self.plan.tree else { return Vec::new() };
        let whole = |row: &Row| assemble(row, root, &self.read);
        let trees = self.roots.iter().map(|(id, rows)| (*id, rows.iter().map(whole).collect()));
        trees.collect()
    }
}

/// Those of `links` that were not asked for yet, and are from now on.
fn unread<T>(links: Links, read: &mut HashMap<Value, Vec<T>, RandomState>) -> Vec<Value> {
    let mut links: Vec<Value> = links.into_iter().filter(|link| !read.contains_key(link)).collect();
    links.sort_unstable();
    read.extend(links.iter().map(|link| (link.clone(), Vec::new())));
    links
}

/// A row with everything that hangs on it.
fn assemble(row: &Row, level: &Level, read: &[Read]) -> Row {
    let branches = level.edges.iter().map(|edge| {
        let rows = read[edge.number].rows.get(&row.values()[edge.owner_column]);
        let rows = rows.map_or(&[][..], Vec::as_slice).iter();
        Value::Array(rows.map(|row| assemble(row, &edge.below, read).into()).collect())
    });
    with_branches(row, level.start, branches.collect::<Vec<_>>())
}
