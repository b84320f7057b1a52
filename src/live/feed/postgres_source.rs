//! One look at PostgreSQL's log: the snapshot, the epoch, and what is new, in one round trip.
//!
//! New are exactly the entries of transactions that were running at the earlier snapshot, or had
//! not begun; those that still run hide themselves. No scan of what was seen, no waiting for long
//! transactions, no order assumed.

use super::snapshot::At;
use super::snapshot::Position;
use super::snapshot::Transactions;
use super::source::Look;
use super::source::plain;
use crate::adapter::Answer;
use crate::adapter::Statement;
use crate::error::Error;
use crate::error::Result;
use crate::value::Value;

/// Writes the marker of a new epoch, unless another process was first.
pub(super) const MARK: &str = "insert into recto.epoch default values on conflict do nothing";

/// The state, what tells lives of the database apart, and which tables are watched.
const STATE: &str = "select pg_current_snapshot()::text, \
    coalesce((select id::text from recto.epoch), ''), \
    (select born::text from recto.epoch), \
    (select system_identifier::text from pg_control_system()), \
    (select xid::text from recto.floor), \
    (select coalesce(array_agg(relid order by relid), '{}')::text from recto.watched)";

/// The log is never analyzed, but its index is always right: for this statement alone the planner
/// may not scan.
const BY_INDEX: &str = "set local enable_seqscan = off";

const AS_USUAL: &str = "set local enable_seqscan = on";

const NEW: &str = "select tab, key::text from recto.changes where xid >= $1::text::xid8 \
    union all \
    select tab, key::text from recto.changes where xid = any($2::text[]::xid8[])";

/// The shape of the watched tables, of their partitions at any depth, and whether the triggers are
/// on: what changes here may change rows without a word in the log. Every change of a definition
/// leaves rows of the catalog with later transactions, so their numbers and files tell, at a third
/// of the price of names; a table that is renamed keeps both, hence its name.
const SHAPE: &str = "with recursive kin (oid) as ( \
        select unnest($1::text::oid[]) \
        union all \
        select i.inhrelid from kin join pg_inherits i on i.inhparent = kin.oid) \
    select concat_ws(',', \
        (select count(*) from kin), \
        (select sum(c.relfilenode::bigint + c.relnamespace::bigint + hashtext(c.relname)) \
            from kin join pg_class c on c.oid = kin.oid), \
        (select sum(xmin::text::bigint) from pg_attribute \
            where attrelid = any($1::text::oid[]) and 0 < attnum), \
        (select sum(t.xmin::text::bigint) from kin join pg_trigger t on t.tgrelid = kin.oid))";

/// The statements of one look; `watched` are the tables that the last one told of.
pub(super) fn look(since: Option<&Position>, watched: &str) -> Vec<Statement> {
    let mut statements = vec![plain(STATE, Vec::new()), plain(SHAPE, vec![Value::text(watched)])];
    if let Some(Position { at: At::Transactions(earlier), .. }) = since {
        let running = earlier.xip.iter().map(|xid| Value::text(xid.to_string())).collect();
        let params = vec![Value::text(earlier.xmax.to_string()), Value::Array(running)];
        statements.push(plain(BY_INDEX, Vec::new()));
        statements.push(plain(NEW, params));
        statements.push(plain(AS_USUAL, Vec::new()));
    }
    statements
}

fn text(value: &Value) -> &str {
    if let Value::Text(text) = value { text } else { "" }
}

/// True when a transaction from before this epoch has come to its end: only one that was prepared
/// outlives a crash, and what it had logged did not.
fn lost_entries(earlier: &Transactions, now: &Transactions, born: &str) -> bool {
    let born: u64 = born.parse().unwrap_or(u64::MAX);
    earlier.xip.iter().any(|&xid| xid < born && now.shows(xid))
}

/// Reads the answers to [`look`], the answer to `begin` in front.
pub(super) fn read(answers: Vec<Answer>, since: Option<&Position>) -> Result<Look> {
    let mut answers = answers.into_iter().skip(1).map(|answer| answer.rows);
    let state = answers.next().and_then(|mut rows| rows.pop());
    let state = state.ok_or_else(|| Error::invalid("the database told no snapshot"))?;
    let shape = answers.next().and_then(|mut rows| rows.pop());
    let [snapshot, marker, born, system, floor, watched] = state.values() else {
        return Err(Error::invalid("the database told no snapshot"));
    };
    let transactions: Transactions = text(snapshot).parse()?;
    let floor: u64 = text(floor).parse().unwrap_or(u64::MAX);
    let reaches_back = match since {
        Some(Position { at: At::Transactions(earlier), .. }) => {
            floor <= earlier.xmin && !lost_entries(earlier, &transactions, text(born))
        }
        _ => true,
    };
    let epoch = if text(marker).is_empty() {
        String::new()
    } else {
        format!("{}-{}", text(system), text(marker))
    };
    Ok(Look {
        position: Position { epoch: epoch.into(), at: At::Transactions(transactions) },
        fingerprint: shape.map(|row| text(&row.values()[0]).to_owned()).unwrap_or_default(),
        watched: text(watched).to_owned(),
        reaches_back,
        // Behind the answer to the first `set`.
        entries: answers.nth(1).unwrap_or_default(),
    })
}
