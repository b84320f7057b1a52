//! One way for every statement to the database: pool or transaction, deadline, telemetry.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;
use tracing::debug_span;

use super::Repo;
use crate::adapter::Access;
use crate::adapter::Answer;
use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::change::Change;
use crate::change::Commit;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::telemetry;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Value;

/// A statement that reads.
pub(super) fn reading(sql: Arc<str>, params: Vec<Value>, kinds: Arc<[Kind]>) -> Statement {
    Statement { sql, params, kinds, effect: Effect::None }
}

/// Waits for `work`, but not for ever.
pub(super) async fn within<T>(
    limit: Duration,
    effect: Effect,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        // Dropping the work made its connection unusable; whether a write was done is unknown.
        Err(_) if effect == Effect::Keeps => Err(Error::new(
            ErrorKind::InDoubt,
            format!("no answer to a write within {limit:?}; raise `timeout` or look for a lock"),
        )),
        Err(_) => Err(Error::new(
            ErrorKind::Timeout(limit),
            "no answer from the database; raise `timeout` or look for a lock",
        )),
    }
}

impl Repo {
    /// Runs one statement that reads.
    pub(super) async fn run_read(&self, statement: Statement) -> Result<Answer> {
        self.run(vec![statement], Access::Read).await.map(only)
    }

    /// Runs one statement that writes; outside a transaction it is a transaction of its own, and
    /// announced.
    pub(super) async fn run_write(
        &self,
        statement: Statement,
        changes: Vec<Change>,
    ) -> Result<Answer> {
        self.run_write_with(statement, |_| changes).await
    }

    /// The same, where what changed is known by the answer.
    pub(super) async fn run_write_with(
        &self,
        mut statement: Statement,
        changes: impl FnOnce(&[Row]) -> Vec<Change>,
    ) -> Result<Answer> {
        if self.tx.is_none() {
            statement.effect = Effect::Keeps;
        }
        let answer = self.run(vec![statement], Access::Write).await.map(only)?;
        let changes = changes(&answer.rows);
        match &self.tx {
            Some(tx) => tx.note(changes),
            None => self.announce(changes),
        }
        Ok(answer)
    }

    /// Runs statements on one connection, one after the other.
    pub(crate) async fn run(
        &self,
        statements: Vec<Statement>,
        access: Access,
    ) -> Result<Vec<Answer>> {
        let keeps = statements.iter().any(|statement| statement.effect == Effect::Keeps);
        let effect = if keeps { Effect::Keeps } else { Effect::None };
        let span = debug_span!(target: "recto", "recto.query", name = telemetry::QUERY);
        let limit = self.shared.config.timeout;
        let work = async {
            if let Some(tx) = &self.tx {
                return within(limit, effect, tx.run(self.level, statements)).await;
            }
            let mut lease = self.shared.pool.checkout(access).await?;
            within(limit, effect, lease.run(statements)).await
        };
        work.instrument(span).await
    }

    pub(super) fn announce(&self, changes: Vec<Change>) {
        self.shared.observers.tell(&Commit { changes });
    }
}

/// The one answer to one statement.
pub(super) fn only(mut answers: Vec<Answer>) -> Answer {
    answers.pop().unwrap_or_default()
}
