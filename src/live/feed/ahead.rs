//! Rows read ahead: the look that finds keys in PostgreSQL's log reads their rows with it.
//!
//! What was written a moment ago is written again, as a rule. For the tables whose rows the last tick
//! read, a look brings the rows of the keys it finds, so that a tick takes one round trip and not two.
//!
//! **Invariant:** rows are those of the look's own snapshot. Keys that come without a row are read as if
//! nothing had been read ahead: the row may be gone, or its key may be of an earlier look.
//!
//! **Refusals:** tables whose keys are not integers or UUIDs, since only those stand in the log as they
//! stand in the table; more than [`MOST`] tables at once.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use super::postgres_log::literal;
use super::snapshot::At;
use super::snapshot::Position;
use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::adapter::sql::Dialect;
use crate::adapter::sql::quoted_name;
use crate::adapter::sql::quoted_table;
use crate::error::Result;
use crate::schema::Table;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// How many tables are read ahead: each costs a look some 20 µs when it finds nothing, measured.
const MOST: usize = 4;

/// After how long a table is read ahead no more. A guess: who writes once in a second is served
/// soon enough, and a table that is locked for longer holds up nobody who has no part in it.
const WARM: Duration = Duration::from_secs(1);

/// How long a look that reads ahead may take before it is given up and one is taken that does not:
/// a table may be locked, and a script may have touched a million rows.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The tables that are read ahead, and what was read.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    tables: Vec<Warm>,
    read: Vec<(&'static Table, Vec<Row>)>,
}

#[derive(Debug)]
struct Warm {
    table: &'static Table,
    /// For looks since a state at which no transaction was running, and since any other: the part that
    /// finds nothing as a rule costs 0.02 to 0.05 ms.
    statements: [Statement; 2],
    until: Instant,
}

impl Ahead {
    /// The rows of `table` were wanted: they are read ahead for a while.
    pub(super) fn wanted(&mut self, table: &'static Table, now: Instant, dialect: &dyn Dialect) {
        let until = now + WARM;
        if let Some(warm) = self.tables.iter_mut().find(|warm| std::ptr::eq(warm.table, table)) {
            warm.until = until;
        } else if self.tables.len() < MOST
            && is_plain(table)
            && let Ok(statements) = rows_of_log(table, dialect)
        {
            self.tables.push(Warm { table, statements, until });
        }
    }

    /// The statements that a look after `since` takes along; each tells of one table.
    pub(super) fn statements(&mut self, since: Option<&Position>, now: Instant) -> Vec<Statement> {
        self.read.clear();
        self.tables.retain(|warm| now < warm.until);
        let Some(Position { at: At::Transactions(earlier), .. }) = since else {
            self.tables.clear();
            return Vec::new();
        };
        let is_running = !earlier.xip.is_empty();
        let mut params = vec![Value::text(earlier.xmax.to_string())];
        if is_running {
            let running = earlier.xip.iter().map(|xid| Value::text(xid.to_string()));
            params.push(Value::Array(running.collect()));
        }
        let with = |warm: &Warm| {
            let statement = warm.statements[usize::from(is_running)].clone();
            Statement { params: params.clone(), ..statement }
        };
        self.tables.iter().map(with).collect()
    }

    /// Takes what the statements read.
    pub(super) fn take(&mut self, answers: impl Iterator<Item = Vec<Row>>) {
        self.read = self.tables.iter().map(|warm| warm.table).zip(answers).collect();
    }

    /// The rows of `table` that the look has read. Of other keys, and of rows that are gone, it says
    /// nothing: whoever wants those reads them.
    pub(super) fn rows(&mut self, table: &Table) -> Vec<Row> {
        let place = self.read.iter().position(|(read, _)| std::ptr::eq(*read, table));
        place.map(|place| self.read.swap_remove(place).1).unwrap_or_default()
    }

    /// Nothing is read ahead until it is wanted again.
    pub(super) fn forget(&mut self) {
        self.tables.clear();
        self.read.clear();
    }
}

/// Whether the parts of the key stand in the log as they stand in the table.
fn is_plain(table: &Table) -> bool {
    table.key_columns().all(|column| cast(column.kind).is_some())
}

fn cast(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::I16 | Kind::I32 | Kind::I64 => Some("bigint"),
        Kind::Uuid => Some("uuid"),
        Kind::Bool
        | Kind::F32
        | Kind::F64
        | Kind::Decimal
        | Kind::Text
        | Kind::Bytes
        | Kind::Json
        | Kind::Date
        | Kind::Time
        | Kind::Timestamp
        | Kind::Array(_) => None,
    }
}

/// Reads the rows whose keys are new in the log. Each is looked up by its key, whatever the planner
/// thinks of a log that is never analyzed; `offset 0` keeps it from thinking. A row whose key came twice
/// may come twice.
fn rows_of_log(table: &Table, dialect: &dyn Dialect) -> Result<[Statement; 2]> {
    let mut parts = Vec::new();
    for (place, column) in table.key_columns().enumerate() {
        let cast = cast(column.kind).unwrap_or("text");
        let name = quoted_name(column.name, dialect)?;
        parts.push(format!("r.{name} = (k.key ->> {place})::{cast}"));
    }
    let columns = table.columns.iter();
    let columns =
        columns.map(|column| quoted_name(column.name, dialect).map(|name| format!("s0.{name}")));
    let columns = columns.collect::<Result<Vec<_>>>()?.join(", ");
    let (name, target) = (literal(table.name), quoted_table(table, dialect)?);
    let is_it = parts.join(" and ");
    let kinds: Arc<[Kind]> = table.columns.iter().map(|column| column.kind).collect();
    let begun =
        format!("select key from recto.changes where tab = {name} and xid >= $1::text::xid8");
    let running = format!(
        "{begun} union \
            select key from recto.changes where tab = {name} and xid = any($2::text[]::xid8[])"
    );
    Ok([begun, running].map(|keys| {
        let sql = format!(
            "select {columns} from ({keys}) k \
            cross join lateral (select * from {target} r where {is_it} offset 0) s0"
        );
        let kinds = Arc::clone(&kinds);
        Statement { sql: sql.into(), params: Vec::new(), kinds, effect: Effect::None }
    }))
}
