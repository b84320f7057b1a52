//! A question made ready to be asked: completed, checked, with a key for every row of the answer.
//!
//! **Invariant:** of one plan, every database and the live engine give the same rows in the same
//! order: what the question leaves open about order is closed here, by the primary keys.

use super::ast::Ast;
use super::ast::Direction;
use super::ast::Item;
use super::ast::Node;
use super::ast::NodeId;
use super::ast::Order;
use super::ast::Shape;
use super::ast::index;
use crate::error::Error;
use crate::error::Result;
use crate::value::Key;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// A question ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    /// The question, completed.
    pub ast: Ast,
    /// Every column of the statement's answer: those the question shows, then those only its keys
    /// need.
    pub items: Vec<Item>,
    /// How many of the columns the question shows.
    pub shown_count: usize,
    /// Which columns make the key of a row.
    pub key: Vec<usize>,
}

/// One column of an answer, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

impl Plan {
    /// Completes and checks a question.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a `having` without groups, a pattern that ends in
    /// the middle of an escape, a column of another query, or two shown columns of one name.
    pub fn new(ast: &Ast) -> Result<Self> {
        let mut ast = ast.clone();
        check(&ast)?;
        let mut items = shown(&mut ast);
        check_names(&ast, &items)?;
        let shown_count = items.len();
        let mut key = Vec::new();
        for node in key_nodes(&mut ast, &items) {
            let same = |item: &Item| ast.shape.node(item.node) == ast.shape.node(node);
            key.push(items.iter().position(same).unwrap_or(items.len()));
            if key.last() == Some(&items.len()) {
                let kind = kind_of(&ast.shape, node);
                items.push(Item { node, name: "", kind });
            }
        }
        complete_order(&mut ast, &items, &key);
        Ok(Self { ast, items, shown_count, key })
    }

    /// The columns the question shows.
    pub fn outputs(&self) -> impl Iterator<Item = Output> + '_ {
        self.shown().iter().map(|item| Output { name: item.name, kind: item.kind })
    }

    /// The items the question shows.
    pub fn shown(&self) -> &[Item] {
        &self.items[..self.shown_count]
    }

    /// The key of one row of the statement's answer.
    pub fn key_of(&self, row: &Row) -> Key {
        self.key.iter().map(|&column| row.values()[column].clone()).collect()
    }

    /// The column of the answer that holds an expression, which is added where there is none.
    #[cfg(feature = "live")]
    pub(crate) fn also(&mut self, node: NodeId) -> usize {
        let shape = &self.ast.shape;
        let same = |item: &Item| shape.node(item.node) == shape.node(node);
        self.items.iter().position(same).unwrap_or_else(|| {
            let kind = kind_of(&self.ast.shape, node);
            self.items.push(Item { node, name: "", kind });
            self.items.len() - 1
        })
    }

    /// The column of the answer that holds a column of a source, which is added where there is none.
    #[cfg(feature = "live")]
    pub(crate) fn also_column(&mut self, source: u16, column: u16) -> usize {
        let node = column_node(&mut self.ast, usize::from(source), usize::from(column));
        self.also(node)
    }

    /// The kind of an expression.
    #[cfg(feature = "live")]
    pub(crate) fn kind_of(&self, node: NodeId) -> Kind {
        kind_of(&self.ast.shape, node)
    }

    /// Checks what [`Plan::new`] checks and what depends on parameters, of a question whose shape
    /// was planned before.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    #[cfg(feature = "live")]
    pub(crate) fn check(ast: &Ast) -> Result<()> {
        check(ast)
    }

    /// True when every row of the answer is one row of the root table, all columns of it in order.
    pub fn is_whole_root(&self) -> bool {
        self.ast.shape.select.is_empty() && self.ast.shape.sources.len() == 1
    }
}

