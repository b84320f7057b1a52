//! Questions as `SELECT` statements.
//!
//! **Invariant:** parameter `i` of the question is parameter `i + 1` of every text made here, and
//! every text mentions all of them.

use std::sync::Arc;

use super::Dialect;
use super::expression::Hold;
use super::expression::Writer;
use super::expression::refuse_array;
use super::quote;
use super::with::withs;
use crate::error::Result;
use crate::query::Plan;
use crate::query::ast::Ast;
use crate::query::ast::Direction;
use crate::query::ast::Item;
use crate::query::ast::JoinKind;
use crate::query::ast::NodeId;
use crate::query::ast::Nulls;
use crate::query::ast::Order;
use crate::schema::Table;
use crate::value::Key;
use crate::value::Kind;
use crate::value::Value;

/// The statement that answers a plan; its columns are [`Plan::items`].
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) where the database cannot express it, naming what.
pub fn select(plan: &Plan, dialect: &dyn Dialect) -> Result<Arc<str>> {
    let mut writer = Writer::new(&plan.ast.shape, dialect);
    let items = items(&mut writer, &plan.items)?;
    let mut sql = statement(&mut writer, &items, Ordered::Yes)?;
    lock(&writer, &mut sql)?;
    Ok(sql.into())
}

/// The statement that tells whether a question has any answer, in one boolean.
///
/// # Errors
///
/// As [`select`], and those of [`Plan::new`].
pub fn exists(ast: &Ast, dialect: &dyn Dialect) -> Result<Arc<str>> {
    let inner = without_items(ast, dialect)?;
    Ok(format!("select exists ({inner})").into())
}

/// The statement that counts the rows of the answer, in one integer.
///
/// # Errors
///
/// As [`select`], and those of [`Plan::new`].
pub fn count(ast: &Ast, dialect: &dyn Dialect) -> Result<Arc<str>> {
    let shape = &ast.shape;
    let counts_rows =
        !shape.distinct && !shape.is_grouped() && shape.limit.is_none() && shape.offset == 0;
    if counts_rows {
        let plan = Plan::new(ast)?;
        let mut writer = Writer::new(&plan.ast.shape, dialect);
        return statement(&mut writer, "count(*)", Ordered::No).map(Arc::from);
    }
    let inner = without_items(ast, dialect)?;
    Ok(format!("select count(*) from ({inner}) as counted").into())
}

/// The statement that reads all columns of the rows whose primary keys are in the lists of
/// [`key_lists`], in no order.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) where the database cannot express it, naming what.
pub fn rows_by_key(table: &Table, dialect: &dyn Dialect) -> Result<Arc<str>> {
    let mut sql = String::from("select ");
    for position in 0..table.columns.len() {
        refuse_array(dialect, table, position)?;
    }
    quote::columns(table, 0..table.columns.len(), "s0.", dialect, &mut sql)?;
    sql.push_str(" from ");
    quote::table(table, dialect, &mut sql)?;
    sql.push_str(" as s0 where ");
    sql.push_str(&dialect.key_membership(&key_columns(table, 0, dialect)?, 1)?);
    Ok(sql.into())
}

/// The key columns of source number `source`, as they stand in a statement.
pub(super) fn key_columns(
    table: &Table,
    source: usize,
    dialect: &dyn Dialect,
) -> Result<Vec<(String, Kind)>> {
    let columns = table.key_columns().map(|column| {
        let mut name = format!("s{source}.");
        quote::identifier(column.name, dialect, &mut name)?;
        Ok((name, column.kind))
    });
    columns.collect()
}

/// The parameters of [`rows_by_key`] for these keys.
pub fn key_lists(table: &Table, keys: &[Key], dialect: &dyn Dialect) -> Vec<Value> {
    let part_count = table.primary_key.len();
    if 1 < part_count && dialect.keys_in_one_list() {
        return vec![Value::Array(
            keys.iter().map(|key| Value::Array(key.values().into())).collect(),
        )];
    }
    (0..part_count)
        .map(|part| Value::Array(keys.iter().map(|key| key.values()[part].clone()).collect()))
        .collect()
}

/// Whether the order of rows matters.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ordered {
    Yes,
    No,
}

/// A question of which only the number of rows matters.
fn without_items(ast: &Ast, dialect: &dyn Dialect) -> Result<String> {
    let plan = Plan::new(ast)?;
    let mut writer = Writer::new(&plan.ast.shape, dialect);
    // Which rows are one row depends on what they show.
    let text = if plan.ast.shape.distinct || plan.ast.shape.is_grouped() {
        items(&mut writer, &plan.items)?
    } else {
        "1".to_owned()
    };
    statement(&mut writer, &text, Ordered::No)
}

/// A question inside another one of which only the existence of rows matters.
pub(super) fn any_row(writer: &mut Writer<'_>) -> Result<String> {
    let shape = writer.shape();
    let text = if shape.distinct || shape.is_grouped() {
        items(writer, &shape.select)?
    } else {
        "1".to_owned()
    };
    statement(writer, &text, Ordered::No)
}

/// A question inside another one, with what it shows.
pub(super) fn rows(writer: &mut Writer<'_>) -> Result<String> {
    let shape = writer.shape();
    let items = items(writer, &shape.select)?;
    let is_cut = shape.limit.is_some() || 0 < shape.offset;
    let ordered = if is_cut { Ordered::Yes } else { Ordered::No };
    let mut sql = statement(writer, &items, ordered)?;
    lock(writer, &mut sql)?;
    Ok(sql)
}

