//! How a shape's results are kept current, and why: chosen once for all results of the shape.
//!
//! **Invariant:** what cannot be kept in memory to the bit is asked again; nothing is ever kept
//! approximately.

mod admit;
mod anchor;
mod edge;
mod explain;
mod join;
mod many;
mod sorter;
mod tree;
mod view;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::anchor::Anchor;
use self::anchor::Bounds;
use self::anchor::anchor;
use self::anchor::bounds;
use self::edge::Ground;
pub(crate) use self::edge::Role;
pub(crate) use self::edge::TreeEdge;
pub(crate) use self::edge::rows_of;
use self::edge::teller;
pub use self::explain::Explanation;
use self::explain::tables_of_inner;
pub(crate) use self::explain::{own_tables, tables};
pub(crate) use self::join::JoinPlan;
pub(crate) use self::join::MANY_ROWS;
pub(crate) use self::join::Touching;
pub(crate) use self::many::MANY_RESULTS;
use self::many::Many;
pub(crate) use self::many::split;
use self::sorter::Sorter;
pub(crate) use self::tree::{Level, with_branches};
use self::view::view;
use super::result::Aggregation;
use super::result::Question;
use super::router::Lead;
use super::step::View;
use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::adapter::sql;
use crate::adapter::sql::Dialect;
use crate::error::Result;
use crate::query::Plan;
use crate::query::ast::Ast;
use crate::query::eval::Evaluator;
use crate::query::eval::Semantics;
use crate::value::Key;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// How a live result is kept current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Rows of one table that a filter selects, folded in memory.
    Row,
    /// The same up to a limit, with an overscan behind it.
    Window,
    /// Groups of rows of one table, folded in memory from what each row contributes.
    Aggregate,
    /// Rows of several tables, or of one that only the database can filter: the rows that rest on
    /// a touched one are read by its key, in one statement for all results of the shape.
    Join,
    /// Rows with what hangs on them: what a touched row leads to is read anew, in one statement for
    /// each edge for all results of the shape; all else is taken from what is held.
    Tree,
    /// Asked again whenever one of its tables is touched, and compared by key.
    Rerun,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Row => "row",
            Self::Window => "window",
            Self::Aggregate => "aggregate",
            Self::Join => "join",
            Self::Tree => "tree",
            Self::Rerun => "re-run",
        })
    }
}

/// The deepest place in an order that a window is held down to.
///
/// A guess: beyond it, holding all rows before the window costs more than asking again.
const DEEPEST: u64 = 10_000;

/// Rows held behind a window, so that most leavers need no question to the database: half a window,
/// within bounds.
///
/// The bounds are guesses. It is not a promise, and `explain_live` shows it.
fn overscan(limit: u64) -> u64 {
    (limit / 2).clamp(5, 25)
}

/// A statement without its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    sql: Arc<str>,
    kinds: Arc<[Kind]>,
}

impl Text {
    fn new(sql: Arc<str>, plan: &Plan) -> Self {
        Self { sql, kinds: plan.items.iter().map(|item| item.kind).collect() }
    }

    /// The statement with these parameters.
    pub(crate) fn with(&self, params: Vec<Value>) -> Statement {
        Statement {
            sql: Arc::clone(&self.sql),
            params,
            kinds: Arc::clone(&self.kinds),
            effect: Effect::None,
        }
    }
}

/// What is the same for all results of one shape.
#[derive(Debug)]
pub(crate) struct LivePlan {
    /// The question, completed, with every column that held rows have; its parameters are nobody's.
    pub(crate) plan: Plan,
    pub(crate) tier: Tier,
    /// The column whose values lead changes to its results.
    pub(crate) anchor: Option<Anchor>,
    /// Without an anchor: the column whose values must lie within bounds.
    pub(crate) bounds: Option<Bounds>,
    /// What the join tier needs.
    pub(crate) join: Option<JoinPlan>,
    /// What the aggregate tier needs.
    pub(crate) aggregation: Option<Aggregation>,
    /// What hangs on its rows.
    pub(crate) tree: Option<Level>,
    /// Touched rows find its results by their values and their keys.
    pub(crate) is_led: bool,
    /// What clients see.
    pub(crate) view: Arc<View>,
    /// Rows held behind the window.
    pub(crate) overscan: u64,
    semantics: Semantics,
    sorter: Sorter,
    /// Asks the question plainly.
    shown: Text,
    /// Reads the rows that are held, which are more than are shown where there is an overscan.
    held: Text,
    /// Reads them for many results.
    many: Option<Many>,
}

