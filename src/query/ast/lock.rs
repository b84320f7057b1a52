//! Locks on rows.

/// A lock on rows that lasts until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lock {
    /// Against whom.
    pub strength: LockStrength,
    /// What happens where somebody else has it.
    pub wait: LockWait,
}

/// Against whom a row is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockStrength {
    /// Against all who write or lock it.
    Update,
    /// Against all who write it.
    Share,
}

/// What happens where somebody else has a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockWait {
    /// Waiting.
    Wait,
    /// The row is left out.
    Skip,
    /// An error.
    Fail,
}
