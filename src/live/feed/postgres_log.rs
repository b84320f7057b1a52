//! The change log on PostgreSQL, as SQL.
//!
//! The log is unlogged, so that writers pay no WAL for it: a crash empties it, together with the
//! marker beside it that names the epoch. A feed that finds another marker asks everything again.

use std::fmt::Write;

use super::postgres_bell;
use super::postgres_glance;
use super::postgres_trigger::function;
use super::postgres_trigger::watch;
use crate::adapter::sql::Dialect;
use crate::adapter::sql::quoted_table;
use crate::error::Result;
use crate::schema::Table;

/// One row where a log is installed.
pub(super) const EXISTS: &str = "select 1 from pg_catalog.pg_tables \
     where schemaname = 'recto' and tablename = 'watched'";

/// The watched tables.
pub(super) const WATCHED: &str = "select tab from recto.watched order by tab";

/// The channel that is rung.
pub(super) const CHANNEL: &str = "recto";

const TABLES: &str = "
create schema if not exists recto;
create unlogged table if not exists recto.changes (
    seq bigint generated always as identity,
    xid xid8 not null default pg_current_xact_id(),
    tab text not null,
    op \"char\" not null,
    key jsonb
);
create index if not exists changes_xid on recto.changes (xid);
create unlogged table if not exists recto.epoch (
    only_one boolean primary key default true check (only_one),
    id uuid not null default gen_random_uuid(),
    born xid8 not null default '0'
);
insert into recto.epoch default values on conflict do nothing;
create table if not exists recto.floor (
    only_one boolean primary key default true check (only_one),
    xid xid8 not null default '0'
);
insert into recto.floor default values on conflict do nothing;
create table if not exists recto.watched (
    tab text primary key,
    relid oid not null,
    script text not null
);
";

/// `text` as SQL writes it.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The script that creates what is missing.
pub(super) fn install(tables: &[&Table], dialect: &dyn Dialect) -> Result<String> {
    // Two processes that install at once would trip over each other's `if not exists`.
    let mut script = format!(
        "select pg_advisory_xact_lock(7237150112);
do $install$ begin
if to_regclass('recto.watched') is null then
{TABLES}
end if;
end $install$;
{}{}",
        postgres_bell::CREATE,
        postgres_glance::CREATE,
    );
    for table in tables {
        script.push_str(&watch(table, dialect)?);
    }
    Ok(script)
}

/// The script that removes the triggers of these tables, and everything else if `all`.
pub(super) fn remove(tables: &[&Table], all: bool, dialect: &dyn Dialect) -> Result<String> {
    let mut script = String::from("select pg_advisory_xact_lock(7237150112);\n");
    for table in tables {
        let target = quoted_table(table, dialect)?;
        let (function, name) = (function(table), literal(table.name));
        write!(
            script,
            "drop trigger if exists recto_log on {target};
drop trigger if exists recto_log_update on {target};
drop trigger if exists recto_log_delete on {target};
drop trigger if exists recto_log_truncate on {target};
drop function if exists {function}();
delete from recto.watched where tab = {name};
"
        )
        .expect("writing to a `String` cannot fail");
    }
    if all {
        script.push_str("drop schema recto cascade;\n");
    }
    Ok(script)
}
