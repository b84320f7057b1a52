//! The sets of live queries of one socket: one for each channel.
//!
//! **Invariant:** what a channel asks reaches the engine in order; after a channel is closed nothing
//! is heard of it, and its set is dropped.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;

use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use futures::stream::AbortHandle;
use futures::stream::Abortable;
use futures::stream::BoxStream;
use futures::stream::SelectAll;

use crate::error::Result;
use crate::live::Live;
use crate::live::client::LiveClient;
use crate::live::mailbox::Event;
use crate::live::session::ChannelId;
use crate::live::session::Command;

/// The sets of live queries of one socket.
pub(super) struct Clients {
    live: Live,
    open: HashMap<ChannelId, Open>,
    queue: VecDeque<(ChannelId, Command)>,
    /// The command that the engine is being told.
    running: Option<BoxFuture<'static, (ChannelId, Told)>>,
    heard: SelectAll<Abortable<BoxStream<'static, (ChannelId, Event)>>>,
}

/// One channel's set.
#[derive(Default)]
struct Open {
    client: Option<Arc<LiveClient>>,
    ear: Option<AbortHandle>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(ear) = &self.ear {
            ear.abort();
        }
    }
}

/// How many commands may wait for an engine that is busy before the client is not listened to; far
/// more than an honest client sends in a moment.
const MOST_QUEUED: usize = 256;

impl Clients {
    pub(super) fn new(live: Live) -> Self {
        Self {
            live,
            open: HashMap::new(),
            queue: VecDeque::new(),
            running: None,
            heard: SelectAll::new(),
        }
    }

    /// Has the engine told something.
    pub(super) fn tell(&mut self, channel: ChannelId, command: Command) {
        match command {
            Command::Close => {
                self.open.remove(&channel);
                self.queue.retain(|(asking, _)| *asking != channel);
            }
            Command::Open => {
                self.open.insert(channel, Open::default());
                self.queue.push_back((channel, command));
            }
            Command::Add(..) | Command::Remove(_) | Command::Barrier(_) => {
                self.queue.push_back((channel, command));
            }
        }
    }

    /// True when the engine has so much to be told that nothing should be added.
    pub(super) fn is_behind(&self) -> bool {
        MOST_QUEUED < self.queue.len()
    }

    /// What the engine says next, once it was told everything; with `is_listening` off only that it
    /// could not be told. Cancel safe.
    pub(super) async fn next(&mut self, is_listening: bool) -> (ChannelId, Event) {
        poll_fn(|cx| self.poll_next(cx, is_listening)).await
    }

    /// What the engine has said already. Whoever calls this must call [`Clients::next`] later on.
    pub(super) fn next_ready(&mut self) -> Option<(ChannelId, Event)> {
        self.next(true).now_or_never()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, is_listening: bool) -> Poll<(ChannelId, Event)> {
        while let Poll::Ready((channel, told)) = self.poll_command(cx) {
            match told {
                Ok(Some(client)) => self.opened(channel, client),
                Ok(None) => {}
                Err(_) => return Poll::Ready((channel, Event::Closed)),
            }
        }
        if is_listening {
            // An empty set of streams is at its end, and wakes nobody.
            if let Poll::Ready(Some(heard)) = self.heard.poll_next_unpin(cx) {
                return Poll::Ready(heard);
            }
        }
        Poll::Pending
    }

    /// Tells the engine what it is to be told next.
    fn poll_command(&mut self, cx: &mut Context<'_>) -> Poll<(ChannelId, Told)> {
        if self.running.is_none() {
            let Some((channel, command)) = self.queue.pop_front() else { return Poll::Pending };
            let client = self.open.get(&channel).and_then(|open| open.client.clone());
            self.running = Some(tell(self.live.clone(), client, channel, command).boxed());
        }
        let Some(running) = &mut self.running else { return Poll::Pending };
        let told = running.poll_unpin(cx);
        if told.is_ready() {
            self.running = None;
        }
        told
    }

    /// Listens to a new set, unless its channel was closed in the meantime.
    fn opened(&mut self, channel: ChannelId, client: LiveClient) {
        let Some(open) = self.open.get_mut(&channel) else { return };
        let client = Arc::new(client);
        let heard = stream::unfold(Arc::clone(&client), move |client| async move {
            let event = client.next().await;
            Some(((channel, event), client))
        });
        let (heard, ear) = stream::abortable(heard.boxed());
        self.heard.push(heard);
        *open = Open { client: Some(client), ear: Some(ear) };
    }
}

/// A new set, where one was asked for.
type Told = Result<Option<LiveClient>>;

async fn tell(
    live: Live,
    client: Option<Arc<LiveClient>>,
    channel: ChannelId,
    command: Command,
) -> (ChannelId, Told) {
    let told = match (command, client) {
        (Command::Open, _) => live.client().await.map(Some),
        (Command::Add(request, wanted), Some(client)) => {
            client.add(request, wanted).await.map(|()| None)
        }
        (Command::Remove(names), Some(client)) => client.remove(names).await.map(|()| None),
        (Command::Barrier(request), Some(client)) => client.barrier(request).await.map(|()| None),
        // The set could not be made, which its channel knows, or the channel is closed.
        (Command::Add(..) | Command::Remove(_) | Command::Barrier(_) | Command::Close, _) => {
            Ok(None)
        }
    };
    (channel, told)
}
