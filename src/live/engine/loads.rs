//! Results are read for the first time beside the ticks, many together, and catch up on what they
//! missed.
//!
//! **Invariant:** the ticks that began after the oldest read that is on its way are remembered, and no
//! older ones.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::feed::News;
use super::super::feed::Tick;
use super::super::feed::snapshot::Position;
use super::super::plan::MANY_RESULTS;
use super::super::plan::split;
use super::super::result::LiveResult;
use super::super::result::Loading;
use super::super::router::FamilyId;
use super::super::router::ResultId;
use super::Engine;
use super::fold::Recent;
use super::fold::add_touched;
use crate::adapter::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::value::Row;

/// Results that are read together, at one state.
#[derive(Debug)]
pub(crate) struct Load {
    parts: Vec<Part>,
}

/// Results that one statement reads.
#[derive(Debug)]
struct Part {
    ids: Vec<ResultId>,
    statement: Statement,
}

impl Load {
    /// The statements, one after the other.
    pub(crate) fn statements(&self) -> Vec<Statement> {
        self.parts.iter().map(|part| part.statement.clone()).collect()
    }
}

/// What a load read, and the state it was read at.
pub(crate) type Loaded = Result<(Vec<Vec<Row>>, Position)>;

impl Engine {
    /// The next results to be read, if there are any.
    pub(crate) fn take_load(&mut self) -> Option<Load> {
        let mut alone: Vec<ResultId> = Vec::new();
        let mut families: HashMap<FamilyId, Vec<ResultId>> = HashMap::new();
        let mut count = 0;
        while count < MANY_RESULTS
            && let Some(id) = self.to_load.pop_front()
        {
            let Some(result) = self.results.get_mut(id) else { continue };
            let Some(loading) = &mut result.loading else { continue };
            loading.began = Some(self.ticks);
            *self.loading.entry(self.ticks).or_default() += 1;
            count += 1;
            let (family, is_alone) = (result.family, loading.is_alone);
            families.entry(family).or_default().push(id);
            self.count_for(family, |counts| counts.loads += 1);
            if is_alone {
                alone.push(id);
                break;
            }
        }
        let mut parts = Vec::new();
        for (family, ids) in families {
            parts.extend(self.parts(family, ids));
        }
        (!parts.is_empty()).then_some(Load { parts })
    }

    fn parts(&self, family: FamilyId, ids: Vec<ResultId>) -> Vec<Part> {
        if let Some(statement) = self.holding_many(family, &ids) {
            return vec![Part { ids, statement }];
        }
        let each = ids.into_iter().filter_map(|id| {
            let statement = self.results.get(id)?.holding();
            Some(Part { ids: vec![id], statement })
        });
        each.collect()
    }

    /// The statement that reads the held rows of several results of a shape, where there is one.
    pub(super) fn holding_many(&self, family: FamilyId, ids: &[ResultId]) -> Option<Statement> {
        let family = self.families.get(&family).filter(|family| family.may_ask_together)?;
        let params: Option<Vec<&[_]>> =
            ids.iter().map(|id| self.results.get(*id).map(|result| &*result.params)).collect();
        family.plan.holding_many(&params?)
    }

    /// Takes what a load read. One that failed as a whole is read again, each result for itself.
    pub(crate) fn loaded(&mut self, load: Load, loaded: Loaded) {
        let (answers, position) = match loaded {
            Ok((answers, position)) => (answers, Arc::new(position)),
            Err(error) => return self.failed_load(&load, error),
        };
        for (Part { ids, .. }, rows) in load.parts.into_iter().zip(answers) {
            let each = if ids.len() == 1 { vec![rows] } else { split(rows, ids.len()) };
            for (id, rows) in ids.into_iter().zip(each) {
                let Some(result) = self.results.get_mut(id) else { continue };
                let rows = result.keyed(rows);
                if let Some(loading) = &mut result.loading {
                    loading.rows = Some((rows, Arc::clone(&position)));
                    self.arrived.insert(id);
                }
            }
        }
    }

    fn failed_load(&mut self, load: &Load, error: Error) {
        let ids: Vec<ResultId> = load.parts.iter().flat_map(|part| &part.ids).copied().collect();
        if let [id] = ids[..] {
            return self.fail(id, error);
        }
        for part in &load.parts {
            self.ask_apart(&part.ids);
        }
        for id in ids {
            self.reload(id, true);
        }
    }

