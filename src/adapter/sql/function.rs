//! Functions, windows and questions inside questions as SQL.

use super::expression::Hold;
use super::expression::Writer;
use super::read;
use super::read::order;
use crate::error::Result;
use crate::query::ast::Function;
use crate::query::ast::Node;
use crate::query::ast::NodeId;
use crate::query::ast::WindowFunction;

impl Writer<'_> {
    /// Writes an aggregate; `over` stands behind the function where it is one of a window.
    pub(super) fn aggregate(
        &mut self,
        function: Function,
        of: Option<NodeId>,
        over: &str,
    ) -> Result<()> {
        let Some(of) = of else {
            self.out.push_str("count(*)");
            self.out.push_str(over);
            return Ok(());
        };
        let kind = self.kind(of);
        let argument = self.untyped(of)?;
        self.out.push_str(&self.dialect.aggregate(function, kind, &argument, over)?);
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller picks the functions")]
    pub(super) fn function(&mut self, node: Node) -> Result<()> {
        match node {
            Node::Arithmetic(operator, left, right) => {
                let typed = self.is_param(left) && self.is_param(right);
                let kind = self.kind(left);
                let (left, right) = (self.side(left, typed)?, self.side(right, typed)?);
                let text = self.dialect.arithmetic(operator, kind, &left, &right)?;
                self.out.push_str(&text);
            }
            Node::Coalesce(left, right) => {
                let typed = self.is_param(left) && self.is_param(right);
                self.out.push_str("coalesce(");
                self.operand(left, typed)?;
                self.out.push_str(", ");
                self.operand(right, typed)?;
                self.out.push(')');
            }
            Node::When(condition, then, otherwise) => {
                let typed = self.is_param(then) && otherwise.is_none_or(|id| self.is_param(id));
                let collation = self.dialect.collation_of_choice(self.kind(then));
                self.out.push_str(if collation.is_some() { "(case when " } else { "case when " });
                self.write(condition, Hold::Loose)?;
                self.out.push_str(" then ");
                self.operand(then, typed)?;
                if let Some(otherwise) = otherwise {
                    self.out.push_str(" else ");
                    self.operand(otherwise, typed)?;
                }
                self.out.push_str(" end");
                if let Some(name) = collation {
                    self.out.push_str(" collate ");
                    self.out.push_str(name);
                    self.out.push(')');
                }
            }
            Node::Text(function, of) => {
                let argument = self.untyped(of)?;
                self.out.push_str(&self.dialect.text(function, &argument));
            }
            Node::Now => self.out.push_str(self.dialect.now()),
            Node::Fragment(number) => self.fragment(number)?,
            Node::Window(number) => self.window(number)?,
            _ => {}
        }
        Ok(())
    }

    fn fragment(&mut self, number: u16) -> Result<()> {
        let fragment = self.shape().nodes.fragment(number);
        let mut pieces = fragment.pieces().into_iter();
        self.out.push_str(&pieces.next().unwrap_or_default());
        for (&part, piece) in fragment.parts.iter().zip(pieces) {
            self.operand(part, true)?;
            self.out.push_str(&piece);
        }
        Ok(())
    }

    fn window(&mut self, number: u16) -> Result<()> {
        let window = self.shape().nodes.window(number);
        let parts: Result<Vec<String>> =
            window.partition_by.iter().map(|&id| self.untyped(id)).collect();
        let order = order(self, &window.order_by)?;
        let mut over = Vec::new();
        let parts = parts?;
        if !parts.is_empty() {
            over.push(format!("partition by {}", parts.join(", ")));
        }
        if !order.is_empty() {
            over.push(format!("order by {}", order.join(", ")));
        }
        let over = format!(" over ({})", over.join(" "));
        let (name, of, by) = match window.function {
            WindowFunction::RowNumber => ("row_number", None, 0),
            WindowFunction::Rank => ("rank", None, 0),
            WindowFunction::DenseRank => ("dense_rank", None, 0),
            WindowFunction::Lag(of, by) => ("lag", Some(of), by),
            WindowFunction::Lead(of, by) => ("lead", Some(of), by),
            WindowFunction::Aggregate(of) => {
                let Node::Aggregate(function, of) = self.shape().node(of) else { return Ok(()) };
                return self.aggregate(function, of, &over);
            }
        };
        let arguments = match of {
            Some(of) => format!("{}, {by}", self.untyped(of)?),
            None => String::new(),
        };
        self.out.push_str(name);
        self.out.push('(');
        self.out.push_str(&arguments);
        self.out.push(')');
        self.out.push_str(&over);
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the caller picks the queries")]
    pub(super) fn query(&mut self, node: Node) -> Result<()> {
        match node {
            Node::Exists(number) => {
                let shape = self.shape().nodes.query(number);
                let inner = self.inside(shape, read::any_row)?;
                self.out.push_str("exists (");
                self.out.push_str(&inner);
            }
            Node::InQuery(item, number) => {
                let shape = self.shape().nodes.query(number);
                self.operand(item, false)?;
                let inner = self.inside(shape, read::rows)?;
                self.out.push_str(" in (");
                self.out.push_str(&inner);
            }
            Node::Scalar(number) => {
                let shape = self.shape().nodes.query(number);
                let inner = self.inside(shape, read::rows)?;
                self.out.push('(');
                self.out.push_str(&inner);
            }
            _ => return Ok(()),
        }
        self.out.push(')');
        Ok(())
    }
}
