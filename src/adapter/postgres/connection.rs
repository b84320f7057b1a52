//! One connection to PostgreSQL.
//!
//! **Invariant:** of two statements outside a transaction the second is not done when the first
//! failed, although both may travel together where that makes no difference (see `transaction`);
//! and what is asked again because a table changed was not done before.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::OnceLock;
use std::task::Context;
use std::task::Waker;
use std::time::Instant;

use futures::future::join_all;
use tokio::task::JoinSet;
use tokio_postgres::Client;
use tokio_postgres::Config;
use tokio_postgres::Error as DriverError;
use tokio_postgres::NoTls;
use tokio_postgres::Statement as Prepared;

use super::cancels::Cancels;
use super::code;
use super::encode::Param;
use super::pipeline;
use super::pipeline::Ready;
use super::pipeline::encode_all;
use super::pipeline::send_all;
use super::semantics;
use super::statements::Statements;
use super::transaction::Transaction;
use crate::adapter::Answer;
use crate::adapter::Connection;
use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::adapter::sql::Verb;
use crate::adapter::sql::excerpt;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::query::eval::Semantics;

/// One connection to a PostgreSQL database.
pub struct PostgresConnection {
    client: Client,
    /// The task that reads and writes the socket; dropping the connection ends it.
    driver: JoinSet<()>,
    statements: Statements,
    semantics: Semantics,
    transaction: Transaction,
    cancels: Arc<Cancels>,
    /// A future that used the connection has not come to its end.
    is_busy: bool,
    is_broken: bool,
}

impl fmt::Debug for PostgresConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConnection")
            .field("transaction", &self.transaction)
            .field("is_broken", &Connection::is_broken(self))
            .finish_non_exhaustive()
    }
}

/// The first failure among statements that were sent together.
struct Failure {
    error: Error,
    /// The first statement that may be asked again, since nothing it does was kept.
    again_from: Option<usize>,
}

