//! The rows of an association for many owners, in one statement.
//!
//! A limit counts for each owner. Where the database can join laterally, an index on the key and the
//! order serves each owner; elsewhere rows are numbered by owner.
//!
//! **Invariant:** the rows of one owner come in the order of the edge's question, which the primary
//! key completes.

use std::fmt::Write;
use std::sync::Arc;

use super::Capability;
use super::Dialect;
use super::expression::Hold;
use super::expression::Writer;
use super::quote;
use super::read::clause;
use super::read::conjunction;
use super::read::items;
use super::read::order;
use super::read::sources;
use crate::error::Result;
use crate::query::Edge;
use crate::query::Plan;
use crate::schema::Link;
use crate::schema::Table;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// How the rows of an edge are read.
#[derive(Clone, Debug)]
pub(crate) struct EdgeRead {
    /// The statement; its last parameter is the list of the owners' keys.
    pub(crate) sql: Arc<str>,
    /// What its columns hold: those of the table, then the key of the owner.
    pub(crate) kinds: Arc<[Kind]>,
    params: Vec<Value>,
    table: &'static Table,
    is_ordered: bool,
}

impl EdgeRead {
    /// The statement for `edge`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the association names a field that is not there,
    /// or the database cannot express the question.
    pub(crate) fn new(edge: &Edge, dialect: &dyn Dialect) -> Result<Self> {
        let link = edge.link()?;
        let plan = Plan::new(&edge.ast)?;
        let sql = select(&plan, &link, dialect)?;
        let kinds = plan.items.iter().map(|item| item.kind);
        Ok(Self {
            sql: sql.into(),
            kinds: kinds.chain([link_kind(&link)]).collect(),
            params: plan.ast.params.clone(),
            table: link.target,
            is_ordered: !plan.ast.shape.order_by.is_empty(),
        })
    }

    /// The parameters for owners with these keys.
    pub(crate) fn params(&self, keys: Vec<Value>) -> Vec<Value> {
        let mut params = self.params.clone();
        params.push(Value::Array(keys.into()));
        params
    }

    /// The key of the owner of a row.
    pub(crate) fn link_of<'r>(&self, row: &'r Row) -> &'r Value {
        &row.values()[self.kinds.len() - 1]
    }

    /// The rows in the order that the question leaves open, or has.
    pub(crate) fn in_order(&self, mut rows: Vec<Row>) -> Vec<Row> {
        if !self.is_ordered {
            rows.sort_by_cached_key(|row| self.table.key_of(row));
        }
        rows
    }
}

fn link_kind(link: &Link) -> Kind {
    match link.between {
        None => link.target.columns[link.target_column].kind,
        Some(between) => between.table.columns[between.from].kind,
    }
}

/// A column of a table that stands under another name.
pub(super) fn column(
    table: &Table,
    alias: &str,
    position: usize,
    dialect: &dyn Dialect,
) -> Result<String> {
    let mut name = format!("{alias}.");
    quote::identifier(table.columns[position].name, dialect, &mut name)?;
    Ok(name)
}

/// The pieces that are the same whether there is a limit or not.
struct Pieces {
    /// The columns of the rows.
    items: String,
    /// The tables; the one between stands for all keys, or for one.
    sources: String,
    filters: Vec<String>,
    order: Vec<String>,
    /// The key of the owner.
    link: String,
}

/// `keys` says which owners' rows are wanted: the condition on a column.
fn pieces(
    writer: &mut Writer<'_>,
    plan: &Plan,
    link: &Link,
    keys: &dyn Fn(String) -> Result<String>,
) -> Result<Pieces> {
    let dialect = writer.dialect;
    let items = items(writer, &plan.items)?;
    let mut sources = sources(writer)?;
    let mut filters = conjunction(writer, &plan.ast.shape.filters, Hold::Conjunct)?;
    let order = order(writer, &plan.ast.shape.order_by)?;
    filters.extend(writer.rest_of_params());
    let target = column(link.target, "s0", link.target_column, dialect)?;
    let Some(between) = link.between else {
        filters.push(keys(target.clone())?);
        return Ok(Pieces { items, sources, filters, order, link: target });
    };
    let from = column(between.table, "v", between.from, dialect)?;
    let to = column(between.table, "v", between.to, dialect)?;
    let mut table = String::new();
    quote::table(between.table, dialect, &mut table)?;
    // A row that several rows lead to comes once.
    let chosen = keys(from.clone())?;
    write!(
        sources,
        " join (select distinct {from} as owner, {to} as target from {table} as v \
         where {chosen}) as via on via.target = {target}"
    )
    .expect("writing to a `String` cannot fail");
    Ok(Pieces { items, sources, filters, order, link: "via.owner".to_owned() })
}

fn select(plan: &Plan, link: &Link, dialect: &dyn Dialect) -> Result<String> {
    let shape = &plan.ast.shape;
    let number = plan.ast.params.len() + 1;
    let kind = link_kind(link);
    let in_list = |name: String| dialect.key_membership(&[(name, kind)], number);
    let mut writer = Writer::new(shape, dialect);
    if shape.limit.is_none() && shape.offset == 0 {
        let Pieces { items, sources, filters, order, link } =
            pieces(&mut writer, plan, link, &in_list)?;
        let mut sql = format!("select {items}, {link} from {sources}");
        clause(&mut sql, " where ", &filters, " and ");
        clause(&mut sql, " order by ", &order, ", ");
        return Ok(sql);
    }
    let names: Vec<String> = (0..plan.items.len()).map(|number| format!("c{number}")).collect();
    let names = names.join(", ");
    let most = shape.limit.map_or(i64::MAX.unsigned_abs(), |limit| {
        shape.offset.saturating_add(limit).min(i64::MAX.unsigned_abs())
    });
    let window = format!("place > {} and place <= {most}", shape.offset);
    if dialect.supports(Capability::Lateral) {
        let type_name = dialect.type_name(kind).unwrap_or_default();
        let is_key = |name: String| Ok(format!("{name} = keys.key"));
        let Pieces { items, sources, filters, order, .. } =
            pieces(&mut writer, plan, link, &is_key)?;
        let order = order.join(", ");
        let mut inner =
            format!("select {items}, row_number() over (order by {order}) from {sources}");
        clause(&mut inner, " where ", &filters, " and ");
        let sql = format!(
            "select {names}, keys.key from unnest(${number}::{type_name}[]) as keys (key) \
             cross join lateral ({inner} order by {order} limit {most}) as edge ({names}, place) \
             where {window} order by keys.key, place"
        );
        return Ok(sql);
    }
    let Pieces { items, sources, filters, order, link } =
        pieces(&mut writer, plan, link, &in_list)?;
    let order = order.join(", ");
    let mut inner = format!(
        "select {items}, {link}, row_number() over (partition by {link} order by {order}) \
         from {sources}"
    );
    clause(&mut inner, " where ", &filters, " and ");
    Ok(format!(
        "with edge ({names}, owner, place) as ({inner}) \
         select {names}, owner from edge where {window} order by owner, place"
    ))
}
