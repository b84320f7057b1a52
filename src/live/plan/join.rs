//! The join tier: which statement reads the rows of an answer that rest on touched rows.
//!
//! A touched row of source *s* concerns the rows of the answer that held it, and those that hold it
//! now; both are found by its key. With a left join a row may also come to stand without a partner,
//! which its own key does not tell: there all rows of the roots concerned are read again.
//!
//! Which root lost its last partner is told by the rows that it held with one. Where a condition or a
//! limit keeps rows with a partner out, nothing tells, and the question is asked again instead
//! ([`can_keep`]).
//!
//! **Invariant:** after the rows of [`Touching`] took the place of all held rows that rest on the
//! keys it names, a result is what the plain question answers.

use std::sync::Arc;

use super::Text;
use super::anchor::Anchor;
use super::anchor::conjuncts;
use super::anchor::pin;
use crate::adapter::Statement;
use crate::adapter::sql;
use crate::adapter::sql::Dialect;
use crate::error::Result;
use crate::query::Plan;
use crate::query::ast::JoinKind;
use crate::query::ast::Node;
use crate::query::ast::NodeId;
use crate::query::ast::Order;
use crate::query::ast::Shape;
use crate::query::ast::index;
use crate::query::eval::Semantics;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// Beyond so many rows that rest on the keys of one tick, asking the results again costs less.
///
/// A guess.
pub(crate) const MANY_ROWS: usize = 10_000;

/// How rows of an answer are read by the keys of its sources.
#[derive(Debug)]
pub(crate) struct JoinPlan {
    /// The sources, in order.
    pub(crate) sources: Vec<Joined>,
    /// Conditions that tell to which results of the shape a row belongs, with the place of the
    /// column in a row; the first one leads, the others are compared.
    pub(crate) routes: Vec<(Anchor, usize)>,
    /// One statement serves all results: no parameter is left in it.
    pub(crate) is_shared: bool,
    param_count: usize,
}

/// One source of a join.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) table: &'static Table,
    /// The places of its key in a row of the answer.
    pub(crate) key: Vec<usize>,
    /// The first of [`JoinPlan::routes`] is a condition on this source: a touched row tells by its
    /// own values which results it may enter.
    pub(crate) leads: bool,
    touched: Text,
    /// With a left join: reads all rows of the roots that a touched row belongs to.
    rooted: Option<Text>,
}

/// One read of what touched rows concern.
#[derive(Debug)]
pub(crate) struct Touching {
    /// The source whose held rows are to be replaced.
    pub(crate) source: usize,
    /// Their keys.
    pub(crate) keys: Vec<Key>,
    /// Keys that the answer brings besides: those of the source in the rows read.
    pub(crate) and_found: bool,
    /// What to read; the answers belong together.
    pub(crate) statements: Vec<Statement>,
}

/// True when every row of the answer is one combination of rows of the sources, and depends on
/// nothing else.
pub(super) fn can_keep(plan: &Plan, semantics: Semantics) -> bool {
    let shape = &plan.ast.shape;
    let roots = shape.filters.iter().chain(shape.order_by.iter().map(|order| &order.node));
    let joins = shape.sources.iter().filter_map(|source| source.join.as_ref());
    let items = plan.items.iter().map(|item| &item.node);
    let mut all = roots.chain(joins.map(|join| &join.on)).chain(items);
    let sortable = |id: NodeId| match plan.kind_of(id) {
        Kind::Text => semantics.text_by_bytes,
        Kind::Json | Kind::Array(_) => false,
        Kind::Bool
        | Kind::I16
        | Kind::I32
        | Kind::I64
        | Kind::F32
        | Kind::F64
        | Kind::Bytes
        | Kind::Uuid
        | Kind::Decimal
        | Kind::Date
        | Kind::Time
        | Kind::Timestamp => true,
    };
    shape.is_flat()
        && all.all(|&id| is_of_rows(shape, id))
        && shape.order_by.iter().all(|order| sortable(order.node))
        && partners_are_held(shape)
}

