//! Messages between tasks of one process, by topic.
//!
//! Phoenix's `Phoenix.PubSub`. This module refuses to know databases, sockets and JSON.
//!
//! **Invariant:** every inbox is bounded; when one is full its oldest message goes and the
//! subscriber is told how many it missed. A slow subscriber slows nobody.

mod subscription;
mod topic;

use std::fmt;
use std::sync::Arc;
use std::sync::Weak;

use dashmap::DashMap;

use self::subscription::Inbox;
pub use self::subscription::{Heard, Subscription};
pub use self::topic::Topic;

/// Delivers messages to the subscribers of a topic, in this process.
///
/// # Shape
///
/// A clone is another handle to the same topics. Messages are cloned once per subscriber: make them
/// cheap to clone.
///
/// # Order
///
/// Each subscriber hears one publisher's messages in the order they were published.
///
/// # Examples
///
/// ```
/// # tokio_test(async {
/// use recto::pubsub::{Heard, PubSub, Topic};
///
/// let pubsub = PubSub::new(16);
/// let topic: Topic = "room:42".parse()?;
/// let mut subscription = pubsub.subscribe(&topic);
/// assert_eq!(pubsub.publish(&topic, &"hello"), 1);
/// assert_eq!(subscription.next().await, Heard::Message("hello"));
/// # Ok(())
/// # });
/// # fn tokio_test(work: impl Future<Output = recto::Result<()>>) {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work).unwrap();
/// # }
/// ```
pub struct PubSub<M> {
    shared: Arc<Shared<M>>,
}

#[derive(Debug)]
struct Shared<M> {
    topics: DashMap<Topic, Vec<Arc<Inbox<M>>>>,
    capacity: usize,
}

impl<M> Clone for PubSub<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M> fmt::Debug for PubSub<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub").field("topics", &self.shared.topics.len()).finish_non_exhaustive()
    }
}

impl<M: Clone + Send + 'static> PubSub<M> {
    /// A set of topics whose subscribers each have room for `capacity` messages, at least one.
    pub fn new(capacity: usize) -> Self {
        let shared = Shared { topics: DashMap::new(), capacity: capacity.max(1) };
        Self { shared: Arc::new(shared) }
    }

    /// Subscribes to a topic from now on.
    pub fn subscribe(&self, topic: &Topic) -> Subscription<M> {
        let inbox = Arc::new(Inbox::new(self.shared.capacity));
        self.shared.topics.entry(topic.clone()).or_default().push(Arc::clone(&inbox));
        let shared: Weak<Shared<M>> = Arc::downgrade(&self.shared);
        let leave_topic = topic.clone();
        let leave = move |inbox: &Arc<Inbox<M>>| {
            let Some(shared) = shared.upgrade() else { return };
            if let Some(mut inboxes) = shared.topics.get_mut(&leave_topic) {
                inboxes.retain(|held| !Arc::ptr_eq(held, inbox));
            }
            shared.topics.remove_if(&leave_topic, |_, inboxes| inboxes.is_empty());
        };
        Subscription::new(topic.clone(), inbox, Box::new(leave))
    }

    /// Publishes a message and returns how many subscribers got it.
    pub fn publish(&self, topic: &Topic, message: &M) -> usize {
        let Some(inboxes) = self.shared.topics.get(topic) else { return 0 };
        for inbox in inboxes.iter() {
            inbox.push(message.clone());
        }
        inboxes.len()
    }

    /// How many subscribe to a topic now.
    pub fn subscriber_count(&self, topic: &Topic) -> usize {
        self.shared.topics.get(topic).map_or(0, |inboxes| inboxes.len())
    }

    /// Ends every subscription: what waits is heard, then [`Heard::Closed`].
    pub fn close(&self) {
        for inboxes in &self.shared.topics {
            for inbox in inboxes.iter() {
                inbox.close();
            }
        }
    }
}

#[cfg(test)]
mod tests;
