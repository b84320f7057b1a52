//! Which live results a change can touch.
//!
//! A touched row is looked up twice: by its key, in the results that hold it, and by its values, in
//! the results it may enter. The number of results that a change does not touch never shows.
//!
//! **Invariant:** the answer may name a result too many, never one too few.

mod flat;
mod index;
mod ranges;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use self::index::Index;
pub(crate) use self::ranges::Interval;
use self::ranges::Ranges;
use super::result::Touch;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Value;

/// The engine's number for a live result; its low half is never all ones.
pub(crate) type ResultId = u64;

/// The engine's number for all results of one shape.
pub(crate) type FamilyId = u32;

/// Some results, each once; mostly it is one.
#[derive(Debug, Default)]
pub(crate) enum Ids {
    /// None.
    #[default]
    None,
    /// One.
    One([ResultId; 1]),
    /// Several; behind one pointer, since tables keep room for twice as many as they hold.
    #[expect(clippy::box_collection, reason = "it is a third of the size")]
    Many(Box<Vec<ResultId>>),
}

impl Ids {
    /// The results.
    pub(crate) fn as_slice(&self) -> &[ResultId] {
        match self {
            Self::None => &[],
            Self::One(id) => id,
            Self::Many(ids) => ids,
        }
    }

    /// Adds a result that may be there already.
    pub(crate) fn add(&mut self, id: ResultId) {
        match self {
            Self::None => *self = Self::One([id]),
            Self::One([held]) if *held == id => {}
            Self::One([held]) => *self = Self::Many(Box::new(vec![*held, id])),
            Self::Many(ids) if ids.contains(&id) => {}
            Self::Many(ids) => ids.push(id),
        }
    }

    /// Takes a result out, and says whether none is left.
    pub(crate) fn remove(&mut self, id: ResultId) -> bool {
        match self {
            Self::None => return true,
            Self::One([held]) if *held == id => *self = Self::None,
            Self::One(_) => {}
            Self::Many(ids) => {
                if let Some(place) = ids.iter().position(|&held| held == id) {
                    ids.swap_remove(place);
                }
                if let [last] = ***ids {
                    *self = Self::One([last]);
                }
            }
        }
        self.as_slice().is_empty()
    }
}

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
    /// By the values of each column that some result is anchored in.
    by_value: HashMap<u16, Index<Value>, RandomState>,
    by_key: Index<Key>,
    /// By the values of each column that some result wants within bounds.
    ranges: HashMap<u16, Ranges, RandomState>,
    /// Results that any change of the table may enter.
    unanchored: Vec<ResultId>,
}

/// What the rows that may enter a result have in common.
#[derive(Clone, Debug)]
pub(crate) enum Lead<'a> {
    /// One of these values in a column.
    Values(u16, &'a [Value]),
    /// A value within bounds in a column.
    Range(u16, Interval),
    /// Nothing.
    All,
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
    pub(crate) fn add(&mut self, table: &'static Table, lead: Lead<'_>, id: ResultId) {
        let routes = self.schema(table);
        match lead {
            Lead::Values(column, values) => {
                let by_value = routes.by_value.entry(column).or_default();
                for value in values {
                    by_value.add(value, id);
                }
            }
            Lead::Range(column, interval) => {
                routes.ranges.entry(column).or_default().add(interval, id);
            }
            Lead::All => routes.unanchored.push(id),
        }
    }

    /// Undoes [`Router::add`].
    pub(crate) fn remove(&mut self, table: &'static Table, lead: &Lead<'_>, id: ResultId) {
        let routes = self.schema(table);
        match lead {
            Lead::Values(column, values) => routes.remove_values(*column, values, id),
            Lead::Range(column, _) => {
                if let Some(ranges) = routes.ranges.get_mut(column) {
                    ranges.remove(id);
                    if ranges.is_empty() {
                        routes.ranges.remove(column);
                    }
                }
            }
            Lead::All => remove(&mut routes.unanchored, id),
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
    pub(crate) fn hold(&mut self, table: &'static Table, key: &Key, id: ResultId, is_held: bool) {
        let by_key = &mut self.schema(table).by_key;
        if is_held {
            by_key.add(key, id);
        } else {
            by_key.remove(key, id);
        }
    }

    /// The results in memory that touched rows may concern, each with the place of the row among
    /// `touches`; once each, by result.
    ///
    /// # Cost
    ///
    /// A look-up for each row in each table of the schema. A table is first looked into for all rows,
    /// with nothing else between: among a million results every look-up waits for memory, and so the
    /// processor waits for many at once.
    pub(crate) fn touched(
        &self,
        table: &'static Table,
        touches: &[Touch],
    ) -> Vec<(ResultId, usize)> {
        let Some(schema) = self.in_memory(table) else { return Vec::new() };
        let rows = || {
            let rows = touches.iter().enumerate();
            rows.filter_map(|(place, (_, row))| Some((place, row.as_ref()?.values())))
        };
        schema.by_key.peek(touches.iter().map(|(key, _)| key));
        for (column, by_value) in &schema.by_value {
            by_value.peek(rows().map(|(_, values)| &values[usize::from(*column)]));
        }
        let mut found = Vec::with_capacity(2 * touches.len());
        let mut add = |place, ids: &[ResultId]| found.extend(ids.iter().map(|id| (*id, place)));
        for (place, (key, _)) in touches.iter().enumerate() {
            add(place, schema.by_key.get(key));
        }
        for (column, by_value) in &schema.by_value {
            for (place, values) in rows() {
                add(place, by_value.get(&values[usize::from(*column)]));
            }
        }
        let mut ids = Vec::new();
        for (place, values) in rows() {
            ids.extend_from_slice(&schema.unanchored);
            for (column, ranges) in &schema.ranges {
                let value = &values[usize::from(*column)];
                // No comparison with `NULL` is true.
                if !value.is_null() {
                    ranges.find(value, &mut ids);
                }
            }
            found.extend(ids.drain(..).map(|id| (id, place)));
        }
        found.sort_unstable();
        found.dedup();
        found
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
        let mut ids: Vec<ResultId> = schemas.iter().flat_map(Schema::all).collect();
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
            by_key: Index::default(),
            ranges: HashMap::default(),
            unanchored: Vec::new(),
        }
    }

    fn all(&self) -> impl Iterator<Item = ResultId> + '_ {
        let by_value = self.by_value.values().flat_map(Index::all);
        let ranges = self.ranges.values().flat_map(Ranges::all);
        by_value.chain(self.unanchored.iter().copied()).chain(ranges)
    }

    fn remove_values(&mut self, column: u16, values: &[Value], id: ResultId) {
        let Some(by_value) = self.by_value.get_mut(&column) else { return };
        for value in values {
            by_value.remove(value, id);
        }
        if by_value.is_empty() {
            self.by_value.remove(&column);
        }
    }

    fn is_idle(&self) -> bool {
        self.by_value.is_empty() && self.ranges.is_empty() && self.unanchored.is_empty()
    }
}
