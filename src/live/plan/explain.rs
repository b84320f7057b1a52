//! What keeping a question current takes, in words.

use std::fmt;

use super::LivePlan;
use super::Tier;
use crate::live::result::MOST_CONTRIBUTIONS;
use crate::query::Plan;
use crate::query::ast::Shape;
use crate::schema::Table;

/// What keeping a question current takes; printed by `explain_live`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The tier.
    pub tier: Tier,
    /// The tables whose changes can touch it.
    pub tables: Vec<&'static str>,
    /// The column whose values, equal or within bounds, route changes to it; every change of the tables goes to it if
    /// `None`. Of a tree, the column of the roots: what hangs on them is found by the values and keys that lead there.
    pub anchor: Option<&'static str>,
    /// The rows held behind the window.
    pub overscan: Option<u64>,
    /// What is held in memory.
    pub memory: &'static str,
    /// What the database is asked per tick that touches it.
    pub database: String,
    /// Whether the change log leads on a client that comes from another node, or from a former life of
    /// this one; it gets a snapshot otherwise. On their own node the steps that are kept lead all on.
    pub is_resumed_by_log: bool,
}

/// The tables of a plan, each once.
pub(crate) fn tables(plan: &Plan) -> Vec<&'static str> {
    let mut tables: Vec<&'static str> = plan.ast.shape.tables().map(|table| table.name).collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

/// The tables that a question reads itself, and not what hangs on its rows; each once.
pub(crate) fn own_tables(shape: &Shape) -> Vec<&'static Table> {
    let own = Shape { edges: Vec::new(), ..shape.clone() };
    once(own.tables())
}

/// The tables that questions inside this one read, each once.
pub(super) fn tables_of_inner(shape: &Shape) -> Vec<&'static Table> {
    once(shape.inner().flat_map(Shape::tables))
}

fn once(tables: impl Iterator<Item = &'static Table>) -> Vec<&'static Table> {
    let mut found: Vec<&'static Table> = Vec::new();
    for table in tables {
        if !found.iter().any(|held| std::ptr::eq(*held, table)) {
            found.push(table);
        }
    }
    found
}

impl Explanation {
    pub(crate) fn new(live: &LivePlan) -> Self {
        let shape = &live.plan.ast.shape;
        let first = live.join.as_ref().and_then(|join| join.routes.first());
        let anchor = live.anchor.or(first.map(|(anchor, _)| *anchor)).map(|anchor| {
            let table = shape.sources[usize::from(anchor.source)].table;
            table.columns[usize::from(anchor.column)].field
        });
        let bounded =
            live.bounds.map(|bounds| shape.root().columns[usize::from(bounds.column)].field);
        let has_window = !matches!(live.tier, Tier::Aggregate | Tier::Tree | Tier::Rerun)
            && shape.limit.is_some();
        Self {
            tier: live.tier,
            tables: tables(&live.plan),
            anchor: anchor.or(bounded),
            overscan: has_window.then_some(live.overscan),
            memory: memory(live.tier),
            database: database(live, has_window),
            is_resumed_by_log: live.view.resumable.is_some(),
        }
    }
}

fn memory(tier: Tier) -> &'static str {
    match tier {
        Tier::Row => "every row of the answer",
        Tier::Window => "the window, what comes before it, and the overscan",
        Tier::Aggregate => "the groups, and what each matching row contributes to them",
        Tier::Join => "the rows, and which keys of which table they rest on",
        Tier::Tree => {
            "the rows and all that hangs on them, once for all results of the shape, and which \
             keys and values lead there"
        }
        Tier::Rerun => "the rows of the answer, to tell what changed",
    }
}

fn database(live: &LivePlan, has_window: bool) -> String {
    let refill = if has_window {
        format!("; one refill when {} rows have left the window", live.overscan)
    } else {
        String::new()
    };
    match (live.tier, &live.join) {
        (Tier::Row | Tier::Window, _) => format!("none per change{refill}"),
        (Tier::Aggregate, _) => format!(
            "none per change; one run per tick once more than {MOST_CONTRIBUTIONS} rows match, or \
             values come that only the database can add up"
        ),
        (Tier::Join, Some(join)) if join.is_shared => format!(
            "one statement per touched table and tick, by key, for all results of the shape{refill}"
        ),
        (Tier::Join, _) => {
            format!("one statement per touched table, tick and result, by key{refill}")
        }
        (Tier::Tree, _) => {
            "one statement per touched edge and tick, by the values that touched rows lead to, for \
             all results of the shape; one run of the roots per tick that touches them"
                .to_owned()
        }
        (Tier::Rerun, _) => "one run per tick that touches its tables".to_owned(),
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
        writeln!(f, "memory   {}", self.memory)?;
        writeln!(f, "database {}", self.database)?;
        let resumed = if self.is_resumed_by_log { "by the change log" } else { "by a snapshot" };
        write!(f, "resumed  elsewhere {resumed}")
    }
}
