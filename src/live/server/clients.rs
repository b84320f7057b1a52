//! The sets of live queries of one socket: one for each channel.
//!
//! **Invariant:** what a channel asks reaches the engine in order; after a channel is closed nothing
//! is heard of it, and its set is dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;
use std::task::Context;
use std::task::Poll;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Result;
use crate::live::Live;
use crate::live::client::LiveClient;
use crate::live::list::List;
use crate::live::mailbox::Ear;
use crate::live::mailbox::Event;
use crate::live::mailbox::Mailbox;
use crate::live::mailbox::Move;
use crate::live::mailbox::Waits;
use crate::live::session::ChannelId;
use crate::live::session::Command;

/// The sets of live queries of one socket.
pub(super) struct Clients {
    live: Live,
    /// Told when the engine says something.
    ear: Weak<dyn Ear>,
    /// One for each channel, few as a rule.
    open: List<Open>,
    queue: VecDeque<(ChannelId, Tell)>,
    /// The command that the engine is being told.
    running: Option<BoxFuture<'static, (ChannelId, Told)>>,
    /// Which channel is heard first next time, so that none goes unheard.
    turn: usize,
}

/// The set of one channel, once it is there.
struct Open {
    channel: ChannelId,
    client: Option<Arc<LiveClient>>,
    /// Its mailbox, a look away.
    mailbox: Option<Arc<Mailbox>>,
}

/// What the engine is told.
enum Tell {
    /// What the session asks.
    Command(Command),
    /// That the client was slow, and wants to know what it missed.
    CatchUp,
}

/// How many commands may wait for an engine that is busy before the client is not listened to; far
/// more than an honest client sends in a moment.
const MOST_QUEUED: usize = 256;

impl Clients {
    pub(super) fn new(live: Live, ear: Weak<dyn Ear>) -> Self {
        let (open, queue) = (List::default(), VecDeque::new());
        Self { live, ear, open, queue, running: None, turn: 0 }
    }

    /// Has the engine told something.
    pub(super) fn tell(&mut self, channel: ChannelId, command: Command) {
        match command {
            Command::Close => {
                self.open.take(|open| open.channel == channel);
                self.queue.retain(|(asking, _)| *asking != channel);
            }
            Command::Open => {
                self.open.push_back(Open { channel, client: None, mailbox: None });
                self.queue.push_back((channel, Tell::Command(command)));
            }
            Command::Add(..) | Command::Remove(_) | Command::Barrier(_) => {
                self.queue.push_back((channel, Tell::Command(command)));
            }
        }
    }

    /// True when the engine has so much to be told that nothing should be added.
    pub(super) fn is_behind(&self) -> bool {
        MOST_QUEUED < self.queue.len()
    }

    /// What the engine has said, if it has said anything.
    pub(super) fn hear(&mut self) -> Option<(ChannelId, Event)> {
        let count = self.open.iter().count();
        for _ in 0..count {
            self.turn = (self.turn + 1) % count;
            let Some(Open { channel, mailbox, .. }) = self.open.iter().nth(self.turn) else {
                break;
            };
            let Some(mailbox) = mailbox else { continue };
            match mailbox.take() {
                None => {}
                Some(Event::Lagged) => {
                    mailbox.asked();
                    self.queue.push_back((*channel, Tell::CatchUp));
                }
                Some(event) => return Some((*channel, event)),
            }
        }
        None
    }

    /// The moves the engine has said, up to what else it said; and whether it said anything else.
    pub(super) fn take_move(&mut self) -> std::result::Result<(ChannelId, Move), Waits> {
        let mut waits = Waits::Nothing;
        for Open { channel, mailbox, .. } in self.open.iter() {
            let Some(mailbox) = mailbox else { continue };
            match mailbox.take_move() {
                Ok(moved) => return Ok((*channel, moved)),
                Err(Waits::Other) => waits = Waits::Other,
                Err(Waits::Nothing) => {}
            }
        }
        Err(waits)
    }

    /// Tells the engine what it is to be told; ready when it cannot be told.
    pub(super) fn poll_tell(&mut self, cx: &mut Context<'_>) -> Poll<ChannelId> {
        loop {
            if self.running.is_none() {
                let Some((channel, tell)) = self.queue.pop_front() else { return Poll::Pending };
                let open = self.open.iter().find(|open| open.channel == channel);
                let client = open.and_then(|open| open.client.clone());
                self.running = Some(self::tell(self.live.clone(), client, channel, tell).boxed());
            }
            let Some(running) = &mut self.running else { return Poll::Pending };
            let Poll::Ready((channel, told)) = running.poll_unpin(cx) else {
                return Poll::Pending;
            };
            self.running = None;
            match told {
                Ok(Some(client)) => self.opened(channel, client),
                Ok(None) => {}
                Err(_) => return Poll::Ready(channel),
            }
        }
    }

    /// Listens to a new set, unless its channel was closed in the meantime.
    fn opened(&mut self, channel: ChannelId, client: LiveClient) {
        if let Some(open) = self.open.iter_mut().find(|open| open.channel == channel) {
            client.mailbox().listen(Weak::clone(&self.ear));
            open.mailbox = Some(Arc::clone(client.mailbox()));
            open.client = Some(Arc::new(client));
        }
    }
}

/// A new set, where one was asked for.
type Told = Result<Option<LiveClient>>;

async fn tell(
    live: Live,
    client: Option<Arc<LiveClient>>,
    channel: ChannelId,
    tell: Tell,
) -> (ChannelId, Told) {
    let told = match (tell, client) {
        (Tell::Command(Command::Open), _) => live.client().await.map(Some),
        // The set could not be made, which its channel knows, or the channel is closed.
        (_, None) | (Tell::Command(Command::Close), _) => Ok(None),
        (Tell::CatchUp, Some(client)) => client.catch_up().await.map(|()| None),
        (Tell::Command(Command::Add(request, wanted)), Some(client)) => {
            client.add(request, wanted).await.map(|()| None)
        }
        (Tell::Command(Command::Remove(names)), Some(client)) => {
            client.remove(names).await.map(|()| None)
        }
        (Tell::Command(Command::Barrier(request)), Some(client)) => {
            client.barrier(request).await.map(|()| None)
        }
    };
    (channel, told)
}
