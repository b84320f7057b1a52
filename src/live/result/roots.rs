//! The tree tier: the rows of one result, whole, and what tells that the question for them must be
//! asked again.
//!
//! What hangs on the rows is held by the [`Forest`](super::Forest) of all results of the shape; the
//! rows here share it.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::super::patch::Keyed;
use super::super::patch::Op;
use super::super::plan::LivePlan;
use super::ordered::Touch;
use super::parts::Part;
use crate::value::Key;
use crate::value::Value;

/// The rows of a result of the tree tier.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    rows: Vec<Keyed>,
    /// Their keys, where touched rows are told by them.
    keys: HashSet<Key, RandomState>,
    /// Keys that came or went since somebody asked.
    moved: Vec<Key>,
    /// Some touched row may have changed which rows there are, or what they are.
    is_touched: bool,
}

impl Roots {
    /// The rows with what hangs on them.
    pub(crate) fn rows(&self) -> &[Keyed] {
        &self.rows
    }

    /// Takes the rows that the question was answered with, and returns the steps to them.
    pub(crate) fn replace(&mut self, plan: &LivePlan, mut rows: Vec<Keyed>) -> Vec<Op> {
        self.is_touched = false;
        if plan.is_by_key() {
            // The question leaves the order open; the key closes it for all clients alike.
            rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        }
        if plan.is_led {
            let keys: HashSet<Key, RandomState> =
                rows.iter().map(|keyed| keyed.key.clone()).collect();
            self.moved.extend(self.keys.symmetric_difference(&keys).cloned());
            self.keys = keys;
        }
        self.redraw(plan, rows)
    }

    /// Takes the same rows with other rows on them, and returns the steps to them.
    pub(crate) fn redraw(&mut self, plan: &LivePlan, rows: Vec<Keyed>) -> Vec<Op> {
        let ops = match &plan.tree {
            Some(tree) => tree.diff(&self.rows, &rows),
            None => Vec::new(),
        };
        self.rows = rows;
        ops
    }

    /// Notes touched rows of the root's table.
    pub(crate) fn fold(&mut self, plan: &LivePlan, params: &[Value], touches: &[Touch]) {
        self.is_touched = self.is_touched
            || touches.iter().any(|(key, row)| {
                let matches = |row| plan.matches(params, row);
                self.keys.contains(key) || row.as_ref().is_some_and(matches)
            });
    }

    /// True when the question for the rows must be asked again.
    pub(crate) fn is_touched(&self) -> bool {
        self.is_touched
    }

    /// The rows that touched ones find this result by.
    pub(crate) fn held(&self) -> Vec<Part> {
        self.keys.iter().map(|key| (0, key.clone())).collect()
    }

    /// The keys that came or went since the last call, and whether they are held now.
    pub(crate) fn take_moved(&mut self) -> Vec<(Part, bool)> {
        let moved = std::mem::take(&mut self.moved).into_iter();
        moved
            .map(|key| {
                let is_held = self.keys.contains(&key);
                ((0, key), is_held)
            })
            .collect()
    }
}
