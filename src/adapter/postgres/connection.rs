//! One connection to PostgreSQL.
//!
//! **Invariant:** answers come in the order of the statements, and of two statements outside a
//! transaction the second is not done when the first failed, although both may travel together
//! where that makes no difference (see `transaction`).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;
use std::time::Instant;

use futures::TryStreamExt;
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio_postgres::CancelToken;
use tokio_postgres::Client;
use tokio_postgres::Config;
use tokio_postgres::Error as DriverError;
use tokio_postgres::NoTls;
use tokio_postgres::Row as PgRow;
use tokio_postgres::Statement as Prepared;

use super::code;
use super::decode;
use super::encode;
use super::encode::Param;
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

/// The requests to stop statements that nobody waits for any more; dropping it ends them.
#[derive(Debug, Default)]
pub(super) struct Cancels(Mutex<JoinSet<()>>);

impl Cancels {
    fn send(&self, token: CancelToken) {
        if tokio::runtime::Handle::try_current().is_err() {
            // The runtime is gone, and the socket with it.
            return;
        }
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // A courtesy: the server notices on its own when it next writes to the closed socket.
            let _ = tokio::time::timeout(super::CONNECT_TIMEOUT, token.cancel_query(NoTls)).await;
        });
    }
}

/// What the driver answered to one statement.
type Sent = Result<(Vec<PgRow>, u64), DriverError>;

/// One statement on its way.
type Sending<'a> = Pin<Box<dyn Future<Output = Sent> + Send + 'a>>;

/// A statement with all that is needed to send it.
struct Ready<'a> {
    statement: &'a Statement,
    verb: Verb,
    /// Nothing for what only steers the transaction: it is sent as it is.
    prepared: Option<(Prepared, Vec<Param>)>,
}

/// Why statements that were sent together failed.
struct Failure {
    error: Error,
    /// The table changed since the statement was prepared, and nothing was done.
    is_outdated: bool,
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
            let asked = ask_semantics(&client).await.map_err(failed)?;
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
        while answers.len() < statements.len() {
            let rest = &statements[answers.len()..];
            let count = self.transaction.together(rest);
            let sent = &statements[..answers.len() + count];
            let effect = effect_of(sent);
            let was_closed = self.transaction == Transaction::Closed;
            match self.run_together(&rest[..count], effect, started).await {
                Ok(more) => answers.extend(more),
                // Outside a transaction nothing but reads travel together, so that all of them may
                // be asked again.
                Err(failure) if failure.is_outdated && was_closed => {
                    let again = self.run_together(&rest[..count], effect, started).await;
                    answers.extend(again.map_err(|failure| failure.error)?);
                }
                Err(failure) => return Err(failure.error),
            }
        }
        Ok(answers)
    }

    async fn run_together(
        &mut self,
        statements: &[Statement],
        effect: Effect,
        started: Instant,
    ) -> Result<Vec<Answer>, Failure> {
        let ready = self.make_ready(statements, started).await.map_err(Failure::from)?;
        let results = send_all(&self.client, &ready).await;
        let mut answers = Vec::with_capacity(ready.len());
        let mut failure: Option<Failure> = None;
        for (ready, result) in ready.iter().zip(results) {
            let before = self.transaction;
            self.transaction = match &result {
                Ok(_) => before.after(ready.verb),
                Err(_) => before.after_failure(ready.verb),
            };
            if failure.is_some() {
                continue;
            }
            match result {
                Ok((rows, affected)) => match answer(ready, before, &rows, affected) {
                    Ok(answer) => answers.push(answer),
                    Err(error) => failure = Some(error.into()),
                },
                Err(error) => failure = Some(self.failure(ready, error, effect, started.elapsed())),
            }
        }
        match failure {
            None => Ok(answers),
            Some(failure) => Err(failure),
        }
    }

    fn failure(
        &mut self,
        ready: &Ready<'_>,
        error: DriverError,
        effect: Effect,
        elapsed: Duration,
    ) -> Failure {
        let is_outdated = code::is_outdated(&error);
        let what = format!("could not run `{}`", excerpt(&ready.statement.sql));
        if is_outdated {
            self.statements.evict(&ready.statement.sql);
            // In a transaction nothing was done that can be kept, and with the statement gone the
            // next attempt succeeds.
            let error = Error::new(ErrorKind::Conflict, what).caused_by(error);
            return Failure { error, is_outdated };
        }
        Failure { error: code::error(error, what, effect, elapsed), is_outdated }
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
            let steers = verb.steers() && statement.params.is_empty();
            let prepared = if steers { None } else { Some(self.bind(statement, started).await?) };
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
        let what = format!("could not run `{}`", excerpt(sql));
        code::error(error, what, Effect::None, started.elapsed())
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

    fn note(&mut self, error: &Error) {
        if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::InDoubt)
            && self.client.is_closed()
        {
            self.is_broken = true;
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, is_outdated: false }
    }
}

