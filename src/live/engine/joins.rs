//! The join tier through a tick: what to read for touched rows, and what follows from it.
//!
//! **Invariant:** each read stands for itself: the held rows that rest on its keys give way to the
//! rows it brought. A tick that breaks off between two of them leaves nothing that the next one,
//! which is told of the same keys again, does not mend.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use super::super::feed::Tick;
use super::super::plan::JoinPlan;
use super::super::plan::MANY_ROWS;
use super::super::plan::Touching;
use super::super::result::Part;
use super::super::result::Rows;
use super::super::result::Touch;
use super::super::router::FamilyId;
use super::super::router::ResultId;
use super::Ask;
use super::Engine;
use super::Touched;
use super::families::Family;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Row;

/// What touched rows mean for results: rows of theirs by key, gone where `None`.
type Concerned = HashMap<ResultId, HashMap<Key, Option<Row>>>;

/// The rows of a schema that were read for this tick, by key.
fn rows_of<'t>(
    touched: &'t Touched,
    table: &'static Table,
) -> Option<HashMap<&'t Key, Option<&'t Row>>> {
    let (_, rows) = touched.iter().find(|(read, _)| std::ptr::eq(*read, table))?;
    Some(rows.iter().map(|(key, row)| (key, row.as_ref())).collect())
}

