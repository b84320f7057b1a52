//! Expressions: one node each, which name their parts by number.

use super::Order;
use crate::value::Kind;

/// The place of a [`Node`] in [`Nodes`](super::Nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

impl NodeId {
    pub(super) fn shifted(self, by: usize) -> Self {
        Self::at(self.index() + by)
    }

    pub(super) fn at(index: usize) -> Self {
        Self(u32::try_from(index).expect("a query has fewer than 2^32 expressions"))
    }

    /// The place as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One expression; its parts are other nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A column of a source.
    Column {
        /// The number of the source.
        source: u16,
        /// The position in the source's columns.
        column: u16,
    },
    /// A column of a source of a question around this one.
    Outer {
        /// How many questions out; at least one.
        up: u16,
        /// The number of the source there.
        source: u16,
        /// The position in the source's columns.
        column: u16,
    },
    /// The parameter with this index.
    Param {
        /// The index in [`Ast::params`](super::Ast::params).
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
    /// Two numbers of one kind make a third.
    Arithmetic(Operator, NodeId, NodeId),
    /// The first of two that is not `NULL`.
    Coalesce(NodeId, NodeId),
    /// The second where the first holds, or else the third; `NULL` without a third.
    When(NodeId, NodeId, Option<NodeId>),
    /// Something about a text.
    Text(TextFunction, NodeId),
    /// The time at which the transaction began.
    Now,
    /// SQL that the program wrote: [`Nodes::fragment`](super::Nodes::fragment).
    Fragment(u16),
    /// A value that rests on other rows of the answer: [`Nodes::window`](super::Nodes::window).
    Window(u16),
    /// A question has an answer: [`Nodes::query`](super::Nodes::query).
    Exists(u16),
    /// It equals one row of the answer of a question.
    InQuery(NodeId, u16),
    /// The only value of the only row of an answer; `NULL` where there is no row.
    Scalar(u16),
}

/// Who can tell the value of an expression whose parts are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// Anybody: the evaluator too, where it knows the database's ways with these values.
    Pure,
    /// The database, and at the next moment it says something else.
    Volatile,
    /// The database.
    DbOnly,
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
    /// What an aggregate of values of `kind` holds.
    pub fn kind(self, kind: Kind) -> Kind {
        match self {
            Self::Count | Self::CountDistinct => Kind::I64,
            Self::Sum if matches!(kind, Kind::I16 | Kind::I32 | Kind::I64) => Kind::I64,
            Self::Sum | Self::Avg if kind == Kind::Decimal => Kind::Decimal,
            Self::Sum | Self::Avg => Kind::F64,
            Self::Min | Self::Max => kind,
        }
    }
}

/// An operator on numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
}

impl Operator {
    /// How every database writes it.
    pub fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
        }
    }
}

/// A function of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextFunction {
    /// In small letters.
    Lower,
    /// In capitals.
    Upper,
    /// The number of its characters.
    Length,
}

/// SQL that the program wrote, with a `?` for each part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// The text; `\?` stands for a question mark.
    pub text: &'static str,
    /// What fills the holes, in order.
    pub parts: Vec<NodeId>,
    /// What it holds.
    pub kind: Kind,
}

impl Fragment {
    /// The text between the holes: one piece more than there are holes.
    pub fn pieces(&self) -> Vec<String> {
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        let mut rest = self.text.chars().peekable();
        while let Some(next) = rest.next() {
            if next == '?' {
                pieces.push(std::mem::take(&mut piece));
                continue;
            }
            let is_escaped = next == '\\' && rest.next_if_eq(&'?').is_some();
            piece.push(if is_escaped { '?' } else { next });
        }
        pieces.push(piece);
        pieces
    }
}

/// A value that rests on other rows of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The value.
    pub function: WindowFunction,
    /// Rows that agree in these are looked at together.
    pub partition_by: Vec<NodeId>,
    /// The order in which they are looked at.
    pub order_by: Vec<Order>,
}

/// What a window tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowFunction {
    /// The place of the row, counted from one.
    RowNumber,
    /// One more than the rows that come before it and are not its equals.
    Rank,
    /// One more than the different places before it.
    DenseRank,
    /// A value of the row so many places before.
    Lag(NodeId, u32),
    /// A value of the row so many places after.
    Lead(NodeId, u32),
    /// An aggregate, which is a [`Node::Aggregate`], of the rows up to this one and its equals; of
    /// all where there is no order.
    Aggregate(NodeId),
}

