//! One look at PostgreSQL's log: the snapshot, the epoch, and what is new, in one round trip.
//!
//! New are exactly the entries of transactions that were running at the earlier snapshot, or had
//! not begun; those that still run hide themselves. No scan of what was seen, no waiting for long
//! transactions, no order assumed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::attention::Bell;
use super::postgres_bell;
use super::snapshot::At;
use super::snapshot::Position;
use super::snapshot::Transactions;
use super::source::Look;
use super::source::plain;
use crate::adapter::Answer;
use crate::adapter::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::value::Row;
use crate::value::Value;

/// Writes the marker of a new epoch, unless another process was first. Only where transactions were
/// prepared before it may one have logged in vain, and the marker tells from which number on none
/// has; whoever else ran when it was written logs after it.
pub(super) const MARK: &str = "insert into recto.epoch (born) \
    select case when exists (select from pg_prepared_xacts) then pg_current_xact_id() else '0' end \
    on conflict do nothing";

/// The state, what tells lives of the database apart, and where the log begins. Whoever loads a
/// result asks it in the transaction of its query.
const POSITION: &str = "select pg_current_snapshot()::text, coalesce(e.id::text, ''), \
    e.born::text, (select system_identifier::text from pg_control_system()), f.xid::text \
    from (values (1)) one left join recto.epoch e on true left join recto.floor f on true";

/// Which cluster it is: once for a connection, since PostgreSQL reads a file for it.
pub(super) const SYSTEM: &str = "select system_identifier::text from pg_control_system()";

/// The state, which tables are watched, the children of those that are known, and the shape of all
/// of them, whether the triggers are on, and whether writers ring. What changes there may change rows without a word in
/// the log.
///
/// Where a table came to be written in ways that its triggers for statements do not see, each state
/// counts as another shape, until the log is installed anew.
///
/// Every change of a definition leaves rows of the catalog with other transactions, so the sum of
/// their numbers tells, at a third of the price of names; a table that is renamed keeps them, hence
/// its name. The age of a transaction is the cheapest way from its number to an integer; rows that
/// were frozen in the manner of old versions have none, and are not new.
///
/// With two tables it took 0.14 ms of the database's time as a recursive query, and takes 0.07 ms
/// since it is told which children are known; three times that where the processor's caches have
/// forgotten it. So most ticks only glance (`postgres_glance.rs`), at the tables that it names last:
/// none where a glance would not do.
const LOOK: &str = concat!(
    "select pg_current_snapshot()::text, coalesce(e.id::text, ''), \
    e.born::text, $3::text, f.xid::text, \
    (select coalesce(array_agg(relid), '{}')::text from recto.watched), \
    (select coalesce(array_agg(inhrelid), '{}')::text from pg_inherits \
        where inhparent = any($2::text::oid[])), \
    concat_ws(',', \
        (select sum(c.relfilenode::bigint + c.relnamespace::bigint + hashtext(c.relname)) \
            from pg_class c where c.oid = any($2::text::oid[])), \
        (select concat(count(*), ':', sum(age(a.xmin)) - count(*) * age('100'::xid)) \
            from pg_attribute a where a.attrelid = any($1::text::oid[]) and 0 < a.attnum \
            and a.xmin <> '1'::xid and a.xmin <> '2'::xid), \
        g.shape, case when g.is_blind then pg_current_snapshot()::text end), ",
    postgres_bell::found!(),
    // One statement less than if the log were asked by itself: a message costs more than its answer.
    ", (select array_agg(tab || e'\\x1f' || coalesce(key::text, '')) from ( \
        select tab, key from recto.changes where xid >= $4::text::xid8 \
        union all \
        select tab, key from recto.changes where xid = any($5::text[]::xid8[]) \
        limit $6::text::bigint) n), \
    (select array_agg(format('%s %s.%I', c.oid, c.relnamespace::regnamespace, c.relname) order by c.oid) \
        from pg_class c where c.oid = any($2::text::oid[]) and not coalesce(g.is_blind, false) \
        having bool_and(has_any_column_privilege(c.oid, 'select')) \
        and has_function_privilege(to_regprocedure('recto.stamp()'), 'execute') \
        and has_sequence_privilege(to_regclass('recto.bell'), 'usage, select')) \
    from (select concat(count(*), ':', sum(age(t.xmin)) - count(*) * age('100'::xid)) as shape, \
            bool_or(t.tgname = 'recto_log' and t.tgnewtable is not null and ( \
                exists (select from pg_inherits h where h.inhrelid = t.tgrelid) or \
                exists (select from pg_subscription_rel s where s.srrelid = t.tgrelid))) as is_blind \
        from pg_trigger t where t.tgrelid = any($2::text::oid[]) \
        and t.xmin <> '1'::xid and t.xmin <> '2'::xid) g \
    left join recto.epoch e on true left join recto.floor f on true"
);

