//! Who is told that a mailbox has something in it.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::Weak;
use std::task::Waker;

/// Somebody who sees to many mailboxes, and is told which one has something in it.
pub(crate) trait Ear: Debug + Send + Sync {
    /// Something was put in; it may have been taken already.
    fn ring(self: Arc<Self>);
}

/// Who is told that something was put in.
#[derive(Debug, Default)]
pub(super) enum Listener {
    #[default]
    None,
    /// A task that waits; once.
    Task(Waker),
    /// Whoever sees to it, every time.
    Ear(Weak<dyn Ear>),
}

impl Listener {
    /// Takes whom to tell now.
    pub(super) fn called(&mut self) -> Called {
        match self {
            Self::None => Called::Nobody,
            Self::Task(_) => match std::mem::take(self) {
                Self::Task(waker) => Called::Task(waker),
                Self::None | Self::Ear(_) => Called::Nobody,
            },
            Self::Ear(ear) => ear.upgrade().map_or(Called::Nobody, Called::Ear),
        }
    }
}

/// Whom to tell, when the lock is given back.
pub(super) enum Called {
    Nobody,
    Task(Waker),
    Ear(Arc<dyn Ear>),
}

impl Called {
    /// Tells them.
    pub(super) fn tell(self) {
        match self {
            Self::Nobody => {}
            Self::Task(waker) => waker.wake(),
            Self::Ear(ear) => ear.ring(),
        }
    }
}
