//! Which tier keeps a question current, and why.
//!
//! **Invariant:** what cannot be kept in memory to the bit is asked again; nothing is ever kept
//! approximately.

use std::fmt;

use super::result::OVERSCAN;
use crate::query::Plan;
use crate::query::ast::Comparison;
use crate::query::ast::Node;
use crate::query::ast::NodeId;
use crate::query::ast::Shape;
use crate::query::eval::Evaluator;
use crate::query::eval::Semantics;
use crate::value::Value;

/// How a live result is kept current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Rows of one table that a filter selects, folded in memory.
    Row,
    /// The same up to a limit, with an overscan behind it.
    Window,
    /// Asked again whenever one of its tables is touched, and compared by key.
    Rerun,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Row => "row",
            Self::Window => "window",
            Self::Rerun => "re-run",
        })
    }
}

/// The deepest place in an order that a window is held down to.
///
/// A guess: beyond it, holding all rows before the window costs more than asking again.
const DEEPEST: u64 = 10_000;

/// The tier of a planned question.
pub(crate) fn tier(plan: &Plan, semantics: Semantics) -> Tier {
    let shape = &plan.ast.shape;
    let is_plain = plan.is_whole_root() && !shape.is_grouped() && !shape.distinct;
    let can_tell = Evaluator::new(shape, &plan.ast.params, semantics).is_some();
    let deep = shape.offset.saturating_add(shape.limit.unwrap_or(0));
    match shape.limit {
        _ if !is_plain || !can_tell || DEEPEST < deep => Tier::Rerun,
        Some(_) => Tier::Window,
        None if shape.offset == 0 => Tier::Row,
        None => Tier::Rerun,
    }
}

/// A value that a column of the root must have for a row to match: one of several alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The position of the column.
    pub(crate) column: u16,
    /// The alternatives; a row that has none of them cannot match.
    pub(crate) values: Vec<Value>,
}

/// The first condition that pins a column, if there is one.
pub(crate) fn anchor(plan: &Plan) -> Option<Anchor> {
    let shape = &plan.ast.shape;
    shape.filters.iter().find_map(|&filter| anchor_in(shape, &plan.ast.params, filter))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other conditions pin no column")]
fn anchor_in(shape: &Shape, params: &[Value], id: NodeId) -> Option<Anchor> {
    match shape.node(id) {
        Node::And(left, right) => {
            anchor_in(shape, params, left).or_else(|| anchor_in(shape, params, right))
        }
        Node::Compare(Comparison::Eq, left, right) => {
            let sides = (shape.node(left), shape.node(right));
            let ((Node::Column { column, .. }, Node::Param { index, .. })
            | (Node::Param { index, .. }, Node::Column { column, .. })) = sides
            else {
                return None;
            };
            Some(Anchor { column, values: vec![params[index as usize].clone()] })
        }
        Node::In(item, list) => {
            let (Node::Column { column, .. }, Node::Param { index, .. }) =
                (shape.node(item), shape.node(list))
            else {
                return None;
            };
            let Value::Array(values) = &params[index as usize] else { return None };
            Some(Anchor { column, values: values.to_vec() })
        }
        _ => None,
    }
}

/// What keeping a question current takes; printed by `explain_live`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The tier.
    pub tier: Tier,
    /// The tables whose changes can touch it.
    pub tables: Vec<&'static str>,
    /// The column whose values route changes to it; every change of the tables goes to it if
    /// `None`.
    pub anchor: Option<&'static str>,
    /// The rows held behind the window.
    pub overscan: Option<u64>,
}

impl Explanation {
    pub(crate) fn new(plan: &Plan, semantics: Semantics) -> Self {
        let tier = tier(plan, semantics);
        let mut tables: Vec<&'static str> =
            plan.ast.shape.tables().map(|table| table.name).collect();
        tables.sort_unstable();
        tables.dedup();
        let anchor = anchor(plan).filter(|_| tier != Tier::Rerun);
        let anchor = anchor.map(|anchor| plan.ast.root().columns[usize::from(anchor.column)].field);
        let overscan = (tier == Tier::Window).then_some(OVERSCAN);
        Self { tier, tables, anchor, overscan }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tier     {}", self.tier)?;
        writeln!(f, "tables   {}", self.tables.join(", "))?;
        match self.anchor {
            Some(column) => writeln!(f, "routed   by {column}")?,
            None => writeln!(f, "routed   every change of its tables")?,
        }
        match (self.tier, self.overscan) {
            (Tier::Row, _) => write!(f, "database none per change"),
            (Tier::Window, Some(rows)) => {
                write!(
                    f,
                    "database none per change; one refill when {rows} rows have left the window"
                )
            }
            _ => write!(f, "database one run per tick that touches its tables"),
        }
    }
}