/// What was logged from a transaction on about rows that may have been there before.
const OLDER: &str = "select (select array_agg(tab || e'\\x1f' || coalesce(key::text, '')) from ( \
    select tab, key from recto.changes where xid >= $1::text::xid8 and op <> 'i' \
    limit $2::text::bigint) n)";

/// So many entries at once are no news but another world, and everything is asked again. A guess; they
/// travel as one value, and PostgreSQL has none beyond 1 GB.
pub(super) const MOST: usize = 1_000_000;

/// The settings of the feed's own connection.
///
/// Its few statements are asked again and again, so they are planned once; the log is never
/// analyzed, but its index is always right, so the planner may not scan; and no JIT, since the price
/// the planner puts on a forbidden scan would have each look compiled, for 400 ms. What it writes is
/// made good when it is lost, so nothing waits for the disk. What it hopes to read (a glance, rows ahead)
/// waits for no lock longer than a change of a definition takes, as a rule: a guess.
pub(super) const SESSION: &str = "set recto.notify = 'off'; set jit = off; \
    set synchronous_commit = off; set plan_cache_mode = force_generic_plan; \
    set enable_seqscan = off; set lock_timeout = '200ms'";

/// What other people's queries are planned with, until the end of the transaction.
pub(super) const AS_USUAL: &str = "select set_config('plan_cache_mode', 'auto', true), \
    set_config('enable_seqscan', 'on', true), set_config('lock_timeout', '0', true)";

/// Whoever cannot do without a table that is locked waits for it, until the end of the transaction.
pub(super) const PATIENT: &str = "select set_config('lock_timeout', '0', true)";

/// The tables that a look asks about, which is what the last one told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    watched: BTreeSet<u32>,
    /// The watched ones and their children at any depth.
    kin: BTreeSet<u32>,
}

impl Tables {
    fn told(watched: &str, children: &str) -> Self {
        let watched = read_oids(watched);
        let kin = watched.iter().copied().chain(read_oids(children)).collect();
        Self { watched, kin }
    }
}

/// The numbers in an array as PostgreSQL writes it.
fn read_oids(array: &str) -> BTreeSet<u32> {
    let inner = array.trim_start_matches('{').trim_end_matches('}');
    inner.split(',').filter_map(|oid| oid.parse().ok()).collect()
}

fn oids(oids: &BTreeSet<u32>) -> Value {
    let each: Vec<String> = oids.iter().map(u32::to_string).collect();
    Value::text(format!("{{{}}}", each.join(",")))
}

/// The statement of one look; `system` is what [`SYSTEM`] told.
pub(super) fn look(
    since: Option<&Position>,
    tables: &Tables,
    system: &str,
    most: usize,
) -> Statement {
    let tables = [oids(&tables.watched), oids(&tables.kin)];
    let params = tables.into_iter().chain([Value::text(system)]).chain(news(since, most));
    plain(LOOK, params.collect())
}

/// From which transaction on entries are new, which of those before it are, and how many to bring:
/// one more than are news.
pub(super) fn news(since: Option<&Position>, most: usize) -> [Value; 3] {
    let limit = Value::text(most.saturating_add(1).to_string());
    match since {
        Some(Position { at: At::Transactions(earlier), .. }) => {
            let running = earlier.xip.iter().map(|xid| Value::text(xid.to_string()));
            [Value::text(earlier.xmax.to_string()), Value::Array(running.collect()), limit]
        }
        // Nothing is new to those who know nothing.
        Some(Position { at: At::Sequence(_), .. }) | None => [Value::Null, Value::Null, limit],
    }
}

/// The statement that asks which rows that were there before were touched by transactions from `from`
/// on; no more of them than a look brings, in whose snapshot it is asked.
pub(super) fn older(from: u64, most: usize) -> Statement {
    let most = Value::text(most.saturating_add(1).to_string());
    plain(OLDER, vec![Value::text(from.to_string()), most])
}

/// Reads the answer to [`older`].
pub(super) fn read_older(answer: &Answer) -> Vec<Row> {
    entries(answer.rows.first().and_then(|row| row.values().first()))
}

