//! One socket as its task, the couriers and the clock know it of each other, without a lock.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Context;

use futures::task::AtomicWaker;

/// No time at all: what is never due.
pub(super) const NEVER: u64 = u64::MAX;

/// What a socket's task, its couriers and the clock know of each other.
#[derive(Debug)]
pub(super) struct Gauge {
    task: AtomicWaker,
    order: AtomicU8,
    /// When the task wants to be woken, in milliseconds after the server began.
    pub(super) due: AtomicU64,
    /// How many bytes wait for the client.
    pub(super) waiting: AtomicUsize,
    /// When the client last took something, while something waits.
    pub(super) stuck: AtomicU64,
}

/// What the server wants of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Close: the server goes away.
    Restart = 1,
    /// Close: too much waits for too many, and this one took nothing for longest.
    Shed = 2,
}

impl Gauge {
    pub(super) fn new() -> Self {
        Self {
            task: AtomicWaker::new(),
            order: AtomicU8::new(0),
            due: AtomicU64::new(NEVER),
            waiting: AtomicUsize::new(0),
            stuck: AtomicU64::new(NEVER),
        }
    }

    /// The task that [`Gauge::wake`] wakes from now on.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
    }

    /// Wakes the socket's task.
    pub(super) fn wake(&self) {
        self.task.wake();
    }

    /// What the server wants.
    pub(super) fn order(&self) -> Option<Order> {
        match self.order.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Order::Restart),
            _ => Some(Order::Shed),
        }
    }

    /// Tells the socket what the server wants.
    pub(super) fn give(&self, order: Order) {
        self.order.store(order as u8, Ordering::Release);
        self.wake();
    }
}
