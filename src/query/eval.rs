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
}

/// Evaluates the conditions and the order of one shape over rows of its root table.
#[derive(Clone, Copy, Debug)]
pub struct Evaluator<'a> {
    shape: &'a Shape,
    params: &'a [Value],
    semantics: Semantics,
}

impl<'a> Evaluator<'a> {
    /// An evaluator, or `None` where the answer could differ from the database's.
    pub fn new(shape: &'a Shape, params: &'a [Value], semantics: Semantics) -> Option<Self> {
        let this = Self { shape, params, semantics };
        let conditions = shape.filters.iter().all(|&node| this.can_tell(node));
        let order = shape.order_by.iter().all(|order| this.can_order(order.node));
        (shape.sources.len() == 1 && conditions && order).then_some(this)
    }

    /// An evaluator of a shape that [`Evaluator::new`] accepted before.
    pub(crate) fn planned(shape: &'a Shape, params: &'a [Value], semantics: Semantics) -> Self {
        Self { shape, params, semantics }
    }

    /// True when all filters are true of `row`.
    pub fn matches(&self, row: &[Value]) -> bool {
        self.shape.filters.iter().all(|&node| self.truth(node, row) == Some(true))
    }

    /// The place of one row before or after another.
    pub fn order(&self, left: &[Value], right: &[Value]) -> Ordering {
        let parts = self.shape.order_by.iter();
        let mut orders = parts.map(|order| self.order_by(order, left, right));
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    fn order_by(&self, order: &Order, left: &[Value], right: &[Value]) -> Ordering {
        let (left, right) = (self.value(order.node, left), self.value(order.node, right));
        let ascending = order.direction == Direction::Ascending;
        let nulls_last = match order.nulls {
            Some(nulls) => nulls == Nulls::Last,
            None => self.semantics.nulls_greatest == ascending,
        };
        match (left.is_null(), right.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => if nulls_last { Ordering::Greater } else { Ordering::Less },
            (false, true) => if nulls_last { Ordering::Less } else { Ordering::Greater },
            (false, false) if ascending => left.cmp(right),
            (false, false) => right.cmp(left),
        }
    }

    fn kind(&self, id: NodeId) -> Option<Kind> {
        match self.shape.node(id) {
            Node::Column { column, .. } => {
                Some(self.shape.root().columns[usize::from(column)].kind)
            }
            Node::Param { kind, .. } => Some(kind),
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
            Node::Column { .. } | Node::Param { .. } => self.kind(id) == Some(Kind::Bool),
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
            Node::Aggregate(..) => false,
        }
    }

    fn value<'v>(&self, id: NodeId, row: &'v [Value]) -> &'v Value
    where
        'a: 'v,
    {
        match self.shape.node(id) {
            Node::Column { column, .. } => &row[usize::from(column)],
            Node::Param { index, .. } => &self.params[index as usize],
            _ => &Value::Null,
        }
    }

    /// Three-valued logic: `None` is unknown.
    fn truth(&self, id: NodeId, row: &[Value]) -> Option<bool> {
        match self.shape.node(id) {
            Node::Column { .. } | Node::Param { .. } => match self.value(id, row) {
                Value::Bool(value) => Some(*value),
                _ => None,
            },
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
            Node::In(item, list) => self.is_in(self.value(item, row), self.value(list, row)),
            Node::Like(text, pattern, _) => {
                match (self.value(text, row), self.value(pattern, row)) {
                    (Value::Text(text), Value::Text(pattern)) => {
                        Some(like(text, pattern, self.semantics.like_folds_ascii))
                    }
                    _ => None,
                }
            }
            Node::Aggregate(..) => None,
        }
    }

    fn is_in(&self, item: &Value, list: &Value) -> Option<bool> {
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

/// One step of a pattern.
#[derive(Clone, Copy)]
enum Step {
    Any,
    One,
    Exactly(char),
}

fn steps(pattern: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = pattern.chars();
    while let Some(next) = rest.next() {
        steps.push(match next {
            '%' => Step::Any,
            '_' => Step::One,
            '\\' => Step::Exactly(rest.next().unwrap_or('\\')),
            other => Step::Exactly(other),
        });
    }
    steps
}

/// Matches the whole of `text`; on a mismatch goes back to the last `%` and gives it one character
/// more, so the cost is at most the product of both lengths and the stack stays flat.
fn like(text: &str, pattern: &str, fold_ascii: bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    let steps = steps(pattern);
    let same = |left: char, right: char| {
        left == right || fold_ascii && left.eq_ignore_ascii_case(&right)
    };
    let (mut at, mut step) = (0, 0);
    let mut last_any: Option<(usize, usize)> = None;
    loop {
        match steps.get(step) {
            Some(Step::Any) => {
                last_any = Some((step, at));
                step += 1;
                continue;
            }
            Some(Step::One) if at < text.len() => {
                (at, step) = (at + 1, step + 1);
                continue;
            }
            Some(Step::Exactly(wanted)) if at < text.len() && same(text[at], *wanted) => {
                (at, step) = (at + 1, step + 1);
                continue;
            }
            None if at == text.len() => return true,
            _ => {}
        }
        match &mut last_any {
            Some((any, from)) if *from < text.len() => {
                *from += 1;
                (at, step) = (*from, *any + 1);
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match_as_the_databases_do() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("abc", "a%c", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("aXbXc", "%b%c", true),
            ("mississippi", "%iss%ip%", true),
            ("mississippi", "%iss%ix%", false),
            ("é", "_", true),
            ("ABC", "abc", false),
        ] {
            assert_eq!(like(text, pattern, false), expected, "{text:?} like {pattern:?}");
        }
        assert!(like("ABC", "abc", true));
        assert!(!like("É", "é", true));
    }
}
