//! Several statements on the wire at once.
//!
//! **Invariant:** statements travel in their order, and so do the answers.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use futures::TryStreamExt;
use tokio_postgres::Client;
use tokio_postgres::Error as DriverError;
use tokio_postgres::Row as PgRow;
use tokio_postgres::Statement as Prepared;

use super::decode;
use super::encode;
use super::encode::Param;
use super::transaction::Transaction;
use crate::adapter::Answer;
use crate::adapter::Statement;
use crate::adapter::sql::Verb;
use crate::adapter::sql::excerpt;
use crate::error::Error;
use crate::error::Result;

/// A statement with all that is needed to send it.
pub(super) struct Ready<'a> {
    pub(super) statement: &'a Statement,
    pub(super) verb: Verb,
    /// Nothing for what only steers the transaction: it is sent as it is.
    pub(super) prepared: Option<(Prepared, Vec<Param>)>,
}

/// What the driver answered to one statement: the rows, and how many it says it touched.
pub(super) type Sent = Result<(Vec<PgRow>, u64), DriverError>;

/// One statement on its way.
type Sending<'a> = Pin<Box<dyn Future<Output = Sent> + Send + 'a>>;

/// Sends all, then waits for the answers.
pub(super) async fn send_all(client: &Client, ready: &[Ready<'_>]) -> Vec<Sent> {
    let mut sending: Vec<(Sending<'_>, Option<Sent>)> = Vec::with_capacity(ready.len());
    for ready in ready {
        let mut future = send(client, ready);
        // A statement travels when its future is polled for the first time.
        let result = match futures::poll!(future.as_mut()) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        };
        sending.push((future, result));
    }
    let mut results = Vec::with_capacity(sending.len());
    for (future, result) in sending {
        results.push(match result {
            Some(result) => result,
            None => future.await,
        });
    }
    results
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

/// Encodes the parameters of a statement.
pub(super) fn encode_all(statement: &Statement, prepared: &Prepared) -> Result<Vec<Param>> {
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

/// Reads the answer of a statement that was sent in the state `before`.
pub(super) fn answer(
    ready: &Ready<'_>,
    before: Transaction,
    rows: &[PgRow],
    affected: u64,
) -> Result<Answer> {
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
