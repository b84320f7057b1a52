//! A question and those it stands in: what the names in it mean.

use super::Answer;
use super::Node;
use super::NodeId;
use super::Shape;
use super::WindowFunction;
use super::With;
use crate::value::Kind;

/// A question, and the way out of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) outer: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    /// A question that stands alone.
    pub(crate) fn root(shape: &'a Shape) -> Self {
        Self { shape, outer: None }
    }

    /// How many questions it stands in.
    pub(crate) fn level(&self) -> usize {
        self.outer.map_or(0, |outer| outer.level() + 1)
    }

    /// How its source number `source` is called.
    pub(crate) fn alias(&self, source: usize) -> String {
        match self.level() {
            0 => format!("s{source}"),
            level => format!("s{level}_{source}"),
        }
    }

    /// How an answer is called that one of its sources reads.
    pub(crate) fn answer_name(&self, answer: Answer) -> String {
        let level = self.level() - usize::from(answer.up);
        let place = answer.index;
        if level == 0 { format!("w{place}") } else { format!("w{level}_{place}") }
    }

    /// The question so many steps out.
    pub(crate) fn up(&self, steps: u16) -> Option<&Self> {
        if steps == 0 { Some(self) } else { self.outer?.up(steps - 1) }
    }

    /// The `with` that a source reads.
    pub(crate) fn with(&self, answer: Answer) -> Option<&'a With> {
        self.up(answer.up)?.shape.withs.get(usize::from(answer.index))
    }

    /// What a column holds, if it is there.
    pub(crate) fn column_kind(&self, source: u16, column: u16) -> Option<Kind> {
        let source = self.shape.sources.get(usize::from(source))?;
        let column = usize::from(column);
        match source.answer {
            Some(answer) => {
                let with = self.with(answer)?;
                match with.table {
                    Some(table) => table.columns.get(column).map(|column| column.kind),
                    None => with.first.select.get(column).map(|item| item.kind),
                }
            }
            None => source.table.columns.get(column).map(|column| column.kind),
        }
    }

    /// What an expression holds.
    pub(crate) fn kind(&self, id: NodeId) -> Kind {
        match self.shape.node(id) {
            Node::Column { source, column } => {
                self.column_kind(source, column).expect("a plan has checked every column")
            }
            Node::Outer { up, source, column } => {
                let outer = self.up(up).and_then(|scope| scope.column_kind(source, column));
                outer.expect("a plan has checked every column")
            }
            Node::Param { kind, .. } => kind,
            Node::Aggregate(function, of) => {
                function.kind(of.map_or(Kind::I64, |of| self.kind(of)))
            }
            Node::Arithmetic(_, of, _) | Node::Coalesce(of, _) | Node::When(_, of, _) => {
                self.kind(of)
            }
            Node::Text(super::TextFunction::Length, _) => Kind::I64,
            Node::Text(super::TextFunction::Lower | super::TextFunction::Upper, _) => Kind::Text,
            Node::Now => Kind::Timestamp,
            Node::Fragment(number) => self.shape.nodes.fragment(number).kind,
            Node::Window(number) => match self.shape.nodes.window(number).function {
                WindowFunction::RowNumber | WindowFunction::Rank | WindowFunction::DenseRank => {
                    Kind::I64
                }
                WindowFunction::Lag(of, _)
                | WindowFunction::Lead(of, _)
                | WindowFunction::Aggregate(of) => self.kind(of),
            },
            Node::Scalar(number) => {
                let inner = Scope { shape: self.shape.nodes.query(number), outer: Some(self) };
                inner.first_kind()
            }
            Node::Compare(..)
            | Node::And(..)
            | Node::Or(..)
            | Node::Not(_)
            | Node::IsNull(_)
            | Node::In(..)
            | Node::Like(..)
            | Node::Exists(_)
            | Node::InQuery(..) => Kind::Bool,
        }
    }

    /// What the first thing it shows holds.
    fn first_kind(&self) -> Kind {
        self.shape.select.first().map_or(Kind::Bool, |item| item.kind)
    }
}
