//! One joined `live:*` topic: a set of live queries that move together.
//!
//! **Invariant:** a frame names only queries that the client has and has not removed; every version
//! the client was told is a state that all of its queries were at.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::ChannelId;
use super::Command;
use super::Outcome;
use super::Output;
use super::answer;
use super::answer::Part;
use super::bucket::Bucket;
use super::encode::value_of_reason;
use super::frame::Frame;
use super::limits::Limits;
use super::load::Kind;
use super::load::Load;
use super::load::name;
use super::mutate::Call;
use super::refusal::Refusal;
use super::request;
use super::request::Add;
use super::request::Queries;
use super::request::Remove;
use super::voice::To;
use super::voice::Voice;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::live::mailbox::Event;
use crate::live::mailbox::Name;
use crate::live::step::Answer;
use crate::live::step::Step;
use crate::live::step::Version;
use crate::query::ast::Ast;
use crate::value::Json;

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
    /// What a message's `join_ref` must be, or null.
    accepted: Json,
    /// What the client calls itself.
    pub(super) client: Option<String>,
    /// The version that the client was told.
    pub(super) at: Version,
    shown: HashSet<Name>,
    loads: BTreeMap<u64, Load>,
    pub(super) calls: BTreeMap<u64, Call>,
    last_request: u64,
    /// What came before the join was answered, until it is.
    backlog: Option<Vec<Frame>>,
}