/// True when of a root with a partner some row with one is held, if any row of the root could be.
fn partners_are_held(shape: &Shape) -> bool {
    let firm = firm_sources(shape);
    if firm.iter().all(|&is_firm| is_firm) {
        return true;
    }
    let is_open =
        |node: Node| matches!(node, Node::Column { source, .. } if !firm[usize::from(source)]);
    let mentions_open = |id: NodeId| shape.nodes.any(id, is_open);
    let inner = shape.sources.iter().filter_map(|source| source.join.as_ref());
    let mut inner = inner.filter(|join| join.kind == JoinKind::Inner);
    if shape.filters.iter().any(|&id| mentions_open(id)) || inner.any(|join| mentions_open(join.on))
    {
        return false;
    }
    // The rows of a root stand together, before any partner decides their order.
    let is_before = |order: &&Order| !mentions_open(order.node);
    let before: Vec<Node> =
        shape.order_by.iter().take_while(is_before).map(|order| shape.node(order.node)).collect();
    let sources = (0_u16..).zip(&shape.sources).zip(&firm).filter(|(_, is_firm)| **is_firm);
    let mut keys = sources.flat_map(|((source, of), _)| {
        let column = move |&column| Node::Column { source, column: index(column) };
        of.table.primary_key.iter().map(column)
    });
    shape.limit.is_none() || keys.all(|key| before.contains(&key))
}

/// Which sources have a row in every row of the answer: the root, those joined to such ones, and
/// those of which a condition wants something that `NULL` is not.
fn firm_sources(shape: &Shape) -> Vec<bool> {
    let mut firm = vec![false; shape.sources.len()];
    for (number, source) in shape.sources.iter().enumerate() {
        firm[number] = match source.join {
            None => true,
            Some(join) => match join.kind {
                JoinKind::Left => conjuncts(shape).iter().any(|&id| wants(shape, id, number)),
                JoinKind::Inner => !shape.nodes.any(join.on, |node| {
                    matches!(node, Node::Column { source, .. }
                        if usize::from(source) != number && !firm[usize::from(source)])
                }),
            },
        };
    }
    firm
}

/// True when a condition is never true of a `NULL` in place of each column of a source.
#[expect(clippy::wildcard_enum_match_arm, reason = "other conditions may be true of `NULL`")]
fn wants(shape: &Shape, id: NodeId, number: usize) -> bool {
    let is_column = |id: NodeId| matches!(shape.node(id), Node::Column { source, .. } if usize::from(source) == number);
    match shape.node(id) {
        Node::Compare(_, left, right) => is_column(left) || is_column(right),
        Node::In(item, _) => is_column(item),
        Node::Like(text, ..) => is_column(text),
        _ => false,
    }
}

/// True when an expression depends on the values of the sources' rows and on parameters alone.
fn is_of_rows(shape: &Shape, id: NodeId) -> bool {
    !shape.nodes.any(id, |node| matches!(node, Node::Aggregate(..) | Node::Now))
}

/// True when an expression holds a parameter.
fn has_param(shape: &Shape, id: NodeId) -> bool {
    shape.nodes.any(id, |node| matches!(node, Node::Param { .. }))
}

