//! How a live result is kept current: one file a tier.
//!
//! **Invariant:** folding ticks into a result gives the rows that asking again at the last tick's
//! snapshot gives.

#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the engine takes it up next"))]
mod aggregate;
mod live;
mod ordered;
mod parts;

pub(crate) use self::live::{LiveResult, Stage};
pub(crate) use self::ordered::{Ordered, Touch};
pub(crate) use self::parts::Part;
use super::patch::Keyed;
use super::patch::Op;
use super::patch::diff;
use super::plan::LivePlan;

/// The rows of a live result and the way they are kept.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Row, window and join tiers: folded in memory.
    Ordered(Ordered),
    /// Re-run tier: asked again when touched.
    Rerun(Vec<Keyed>),
}

impl Rows {
    /// The rows that the question shows.
    pub(crate) fn shown(&self, plan: &LivePlan) -> &[Keyed] {
        match self {
            Self::Ordered(ordered) => ordered.shown(plan),
            Self::Rerun(rows) => rows,
        }
    }

    /// Takes rows as the database has them now, and returns the steps of the shown rows.
    pub(crate) fn replace(&mut self, plan: &LivePlan, rows: Vec<Keyed>) -> Vec<Op> {
        match self {
            Self::Ordered(ordered) => ordered.replace(plan, rows),
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

    /// The rows of sources that the held rows rest on.
    pub(crate) fn held(&self) -> Vec<Part> {
        match self {
            Self::Ordered(ordered) => ordered.held(),
            Self::Rerun(_) => Vec::new(),
        }
    }

    /// The parts that came or went since the last call, and whether they are held now.
    pub(crate) fn take_moved(&mut self) -> Vec<(Part, bool)> {
        match self {
            Self::Ordered(ordered) => ordered.take_moved(),
            Self::Rerun(_) => Vec::new(),
        }
    }
}
