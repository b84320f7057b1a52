//! Asking for all touched results of a shape in one statement.

use super::LivePlan;
use super::Text;
use crate::adapter::Statement;
use crate::adapter::sql;
use crate::adapter::sql::Dialect;
use crate::error::Result;
use crate::query::Plan;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// How many results are read by one statement.
///
/// A guess: their rows are in memory together, and one slow plan holds up no more than these.
pub(crate) const MANY_RESULTS: usize = 256;

/// The statement that reads the held rows of many results.
#[derive(Debug)]
pub(super) struct Many {
    text: Text,
}

impl Many {
    /// The statement for the held rows of `plan`; `None` where it must be asked one by one.
    pub(super) fn new(plan: &Plan, dialect: &'static dyn Dialect) -> Result<Option<Self>> {
        // Without a list the shape has one result.
        let has_list = plan.ast.params.iter().any(|param| matches!(param, Value::Array(_)));
        if has_list {
            return Ok(None);
        }
        Ok(sql::select_many(plan, dialect)?.map(|sql| {
            let mut text = Text::new(sql, plan);
            text.kinds = text.kinds.iter().copied().chain([Kind::I64]).collect();
            Self { text }
        }))
    }
}

impl LivePlan {
    /// The statement that reads the held rows of the results with these parameters; `None` where
    /// each must be asked for itself. [`split`] takes its answer apart.
    pub(crate) fn holding_many(&self, params: &[&[Value]]) -> Option<Statement> {
        let many = self.many.as_ref().filter(|_| 1 < params.len())?;
        let is_list = |value: &Value| matches!(value, Value::Array(_));
        if params.iter().any(|params| params.iter().any(is_list)) {
            return None;
        }
        let lists = (0..self.plan.ast.params.len())
            .map(|place| Value::Array(params.iter().map(|params| params[place].clone()).collect()));
        Some(many.text.with(lists.collect()))
    }
}

/// The rows of each of `count` results from an answer to [`LivePlan::holding_many`].
pub(crate) fn split(rows: Vec<Row>, count: usize) -> Vec<Vec<Row>> {
    let mut parts = vec![Vec::new(); count];
    for row in rows {
        let Some((Value::Int(number), values)) = row.values().split_last() else { continue };
        let place = usize::try_from(*number - 1).unwrap_or(usize::MAX);
        if let Some(part) = parts.get_mut(place) {
            part.push(values.to_vec().into());
        }
    }
    parts
}
