//! Keeping the log short: entries older than the resume window go, a few at a time.
//!
//! **Invariant:** the floor says from where on the log is whole; it moves in the transaction that
//! removes. Nobody is lied to: a feed from before the floor asks everything again.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::log::is_postgres;
use super::snapshot::At;
use super::snapshot::Position;
use crate::error::Result;
use crate::repo::Repo;
use crate::value::Value;

/// How many entries go at once; small enough that nobody waits for it (300,000 took 0.2 s where it
/// was measured).
const BATCH: i64 = 10_000;

/// How often a position is remembered; the window is kept to this.
const STEP: Duration = Duration::from_secs(1);

/// Remembers where the feed stood, and removes what nobody can need.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    stood: VecDeque<(Instant, Position)>,
}

impl Retention {
    /// Notes where the feed stands, and returns a position from `keep` ago, once there is one.
    pub(crate) fn note(
        &mut self,
        now: Instant,
        position: &Position,
        keep: Duration,
    ) -> Option<Position> {
        self.stood.retain(|(_, stood)| stood.epoch == position.epoch);
        let is_due = |(then, _): &(Instant, Position)| STEP <= now.duration_since(*then);
        if self.stood.back().is_none_or(is_due) {
            self.stood.push_back((now, position.clone()));
        }
        let mut old = None;
        while self.stood.front().is_some_and(|(then, _)| keep <= now.duration_since(*then)) {
            old = self.stood.pop_front().map(|(_, position)| position);
        }
        old
    }
}

/// Removes entries that everybody who stands at `position` has seen; one process at a time.
pub(crate) async fn remove_before(repo: &Repo, position: &Position) -> Result<u64> {
    let floor = match &position.at {
        At::Transactions(transactions) => Value::text(transactions.xmin.to_string()),
        At::Sequence(seq) => Value::Int(*seq),
    };
    let is_postgres = is_postgres(repo);
    let mut total = 0;
    loop {
        let floor = floor.clone();
        let work = async |repo: Repo| {
            if is_postgres {
                remove_postgres(&repo, floor).await
            } else {
                remove_sqlite(&repo, floor).await
            }
        };
        let removed: u64 = repo.transact(work).await?;
        total += removed;
        if removed < BATCH.unsigned_abs() {
            return Ok(total);
        }
    }
}

async fn remove_postgres(repo: &Repo, floor: Value) -> Result<u64> {
    let lock = repo.query_sql("select pg_try_advisory_xact_lock(7237150113)", []).await?;
    if lock.first().is_none_or(|row| row.values()[0] != Value::Bool(true)) {
        return Ok(0);
    }
    repo.execute_sql(
        "update recto.floor set xid = $1::text::xid8 where xid < $1::text::xid8",
        [floor.clone()],
    )
    .await?;
    repo.execute_sql(
        "delete from recto.changes where ctid = any(array( \
            select ctid from recto.changes where xid < $1::text::xid8 limit 10000))",
        [floor],
    )
    .await
}

/// The newest entry stays, whatever the floor: a trigger of the log keeps it.
async fn remove_sqlite(repo: &Repo, floor: Value) -> Result<u64> {
    repo.execute_sql(
        "update recto_meta set value = ?1 where name in ('whole after', 'floor') and value < ?1",
        [floor.clone()],
    )
    .await?;
    repo.execute_sql(
        "delete from recto_changes where seq in ( \
            select seq from recto_changes where seq <= ?1 order by seq limit 10000)",
        [floor],
    )
    .await
}
