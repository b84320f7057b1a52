//! Would this row match: the same filter, in memory.
//!
//! **Invariant:** for every condition that [`Evaluator::new`] accepts, the answer is the
//! database's, `NULL`s, `NaN`s and zeros included. What cannot be promised is not accepted: text
//! order under a collation that is not byte order, patterns that fold letters beyond ASCII, JSON
//! and arrays.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ast::Case;
use super::ast::Comparison;
use super::ast::Direction;
use super::ast::Node;
use super::ast::NodeId;
use super::ast::Nulls;
use super::ast::Order;
use super::ast::Shape;
use super::ast::TextFunction;
use super::check;
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
    /// Which letters `lower` and `upper` change.
    pub letters: Letters,
}

/// Which letters have another case for a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Letters {
    /// Those of ASCII and no others.
    Ascii,
    /// Those of some locale, which the evaluator does not know.
    Locale,
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
        if shape.sources.len() != 1 || !shape.is_flat() || !check::is_shallow(shape) {
            return None;
        }
        let conditions = shape.filters.iter().all(|&node| this.can_tell(node));
        let mut order = shape.order_by.iter().map(|order| order.node);
        (conditions && order.all(|node| this.can_order(node) && this.can_say(node))).then_some(this)
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
        let mut order = self.shape.order_by.iter().map(|order| order.node);
        check::is_shallow(self.shape)
            && self.shape.having.iter().all(|&node| self.can_tell(node))
            && order.all(|node| self.can_order(node) && self.can_say(node))
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
            (false, false) if ascending => left.cmp(&right),
            (false, false) => right.cmp(&left),
        }
    }

    /// What an expression holds, where the evaluator knows.
    fn kind(&self, id: NodeId) -> Option<Kind> {
        match self.shape.node(id) {
            Node::Column { source: 0, column } => {
                self.shape.root().columns.get(usize::from(column)).map(|column| column.kind)
            }
            Node::Param { kind, .. } => Some(kind),
            Node::Aggregate(function, of) if self.over == Over::Groups => {
                of.map_or(Some(Kind::I64), |of| self.kind(of)).map(|kind| function.kind(kind))
            }
            Node::Coalesce(left, right) => self.common_kind(left, right),
            Node::When(_, then, None) => self.kind(then),
            Node::When(_, then, Some(otherwise)) => self.common_kind(then, otherwise),
            Node::Text(TextFunction::Length, _) => Some(Kind::I64),
            Node::Text(TextFunction::Lower | TextFunction::Upper, _) => Some(Kind::Text),
            Node::Compare(..)
            | Node::And(..)
            | Node::Or(..)
            | Node::Not(_)
            | Node::IsNull(_)
            | Node::In(..)
            | Node::Like(..) => Some(Kind::Bool),
            Node::Column { .. }
            | Node::Outer { .. }
            | Node::Aggregate(..)
            | Node::Arithmetic(..)
            | Node::Now
            | Node::Fragment(_)
            | Node::Window(_)
            | Node::Exists(_)
            | Node::InQuery(..)
            | Node::Scalar(_) => None,
        }
    }

    fn common_kind(&self, left: NodeId, right: NodeId) -> Option<Kind> {
        self.kind(left).filter(|&kind| self.kind(right) == Some(kind))
    }

    /// Whether values of this kind sort the same here and there.
    fn can_order(&self, id: NodeId) -> bool {
        match self.kind(id) {
            Some(Kind::Text) => self.semantics.text_by_bytes,
            Some(Kind::Json | Kind::Array(_)) | None => false,
            Some(_) => true,
        }
    }

    /// Whether a comparison of two values means the same here and there.
    fn can_compare(&self, op: Comparison, left: NodeId, right: NodeId) -> bool {
        let kind = self.common_kind(left, right);
        match op {
            Comparison::Eq | Comparison::Ne => {
                kind.is_some_and(|kind| !matches!(kind, Kind::Json | Kind::Array(_)))
            }
            Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge => {
                kind.is_some() && self.can_order(left)
            }
        }
    }

    /// Whether an expression is a condition that means the same here and there.
    fn can_tell(&self, id: NodeId) -> bool {
        self.kind(id) == Some(Kind::Bool) && self.can_say(id)
    }

    /// Whether an expression has the same value here and there.
    fn can_say(&self, id: NodeId) -> bool {
        match self.shape.node(id) {
            Node::Column { .. } | Node::Param { .. } | Node::Aggregate(..) => {
                self.kind(id).is_some()
            }
            Node::Compare(op, left, right) => {
                self.can_compare(op, left, right) && self.can_say(left) && self.can_say(right)
            }
            node @ (Node::And(..) | Node::Or(..)) => {
                chain(self.shape, node).all(|operand| self.can_tell(operand))
            }
            Node::Not(of) => self.can_tell(of),
            Node::IsNull(of) => self.can_say(of),
            Node::In(item, list) => {
                matches!(self.shape.node(list), Node::Param { .. })
                    && self.can_compare(Comparison::Eq, item, list)
                    && self.can_say(item)
            }
            Node::Like(text, pattern, case) => {
                case == Case::AsDatabase
                    && self.kind(text) == Some(Kind::Text)
                    && self.can_say(text)
                    && matches!(self.shape.node(pattern), Node::Param { .. })
            }
            Node::Coalesce(left, right) => {
                self.kind(id).is_some() && self.can_say(left) && self.can_say(right)
            }
            Node::When(condition, then, otherwise) => {
                self.kind(id).is_some()
                    && self.can_tell(condition)
                    && self.can_say(then)
                    && otherwise.is_none_or(|otherwise| self.can_say(otherwise))
            }
            Node::Text(function, of) => {
                let is_known = match function {
                    TextFunction::Lower | TextFunction::Upper => {
                        self.semantics.letters == Letters::Ascii
                    }
                    TextFunction::Length => true,
                };
                is_known && self.kind(of) == Some(Kind::Text) && self.can_say(of)
            }
            Node::Outer { .. }
            | Node::Arithmetic(..)
            | Node::Now
            | Node::Fragment(_)
            | Node::Window(_)
            | Node::Exists(_)
            | Node::InQuery(..)
            | Node::Scalar(_) => false,
        }
    }

    fn value<'v>(&self, id: NodeId, row: &'v [Value]) -> Cow<'v, Value>
    where
        'a: 'v,
    {
        match self.shape.node(id) {
            Node::Column { .. } | Node::Aggregate(..) if self.over == Over::Groups => {
                Cow::Borrowed(&row[id.index()])
            }
            Node::Column { column, .. } => Cow::Borrowed(&row[usize::from(column)]),
            Node::Param { index, .. } => Cow::Borrowed(&self.params[index as usize]),
            Node::Coalesce(left, right) => {
                let left = self.value(left, row);
                if left.is_null() { self.value(right, row) } else { left }
            }
            Node::When(condition, then, otherwise) => match (self.truth(condition, row), otherwise)
            {
                (Some(true), _) => self.value(then, row),
                (Some(false) | None, Some(otherwise)) => self.value(otherwise, row),
                (Some(false) | None, None) => Cow::Owned(Value::Null),
            },
            Node::Text(function, of) => Cow::Owned(text(function, &self.value(of, row))),
            Node::Compare(..)
            | Node::And(..)
            | Node::Or(..)
            | Node::Not(_)
            | Node::IsNull(_)
            | Node::In(..)
            | Node::Like(..) => Cow::Owned(self.truth(id, row).map_or(Value::Null, Value::Bool)),
            Node::Outer { .. }
            | Node::Aggregate(..)
            | Node::Arithmetic(..)
            | Node::Now
            | Node::Fragment(_)
            | Node::Window(_)
            | Node::Exists(_)
            | Node::InQuery(..)
            | Node::Scalar(_) => Cow::Owned(Value::Null),
        }
    }

    /// Three-valued logic: `None` is unknown.
    fn truth(&self, id: NodeId, row: &[Value]) -> Option<bool> {
        match self.shape.node(id) {
            Node::Compare(op, left, right) => {
                let (left, right) = (self.value(left, row), self.value(right, row));
                if left.is_null() || right.is_null() {
                    return None;
                }
                Some(holds(op, left.cmp(&right)))
            }
            node @ Node::And(..) => self.decided(node, row, false),
            node @ Node::Or(..) => self.decided(node, row, true),
            Node::Not(of) => self.truth(of, row).map(|truth| !truth),
            Node::IsNull(of) => Some(self.value(of, row).is_null()),
            Node::In(item, list) => is_in(&self.value(item, row), &self.value(list, row)),
            Node::Like(text, pattern, _) => {
                match (&*self.value(text, row), &*self.value(pattern, row)) {
                    (Value::Text(text), Value::Text(pattern)) => {
                        Some(like(text, pattern, self.semantics.like_folds_ascii))
                    }
                    _ => None,
                }
            }
            Node::Column { .. }
            | Node::Outer { .. }
            | Node::Param { .. }
            | Node::Aggregate(..)
            | Node::Arithmetic(..)
            | Node::Coalesce(..)
            | Node::When(..)
            | Node::Text(..)
            | Node::Now
            | Node::Fragment(_)
            | Node::Window(_)
            | Node::Exists(_)
            | Node::InQuery(..)
            | Node::Scalar(_) => {
                let Value::Bool(value) = *self.value(id, row) else { return None };
                Some(value)
            }
        }
    }

    /// A chain of `and`, which one false operand decides, or of `or`, which one true one does.
    fn decided(&self, node: Node, row: &[Value], by: bool) -> Option<bool> {
        let mut truth = Some(!by);
        for operand in chain(self.shape, node) {
            match self.truth(operand, row) {
                Some(value) if value == by => return Some(by),
                Some(_) => {}
                None => truth = None,
            }
        }
        truth
    }
}

/// The operands of a chain of `and` or of `or`, from the last to the first; the stack stays flat.
fn chain(shape: &Shape, node: Node) -> impl Iterator<Item = NodeId> + '_ {
    let is_and = matches!(node, Node::And(..));
    let parts = move |node: Node| match (node, is_and) {
        (Node::And(left, right), true) | (Node::Or(left, right), false) => Some((left, right)),
        _ => None,
    };
    let (mut rest, mut first) = (parts(node), None);
    std::iter::from_fn(move || {
        let Some((left, right)) = rest else { return first.take() };
        rest = parts(shape.node(left));
        first = rest.is_none().then_some(left);
        Some(right)
    })
}

fn text(function: TextFunction, of: &Value) -> Value {
    let Value::Text(text) = of else { return Value::Null };
    match function {
        TextFunction::Lower => Value::text(text.to_ascii_lowercase()),
        TextFunction::Upper => Value::text(text.to_ascii_uppercase()),
        TextFunction::Length => {
            Value::Int(i64::try_from(text.chars().count()).expect("memory is smaller than 2^63"))
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
