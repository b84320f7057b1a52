//! One joined `live:*` topic: a set of live queries that move together.
//!
//! **Invariant:** a frame names only queries that the client has and has not removed; every version
//! the client was told is a state that all of its queries were at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::ChannelId;
use super::Output;
use super::answer;
use super::bucket::Bucket;
use super::encode;
use super::encode::Head;
use super::encode::value_of_reason;
use super::frame::Frame;
use super::frame::Vsn;
use super::limits::Limits;
use super::load::Kind;
use super::load::Load;
use super::mutate::Call;
use super::names::Names;
use super::refusal::Refusal;
use super::request;
use super::request::Add;
use super::request::Remove;
use super::said::Said;
use super::text::Text;
use super::voice::To;
use super::voice::Voice;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::live::mailbox::Event;
use crate::live::mailbox::Move;
use crate::live::step::Version;
use crate::value::Json;

/// What a socket has left of its limits when a message comes.
#[derive(Debug)]
pub(super) struct Room<'a> {
    pub(super) limits: &'a Limits,
    pub(super) bucket: &'a mut Bucket,
    pub(super) joins: &'a mut Bucket,
    pub(super) now: Duration,
    /// How many requests of all channels wait for their answer.
    pub(super) pending: usize,
}

/// Takes room for a join, or for a request for more queries.
pub(super) fn take_join(joins: &mut Bucket, now: Duration) -> Result<(), Refusal> {
    joins.take(now).map_err(|after| {
        Refusal::new("rate_limited", "too many requests for queries in a second").retry_after(after)
    })
}

impl Room<'_> {
    fn is_full(&self) -> bool {
        self.limits.pending <= self.pending
    }
}

/// Whether a channel goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a channel that ends must be taken off its socket"]
pub(super) enum Fate {
    Lives,
    Ends,
}

/// One joined topic.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) topic: Arc<str>,
    /// What all its messages carry: the join's `join_ref`, or its `ref` where that is null.
    pub(super) join_ref: Json,
    /// How every diff begins.
    diff: Box<str>,
    /// What a message's `join_ref` must be, or null.
    accepted: Json,
    /// What the client calls itself.
    pub(super) client: Option<String>,
    /// The version that the client was told.
    pub(super) at: Version,
    /// The queries that the client has.
    pub(super) shown: Names,
    pub(super) loads: BTreeMap<u64, Load>,
    pub(super) calls: BTreeMap<u64, Call>,
    last_request: u64,
    /// What came before the join was answered, until it is.
    backlog: Option<Vec<Frame>>,
}

impl Channel {
    pub(super) fn new(
        vsn: Vsn,
        id: ChannelId,
        topic: Arc<str>,
        join_ref: Json,
        reference: &Json,
        client: Option<String>,
    ) -> Self {
        let accepted = join_ref.clone();
        let join_ref = if join_ref.is_null() { reference.clone() } else { join_ref };
        let mut diff = String::new();
        let (reference, event) = (&Json::Null, "diff");
        let head = Head { join_ref: &join_ref, reference, topic: &topic, event };
        encode::open(vsn, head, &mut diff);
        Self {
            id,
            topic,
            join_ref,
            diff: diff.into(),
            accepted,
            client,
            at: 0,
            shown: Names::default(),
            loads: BTreeMap::new(),
            calls: BTreeMap::new(),
            last_request: 0,
            backlog: Some(Vec::new()),
        }
    }

    /// Whether a message belongs to this join and not to an earlier one.
    pub(super) fn is_meant(&self, frame: &Frame) -> bool {
        frame.join_ref.is_null() || frame.join_ref == self.accepted
    }

    /// A place for a reply.
    pub(super) fn to<'a>(&'a self, reference: &'a Json) -> To<'a> {
        To { join_ref: &self.join_ref, reference, topic: &self.topic }
    }

    pub(super) fn next_request(&mut self) -> u64 {
        self.last_request += 1;
        self.last_request
    }

    /// How many requests wait for their answer.
    pub(super) fn pending(&self) -> usize {
        self.loads.len() + self.calls.len() + self.backlog.as_ref().map_or(0, Vec::len)
    }

    /// How many queries it has and waits for.
    pub(super) fn queries(&self) -> usize {
        self.shown.iter().count() + self.loads.values().flat_map(Load::waiting).count()
    }

    /// What waited for the join to be answered, once it is.
    pub(super) fn take_backlog(&mut self) -> Vec<Frame> {
        if self.joining().is_some() {
            return Vec::new();
        }
        self.backlog.take().unwrap_or_default()
    }