impl PostgresConnection {
    pub(super) async fn open(
        config: &Config,
        place: &str,
        semantics: &OnceLock<Semantics>,
        cancels: &Arc<Cancels>,
    ) -> Result<Self> {
        let failed = |error| {
            code::of_connecting(error, format!("could not connect to PostgreSQL at `{place}`"))
        };
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Whoever waits for an answer gets the error too.
            let _ = connection.await;
        });
        if semantics.get().is_none() {
            let asked = semantics::ask(&client).await.map_err(failed)?;
            // Another connection may have asked meanwhile, and been told the same.
            let _ = semantics.set(asked);
        }
        let semantics = *semantics.get().expect("it was set a moment ago");
        Ok(Self {
            client,
            driver,
            statements: Statements::default(),
            semantics,
            transaction: Transaction::Closed,
            cancels: Arc::clone(cancels),
            is_busy: false,
            is_broken: false,
        })
    }

    async fn run_all(&mut self, statements: &[Statement]) -> Result<Vec<Answer>> {
        let started = Instant::now();
        let mut answers = Vec::with_capacity(statements.len());
        let mut is_again = false;
        while answers.len() < statements.len() {
            let rest = &statements[answers.len()..];
            let together = &rest[..self.transaction.together(rest)];
            let sent = &statements[..answers.len() + together.len()];
            let effect = effect_of(sent);
            let (mut more, failure) = self.run_together(together, effect, started).await?;
            if let Some(failure) = failure {
                let from = failure.again_from.filter(|_| !is_again);
                more.truncate(from.ok_or(failure.error)?);
                self.leave_failed().await;
            }
            // All prepared statements were forgotten: the second attempt finds none outdated.
            is_again = more.len() < together.len();
            answers.extend(more);
        }
        Ok(answers)
    }

    /// Sends statements together; the answers are those before the first failure.
    async fn run_together(
        &mut self,
        statements: &[Statement],
        effect: Effect,
        started: Instant,
    ) -> Result<(Vec<Answer>, Option<Failure>)> {
        let ready = self.make_ready(statements, started).await?;
        let results = send_all(&self.client, &ready).await;
        let mut answers = Vec::with_capacity(ready.len());
        let mut failure = None;
        let mut began = None;
        for (index, (ready, result)) in ready.iter().zip(results).enumerate() {
            let before = self.transaction;
            self.transaction = match &result {
                Ok(_) => before.after(ready.verb),
                Err(_) => before.after_failure(ready.verb),
            };
            if failure.is_some() {
                continue;
            }
            if ready.verb == Verb::Begin {
                began = Some(index);
            }
            let again_from = if before == Transaction::Closed { Some(index) } else { began };
            match result {
                Ok((rows, affected)) => match pipeline::answer(ready, before, &rows, affected) {
                    Ok(answer) => answers.push(answer),
                    Err(error) => failure = Some(Failure { error, again_from: None }),
                },
                Err(error) => {
                    let again_from = again_from.filter(|_| code::is_outdated(&error));
                    let error = self.failed(&ready.statement.sql, error, effect, started);
                    failure = Some(Failure { error, again_from });
                }
            }
        }
        Ok((answers, failure))
    }

    /// The error of a statement that was sent.
    fn failed(&mut self, sql: &str, error: DriverError, effect: Effect, started: Instant) -> Error {
        if code::is_outdated(&error) {
            // What changed one table may have changed others.
            self.statements.clear();
        }
        let what = format!("could not run `{}`", excerpt(sql));
        code::error(error, what, effect, started.elapsed())
    }

    /// Ends a transaction that failed, so that it can be begun anew.
    async fn leave_failed(&mut self) {
        if self.transaction == Transaction::Failed {
            // If it fails the connection is lost, which the next statement notices.
            let _ = self.client.batch_execute("rollback").await;
            self.transaction = Transaction::Closed;
        }
    }

    /// Prepares what is not prepared yet, and encodes the parameters.
    async fn make_ready<'a>(
        &mut self,
        statements: &'a [Statement],
        started: Instant,
    ) -> Result<Vec<Ready<'a>>> {
        self.prepare_missing(statements, started).await?;
        let mut ready = Vec::with_capacity(statements.len());
        for statement in statements {
            let verb = Verb::of(&statement.sql);
            let prepared =
                if verb.steers() { None } else { Some(self.bind(statement, started).await?) };
            ready.push(Ready { statement, verb, prepared });
        }
        Ok(ready)
    }

    async fn prepare_missing(&mut self, statements: &[Statement], started: Instant) -> Result<()> {
        let mut missing: Vec<&Arc<str>> = Vec::new();
        for Statement { sql, .. } in statements {
            let is_known = Verb::of(sql).steers() || self.statements.get(sql).is_some();
            if !is_known && !missing.contains(&sql) {
                missing.push(sql);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let prepared = join_all(missing.iter().map(|sql| self.client.prepare(sql))).await;
        for (sql, prepared) in missing.into_iter().zip(prepared) {
            let prepared = prepared.map_err(|error| self.not_prepared(sql, error, started))?;
            self.statements.put(Arc::clone(sql), prepared);
        }
        Ok(())
    }

    /// The error of a statement that could not be prepared: nothing was sent.
    fn not_prepared(&mut self, sql: &str, error: DriverError, started: Instant) -> Error {
        self.transaction = self.transaction.after_failure(Verb::Other);
        self.failed(sql, error, Effect::None, started)
    }

    async fn bind(
        &mut self,
        statement: &Statement,
        started: Instant,
    ) -> Result<(Prepared, Vec<Param>)> {
        let sql = &statement.sql;
        if let Some(prepared) = self.statements.get(sql) {
            match encode_all(statement, &prepared) {
                Ok(params) => return Ok((prepared, params)),
                // The types of the parameters are those of the day it was prepared.
                Err(_) => self.statements.evict(sql),
            }
        }
        let prepared = self.client.prepare(sql).await;
        let prepared = prepared.map_err(|error| self.not_prepared(sql, error, started))?;
        let params = encode_all(statement, &prepared)?;
        self.statements.put(Arc::clone(sql), prepared.clone());
        Ok((prepared, params))
    }

    fn refuse_if_closed(&mut self) -> Result<()> {
        if self.client.is_closed() {
            self.is_broken = true;
            let what = "the connection to PostgreSQL was closed";
            return Err(Error::new(ErrorKind::Unavailable, what));
        }
        Ok(())
    }
}

/// The effect of all these statements.
fn effect_of(statements: &[Statement]) -> Effect {
    let keeps = statements.iter().any(|statement| statement.effect == Effect::Keeps);
    if keeps { Effect::Keeps } else { Effect::None }
}

impl Connection for PostgresConnection {
    async fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Answer>> {
        self.refuse_if_closed()?;
        self.is_busy = true;
        let result = self.run_all(&statements).await;
        self.is_busy = false;
        result
    }

    async fn batch(&mut self, script: &str) -> Result<()> {
        self.refuse_if_closed()?;
        let started = Instant::now();
        self.is_busy = true;
        let result = self.client.batch_execute(script).await;
        self.is_busy = false;
        // A script is there to change the database, and with it what was prepared for.
        self.statements.clear();
        result.map_err(|error| {
            // The script may have begun a transaction of its own; going back does no harm where not.
            self.transaction = Transaction::Failed;
            self.failed(script, error, Effect::Keeps, started)
        })
    }

    fn semantics(&self) -> Semantics {
        self.semantics
    }

    fn is_broken(&self) -> bool {
        self.is_broken || self.client.is_closed() || self.driver.is_empty()
    }

    fn abandon(&mut self) {
        if self.is_busy {
            // Its answers are still to come, and nobody can tell when.
            self.is_broken = true;
            self.cancels.send(self.client.cancel_token());
            return;
        }
        if self.transaction == Transaction::Closed {
            return;
        }
        self.transaction = Transaction::Closed;
        // Polled once it is on its way, before anything that is sent later; its answer is nobody's.
        let mut rollback = std::pin::pin!(self.client.batch_execute("rollback"));
        let mut context = Context::from_waker(Waker::noop());
        let _ = rollback.as_mut().poll(&mut context);
    }
}
