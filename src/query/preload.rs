//! Loading an association for all rows of an answer with one more question.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::ast::Ast;
use super::ast::Node;
use super::ast::Tree;
use super::ast::index;
use crate::error::Error;
use crate::error::Result;
use crate::schema::Relation;
use crate::schema::RowReader;
use crate::schema::Schema;
use crate::value::Row;
use crate::value::Value;

type Apply<O> = dyn Fn(&mut [O], Vec<Row>) -> Result<()> + Send + Sync;
type Ask<O> = dyn Fn(&[O]) -> Result<Ast> + Send + Sync;

/// How to load one association: the question that rows lead to, and what to do with its answer.
pub struct Preload<O> {
    ask: Arc<Ask<O>>,
    apply: Arc<Apply<O>>,
}

impl<O> Clone for Preload<O> {
    fn clone(&self) -> Self {
        Self { ask: Arc::clone(&self.ask), apply: Arc::clone(&self.apply) }
    }
}

impl<O> fmt::Debug for Preload<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preload")
    }
}

impl<S: Schema> Preload<S> {
    /// Loads `relation`.
    pub fn new<T: Schema>(relation: Relation<S, T>) -> Self {
        let ask = move |owners: &[S]| {
            let (mine, theirs) = columns(relation)?;
            let mut keys: Vec<Value> =
                owners.iter().map(|owner| owner.dump().swap_remove(mine)).collect();
            keys.retain(|key| !key.is_null());
            keys.sort_unstable();
            keys.dedup();
            let kind = T::table().columns[theirs].kind;
            let mut ast = Ast::all_of(T::table());
            let condition = Tree::leaf(Node::Column { source: 0, column: index(theirs) })
                .join(Tree::param(Value::Array(keys.into()), kind), Node::In);
            let node = ast.add(condition);
            ast.shape.filters.push(node);
            Ok(ast)
        };
        let apply = move |owners: &mut [S], mut rows: Vec<Row>| {
            let (mine, theirs) = columns(relation)?;
            rows.sort_by_cached_key(|row| T::table().key_of(row));
            let mut loaded: HashMap<Value, Vec<T>> = HashMap::new();
            for row in &rows {
                let value = T::load(&mut RowReader::new(T::table(), row))?;
                loaded.entry(row.values()[theirs].clone()).or_default().push(value);
            }
            for owner in owners {
                let key = owner.dump().swap_remove(mine);
                // Several owners may share one row, as messages of one room do.
                relation.set(owner, loaded.get(&key).cloned().unwrap_or_default());
            }
            Ok(())
        };
        Self { ask: Arc::new(ask), apply: Arc::new(apply) }
    }
}

impl<O> Preload<O> {
    /// The question that these rows lead to.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the association names a field that is not there.
    pub fn ask(&self, owners: &[O]) -> Result<Ast> {
        (self.ask)(owners)
    }

    /// Puts the answer, rows in the order of the target's columns, in place.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when a row cannot be read.
    pub fn apply(&self, owners: &mut [O], rows: Vec<Row>) -> Result<()> {
        (self.apply)(owners, rows)
    }
}

fn columns<S: Schema, T: Schema>(relation: Relation<S, T>) -> Result<(usize, usize)> {
    let assoc = relation.assoc();
    let mine = S::table().position(assoc.owner_field);
    let theirs = T::table().position(assoc.target_field);
    mine.zip(theirs).ok_or_else(|| {
        Error::invalid(format!(
            "association `{}` of `{}` needs fields `{}` here and `{}` in `{}`",
            assoc.name,
            S::table().name,
            assoc.owner_field,
            assoc.target_field,
            T::table().name
        ))
    })
}