    /// A message other than join and leave.
    pub(super) fn push(&mut self, voice: &mut Voice, mut room: Room<'_>, frame: Frame) -> Fate {
        let busy = || Refusal::new("overloaded", "too many requests wait for their answer");
        match &mut self.backlog {
            // The one thing that overtakes the reply to a join: nobody honest sends so much.
            Some(_) if room.is_full() => {
                voice.refuse(self.to(&frame.reference), &busy());
                return Fate::Lives;
            }
            Some(backlog) => {
                backlog.push(frame);
                return Fate::Lives;
            }
            None => {}
        }
        let Frame { reference, event, payload, .. } = frame;
        let done = match event.as_str() {
            // It makes room.
            "remove" => request::read(payload).map(|Remove { queries }| {
                self.drop_queries(voice, &queries);
                voice.ok(self.to(&reference));
            }),
            "add" | "resync" | "mutate" if room.is_full() => Err(busy()),
            "add" | "resync" => take_join(room.joins, room.now)
                .and_then(|()| request::read(payload))
                .map(|Add { queries }| {
                    self.load(voice, room.limits, Kind::More, reference.clone(), queries);
                }),
            "mutate" => request::read(payload)
                .and_then(|mutate| self.mutate(voice, &mut room, &reference, mutate)),
            _ => Err(Refusal::invalid("this channel knows `add`, `remove`, `resync` and `mutate`")),
        };
        if let Err(refusal) = done {
            voice.refuse(self.to(&reference), &refusal);
        }
        Fate::Lives
    }

    /// Ends the channel because a handler failed. Whatever it was asked stays unanswered.
    pub(super) fn crash(&self, voice: &mut Voice) -> Fate {
        match self.joining() {
            Some(join) => voice.refuse_as_phoenix(self.to(&join.reference), "join crashed"),
            None => self.fail(voice, "channel_crash"),
        }
        Fate::Ends
    }

    /// Ends the channel because the engine is gone; another one may be there in a moment.
    fn abandon(&self, voice: &mut Voice) -> Fate {
        match self.joining() {
            Some(join) => {
                let gone = Error::new(ErrorKind::Unavailable, "the live engine has stopped");
                voice.refuse(self.to(&join.reference), &gone.into());
            }
            None => self.fail(voice, "engine_stopped"),
        }
        Fate::Ends
    }

    fn joining(&self) -> Option<&Load> {
        self.loads.values().find(|load| load.kind == Kind::Join)
    }

    fn fail(&self, voice: &mut Voice, reason: &str) {
        let payload = value_of_reason(reason);
        voice.end(&self.join_ref, &self.topic, "phx_error", &payload);
    }

    /// The engine says something.
    pub(super) fn heard(&mut self, voice: &mut Voice, event: Event) -> Fate {
        match event {
            Event::Loaded { request, version, answers } => {
                self.loaded(voice, request, version, answers);
            }
            Event::Moved { from, to, steps } => {
                let mut out = Text::default();
                let moved = Move { from, to, steps };
                self.moved(voice.vsn, &moved, &mut Said::default(), &mut out);
                voice.ask(Output::Send(out));
            }
            Event::Reset { version, answers } => {
                let answers = answers.into_iter().filter(|(name, _)| self.shown.contains(name));
                let parts: Vec<_> = answers.collect();
                let parts: Vec<_> = parts
                    .into_iter()
                    .map(|(name, answer)| self.part(voice, name, answer))
                    .collect();
                self.at = version;
                voice.push(&self.join_ref, &self.topic, "reset", |out| {
                    answer::reset(version, &parts, out);
                });
            }
            Event::Reached { request, version } => self.reached(voice, request, version),
            // A client of the engine asks for what it missed by itself.
            Event::Lagged => {}
            Event::Closed => return self.abandon(voice),
        }
        Fate::Lives
    }

    /// Tells the client that everything went from one version to a later one.
    pub(super) fn moved(&mut self, vsn: Vsn, moved: &Move, said: &mut Said, out: &mut Text) {
        let Move { from, to, steps } = moved;
        self.at = *to;
        out.push_str(&self.diff);
        if steps.iter().all(|(name, _)| self.shown.contains(name)) {
            out.push_text(said.diff(moved));
        } else {
            let shown = steps.iter().filter(|(name, _)| self.shown.contains(name));
            answer::diff(*from, *to, &shown.cloned().collect::<Vec<_>>(), out);
        }
        encode::close(vsn, out.own());
    }
}