/// The effect of all these statements.
fn effect_of(statements: &[Statement]) -> Effect {
    let keeps = statements.iter().any(|statement| statement.effect == Effect::Keeps);
    if keeps { Effect::Keeps } else { Effect::None }
}

fn encode_all(statement: &Statement, prepared: &Prepared) -> Result<Vec<Param>> {
    let (wanted, given) = (prepared.params().len(), statement.params.len());
    if wanted != given {
        let sql = excerpt(&statement.sql);
        let what = format!("`{sql}` takes {wanted} parameters, and {given} were given");
        return Err(Error::invalid(what));
    }
    let pairs = (1..).zip(statement.params.iter().zip(prepared.params()));
    pairs
        .map(|(number, (value, ty))| {
            encode::encode(value, ty).map_err(|error| {
                Error::invalid(format!("could not send parameter {number}: {}", error.what()))
            })
        })
        .collect()
}

/// Sends all, then waits for the answers.
async fn send_all(client: &Client, ready: &[Ready<'_>]) -> Vec<Sent> {
    let mut sending: Vec<Sending<'_>> = ready.iter().map(|ready| send(client, ready)).collect();
    let mut results: Vec<Option<Sent>> = Vec::with_capacity(sending.len());
    // A statement travels when its future is polled for the first time.
    for future in &mut sending {
        results.push(match futures::poll!(future.as_mut()) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        });
    }
    let mut all = Vec::with_capacity(sending.len());
    for (future, result) in sending.into_iter().zip(results) {
        all.push(match result {
            Some(result) => result,
            None => future.await,
        });
    }
    all
}

fn send<'a>(client: &'a Client, ready: &'a Ready<'_>) -> Sending<'a> {
    match &ready.prepared {
        None => Box::pin(async {
            client.batch_execute(&ready.statement.sql).await.map(|()| (Vec::new(), 0))
        }),
        Some((prepared, params)) => Box::pin(async move {
            let stream = client.query_raw(prepared, params).await?;
            let mut stream = std::pin::pin!(stream);
            let mut rows = Vec::new();
            while let Some(row) = stream.try_next().await? {
                rows.push(row);
            }
            Ok((rows, stream.rows_affected().unwrap_or_default()))
        }),
    }
}

fn answer(ready: &Ready<'_>, before: Transaction, rows: &[PgRow], affected: u64) -> Result<Answer> {
    if ready.verb == Verb::Commit && before == Transaction::Failed {
        // The server says `ROLLBACK` to this `COMMIT`, and means it.
        return Err(Error::invalid(
            "could not commit: a statement of the transaction failed, so it was rolled back",
        ));
    }
    let kinds = &ready.statement.kinds;
    let rows: Result<Vec<_>> = rows.iter().map(|row| decode::row(row, kinds)).collect();
    let affected = if ready.verb == Verb::Write { affected } else { 0 };
    Ok(Answer { rows: rows?, affected })
}

/// Asks what the database does with values; it stays so as long as the database is there.
async fn ask_semantics(client: &Client) -> Result<Semantics, DriverError> {
    // The column with the provider came with version 15, the one of built-in locales with 17.
    let row = client
        .query_one(
            "select getdatabaseencoding()::text, \
                    coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), \
                    d.datcollate::text \
             from pg_database as d where datname = current_database()",
            &[],
        )
        .await?;
    let (encoding, provider, collation): (String, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let by_bytes = match provider.as_str() {
        "c" => {
            let collation = collation.to_ascii_lowercase().replace('-', "");
            matches!(collation.as_str(), "c" | "posix" | "c.utf8")
        }
        // Built-in locales sort by code point, all of them.
        provider => provider == "b",
    };
    Ok(Semantics {
        nulls_greatest: true,
        text_by_bytes: by_bytes && encoding == "UTF8",
        like_folds_ascii: false,
    })
}

impl Connection for PostgresConnection {
    async fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Answer>> {
        self.refuse_if_closed()?;
        self.is_busy = true;
        let result = self.run_all(&statements).await;
        self.is_busy = false;
        result.inspect_err(|error| self.note(error))
    }

    async fn batch(&mut self, script: &str) -> Result<()> {
        self.refuse_if_closed()?;
        let started = Instant::now();
        self.is_busy = true;
        let result = self.client.batch_execute(script).await;
        self.is_busy = false;
        self.statements.clear();
        result.map_err(|error| {
            // The script may have begun a transaction of its own; going back does no harm where not.
            self.transaction = Transaction::Failed;
            let what = format!("could not run `{}`", excerpt(script));
            let error = code::error(error, what, Effect::Keeps, started.elapsed());
            self.note(&error);
            error
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