fn lock(writer: &Writer<'_>, sql: &mut String) -> Result<()> {
    if let Some(lock) = writer.shape().lock {
        sql.push_str(&writer.dialect.lock(lock, &writer.scope.alias(0))?);
    }
    Ok(())
}

pub(super) fn items(writer: &mut Writer<'_>, items: &[Item]) -> Result<String> {
    let texts: Result<Vec<String>> = items.iter().map(|item| writer.untyped(item.node)).collect();
    Ok(texts?.join(", "))
}

fn statement(writer: &mut Writer<'_>, items: &str, ordered: Ordered) -> Result<String> {
    restricted(writer, items, ordered, None)
}

/// A statement that answers only rows for which one more condition holds.
pub(super) fn restricted(
    writer: &mut Writer<'_>,
    items: &str,
    ordered: Ordered,
    condition: Option<String>,
) -> Result<String> {
    let shape = writer.shape();
    let withs = withs(writer)?;
    let sources = sources(writer)?;
    let hold = if condition.is_some() { Hold::Conjunct } else { Hold::Loose };
    let mut filters = conjunction(writer, &shape.filters, hold)?;
    let groups: Result<Vec<String>> = shape.group_by.iter().map(|&id| writer.untyped(id)).collect();
    let having = conjunction(writer, &shape.having, Hold::Loose)?;
    let order = if ordered == Ordered::Yes { order(writer, &shape.order_by)? } else { Vec::new() };
    if writer.scope.outer.is_none() {
        filters.extend(writer.rest_of_params());
    }
    filters.extend(condition);

    let distinct = if shape.distinct { "distinct " } else { "" };
    let mut sql = format!("{withs}select {distinct}{items} from {sources}");
    clause(&mut sql, " where ", &filters, " and ");
    clause(&mut sql, " group by ", &groups?, ", ");
    clause(&mut sql, " having ", &having, " and ");
    clause(&mut sql, " order by ", &order, ", ");
    window(&mut sql, shape.limit, shape.offset, writer.dialect);
    Ok(sql)
}

/// Adds a clause unless it is empty.
pub(super) fn clause(sql: &mut String, name: &str, parts: &[String], between: &str) {
    if !parts.is_empty() {
        sql.push_str(name);
        sql.push_str(&parts.join(between));
    }
}

/// The tables, joined.
pub(super) fn sources(writer: &mut Writer<'_>) -> Result<String> {
    use std::fmt::Write;
    let mut sql = String::new();
    for (number, source) in writer.shape().sources.iter().enumerate() {
        sql.push_str(match source.join.map(|join| join.kind) {
            None => "",
            Some(JoinKind::Inner) => " join ",
            Some(JoinKind::Left) => " left join ",
        });
        match source.answer {
            Some(answer) => sql.push_str(&writer.scope.answer_name(answer)),
            None => quote::table(source.table, writer.dialect, &mut sql)?,
        }
        let alias = writer.scope.alias(number);
        write!(sql, " as {alias}").expect("writing to a `String` cannot fail");
        if let Some(join) = source.join {
            sql.push_str(" on ");
            sql.push_str(&writer.expression(join.on, Hold::Loose)?);
        }
    }
    Ok(sql)
}

/// Conditions that must all hold; one that stands alone need hold together no more than `alone`.
pub(super) fn conjunction(
    writer: &mut Writer<'_>,
    nodes: &[NodeId],
    alone: Hold,
) -> Result<Vec<String>> {
    let hold = if nodes.len() == 1 { alone } else { Hold::Conjunct };
    nodes.iter().map(|&id| writer.expression(id, hold)).collect()
}

pub(super) fn order(writer: &mut Writer<'_>, orders: &[Order]) -> Result<Vec<String>> {
    let part = |order: &Order| {
        let text = writer.untyped(order.node)?;
        let collation = writer.collation(writer.kind(order.node));
        let direction = match order.direction {
            Direction::Ascending => "",
            Direction::Descending => " desc",
        };
        let nulls = match order.nulls {
            None => "",
            Some(Nulls::First) => " nulls first",
            Some(Nulls::Last) => " nulls last",
        };
        Ok(format!("{text}{collation}{direction}{nulls}"))
    };
    orders.iter().map(part).collect()
}

fn window(sql: &mut String, limit: Option<u64>, offset: u64, dialect: &dyn Dialect) {
    use std::fmt::Write;
    // Databases count rows in 63 bits; no table has more.
    let shorten = |rows: u64| rows.min(i64::MAX.unsigned_abs());
    let written = match (limit.map(shorten), dialect.no_limit()) {
        (Some(limit), _) => write!(sql, " limit {limit}"),
        (None, Some(no_limit)) if 0 < offset => write!(sql, " limit {no_limit}"),
        (None, _) => Ok(()),
    };
    written.expect("writing to a `String` cannot fail");
    if 0 < offset {
        write!(sql, " offset {}", shorten(offset)).expect("writing to a `String` cannot fail");
    }
}

#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
#[path = "read_tests.rs"]
mod tests;

#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
#[path = "language_tests.rs"]
mod language_tests;
