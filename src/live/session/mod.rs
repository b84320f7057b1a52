//! One client's conversation over one socket: Phoenix channels, and live queries inside them.
//!
//! A state machine: something happens, and it says what to send and whom to ask. It never waits,
//! reads no clock and owns no socket; `server::socket` does all that.
//!
//! It refuses to know what a query is called for, who the user is, and how bytes travel.
//!
//! **Invariant:** the reply to a join comes before anything else of that join; the diff of a
//! mutation comes before its reply; whatever belongs to a join that is over is dropped.

mod answer;
pub(crate) mod binary;
mod bucket;
mod channel;
pub(crate) mod encode;
mod events;
pub(crate) mod frame;
pub(crate) mod ledger;
pub(crate) mod limits;
mod load;
mod mutate;
mod queries;
pub(crate) mod refusal;
mod request;
mod voice;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::bucket::Bucket;
use self::channel::Channel;
use self::channel::Fate;
use self::channel::Room;
pub(crate) use self::events::ChannelId;
pub(crate) use self::events::Command;
pub(crate) use self::events::Input;
pub(crate) use self::events::Mutation;
pub(crate) use self::events::Outcome;
pub(crate) use self::events::Output;
use self::frame::Frame;
use self::frame::Vsn;
use self::limits::Limits;
use self::load::Kind;
use self::refusal::Refusal;
use self::request::Join;
use self::voice::To;
use self::voice::Voice;
use crate::value::Json;

/// The topic of heartbeats.
const PHOENIX: &str = "phoenix";

/// What the topics of live queries begin with.
const LIVE: &str = "live:";

/// One client's conversation.
#[derive(Debug)]
pub(crate) struct Session {
    voice: Voice,
    limits: Limits,
    bucket: Bucket,
    channels: HashMap<Arc<str>, Channel>,
    topics: HashMap<ChannelId, Arc<str>>,
    last_channel: ChannelId,
    /// When the client was heard last.
    heard: Duration,
}

impl Session {
    /// A conversation that begins at time zero; `label` names the socket in the log.
    pub(crate) fn new(vsn: Vsn, limits: Limits, label: Arc<str>) -> Self {
        Self {
            voice: Voice::new(vsn, label),
            limits,
            bucket: Bucket::new(limits.mutations_per_second),
            channels: HashMap::new(),
            topics: HashMap::new(),
            last_channel: 0,
            heard: Duration::ZERO,
        }
    }

    /// When it wants to hear of time next.
    pub(crate) fn deadline(&self) -> Duration {
        self.heard + self.limits.idle
    }

    /// Takes what happened at `now` and returns what to do about it, in order.
    pub(crate) fn handle(&mut self, now: Duration, input: Input<'_>) -> Vec<Output> {
        match input {
            Input::Text(text) => {
                self.heard = now;
                match Frame::parse(self.voice.vsn, text) {
                    Some(frame) => self.route(now, frame),
                    None => self.voice.ask(Output::Close(1007, "not a message")),
                }
            }
            Input::Binary(bytes) => {
                self.heard = now;
                self.binary(now, bytes);
            }
            Input::Touched => self.heard = now,
            Input::Resolved { channel, load, name, outcome } => {
                self.with(channel, |channel, voice| channel.resolved(voice, load, name, outcome));
            }
            Input::Mutated { channel, call, outcome } => {
                self.with(channel, |channel, voice| channel.mutated(voice, call, outcome));
            }
            Input::Heard(channel, event) => {
                self.with(channel, |channel, voice| channel.heard(voice, event));
                self.replay(now, channel);
            }
            Input::Time if self.deadline() <= now => {
                self.voice.ask(Output::Close(1001, "idle"));
            }
            Input::Time => {}
        }
        self.voice.take()
    }

    /// Binary messages that are no push are somebody else's invention: not worth a socket.
    fn binary(&mut self, now: Duration, bytes: &Bytes) {
        let frame = match self.voice.vsn {
            Vsn::V1 => None,
            Vsn::V2 => Frame::parse_binary(bytes),
        };
        let Some(frame) = frame else {
            tracing::debug!(bytes = bytes.len(), "a binary message was not understood");
            return;
        };
        self.route(now, frame);
    }

    fn route(&mut self, now: Duration, frame: Frame) {
        if frame.topic == PHOENIX && frame.event == "heartbeat" {
            let to = To { join_ref: &Json::Null, reference: &frame.reference, topic: PHOENIX };
            return self.voice.ok(to);
        }
        if frame.event == "phx_join" {
            return self.join(frame);
        }
        let pending = self.channels.values().map(Channel::pending).sum();
        let Some(channel) = self.channels.get_mut(frame.topic.as_str()) else {
            return self.elsewhere(&frame);
        };
        if !channel.is_meant(&frame) {
            return;
        }
        if frame.event == "phx_leave" {
            return self.leave(&frame);
        }
        let room = Room { limits: &self.limits, bucket: &mut self.bucket, now, pending };
        let fate = channel.push(&mut self.voice, room, frame);
        let id = channel.id;
        self.settle(id, fate);
    }