impl JoinPlan {
    /// The statements of `plan`, which gets the columns that route its rows.
    pub(super) fn new(plan: &mut Plan, dialect: &dyn Dialect) -> Result<Self> {
        let (pinned, rest): (Vec<NodeId>, Vec<NodeId>) = conjuncts(&plan.ast.shape)
            .into_iter()
            .partition(|&id| pin(&plan.ast.shape, id).is_some());
        let mut routes = Vec::new();
        for id in pinned {
            let Some(anchor) = pin(&plan.ast.shape, id) else { continue };
            let place = plan.also_column(anchor.source, anchor.column);
            routes.push((anchor, place));
        }
        // The statement of a touched row finds it for all results; the parameters that tell them
        // apart are compared here.
        let mut read = plan.clone();
        let shape = &mut read.ast.shape;
        shape.filters = rest;
        shape.order_by.clear();
        (shape.limit, shape.offset) = (Some(MANY_ROWS as u64 + 1), 0);
        let shape = &read.ast.shape;
        let joins = shape.sources.iter().filter_map(|source| source.join.as_ref());
        let mut left = shape.filters.iter().chain(joins.map(|join| &join.on));
        let mut items = read.items.iter();
        let is_shared =
            !left.any(|&id| has_param(shape, id)) && !items.any(|item| has_param(shape, item.node));
        if !is_shared {
            read.ast.shape.filters.clone_from(&plan.ast.shape.filters);
        }
        let sources = joined(plan, &read, &routes, dialect)?;
        Ok(Self { sources, routes, is_shared, param_count: plan.ast.params.len() })
    }

    /// The places of source `source`'s key in `row`, as a key; `None` where the row has no partner
    /// there.
    pub(crate) fn part(&self, source: usize, row: &Row) -> Option<Key> {
        let places = &self.sources[source].key;
        let parts = places.iter().map(|&place| row.values()[place].clone());
        let key: Key = parts.collect();
        (!key.values().iter().any(Value::is_null)).then_some(key)
    }

    /// True when a row that was read for all results belongs to the one with these parameters.
    pub(crate) fn belongs(&self, params: &[Value], row: &Row) -> bool {
        self.routes.iter().all(|(anchor, place)| {
            let value = &row.values()[*place];
            !value.is_null() && anchor.values(params).contains(value)
        })
    }

    /// What to read when rows of `source` with `keys` were touched; `roots` are the keys of the
    /// roots whose held rows rest on them. With `params` for one result, else for all.
    pub(crate) fn touching(
        &self,
        source: usize,
        keys: Vec<Key>,
        roots: Vec<Key>,
        params: Option<&[Value]>,
        dialect: &dyn Dialect,
    ) -> Touching {
        let joined = &self.sources[source];
        let params = params.map_or_else(|| vec![Value::Null; self.param_count], <[Value]>::to_vec);
        let read = |text: &Text, of: &Joined, keys: &[Key]| {
            let mut params = params.clone();
            params.extend(sql::key_lists(of.table, keys, dialect));
            text.with(params)
        };
        match &joined.rooted {
            None => {
                let statements = vec![read(&joined.touched, joined, &keys)];
                Touching { source, keys, and_found: false, statements }
            }
            Some(rooted) => {
                let mut statements = vec![read(rooted, joined, &keys)];
                if !roots.is_empty() {
                    let root = &self.sources[0];
                    statements.push(read(&root.touched, root, &roots));
                }
                Touching { source: 0, keys: roots, and_found: true, statements }
            }
        }
    }

    /// True when touched rows of `source` have all rows of their roots read again.
    pub(crate) fn is_rooted(&self, source: usize) -> bool {
        self.sources[source].rooted.is_some()
    }
}

fn joined(
    plan: &Plan,
    read: &Plan,
    routes: &[(Anchor, usize)],
    dialect: &dyn Dialect,
) -> Result<Vec<Joined>> {
    let sources = &plan.ast.shape.sources;
    let has_left =
        sources.iter().any(|source| source.join.is_some_and(|join| join.kind == JoinKind::Left));
    let text = |sql: Arc<str>| Text::new(sql, read);
    let mut places = plan.key.iter().copied();
    let all = sources.iter().enumerate().map(|(number, source)| {
        let key = places.by_ref().take(source.table.primary_key.len()).collect();
        let rooted = if has_left && 0 < number {
            Some(text(sql::select_rooted(read, number, dialect)?))
        } else {
            None
        };
        Ok(Joined {
            table: source.table,
            key,
            leads: routes.first().is_some_and(|(first, _)| usize::from(first.source) == number),
            touched: text(sql::select_touched(read, number, dialect)?),
            rooted,
        })
    });
    all.collect()
}
