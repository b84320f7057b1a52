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
mod names;
mod queries;
pub(crate) mod refusal;
mod request;
pub(crate) mod said;
pub(crate) mod text;
mod voice;

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
use self::said::Said;
use self::text::Text;
use self::voice::To;
use self::voice::Voice;
use crate::live::health::Progress;
use crate::live::list::List;
use crate::live::mailbox::Move;
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
    joins: Bucket,
    /// Those that are joined: one as a rule, a hundred at most.
    channels: List<Channel>,
    last_channel: ChannelId,
    /// When the client was heard last.
    heard: Duration,
    progress: Progress,
}

impl Session {
    /// A conversation that begins at time zero; `label` names the socket in the log.
    pub(crate) fn new(vsn: Vsn, limits: Limits, label: Arc<str>) -> Self {
        Self {
            voice: Voice::new(vsn, label),
            limits,
            bucket: Bucket::new(limits.mutations_per_second),
            joins: Bucket::new(limits.joins_per_second),
            channels: List::default(),
            last_channel: 0,
            heard: Duration::ZERO,
            progress: Progress::default(),
        }
    }

    /// Learns how far the engine is, which is what heartbeats are answered with.
    pub(crate) fn note(&mut self, progress: Progress) {
        self.progress = progress;
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
            return self.voice.beat(to, self.progress);
        }
        if frame.event == "phx_join" {
            return self.join(now, frame);
        }
        let queries = self.queries();
        let pending = self.channels.iter().map(Channel::pending).sum();
        let topic = frame.topic.as_str();
        let Some(channel) = self.channels.iter_mut().find(|channel| &*channel.topic == topic)
        else {
            return self.elsewhere(&frame);
        };
        if !channel.is_meant(&frame) {
            return;
        }
        if frame.event == "phx_leave" {
            return self.leave(&frame);
        }
        let others = queries - channel.queries();
        let limits = limits_beside(&self.limits, others);
        let (bucket, joins) = (&mut self.bucket, &mut self.joins);
        let room = Room { limits: &limits, bucket, joins, now, pending };
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
        let Some(channel) = self.remove_topic(&frame.topic) else { return };
        let (join_ref, topic) = (&channel.join_ref, frame.topic.as_str());
        self.voice.ok(To { join_ref, reference: &frame.reference, topic });
        self.voice.end(join_ref, topic, "phx_close", "{}");
    }

    /// How many queries all channels have and wait for.
    fn queries(&self) -> usize {
        self.channels.iter().map(Channel::queries).sum()
    }

    fn join(&mut self, now: Duration, frame: Frame) {
        let Frame { join_ref, reference, topic, event: _, payload } = frame;
        if !topic.starts_with(LIVE) {
            let to = To { join_ref: &Json::Null, reference: &reference, topic: &topic };
            return self.voice.refuse_as_phoenix(to, "unmatched topic");
        }
        let to = To { join_ref: &join_ref, reference: &reference, topic: &topic };
        if let Err(refusal) = channel::take_join(&mut self.joins, now) {
            return self.voice.refuse(to, &refusal);
        }
        self.replace(&topic);
        if self.limits.channels <= self.channels.iter().count() {
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
        let (vsn, id) = (self.voice.vsn, self.last_channel);
        let mut channel = Channel::new(vsn, id, topic.into(), join_ref, &reference, join.client);
        self.voice.ask(Output::Engine(channel.id, Command::Open));
        let limits = limits_beside(&self.limits, self.queries());
        channel.load(&mut self.voice, &limits, Kind::Join, reference, join.queries);
        self.channels.push_back(channel);
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
        let Some(old) = self.remove_topic(topic) else { return };
        match self.voice.vsn {
            Vsn::V1 => {}
            Vsn::V2 => self.voice.end(&old.join_ref, topic, "phx_close", "{}"),
        }
    }

    fn remove_topic(&mut self, topic: &str) -> Option<Channel> {
        let id = self.channels.iter().find(|channel| &*channel.topic == topic)?.id;
        self.remove(id)
    }

    fn remove(&mut self, id: ChannelId) -> Option<Channel> {
        let channel = self.channels.take(|channel| channel.id == id)?;
        self.voice.ask(Output::Engine(id, Command::Close));
        Some(channel)
    }

    fn channel(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.channels.iter_mut().find(|channel| channel.id == id)
    }

    /// Hears that a channel moved, as [`Input::Heard`] does, and writes what the client is told onto
    /// `out`, with nothing around it: it happens more often than all else together. Says nothing
    /// where the channel is over.
    pub(crate) fn moved(&mut self, id: ChannelId, moved: &Move, said: &mut Said, out: &mut Text) {
        let vsn = self.voice.vsn;
        if let Some(channel) = self.channel(id) {
            channel.moved(vsn, moved, said, out);
        }
    }

    /// Lets a channel that is still there act.
    fn with(&mut self, id: ChannelId, act: impl FnOnce(&mut Channel, &mut Voice) -> Fate) {
        let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) else {
            return;
        };
        let fate = act(channel, &mut self.voice);
        self.settle(id, fate);
    }

    fn settle(&mut self, id: ChannelId, fate: Fate) {
        match fate {
            Fate::Lives => {}
            Fate::Ends => drop(self.remove(id)),
        }
    }

    /// Does what a client asked for before its join was answered.
    fn replay(&mut self, now: Duration, id: ChannelId) {
        let Some(channel) = self.channel(id) else { return };
        for frame in channel.take_backlog() {
            self.route(now, frame);
        }
    }
}

/// The limits of a channel beside others that have so many queries.
fn limits_beside(limits: &Limits, others: usize) -> Limits {
    let left = limits.queries.saturating_sub(others);
    Limits { queries_per_channel: limits.queries_per_channel.min(left), ..*limits }
}

#[cfg(test)]
mod tests;
