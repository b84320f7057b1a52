//! What clients see of a shape's results.

use std::sync::Arc;

use super::Tier;
use super::tree::Level;
use crate::live::step::View;
use crate::query::Plan;
use crate::schema::Table;
use crate::value::Kind;

/// What is the same for every state of all results of a shape.
pub(super) fn view(plan: &Plan, tier: Tier, tree: Option<&Level>, is_ordered: bool) -> View {
    let outputs: Arc<[_]> = plan.outputs().collect();
    let key = match *plan.key {
        [column] if column < outputs.len() && !plan.repeats => Some(outputs[column].name),
        _ => None,
    };
    View {
        outputs,
        key,
        is_ordered,
        start: plan.items.len(),
        branches: tree.map_or_else(Vec::new, Level::branches),
        resumable: resumable(plan, tier),
    }
}

/// The table whose touched keys tell how the rows changed. Keys that are texts are not told to
/// clients who may not see their rows.
fn resumable(plan: &Plan, tier: Tier) -> Option<&'static Table> {
    let table = plan.ast.root();
    let is_a_number = |kind| matches!(kind, Kind::I16 | Kind::I32 | Kind::I64 | Kind::Uuid);
    let are_numbers = table.key_columns().all(|column| is_a_number(column.kind));
    // What stands before a window may have moved by any number of rows.
    let is_kept = match tier {
        Tier::Row | Tier::Window => plan.ast.shape.offset == 0,
        Tier::Aggregate | Tier::Join | Tier::Tree | Tier::Rerun => false,
    };
    (is_kept && are_numbers).then_some(table)
}
