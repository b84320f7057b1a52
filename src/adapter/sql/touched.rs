//! The rows of an answer that rest on rows with given keys.
//!
//! **Invariant:** the lists of keys are the parameters after those of the question.

use std::sync::Arc;

use super::Dialect;
use super::expression::Hold;
use super::expression::Writer;
use super::read::Ordered;
use super::read::clause;
use super::read::conjunction;
use super::read::items;
use super::read::key_columns;
use super::read::restricted;
use super::read::sources;
use crate::error::Result;
use crate::query::Plan;

/// The statement that reads those rows of the answer whose source number `source` has one of the
/// keys in the lists of [`key_lists`](super::key_lists).
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) where the database cannot express it, naming what.
pub(crate) fn select_touched(
    plan: &Plan,
    source: usize,
    dialect: &dyn Dialect,
) -> Result<Arc<str>> {
    let condition = membership(plan, source, dialect)?;
    select(plan, condition, dialect)
}

/// The statement that reads all rows of the answer whose root stands in some row of it beside a row
/// of source number `source` with one of the keys.
///
/// # Errors
///
/// As [`select_touched`].
pub(crate) fn select_rooted(plan: &Plan, source: usize, dialect: &dyn Dialect) -> Result<Arc<str>> {
    let columns = key_columns(plan.ast.root(), 0, dialect)?;
    let names: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
    let names = names.join(", ");
    let mut writer = Writer::new(&plan.ast.shape, dialect);
    let mut inner = format!("select {names} from {}", sources(&mut writer)?);
    let mut filters = conjunction(&mut writer, &plan.ast.shape.filters, Hold::Conjunct)?;
    filters.push(membership(plan, source, dialect)?);
    clause(&mut inner, " where ", &filters, " and ");
    select(plan, format!("({names}) in ({inner})"), dialect)
}

fn membership(plan: &Plan, source: usize, dialect: &dyn Dialect) -> Result<String> {
    let table = plan.ast.shape.sources[source].table;
    let first = plan.ast.params.len() + 1;
    dialect.key_membership(&key_columns(table, source, dialect)?, first)
}

fn select(plan: &Plan, condition: String, dialect: &dyn Dialect) -> Result<Arc<str>> {
    let mut writer = Writer::new(&plan.ast.shape, dialect);
    let items = items(&mut writer, &plan.items)?;
    restricted(&mut writer, &items, Ordered::No, Some(condition)).map(Arc::from)
}
