//! The rows between two tables: which rows of the other side they lead their owners to.
//!
//! **Invariant:** the list of the owners' keys is the only parameter.

use std::fmt::Write;
use std::sync::Arc;

use super::Dialect;
use super::edge::column;
use super::quote;
use super::read::clause;
use crate::error::Result;
use crate::schema::Between;
use crate::value::Kind;

/// The statement that reads rows between, and what its columns hold: the primary key, then the key
/// of the owner, then what leads to the other side.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) where the database cannot express it, naming what.
pub(crate) fn select_between(
    between: &Between,
    dialect: &dyn Dialect,
) -> Result<(Arc<str>, Arc<[Kind]>)> {
    let key = between.table.primary_key.iter().copied();
    let places: Vec<usize> = key.chain([between.from, between.to]).collect();
    let columns = places.iter().map(|&place| column(between.table, "v", place, dialect));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let kind = |place: usize| between.table.columns[place].kind;
    let mut sql = format!("select {} from ", columns.join(", "));
    quote::table(between.table, dialect, &mut sql)?;
    write!(sql, " as v").expect("writing to a `String` cannot fail");
    let from = column(between.table, "v", between.from, dialect)?;
    let chosen = dialect.key_membership(&[(from, kind(between.from))], 1)?;
    clause(&mut sql, " where ", &[chosen], " and ");
    Ok((sql.into(), places.into_iter().map(kind).collect()))
}
