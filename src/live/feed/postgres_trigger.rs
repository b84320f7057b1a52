//! What writes a table's keys into the log on PostgreSQL: one trigger function for each table.
//!
//! Where it can, it runs once for a statement and logs the keys of all its rows together, which is
//! what keeps writes of many rows cheap; where rows are written that no statement names, as those of
//! partitions, it runs for each row.
//!
//! The function runs as its owner, since a writer may have no rights on the schema `recto`. It names
//! the schema of everything in it, operators included, so that a writer's search path decides
//! nothing; setting a path of its own would cost it a fifth of its time. It notifies where a node asks
//! for it (`postgres_bell.rs`), which none does while writers are many, unless told not to by the
//! setting `recto.notify`: processes that ring the bell themselves set it on their connections, and so
//! may an administrator (`alter database … set recto.notify = 'off'`) where transactions are prepared
//! in two phases, which a `NOTIFY` forbids; those writers are found at heartbeats.
//!
//! It asks for the bell when it has written, so that its transaction has a number by then: who was
//! silent is told from who rang by that number.
//!
//! **Invariant:** no plan in it depends on how many rows the first statement had: plans are kept,
//! and a join that is right for one row takes hours for a million.

use super::postgres_bell::IS_RUNG;
use super::postgres_log::CHANNEL;
use super::postgres_log::literal;
use crate::adapter::sql::Dialect;
use crate::adapter::sql::quoted_name;
use crate::adapter::sql::quoted_table;
use crate::error::Result;
use crate::schema::Column;
use crate::schema::Table;
use crate::value::Kind;

/// The names of the triggers that run for statements, as a list of literals.
const FOR_STATEMENTS: &str =
    "'recto_log', 'recto_log_update', 'recto_log_delete', 'recto_log_truncate'";

/// Those where one runs for rows.
const FOR_ROWS: &str = "'recto_log', 'recto_log_truncate'";

/// The key of `row` as a JSON array.
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

/// The quoted name of the trigger function of a table.
pub(super) fn function(table: &Table) -> String {
    let clean: String =
        table.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // Long names are told apart by a hash, since identifiers end at 63 bytes.
    let hash =
        table.name.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    let short: String = clean.chars().take(40).collect();
    format!("recto.\"log_{short}_{hash:08x}\"")
}

/// How a table is watched, as an SQL expression on the row `c` of `pg_class`: true where a trigger
/// for statements would not see every write. Rows of a partition or of an heir are also written
/// through statements on their parent, and replication applies rows without any statement.
pub(super) const NEEDS_ROWS: &str = "(c.relkind <> 'r' \
    or exists (select from pg_catalog.pg_inherits h where h.inhrelid = c.oid) \
    or exists (select from pg_catalog.pg_subscription_rel s where s.srrelid = c.oid))";

/// Makes a table watched, unless it is already: any change to a trigger waits for writers, has
/// others wait for it, and has every live query asked again.
pub(super) fn watch(table: &Table, dialect: &dyn Dialect) -> Result<String> {
    let script = triggers(table, dialect)?;
    let (name, digest) = (literal(table.name), digest(&script));
    let regclass = literal(&quoted_table(table, dialect)?);
    Ok(format!(
        "
do $install$
declare
    for_rows constant boolean :=
        (select {NEEDS_ROWS} from pg_catalog.pg_class c where c.oid = {regclass}::regclass);
    names constant text[] :=
        case when for_rows then array[{FOR_ROWS}] else array[{FOR_STATEMENTS}] end;
begin
if not exists (
    select 1 from recto.watched w
    where w.tab = {name} and w.script = '{digest}' and w.relid = {regclass}::regclass
        and pg_catalog.cardinality(names) = (
            select count(*) from pg_trigger t where t.tgrelid = w.relid
            and t.tgname = any(names) and t.tgenabled = 'A'
            and (t.tgname <> 'recto_log' or (t.tgnewtable is null) = for_rows))
) then
{script}
insert into recto.watched (tab, relid, script) values ({name}, {regclass}::regclass, '{digest}')
    on conflict (tab) do update set relid = excluded.relid, script = excluded.script;
end if;
end $install$;
"
    ))
}

/// A number that tells scripts apart; the same in every build.
fn digest(script: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", script.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

fn triggers(table: &Table, dialect: &dyn Dialect) -> Result<String> {
    let (function, target) = (function(table), quoted_table(table, dialect)?);
    let for_rows = body(&for_rows(table, dialect)?);
    let for_statements = body(&for_statements(table, dialect)?);
    let regclass = literal(&target);
    // A trigger of the other kind may be there; asking first spares the lock that dropping takes.
    Ok(format!(
        "
if exists (select from pg_catalog.pg_trigger t where t.tgrelid = {regclass}::regclass
        and t.tgname in ('recto_log_update', 'recto_log_delete')) and for_rows then
    drop trigger if exists recto_log_update on {target};
    drop trigger if exists recto_log_delete on {target};
end if;
if for_rows then
create or replace function {function}() returns trigger language plpgsql
security definer as {for_rows};
create or replace trigger recto_log after insert or update or delete on {target}
    for each row execute function {function}();
else
create or replace function {function}() returns trigger language plpgsql
security definer as {for_statements};
create or replace trigger recto_log after insert on {target}
    referencing new table as recto_new
    for each statement execute function {function}();
create or replace trigger recto_log_update after update on {target}
    referencing old table as recto_old new table as recto_new
    for each statement execute function {function}();
create or replace trigger recto_log_delete after delete on {target}
    referencing old table as recto_old
    for each statement execute function {function}();
alter table {target} enable always trigger recto_log_update;
alter table {target} enable always trigger recto_log_delete;
end if;
create or replace trigger recto_log_truncate after truncate on {target}
    for each statement execute function {function}();
alter table {target} enable always trigger recto_log;
alter table {target} enable always trigger recto_log_truncate;
"
    ))
}

fn for_rows(table: &Table, dialect: &dyn Dialect) -> Result<String> {
    let name = literal(table.name);
    let (old, new) = (key(table, "old", dialect)?, key(table, "new", dialect)?);
    Ok(format!(
        "    if tg_op operator(pg_catalog.=) 'INSERT' then
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
    end if;"
    ))
}

fn for_statements(table: &Table, dialect: &dyn Dialect) -> Result<String> {
    let name = literal(table.name);
    let key = key(table, "r", dialect)?;
    // Keys move within a statement as within a set: both states of all rows, each key once. The
    // union is hashed or sorted whatever the number of rows, where a join might be a nested loop.
    Ok(format!(
        "    if tg_op operator(pg_catalog.=) 'INSERT' then
        insert into recto.changes (tab, op, key) select {name}, 'i', {key} from recto_new r;
    elsif tg_op operator(pg_catalog.=) 'DELETE' then
        insert into recto.changes (tab, op, key) select {name}, 'd', {key} from recto_old r;
    elsif tg_op operator(pg_catalog.=) 'UPDATE' then
        insert into recto.changes (tab, op, key) select {name}, 'u', moved.key from (
            select {key} as key from recto_new r union select {key} from recto_old r) moved;
    else
        insert into recto.changes (tab, op) values ({name}, 't');
    end if;
    if not found then
        return null;
    end if;"
    ))
}

fn body(log: &str) -> String {
    format!(
        "$recto$
begin
{log}
    if coalesce(pg_catalog.current_setting('recto.notify', true), '') operator(pg_catalog.<>) 'off'
            and {IS_RUNG} then
        perform pg_catalog.pg_notify('{CHANNEL}', '');
    end if;
    return null;
end
$recto$"
    )
}
