//! The untyped tree that every later pass reads: printers, the evaluator, the live planner.
//!
//! **Invariant:** structure ([`Shape`]) and data ([`Ast::params`]) are apart. The shape keys the SQL
//! text, the prepared statement and the live plan; the parameters key the subscription.

mod absorb;
mod lock;
mod node;
mod nodes;
mod scope;
mod source;
mod tree;
mod with;

use std::sync::Arc;

pub use self::lock::{Lock, LockStrength, LockWait};
pub use self::node::{
    Case, Comparison, Fragment, Function, Node, NodeId, Operator, Tag, TextFunction, Window,
    WindowFunction,
};
pub use self::nodes::Nodes;
pub(crate) use self::scope::Scope;
pub use self::source::{Answer, Join, JoinKind, Source};
pub use self::tree::Tree;
pub use self::with::{Combination, With};
use super::preload::Edge;
use crate::schema::Table;
use crate::value::Kind;
use crate::value::Value;

/// How many questions may stand in each other.
///
/// A guess: no question that a person wrote comes near, and every pass may recurse.
pub(crate) const MOST_NESTED: usize = 16;

/// A question: its structure, and the data in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ast {
    /// The structure.
    pub shape: Shape,
    /// The values that [`Node::Param`]s stand for.
    pub params: Vec<Value>,
}

/// The structure of a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Questions whose answers sources and later ones of these may read.
    pub withs: Box<[With]>,
    /// Where rows come from; the first is the root.
    pub sources: Vec<Source>,
    /// All expressions.
    pub nodes: Box<Nodes>,
    /// Conditions on rows, all of which must hold.
    pub filters: Vec<NodeId>,
    /// What rows are grouped by.
    pub group_by: Vec<NodeId>,
    /// Conditions on groups, all of which must hold.
    pub having: Vec<NodeId>,
    /// The order, most important first.
    pub order_by: Vec<Order>,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// Leaving out so many first.
    pub offset: u64,
    /// Without repeated rows.
    pub distinct: bool,
    /// What each row shows; the columns of the root where empty.
    pub select: Vec<Item>,
    /// How the rows of the root are locked.
    pub lock: Option<Lock>,
    /// What hangs on each row of the answer; the statement that answers it reads none of that.
    pub edges: Vec<Arc<Edge>>,
    /// Questions stood in each other too deep; this one was left empty, and a plan refuses it.
    pub(crate) is_cut: bool,
}

/// One thing a row of the answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The expression.
    pub node: NodeId,
    /// The name clients see.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// One part of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// What to order by.
    pub node: NodeId,
    /// Up or down.
    pub direction: Direction,
    /// Where `NULL`s go; where the database puts them if `None`.
    pub nulls: Option<Nulls>,
}

/// Up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// Where `NULL`s go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nulls {
    /// Before all values.
    First,
    /// After all values.
    Last,
}

impl Ast {
    /// All rows of `table`.
    pub fn all_of(table: &'static Table) -> Self {
        Self { shape: Shape::all_of(table), params: Vec::new() }
    }

    /// Takes an expression in and returns its place.
    pub(crate) fn add(&mut self, tree: Tree) -> NodeId {
        absorb::absorb(&mut self.shape.nodes, &mut self.params, tree)
    }

    /// Takes a question in, as the answer of which it can be read.
    pub(crate) fn take(&mut self, other: Self) -> Shape {
        let mut shape = other.shape.nested();
        shape.move_params(self.params.len());
        self.params.extend(other.params);
        shape
    }

    /// Column number `column` of the root as an expression.
    #[cfg(feature = "live")]
    pub(crate) fn add_column(&mut self, column: usize) -> NodeId {
        self.add(Tree::leaf(Node::Column { source: 0, column: index(column) }))
    }

    /// Lets what is grouped by be one expression wherever it stands: of two that differ in the
    /// numbers of equal parameters, PostgreSQL would not know that they are the same.
    ///
    /// It is for the builder, not for plans: the plan of a shape does not depend on parameters.
    pub(crate) fn unify_groups(&mut self) {
        let Self { shape, params } = self;
        let is_same = |left: u32, right: u32| {
            let (left, right) = (&params[left as usize], &params[right as usize]);
            // Equal values may still be of another scale, or sign of zero.
            left == right && format!("{left:?}") == format!("{right:?}")
        };
        for place in 0..shape.group_by.len() {
            let to = shape.group_by[place];
            if !shape.nodes.any(to, |node| matches!(node, Node::Param { .. })) {
                continue;
            }
            shape.nodes.unify(to, &is_same);
            let nodes = &shape.nodes;
            let ids = shape.having.iter_mut().chain(shape.group_by.iter_mut());
            let ids = ids.chain(shape.select.iter_mut().map(|item| &mut item.node));
            for id in ids.chain(shape.order_by.iter_mut().map(|order| &mut order.node)) {
                if nodes.are_same(*id, to, &is_same) {
                    *id = to;
                }
            }
        }
    }

