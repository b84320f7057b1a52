//! The groups of one result and what each row contributes to them.

use std::collections::HashMap;
use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::MOST_CONTRIBUTIONS;
use super::accumulator::Accumulator;
use super::accumulator::Doubt;
use super::aggregation::Aggregation;
use super::aggregation::Leaf;
use super::aggregation::Question;
use super::ranking::Change;
use super::ranking::Ranked;
use super::ranking::Ranking;
use crate::live::patch::Keyed;
use crate::live::patch::Op;
use crate::live::patch::diff;
use crate::live::result::Touch;
use crate::query::Plan;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

/// Groups of rows of one table.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    contributions: HashMap<Key, Contribution, RandomState>,
    by_key: HashMap<Key, Group, RandomState>,
    ranking: Ranking,
    /// The rows that came or went since somebody asked.
    moved: HashSet<Key, RandomState>,
    is_in_doubt: bool,
}

/// What one row contributes.
#[derive(Debug)]
struct Contribution {
    /// Shared with the group.
    group: Key,
    /// One value for each slot of the aggregation.
    values: Box<[Value]>,
}

#[derive(Debug)]
struct Group {
    row_count: i64,
    accumulators: Box<[Accumulator]>,
    /// How it is shown, if it is.
    shown: Option<Ranked>,
}

impl Group {
    fn new(aggregation: &Aggregation) -> Self {
        let slots = aggregation.slots.iter();
        let accumulators = slots.map(|slot| Accumulator::new(slot.keeps)).collect();
        Self { row_count: 0, accumulators, shown: None }
    }
}

/// A row that may contribute.
#[derive(Clone, Copy)]
enum Source<'r> {
    /// All columns of the table.
    Whole(&'r Row),
    /// The columns of the aggregation.
    Loaded(&'r Row),
}

impl Source<'_> {
    fn value(self, aggregation: &Aggregation, column: usize) -> Value {
        match self {
            Self::Whole(row) => row.values()[aggregation.columns[column]].clone(),
            Self::Loaded(row) => row.values()[column].clone(),
        }
    }

    fn key(self, aggregation: &Aggregation, columns: &[usize]) -> Key {
        columns.iter().map(|&column| self.value(aggregation, column)).collect()
    }
}

impl Groups {
    /// The rows that the question shows.
    pub(crate) fn shown(&self, plan: &Plan) -> &[Keyed] {
        self.ranking.shown(plan)
    }

    /// True when the database has to be asked from now on: what is shown is the last that was sure.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }

