//! A subscriber's end: a bounded inbox that unsubscribes when dropped.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use tokio::sync::Notify;

use super::Topic;

/// What a subscriber hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<M> {
    /// A message.
    Message(M),
    /// So many messages were dropped here, because the inbox was full.
    Missed(u64),
    /// There will be no more.
    Closed,
}

#[derive(Debug)]
pub(super) struct Inbox<M> {
    state: Mutex<State<M>>,
    filled: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct State<M> {
    messages: VecDeque<M>,
    missed: u64,
    is_closed: bool,
}

impl<M> Inbox<M> {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { messages: VecDeque::new(), missed: 0, is_closed: false };
        Self { state: Mutex::new(state), filled: Notify::new(), capacity }
    }

    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().expect("no holder of this lock panics")
    }

    pub(super) fn push(&self, message: M) {
        let mut state = self.state();
        if state.messages.len() == self.capacity {
            state.messages.pop_front();
            state.missed += 1;
        }
        state.messages.push_back(message);
        drop(state);
        self.filled.notify_one();
    }

    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.filled.notify_one();
    }

    fn take(&self) -> Option<Heard<M>> {
        let mut state = self.state();
        if 0 < state.missed {
            return Some(Heard::Missed(std::mem::take(&mut state.missed)));
        }
        let message = state.messages.pop_front().map(Heard::Message);
        message.or(if state.is_closed { Some(Heard::Closed) } else { None })
    }
}

type Leave<M> = Box<dyn Fn(&Arc<Inbox<M>>) + Send + Sync>;

/// A subscription to one topic; dropping it unsubscribes.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription<M> {
    topic: Topic,
    inbox: Arc<Inbox<M>>,
    leave: Leave<M>,
}

impl<M> fmt::Debug for Subscription<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl<M> Subscription<M> {
    pub(super) fn new(topic: Topic, inbox: Arc<Inbox<M>>, leave: Leave<M>) -> Self {
        Self { topic, inbox, leave }
    }

    /// The topic.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The next thing there is to hear.
    ///
    /// # Cancellation
    ///
    /// Cancel safe: a message not returned is returned by the next call.
    pub async fn next(&mut self) -> Heard<M> {
        loop {
            let filled = self.inbox.filled.notified();
            if let Some(heard) = self.inbox.take() {
                return heard;
            }
            filled.await;
        }
    }
}

impl<M> Drop for Subscription<M> {
    fn drop(&mut self) {
        (self.leave)(&self.inbox);
    }
}