impl WindowFunction {
    /// True when rows that are equal in the order get different values.
    pub(crate) fn tells_equals_apart(self) -> bool {
        match self {
            Self::RowNumber | Self::Lag(..) | Self::Lead(..) => true,
            Self::Rank | Self::DenseRank | Self::Aggregate(..) => false,
        }
    }

    fn map(self, part: impl Fn(NodeId) -> NodeId) -> Self {
        match self {
            Self::RowNumber | Self::Rank | Self::DenseRank => self,
            Self::Lag(of, by) => Self::Lag(part(of), by),
            Self::Lead(of, by) => Self::Lead(part(of), by),
            Self::Aggregate(of) => Self::Aggregate(part(of)),
        }
    }
}

impl Window {
    pub(super) fn map(&mut self, part: impl Fn(NodeId) -> NodeId) {
        self.function = self.function.map(&part);
        for of in &mut self.partition_by {
            *of = part(*of);
        }
        for order in &mut self.order_by {
            order.node = part(order.node);
        }
    }
}

impl Node {
    /// Who can tell its value when its parts are known.
    pub fn tag(self) -> Tag {
        match self {
            Self::Column { .. }
            | Self::Param { .. }
            | Self::Compare(..)
            | Self::And(..)
            | Self::Or(..)
            | Self::Not(_)
            | Self::IsNull(_)
            | Self::In(..)
            | Self::Like(..)
            | Self::Coalesce(..)
            | Self::When(..)
            | Self::Text(..) => Tag::Pure,
            Self::Now => Tag::Volatile,
            // Arithmetic may fail, which is an answer that only the database can give.
            Self::Arithmetic(..)
            | Self::Outer { .. }
            | Self::Aggregate(..)
            | Self::Fragment(_)
            | Self::Window(_)
            | Self::Exists(_)
            | Self::InQuery(..)
            | Self::Scalar(_) => Tag::DbOnly,
        }
    }

    /// The parts that stand in the node itself.
    pub(super) fn parts(self) -> [Option<NodeId>; 3] {
        match self {
            Self::Column { .. }
            | Self::Outer { .. }
            | Self::Param { .. }
            | Self::Now
            | Self::Fragment(_)
            | Self::Window(_)
            | Self::Exists(_)
            | Self::Scalar(_) => [None; 3],
            Self::Compare(_, left, right)
            | Self::And(left, right)
            | Self::Or(left, right)
            | Self::In(left, right)
            | Self::Like(left, right, _)
            | Self::Arithmetic(_, left, right)
            | Self::Coalesce(left, right) => [Some(left), Some(right), None],
            Self::Not(of) | Self::IsNull(of) | Self::Text(_, of) | Self::InQuery(of, _) => {
                [Some(of), None, None]
            }
            Self::Aggregate(_, of) => [of, None, None],
            Self::When(condition, then, otherwise) => [Some(condition), Some(then), otherwise],
        }
    }

    /// The same node of other parts.
    pub(super) fn map(self, part: impl Fn(NodeId) -> NodeId) -> Self {
        match self {
            Self::Column { .. }
            | Self::Outer { .. }
            | Self::Param { .. }
            | Self::Now
            | Self::Fragment(_)
            | Self::Window(_)
            | Self::Exists(_)
            | Self::Scalar(_) => self,
            Self::Compare(op, left, right) => Self::Compare(op, part(left), part(right)),
            Self::And(left, right) => Self::And(part(left), part(right)),
            Self::Or(left, right) => Self::Or(part(left), part(right)),
            Self::Not(of) => Self::Not(part(of)),
            Self::IsNull(of) => Self::IsNull(part(of)),
            Self::In(item, list) => Self::In(part(item), part(list)),
            Self::Like(text, pattern, case) => Self::Like(part(text), part(pattern), case),
            Self::Aggregate(function, of) => Self::Aggregate(function, of.map(part)),
            Self::Arithmetic(op, left, right) => Self::Arithmetic(op, part(left), part(right)),
            Self::Coalesce(left, right) => Self::Coalesce(part(left), part(right)),
            Self::When(condition, then, otherwise) => {
                Self::When(part(condition), part(then), otherwise.map(part))
            }
            Self::Text(function, of) => Self::Text(function, part(of)),
            Self::InQuery(of, query) => Self::InQuery(part(of), query),
        }
    }
}