    /// A message on a topic that is not joined.
    fn elsewhere(&mut self, frame: &Frame) {
        let (reference, topic) = (&frame.reference, frame.topic.as_str());
        if frame.event == "phx_leave" {
            return self.voice.ok(To { join_ref: &frame.join_ref, reference, topic });
        }
        let to = To { join_ref: &Json::Null, reference, topic };
        self.voice.refuse_as_phoenix(to, "unmatched topic");
    }

    fn leave(&mut self, frame: &Frame) {
        let Some(channel) = self.remove(&frame.topic) else { return };
        let (join_ref, topic) = (&channel.join_ref, frame.topic.as_str());
        self.voice.ok(To { join_ref, reference: &frame.reference, topic });
        self.voice.end(join_ref, topic, "phx_close", "{}");
    }

    fn join(&mut self, frame: Frame) {
        let Frame { join_ref, reference, topic, event: _, payload } = frame;
        if !topic.starts_with(LIVE) {
            let to = To { join_ref: &Json::Null, reference: &reference, topic: &topic };
            return self.voice.refuse_as_phoenix(to, "unmatched topic");
        }
        self.replace(&topic);
        let to = To { join_ref: &join_ref, reference: &reference, topic: &topic };
        if self.limits.channels <= self.channels.len() {
            return self.voice.refuse_as_phoenix(to, "too many channels joined");
        }
        let join: Join = match request::read(payload) {
            Ok(join) => join,
            Err(refusal) => return self.voice.refuse(to, &refusal),
        };
        if !join.is_spoken() {
            let refusal = Refusal::new("unsupported_proto", "this server speaks `proto` 1");
            return self.turn_away(to, &refusal.terminal());
        }
        self.last_channel += 1;
        let topic: Arc<str> = topic.into();
        let mut channel =
            Channel::new(self.last_channel, Arc::clone(&topic), join_ref, &reference, join.client);
        self.voice.ask(Output::Engine(channel.id, Command::Open));
        channel.load(&mut self.voice, &self.limits, Kind::Join, reference, join.queries);
        self.topics.insert(channel.id, Arc::clone(&topic));
        self.channels.insert(topic, channel);
    }

    /// Refuses a join. Official clients ask again for ever unless the channel is closed as well.
    fn turn_away(&mut self, to: To<'_>, refusal: &Refusal) {
        self.voice.refuse(to, refusal);
        if refusal.is_terminal() {
            let join_ref = if to.join_ref.is_null() { to.reference } else { to.join_ref };
            self.voice.end(join_ref, to.topic, "phx_close", "{}");
        }
    }

    /// Ends an earlier join of the same topic. Without `join_ref`s a client could take the old
    /// join's end for the new one's, so the first serializer is not told.
    fn replace(&mut self, topic: &str) {
        let Some(old) = self.remove(topic) else { return };
        match self.voice.vsn {
            Vsn::V1 => {}
            Vsn::V2 => self.voice.end(&old.join_ref, topic, "phx_close", "{}"),
        }
    }

    fn remove(&mut self, topic: &str) -> Option<Channel> {
        let channel = self.channels.remove(topic)?;
        self.topics.remove(&channel.id);
        self.voice.ask(Output::Engine(channel.id, Command::Close));
        Some(channel)
    }

    /// Lets a channel that is still there act.
    fn with(&mut self, id: ChannelId, act: impl FnOnce(&mut Channel, &mut Voice) -> Fate) {
        let Some(topic) = self.topics.get(&id) else { return };
        let Some(channel) = self.channels.get_mut(topic) else { return };
        let fate = act(channel, &mut self.voice);
        self.settle(id, fate);
    }

    fn settle(&mut self, id: ChannelId, fate: Fate) {
        match fate {
            Fate::Lives => {}
            Fate::Ends => {
                if let Some(topic) = self.topics.get(&id).cloned() {
                    self.remove(&topic);
                }
            }
        }
    }

    /// Does what a client asked for before its join was answered.
    fn replay(&mut self, now: Duration, id: ChannelId) {
        let Some(topic) = self.topics.get(&id) else { return };
        let Some(channel) = self.channels.get_mut(topic) else { return };
        for frame in channel.take_backlog() {
            self.route(now, frame);
        }
    }
}

#[cfg(test)]
mod tests;