impl Engine {
    /// The schemas whose touched rows tell by themselves which joined results they may enter.
    pub(super) fn leading_schemas(&self, table: &str) -> Vec<&'static Table> {
        let joined = self.joined.get(table).map_or(&[][..], Vec::as_slice);
        let sources = joined.iter().filter_map(|(family, source)| {
            let join = self.families.get(family)?.plan.join.as_ref()?;
            let source = &join.sources[usize::from(*source)];
            source.leads.then_some(source.table)
        });
        sources.collect()
    }

    /// What to read for the join tier; results for which any row may have changed go to `again`.
    pub(super) fn ask_joined(
        &self,
        tick: &Tick,
        touched: &Touched,
        again: &mut HashSet<ResultId>,
    ) -> Vec<Ask> {
        let mut asks = Vec::new();
        for (table, keys) in &tick.touched {
            for &(id, source) in self.joined.get(table.as_str()).map_or(&[][..], Vec::as_slice) {
                let Some(family) = self.families.get(&id) else { continue };
                let Some(join) = &family.plan.join else { continue };
                let schema = join.sources[usize::from(source)].table;
                let read = keys.read(schema).filter(|keys| keys.len() <= MANY_ROWS);
                let Some(keys) = read else {
                    again.extend(family.live());
                    continue;
                };
                let rows = rows_of(touched, schema);
                let row = |key: &Key| rows.as_ref().and_then(|rows| rows.get(key).copied());
                let concerned = keys.into_iter().filter(|key| {
                    let part = (source, key.clone());
                    match row(key) {
                        // Gone: it matters to those who held it.
                        Some(None) => !family.holding(&part).is_empty(),
                        Some(Some(row)) => family.is_concerned(join, &part, Some(row)),
                        None => true,
                    }
                });
                let keys: Vec<Key> = concerned.collect();
                if !keys.is_empty() {
                    asks.extend(self.ask_family(id, family, join, source, keys, &row));
                }
            }
        }
        asks
    }

    fn ask_family<'r>(
        &self,
        id: FamilyId,
        family: &Family,
        join: &JoinPlan,
        source: u16,
        keys: Vec<Key>,
        row: &dyn Fn(&Key) -> Option<Option<&'r Row>>,
    ) -> Vec<Ask> {
        let number = usize::from(source);
        let dialect = self.setting.dialect;
        if join.is_shared {
            let roots = self.roots_on(family, join, source, &keys, None);
            let touching = join.touching(number, keys, roots, None, dialect);
            return vec![Ask::Touching { family: id, only: None, touching }];
        }
        let mut ids: HashSet<ResultId> = HashSet::new();
        for key in &keys {
            ids.extend(family.holding(&(source, key.clone())));
            match (row(key), join.routes.first()) {
                (Some(Some(row)), Some((anchor, _))) if join.sources[number].leads => {
                    let value = &row.values()[usize::from(anchor.column)];
                    ids.extend(family.led_to(join, Some(value)));
                }
                (Some(None), _) => {}
                _ => ids.extend(family.live()),
            }
        }
        let asks = ids.into_iter().filter_map(|only| {
            let params = self.results.get(only)?.params.clone();
            let roots = self.roots_on(family, join, source, &keys, Some(only));
            let touching = join.touching(number, keys.clone(), roots, Some(&params), dialect);
            Some(Ask::Touching { family: id, only: Some(only), touching })
        });
        asks.collect()
    }

    /// The roots of the held rows that rest on rows of a source, where all rows of a root are read
    /// together.
    fn roots_on(
        &self,
        family: &Family,
        join: &JoinPlan,
        source: u16,
        keys: &[Key],
        only: Option<ResultId>,
    ) -> Vec<Key> {
        if !join.is_rooted(usize::from(source)) {
            return Vec::new();
        }
        let mut roots: HashSet<Key> = HashSet::new();
        for key in keys {
            let part = (source, key.clone());
            let holding = family.holding(&part).iter();
            for id in holding.filter(|&&id| only.is_none_or(|only| only == id)) {
                for row in self.rows_on(*id, &part) {
                    roots.extend(join.part(0, &row));
                }
            }
        }
        roots.into_iter().collect()
    }

    fn rows_on(&self, id: ResultId, part: &Part) -> Vec<Row> {
        let Some(Rows::Ordered(ordered)) = self.results.get(id).map(|result| &result.rows) else {
            return Vec::new();
        };
        let keys = ordered.resting_on(part);
        keys.iter().filter_map(|key| ordered.row(key)).cloned().collect()
    }

    /// Takes what was read for touched rows.
    pub(super) fn take_touching(
        &mut self,
        id: FamilyId,
        only: Option<ResultId>,
        touching: Touching,
        answers: Vec<Vec<Row>>,
    ) {
        let Some(family) = self.families.get(&id) else { return };
        let plan = Arc::clone(&family.plan);
        let Some(join) = &plan.join else { return };
        let ids = |id: &&ResultId| only.is_none_or(|only| only == **id);
        if answers.iter().any(|rows| MANY_ROWS < rows.len()) {
            self.dry.extend(family.live().iter().filter(ids));
            return;
        }
        let source = u16::try_from(touching.source).expect("a query has fewer than 65,536 sources");
        let mut keys: HashSet<Key> = touching.keys.into_iter().collect();
        let rows: Vec<Row> = answers.into_iter().flatten().collect();
        if touching.and_found {
            keys.extend(rows.iter().filter_map(|row| join.part(touching.source, row)));
        }
        let mut concerned = Concerned::new();
        for key in keys {
            let part = (source, key);
            for id in family.holding(&part).iter().filter(ids) {
                let Some(Rows::Ordered(ordered)) = self.results.get(*id).map(|held| &held.rows)
                else {
                    continue;
                };
                let touches = concerned.entry(*id).or_default();
                touches.extend(ordered.resting_on(&part).into_iter().map(|key| (key, None)));
            }
        }
        for row in rows {
            let key = plan.plan.key_of(&row);
            let value = join.routes.first().map(|(_, place)| &row.values()[*place]);
            for id in family.led_to(join, value).iter().filter(ids) {
                let Some(result) = self.results.get(*id) else { continue };
                if join.belongs(&result.params, &row) {
                    let touches = concerned.entry(*id).or_default();
                    touches.insert(key.clone(), Some(row.clone()));
                }
            }
        }
        for (id, touches) in concerned {
            let touches: Vec<Touch> = touches.into_iter().collect();
            self.fold_result(id, &touches);
        }
    }

    /// The results that a read would have told of, to be asked again one by one.
    pub(crate) fn instead(&self, ask: &Ask) -> Vec<ResultId> {
        match ask {
            Ask::Again(id, _) | Ask::Touching { only: Some(id), .. } => vec![*id],
            Ask::Many(ids, _) => ids.clone(),
            Ask::Tree(growth) => growth.results().to_vec(),
            Ask::Touching { family, only: None, .. } => {
                self.families.get(family).map_or_else(Vec::new, |family| family.live().to_vec())
            }
        }
    }
}
