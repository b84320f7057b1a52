//! How a live result is kept current: one file a tier.
//!
//! **Invariant:** folding ticks into a result gives the rows that asking again at the last tick's
//! snapshot gives.

mod aggregate;
mod few;
mod forest;
mod live;
mod ordered;
mod parts;
mod roots;
mod shelf;
mod subscribers;
#[cfg(test)]
mod window_law;

pub(crate) use self::aggregate::{Aggregation, Groups, MOST_CONTRIBUTIONS, Question};
pub(crate) use self::forest::{Forest, Read};
pub(crate) use self::live::{LiveResult, Loading};
pub(crate) use self::ordered::{Ordered, Touch};
pub(crate) use self::parts::Part;
use self::roots::Roots;
use self::subscribers::Subscribers;
use super::catchup::Rest;
use super::patch::Keyed;
use super::patch::Op;
use super::patch::diff;
use super::plan::LivePlan;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;

/// The rows of a live result and the way they are kept; the most frequent one has no pointer to follow.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Row, window and join tiers: folded in memory.
    Ordered(Ordered),
    /// Aggregate tier: folded in memory, unless in doubt.
    Groups(Box<Groups>),
    /// Tree tier: the roots, which share what hangs on them with other results.
    Roots(Box<Roots>),
    /// Re-run tier: asked again when touched.
    Rerun(Vec<Keyed>),
}

impl Rows {
    /// The rows that the question shows.
    pub(crate) fn shown(&self, plan: &LivePlan) -> &[Keyed] {
        match self {
            Self::Ordered(ordered) => ordered.shown(plan),
            Self::Groups(groups) => groups.shown(&plan.plan),
            Self::Roots(roots) => roots.rows(),
            Self::Rerun(rows) => rows,
        }
    }

    /// What follows the rows that the question shows; nothing where that is not known.
    pub(crate) fn rest(&self, plan: &LivePlan) -> Option<Rest<'_>> {
        match self {
            Self::Ordered(ordered) => Some(ordered.rest(plan)),
            Self::Groups(_) | Self::Roots(_) | Self::Rerun(_) => {
                plan.needed().is_none().then_some(Rest::NOTHING)
            }
        }
    }

    /// Takes rows as the database has them now, and returns the steps of the shown rows.
    pub(crate) fn replace(
        &mut self,
        plan: &LivePlan,
        params: &[Value],
        rows: Vec<Keyed>,
    ) -> Vec<Op> {
        match self {
            Self::Ordered(ordered) => ordered.replace(plan, rows),
            Self::Groups(groups) => {
                let question = plan.aggregating(params).expect("groups have an aggregation");
                groups.replace(question, rows)
            }
            Self::Roots(roots) => roots.replace(plan, rows),
            Self::Rerun(held) => {
                let mut rows = rows;
                if plan.is_by_key() {
                    // The question leaves the order open; the key closes it for all clients alike.
                    rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
                }
                let ops = diff(held, &rows);
                *held = rows;
                ops
            }
        }
    }

    /// Folds touched rows in, and returns the steps of the shown rows.
    pub(crate) fn fold(&mut self, plan: &LivePlan, params: &[Value], touches: &[Touch]) -> Vec<Op> {
        match self {
            Self::Ordered(ordered) => ordered.fold(plan, params, touches),
            Self::Groups(groups) => {
                let question = plan.aggregating(params).expect("groups have an aggregation");
                groups.fold(question, touches)
            }
            Self::Roots(roots) => {
                roots.fold(plan, params, touches);
                Vec::new()
            }
            Self::Rerun(_) => Vec::new(),
        }
    }

    /// True when the rows must be read again: there are too few to fill the window, although there
    /// are more, or a root was touched.
    pub(crate) fn needs_refill(&self, plan: &LivePlan) -> bool {
        match self {
            Self::Ordered(ordered) => ordered.needs_refill(plan),
            Self::Roots(roots) => roots.is_touched(),
            Self::Groups(_) | Self::Rerun(_) => false,
        }
    }

    /// True when memory alone no longer answers the question.
    pub(crate) fn is_in_doubt(&self) -> bool {
        match self {
            Self::Groups(groups) => groups.is_in_doubt(),
            Self::Ordered(_) | Self::Roots(_) | Self::Rerun(_) => false,
        }
    }

    /// The rows of sources that the held rows rest on.
    pub(crate) fn held(&self) -> Vec<Part> {
        match self {
            Self::Ordered(ordered) => ordered.held(),
            Self::Groups(groups) => groups.keys().map(|key| (0, key.clone())).collect(),
            Self::Roots(roots) => roots.held(),
            Self::Rerun(_) => Vec::new(),
        }
    }

    /// The row with a key, where it is held as such.
    pub(crate) fn row(&self, key: &Key) -> Option<&Row> {
        match self {
            Self::Ordered(ordered) => ordered.row(key),
            Self::Groups(_) | Self::Roots(_) | Self::Rerun(_) => None,
        }
    }

    /// The parts that came or went since the last call, and whether they are held now.
    pub(crate) fn take_moved(&mut self) -> Vec<(Part, bool)> {
        match self {
            Self::Ordered(ordered) => ordered.take_moved(),
            Self::Groups(groups) => {
                let moved = groups.take_moved().into_iter();
                moved.map(|(key, is_held)| ((0, key), is_held)).collect()
            }
            Self::Roots(roots) => roots.take_moved(),
            Self::Rerun(_) => Vec::new(),
        }
    }
}
