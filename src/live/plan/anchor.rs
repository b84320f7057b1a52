//! Values that rows must have to matter: what leads a change to the results it may touch.

use super::super::router::Interval;
use crate::query::Plan;
use crate::query::ast::Comparison;
use crate::query::ast::Node;
use crate::query::ast::NodeId;
use crate::query::ast::Shape;
use crate::value::Kind;
use crate::value::Value;

/// A column that must equal a parameter, or one item of it, for a row to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The source of the column.
    pub(crate) source: u16,
    /// The position of the column in its table.
    pub(crate) column: u16,
    param: u32,
    is_list: bool,
}

impl Anchor {
    /// The alternatives that these parameters leave.
    pub(crate) fn values<'p>(&self, params: &'p [Value]) -> &'p [Value] {
        let value = &params[self.param as usize];
        if let Value::Array(values) = value
            && self.is_list
        {
            return values;
        }
        std::slice::from_ref(value)
    }

    /// The kind of the column.
    pub(crate) fn kind(self, shape: &Shape) -> Kind {
        shape.sources[usize::from(self.source)].table.columns[usize::from(self.column)].kind
    }
}

/// A column that must lie within bounds that are parameters, for a row to matter.
///
/// Bounds that are not included are taken as if they were: the filter decides in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The position of the column in the root's table.
    pub(crate) column: u16,
    low: Option<u32>,
    high: Option<u32>,
}

impl Bounds {
    /// The bounds with these parameters.
    pub(crate) fn interval(&self, params: &[Value]) -> Interval {
        let end = |param: Option<u32>| {
            // A comparison with `NULL` is never true, which the filter knows.
            param.map(|param| params[param as usize].clone()).filter(|value| !value.is_null())
        };
        Interval { low: end(self.low), high: end(self.high) }
    }
}

/// The first column that conditions hold within bounds on both sides, or else on one.
pub(super) fn bounds(plan: &Plan) -> Option<Bounds> {
    let shape = &plan.ast.shape;
    let mut found: Vec<Bounds> = Vec::new();
    for (column, low, high) in conjuncts(shape).into_iter().filter_map(|id| bound(shape, id)) {
        match found.iter_mut().find(|bounds| bounds.column == column) {
            Some(bounds) => {
                bounds.low = bounds.low.or(low);
                bounds.high = bounds.high.or(high);
            }
            None => found.push(Bounds { column, low, high }),
        }
    }
    let both = found.iter().find(|bounds| bounds.low.is_some() && bounds.high.is_some());
    both.or(found.first()).copied()
}

fn bound(shape: &Shape, id: NodeId) -> Option<(u16, Option<u32>, Option<u32>)> {
    let Node::Compare(op, left, right) = shape.node(id) else { return None };
    let (column, param, is_turned) = match (shape.node(left), shape.node(right)) {
        (Node::Column { source: 0, column }, Node::Param { index, .. }) => (column, index, false),
        (Node::Param { index, .. }, Node::Column { source: 0, column }) => (column, index, true),
        _ => return None,
    };
    let is_low = match op {
        Comparison::Gt | Comparison::Ge => !is_turned,
        Comparison::Lt | Comparison::Le => is_turned,
        Comparison::Eq | Comparison::Ne => return None,
    };
    Some(if is_low { (column, Some(param), None) } else { (column, None, Some(param)) })
}

/// The first condition that pins a column, if there is one.
pub(super) fn anchor(plan: &Plan) -> Option<Anchor> {
    let shape = &plan.ast.shape;
    conjuncts(shape).into_iter().find_map(|id| pin(shape, id))
}

/// The conditions that must all hold, taken apart.
pub(super) fn conjuncts(shape: &Shape) -> Vec<NodeId> {
    let mut open: Vec<NodeId> = shape.filters.iter().rev().copied().collect();
    let mut found = Vec::new();
    while let Some(id) = open.pop() {
        if let Node::And(left, right) = shape.node(id) {
            open.extend([right, left]);
        } else {
            found.push(id);
        }
    }
    found
}

/// The anchor that a condition is, if it is one that means the same here and in the database.
#[expect(clippy::wildcard_enum_match_arm, reason = "other conditions pin no column")]
pub(super) fn pin(shape: &Shape, id: NodeId) -> Option<Anchor> {
    let (column, param, is_list) = match shape.node(id) {
        Node::Compare(Comparison::Eq, left, right) => match (shape.node(left), shape.node(right)) {
            (column @ Node::Column { .. }, param @ Node::Param { .. })
            | (param @ Node::Param { .. }, column @ Node::Column { .. }) => (column, param, false),
            _ => return None,
        },
        Node::In(item, list) => (shape.node(item), shape.node(list), true),
        _ => return None,
    };
    let (Node::Column { source, column }, Node::Param { index, kind }) = (column, param) else {
        return None;
    };
    let anchor = Anchor { source, column, param: index, is_list };
    let comparable = !matches!(kind, Kind::Json | Kind::Array(_));
    (comparable && anchor.kind(shape) == kind).then_some(anchor)
}
