//! The order of held rows, by places in a row.

use std::cmp::Ordering;

use crate::query::Plan;
use crate::query::ast::Direction;
use crate::query::ast::Node;
use crate::query::ast::Nulls;
use crate::query::ast::Order;
use crate::query::eval::Semantics;
use crate::value::Key;
use crate::value::Row;

/// Compares held rows as the database orders them; by key where it has no parts.
#[derive(Clone, Debug)]
pub(super) struct Sorter {
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    /// The place in the row.
    item: usize,
    is_ascending: bool,
    nulls_last: bool,
}

impl Sorter {
    /// The order of keys.
    pub(super) fn by_key() -> Self {
        Self { parts: Vec::new() }
    }

    /// The order of rows that are whole rows of the root.
    pub(super) fn of_root(plan: &Plan, semantics: Semantics) -> Self {
        let shape = &plan.ast.shape;
        let parts = shape.order_by.iter().filter_map(|order| {
            // What is the same for all rows puts none before another.
            let Node::Column { column, .. } = shape.node(order.node) else { return None };
            Some(part(*order, usize::from(column), semantics))
        });
        Self { parts: parts.collect() }
    }

    /// The order of rows that hold the columns of `plan`, which gets those it lacks.
    pub(super) fn of_items(plan: &mut Plan, semantics: Semantics) -> Self {
        let orders = plan.ast.shape.order_by.clone();
        let parts = orders.into_iter().map(|order| part(order, plan.also(order.node), semantics));
        Self { parts: parts.collect() }
    }

    /// The place of one row before or after another.
    pub(super) fn order(&self, left: (&Key, &Row), right: (&Key, &Row)) -> Ordering {
        if self.parts.is_empty() {
            return left.0.cmp(right.0);
        }
        let mut orders = self.parts.iter().map(|part| part.order(left.1, right.1));
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

fn part(order: Order, item: usize, semantics: Semantics) -> Part {
    let is_ascending = order.direction == Direction::Ascending;
    let nulls_last = match order.nulls {
        Some(nulls) => nulls == Nulls::Last,
        None => semantics.nulls_greatest == is_ascending,
    };
    Part { item, is_ascending, nulls_last }
}

impl Part {
    fn order(&self, left: &Row, right: &Row) -> Ordering {
        let (left, right) = (&left.values()[self.item], &right.values()[self.item]);
        match (left.is_null(), right.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if self.nulls_last => Ordering::Greater,
            (false, true) if self.nulls_last => Ordering::Less,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) if self.is_ascending => left.cmp(right),
            (false, false) => right.cmp(left),
        }
    }
}
