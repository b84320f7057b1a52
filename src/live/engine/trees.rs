//! The tree tier through a tick: which branches touched rows lead to, and what follows from reading them.
//!
//! **Invariant:** a reading is taken as a whole or not at all: a tick that breaks off leaves all trees
//! as they were, and the next one is told of the same keys again.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::super::feed::Tick;
use super::super::plan::Level;
use super::super::plan::MANY_RESULTS;
use super::super::plan::Role;
use super::super::result::LiveResult;
use super::super::result::Touch;
use super::super::router::FamilyId;
use super::super::router::ResultId;
use super::Ask;
use super::Engine;
use super::Touched;
use super::growth::Growth;
use super::growth::Stale;
use crate::schema::Table;
use crate::value::Row;

/// The touched branches of each shape, by edge.
pub(super) type StaleTrees = HashMap<FamilyId, Vec<Stale>>;

fn touches<'t>(touched: &'t Touched, table: &'static Table) -> Option<&'t [Touch]> {
    let (_, rows) = touched.iter().find(|(read, _)| std::ptr::eq(*read, table))?;
    Some(rows)
}

impl Engine {
    /// The schemas whose touched rows lead to branches.
    pub(super) fn schemas_in_trees(&self, table: &str) -> Vec<&'static Table> {
        let wooded = self.wooded.get(table).map_or(&[][..], Vec::as_slice);
        let led = wooded.iter().filter(|(_, _, role)| !matches!(role, Role::Inside(_)));
        led.map(|(_, schema, _)| *schema).collect()
    }

    /// The branches that a tick's rows led to, or lead to now.
    pub(super) fn stale_trees(&self, tick: &Tick, touched: &Touched) -> StaleTrees {
        let mut stale = StaleTrees::new();
        for (table, keys) in &tick.touched {
            for &(id, schema, role) in self.wooded.get(table.as_str()).into_iter().flatten() {
                let Some(family) = self.families.get(&id) else { continue };
                let Some((tree, forest)) = family.plan.tree.as_ref().zip(family.forest.as_ref())
                else {
                    continue;
                };
                let rows = touches(touched, schema).filter(|_| !keys.is_all());
                let edges = tree.all_edges();
                let stale = stale.entry(id).or_insert_with(|| vec![Stale::default(); edges.len()]);
                match (role, rows) {
                    (Role::Target(number), Some(rows)) => {
                        for touch in rows {
                            forest.led_to(edges[number], touch, &mut stale[number].rows);
                        }
                    }
                    (Role::Between(number), Some(rows)) => {
                        let Stale { rows: links, between } = &mut stale[number];
                        for touch in rows {
                            forest.led_by(edges[number], touch, between);
                        }
                        links.extend(between.iter().cloned());
                    }
                    (Role::Target(number) | Role::Inside(number), _) => {
                        stale[number].rows.extend(forest.links(number).cloned());
                    }
                    (Role::Between(number), None) => {
                        stale[number].rows.extend(forest.links(number).cloned());
                        stale[number].between.extend(forest.links(number).cloned());
                    }
                }
            }
        }
        let is_stale = |edges: &Vec<Stale>| edges.iter().any(|edge| !edge.rows.is_empty());
        stale.retain(|_, edges| is_stale(edges));
        stale
    }

    /// Asks for the roots of these results, of one shape, and for what hangs on them; with
    /// `is_whole` nothing that is held counts.
    pub(super) fn growth(&self, ids: &[ResultId], is_whole: bool) -> Option<Growth> {
        let family = self.results.get(*ids.first()?)?.family;
        self.growth_of(family, ids, Vec::new(), is_whole)
    }

    fn growth_of(
        &self,
        id: FamilyId,
        ids: &[ResultId],
        stale: Vec<Stale>,
        is_whole: bool,
    ) -> Option<Growth> {
        let family = self.families.get(&id)?;
        let edges = family.plan.tree.iter().flat_map(Level::all_edges).collect::<Vec<_>>();
        let mut results: HashSet<ResultId, RandomState> = ids.iter().copied().collect();
        if let Some(forest) = &family.forest {
            for (number, stale) in stale.iter().enumerate() {
                forest.results_above(&edges, number, stale.rows.iter(), &mut results);
            }
        }
        let results = results.into_iter().collect();
        let mut growth = Growth::new(id, Arc::clone(&family.plan), is_whole, results);
        for ids in ids.chunks(MANY_RESULTS) {
            if let Some(statement) = self.holding_many(id, ids) {
                growth.ask_roots(ids.to_vec(), statement);
                continue;
            }
            for id in ids {
                let Some(result) = self.results.get(*id) else { continue };
                growth.ask_roots(vec![*id], result.holding());
            }
        }
        growth.ask_stale(stale);
        Some(growth)
    }

    /// Asks for the roots of trees, by shape, and for touched branches.
    pub(super) fn ask_trees(
        &self,
        mut roots: HashMap<FamilyId, Vec<ResultId>>,
        stale: StaleTrees,
        is_whole: bool,
    ) -> Vec<Ask> {
        let mut asks = Vec::new();
        for (family, stale) in stale {
            let ids = roots.remove(&family).unwrap_or_default();
            asks.extend(self.growth_of(family, &ids, stale, is_whole));
        }
        let rest = roots.iter();
        asks.extend(rest.filter_map(|(id, ids)| self.growth_of(*id, ids, Vec::new(), is_whole)));
        asks.into_iter().map(Ask::Tree).collect()
    }

    /// A reading of each live tree, to compare what is held with.
    pub(crate) fn trees(&self) -> Vec<Growth> {
        let live = self.results.iter().filter(|(_, result)| result.is_live());
        let trees = live.filter(|(_, result)| result.plan.tree.is_some());
        trees.filter_map(|(id, _)| self.growth(&[id], true)).collect()
    }

    /// What to ask instead of a question that failed, each result for itself; nothing where it was
    /// asked for one result alone.
    pub(crate) fn each(&self, growth: &Growth) -> Vec<Ask> {
        if growth.is_alone() {
            return Vec::new();
        }
        growth.results().iter().filter_map(|id| self.growth(&[*id], true)).map(Ask::Tree).collect()
    }

    /// Takes what was read of trees, and goes on where more hangs there.
    pub(super) fn take_grown(&mut self, mut growth: Growth, answers: Vec<Vec<Row>>) {
        let (roots, branches) = growth.sizes();
        self.count_for(growth.family, |counts| {
            counts.reruns += roots;
            counts.keyed += branches;
        });
        let family = self.families.get(&growth.family);
        growth.take(answers, family.and_then(|family| family.forest.as_ref()));
        if growth.statements().is_empty() {
            self.plant(growth);
        } else {
            self.growing.push(growth);
        }
    }

    /// Takes trees that were read to the end.
    fn plant(&mut self, growth: Growth) {
        let Some(family) = self.families.get_mut(&growth.family) else { return };
        let plan = Arc::clone(&family.plan);
        let Some((tree, forest)) = plan.tree.as_ref().zip(family.forest.as_mut()) else { return };
        let edges = tree.all_edges();
        let (mut roots, read) = growth.into_parts();
        roots.retain(|(id, _)| self.results.contains(*id));
        for (id, rows) in &roots {
            let held = self.results.get(*id).map_or(&[][..], |held| held.rows.shown(&plan));
            let held = held.iter().map(|keyed| &keyed.row);
            forest.set_roots(tree, *id, &held, &rows.iter());
        }
        let moved = forest.take(&edges, read);
        let read: HashSet<ResultId, RandomState> = roots.iter().map(|(id, _)| *id).collect();
        let mut whole: Vec<(ResultId, Vec<Row>)> = Vec::new();
        for id in moved.results.difference(&read) {
            if let Some(result) = self.results.get(*id) {
                let rows = result.rows.shown(&plan).iter();
                let rows = rows.map(|keyed| forest.hang_again(tree, keyed.row.clone(), &moved));
                whole.push((*id, rows.collect()));
            }
        }
        for (_, rows) in &mut roots {
            *rows = rows.iter().map(|row| forest.hang(tree, row)).collect();
        }
        for (id, rows) in whole {
            if let Some(result) = self.results.get_mut(id) {
                result.redraw(rows);
                self.note(id);
            }
        }
        for (id, rows) in roots {
            self.replace(id, rows);
        }
    }

    /// Lets go what hangs on the roots of a result that is no more.
    pub(super) fn fell(&mut self, id: ResultId, result: &LiveResult) {
        let Some(family) = self.families.get_mut(&result.family) else { return };
        let Some((tree, forest)) = result.plan.tree.as_ref().zip(family.forest.as_mut()) else {
            return;
        };
        let rows = result.rows.shown(&result.plan).iter().map(|keyed| &keyed.row);
        forest.set_roots(tree, id, &rows, &std::iter::empty());
        forest.sweep(&tree.all_edges());
    }
}
