//! The untyped tree that every later pass reads: printers, the evaluator, the live planner.
//!
//! **Invariant:** structure ([`Shape`]) and data ([`Ast::params`]) are apart. The shape keys the SQL
//! text, the prepared statement and the live plan; the parameters key the subscription.

use std::hash::Hash;
use std::hash::Hasher;

use crate::schema::Table;
use crate::value::Kind;
use crate::value::Value;

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
    /// Where rows come from; the first is the root.
    pub sources: Vec<Source>,
    /// All expressions, children before parents.
    pub nodes: Vec<Node>,
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
}

/// One table of a question, and how it is joined.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The table.
    pub table: &'static Table,
    /// How it is joined to those before it; `None` for the root.
    pub join: Option<Join>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.table, other.table) && self.join == other.join
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.table.name.hash(state);
        self.join.hash(state);
    }
}

/// How a source is joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Join {
    /// Whether rows without a partner stay.
    pub kind: JoinKind,
    /// The condition.
    pub on: NodeId,
}

/// Whether rows without a partner stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// They go.
    Inner,
    /// They stay, with `NULL`s.
    Left,
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

/// The place of a [`Node`] in [`Shape::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

impl NodeId {
    fn shifted(self, by: usize) -> Self {
        Self::at(self.0 as usize + by)
    }

    /// The place as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("a query has fewer than 2^32 expressions"))
    }
}

/// One expression; its parts are other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A column of a source.
    Column {
        /// The number of the source.
        source: u16,
        /// The position in the table's columns.
        column: u16,
    },
    /// The parameter with this index.
    Param {
        /// The index in [`Ast::params`].
        index: u32,
        /// What it holds; for a list, what its items hold.
        kind: Kind,
    },
    /// A comparison of two values.
    Compare(Comparison, NodeId, NodeId),
    /// Both hold.
    And(NodeId, NodeId),
    /// One holds.
    Or(NodeId, NodeId),
    /// It does not hold.
    Not(NodeId),
    /// It is `NULL`.
    IsNull(NodeId),
    /// It equals one item of a list, which is one parameter.
    In(NodeId, NodeId),
    /// Text matches a pattern of `%` and `_`; `\` takes the next character as it is.
    Like(NodeId, NodeId, Case),
    /// One value for many rows; without an expression, the number of rows.
    Aggregate(Function, Option<NodeId>),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// Whether `like` tells `A` from `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// As the database has it: PostgreSQL does, SQLite does not within ASCII.
    AsDatabase,
    /// It does not.
    Fold,
}

/// An aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// How many values.
    Count,
    /// How many different values.
    CountDistinct,
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The smallest.
    Min,
    /// The greatest.
    Max,
}

impl Function {
    /// The kind of the aggregate of values of kind `of`.
    pub(crate) fn kind(self, of: Kind) -> Kind {
        match self {
            Self::Count | Self::CountDistinct => Kind::I64,
            Self::Sum if matches!(of, Kind::I16 | Kind::I32 | Kind::I64) => Kind::I64,
            Self::Sum | Self::Avg if of == Kind::Decimal => Kind::Decimal,
            Self::Sum | Self::Avg => Kind::F64,
            Self::Min | Self::Max => of,
        }
    }
}

/// An expression on its own, before a query takes it in. The root is the last node.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) params: Vec<Value>,
}

impl Tree {
    pub(crate) fn leaf(node: Node) -> Self {
        Self { nodes: vec![node], params: Vec::new() }
    }

    pub(crate) fn param(value: Value, kind: Kind) -> Self {
        Self { nodes: vec![Node::Param { index: 0, kind }], params: vec![value] }
    }

    fn root(&self) -> NodeId {
        NodeId::at(self.nodes.len() - 1)
    }

    /// `node` over the root of this tree.
    pub(crate) fn wrap(mut self, node: impl FnOnce(NodeId) -> Node) -> Self {
        let node = node(self.root());
        self.nodes.push(node);
        self
    }

