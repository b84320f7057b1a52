//! Would this row match: the same filter, in memory.
//!
//! **Invariant:** for every condition that [`Evaluator::new`] accepts, the answer is the
//! database's, `NULL`s, `NaN`s and zeros included. What cannot be promised is not accepted: text
//! order under a collation that is not byte order, patterns that fold letters beyond ASCII, JSON
//! and arrays.

use std::cmp::Ordering;

use super::ast::Case;
use super::ast::Comparison;
use super::ast::Direction;
use super::ast::Node;
use super::ast::NodeId;
use super::ast::Nulls;
use super::ast::Order;
use super::ast::Shape;
use super::like::like;
use crate::value::Kind;
use crate::value::Value;

/// Where databases differ about values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semantics {
    /// `NULL` sorts after all values (PostgreSQL) or before them (SQLite), unless told.
    pub nulls_greatest: bool,
    /// Text sorts by its bytes.
    pub text_by_bytes: bool,
    /// `like` does not tell `A` from `a` within ASCII (SQLite).
    pub like_folds_ascii: bool,
    /// How sums and means are rounded and written.
    pub arithmetic: Arithmetic,
}

/// How a database adds up and divides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arithmetic {
    /// PostgreSQL: decimals keep their scale; a mean of integers or decimals is a quotient of
    /// `numeric`s.
    Numeric,
    /// SQLite with our functions: decimals have no zeros at the end; a mean of integers is a
    /// quotient of doubles.
    Sqlite,
}

/// Evaluates the conditions and the order of one shape over rows of its root table, or over groups
/// of them.
#[derive(Clone, Copy, Debug)]
pub struct Evaluator<'a> {
    shape: &'a Shape,
    params: &'a [Value],
    semantics: Semantics,
    over: Over,
}

/// What the values handed to an evaluator are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The columns of a row of the root table.
    Rows,
    /// One value for each expression of the shape, of which columns and aggregates are looked at.
    Groups,
}

impl<'a> Evaluator<'a> {
    /// An evaluator, or `None` where the answer could differ from the database's.
    pub fn new(shape: &'a Shape, params: &'a [Value], semantics: Semantics) -> Option<Self> {
        let this = Self { shape, params, semantics, over: Over::Rows };
        // First, since everything else takes columns for those of the root.
        if shape.sources.len() != 1 {
            return None;
        }
        let conditions = shape.filters.iter().all(|&node| this.can_tell(node));
        let order = shape.order_by.iter().all(|order| this.can_order(order.node));
        (conditions && order).then_some(this)
    }

    /// An evaluator of a shape that [`Evaluator::new`] accepted before.
    #[cfg(feature = "live")]
    pub(crate) fn planned(shape: &'a Shape, params: &'a [Value], semantics: Semantics) -> Self {
        Self { shape, params, semantics, over: Over::Rows }
    }

    /// An evaluator of what a shape says about groups: its `having` and its order.
    pub fn of_groups(shape: &'a Shape, params: &'a [Value], semantics: Semantics) -> Self {
        Self { shape, params, semantics, over: Over::Groups }
    }

    /// True when an evaluator of groups answers as the database does.
    pub fn can_tell_groups(&self) -> bool {
        self.shape.having.iter().all(|&node| self.can_tell(node))
            && self.shape.order_by.iter().all(|order| self.can_order(order.node))
    }

    /// True when all conditions on groups are true of `group`.
    pub fn passes(&self, group: &[Value]) -> bool {
        self.shape.having.iter().all(|&node| self.truth(node, group) == Some(true))
    }

    /// True when all filters are true of `row`.
    pub fn matches(&self, row: &[Value]) -> bool {
        self.shape.filters.iter().all(|&node| self.truth(node, row) == Some(true))
    }

    /// The place of one row before or after another.
    pub fn order(&self, left: &[Value], right: &[Value]) -> Ordering {
        let parts = self.shape.order_by.iter();
        let mut orders = parts.map(|order| self.order_by(*order, left, right));
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    fn order_by(&self, order: Order, left: &[Value], right: &[Value]) -> Ordering {
        let (left, right) = (self.value(order.node, left), self.value(order.node, right));
        let ascending = order.direction == Direction::Ascending;
        let nulls_last = match order.nulls {
            Some(nulls) => nulls == Nulls::Last,
            None => self.semantics.nulls_greatest == ascending,
        };
        match (left.is_null(), right.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if nulls_last => Ordering::Greater,
            (false, true) if nulls_last => Ordering::Less,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) if ascending => left.cmp(right),
            (false, false) => right.cmp(left),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only columns and parameters are values; the rest are conditions"
    )]
    fn kind(&self, id: NodeId) -> Option<Kind> {
        match self.shape.node(id) {
            Node::Column { column, .. } => {
                Some(self.shape.root().columns[usize::from(column)].kind)
            }
            Node::Param { kind, .. } => Some(kind),
            Node::Aggregate(function, of) if self.over == Over::Groups => {
                of.map_or(Some(Kind::I64), |of| self.kind(of)).map(|kind| function.kind(kind))
            }
            _ => None,
        }
    }

