//! The queries of a channel: asked for, answered, shown, removed.
//!
//! **Invariant:** what the client was told of last is what it has: a query is shown from the answer
//! that brings its rows until the one that refuses it, or until the client removes it.

use std::collections::HashSet;
use std::sync::Arc;

use super::Command;
use super::Outcome;
use super::Output;
use super::answer;
use super::answer::Part;
use super::channel::Channel;
use super::channel::Fate;
use super::limits::Limits;
use super::load::Kind;
use super::load::Load;
use super::load::name;
use super::refusal::Refusal;
use super::request::Queries;
use super::voice::Voice;
use crate::live::mailbox::Name;
use crate::live::step::Answer;
use crate::live::step::Version;
use crate::query::ast::Ast;
use crate::value::Json;

impl Channel {
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
        voice.ask(Output::Engine(self.id, Command::Add(request, load.take_wanted())));
    }

    pub(super) fn drop_queries(&mut self, voice: &mut Voice, names: &[String]) {
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

    pub(super) fn loaded(
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
        self.end_refused(voice, &load);
        let reference = load.reference.clone();
        parts.extend(load.into_refused());
        parts.sort_by(|(left, _), (right, _)| left.cmp(right));
        voice.reply(self.to(&reference), "ok", |out| answer::loaded(version, &parts, out));
    }

    /// What was shown and is now refused ends. The engine keeps what another request of the client
    /// asked it for in the meantime, whose answer is under way.
    fn end_refused(&mut self, voice: &mut Voice, load: &Load) {
        let ended: Vec<&Name> = load.refused().filter(|name| self.shown.remove(name)).collect();
        let is_asked_again = |name: &Name| {
            self.loads.values().any(|other| other.is_resolved() && other.waits_for(name))
        };
        let gone = ended.into_iter().filter(|name| !is_asked_again(name));
        let gone: Vec<Name> = gone.cloned().collect();
        if !gone.is_empty() {
            voice.ask(Output::Engine(self.id, Command::Remove(gone)));
        }
    }

    /// What the client is told of one query, which it has from now on, or has no more.
    pub(super) fn part(&mut self, voice: &mut Voice, name: Name, answer: Answer) -> (Name, Part) {
        match answer {
            Answer::Failed(error) => {
                self.shown.remove(&name);
                (name, Part::Refused(voice.refusal(&Refusal::of_query(&error))))
            }
            answer @ (Answer::Snapshot(_) | Answer::Delta(..) | Answer::Catchup(_)) => {
                self.shown.insert(&name);
                (name, Part::Answer(answer))
            }
        }
    }
}