    /// Keeps only rows whose column `column` of the root equals `value`.
    pub(crate) fn filter_column(&mut self, column: usize, value: Value) {
        let kind = self.root().columns[column].kind;
        let tree = Tree::leaf(Node::Column { source: 0, column: index(column) })
            .join(Tree::param(value, kind), |left, right| {
                Node::Compare(Comparison::Eq, left, right)
            });
        let node = self.add(tree);
        self.shape.filters.push(node);
    }

    /// The table of the root.
    pub fn root(&self) -> &'static Table {
        self.shape.root()
    }
}

impl Shape {
    /// All rows of `table`.
    pub(crate) fn all_of(table: &'static Table) -> Self {
        Self {
            withs: Box::default(),
            sources: vec![Source { table, answer: None, join: None }],
            nodes: Box::default(),
            filters: Vec::new(),
            group_by: Vec::new(),
            having: Vec::new(),
            order_by: Vec::new(),
            limit: None,
            offset: 0,
            distinct: false,
            select: Vec::new(),
            lock: None,
            edges: Vec::new(),
            is_cut: false,
        }
    }

    /// Adds a question whose answer others may read.
    pub(crate) fn push_with(&mut self, with: With) {
        let mut withs = std::mem::take(&mut self.withs).into_vec();
        withs.push(with);
        self.withs = withs.into();
    }

    /// The table of the root.
    pub fn root(&self) -> &'static Table {
        self.sources[0].table
    }

    /// The expression at `id`.
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes.get(id)
    }

    /// The tables it reads, also those that only a question inside it reads; one that is read twice
    /// may come twice.
    pub fn tables(&self) -> impl Iterator<Item = &'static Table> + '_ {
        let mut tables = Vec::new();
        self.add_tables(&mut Vec::new(), &mut tables);
        tables.into_iter()
    }

    /// `answers`: the tables that stand for answers here.
    fn add_tables(&self, answers: &mut Vec<&'static Table>, tables: &mut Vec<&'static Table>) {
        let outside = answers.len();
        for with in &self.withs {
            let before = answers.len();
            answers.extend(with.table.filter(|_| with.is_recursive));
            for member in with.members() {
                member.add_tables(answers, tables);
            }
            answers.truncate(before);
            answers.extend(with.table);
        }
        for source in &self.sources {
            let is_answer = answers.iter().any(|table| std::ptr::eq(*table, source.table));
            if source.answer.is_none() && !is_answer {
                tables.push(source.table);
            }
        }
        for query in self.nodes.queries() {
            query.add_tables(answers, tables);
        }
        for edge in &self.edges {
            tables.extend(edge.link().ok().and_then(|link| link.between).map(|of| of.table));
            edge.ast.shape.add_tables(answers, tables);
        }
        answers.truncate(outside);
    }

    /// True when rows of the answer stand for groups of rows of the tables.
    pub fn is_grouped(&self) -> bool {
        let is_aggregate = |node| matches!(node, Node::Aggregate(..));
        !self.group_by.is_empty()
            || !self.having.is_empty()
            || self.select.iter().any(|item| self.nodes.any(item.node, is_aggregate))
    }

    /// True when every row of the answer is about one row of each of its tables, and about nothing
    /// else: no questions inside it, no windows, no locks.
    pub fn is_flat(&self) -> bool {
        let reads_tables = self.sources.iter().all(|source| source.answer.is_none());
        reads_tables
            && self.withs.is_empty()
            && self.nodes.queries.is_empty()
            && self.nodes.windows.is_empty()
            && self.lock.is_none()
    }

    /// The questions inside it.
    pub(crate) fn inner(&self) -> impl Iterator<Item = &Self> {
        self.withs.iter().flat_map(With::members).chain(&self.nodes.queries)
    }

    pub(crate) fn inner_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        let withs = self.withs.iter_mut().flat_map(With::members_mut);
        withs.chain(self.nodes.queries_mut())
    }

    /// How many questions stand in each other here.
    fn nesting(&self) -> usize {
        1 + self.inner().map(Self::nesting).max().unwrap_or(0)
    }

    /// This question as part of another one; an empty one where that would be too deep.
    pub(crate) fn nested(self) -> Self {
        if self.nesting() < MOST_NESTED {
            return self;
        }
        Self { is_cut: true, ..Self::all_of(self.root()) }
    }
}

/// A position as the small number nodes hold.
pub(crate) fn index(position: usize) -> u16 {
    u16::try_from(position).expect("a table has fewer than 65,536 columns")
}
