//! The row, window and join tiers: rows in order, folded one key at a time.
//!
//! **Invariant:** the held rows are exactly the first of all matching rows, in order: all of them
//! when [`Ordered::is_complete`], else as many as are held.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::super::catchup::Rest;
use super::super::patch::Keyed;
use super::super::patch::Op;
use super::super::patch::changed_columns;
use super::super::patch::diff;
use super::super::plan::LivePlan;
use super::parts::Part;
use super::parts::Parts;
use super::shelf::Shelf;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

/// Up to so many rows are looked through for a key; an index of fewer costs more than it saves.
///
/// A guess.
const FEW: usize = 48;

/// Rows in order, up to a limit.
#[derive(Debug)]
pub(crate) struct Ordered {
    rows: Shelf,
    /// All matching rows are held.
    is_complete: bool,
    /// What most results have no need of between ticks.
    aside: Option<Box<Aside>>,
}

#[derive(Debug, Default)]
struct Aside {
    /// The rows by key, once there are more than [`FEW`].
    by_key: Option<HashMap<Key, Row, RandomState>>,
    /// Which row of which source they rest on; in the join tier alone.
    parts: Option<Parts>,
    /// Parts that came or went since somebody asked.
    moved: Vec<Part>,
}

/// One touched row as it is at the tick's snapshot; `None` when it is gone.
pub(crate) type Touch = (Key, Option<Row>);

impl Ordered {
    /// Nothing yet; [`Ordered::replace`] comes first.
    pub(crate) fn new(plan: &LivePlan) -> Self {
        let joined = || Box::new(Aside { parts: Some(Parts::default()), ..Aside::default() });
        Self { rows: Shelf::default(), is_complete: true, aside: plan.join.is_some().then(joined) }
    }

    /// The rows that the question shows.
    pub(crate) fn shown(&self, plan: &LivePlan) -> &[Keyed] {
        let end = plan.needed().map_or(self.rows.len(), |needed| needed.min(self.rows.len()));
        &self.rows[plan.offset().min(end)..end]
    }

