//! The row and window tiers: rows of one table, kept in order, folded one key at a time.
//!
//! **Invariant:** the held rows are exactly the first of all matching rows, in order: all of them
//! when [`Ordered::is_complete`], else as many as are held.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::super::patch::Keyed;
use super::super::patch::Op;
use super::super::patch::changed_columns;
use super::super::patch::diff;
use crate::query::Plan;
use crate::query::eval::Evaluator;
use crate::query::eval::Semantics;
use crate::value::Key;
use crate::value::Row;

/// Rows held behind a window so that most leavers need no question to the database.
///
/// A guess: half a screen. It is not a promise, and `explain_live` shows it.
pub(crate) const OVERSCAN: u64 = 25;

/// Rows of one table in order, up to a limit.
#[derive(Debug)]
pub(crate) struct Ordered {
    rows: Vec<Keyed>,
    by_key: HashMap<Key, Row>,
    /// All matching rows are held.
    is_complete: bool,
    semantics: Semantics,
    held: HeldChanges,
}

/// Which keys are held now and were not, or the other way round, since somebody asked.
#[derive(Debug, Default)]
pub(crate) struct HeldChanges {
    /// Held now.
    pub(crate) entered: Vec<Key>,
    /// Not held any more.
    pub(crate) left: Vec<Key>,
}

/// One touched row as it is at the tick's snapshot; `None` when it is gone.
pub(crate) type Touch = (Key, Option<Row>);

impl Ordered {
    /// Nothing yet; [`Ordered::replace`] comes first.
    pub(crate) fn new(semantics: Semantics) -> Self {
        Self {
            rows: Vec::new(),
            by_key: HashMap::new(),
            is_complete: true,
            semantics,
            held: HeldChanges::default(),
        }
    }

    /// How many rows to ask for: the window, what comes before it and the overscan.
    pub(crate) fn wanted(plan: &Plan) -> Option<u64> {
        plan.ast
            .shape
            .limit
            .map(|limit| plan.ast.shape.offset.saturating_add(limit).saturating_add(OVERSCAN))
    }

    fn needed(plan: &Plan) -> Option<usize> {
        let limit = plan.ast.shape.limit?;
        Some(usize::try_from(plan.ast.shape.offset.saturating_add(limit)).unwrap_or(usize::MAX))
    }

