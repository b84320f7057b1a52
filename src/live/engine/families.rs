//! The results of one shape: how they are kept is decided once, and what they ask is asked together.
//!
//! **Invariant:** a family has at least one result, or is forgotten.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::super::metrics::Counts;
use super::super::plan::JoinPlan;
use super::super::plan::Level;
use super::super::plan::LivePlan;
use super::super::result::Forest;
use super::super::result::Part;
use super::super::router::FamilyId;
use super::super::router::Ids;
use super::super::router::ResultId;
use super::Engine;
use crate::error::Error;
use crate::error::Result;
use crate::query::Plan;
use crate::query::ast::Ast;
use crate::value::Row;
use crate::value::Value;
use crate::value::Values;

/// All results of one shape.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) plan: Arc<LivePlan>,
    /// By their parameters.
    pub(super) results: HashMap<Values, ResultId, RandomState>,
    /// Several are read by one statement; not after that has failed.
    pub(super) may_ask_together: bool,
    /// In the join tier: the live results by the value of the leading route.
    by_route: HashMap<Value, Ids, RandomState>,
    /// In the join tier: the live results.
    live: Vec<ResultId>,
    /// In the join tier: which results hold rows that rest on a row of a source.
    held: HashMap<Part, Ids, RandomState>,
    /// In the tree tier: what hangs on the roots of the live results.
    pub(super) forest: Option<Forest>,
    /// What was done for them.
    pub(super) counts: Counts,
}

impl Family {
    fn new(plan: Arc<LivePlan>) -> Self {
        Self {
            forest: plan.tree.as_ref().map(Forest::new),
            plan,
            results: HashMap::default(),
            may_ask_together: true,
            by_route: HashMap::default(),
            live: Vec::new(),
            held: HashMap::default(),
            counts: Counts::default(),
        }
    }

    /// Lets rows find a result of the join tier.
    pub(super) fn add(&mut self, join: &JoinPlan, params: &[Value], id: ResultId) {
        self.live.push(id);
        if let Some((anchor, _)) = join.routes.first() {
            for value in anchor.values(params) {
                self.by_route.entry(value.clone()).or_default().add(id);
            }
        }
    }

    /// Undoes [`Family::add`].
    pub(super) fn remove(&mut self, join: &JoinPlan, params: &[Value], id: ResultId) {
        if let Some(place) = self.live.iter().position(|&live| live == id) {
            self.live.swap_remove(place);
        }
        if let Some((anchor, _)) = join.routes.first() {
            for value in anchor.values(params) {
                if let Entry::Occupied(mut ids) = self.by_route.entry(value.clone())
                    && ids.get_mut().remove(id)
                {
                    ids.remove();
                }
            }
        }
    }

    /// Notes that a result holds rows that rest on a row of a source, or does not any more.
    pub(super) fn hold(&mut self, part: Part, id: ResultId, is_held: bool) {
        if is_held {
            self.held.entry(part).or_default().add(id);
        } else if let Entry::Occupied(mut ids) = self.held.entry(part)
            && ids.get_mut().remove(id)
        {
            ids.remove();
        }
    }

    /// The results that hold rows that rest on a row of a source.
    pub(super) fn holding(&self, part: &Part) -> &[ResultId] {
        self.held.get(part).map_or(&[], Ids::as_slice)
    }

    /// The live results of the join tier.
    pub(super) fn live(&self) -> &[ResultId] {
        &self.live
    }

    /// The live results that a value of the leading route leads to; all without a route.
    pub(super) fn led_to(&self, join: &JoinPlan, value: Option<&Value>) -> &[ResultId] {
        match value.filter(|_| !join.routes.is_empty()) {
            Some(value) => self.by_route.get(value).map_or(&[], Ids::as_slice),
            None => &self.live,
        }
    }

    /// True when a touched row of a source matters to some result: one holds it, or its values lead
    /// to one. `row` is the row as it is now, if it was read.
    pub(super) fn is_concerned(&self, join: &JoinPlan, part: &Part, row: Option<&Row>) -> bool {
        if !self.holding(part).is_empty() {
            return true;
        }
        let source = &join.sources[usize::from(part.0)];
        match (row, join.routes.first()) {
            (Some(row), Some((anchor, _))) if source.leads => {
                self.by_route.contains_key(&row.values()[usize::from(anchor.column)])
            }
            _ => true,
        }
    }
}

impl Engine {
    /// The family of `ast`'s shape; a new one where nobody asked such a question before.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the question cannot be asked, or reads a table
    /// that the log does not watch.
    pub(super) fn family_for(&mut self, ast: &Ast) -> Result<FamilyId> {
        if let Some(&id) = self.by_shape.get(&ast.shape) {
            Plan::check(ast)?;
            return Ok(id);
        }
        let plan = LivePlan::new(ast, self.setting.semantics, self.setting.dialect)?;
        for table in plan.plan.ast.shape.tables() {
            if !self.watched.contains(table.name) {
                return Err(Error::invalid(format!(
                    "table `{0}` is not watched: install the change log with `ChangeLog::new([…, {0}])`",
                    table.name
                )));
            }
        }
        let id = self.next_family;
        self.next_family += 1;
        for (number, source) in (0_u16..).zip(plan.join.iter().flat_map(|join| &join.sources)) {
            self.joined.entry(source.table.name).or_default().push((id, number));
        }
        for edge in plan.tree.iter().flat_map(Level::all_edges) {
            for &(table, role) in &edge.roles {
                self.wooded.entry(table.name).or_default().push((id, table, role));
            }
        }
        self.families.insert(id, Family::new(Arc::new(plan)));
        self.by_shape.insert(ast.shape.clone(), id);
        Ok(id)
    }

    /// Forgets a family without results.
    pub(super) fn tidy_family(&mut self, id: FamilyId) {
        let is_empty = self.families.get(&id).is_some_and(|family| family.results.is_empty());
        if !is_empty {
            return;
        }
        let Some(family) = self.families.remove(&id) else { return };
        self.by_shape.retain(|_, held| *held != id);
        for source in family.plan.join.iter().flat_map(|join| &join.sources) {
            if let Some(families) = self.joined.get_mut(source.table.name) {
                families.retain(|(held, _)| *held != id);
            }
        }
        if family.forest.is_some() {
            self.wooded.retain(|_, families| {
                families.retain(|(held, ..)| *held != id);
                !families.is_empty()
            });
        }
    }
}
