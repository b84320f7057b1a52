//! The bell that writers on PostgreSQL ring or do not: the number of a sequence.
//!
//! It is the microsecond, by the server's clock, until which writers ring; none, or one that has
//! passed, has them be silent. A sequence, since whoever reads it sees its newest number at once,
//! whatever snapshot its transaction has; and since no transaction that stays open for a day has it
//! leave dead rows behind, as those of a table would be.
//!
//! A log that was installed by an older version has no bell, and its writers always ring.

use std::time::Duration;

use super::attention::Bell;
use super::attention::Order;
use super::postgres_log::CHANNEL;
use super::source::plain;
use crate::adapter::Answer;
use crate::adapter::Statement;
use crate::value::Value;

/// Creates the bell, silent: the first node that follows has writers ring.
pub(super) const CREATE: &str = "create sequence if not exists recto.bell;\n";

/// Whether a writer is to ring; for the owner of the bell, whatever the search path.
pub(super) const IS_RUNG: &str = "pg_catalog.to_timestamp( \
        pg_catalog.pg_sequence_last_value('recto.bell'::pg_catalog.regclass)::pg_catalog.float8 \
            operator(pg_catalog./) 1e6::pg_catalog.float8 \
    ) operator(pg_catalog.>) pg_catalog.clock_timestamp()";

/// The number and how many microseconds are left, as [`read`] reads them. Who may not read it cannot
/// change it either.
macro_rules! found {
    () => {
        "(select case \
            when bell is null then 'given' \
            when has_sequence_privilege(bell, 'usage, select') then coalesce( \
                (select number || ' ' || number - now from (select \
                    pg_sequence_last_value(bell) as number, \
                    (extract(epoch from clock_timestamp()) * 1000000)::bigint as now) n \
                where now < number), \
                'silent') \
            else 'silent' end \
        from (select to_regclass('recto.bell')) b (bell))"
    };
}
pub(super) use found;

/// The same where it is there and may be read, by its number and the server's clock.
pub(super) const GLANCED: &str = "pg_sequence_last_value('recto.bell'::regclass), \
    (extract(epoch from clock_timestamp()) * 1000000)::bigint";

/// Reads the columns of a glance.
pub(super) fn read_number(number: &Value, now: &Value) -> Bell {
    match (number, now) {
        (&Value::Int(number), &Value::Int(now)) if now < number => {
            Bell::Rings { number, left: Duration::from_micros(number.abs_diff(now)) }
        }
        _ => Bell::Silent,
    }
}

/// Reads the column of a look.
pub(super) fn read(value: &Value) -> Bell {
    let Value::Text(found) = value else { return Bell::Given };
    let Some((number, left)) = found.split_once(' ') else {
        return if &**found == "given" { Bell::Given } else { Bell::Silent };
    };
    match (number.parse(), left.parse()) {
        (Ok(number), Ok(left)) => Bell::Rings { number, left: Duration::from_micros(left) },
        _ => Bell::Silent,
    }
}

/// The statement that arranges it.
pub(super) fn arrange(order: Order) -> Statement {
    match order {
        Order::Ring(lease) => {
            let lease = i64::try_from(lease.as_micros()).unwrap_or(i64::MAX / 2);
            let sql = "select setval('recto.bell', \
                (extract(epoch from clock_timestamp()) * 1000000)::bigint + $1::bigint)";
            plain(sql, vec![Value::Int(lease)])
        }
        Order::Hush => {
            // The other nodes hear it when it is done.
            let sql = format!("select setval('recto.bell', 1, false), pg_notify('{CHANNEL}', '')");
            plain(&sql, Vec::new())
        }
        Order::Mark => plain("select pg_current_xact_id()::text", Vec::new()),
    }
}

/// Reads the answer to [`Order::Mark`].
pub(super) fn read_mark(answers: &[Answer]) -> Option<u64> {
    let row = answers.first()?.rows.first()?;
    let Value::Text(mark) = &row.values()[0] else { return None };
    mark.parse().ok()
}

/// Says that there is a node that listens, until its connection ends.
#[cfg(feature = "postgres")]
pub(super) const COME: &str = "select pg_advisory_lock_shared(7237150114)";

/// One row where no other connection has said so. Whoever says so meanwhile waits for a moment.
#[cfg(feature = "postgres")]
pub(super) const ALONE: &str = "select 1 where case when pg_try_advisory_lock(7237150114) \
    then pg_advisory_unlock(7237150114) else false end";

/// Rings for what was committed without a ring, if anybody is to be rung.
#[cfg(feature = "postgres")]
pub(super) fn ring() -> String {
    format!("select pg_notify('{CHANNEL}', '') where {} <> 'silent'", found!())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_look_finds_is_read() {
        let of = |text: &str| read(&Value::text(text));
        assert_eq!(of("given"), Bell::Given);
        assert_eq!(of("silent"), Bell::Silent);
        let left = Duration::from_micros(250);
        assert_eq!(of("1700000000000000 250"), Bell::Rings { number: 1_700_000_000_000_000, left });
        assert_eq!(read(&Value::Null), Bell::Given);
    }
}
