//! Deliveries: sockets with news for their clients, and the few tasks that see to them.
//!
//! Waking a task for every socket costs more than what such a task does most of the time, which is one
//! write. So the mailboxes of sockets ring here, and as many couriers as there are processors go
//! from socket to socket; a socket's own task wakes only for what is not plain delivery.
//!
//! **Invariant:** a socket stands in the queue once at most, however often it is rung: the queue is
//! as long as there are sockets, and several frames that wait for one make one write.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use tokio::sync::Notify;

use super::sockets::Sent;
use super::sockets::Sockets;
use crate::live::session::said::Said;
use crate::live::session::text::Text;

/// How many sockets a courier sees to before it lets other tasks run: a third of a millisecond's
/// work.
const ROUND: usize = 32;

/// What a courier carries along, so that deliveries allocate nothing.
#[derive(Debug, Default)]
pub(super) struct Bag {
    /// For one message.
    pub(super) text: Text,
    /// For what many are told.
    pub(super) said: Said,
    /// For all frames of one delivery.
    pub(super) frames: Vec<u8>,
    /// What was sent, until it is counted.
    pub(super) sent: Sent,
}

/// Somewhere to deliver to.
pub(super) trait Address: Debug + Send + Sync {
    /// Delivers what waits. Never blocks, and never panics.
    fn visit(self: Arc<Self>, bag: &mut Bag);
}

/// Sockets with news for their clients, in the order in which they were rung.
#[derive(Debug, Default)]
pub(super) struct Post {
    queue: Mutex<VecDeque<Arc<dyn Address>>>,
    bell: Notify,
}

impl Post {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Arc<dyn Address>>> {
        self.queue.lock().expect("no holder of this lock panics")
    }

    /// Has somebody sent to `address`, which must not stand in the queue already.
    pub(super) fn send(&self, address: Arc<dyn Address>) {
        let mut queue = self.queue();
        queue.push_back(address);
        // A second courier is worth waking when the first has its hands full.
        let is_due = queue.len() % ROUND == 1;
        drop(queue);
        if is_due {
            self.bell.notify_one();
        }
    }

    /// Delivers for ever.
    pub(super) async fn deliver(self: Arc<Self>, sockets: Arc<Sockets>) {
        let mut bag = Bag::default();
        let mut round = Vec::with_capacity(ROUND);
        // Without a budget: a stream that says "not now" only because somebody else should run would
        // be taken for one that takes no more.
        tokio::task::unconstrained(async move {
            loop {
                {
                    let mut queue = self.queue();
                    let count = queue.len().min(ROUND);
                    round.extend(queue.drain(..count));
                }
                if round.is_empty() {
                    bag.said.forget();
                    self.bell.notified().await;
                    continue;
                }
                for address in round.drain(..) {
                    address.visit(&mut bag);
                }
                // Once for all of them: counters that everybody writes are slow.
                sockets.sent(std::mem::take(&mut bag.sent));
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// How many couriers there are.
pub(super) fn couriers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
