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

/// The state, and what tells lives of the database apart.
const STATE: &str = "select pg_current_snapshot()::text, \
    coalesce((select id::text from recto.epoch), ''), \
    (select system_identifier::text from pg_control_system()), \
    (select xid::text from recto.floor)";

const NEW: &str = "select tab, key::text from recto.changes where xid >= $1::text::xid8 \
    union all \
    select tab, key::text from recto.changes where xid = any($2::text[]::xid8[])";

/// The shape of the watched tables, of what inherits from them, and whether the triggers are on:
/// what changes here may change rows without a word in the log.
const SHAPE: &str = "select coalesce(md5(string_agg(concat_ws(',', w.tab, c.oid, c.relfilenode, \
    (select string_agg(concat_ws(':', a.attname, a.atttypid, a.attisdropped), ' ' order by a.attnum) \
        from pg_attribute a where a.attrelid = c.oid and 0 < a.attnum), \
    (select string_agg(concat_ws(':', t.tgname, t.tgenabled), ' ' order by t.tgname) \
        from pg_trigger t where t.tgrelid = c.oid and t.tgname like 'recto%'), \
    (select string_agg(concat_ws(':', i.inhrelid, k.relfilenode), ' ' order by i.inhrelid) \
        from pg_inherits i join pg_class k on k.oid = i.inhrelid where i.inhparent = c.oid)), \
    ';' order by w.tab)), '') \
    from recto.watched w left join pg_class c on c.oid = w.relid";

/// The statements of one look.
pub(super) fn look(since: Option<&Position>) -> Vec<Statement> {
    let mut statements = vec![plain(STATE, Vec::new()), plain(SHAPE, Vec::new())];
    if let Some(Position { at: At::Transactions(earlier), .. }) = since {
        let running = earlier.xip.iter().map(|xid| Value::text(xid.to_string())).collect();
        let params = vec![Value::text(earlier.xmax.to_string()), Value::Array(running)];
        statements.push(plain(NEW, params));
    }
    statements
}

fn text(value: &Value) -> &str {
    if let Value::Text(text) = value { text } else { "" }
}

/// Reads the answers to [`look`], the answer to `begin` in front.
pub(super) fn read(answers: Vec<Answer>, since: Option<&Position>) -> Result<Look> {
    let mut answers = answers.into_iter().skip(1).map(|answer| answer.rows);
    let state = answers.next().and_then(|mut rows| rows.pop());
    let state = state.ok_or_else(|| Error::invalid("the database told no snapshot"))?;
    let shape = answers.next().and_then(|mut rows| rows.pop());
    let [snapshot, marker, system, floor] = state.values() else {
        return Err(Error::invalid("the database told no snapshot"));
    };
    let transactions: Transactions = text(snapshot).parse()?;
    let floor: u64 = text(floor).parse().unwrap_or(u64::MAX);
    let reaches_back = match since {
        Some(Position { at: At::Transactions(earlier), .. }) => floor <= earlier.xmin,
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
        reaches_back,
        entries: answers.next().unwrap_or_default(),
    })
}
