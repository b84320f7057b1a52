//! One tick through the engine: what rows to read, what to ask again, what to tell.

use std::collections::HashMap;
use std::collections::HashSet;
use std::hint::black_box;
use std::sync::Arc;

use super::super::feed::Keys;
use super::super::feed::News;
use super::super::feed::Tick;
use super::super::feed::snapshot::Position;
use super::super::result::LiveResult;
use super::super::result::Touch;
use super::super::router::ResultId;
use super::Ask;
use super::Engine;
use super::trees::StaleTrees;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

/// The touched rows of each table, as they are at the tick's snapshot.
pub(crate) type Touched = Vec<(&'static Table, Vec<Touch>)>;

/// A tick that results being read may have to catch up on.
#[derive(Debug)]
pub(super) struct Recent {
    pub(super) number: u64,
    pub(super) position: Position,
    pub(super) news: News,
    pub(super) touched: HashMap<String, Keys>,
}

/// Beyond so many keys of one table, reading all rows again costs less than telling them apart.
const MANY: usize = 10_000;

pub(super) fn add_touched(touched: &mut HashMap<String, Keys>, more: &HashMap<String, Keys>) {
    for (table, keys) in more {
        let held = touched.entry(table.clone()).or_insert_with(|| Keys::Some(HashSet::new()));
        match (&mut *held, keys) {
            (Keys::Some(held), Keys::Some(keys)) if held.len() + keys.len() <= MANY => {
                held.extend(keys.iter().cloned());
            }
            _ => *held = Keys::All,
        }
    }
}

impl Engine {
    /// The schemas whose touched rows must be read to fold `tick`.
    pub(crate) fn schemas_to_read(&self, tick: &Tick) -> Vec<&'static Table> {
        let known = tick.touched.iter().filter(|(_, keys)| !keys.is_all());
        let mut schemas: Vec<&'static Table> = Vec::new();
        for (table, _) in known {
            let joined =
                self.leading_schemas(table).into_iter().chain(self.schemas_in_trees(table));
            for schema in self.router.schemas(table).chain(joined) {
                if !schemas.iter().any(|held| std::ptr::eq(*held, schema)) {
                    schemas.push(schema);
                }
            }
        }
        schemas
    }

    /// Folds a tick in, and returns what must be asked at its snapshot.
    pub(crate) fn fold(&mut self, tick: &Tick, touched: &Touched) -> Vec<Ask> {
        let mut again: HashSet<ResultId> = HashSet::new();
        if self.is_unsure || tick.news == News::Lost {
            let live = self.results.iter().filter(|(_, result)| result.is_live());
            return self.again(live.map(|(id, _)| id), StaleTrees::new(), true);
        }
        for (table, keys) in &tick.touched {
            again.extend(self.router.reruns(table));
            if keys.is_all() {
                again.extend(self.router.all_in_memory(table));
            }
        }
        for (table, touches) in touched {
            self.fold_rows(table, touches);
        }
        again.extend(&self.dry);
        let mut asks = self.ask_joined(tick, touched, &mut again);
        let stale = self.stale_trees(tick, touched);
        asks.extend(self.again(again, stale, false));
        asks
    }

    fn fold_rows(&mut self, table: &'static Table, touches: &[Touch]) {
        let concerned = self.router.touched(table, touches);
        self.look_ahead(&concerned, touches);
        for own in concerned.chunk_by(|(left, _), (right, _)| left == right) {
            if let [(id, place)] = *own {
                self.fold_result(id, std::slice::from_ref(&touches[place]));
            } else {
                let all = own.iter().map(|(_, place)| touches[*place].clone());
                self.fold_result(own[0].0, &all.collect::<Vec<_>>());
            }
        }
    }

    /// Looks at what folding and telling will look at, one pointer further for all results at a
    /// time. Changes nothing: among a million results each of these looks waits for memory, and the
    /// processor waits for several at once where nothing else stands between.
    fn look_ahead(&self, concerned: &[(ResultId, usize)], touches: &[Touch]) {
        let results: Vec<(&LiveResult, &Key)> = concerned
            .iter()
            .filter_map(|(id, place)| Some((self.results.get(*id)?, &touches[*place].0)))
            .collect();
        let rows: Vec<&Row> =
            results.iter().filter_map(|(result, key)| result.rows.row(key)).collect();
        let names = results.iter().filter_map(|(result, _)| result.subscribers.only());
        let texts = rows
            .iter()
            .flat_map(|row| row.values())
            .filter_map(|value| if let Value::Text(text) = value { Some(text) } else { None });
        let first = |text: &Arc<str>| text.as_bytes().first().copied();
        black_box(texts.chain(names).filter_map(first).fold(0, |seen, byte| seen ^ byte));
    }

    /// Folds touched rows into one result.
    pub(super) fn fold_result(&mut self, id: ResultId, touches: &[Touch]) {
        let Some(result) = self.results.get_mut(id) else { return };
        result.fold(touches);
        if result.rows.needs_refill(&result.plan) {
            self.dry.insert(id);
        }
        self.note(id);
    }

    /// Keeps the router and the list of what is to be told true after rows of a result changed.
    pub(super) fn note(&mut self, id: ResultId) {
        let Some(result) = self.results.get_mut(id) else { return };
        let moved = result.rows.take_moved();
        if result.plan.join.is_some() {
            if let Some(family) = self.families.get_mut(&result.family) {
                for (part, is_held) in moved {
                    family.hold(part, id, is_held);
                }
            }
        } else {
            let table = result.plan.plan.ast.root();
            for ((_, key), is_held) in moved {
                self.router.hold(table, &key, id, is_held);
            }
        }
        if result.has_moved() {
            self.changed.insert(id);
        }
        if result.rows.is_in_doubt() {
            self.give_up(id);
        }
    }

    /// Takes the rows of a result that was asked again.
    pub(crate) fn replace(&mut self, id: ResultId, rows: Vec<Row>) {
        if let Some(result) = self.results.get_mut(id) {
            result.replace(rows);
            self.dry.remove(&id);
            self.note(id);
        }
    }

    /// The tick broke off. What was folded stays: the next tick starts from the same state, and
    /// reads the same rows as they are then. Only results that went live in this tick may have
    /// caught up on ticks before it, which the next does not tell again.
    pub(crate) fn broke_off(&mut self) {
        self.growing.clear();
        self.is_unsure |= self.has_activated;
    }
}
