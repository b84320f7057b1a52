//! What keeping a question current takes, in words.

use std::fmt;

use super::LivePlan;
use super::Tier;
use crate::live::result::MOST_CONTRIBUTIONS;
use crate::query::Plan;

/// What keeping a question current takes; printed by `explain_live`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The tier.
    pub tier: Tier,
    /// The tables whose changes can touch it.
    pub tables: Vec<&'static str>,
    /// The column whose values, equal or within bounds, route changes to it; every change of the tables goes to it if
    /// `None`.
    pub anchor: Option<&'static str>,
    /// The rows held behind the window.
    pub overscan: Option<u64>,
    /// What is held in memory.
    pub memory: &'static str,
    /// What the database is asked per tick that touches it.
    pub database: String,
}

/// The tables of a plan, each once.
pub(crate) fn tables(plan: &Plan) -> Vec<&'static str> {
    let mut tables: Vec<&'static str> = plan.ast.shape.tables().map(|table| table.name).collect();
    tables.sort_unstable();
    tables.dedup();
    tables
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
        }
    }
}

fn memory(tier: Tier) -> &'static str {
    match tier {
        Tier::Row => "every row of the answer",
        Tier::Window => "the window, what comes before it, and the overscan",
        Tier::Aggregate => "the groups, and what each matching row contributes to them",
        Tier::Join => "the rows, and which keys of which table they rest on",
        Tier::Tree => "the rows and all that hangs on them",
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
            "one run of the roots per tick that touches its tables, and one statement \
                            for each edge for all results of the shape"
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
        write!(f, "database {}", self.database)
    }
}