fn shown(ast: &mut Ast) -> Vec<Item> {
    if !ast.shape.select.is_empty() {
        return ast.shape.select.clone();
    }
    let table = ast.root();
    (table.columns.iter().enumerate())
        .map(|(position, column)| {
            let node = column_node(ast, 0, position);
            Item { node, name: column.field, kind: column.kind }
        })
        .collect()
}

fn column_node(ast: &mut Ast, source: usize, position: usize) -> NodeId {
    let tree =
        super::ast::Tree::leaf(Node::Column { source: index(source), column: index(position) });
    ast.add(tree)
}

/// What tells the rows of the answer apart.
fn key_nodes(ast: &mut Ast, shown: &[Item]) -> Vec<NodeId> {
    if ast.shape.distinct {
        return shown.iter().map(|item| item.node).collect();
    }
    if ast.shape.is_grouped() {
        return ast.shape.group_by.clone();
    }
    let sources = ast.shape.sources.clone();
    let keys = sources.iter().enumerate().flat_map(|(source, of)| {
        of.table.primary_key.iter().map(move |&position| (source, position))
    });
    let keys: Vec<_> = keys.collect();
    keys.into_iter().map(|(source, position)| column_node(ast, source, position)).collect()
}

/// Lets the key decide where the question's order does not.
fn complete_order(ast: &mut Ast, items: &[Item], key: &[usize]) {
    let shape = &mut ast.shape;
    if shape.order_by.is_empty() && shape.limit.is_none() && shape.offset == 0 {
        return;
    }
    // The direction of the last part, so that one index serves the whole order.
    let direction = shape.order_by.last().map_or(Direction::Ascending, |last| last.direction);
    for &column in key {
        let node = items[column].node;
        let same = |order: &Order| shape.node(order.node) == shape.node(node);
        if !shape.order_by.iter().any(same) {
            shape.order_by.push(Order { node, direction, nulls: None });
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is a condition")]
fn kind_of(shape: &Shape, id: NodeId) -> Kind {
    match shape.node(id) {
        Node::Column { source, column } => {
            shape.sources[usize::from(source)].table.columns[usize::from(column)].kind
        }
        Node::Param { kind, .. } => kind,
        Node::Aggregate(..) => Kind::I64,
        _ => Kind::Bool,
    }
}

fn check(ast: &Ast) -> Result<()> {
    let shape = &ast.shape;
    let root = shape.root().name;
    if !shape.having.is_empty() && shape.group_by.is_empty() && shape.select.is_empty() {
        return Err(Error::invalid(format!(
            "query on `{root}` has `having` but neither groups nor aggregates"
        )));
    }
    if shape.is_grouped() && shape.select.is_empty() {
        return Err(Error::invalid(format!(
            "query on `{root}` groups rows: say with `select` what it shows"
        )));
    }
    for node in &shape.nodes {
        if let Node::Column { source, .. } = *node
            && shape.sources.len() <= usize::from(source)
        {
            return Err(Error::invalid(format!(
                "query on `{root}` uses a column of another query"
            )));
        }
        if let Node::Like(_, pattern, _) = *node {
            check_pattern(ast, pattern)?;
        }
    }
    Ok(())
}

fn check_pattern(ast: &Ast, pattern: NodeId) -> Result<()> {
    let Node::Param { index, .. } = ast.shape.node(pattern) else { return Ok(()) };
    let Some(Value::Text(text)) = ast.params.get(index as usize) else { return Ok(()) };
    let escapes = text.bytes().rev().take_while(|&byte| byte == b'\\').count();
    if escapes % 2 == 1 {
        return Err(Error::invalid(format!("pattern `{text}` ends with a lone `\\`: double it")));
    }
    Ok(())
}

fn check_names(ast: &Ast, items: &[Item]) -> Result<()> {
    for (position, item) in items.iter().enumerate() {
        if items[..position].iter().any(|before| before.name == item.name) {
            return Err(Error::invalid(format!(
                "query on `{}` shows two columns named `{}`: tell them apart with `named`",
                ast.root().name,
                item.name
            )));
        }
    }
    Ok(())
}
