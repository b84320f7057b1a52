//! Handlers under way for one socket, by channel.
//!
//! **Invariant:** what runs for a channel is dropped when the channel is over; whoever joins and
//! leaves in a loop leaves nothing behind.

use std::collections::HashMap;
use std::task::Context;
use std::task::Poll;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::live::session::ChannelId;

/// Futures by channel; a channel without any has no entry.
pub(super) struct Work<T> {
    channels: HashMap<ChannelId, FuturesUnordered<BoxFuture<'static, T>>>,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self { channels: HashMap::new() }
    }
}

impl<T> Work<T> {
    /// Runs `work` for a channel.
    pub(super) fn start(&mut self, channel: ChannelId, work: BoxFuture<'static, T>) {
        self.channels.entry(channel).or_default().push(work);
    }

    /// Drops what runs for a channel.
    pub(super) fn drop_all(&mut self, channel: ChannelId) {
        self.channels.remove(&channel);
    }

    /// What is done next. Looks at every channel that has work: a hundred at most, and seldom more
    /// than one.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        let done =
            self.channels.iter_mut().find_map(|(channel, work)| match work.poll_next_unpin(cx) {
                Poll::Ready(Some(done)) => Some((*channel, done, work.is_empty())),
                Poll::Ready(None) | Poll::Pending => None,
            });
        let Some((channel, done, is_last)) = done else { return Poll::Pending };
        if is_last {
            self.channels.remove(&channel);
        }
        Poll::Ready(done)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn next<T>(work: &mut Work<T>) -> Option<T> {
        std::future::poll_fn(|cx| work.poll_next(cx)).now_or_never()
    }

    #[test]
    fn work_ends_with_its_channel() {
        let mut work = Work::default();
        assert_eq!(next(&mut work), None);
        work.start(1, async { 1 }.boxed());
        work.start(2, async { 2 }.boxed());
        work.start(2, std::future::pending().boxed());
        work.drop_all(1);
        assert_eq!(next(&mut work), Some(2));
        assert_eq!(next(&mut work), None);
        assert_eq!(work.channels.len(), 1);
        work.drop_all(2);
        work.start(3, async { 3 }.boxed());
        assert_eq!(next(&mut work), Some(3));
        assert!(work.channels.is_empty());
    }
}
