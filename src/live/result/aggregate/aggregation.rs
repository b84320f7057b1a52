//! What a question aggregates: which columns, into what, and how its rows are made of that.

use super::MOST_CONTRIBUTIONS;
use super::accumulator::Keeps;
use super::ranking::Ruler;
use crate::query::Plan;
use crate::query::ast::Function;
use crate::query::ast::Item;
use crate::query::ast::Node;
use crate::query::ast::NodeId;
use crate::query::ast::Shape;
use crate::query::eval::Arithmetic;
use crate::query::eval::Evaluator;
use crate::query::eval::Semantics;
use crate::value::Key;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// One question of a shape whose groups are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) aggregation: &'a Aggregation,
    pub(crate) plan: &'a Plan,
    pub(crate) params: &'a [Value],
}

impl<'a> Question<'a> {
    /// Tells which rows contribute.
    pub(super) fn filter(self) -> Evaluator<'a> {
        Evaluator::planned(&self.plan.ast.shape, self.params, self.aggregation.semantics)
    }

    /// Tells which groups are shown, and in which order.
    pub(super) fn ruler(self) -> Ruler<'a> {
        let (shape, semantics) = (&self.plan.ast.shape, self.aggregation.semantics);
        Ruler { plan: self.plan, evaluator: Evaluator::of_groups(shape, self.params, semantics) }
    }
}

/// How the groups of the questions of one shape are kept.
#[derive(Debug)]
pub(crate) struct Aggregation {
    /// Reads the contributions of the matching rows: [`Aggregation::columns`], in order.
    pub(crate) load: Plan,
    /// The columns of the table that matter.
    pub(super) columns: Vec<usize>,
    /// Of these: those that make the key of a row, and those that make the key of a group.
    pub(super) key: Vec<usize>,
    pub(super) group: Vec<usize>,
    /// What is kept of which of these columns.
    pub(super) slots: Vec<Slot>,
    /// The expressions that have a value of their own.
    pub(super) leaves: Vec<(NodeId, Leaf)>,
    pub(super) semantics: Semantics,
}

/// What is kept of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// The place in [`Aggregation::columns`].
    pub(super) column: usize,
    pub(super) keeps: Keeps,
}

/// Where the value of an expression over a group comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaf {
    /// One part of the group's key.
    Group(usize),
    /// The same where equal parts may be written in different ways: as the slot has it.
    Face(usize),
    /// How many rows it has.
    Rows,
    /// An aggregate of what a slot keeps.
    Aggregate(Function, usize),
}

impl Aggregation {
    /// How to keep the groups of `plan`, or `None` where that could differ from the database.
    pub(crate) fn new(plan: &Plan, semantics: Semantics) -> Option<Self> {
        let shape = &plan.ast.shape;
        if !shape.is_grouped() || shape.distinct || shape.sources.len() != 1 {
            return None;
        }
        Evaluator::of_groups(shape, &plan.ast.params, semantics).can_tell_groups().then_some(())?;
        let mut this = Self {
            load: plan.clone(),
            columns: Vec::new(),
            key: Vec::new(),
            group: Vec::new(),
            slots: Vec::new(),
            leaves: Vec::new(),
            semantics,
        };
        this.key = shape.root().primary_key.iter().map(|&column| this.column(column)).collect();
        for &node in &shape.group_by {
            let (column, kind) = column_of(shape, node)?;
            let column = this.column(column);
            this.group.push(column);
            match kind {
                Kind::Json | Kind::Array(_) => return None,
                Kind::Decimal | Kind::F32 | Kind::F64 => _ = this.slot(column, Keeps::Faces),
                Kind::Bool
                | Kind::I16
                | Kind::I32
                | Kind::I64
                | Kind::Text
                | Kind::Bytes
                | Kind::Uuid
                | Kind::Date
                | Kind::Time
                | Kind::Timestamp => {}
            }
        }
        for id in this.expressions(plan)? {
            let leaf = this.leaf(shape, id)?;
            this.leaves.push((id, leaf));
        }
        this.load = this.load_plan(plan)?;
        Some(this)
    }