    /// `node` over the roots of two trees.
    pub(crate) fn join(mut self, other: Self, node: impl FnOnce(NodeId, NodeId) -> Node) -> Self {
        let left = self.root();
        let right = absorb(&mut self.nodes, &mut self.params, other);
        self.nodes.push(node(left, right));
        self
    }
}

/// Moves `tree` behind `nodes` and returns where its root is now.
fn absorb(nodes: &mut Vec<Node>, params: &mut Vec<Value>, tree: Tree) -> NodeId {
    let (shift, first_param) = (nodes.len(), params.len());
    params.extend(tree.params);
    nodes.extend(tree.nodes.into_iter().map(|node| match node {
        Node::Column { .. } | Node::Aggregate(_, None) => node,
        Node::Param { index, kind } => {
            let index = index as usize + first_param;
            Node::Param { index: u32::try_from(index).expect("fewer than 2^32 parameters"), kind }
        }
        Node::Compare(op, left, right) => {
            Node::Compare(op, left.shifted(shift), right.shifted(shift))
        }
        Node::And(left, right) => Node::And(left.shifted(shift), right.shifted(shift)),
        Node::Or(left, right) => Node::Or(left.shifted(shift), right.shifted(shift)),
        Node::Not(of) => Node::Not(of.shifted(shift)),
        Node::IsNull(of) => Node::IsNull(of.shifted(shift)),
        Node::In(item, list) => Node::In(item.shifted(shift), list.shifted(shift)),
        Node::Like(text, pattern, case) => {
            Node::Like(text.shifted(shift), pattern.shifted(shift), case)
        }
        Node::Aggregate(function, Some(of)) => Node::Aggregate(function, Some(of.shifted(shift))),
    }));
    NodeId::at(nodes.len() - 1)
}

impl Ast {
    /// All rows of `table`.
    pub fn all_of(table: &'static Table) -> Self {
        let shape = Shape {
            sources: vec![Source { table, join: None }],
            nodes: Vec::new(),
            filters: Vec::new(),
            group_by: Vec::new(),
            having: Vec::new(),
            order_by: Vec::new(),
            limit: None,
            offset: 0,
            distinct: false,
            select: Vec::new(),
        };
        Self { shape, params: Vec::new() }
    }

    /// Takes an expression in and returns its place.
    pub(crate) fn add(&mut self, tree: Tree) -> NodeId {
        absorb(&mut self.shape.nodes, &mut self.params, tree)
    }

    /// Column number `column` of the root as an expression.
    #[cfg(feature = "live")]
    pub(crate) fn add_column(&mut self, column: usize) -> NodeId {
        self.add(Tree::leaf(Node::Column { source: 0, column: index(column) }))
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
    /// The table of the root.
    pub fn root(&self) -> &'static Table {
        self.sources[0].table
    }

    /// The expression at `id`.
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes[id.0 as usize]
    }

    /// The tables it reads; one that is joined twice comes twice.
    pub fn tables(&self) -> impl Iterator<Item = &'static Table> + '_ {
        self.sources.iter().map(|source| source.table)
    }

    /// True when rows of the answer stand for groups of rows of the tables.
    pub fn is_grouped(&self) -> bool {
        !self.group_by.is_empty()
            || !self.having.is_empty()
            || self.select.iter().any(|item| self.has_aggregate(item.node))
    }

    fn has_aggregate(&self, id: NodeId) -> bool {
        match self.node(id) {
            Node::Aggregate(..) => true,
            Node::Column { .. } | Node::Param { .. } => false,
            Node::Not(of) | Node::IsNull(of) => self.has_aggregate(of),
            Node::Compare(_, left, right)
            | Node::And(left, right)
            | Node::Or(left, right)
            | Node::In(left, right)
            | Node::Like(left, right, _) => self.has_aggregate(left) || self.has_aggregate(right),
        }
    }
}

/// A position as the small number nodes hold.
pub(crate) fn index(position: usize) -> u16 {
    u16::try_from(position).expect("a table has fewer than 65,536 columns")
}
