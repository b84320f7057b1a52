//! One open transaction: the connection it holds, how deep it is nested, what was done in it.

use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use tokio::sync::Mutex;

use crate::adapter::Answer;
use crate::adapter::Effect;
use crate::adapter::Lease;
use crate::adapter::Statement;
use crate::change::Change;
use crate::error::Error;
use crate::error::Result;

/// One open transaction.
pub(super) struct Tx {
    pub(super) lease: Mutex<Option<Lease>>,
    /// How many savepoints are open.
    pub(super) level: AtomicU32,
    /// A statement failed, and the database refuses all others until a rollback.
    pub(super) is_aborted: AtomicBool,
    /// Whether a failed statement does that.
    pub(super) aborts: bool,
    pub(super) changes: StdMutex<Vec<Change>>,
}

pub(super) fn statement(sql: &str, effect: Effect) -> Statement {
    Statement { sql: sql.into(), params: Vec::new(), kinds: Arc::from([]), effect }
}

impl Tx {
    pub(super) async fn run(&self, level: u32, statements: Vec<Statement>) -> Result<Vec<Answer>> {
        if level != self.level.load(Ordering::Acquire) {
            return Err(Error::invalid(
                "this handle's transaction is not the innermost: use the handle that `transact` gave",
            ));
        }
        let mut lease = self.lease.lock().await;
        let lease = lease.as_mut().ok_or_else(over)?;
        let result = lease.run(statements).await;
        if result.is_err() && self.aborts {
            self.is_aborted.store(true, Ordering::Release);
        }
        result
    }

    pub(super) async fn batch(&self, level: u32, script: &str) -> Result<()> {
        self.run(level, Vec::new()).await?;
        let mut lease = self.lease.lock().await;
        let lease = lease.as_mut().ok_or_else(over)?;
        let result = lease.batch(script).await;
        if result.is_err() && self.aborts {
            self.is_aborted.store(true, Ordering::Release);
        }
        result
    }

    pub(super) fn changes(&self) -> std::sync::MutexGuard<'_, Vec<Change>> {
        self.changes.lock().expect("no holder of this lock panics")
    }

    pub(super) fn note(&self, changes: Vec<Change>) {
        self.changes().extend(changes);
    }
}

pub(super) fn over() -> Error {
    Error::invalid("the transaction is over: its handle cannot be used any more")
}
