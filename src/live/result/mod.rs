//! How a live result is kept current: one file a tier.
//!
//! **Invariant:** folding ticks into a result gives the rows that asking again at the last tick's
//! snapshot gives.

mod live;
mod ordered;

pub(crate) use self::live::{LiveResult, Stage, statement};
pub(crate) use self::ordered::{OVERSCAN, Ordered, Touch};
use super::patch::Keyed;
use super::patch::Op;
use super::patch::diff;
use crate::query::Plan;
use crate::value::Key;

/// The rows of a live result and the way they are kept.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Row and window tiers: folded in memory.
    Ordered(Ordered),
    /// Re-run tier: asked again when touched.
    Rerun(Vec<Keyed>),
}

impl Rows {
    /// The rows that the question shows.
    pub(crate) fn shown(&self, plan: &Plan) -> &[Keyed] {
        match self {
            Self::Ordered(ordered) => ordered.shown(plan),
            Self::Rerun(rows) => rows,
        }
    }

    /// Takes rows as the database has them now, and returns the steps of the shown rows.
    pub(crate) fn replace(&mut self, plan: &Plan, rows: Vec<Keyed>) -> Vec<Op> {
        match self {
            Self::Ordered(ordered) => ordered.replace(plan, rows),
            Self::Rerun(held) => {
                let mut rows = rows;
                if plan.ast.shape.order_by.is_empty() {
                    // The question leaves the order open; the key closes it for all clients alike.
                    rows.sort_unstable_by(|left, right| left.key.cmp(&right.key));
                }
                let ops = diff(held, &rows);
                *held = rows;
                ops
            }
        }
    }

    /// The keys of the rows it holds in memory to fold.
    pub(crate) fn held_keys(&self) -> Vec<Key> {
        match self {
            Self::Ordered(ordered) => ordered.keys().cloned().collect(),
            Self::Rerun(_) => Vec::new(),
        }
    }

    /// The keys that came or went since the last call, and whether they are held now.
    pub(crate) fn take_held_changes(&mut self) -> Vec<(Key, bool)> {
        match self {
            Self::Ordered(ordered) => ordered.take_held_changes(),
            Self::Rerun(_) => Vec::new(),
        }
    }
}
