//! A question made ready to be asked: completed, checked, with a key for every row of the answer.
//!
//! **Invariant:** of one plan, every database and the live engine give the same rows in the same
//! order: what the question leaves open about order is closed here, by the primary keys.

use std::collections::HashMap;

use super::ast::Ast;
use super::ast::Item;
#[cfg(feature = "live")]
use super::ast::NodeId;
use super::ast::Scope;
use super::check;
use super::complete::close;
#[cfg(feature = "live")]
use super::complete::column_node;
use super::complete::complete;
use super::complete::resolve;
use super::complete::same;
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
    /// True when several rows of the answer may agree in these; they then agree in all that they
    /// show, and their keys end with which of them they are: see [`Plan::keys_of`].
    pub repeats: bool,
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
    /// the middle of an escape, a column of another query, two shown columns of one name, an answer
    /// that is read as what it is not, a window function in a condition, or what is too deep.
    pub fn new(ast: &Ast) -> Result<Self> {
        check::size(&ast.shape)?;
        check::groups(ast)?;
        let mut ast = ast.clone();
        resolve(&mut ast.shape, &mut Vec::new(), 0);
        for shape in ast.shape.inner_mut() {
            close(shape);
        }
        let (mut items, keys) = complete(&mut ast.shape);
        check::meaning(&Scope::root(&ast.shape), 0)?;
        check::params(&ast.shape, &ast.params)?;
        check_names(&ast, &items)?;
        let shown_count = items.len();
        let mut key = Vec::new();
        for &node in &keys.nodes {
            let place = items.iter().position(|item| same(&ast.shape, item.node, node));
            key.push(place.unwrap_or(items.len()));
            if place.is_none() {
                let kind = Scope::root(&ast.shape).kind(node);
                items.push(Item { node, name: "", kind });
            }
        }
        Ok(Self { ast, items, shown_count, key, repeats: keys.repeat })
    }

    /// The columns the question shows.
    pub fn outputs(&self) -> impl Iterator<Item = Output> + '_ {
        self.shown().iter().map(|item| Output { name: item.name, kind: item.kind })
    }

    /// The items the question shows.
    pub fn shown(&self) -> &[Item] {
        &self.items[..self.shown_count]
    }

    /// The key of one row of the statement's answer; where rows repeat, without which of them it
    /// is.
    pub fn key_of(&self, row: &Row) -> Key {
        self.key.iter().map(|&column| row.values()[column].clone()).collect()
    }

    /// The column of the answer that holds an expression, which is added where there is none.
    #[cfg(feature = "live")]
    pub(crate) fn also(&mut self, node: NodeId) -> usize {
        let shape = &self.ast.shape;
        let place = self.items.iter().position(|item| same(shape, item.node, node));
        place.unwrap_or_else(|| {
            let kind = self.kind_of(node);
            self.items.push(Item { node, name: "", kind });
            self.items.len() - 1
        })
    }

    /// The column of the answer that holds a column of a source, which is added where there is none.
    #[cfg(feature = "live")]
    pub(crate) fn also_column(&mut self, source: u16, column: u16) -> usize {
        let node = column_node(&mut self.ast.shape, usize::from(source), usize::from(column));
        self.also(node)
    }

    /// The kind of an expression.
    #[cfg(feature = "live")]
    pub(crate) fn kind_of(&self, node: NodeId) -> Kind {
        Scope::root(&self.ast.shape).kind(node)
    }

    /// Checks what [`Plan::new`] checks and what depends on parameters, of a question whose shape
    /// was planned before.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    #[cfg(feature = "live")]
    pub(crate) fn check(ast: &Ast) -> Result<()> {
        check::size(&ast.shape)?;
        check::params(&ast.shape, &ast.params)
    }

    /// The keys of all rows of the statement's answer, each different from all others.
    pub fn keys_of(&self, rows: &[Row]) -> Vec<Key> {
        let keys = rows.iter().map(|row| self.key_of(row));
        if !self.repeats {
            return keys.collect();
        }
        let mut seen: HashMap<Key, i64> = HashMap::new();
        keys.map(|key| {
            let before = seen.entry(key.clone()).or_insert(0);
            *before += 1;
            key.values().iter().cloned().chain([Value::Int(*before)]).collect()
        })
        .collect()
    }

    /// True when every row of the answer is one row of the root table, all columns of it in order.
    pub fn is_whole_root(&self) -> bool {
        let shape = &self.ast.shape;
        shape.select.is_empty() && shape.sources.len() == 1 && shape.sources[0].answer.is_none()
    }
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