impl Channel {
    pub(super) fn new(
        id: ChannelId,
        topic: Arc<str>,
        join_ref: Json,
        reference: &Json,
        client: Option<String>,
    ) -> Self {
        let accepted = join_ref.clone();
        let join_ref = if join_ref.is_null() { reference.clone() } else { join_ref };
        Self {
            id,
            topic,
            join_ref,
            accepted,
            client,
            at: 0,
            shown: HashSet::new(),
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

    /// What waited for the join to be answered, once it is.
    pub(super) fn take_backlog(&mut self) -> Vec<Frame> {
        if self.joining().is_some() {
            return Vec::new();
        }
        self.backlog.take().unwrap_or_default()
    }

    /// A message other than join and leave.
    pub(super) fn push(
        &mut self,
        voice: &mut Voice,
        limits: &Limits,
        bucket: &mut Bucket,
        now: Duration,
        frame: Frame,
    ) -> Fate {
        if let Some(backlog) = &mut self.backlog
            && backlog.len() < limits.pending
        {
            backlog.push(frame);
            return Fate::Lives;
        }
        if self.backlog.is_some() || limits.pending <= self.loads.len() + self.calls.len() {
            let busy = Refusal::new("overloaded", "too many requests wait for their answer");
            voice.refuse(self.to(&frame.reference), &busy);
            return Fate::Lives;
        }
        let Frame { reference, event, payload, .. } = frame;
        let done = match event.as_str() {
            "add" | "resync" => request::read(payload).map(|Add { queries }| {
                self.load(voice, limits, Kind::More, reference.clone(), queries);
            }),
            "remove" => request::read(payload).map(|Remove { queries }| {
                self.drop_queries(voice, &queries);
                voice.ok(self.to(&reference));
            }),
            "mutate" => request::read(payload)
                .and_then(|mutate| self.mutate(voice, bucket, now, &reference, mutate)),
            _ => Err(Refusal::invalid("this channel knows `add`, `remove`, `resync` and `mutate`")),
        };
        if let Err(refusal) = done {
            voice.refuse(self.to(&reference), &refusal);
        }
        Fate::Lives
    }

    /// Begins to answer a request for queries.
    pub(super) fn load(
        &mut self,
        voice: &mut Voice,
        limits: &Limits,
        kind: Kind,
        reference: Json,
        queries: Queries,
    ) {
        let request = self.next_request();
        let mut load = Load::new(kind, reference);
        // A query may be asked for again before it is there, but not without end.
        let mut waiting = self.loads.values().flat_map(Load::waiting).count();
        let known = self.shown.iter().chain(self.loads.values().flat_map(Load::waiting));
        let mut names: HashSet<Name> = known.cloned().collect();
        let most = limits.queries_per_channel;
        for (local, asked) in queries {
            let name = name(&local);
            waiting += 1;
            if most < waiting || (!names.contains(&name) && most <= names.len()) {
                waiting -= 1;
                let refusal = Refusal::new("too_many_queries", "this channel has too many queries");
                load.refuse(name, voice.refusal(&refusal));
                continue;
            }
            names.insert(Arc::clone(&name));
            load.expect(Arc::clone(&name), asked.since.as_deref());
            let (channel, query, args) = (self.id, asked.q, asked.args);
            voice.ask(Output::Resolve { channel, load: request, name, query, args });
        }
        self.loads.insert(request, load);
        self.ask_engine(voice, request);
    }

    /// Hands a load to the engine when all its handlers have answered.
    fn ask_engine(&mut self, voice: &mut Voice, request: u64) {
        let Some(load) = self.loads.get_mut(&request).filter(|load| load.is_resolved()) else {
            return;
        };
        // What was shown and is now refused ends.
        let gone: Vec<Name> =
            load.refused().filter(|name| self.shown.remove(*name)).cloned().collect();
        if !gone.is_empty() {
            voice.ask(Output::Engine(self.id, Command::Remove(gone)));
        }
        voice.ask(Output::Engine(self.id, Command::Add(request, load.take_wanted())));
    }

    fn drop_queries(&mut self, voice: &mut Voice, names: &[String]) {
        for load in self.loads.values_mut() {
            for name in names {
                load.cancel(name);
            }
        }
        let names: Vec<Name> = names.iter().map(|text| name(text)).collect();
        for name in &names {
            self.shown.remove(name);
        }
        voice.ask(Output::Engine(self.id, Command::Remove(names)));
    }

    /// A handler answered what a query asks.
    pub(super) fn resolved(
        &mut self,
        voice: &mut Voice,
        request: u64,
        name: Name,
        outcome: Outcome<Ast>,
    ) -> Fate {
        let Some(load) = self.loads.get_mut(&request) else { return Fate::Lives };
        match outcome {
            Outcome::Done(ast) => load.resolved(name, Ok(ast)),
            Outcome::Refused(refusal) => load.resolved(name, Err(voice.refusal(&refusal))),
            Outcome::Panicked => return self.crash(voice),
        }
        self.ask_engine(voice, request);
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
            Event::Moved { from, to, mut steps } => {
                steps.retain(|(name, _)| self.shown.contains(name));
                self.moved(voice, from, to, &steps);
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

    fn loaded(
        &mut self,
        voice: &mut Voice,
        request: u64,
        version: Version,
        answers: Vec<(Name, Answer)>,
    ) {
        let Some(load) = self.loads.remove(&request) else { return };
        self.at = version;
        let mut parts = Vec::with_capacity(answers.len());
        for (name, answer) in answers {
            if load.waits_for(&name) {
                parts.push(self.part(voice, name, answer));
            }
        }
        let reference = load.reference.clone();
        parts.extend(load.into_refused());
        parts.sort_by(|(left, _), (right, _)| left.cmp(right));
        voice.reply(self.to(&reference), "ok", |out| answer::loaded(version, &parts, out));
    }

    /// What the client is told of one query, which it has from now on, or has no more.
    fn part(&mut self, voice: &mut Voice, name: Name, answer: Answer) -> (Name, Part) {
        match answer {
            Answer::Failed(error) => {
                self.shown.remove(&name);
                (name, Part::Refused(voice.refusal(&Refusal::of_query(&error))))
            }
            answer @ (Answer::Snapshot(_) | Answer::Delta(..)) => {
                self.shown.insert(Arc::clone(&name));
                (name, Part::Answer(answer))
            }
        }
    }

    /// Tells the client that everything went from one version to a later one.
    pub(super) fn moved(
        &mut self,
        voice: &mut Voice,
        from: Version,
        to: Version,
        steps: &[(Name, Arc<Step>)],
    ) {
        self.at = to;
        voice.push(&self.join_ref, &self.topic, "diff", |out| answer::diff(from, to, steps, out));
    }
}
