//! Transactions: one connection, held until `COMMIT` or `ROLLBACK`; nested ones are savepoints.
//!
//! **Invariant:** whatever happens, panic and drop included, the connection goes back to the pool
//! without an open transaction, or not at all.

use std::sync::Arc;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use tokio::sync::Mutex;

use super::Repo;
use super::run::within;
use super::tx::Tx;
use super::tx::over;
use super::tx::statement;
use crate::adapter::Access;
use crate::adapter::Effect;
use crate::adapter::Lease;
use crate::adapter::sql::Begin;
use crate::adapter::sql::Capability;
use crate::error::Error;
use crate::error::Result;

/// What a transaction sees of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Each statement sees what was committed before it; what databases do unless told.
    #[default]
    Default,
    /// All statements see one state; a write that another transaction overtook is a
    /// [`Conflict`](crate::ErrorKind::Conflict).
    RepeatableRead,
    /// As if transactions came one after the other; otherwise a
    /// [`Conflict`](crate::ErrorKind::Conflict).
    Serializable,
}

/// Takes the connection away from handles that outlive the transaction.
struct Ending(Arc<Tx>);

impl Drop for Ending {
    fn drop(&mut self) {
        // Held only by a statement that is still running in a leaked handle; then the connection
        // is given up when that statement ends.
        if let Ok(mut lease) = self.0.lease.try_lock() {
            lease.take();
        }
    }
}

impl Repo {
    /// Runs `work` in a transaction: all of it is kept, or nothing.
    ///
    /// Inside a transaction this is a savepoint: when `work` fails, only what it did is undone, and
    /// the caller decides about the rest.
    ///
    /// # Cancellation
    ///
    /// Dropping the future undoes everything, unless `COMMIT` was already sent.
    ///
    /// # Errors
    ///
    /// What `work` returned, after everything was undone; otherwise
    /// [`Conflict`](crate::ErrorKind::Conflict) when the database chose another transaction,
    /// [`InDoubt`](crate::ErrorKind::InDoubt) when the connection was lost while `COMMIT` was on its
    /// way, and [`Invalid`](crate::ErrorKind::Invalid) when `work` went on after a failed statement
    /// that had ended the transaction (PostgreSQL).
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// use recto::prelude::*;
    ///
    /// let undone: Result<(), WriteError<Room>> = repo
    ///     .transact(async |repo| {
    ///         repo.insert(Room { name: "one".into(), ..Room::default() }).await?;
    ///         repo.insert(Room { name: "one".into(), ..Room::default() }).await?; // unique
    ///         Ok(())
    ///     })
    ///     .await;
    /// assert!(undone.is_err());
    /// assert_eq!(repo.count(from::<Room>()).await?, 0);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn transact<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<Error>,
        F: AsyncFnOnce(Repo) -> Result<T, E>,
    {
        self.transact_with(Isolation::Default, work).await
    }

    /// [`transact`](Repo::transact) with a say in what the transaction sees of others; a nested one
    /// has the isolation of the outermost.
    ///
    /// # Errors
    ///
    /// As [`Repo::transact`].
    pub async fn transact_with<T, E, F>(&self, isolation: Isolation, work: F) -> Result<T, E>
    where
        E: From<Error>,
        F: AsyncFnOnce(Repo) -> Result<T, E>,
    {
        if let Some(tx) = &self.tx {
            return self.nested(Arc::clone(tx), work).await;
        }
        let begin = match isolation {
            Isolation::Default => Begin::Write,
            Isolation::RepeatableRead => Begin::RepeatableRead,
            Isolation::Serializable => Begin::Serializable,
        };
        self.outermost(Access::Write, begin, work).await
    }

    /// Runs reads that all see one committed state.
    ///
    /// # Errors
    ///
    /// What `work` returned, or [`Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn snapshot<T, E, F>(&self, work: F) -> Result<T, E>
    where
        E: From<Error>,
        F: AsyncFnOnce(Repo) -> Result<T, E>,
    {
        if let Some(tx) = &self.tx {
            return self.nested(Arc::clone(tx), work).await;
        }
        self.outermost(Access::Read, Begin::Snapshot, work).await
    }

