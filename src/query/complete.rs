//! Closing what a question leaves open: what its names mean, what it shows, in which order.

use std::ptr;

use super::ast::Answer;
use super::ast::Combination;
use super::ast::Direction;
use super::ast::Item;
use super::ast::Node;
use super::ast::NodeId;
use super::ast::Order;
use super::ast::Shape;
use super::ast::Source;
use super::ast::With;
use super::ast::index;
use crate::schema::Table;
use crate::value::Kind;

/// A table that stands for an answer, and where that `with` is: level and place.
pub(super) type Standing = (&'static Table, usize, usize);

/// Tells every source which answer it reads, if its table stands for one.
pub(super) fn resolve(shape: &mut Shape, standing: &mut Vec<Standing>, level: usize) {
    let outside = standing.len();
    for (place, with) in shape.withs.iter_mut().enumerate() {
        let before = standing.len();
        standing
            .extend(with.table.filter(|_| with.is_recursive).map(|table| (table, level, place)));
        for member in with.members_mut() {
            resolve(member, standing, level + 1);
        }
        standing.truncate(before);
        standing.extend(with.table.map(|table| (table, level, place)));
    }
    for source in &mut shape.sources {
        let mut found = standing.iter().rev().filter(|(table, ..)| ptr::eq(*table, source.table));
        if source.answer.is_none()
            && let Some(&(_, at, place)) = found.next()
        {
            source.answer = Some(Answer { up: index(level - at), index: index(place) });
        }
    }
    for query in shape.nodes.queries_mut() {
        resolve(query, standing, level + 1);
    }
    standing.truncate(outside);
}

/// Completes a question inside another one: what it shows is said, and its order where it matters.
pub(super) fn close(shape: &mut Shape) {
    for inner in shape.inner_mut() {
        close(inner);
    }
    let (items, _) = complete(shape);
    shape.select = items;
}

/// What tells the rows of an answer apart.
pub(super) struct Keys {
    pub(super) nodes: Vec<NodeId>,
    /// Rows may agree in them all.
    pub(super) repeat: bool,
}

/// Completes one question whose inner ones are complete, and returns what it shows.
pub(super) fn complete(shape: &mut Shape) -> (Vec<Item>, Keys) {
    let items = shown(shape);
    let keys = keys(shape, &items);
    complete_order(shape, &keys.nodes);
    complete_windows(shape);
    (items, keys)
}

fn shown(shape: &mut Shape) -> Vec<Item> {
    if !shape.select.is_empty() {
        return shape.select.clone();
    }
    let nameless = shape.sources[0].answer.and_then(|answer| {
        let with = shape.withs.get(usize::from(answer.index))?;
        (answer.up == 0 && with.table.is_none()).then(|| with.first.select.clone())
    });
    let columns: Vec<(&'static str, Kind)> = match nameless {
        Some(items) => items.iter().map(|item| (item.name, item.kind)).collect(),
        None => shape.root().columns.iter().map(|column| (column.field, column.kind)).collect(),
    };
    let columns = columns.into_iter().enumerate();
    columns
        .map(|(column, (name, kind))| Item { node: column_node(shape, 0, column), name, kind })
        .collect()
}

pub(super) fn column_node(shape: &mut Shape, source: usize, column: usize) -> NodeId {
    shape.nodes.push(Node::Column { source: index(source), column: index(column) })
}

fn keys(shape: &mut Shape, shown: &[Item]) -> Keys {
    let all_shown = || shown.iter().map(|item| item.node).collect();
    if shape.distinct {
        return Keys { nodes: all_shown(), repeat: false };
    }
    if shape.is_grouped() {
        return Keys { nodes: shape.group_by.clone(), repeat: false };
    }
    if shape.sources.iter().any(|source| source.answer.is_some()) {
        // Nobody can tell what tells the rows of an answer apart, but for those of a set.
        return Keys { nodes: all_shown(), repeat: !is_set(shape) };
    }
    Keys { nodes: primary_keys(shape), repeat: false }
}

/// True for the whole rows of an answer that holds each row once.
fn is_set(shape: &Shape) -> bool {
    let [Source { answer: Some(Answer { up: 0, index }), .. }] = &*shape.sources else {
        return false;
    };
    let with = &shape.withs[usize::from(*index)];
    let is_set = match with.rest.last() {
        Some((Combination::Union | Combination::Intersect | Combination::Except, _)) => true,
        Some((Combination::UnionAll, _)) | None => false,
    };
    shape.select.is_empty() && is_set
}

fn primary_keys(shape: &mut Shape) -> Vec<NodeId> {
    let sources = shape.sources.clone();
    let keys = sources
        .iter()
        .enumerate()
        .flat_map(|(source, of)| of.table.primary_key.iter().map(move |&column| (source, column)));
    keys.map(|(source, column)| column_node(shape, source, column)).collect()
}

pub(super) fn same(shape: &Shape, left: NodeId, right: NodeId) -> bool {
    shape.nodes.are_same(left, right, &|left, right| left == right)
}

/// Lets the key decide where the question's order does not.
fn complete_order(shape: &mut Shape, key: &[NodeId]) {
    if shape.order_by.is_empty() && shape.limit.is_none() && shape.offset == 0 {
        return;
    }
    // The direction of the last part, so that one index serves the whole order.
    let direction = shape.order_by.last().map_or(Direction::Ascending, |last| last.direction);
    for &node in key {
        if !shape.order_by.iter().any(|order| same(shape, order.node, node)) {
            shape.order_by.push(Order { node, direction, nulls: None });
        }
    }
}

/// Lets keys decide where the order of a window does not, and something rests on it.
fn complete_windows(shape: &mut Shape) {
    if shape.nodes.windows().iter().all(|window| !window.function.tells_equals_apart()) {
        return;
    }
    let mut keys = if shape.is_grouped() { shape.group_by.clone() } else { Vec::new() };
    if !shape.is_grouped() {
        for source in 0..shape.sources.len() {
            let of = shape.sources[source];
            let columns: Vec<usize> = match of.answer {
                None => of.table.primary_key.to_vec(),
                Some(answer) => (0..width(shape, of, answer)).collect(),
            };
            keys.extend(columns.into_iter().map(|column| column_node(shape, source, column)));
        }
    }
    for number in 0..shape.nodes.windows().len() {
        let window = &shape.nodes.windows()[number];
        if !window.function.tells_equals_apart() {
            continue;
        }
        let is_there = |node| {
            let fixed = window.order_by.iter().map(|order| order.node);
            fixed.chain(window.partition_by.iter().copied()).any(|id| same(shape, id, node))
        };
        let missing: Vec<NodeId> = keys.iter().copied().filter(|&node| !is_there(node)).collect();
        let more = missing.into_iter().map(|node| Order {
            node,
            direction: Direction::Ascending,
            nulls: None,
        });
        shape.nodes.windows_mut()[number].order_by.extend(more);
    }
}

/// How many columns an answer has.
fn width(shape: &Shape, source: Source, answer: Answer) -> usize {
    match shape.withs.get(usize::from(answer.index)) {
        Some(With { table: None, first, .. }) if answer.up == 0 => first.select.len(),
        _ => source.table.columns.len(),
    }
}
