//! Answers with a name, and answers combined, as SQL.

use super::expression::Writer;
use super::quote;
use super::read::rows;
use crate::error::Result;
use crate::query::ast::Answer;
use crate::query::ast::Combination;
use crate::query::ast::Shape;
use crate::query::ast::With;
use crate::query::ast::index;

/// The answers that have a name, before everything else.
pub(super) fn withs(writer: &mut Writer<'_>) -> Result<String> {
    let shape = writer.shape();
    let mut texts = Vec::new();
    for (place, with) in shape.withs.iter().enumerate() {
        let name = writer.scope.answer_name(Answer { up: 0, index: index(place) });
        let names = (0..with.first.select.len()).map(|column| format!("c{column}"));
        let mut columns = names.collect::<Vec<_>>().join(", ");
        if let Some(table) = with.table {
            columns.clear();
            quote::columns(table, 0..table.columns.len(), "", writer.dialect, &mut columns)?;
        }
        texts.push(format!("{name} ({columns}) as ({})", combined(writer, with)?));
    }
    let recursive = shape.withs.iter().any(|with| with.is_recursive);
    Ok(match (texts.is_empty(), recursive) {
        (true, _) => String::new(),
        (false, true) => format!("with recursive {} ", texts.join(", ")),
        (false, false) => format!("with {} ", texts.join(", ")),
    })
}

/// Several answers as one, from left to right whatever the database binds tighter.
fn combined(writer: &mut Writer<'_>, with: &With) -> Result<String> {
    let mut sql = writer.inside(&with.first, rows)?;
    if with.rest.is_empty() {
        return Ok(sql);
    }
    sql = member(&with.first, sql);
    for (place, (how, shape)) in with.rest.iter().enumerate() {
        if *how == Combination::Intersect && 0 < place {
            sql = format!("select * from ({sql}) as m");
        }
        let next = writer.inside(shape, rows)?;
        sql.push_str(match how {
            Combination::Union => " union ",
            Combination::UnionAll => " union all ",
            Combination::Intersect => " intersect ",
            Combination::Except => " except ",
        });
        sql.push_str(&member(shape, next));
    }
    Ok(sql)
}

/// One of several answers; SQLite takes neither brackets nor an order there.
fn member(shape: &Shape, sql: String) -> String {
    let is_plain = shape.withs.is_empty()
        && shape.limit.is_none()
        && shape.offset == 0
        && shape.lock.is_none();
    if is_plain { sql } else { format!("select * from ({sql}) as m") }
}
