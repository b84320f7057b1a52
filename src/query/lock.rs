//! Locks on the rows of an answer.

use super::Query;
use super::ast::Lock;
use super::ast::LockStrength;
use super::ast::LockWait;

impl<S, O> Query<S, O> {
    /// Locks the rows of the root against all who write or lock them, until the transaction ends.
    ///
    /// # Backends
    ///
    /// PostgreSQL. SQLite has no locks of rows, and refuses: whoever writes there is alone.
    pub fn for_update(self) -> Self {
        self.locked(LockStrength::Update)
    }

    /// Locks the rows of the root against all who write them, until the transaction ends.
    ///
    /// # Backends
    ///
    /// As [`for_update`](Query::for_update).
    pub fn for_share(self) -> Self {
        self.locked(LockStrength::Share)
    }

    fn locked(mut self, strength: LockStrength) -> Self {
        let wait = self.ast.shape.lock.map_or(LockWait::Wait, |lock| lock.wait);
        self.ast.shape.lock = Some(Lock { strength, wait });
        self
    }

    /// Leaves out rows that somebody else has locked; locks for an update if nothing else was said.
    pub fn skip_locked(self) -> Self {
        self.waiting(LockWait::Skip)
    }

    /// Fails with [`Conflict`](crate::ErrorKind::Conflict) where somebody else has locked a row;
    /// locks for an update if nothing else was said.
    pub fn nowait(self) -> Self {
        self.waiting(LockWait::Fail)
    }

    fn waiting(mut self, wait: LockWait) -> Self {
        let strength = self.ast.shape.lock.map_or(LockStrength::Update, |lock| lock.strength);
        self.ast.shape.lock = Some(Lock { strength, wait });
        self
    }
}
