//! The groups that the question shows, in its order.
//!
//! **Invariant:** rows and ranks belong together, and stand in the order of the question.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::live::patch::Keyed;
use crate::live::patch::Op;
use crate::live::patch::changed_columns;
use crate::live::patch::diff;
use crate::query::Plan;
use crate::query::eval::Evaluator;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

/// What the order of a group follows from: one value for each expression of the shape.
pub(super) type Rank = Arc<[Value]>;

/// One group as the question shows it.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    pub(super) rank: Rank,
    pub(super) keyed: Keyed,
}

/// One group that changed: how it was shown, and how it is.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: Key,
    pub(super) old: Option<Rank>,
    pub(super) new: Option<Ranked>,
}

/// Groups in order.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    rows: Vec<Keyed>,
    ranks: Vec<Rank>,
}

/// How the groups of one question are ordered and cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ruler<'a> {
    pub(super) plan: &'a Plan,
    pub(super) evaluator: Evaluator<'a>,
}

impl Ruler<'_> {
    fn order(&self, left: (&Rank, &Key), right: (&Rank, &Key)) -> Ordering {
        if self.plan.ast.shape.order_by.is_empty() {
            return left.1.cmp(right.1);
        }
        self.evaluator.order(left.0, right.0)
    }
}

impl Ranking {
    /// The rows that the question shows.
    pub(super) fn shown(&self, plan: &Plan) -> &[Keyed] {
        let shape = &plan.ast.shape;
        let place = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX).min(self.rows.len());
        let start = place(shape.offset);
        let end =
            shape.limit.map_or(self.rows.len(), |limit| place(shape.offset.saturating_add(limit)));
        &self.rows[start..end]
    }

    /// Takes all groups anew.
    pub(super) fn replace(&mut self, ruler: Ruler<'_>, mut groups: Vec<Ranked>) {
        groups.sort_unstable_by(|left, right| {
            ruler.order((&left.rank, &left.keyed.key), (&right.rank, &right.keyed.key))
        });
        (self.rows, self.ranks) =
            groups.into_iter().map(|Ranked { rank, keyed }| (keyed, rank)).unzip();
    }

    /// Takes changed groups, each once, and returns the steps of the shown rows.
    ///
    /// # Cost
    ///
    /// A binary search per group, and with a window a comparison of its rows besides.
    pub(super) fn fold(&mut self, ruler: Ruler<'_>, changes: Vec<Change>) -> Vec<Op> {
        let shape = &ruler.plan.ast.shape;
        if shape.limit.is_none() && shape.offset == 0 {
            return self.fold_whole(ruler, changes);
        }
        let before = self.shown(ruler.plan).to_vec();
        for Change { key, old, new } in changes {
            if let Some(old) = old {
                self.remove(ruler, &key, &old);
            }
            if let Some(new) = new {
                self.insert(ruler, new);
            }
        }
        diff(&before, self.shown(ruler.plan))
    }

    /// Without a window every step follows from the changed groups; no other is looked at.
    fn fold_whole(&mut self, ruler: Ruler<'_>, changes: Vec<Change>) -> Vec<Op> {
        let mut ops = Vec::new();
        let mut put: Vec<(Ranked, Option<Row>)> = Vec::new();
        for Change { key, old, new } in changes {
            match (old, new) {
                (None, None) => {}
                (Some(old), None) => {
                    self.remove(ruler, &key, &old);
                    ops.push(Op::Remove { key });
                }
                (None, Some(new)) => put.push((new, None)),
                (Some(old), Some(new)) if ruler.order((&old, &key), (&new.rank, &key)).is_eq() => {
                    ops.extend(self.update_in_place(ruler, &old, new));
                }
                (Some(old), Some(new)) => {
                    let row = self.remove(ruler, &key, &old).row;
                    put.push((new, Some(row)));
                }
            }
        }
        // In the order of their new places, so that every `after` names a row already in place.
        put.sort_unstable_by(|(left, _), (right, _)| {
            ruler.order((&left.rank, &left.keyed.key), (&right.rank, &right.keyed.key))
        });
        for (new, old) in put {
            let keyed = new.keyed.clone();
            let place = self.insert(ruler, new);
            let after = place.checked_sub(1).map(|before| self.rows[before].key.clone());
            match old {
                None => ops.push(Op::Insert { new: keyed, after }),
                Some(old) => {
                    ops.push(Op::Move { key: keyed.key.clone(), after });
                    let columns = changed_columns(&old, &keyed.row);
                    if !columns.is_empty() {
                        ops.push(Op::Update { new: keyed, columns });
                    }
                }
            }
        }
        ops
    }

    fn update_in_place(&mut self, ruler: Ruler<'_>, old: &Rank, new: Ranked) -> Option<Op> {
        let place = self.place(ruler, &new.keyed.key, old);
        let columns = changed_columns(&self.rows[place].row, &new.keyed.row);
        self.rows[place] = new.keyed.clone();
        self.ranks[place] = new.rank;
        (!columns.is_empty()).then_some(Op::Update { new: new.keyed, columns })
    }

    fn remove(&mut self, ruler: Ruler<'_>, key: &Key, rank: &Rank) -> Keyed {
        let place = self.place(ruler, key, rank);
        self.ranks.remove(place);
        self.rows.remove(place)
    }

    fn insert(&mut self, ruler: Ruler<'_>, new: Ranked) -> usize {
        let place = match self.search(ruler, &new.keyed.key, &new.rank) {
            Ok(place) | Err(place) => place,
        };
        self.rows.insert(place, new.keyed);
        self.ranks.insert(place, new.rank);
        place
    }

    fn place(&self, ruler: Ruler<'_>, key: &Key, rank: &Rank) -> usize {
        self.search(ruler, key, rank).expect("a ranked group stands in its place")
    }

    fn search(&self, ruler: Ruler<'_>, key: &Key, rank: &Rank) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.rows.len());
        while low < high {
            let middle = low.midpoint(high);
            match ruler.order((&self.ranks[middle], &self.rows[middle].key), (rank, key)) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }
}