    /// Asks results for themselves from now on, where several were asked in one statement.
    pub(crate) fn ask_apart(&mut self, ids: &[ResultId]) {
        if let [first, _, ..] = ids
            && let Some(result) = self.results.get(*first)
            && let Some(family) = self.families.get_mut(&result.family)
        {
            family.may_ask_together = false;
        }
    }

    /// Reads the rows of a result again, from the beginning.
    fn reload(&mut self, id: ResultId, is_alone: bool) {
        let Some(result) = self.results.get_mut(id) else { return };
        let again = Box::new(Loading { is_alone, ..Loading::default() });
        let began = result.loading.replace(again).and_then(|loading| loading.began);
        self.arrived.remove(&id);
        self.to_load.push_back(id);
        self.ended_load(began);
    }

    fn ended_load(&mut self, began: Option<u64>) {
        if let Some(began) = began
            && let Some(count) = self.loading.get_mut(&began)
        {
            *count -= 1;
            if *count == 0 {
                self.loading.remove(&began);
            }
        }
    }

    /// Forgets that a result was to be read, or is being read.
    pub(super) fn forget_load(&mut self, id: ResultId, result: &LiveResult) {
        self.arrived.remove(&id);
        self.ended_load(result.loading.as_ref().and_then(|loading| loading.began));
    }

    /// Begins a tick: results that were read at or before its position go live. What was touched
    /// between the state they were read at and the tick is added to the tick: reading a row once
    /// too often changes nothing.
    pub(crate) fn begin(&mut self, tick: &mut Tick) {
        (self.next_origin.life, self.next_origin.from) = (tick.life, tick.position.from());
        self.is_torn = true;
        self.ticks += 1;
        let Some((&oldest, _)) = self.loading.first_key_value() else {
            self.recent.clear();
            return;
        };
        let own = tick.touched.clone();
        while self.recent.front().is_some_and(|recent| recent.number <= oldest) {
            self.recent.pop_front();
        }
        self.activate(tick);
        let (position, news) = (tick.position.clone(), tick.news);
        self.recent.push_back(Recent { number: self.ticks, position, news, touched: own });
    }

    /// Makes those results live whose rows were read at or before the tick's position.
    fn activate(&mut self, tick: &mut Tick) {
        let mut ready = Vec::new();
        let mut stale = Vec::new();
        for &id in &self.arrived {
            let Some(result) = self.results.get(id) else { continue };
            let loaded = result.loading.as_ref().and_then(|loading| loading.rows.as_ref());
            let Some((_, at)) = loaded else { continue };
            let mut missed = self.recent.iter().filter(|recent| !at.covers(&recent.position));
            if at.epoch != tick.position.epoch || missed.any(|recent| recent.news == News::Lost) {
                // Read in a life of the database, or a shape of its tables, that is over.
                stale.push(id);
            } else if tick.position.covers(at) {
                ready.push((id, Arc::clone(at)));
            }
        }
        for id in stale {
            self.reload(id, false);
        }
        let Some(version) = (!ready.is_empty()).then_some(self.version + 1) else { return };
        // A version of its own: a cursor from a former life of a result, whose changes nobody
        // followed since, must not fit.
        self.version = version;
        self.has_activated = true;
        let mut caught_up: Option<Arc<Position>> = None;
        for (id, at) in ready {
            // Results of one load share the state they were read at.
            if !caught_up.as_ref().is_some_and(|done| Arc::ptr_eq(done, &at)) {
                for recent in self.recent.iter().filter(|recent| !at.covers(&recent.position)) {
                    add_touched(&mut tick.touched, &recent.touched);
                }
                caught_up = Some(at);
            }
            let Some(result) = self.results.get_mut(id) else { continue };
            let Some(loading) = result.loading.take() else { continue };
            let began = loading.began;
            if let Some((rows, _)) = loading.rows {
                result.activate(rows, version);
                if result.plan.tree.is_some() {
                    // Its roots alone were read.
                    self.dry.insert(id);
                }
                self.arrived.remove(&id);
                self.ended_load(began);
                self.route(id);
                self.went_live.push(id);
            }
        }
    }
}