    fn can_order(&self, id: NodeId) -> bool {
        match self.kind(id) {
            Some(Kind::Text) => self.semantics.text_by_bytes,
            Some(Kind::Json | Kind::Array(_)) | None => false,
            Some(_) => true,
        }
    }

    /// Whether a comparison of two nodes means the same here and there.
    fn can_compare(&self, op: Comparison, left: NodeId, right: NodeId) -> bool {
        let same = self.kind(left).is_some() && self.kind(left) == self.kind(right);
        match op {
            Comparison::Eq | Comparison::Ne => {
                same && !matches!(self.kind(left), Some(Kind::Json | Kind::Array(_)))
            }
            Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge => {
                same && self.can_order(left)
            }
        }
    }

    fn can_tell(&self, id: NodeId) -> bool {
        match self.shape.node(id) {
            Node::Column { .. } | Node::Param { .. } | Node::Aggregate(..) => {
                self.kind(id) == Some(Kind::Bool)
            }
            Node::Compare(op, left, right) => self.can_compare(op, left, right),
            Node::And(left, right) | Node::Or(left, right) => {
                self.can_tell(left) && self.can_tell(right)
            }
            Node::Not(of) => self.can_tell(of),
            Node::IsNull(of) => self.kind(of).is_some(),
            Node::In(item, list) => self.can_compare(Comparison::Eq, item, list),
            Node::Like(text, pattern, case) => {
                case == Case::AsDatabase
                    && self.kind(text) == Some(Kind::Text)
                    && matches!(self.shape.node(pattern), Node::Param { .. })
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only columns and parameters are values; the rest are conditions"
    )]
    fn value<'v>(&self, id: NodeId, row: &'v [Value]) -> &'v Value
    where
        'a: 'v,
    {
        match self.shape.node(id) {
            Node::Column { .. } | Node::Aggregate(..) if self.over == Over::Groups => {
                &row[id.index()]
            }
            Node::Column { column, .. } => &row[usize::from(column)],
            Node::Param { index, .. } => &self.params[index as usize],
            _ => &Value::Null,
        }
    }

    /// Three-valued logic: `None` is unknown.
    fn truth(&self, id: NodeId, row: &[Value]) -> Option<bool> {
        match self.shape.node(id) {
            Node::Column { .. } | Node::Param { .. } | Node::Aggregate(..) => {
                let Value::Bool(value) = self.value(id, row) else { return None };
                Some(*value)
            }
            Node::Compare(op, left, right) => {
                let (left, right) = (self.value(left, row), self.value(right, row));
                if left.is_null() || right.is_null() {
                    return None;
                }
                Some(holds(op, left.cmp(right)))
            }
            Node::And(left, right) => match (self.truth(left, row), self.truth(right, row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Node::Or(left, right) => match (self.truth(left, row), self.truth(right, row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Node::Not(of) => self.truth(of, row).map(|truth| !truth),
            Node::IsNull(of) => Some(self.value(of, row).is_null()),
            Node::In(item, list) => is_in(self.value(item, row), self.value(list, row)),
            Node::Like(text, pattern, _) => {
                match (self.value(text, row), self.value(pattern, row)) {
                    (Value::Text(text), Value::Text(pattern)) => {
                        Some(like(text, pattern, self.semantics.like_folds_ascii))
                    }
                    _ => None,
                }
            }
        }
    }
}

fn is_in(item: &Value, list: &Value) -> Option<bool> {
    let Value::Array(values) = list else { return None };
    if values.is_empty() {
        return Some(false);
    }
    if item.is_null() {
        return None;
    }
    if values.contains(item) {
        return Some(true);
    }
    if values.iter().any(Value::is_null) { None } else { Some(false) }
}

fn holds(op: Comparison, order: Ordering) -> bool {
    match op {
        Comparison::Eq => order.is_eq(),
        Comparison::Ne => order.is_ne(),
        Comparison::Lt => order.is_lt(),
        Comparison::Le => order.is_le(),
        Comparison::Gt => order.is_gt(),
        Comparison::Ge => order.is_ge(),
    }
}