impl LivePlan {
    /// The way to keep results of `ast`'s shape.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the question cannot be asked, or cannot be live: it
    /// asks for the time, or locks rows.
    pub(crate) fn new(
        ast: &Ast,
        semantics: Semantics,
        dialect: &'static dyn Dialect,
    ) -> Result<Self> {
        let mut plan = Plan::new(ast)?;
        admit::admit(&plan.ast.shape)?;
        let edges = &plan.ast.shape.edges;
        let tree = if edges.is_empty() {
            None
        } else {
            Some(Level::new(plan.items.len(), edges, Ground { dialect, semantics })?)
        };
        let aggregation = Aggregation::new(&plan, semantics).filter(|_| tree.is_none());
        let tier = match (&tree, &aggregation) {
            (Some(_), _) => Tier::Tree,
            (None, Some(_)) => Tier::Aggregate,
            (None, None) => tier(&plan, semantics),
        };
        let (sorter, join) = match tier {
            Tier::Join => {
                let sorter = Sorter::of_items(&mut plan, semantics);
                let join = JoinPlan::new(&mut plan, dialect)?;
                (sorter, Some(join))
            }
            Tier::Row | Tier::Window => (Sorter::of_root(&plan, semantics), None),
            Tier::Aggregate | Tier::Tree | Tier::Rerun => (Sorter::by_key(), None),
        };
        let mut held = aggregation.as_ref().map_or_else(|| plan.clone(), |of| of.load.clone());
        let mut overscan_rows = 0;
        if !matches!(tier, Tier::Aggregate | Tier::Tree | Tier::Rerun)
            && let Some(limit) = plan.ast.shape.limit
        {
            overscan_rows = overscan(limit);
            let wanted = plan.ast.shape.offset.saturating_add(limit).saturating_add(overscan_rows);
            (held.ast.shape.limit, held.ast.shape.offset) = (Some(wanted), 0);
        }
        let is_led = match tier {
            Tier::Row | Tier::Window | Tier::Aggregate => true,
            // Of what comes before an offset nothing is held that would tell when it leaves.
            Tier::Tree => plan.ast.shape.offset == 0 && teller(&plan, semantics).is_some(),
            Tier::Join | Tier::Rerun => false,
        };
        let anchor = anchor(&plan).filter(|_| is_led);
        let is_ordered = !plan.ast.shape.order_by.is_empty();
        Ok(Self {
            view: Arc::new(view(&plan, tier, tree.as_ref(), is_ordered)),
            tier,
            anchor,
            bounds: bounds(&plan).filter(|_| is_led && anchor.is_none()),
            join,
            aggregation,
            tree,
            is_led,
            overscan: overscan_rows,
            semantics,
            sorter,
            shown: Text::new(sql::select(&plan, dialect)?, &plan),
            held: Text::new(sql::select(&held, dialect)?, &held),
            many: Many::new(&held, dialect)?,
            plan,
        })
    }

    /// The statement that asks the question plainly.
    pub(crate) fn asking(&self, params: &[Value]) -> Statement {
        self.shown.with(params.to_vec())
    }

    /// The question with these parameters, in the aggregate tier.
    pub(crate) fn aggregating<'a>(&'a self, params: &'a [Value]) -> Option<Question<'a>> {
        let aggregation = self.aggregation.as_ref()?;
        Some(Question { aggregation, plan: &self.plan, params })
    }

    /// What leads changes to the result with these parameters.
    pub(crate) fn lead<'p>(&self, params: &'p [Value]) -> Lead<'p> {
        match (&self.anchor, &self.bounds) {
            (Some(anchor), _) => Lead::Values(anchor.column, anchor.values(params)),
            (None, Some(bounds)) => Lead::Range(bounds.column, bounds.interval(params)),
            (None, None) => Lead::All,
        }
    }

    /// The statement that reads the held rows.
    pub(crate) fn holding(&self, params: &[Value]) -> Statement {
        self.held.with(params.to_vec())
    }

    /// How many rows lie before the shown ones and up to their end.
    pub(crate) fn needed(&self) -> Option<usize> {
        let shape = &self.plan.ast.shape;
        shape.limit.map(|limit| rows(shape.offset.saturating_add(limit)))
    }

    /// How many rows are read to be held.
    pub(crate) fn wanted(&self) -> usize {
        let wanted = self.needed().map(|needed| needed.saturating_add(rows(self.overscan)));
        wanted.unwrap_or(usize::MAX)
    }

    /// How many rows come before the shown ones.
    pub(crate) fn offset(&self) -> usize {
        rows(self.plan.ast.shape.offset)
    }

    /// True when a row read by key belongs to the result with these parameters. Rows of the join
    /// tier were filtered by the database.
    pub(crate) fn matches(&self, params: &[Value], row: &Row) -> bool {
        self.join.is_some()
            || Evaluator::planned(&self.plan.ast.shape, params, self.semantics)
                .matches(row.values())
    }

    /// The order of held rows.
    pub(crate) fn order(&self, left: (&Key, &Row), right: (&Key, &Row)) -> std::cmp::Ordering {
        self.sorter.order(left, right)
    }

    /// True when rows come in the order of their keys, because the question leaves it open.
    pub(crate) fn is_by_key(&self) -> bool {
        self.plan.ast.shape.order_by.is_empty()
    }
}

fn rows(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The tier of a planned question.
fn tier(plan: &Plan, semantics: Semantics) -> Tier {
    let shape = &plan.ast.shape;
    let deep = shape.offset.saturating_add(shape.limit.unwrap_or(0));
    if shape.is_grouped()
        || shape.distinct
        || DEEPEST < deep
        || (shape.limit.is_none() && 0 < shape.offset)
    {
        return Tier::Rerun;
    }
    let can_tell = Evaluator::new(shape, &plan.ast.params, semantics).is_some();
    match shape.limit {
        Some(_) if plan.is_whole_root() && can_tell => Tier::Window,
        None if plan.is_whole_root() && can_tell => Tier::Row,
        _ if join::can_keep(plan, semantics) => Tier::Join,
        _ => Tier::Rerun,
    }
}
