//! The change log on SQLite, as SQL.
//!
//! One writer at a time, so that the order of the log is the order of commits.
//!
//! The numbers of the log are one more than the greatest, which costs a writer nothing; SQLite's
//! `autoincrement` would write a second page for each commit. So the newest entry is never removed, by
//! whoever it is: a trigger keeps it.
//!
//! **Invariant:** no number is ever given twice in an epoch, nor one below another that was seen.

use std::fmt::Write;

use crate::adapter::sql::Dialect;
use crate::adapter::sql::quoted_name;
use crate::adapter::sql::quoted_table;
use crate::error::Result;
use crate::schema::Column;
use crate::schema::Table;
use crate::value::Kind;

/// One row where a log is installed.
pub(super) const EXISTS: &str = "select 1 from sqlite_master where name = 'recto_watched'";

/// The watched tables.
pub(super) const WATCHED: &str = "select tab from recto_watched order by tab";

/// One row where the log is of a version whose numbers came from `autoincrement`.
pub(super) const IS_OLD: &str = "select 1 from sqlite_master \
    where type = 'table' and name = 'recto_changes' and sql like '%autoincrement%'";

/// Makes way for a log of this version; who follows asks everything again, since the new one has
/// another epoch. Triggers of the older version write into it as well.
pub(super) const DROP_OLD: &str = "drop table recto_changes; drop table recto_meta;";

/// Nodes of older versions would take the number of the newest entry from a place where it is not
/// any more, and find nothing. So they find no `floor` either, nor can they create it, and say so.
const TABLES: &str = "
create table if not exists recto_changes (
    seq integer primary key,
    tab text not null,
    op text not null,
    key text
);
create trigger if not exists recto_newest before delete on recto_changes
    when old.seq = (select max(seq) from recto_changes) begin
    select raise(ignore);
end;
create table if not exists recto_meta (
    name text primary key,
    value,
    constraint \"the log is of a newer version\" check (name <> 'floor')
) without rowid;
insert into recto_meta values ('epoch', lower(hex(randomblob(16)))) on conflict do nothing;
insert into recto_meta values ('whole after', 0) on conflict do nothing;
create table if not exists recto_watched (tab text primary key) without rowid;
";

/// The key of `row` (`old` or `new`) as a JSON array.
fn key(table: &Table, row: &str, dialect: &dyn Dialect) -> Result<String> {
    let part = |column: &Column| -> Result<String> {
        let name = format!("{row}.{}", quoted_name(column.name, dialect)?);
        // JSON knows no bytes.
        Ok(if column.kind == Kind::Bytes { format!("hex({name})") } else { name })
    };
    let parts: Vec<String> = table.key_columns().map(part).collect::<Result<_>>()?;
    Ok(format!("json_array({})", parts.join(", ")))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn trigger_name(table: &Table, op: &str, dialect: &dyn Dialect) -> Result<String> {
    quoted_name(&format!("recto_{}_{op}", table.name), dialect)
}

/// The script that creates what is missing.
pub(super) fn install(tables: &[&Table], dialect: &dyn Dialect) -> Result<String> {
    let mut script = String::from(TABLES);
    for table in tables {
        let (name, target) = (literal(table.name), quoted_table(table, dialect)?);
        let (old, new) = (key(table, "old", dialect)?, key(table, "new", dialect)?);
        for (op, event, body) in [
            ("i", "insert", format!("values ({name}, 'i', {new})")),
            ("d", "delete", format!("values ({name}, 'd', {old})")),
            (
                "u",
                "update",
                format!(
                    "select {name}, 'u', {new} union all \
                     select {name}, 'u', {old} where {old} <> {new}"
                ),
            ),
        ] {
            let trigger = trigger_name(table, op, dialect)?;
            write!(
                script,
                "drop trigger if exists {trigger};
create trigger {trigger} after {event} on {target} begin
    insert into recto_changes (tab, op, key) {body};
end;
"
            )
            .expect("writing to a `String` cannot fail");
        }
        writeln!(script, "insert into recto_watched values ({name}) on conflict do nothing;")
            .expect("writing to a `String` cannot fail");
    }
    Ok(script)
}

/// The script that removes the triggers of these tables, and everything else if `all`.
pub(super) fn remove(tables: &[&Table], all: bool, dialect: &dyn Dialect) -> Result<String> {
    let mut script = String::new();
    for table in tables {
        for op in ["i", "d", "u"] {
            writeln!(script, "drop trigger if exists {};", trigger_name(table, op, dialect)?)
                .expect("writing to a `String` cannot fail");
        }
        writeln!(script, "delete from recto_watched where tab = {};", literal(table.name))
            .expect("writing to a `String` cannot fail");
    }
    if all {
        script.push_str(
            "drop table recto_changes; drop table recto_meta; drop table recto_watched;\n",
        );
    }
    Ok(script)
}