    fn wanted_rows(plan: &Plan) -> usize {
        Self::wanted(plan).map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX))
    }

    /// The rows that the question shows.
    pub(crate) fn shown(&self, plan: &Plan) -> &[Keyed] {
        let offset = usize::try_from(plan.ast.shape.offset).unwrap_or(usize::MAX);
        let end = Self::needed(plan).map_or(self.rows.len(), |needed| needed.min(self.rows.len()));
        &self.rows[offset.min(end)..end]
    }

    /// The keys of all held rows, shown or not.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> + '_ {
        self.by_key.keys()
    }

    /// The keys that came or went since the last call, and whether they are held now.
    pub(crate) fn take_held_changes(&mut self) -> Vec<(Key, bool)> {
        let HeldChanges { entered, left } = std::mem::take(&mut self.held);
        let touched: std::collections::HashSet<Key> = entered.into_iter().chain(left).collect();
        touched
            .into_iter()
            .map(|key| {
                let is_held = self.by_key.contains_key(&key);
                (key, is_held)
            })
            .collect()
    }

    /// True when too few rows are held to fill the window, although there are more.
    pub(crate) fn needs_refill(&self, plan: &Plan) -> bool {
        !self.is_complete && Self::needed(plan).is_some_and(|needed| self.rows.len() < needed)
    }

    /// Takes the first [`Ordered::wanted`] rows as the database has them, and returns the steps of
    /// the shown rows.
    pub(crate) fn replace(&mut self, plan: &Plan, rows: Vec<Keyed>) -> Vec<Op> {
        let before: Vec<Keyed> = self.shown(plan).to_vec();
        self.is_complete = rows.len() < Self::wanted_rows(plan);
        self.held.left.extend(self.by_key.drain().map(|(key, _)| key));
        self.rows = rows;
        if plan.ast.shape.order_by.is_empty() {
            self.rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        }
        self.by_key =
            self.rows.iter().map(|keyed| (keyed.key.clone(), keyed.row.clone())).collect();
        self.held.entered.extend(self.by_key.keys().cloned());
        diff(&before, self.shown(plan))
    }

    /// Folds touched rows in, and returns the steps of the shown rows.
    ///
    /// # Cost
    ///
    /// A binary search per touched row; with a window a comparison of its rows besides.
    pub(crate) fn fold(&mut self, plan: &Plan, touches: &[Touch]) -> Vec<Op> {
        let whole = plan.ast.shape.limit.is_none() && plan.ast.shape.offset == 0;
        if whole {
            return self.fold_whole(plan, touches);
        }
        let before: Vec<Keyed> = self.shown(plan).to_vec();
        for (key, row) in touches {
            self.remove(plan, key);
            if let Some(row) = row {
                self.insert(plan, Keyed { key: key.clone(), row: row.clone() });
            }
        }
        self.trim(plan);
        diff(&before, self.shown(plan))
    }

    /// Without a window every step follows from the touched rows; nothing else is looked at.
    fn fold_whole(&mut self, plan: &Plan, touches: &[Touch]) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut put: Vec<(Keyed, Option<Row>)> = Vec::new();
        for (key, row) in touches {
            let old = self.by_key.get(key).cloned();
            let new = row.as_ref().filter(|row| self.evaluator(plan).matches(row.values()));
            match (old, new) {
                (None, None) => {}
                (Some(_), None) => {
                    self.remove(plan, key);
                    ops.push(Op::Remove { key: key.clone() });
                }
                (None, Some(row)) => put.push((Keyed { key: key.clone(), row: row.clone() }, None)),
                (Some(old), Some(row)) => {
                    let new = Keyed { key: key.clone(), row: row.clone() };
                    if self.order(plan, &Keyed { key: key.clone(), row: old.clone() }, &new).is_eq()
                    {
                        ops.extend(self.update_in_place(plan, &old, new));
                    } else {
                        self.remove(plan, key);
                        put.push((new, Some(old)));
                    }
                }
            }
        }
        // In the order of their new places, so that every `after` names a row already in place.
        put.sort_unstable_by(|(left, _), (right, _)| self.order(plan, left, right));
        for (new, old) in put {
            let place =
                self.insert(plan, new.clone()).expect("the row matches, and all rows are held");
            let after = place.checked_sub(1).map(|before| self.rows[before].key.clone());
            match old {
                None => ops.push(Op::Insert { new, after }),
                Some(old) => {
                    ops.push(Op::Move { key: new.key.clone(), after });
                    let columns = changed_columns(&old, &new.row);
                    ops.push(Op::Update { new, columns });
                }
            }
        }
        ops
    }

    fn update_in_place(&mut self, plan: &Plan, old: &Row, new: Keyed) -> Option<Op> {
        let columns = changed_columns(old, &new.row);
        if columns.is_empty() {
            return None;
        }
        let place = self.place(plan, &new).expect("a held row is among the rows");
        self.by_key.insert(new.key.clone(), new.row.clone());
        self.rows[place] = new.clone();
        Some(Op::Update { new, columns })
    }

    fn remove(&mut self, plan: &Plan, key: &Key) {
        let Some(row) = self.by_key.remove(key) else { return };
        self.held.left.push(key.clone());
        let place = self.place(plan, &Keyed { key: key.clone(), row });
        self.rows.remove(place.expect("a held row is among the rows"));
    }

    /// Puts a row in its place, and says where; `None` where it does not match or lies beyond what
    /// is held, where other rows may stand before it.
    fn insert(&mut self, plan: &Plan, new: Keyed) -> Option<usize> {
        if !self.evaluator(plan).matches(new.row.values()) {
            return None;
        }
        let place = self.place(plan, &new).unwrap_or_else(|place| place);
        if place == self.rows.len() && !self.is_complete {
            return None;
        }
        self.held.entered.push(new.key.clone());
        self.by_key.insert(new.key.clone(), new.row.clone());
        self.rows.insert(place, new);
        Some(place)
    }

    fn trim(&mut self, plan: &Plan) {
        let wanted = Self::wanted_rows(plan);
        while wanted < self.rows.len() {
            self.is_complete = false;
            if let Some(last) = self.rows.pop() {
                self.by_key.remove(&last.key);
                self.held.left.push(last.key);
            }
        }
    }

    fn place(&self, plan: &Plan, keyed: &Keyed) -> Result<usize, usize> {
        self.rows.binary_search_by(|held| self.order(plan, held, keyed))
    }

    fn order(&self, plan: &Plan, left: &Keyed, right: &Keyed) -> Ordering {
        if plan.ast.shape.order_by.is_empty() {
            return left.key.cmp(&right.key);
        }
        self.evaluator(plan).order(left.row.values(), right.row.values())
    }

    fn evaluator<'a>(&self, plan: &'a Plan) -> Evaluator<'a> {
        Evaluator::planned(&plan.ast.shape, &plan.ast.params, self.semantics)
    }
}