    /// The place of a column of the table among those that matter.
    fn column(&mut self, column: usize) -> usize {
        let place = self.columns.iter().position(|&held| held == column);
        place.unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        })
    }

    fn slot(&mut self, column: usize, keeps: Keeps) -> usize {
        let slot = Slot { column, keeps };
        let place = self.slots.iter().position(|&held| held == slot);
        place.unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        })
    }

    /// The columns and aggregates that rows, conditions and order of groups are made of.
    #[expect(clippy::unused_self, reason = "reads beside the other steps")]
    fn expressions(&self, plan: &Plan) -> Option<Vec<NodeId>> {
        let shape = &plan.ast.shape;
        let mut found = Vec::new();
        for item in &plan.items {
            // An expression over aggregates has a value of its own that nothing here computes.
            matches!(shape.node(item.node), Node::Column { .. } | Node::Aggregate(..))
                .then_some(())?;
            found.push(item.node);
        }
        for &node in &shape.having {
            leaves_below(shape, node, &mut found);
        }
        for order in &shape.order_by {
            leaves_below(shape, order.node, &mut found);
        }
        found.sort_unstable_by_key(|node| node.index());
        found.dedup();
        Some(found)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is looked for")]
    fn leaf(&mut self, shape: &Shape, id: NodeId) -> Option<Leaf> {
        match shape.node(id) {
            Node::Column { .. } => {
                let is_same = |group: &NodeId| shape.node(*group) == shape.node(id);
                let part = shape.group_by.iter().position(is_same)?;
                let faces = Slot { column: self.group[part], keeps: Keeps::Faces };
                let slot = self.slots.iter().position(|&slot| slot == faces);
                Some(slot.map_or(Leaf::Group(part), Leaf::Face))
            }
            Node::Aggregate(_, None) => Some(Leaf::Rows),
            Node::Aggregate(function, Some(of)) => {
                let (column, kind) = column_of(shape, of)?;
                let keeps = keeps(function, kind, self.semantics)?;
                let column = self.column(column);
                let slot = self.slot(column, keeps);
                Some(Leaf::Aggregate(function, slot))
            }
            _ => None,
        }
    }

    /// The question for contributions: the same rows, ungrouped.
    fn load_plan(&self, plan: &Plan) -> Option<Plan> {
        let mut ast = plan.ast.clone();
        let shape = &mut ast.shape;
        shape.group_by.clear();
        shape.having.clear();
        shape.order_by.clear();
        shape.offset = 0;
        shape.limit = None;
        shape.select.clear();
        Evaluator::new(shape, &ast.params, self.semantics)?;
        let table = ast.root();
        for &column in &self.columns {
            let node = ast.add_column(column);
            let column = &table.columns[column];
            ast.shape.select.push(Item { node, name: column.field, kind: column.kind });
        }
        // One more than are kept tells that there are too many.
        ast.shape.limit = Some(MOST_CONTRIBUTIONS + 1);
        Plan::new(&ast).ok()
    }

    /// The key of the row that a contribution is of.
    pub(crate) fn key_of(&self, contribution: &Row) -> Key {
        self.key.iter().map(|&column| contribution.values()[column].clone()).collect()
    }

    /// How sums and means are made.
    pub(super) fn arithmetic(&self) -> Arithmetic {
        self.semantics.arithmetic
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only a column is wanted")]
fn column_of(shape: &Shape, id: NodeId) -> Option<(usize, Kind)> {
    match shape.node(id) {
        Node::Column { source: 0, column } => {
            let column = usize::from(column);
            Some((column, shape.root().columns[column].kind))
        }
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is made of these")]
fn leaves_below(shape: &Shape, id: NodeId, found: &mut Vec<NodeId>) {
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        match shape.node(id) {
            Node::Column { .. } | Node::Aggregate(..) => found.push(id),
            _ => open.extend(shape.nodes.parts(id)),
        }
    }
}

/// What must be kept of values of `kind`; `None` where the database alone can tell.
fn keeps(function: Function, kind: Kind, semantics: Semantics) -> Option<Keeps> {
    let is_plain = !matches!(kind, Kind::Json | Kind::Array(_));
    match function {
        Function::Count => Some(match kind {
            Kind::I16 | Kind::I32 | Kind::I64 => Keeps::Integers,
            Kind::Decimal => Keeps::Decimals,
            Kind::Bool
            | Kind::F32
            | Kind::F64
            | Kind::Text
            | Kind::Bytes
            | Kind::Uuid
            | Kind::Date
            | Kind::Time
            | Kind::Timestamp
            | Kind::Json
            | Kind::Array(_) => Keeps::Count,
        }),
        Function::CountDistinct => is_plain.then_some(Keeps::Distinct),
        Function::Sum | Function::Avg => match kind {
            Kind::I16 | Kind::I32 | Kind::I64 => Some(Keeps::Integers),
            Kind::Decimal => Some(Keeps::Decimals),
            // What floating numbers add up to depends on the order in which they come.
            Kind::F32
            | Kind::F64
            | Kind::Bool
            | Kind::Text
            | Kind::Bytes
            | Kind::Uuid
            | Kind::Date
            | Kind::Time
            | Kind::Timestamp
            | Kind::Json
            | Kind::Array(_) => None,
        },
        Function::Min | Function::Max => {
            let in_order = kind != Kind::Text || semantics.text_by_bytes;
            (is_plain && in_order).then_some(Keeps::Extremes)
        }
    }
}
