//! The change log on PostgreSQL, as SQL.
//!
//! The log is unlogged, so that writers pay no WAL for it: a crash empties it, together with the
//! marker beside it that names the epoch. A feed that finds another marker asks everything again.
//!
//! The trigger function runs as its owner, since a writer may have no rights on the schema `recto`.
//! It names the schema of everything in it, operators included, so that a writer's search path
//! decides nothing; setting a path of its own would cost it a fifth of its time. It notifies unless told not to by the setting `recto.notify`:
//! processes that ring the bell themselves set it on their connections, and so may an administrator
//! (`alter database … set recto.notify = 'off'`) where many foreign writers would queue behind the
//! server's notify lock, or where transactions are prepared in two phases.

use std::fmt::Write;

use crate::adapter::sql::Dialect;
use crate::adapter::sql::quoted_name;
use crate::adapter::sql::quoted_table;
use crate::error::Result;
use crate::schema::Column;
use crate::schema::Table;
use crate::value::Kind;

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
    born xid8 not null default pg_current_xact_id()
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

/// The key of `row` (`old` or `new`) as a JSON array.
fn key(table: &Table, row: &str, dialect: &dyn Dialect) -> Result<String> {
    let part = |column: &Column| -> Result<String> {
        let name = format!("{row}.{}", quoted_name(column.name, dialect)?);
        // As text JSON would show bytes as the session wants them, not in one form.
        Ok(if column.kind == Kind::Bytes {
            format!("pg_catalog.encode({name}, 'hex')")
        } else {
            name
        })
    };
    let parts: Vec<String> = table.key_columns().map(part).collect::<Result<_>>()?;
    Ok(format!("pg_catalog.jsonb_build_array({})", parts.join(", ")))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The quoted name of the trigger function of a table.
fn function(table: &Table) -> String {
    let clean: String =
        table.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // Long names are told apart by a hash, since identifiers end at 63 bytes.
    let hash =
        table.name.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    let short: String = clean.chars().take(40).collect();
    format!("recto.\"log_{short}_{hash:08x}\"")
}

/// A number that tells scripts apart; the same in every build.
fn digest(script: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", script.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Makes a table watched, unless it is already: any change to a trigger waits for writers, has
/// others wait for it, and has every live query asked again.
fn watch(table: &Table, dialect: &dyn Dialect) -> Result<String> {
    let script = trigger(table, dialect)?;
    let (name, digest) = (literal(table.name), digest(&script));
    let regclass = literal(&quoted_table(table, dialect)?);
    Ok(format!(
        "
do $install$ begin
if not exists (
    select 1 from recto.watched w
    where w.tab = {name} and w.script = '{digest}' and w.relid = {regclass}::regclass
        and 2 = (select count(*) from pg_trigger t where t.tgrelid = w.relid
            and t.tgname in ('recto_log', 'recto_log_truncate') and t.tgenabled = 'A')
) then
{script}
insert into recto.watched (tab, relid, script) values ({name}, {regclass}::regclass, '{digest}')
    on conflict (tab) do update set relid = excluded.relid, script = excluded.script;
end if;
end $install$;
"
    ))
}

fn trigger(table: &Table, dialect: &dyn Dialect) -> Result<String> {
    let (name, function) = (literal(table.name), function(table));
    let (old, new) = (key(table, "old", dialect)?, key(table, "new", dialect)?);
    let target = quoted_table(table, dialect)?;
    Ok(format!(
        "
create or replace function {function}() returns trigger language plpgsql
security definer as $recto$
begin
    if tg_op operator(pg_catalog.=) 'INSERT' then
        insert into recto.changes (tab, op, key) values ({name}, 'i', {new});
    elsif tg_op operator(pg_catalog.=) 'DELETE' then
        insert into recto.changes (tab, op, key) values ({name}, 'd', {old});
    elsif tg_op operator(pg_catalog.=) 'UPDATE' then
        insert into recto.changes (tab, op, key) values ({name}, 'u', {new});
        if {old} operator(pg_catalog.<>) {new} then
            insert into recto.changes (tab, op, key) values ({name}, 'u', {old});
        end if;
    else
        insert into recto.changes (tab, op) values ({name}, 't');
    end if;
    if coalesce(pg_catalog.current_setting('recto.notify', true), '') operator(pg_catalog.<>) 'off' then
        perform pg_catalog.pg_notify('{CHANNEL}', '');
    end if;
    return null;
end
$recto$;
create or replace trigger recto_log after insert or update or delete on {target}
    for each row execute function {function}();
create or replace trigger recto_log_truncate after truncate on {target}
    for each statement execute function {function}();
alter table {target} enable always trigger recto_log;
alter table {target} enable always trigger recto_log_truncate;
"
    ))
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
"
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
