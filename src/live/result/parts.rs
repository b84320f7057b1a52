//! Which rows of a joined answer rest on which row of which source.

use std::collections::HashMap;
use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::super::plan::JoinPlan;
use crate::value::Key;
use crate::value::Row;

/// A row of a source that held rows rest on: the number of the source and the row's key.
pub(crate) type Part = (u16, Key);

/// The held rows by the rows of the sources that they rest on.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    rows: HashMap<Part, HashSet<Key>, RandomState>,
}

impl Parts {
    /// Notes a held row, and adds to `first` the parts that no other held row rests on.
    pub(crate) fn add(&mut self, plan: &JoinPlan, key: &Key, row: &Row, first: &mut Vec<Part>) {
        for part in parts(plan, row) {
            let rows = self.rows.entry(part.clone()).or_default();
            if rows.is_empty() {
                first.push(part);
            }
            rows.insert(key.clone());
        }
    }

    /// Undoes [`Parts::add`], and adds to `last` the parts that no held row rests on any more.
    pub(crate) fn remove(&mut self, plan: &JoinPlan, key: &Key, row: &Row, last: &mut Vec<Part>) {
        for part in parts(plan, row) {
            let Some(rows) = self.rows.get_mut(&part) else { continue };
            rows.remove(key);
            if rows.is_empty() {
                self.rows.remove(&part);
                last.push(part);
            }
        }
    }

    /// The keys of the held rows that rest on a part.
    pub(crate) fn rows(&self, part: &Part) -> impl Iterator<Item = &Key> + '_ {
        self.rows.get(part).into_iter().flatten()
    }

    /// True when some held row rests on a part.
    pub(crate) fn has(&self, part: &Part) -> bool {
        self.rows.contains_key(part)
    }

    /// All parts.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Part> + '_ {
        self.rows.keys()
    }
}

fn parts<'p>(plan: &'p JoinPlan, row: &'p Row) -> impl Iterator<Item = Part> + 'p {
    (0_u16..).zip(&plan.sources).filter_map(|(number, _)| {
        let key = plan.part(usize::from(number), row)?;
        Some((number, key))
    })
}