    async fn outermost<T, E, F>(&self, access: Access, begin: Begin, work: F) -> Result<T, E>
    where
        E: From<Error>,
        F: AsyncFnOnce(Repo) -> Result<T, E>,
    {
        let mut lease = self.shared.pool.checkout(access).await?;
        let limit = self.shared.config.timeout;
        lease.pin();
        let begin = statement(self.dialect().begin(begin), Effect::None);
        within(limit, Effect::None, lease.run(vec![begin])).await?;
        let tx = Arc::new(Tx {
            lease: Mutex::new(Some(lease)),
            level: AtomicU32::new(0),
            is_aborted: AtomicBool::new(false),
            aborts: !self.dialect().supports(Capability::GoesOnAfterFailure),
            changes: StdMutex::default(),
        });
        let ending = Ending(Arc::clone(&tx));
        let handle = Self { shared: Arc::clone(&self.shared), tx: Some(Arc::clone(&tx)), level: 0 };
        let result = work(handle).await;
        let mut held = tx.lease.lock().await;
        let mut lease = held.take().ok_or_else(over)?;
        drop(held);
        drop(ending);
        let is_whole =
            tx.level.load(Ordering::Acquire) == 0 && !tx.is_aborted.load(Ordering::Acquire);
        if result.is_ok() && is_whole {
            let commit = vec![statement("commit", Effect::Keeps)];
            if let Err(error) = within(limit, Effect::Keeps, lease.run(commit)).await {
                // SQLite keeps a transaction open whose `COMMIT` was refused.
                self.undo(lease).await;
                return Err(error.into());
            }
            lease.unpin();
            drop(lease);
            let changes = std::mem::take(&mut *tx.changes());
            if access == Access::Write {
                self.announce(changes);
            }
            return result;
        }
        self.undo(lease).await;
        result.and_then(|_| {
            Err(Error::invalid(
                "the transaction was undone: a statement in it had failed, and `work` went on",
            )
            .into())
        })
    }

    async fn undo(&self, mut lease: Lease) {
        let rollback = vec![statement("rollback", Effect::None)];
        // A connection that cannot roll back is given up by the pool, which is as good.
        if within(self.shared.config.timeout, Effect::None, lease.run(rollback)).await.is_ok() {
            lease.unpin();
        }
    }

    async fn nested<T, E, F>(&self, tx: Arc<Tx>, work: F) -> Result<T, E>
    where
        E: From<Error>,
        F: AsyncFnOnce(Repo) -> Result<T, E>,
    {
        let level = self.level + 1;
        let name = format!("recto_{level}");
        let simple = |sql: String| vec![statement(&sql, Effect::None)];
        tx.run(self.level, simple(format!("savepoint {name}"))).await?;
        let noted = tx.changes().len();
        // Until it is put back, handles of other levels are refused; dropped half-way, all are.
        tx.level.store(level, Ordering::Release);
        let handle = Self { shared: Arc::clone(&self.shared), tx: Some(Arc::clone(&tx)), level };
        let result = work(handle).await;
        let is_whole =
            tx.level.load(Ordering::Acquire) == level && !tx.is_aborted.load(Ordering::Acquire);
        if result.is_ok() && is_whole {
            tx.run(level, simple(format!("release {name}"))).await?;
            tx.level.store(self.level, Ordering::Release);
            return result;
        }
        tx.changes().truncate(noted);
        let back = [format!("rollback to {name}"), format!("release {name}")];
        let back = back.iter().map(|sql| statement(sql, Effect::None)).collect();
        tx.is_aborted.store(false, Ordering::Release);
        tx.run(tx.level.load(Ordering::Acquire), back).await?;
        tx.level.store(self.level, Ordering::Release);
        result.and_then(|_| {
            Err(Error::invalid(
                "the savepoint was undone: a statement in it had failed, and `work` went on",
            )
            .into())
        })
    }
}
