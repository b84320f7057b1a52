//! Expressions of a question as SQL.
//!
//! **Invariant:** the text means what the tree means under any dialect: whatever could be read in
//! two ways stands in brackets, and a parameter whose type nothing tells is told its type.

use super::Capability;
use super::Dialect;
use super::quote;
use crate::error::Error;
use crate::error::Result;
use crate::query::ast::Comparison;
use crate::query::ast::Node;
use crate::query::ast::NodeId;
use crate::query::ast::Scope;
use crate::query::ast::Shape;
use crate::schema::Table;
use crate::value::Kind;

/// How tightly an expression must hold together where it stands.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub(super) enum Hold {
    /// Anything may stand here.
    Loose,
    /// Beside `and`.
    Conjunct,
    /// Beside an operator.
    Operand,
}

/// Writes the expressions of one shape.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) out: String,
    mentioned: Vec<bool>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(shape: &'a Shape, dialect: &'a dyn Dialect) -> Self {
        let scope = Scope::root(shape);
        Self { scope, dialect, out: String::new(), mentioned: Vec::new() }
    }

    pub(super) fn shape(&self) -> &'a Shape {
        self.scope.shape
    }

    /// Writes a question that stands in this one.
    pub(super) fn inside<T>(
        &mut self,
        shape: &Shape,
        write: impl FnOnce(&mut Writer<'_>) -> Result<T>,
    ) -> Result<T> {
        let outer = self.scope;
        let mut inner = Writer {
            scope: Scope { shape, outer: Some(&outer) },
            dialect: self.dialect,
            out: String::new(),
            mentioned: std::mem::take(&mut self.mentioned),
        };
        let written = write(&mut inner);
        self.mentioned = inner.mentioned;
        written
    }

    /// One expression as text.
    pub(super) fn expression(&mut self, id: NodeId, hold: Hold) -> Result<String> {
        let before = std::mem::take(&mut self.out);
        let written = self.write(id, hold);
        let text = std::mem::replace(&mut self.out, before);
        written.map(|()| text)
    }

    /// One expression as text where nothing around it tells the type of a parameter.
    pub(super) fn untyped(&mut self, id: NodeId) -> Result<String> {
        let Node::Param { index, kind } = self.shape().node(id) else {
            return self.expression(id, Hold::Loose);
        };
        let before = std::mem::take(&mut self.out);
        self.param(index, kind, true);
        Ok(std::mem::replace(&mut self.out, before))
    }

    /// One side of an operator as text.
    pub(super) fn side(&mut self, id: NodeId, typed: bool) -> Result<String> {
        let before = std::mem::take(&mut self.out);
        let written = self.operand(id, typed);
        let text = std::mem::replace(&mut self.out, before);
        written.map(|()| text)
    }

    /// Conditions that mention every parameter that was not written, and are always true.
    ///
    /// A question may have parameters that a text leaves out, as a count does those of the
    /// selection; a database that infers types has to see them all the same.
    pub(super) fn rest_of_params(&self) -> Vec<String> {
        let mut rest = Vec::new();
        self.rest_of(self.shape(), &mut rest);
        rest
    }

    fn rest_of(&self, shape: &Shape, rest: &mut Vec<String>) {
        for node in shape.nodes.iter() {
            let Node::Param { index, kind } = node else { continue };
            if self.mentioned.get(index as usize) == Some(&true) {
                continue;
            }
            let is_list = shape
                .nodes
                .iter()
                .any(|of| matches!(of, Node::In(_, list) if shape.node(list) == node));
            let mut param = String::new();
            self.dialect.placeholder(index as usize + 1, &mut param);
            if let Some(name) = self.dialect.type_name(kind) {
                param.push_str("::");
                param.push_str(&name);
                param.push_str(if is_list { "[]" } else { "" });
            }
            rest.push(format!("({param} is null or true)"));
        }
        for inner in shape.inner() {
            self.rest_of(inner, rest);
        }
    }

    /// The kind of an expression.
    pub(super) fn kind(&self, id: NodeId) -> Kind {
        self.scope.kind(id)
    }

    pub(super) fn write(&mut self, id: NodeId, hold: Hold) -> Result<()> {
        let node = self.shape().node(id);
        let brackets = match node {
            Node::Column { .. }
            | Node::Outer { .. }
            | Node::Param { .. }
            | Node::Aggregate(..)
            | Node::Arithmetic(..)
            | Node::Coalesce(..)
            | Node::When(..)
            | Node::Text(..)
            | Node::Now
            | Node::Window(_)
            | Node::Exists(_)
            | Node::Scalar(_) => false,
            Node::Or(..) | Node::Fragment(_) => Hold::Loose < hold,
            Node::And(..)
            | Node::Compare(..)
            | Node::Not(_)
            | Node::IsNull(_)
            | Node::In(..)
            | Node::InQuery(..)
            | Node::Like(..) => Hold::Conjunct < hold,
        };
        if brackets {
            self.out.push('(');
        }
        self.bare(node)?;
        if brackets {
            self.out.push(')');
        }
        Ok(())
    }

    fn bare(&mut self, node: Node) -> Result<()> {
        match node {
            Node::Column { source, column } => self.column(0, source, column),
            Node::Outer { up, source, column } => self.column(up, source, column),
            Node::Param { index, kind } => {
                self.param(index, kind, false);
                Ok(())
            }
            Node::Compare(op, left, right) => self.compare(op, left, right),
            Node::And(..) | Node::Or(..) => self.chain(node),
            Node::Not(of) => self.not(of),
            Node::IsNull(of) => self.is_null(of, " is null"),
            Node::In(item, list) => self.membership(item, list),
            Node::Like(text, pattern, case) => {
                self.operand(text, self.is_param(pattern))?;
                self.out.push(' ');
                self.out.push_str(self.dialect.like(case));
                self.out.push(' ');
                self.operand(pattern, false)?;
                self.out.push_str(" escape '\\'");
                Ok(())
            }
            Node::Aggregate(function, of) => self.aggregate(function, of, ""),
            Node::Arithmetic(..)
            | Node::Coalesce(..)
            | Node::When(..)
            | Node::Text(..)
            | Node::Now
            | Node::Fragment(_)
            | Node::Window(_) => self.function(node),
            Node::Exists(_) | Node::InQuery(..) | Node::Scalar(_) => self.query(node),
        }
    }

    fn column(&mut self, up: u16, source: u16, column: u16) -> Result<()> {
        use std::fmt::Write;
        let scope = self.scope.up(up).expect("a plan has checked how far out columns are");
        let of = scope.shape.sources[usize::from(source)];
        let alias = scope.alias(usize::from(source));
        let column = usize::from(column);
        write!(self.out, "{alias}.").expect("writing to a `String` cannot fail");
        let with = of.answer.and_then(|answer| scope.with(answer));
        if with.is_some_and(|with| with.table.is_none()) {
            write!(self.out, "c{column}").expect("writing to a `String` cannot fail");
            return Ok(());
        }
        refuse_array(self.dialect, of.table, column)?;
        quote::identifier(of.table.columns[column].name, self.dialect, &mut self.out)
    }

    fn mark(&mut self, index: u32) {
        let index = index as usize;
        if self.mentioned.len() <= index {
            self.mentioned.resize(index + 1, false);
        }
        self.mentioned[index] = true;
    }

    fn param(&mut self, index: u32, kind: Kind, typed: bool) {
        self.mark(index);
        self.dialect.placeholder(index as usize + 1, &mut self.out);
        if typed && let Some(name) = self.dialect.type_name(kind) {
            self.out.push_str("::");
            self.out.push_str(&name);
        }
    }

    pub(super) fn is_param(&self, id: NodeId) -> bool {
        matches!(self.shape().node(id), Node::Param { .. })
    }

    pub(super) fn operand(&mut self, id: NodeId, typed: bool) -> Result<()> {
        let Node::Param { index, kind } = self.shape().node(id) else {
            return self.write(id, Hold::Operand);
        };
        self.param(index, kind, typed);
        Ok(())
    }

    /// Writes `a and b and c`, or the same with `or`; however long it is, the stack stays flat.
    fn chain(&mut self, node: Node) -> Result<()> {
        let is_and = matches!(node, Node::And(..));
        let (between, hold) =
            if is_and { (" and ", Hold::Conjunct) } else { (" or ", Hold::Loose) };
        let parts = |node: Node| match (node, is_and) {
            (Node::And(left, right), true) | (Node::Or(left, right), false) => Some((left, right)),
            _ => None,
        };
        // From the last operand to the first, as such chains grow to the left.
        let mut operands = Vec::new();
        let mut rest = parts(node);
        while let Some((left, right)) = rest {
            operands.push(right);
            rest = parts(self.shape().node(left));
            if rest.is_none() {
                operands.push(left);
            }
        }
        for (index, operand) in operands.into_iter().rev().enumerate() {
            if 0 < index {
                self.out.push_str(between);
            }
            self.write(operand, hold)?;
        }
        Ok(())
    }

    fn compare(&mut self, op: Comparison, left: NodeId, right: NodeId) -> Result<()> {
        let typed = self.is_param(left) && self.is_param(right);
        self.operand(left, typed)?;
        let (sign, by_order) = match op {
            Comparison::Eq => (" = ", false),
            Comparison::Ne => (" <> ", false),
            Comparison::Lt => (" < ", true),
            Comparison::Le => (" <= ", true),
            Comparison::Gt => (" > ", true),
            Comparison::Ge => (" >= ", true),
        };
        if by_order {
            self.collate(self.kind(left));
        }
        self.out.push_str(sign);
        self.operand(right, typed)
    }

    /// Names the collation that values of `kind` need to be in order.
    pub(super) fn collation(&self, kind: Kind) -> String {
        self.dialect.collation(kind).map(|name| format!(" collate {name}")).unwrap_or_default()
    }

    fn collate(&mut self, kind: Kind) {
        let collation = self.collation(kind);
        self.out.push_str(&collation);
    }

    fn not(&mut self, of: NodeId) -> Result<()> {
        if let Node::IsNull(of) = self.shape().node(of) {
            return self.is_null(of, " is not null");
        }
        self.out.push_str("not ");
        self.write(of, Hold::Operand)
    }

    fn is_null(&mut self, of: NodeId, test: &str) -> Result<()> {
        self.operand(of, true)?;
        self.out.push_str(test);
        Ok(())
    }

    fn membership(&mut self, item: NodeId, list: NodeId) -> Result<()> {
        let Node::Param { index, kind } = self.shape().node(list) else {
            return Err(Error::invalid("the right side of `in` must be a list"));
        };
        let typed = self.is_param(item);
        self.operand(item, typed)?;
        self.out.push(' ');
        let list = self.dialect.membership(index as usize + 1, kind, typed)?;
        self.mark(index);
        self.out.push_str(&list);
        Ok(())
    }
}

/// Refuses a column of arrays where the database has none.
pub(super) fn refuse_array(dialect: &dyn Dialect, table: &Table, position: usize) -> Result<()> {
    let column = &table.columns[position];
    if matches!(column.kind, Kind::Array(_)) && !dialect.supports(Capability::Arrays) {
        return Err(Error::invalid(format!(
            "column `{}` of `{}` holds an {}, which {} does not have",
            column.name,
            table.name,
            column.kind,
            dialect.name()
        )));
    }
    Ok(())
}
