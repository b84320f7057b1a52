//! Which live results a change can touch.
//!
//! A touched row is looked up twice: by its key, in the results that hold it, and by its values, in
//! the results it may enter. The number of results that a change does not touch never shows.
//!
//! **Invariant:** the answer may name a result too many, never one too few.

use std::collections::HashMap;
use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::plan::Anchor;
use super::result::Touch;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Value;

/// The engine's number for a live result.
pub(crate) type ResultId = u64;

/// Where the changes of each table go.
#[derive(Debug, Default)]
pub(crate) struct Router {
    tables: HashMap<&'static str, Routes>,
}

/// Where the changes of one table go.
#[derive(Debug, Default)]
struct Routes {
    /// Results that are asked again on any change of the table.
    rerun: Vec<ResultId>,
    /// Results in memory, by schema: two schemas may show different columns of one table.
    schemas: Vec<Schema>,
}

#[derive(Debug)]
struct Schema {
    table: &'static Table,
    by_value: HashMap<(u16, Value), Vec<ResultId>, RandomState>,
    /// The columns of `by_value`, with how many results use each.
    columns: HashMap<u16, usize>,
    by_key: HashMap<Key, Vec<ResultId>, RandomState>,
    /// Results that any change of the table may enter.
    unanchored: Vec<ResultId>,
}

fn remove(list: &mut Vec<ResultId>, id: ResultId) {
    if let Some(place) = list.iter().position(|&held| held == id) {
        list.swap_remove(place);
    }
}

impl Router {
    fn schema(&mut self, table: &'static Table) -> &mut Schema {
        let schemas = &mut self.tables.entry(table.name).or_default().schemas;
        let place = schemas.iter().position(|schema| std::ptr::eq(schema.table, table));
        let place = place.unwrap_or_else(|| {
            schemas.push(Schema::new(table));
            schemas.len() - 1
        });
        &mut schemas[place]
    }

    /// Routes changes of `table` to a result kept in memory.
    pub(crate) fn add(&mut self, table: &'static Table, anchor: Option<&Anchor>, id: ResultId) {
        let routes = self.schema(table);
        match anchor {
            None => routes.unanchored.push(id),
            Some(Anchor { column, values }) => {
                *routes.columns.entry(*column).or_default() += 1;
                let distinct: HashSet<&Value> = values.iter().collect();
                for value in distinct {
                    routes.by_value.entry((*column, value.clone())).or_default().push(id);
                }
            }
        }
    }

    /// Undoes [`Router::add`].
    pub(crate) fn remove(&mut self, table: &'static Table, anchor: Option<&Anchor>, id: ResultId) {
        let routes = self.schema(table);
        match anchor {
            None => remove(&mut routes.unanchored, id),
            Some(Anchor { column, values }) => {
                if let Some(count) = routes.columns.get_mut(column) {
                    *count -= 1;
                }
                routes.columns.retain(|_, count| 0 < *count);
                for value in values {
                    let key = (*column, value.clone());
                    if let Some(ids) = routes.by_value.get_mut(&key) {
                        remove(ids, id);
                        if ids.is_empty() {
                            routes.by_value.remove(&key);
                        }
                    }
                }
            }
        }
    }

    /// Routes any change of `table` to a result that is asked again.
    pub(crate) fn add_rerun(&mut self, table: &'static str, id: ResultId) {
        self.tables.entry(table).or_default().rerun.push(id);
    }

    /// Undoes [`Router::add_rerun`].
    pub(crate) fn remove_rerun(&mut self, table: &'static str, id: ResultId) {
        if let Some(routes) = self.tables.get_mut(table) {
            remove(&mut routes.rerun, id);
        }
    }

    /// Notes that a result holds a row, or does not any more.
    pub(crate) fn hold(&mut self, table: &'static Table, key: Key, id: ResultId, is_held: bool) {
        let by_key = &mut self.schema(table).by_key;
        if is_held {
            let ids = by_key.entry(key).or_default();
            if !ids.contains(&id) {
                ids.push(id);
            }
        } else if let Some(ids) = by_key.get_mut(&key) {
            remove(ids, id);
            if ids.is_empty() {
                by_key.remove(&key);
            }
        }
    }

    /// The results in memory that a touched row may concern.
    pub(crate) fn touched(&self, table: &'static Table, touch: &Touch) -> Vec<ResultId> {
        let Some(schema) = self.in_memory(table) else { return Vec::new() };
        let (key, row) = touch;
        let mut ids = schema.by_key.get(key).cloned().unwrap_or_default();
        if let Some(row) = row {
            ids.extend_from_slice(&schema.unanchored);
            for &column in schema.columns.keys() {
                let value = row.values()[usize::from(column)].clone();
                if let Some(more) = schema.by_value.get(&(column, value)) {
                    ids.extend_from_slice(more);
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn in_memory(&self, table: &'static Table) -> Option<&Schema> {
        let schemas = &self.tables.get(table.name)?.schemas;
        schemas.iter().find(|schema| std::ptr::eq(schema.table, table))
    }

    /// The results that are asked again when `table` is touched.
    pub(crate) fn reruns(&self, table: &str) -> &[ResultId] {
        self.tables.get(table).map_or(&[], |routes| &routes.rerun)
    }

    /// Every result in memory over `table`.
    pub(crate) fn all_in_memory(&self, table: &str) -> Vec<ResultId> {
        let schemas = self.tables.get(table).map_or(&[][..], |routes| &routes.schemas);
        let mut ids: Vec<ResultId> = schemas
            .iter()
            .flat_map(|schema| schema.by_value.values().flatten().chain(&schema.unanchored))
            .copied()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The schemas over `table` whose rows must be read to route changes.
    pub(crate) fn schemas(&self, table: &str) -> impl Iterator<Item = &'static Table> + '_ {
        let schemas = self.tables.get(table).map_or(&[][..], |routes| &routes.schemas);
        let used = schemas.iter().filter(|schema| !schema.is_idle());
        used.map(|schema| schema.table)
    }
}

impl Schema {
    fn new(table: &'static Table) -> Self {
        Self {
            table,
            by_value: HashMap::default(),
            columns: HashMap::new(),
            by_key: HashMap::default(),
            unanchored: Vec::new(),
        }
    }

    fn is_idle(&self) -> bool {
        self.by_value.is_empty() && self.unanchored.is_empty()
    }
}