/// The new entries, as a look or a glance brings them.
pub(super) fn entries(value: Option<&Value>) -> Vec<Row> {
    match value {
        Some(Value::Array(entries)) => entries.iter().filter_map(entry).collect(),
        _ => Vec::new(),
    }
}

/// Table and key of an entry.
fn entry(value: &Value) -> Option<Row> {
    let (table, key) = text(value).split_once('\u{1f}')?;
    let key = if key.is_empty() { Value::Null } else { Value::text(key) };
    Some(Row::from(vec![Value::text(table), key]))
}

/// The statement that tells where an answer in the same snapshot stands.
pub(super) fn position() -> Statement {
    plain(POSITION, Vec::new())
}

pub(super) fn text(value: &Value) -> &str {
    if let Value::Text(text) = value { text } else { "" }
}

/// True when a transaction from before this epoch has come to its end: only one that was prepared
/// outlives a crash, and what it had logged did not.
fn lost_entries(earlier: &Transactions, now: &Transactions, born: u64) -> bool {
    earlier.xip.iter().any(|&xid| xid < born && now.shows(xid))
}

/// True when everything after the earlier state is still in the log, whose floor is `floor`, and among
/// the `count` entries that were brought of at most `most`.
pub(super) fn reaches_back(
    (since, now): (Option<&Position>, &Position),
    (born, floor): (u64, u64),
    (count, most): (usize, usize),
) -> bool {
    match (since.map(|since| &since.at), &now.at) {
        (Some(At::Transactions(earlier)), At::Transactions(now)) => {
            floor <= earlier.xmin && !lost_entries(earlier, now, born) && count <= most
        }
        _ => true,
    }
}

/// The epoch, the transactions, the first of this epoch, and the floor of the log.
fn read_state(values: &[Value]) -> Result<(Position, u64, u64)> {
    let [snapshot, marker, born, system, floor, ..] = values else {
        return Err(Error::invalid("the database told no snapshot"));
    };
    let transactions: Transactions = text(snapshot).parse()?;
    let epoch = if text(marker).is_empty() {
        String::new()
    } else {
        format!("{}-{}", text(system), text(marker))
    };
    let position = Position { epoch: epoch.into(), at: At::Transactions(transactions) };
    let number = |value: &Value| text(value).parse().unwrap_or(u64::MAX);
    Ok((position, number(born), number(floor)))
}

/// Reads the answer to [`SYSTEM`].
pub(super) fn read_system(answers: &[Answer]) -> String {
    let row = answers.first().and_then(|answer| answer.rows.first());
    row.and_then(|row| row.values().first()).map(text).unwrap_or_default().to_owned()
}

/// Reads the answer to [`position`].
pub(super) fn read_position(answer: &Answer) -> Result<Position> {
    let state = answer.rows.first().map(Row::values).unwrap_or_default();
    read_state(state).map(|(position, ..)| position)
}

/// Reads the answer to [`look`], and the numbers and names of the tables to glance at, if any.
pub(super) fn read(
    answer: Option<Answer>,
    since: Option<&Position>,
    most: usize,
) -> Result<(Look, Option<Value>)> {
    let state = answer.and_then(|mut answer| answer.rows.pop());
    let state = state.ok_or_else(|| Error::invalid("the database told no snapshot"))?;
    let (position, born, floor) = read_state(state.values())?;
    let entries = entries(state.values().get(9));
    let rest = |place: usize| state.values().get(place).map(text).unwrap_or_default();
    let tables = Tables::told(rest(5), rest(6));
    let look = Look {
        born,
        fingerprint: format!("{:?} {:?} {}", tables.watched, tables.kin, rest(7)).into(),
        tables: Arc::new(tables),
        bell: state.values().get(8).map_or(Bell::Given, postgres_bell::read),
        reaches_back: reaches_back((since, &position), (born, floor), (entries.len(), most)),
        position,
        entries,
    };
    let names = state.values().get(10).filter(|names| matches!(names, Value::Array(_)));
    Ok((look, names.cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_key_stands_for_any_row() {
        let read = |text: &str| entry(&Value::text(text)).map(|row| row.values().to_vec());
        assert_eq!(read("t\u{1f}[1]"), Some(vec![Value::text("t"), Value::text("[1]")]));
        assert_eq!(read("t\u{1f}"), Some(vec![Value::text("t"), Value::Null]));
        assert_eq!(read("t"), None);
    }
}