    /// The keys of all rows that contribute.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> + '_ {
        self.contributions.keys()
    }

    /// The keys that came or went since the last call, and whether they contribute now.
    pub(crate) fn take_moved(&mut self) -> Vec<(Key, bool)> {
        let moved = std::mem::take(&mut self.moved);
        let is_held = |key: Key| {
            let is_held = self.contributions.contains_key(&key);
            (key, is_held)
        };
        moved.into_iter().map(is_held).collect()
    }

    /// Takes all contributions as [`Aggregation::load`] read them, and returns the steps of the
    /// shown rows.
    pub(crate) fn replace(&mut self, question: Question<'_>, rows: Vec<Keyed>) -> Vec<Op> {
        self.moved.extend(self.contributions.drain().map(|(key, _)| key));
        self.by_key.clear();
        self.is_in_doubt = MOST_CONTRIBUTIONS < rows.len() as u64;
        if self.is_in_doubt {
            return Vec::new();
        }
        for Keyed { key, row } in rows {
            self.add(question.aggregation, key, Source::Loaded(&row));
        }
        self.add_only_group(question);
        let mut ranked = Vec::with_capacity(self.by_key.len());
        for (key, group) in &mut self.by_key {
            match rank(question, key, group) {
                Ok(shown) => {
                    ranked.extend(shown.clone());
                    group.shown = shown;
                }
                Err(Doubt) => self.is_in_doubt = true,
            }
        }
        if self.is_in_doubt {
            return Vec::new();
        }
        let before = self.shown(question.plan).to_vec();
        self.ranking.replace(question.ruler(), ranked);
        diff(&before, self.shown(question.plan))
    }

    /// Folds touched rows in, and returns the steps of the shown rows.
    ///
    /// # Cost
    ///
    /// That of the touched rows and of the groups they were in and are in.
    pub(crate) fn fold(&mut self, question: Question<'_>, touches: &[Touch]) -> Vec<Op> {
        if self.is_in_doubt {
            return Vec::new();
        }
        let (aggregation, filter) = (question.aggregation, question.filter());
        let mut dirty: HashSet<Key> = HashSet::new();
        for (key, row) in touches {
            dirty.extend(self.remove(aggregation, key));
            if let Some(row) = row.as_ref().filter(|row| filter.matches(row.values())) {
                dirty.insert(self.add(aggregation, key.clone(), Source::Whole(row)));
            }
        }
        self.is_in_doubt |= MOST_CONTRIBUTIONS < self.contributions.len() as u64;
        let changes = dirty.into_iter().filter_map(|key| self.change(question, key));
        let changes: Vec<Change> = changes.collect();
        if self.is_in_doubt {
            return Vec::new();
        }
        self.ranking.fold(question.ruler(), changes)
    }

    /// How a group that rows came into or left is shown now.
    fn change(&mut self, question: Question<'_>, key: Key) -> Option<Change> {
        let group = self.by_key.get_mut(&key)?;
        let old = group.shown.take().map(|shown| shown.rank);
        if group.row_count == 0 && !question.plan.ast.shape.group_by.is_empty() {
            self.by_key.remove(&key);
            return Some(Change { key, old, new: None });
        }
        let Ok(new) = rank(question, &key, group) else {
            self.is_in_doubt = true;
            return None;
        };
        group.shown.clone_from(&new);
        Some(Change { key, old, new })
    }

    /// Without `group by` there is one group, whether rows are in it or not.
    fn add_only_group(&mut self, question: Question<'_>) {
        if question.plan.ast.shape.group_by.is_empty() {
            let key = Key::from(Vec::new());
            self.by_key.entry(key).or_insert_with(|| Group::new(question.aggregation));
        }
    }

    /// Takes a row in, and returns its group.
    fn add(&mut self, aggregation: &Aggregation, key: Key, source: Source<'_>) -> Key {
        let group = source.key(aggregation, &aggregation.group);
        let entry = self.by_key.entry(group);
        let shared = entry.key().clone();
        let group = entry.or_insert_with(|| Group::new(aggregation));
        group.row_count += 1;
        let slots = aggregation.slots.iter();
        let values: Box<[Value]> =
            slots.map(|slot| source.value(aggregation, slot.column)).collect();
        for (accumulator, value) in group.accumulators.iter_mut().zip(&values) {
            accumulator.add(value);
        }
        self.moved.insert(key.clone());
        self.contributions.insert(key, Contribution { group: shared.clone(), values });
        shared
    }

    /// Forgets what a row contributes and leaves its group as it is: a bug for the tests to find.
    #[cfg(test)]
    pub(super) fn forget(&mut self, key: &Key) {
        self.contributions.remove(key);
    }

    /// Takes a row out, and returns the group it was in.
    fn remove(&mut self, aggregation: &Aggregation, key: &Key) -> Option<Key> {
        let Contribution { group: of, values } = self.contributions.remove(key)?;
        self.moved.insert(key.clone());
        let group = self.by_key.get_mut(&of).expect("a contribution is in a group");
        debug_assert_eq!(values.len(), aggregation.slots.len(), "one value for each slot");
        group.row_count -= 1;
        for (accumulator, value) in group.accumulators.iter_mut().zip(&values) {
            accumulator.remove(value);
        }
        Some(of)
    }
}

/// How a group is shown; `None` where the question leaves it out.
fn rank(question: Question<'_>, key: &Key, group: &Group) -> Result<Option<Ranked>, Doubt> {
    let Question { aggregation, plan, .. } = question;
    if !group.accumulators.iter().all(Accumulator::is_certain) {
        return Err(Doubt);
    }
    let mut values = vec![Value::Null; plan.ast.shape.nodes.len()];
    for &(node, leaf) in &aggregation.leaves {
        values[node.index()] = match leaf {
            Leaf::Group(part) => key.values()[part].clone(),
            Leaf::Face(slot) => group.accumulators[slot].face(),
            Leaf::Rows => Value::Int(group.row_count),
            Leaf::Aggregate(function, slot) => {
                group.accumulators[slot].value(function, aggregation.arithmetic())?
            }
        };
    }
    if !question.ruler().evaluator.passes(&values) {
        return Ok(None);
    }
    let row = plan.items.iter().map(|item| values[item.node.index()].clone()).collect();
    Ok(Some(Ranked { rank: values.into(), keyed: Keyed { key: key.clone(), row } }))
}