    /// What follows the shown rows.
    pub(crate) fn rest(&self, plan: &LivePlan) -> Rest<'_> {
        let Some(limit) = plan.needed() else { return Rest::NOTHING };
        Rest { limit, rows: &self.rows[limit.min(self.rows.len())..], is_all: self.is_complete }
    }

    /// The rows of sources that held rows rest on: the rows themselves, of source 0, outside the
    /// join tier.
    pub(crate) fn held(&self) -> Vec<Part> {
        match self.parts() {
            Some(parts) => parts.all().cloned().collect(),
            None => self.rows.iter().map(|keyed| (0, keyed.key.clone())).collect(),
        }
    }

    /// The parts that came or went since the last call, and whether they are held now.
    pub(crate) fn take_moved(&mut self) -> Vec<(Part, bool)> {
        let Some(aside) = &mut self.aside else { return Vec::new() };
        let moved: HashSet<Part> = std::mem::take(&mut aside.moved).into_iter().collect();
        if aside.by_key.is_none() && aside.parts.is_none() {
            self.aside = None;
        }
        let is_held = |part: &Part| match self.parts() {
            Some(parts) => parts.has(part),
            None => self.row(&part.1).is_some(),
        };
        moved
            .into_iter()
            .map(|part| {
                let is_held = is_held(&part);
                (part, is_held)
            })
            .collect()
    }

    /// The keys of the held rows that rest on a row of a source; in the join tier.
    pub(crate) fn resting_on(&self, part: &Part) -> Vec<Key> {
        self.parts().into_iter().flat_map(|parts| parts.rows(part)).cloned().collect()
    }

    fn parts(&self) -> Option<&Parts> {
        self.aside.as_ref()?.parts.as_ref()
    }

    fn by_key(&self) -> Option<&HashMap<Key, Row, RandomState>> {
        self.aside.as_ref()?.by_key.as_ref()
    }

    /// The held row with a key.
    pub(crate) fn row(&self, key: &Key) -> Option<&Row> {
        match self.by_key() {
            Some(rows) => rows.get(key),
            None => self.rows.iter().find(|keyed| keyed.key == *key).map(|keyed| &keyed.row),
        }
    }

    /// True when too few rows are held to fill the window, although there are more.
    pub(crate) fn needs_refill(&self, plan: &LivePlan) -> bool {
        !self.is_complete && plan.needed().is_some_and(|needed| self.rows.len() < needed)
    }

    /// Takes the first [`LivePlan::wanted`] rows as the database has them, and returns the steps of
    /// the shown rows.
    pub(crate) fn replace(&mut self, plan: &LivePlan, rows: Vec<Keyed>) -> Vec<Op> {
        let before: Vec<Keyed> = self.shown(plan).to_vec();
        for keyed in Vec::from(std::mem::take(&mut self.rows)) {
            self.forget(plan, &keyed);
        }
        self.is_complete = rows.len() < plan.wanted();
        if let Some(aside) = &mut self.aside {
            aside.by_key = None;
        }
        for keyed in &rows {
            self.note(plan, keyed);
        }
        self.rows = rows.into();
        if plan.is_by_key() {
            self.rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        }
        self.index();
        diff(&before, self.shown(plan))
    }

    /// Takes as many rows as were asked for, and no more, for all there are: a bug for the tests to
    /// find.
    #[cfg(test)]
    pub(super) fn believe_in_the_overscan(&mut self, plan: &LivePlan) {
        self.is_complete = self.rows.len() <= plan.wanted();
    }

    /// Keeps the index by key where there are many rows.
    fn index(&mut self) {
        if FEW < self.rows.len() && self.by_key().is_none() {
            let pairs = self.rows.iter().map(|keyed| (keyed.key.clone(), keyed.row.clone()));
            let by_key = pairs.collect();
            self.aside.get_or_insert_default().by_key = Some(by_key);
        }
    }

    fn note(&mut self, plan: &LivePlan, keyed: &Keyed) {
        let Aside { by_key, parts, moved } = &mut **self.aside.get_or_insert_default();
        match (parts, &plan.join) {
            (Some(parts), Some(join)) => parts.add(join, &keyed.key, &keyed.row, moved),
            _ => moved.push((0, keyed.key.clone())),
        }
        if let Some(by_key) = by_key {
            by_key.insert(keyed.key.clone(), keyed.row.clone());
        }
    }

    fn forget(&mut self, plan: &LivePlan, keyed: &Keyed) {
        let Aside { by_key, parts, moved } = &mut **self.aside.get_or_insert_default();
        match (parts, &plan.join) {
            (Some(parts), Some(join)) => parts.remove(join, &keyed.key, &keyed.row, moved),
            _ => moved.push((0, keyed.key.clone())),
        }
        if let Some(by_key) = by_key {
            by_key.remove(&keyed.key);
        }
    }

    /// Folds touched rows in, and returns the steps of the shown rows.
    ///
    /// # Cost
    ///
    /// A binary search per touched row; with a window a comparison of its rows besides.
    pub(crate) fn fold(&mut self, plan: &LivePlan, params: &[Value], touches: &[Touch]) -> Vec<Op> {
        let ops = if plan.needed().is_none() {
            self.fold_whole(plan, params, touches)
        } else {
            self.fold_window(plan, params, touches)
        };
        self.index();
        ops
    }

    fn fold_window(&mut self, plan: &LivePlan, params: &[Value], touches: &[Touch]) -> Vec<Op> {
        if let [(key, Some(row))] = touches
            && let Some(place) = self.find(plan, key)
            && plan.matches(params, row)
        {
            let new = Keyed { key: key.clone(), row: row.clone() };
            if self.stays(plan, place, &new) {
                let op = self.exchange(plan, place, new);
                let end = plan.needed().unwrap_or(usize::MAX);
                return op.filter(|_| (plan.offset()..end).contains(&place)).into_iter().collect();
            }
        }
        let before: Vec<Keyed> = self.shown(plan).to_vec();
        for (key, row) in touches {
            self.remove(plan, key);
            if let Some(row) = row.as_ref().filter(|row| plan.matches(params, row)) {
                self.insert(plan, Keyed { key: key.clone(), row: row.clone() });
            }
        }
        while plan.wanted() < self.rows.len() {
            self.is_complete = false;
            if let Some(last) = self.rows.pop() {
                self.forget(plan, &last);
            }
        }
        diff(&before, self.shown(plan))
    }

    /// Without a window every step follows from the touched rows; nothing else is looked at.
    fn fold_whole(&mut self, plan: &LivePlan, params: &[Value], touches: &[Touch]) -> Vec<Op> {
        // Steps are kept for a while: one that is short should not have room for four.
        let mut ops = Vec::with_capacity(touches.len());
        let mut put: Vec<(Keyed, Option<Row>)> = Vec::new();
        for (key, row) in touches {
            let old = self.row(key).cloned();
            let new = row.as_ref().filter(|row| plan.matches(params, row));
            match (old, new) {
                (None, None) => {}
                (Some(_), None) => {
                    self.remove(plan, key);
                    ops.push(Op::Remove { key: key.clone() });
                }
                (None, Some(row)) => put.push((Keyed { key: key.clone(), row: row.clone() }, None)),
                (Some(old), Some(row)) => {
                    let new = Keyed { key: key.clone(), row: row.clone() };
                    if plan.order((key, &old), (key, row)).is_eq() {
                        let place = self.place(plan, &new).expect("a held row is among the rows");
                        ops.extend(self.exchange(plan, place, new));
                    } else {
                        self.remove(plan, key);
                        put.push((new, Some(old)));
                    }
                }
            }
        }
        // In the order of their new places, so that every `after` names a row already in place.
        put.sort_unstable_by(|(left, _), (right, _)| order(plan, left, right));
        for (new, old) in put {
            let place = self.insert(plan, new.clone()).expect("all matching rows are held");
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

    /// Puts other values in the place of the row with the same key.
    fn exchange(&mut self, plan: &LivePlan, place: usize, new: Keyed) -> Option<Op> {
        let columns = changed_columns(&self.rows[place].row, &new.row);
        if columns.is_empty() {
            return None;
        }
        if self.parts().is_some() {
            let old = self.rows[place].clone();
            self.forget(plan, &old);
            self.note(plan, &new);
        } else if let Some(by_key) = self.aside.as_mut().and_then(|aside| aside.by_key.as_mut()) {
            by_key.insert(new.key.clone(), new.row.clone());
        }
        self.rows[place] = new.clone();
        Some(Op::Update { new, columns })
    }

    /// True when the row at a place may have these values without standing elsewhere.
    fn stays(&self, plan: &LivePlan, place: usize, new: &Keyed) -> bool {
        let is_behind = |held: &Keyed| order(plan, held, new).is_lt();
        let (before, after) = (&self.rows[..place], &self.rows[place + 1..]);
        before.last().is_none_or(is_behind)
            && match after.first() {
                Some(next) => order(plan, new, next).is_lt(),
                // Others may stand behind the last row, and now before it.
                None => self.is_complete || order(plan, new, &self.rows[place]).is_le(),
            }
    }

    /// Where the held row with a key stands.
    fn find(&self, plan: &LivePlan, key: &Key) -> Option<usize> {
        let Some(by_key) = self.by_key() else {
            return self.rows.iter().position(|held| held.key == *key);
        };
        let held = Keyed { key: key.clone(), row: by_key.get(key)?.clone() };
        Some(self.place(plan, &held).expect("a held row is among the rows"))
    }

    fn remove(&mut self, plan: &LivePlan, key: &Key) {
        let Some(row) = self.row(key).cloned() else { return };
        let old = Keyed { key: key.clone(), row };
        let place = self.place(plan, &old).expect("a held row is among the rows");
        self.forget(plan, &old);
        self.rows.remove(place);
    }

    /// Puts a row in its place, and says where; `None` where it lies beyond what is held, where
    /// other rows may stand before it.
    fn insert(&mut self, plan: &LivePlan, new: Keyed) -> Option<usize> {
        let place = self.place(plan, &new).unwrap_or_else(|place| place);
        if place == self.rows.len() && !self.is_complete {
            return None;
        }
        self.note(plan, &new);
        self.rows.insert(place, new);
        Some(place)
    }

    fn place(&self, plan: &LivePlan, keyed: &Keyed) -> Result<usize, usize> {
        self.rows.binary_search_by(|held| order(plan, held, keyed))
    }
}

fn order(plan: &LivePlan, left: &Keyed, right: &Keyed) -> Ordering {
    plan.order((&left.key, &left.row), (&right.key, &right.row))
}
