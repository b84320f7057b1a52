//! Clients come, ask, fall behind, and go.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::client::ClientId;
use super::super::client::Wanted;
use super::super::mailbox::Event;
use super::super::mailbox::Mailbox;
use super::super::mailbox::Name;
use super::super::mailbox::Steps;
use super::super::router::ResultId;
use super::super::step::Answer;
use super::super::step::Cursor;
use super::super::step::Version;
use super::Engine;
use super::tell::Told;
use super::tell::shared;
use crate::error::Error;

/// One client and what it watches.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) queries: HashMap<Name, Watched>,
    /// The version it was last told about.
    pub(super) version: Version,
    /// Its requests that wait.
    requests: Vec<u64>,
}

impl Client {
    /// Tells it how its queries went to version `to`; those that are not named did not change. A
    /// query whose request was not answered yet starts with its answer.
    ///
    /// `last` is what the last one was told, which is often the same.
    pub(super) fn moved(&mut self, to: Version, told: &[Told<'_>], last: &mut Option<Steps>) {
        let steps: Steps = if self.requests.is_empty() {
            shared(told, last)
        } else {
            let is_answered = |name| self.queries.get(name).is_some_and(|held| held.is_answered);
            let shown = told.iter().filter(|(_, name, _)| is_answered(*name));
            shown.map(|(_, name, step)| (Arc::clone(name), Arc::clone(step))).collect()
        };
        if !steps.is_empty() {
            let from = std::mem::replace(&mut self.version, to);
            self.mailbox.push(Event::Moved { from, to, steps });
        }
    }
}

/// One query of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub(super) result: ResultId,
    /// The request for it was answered; it is not told of moves before.
    pub(super) is_answered: bool,
}

/// A request for queries that is answered when all of them are live or have failed.
#[derive(Debug)]
pub(super) struct Waiting {
    client: ClientId,
    request: u64,
    parts: Vec<Part>,
    /// How many of them are neither yet.
    missing: usize,
}

/// One query of a request.
#[derive(Debug)]
struct Part {
    name: Name,
    since: Option<Cursor>,
    result: Result<ResultId, Arc<Error>>,
}

impl Engine {
    pub(super) fn connect(&mut self, id: ClientId, mailbox: Arc<Mailbox>) {
        let version = self.version;
        let client = Client { mailbox, queries: HashMap::new(), version, requests: Vec::new() };
        self.clients.insert(id, client);
    }

    /// Forgets a client and its interest in results.
    pub(crate) fn disconnect(&mut self, id: ClientId) {
        let Some(client) = self.clients.remove(&id) else { return };
        for request in client.requests {
            self.waiting.remove(&request);
        }
        self.barriers.retain(|(waiting, _)| *waiting != id);
        for (name, watched) in client.queries {
            self.unsubscribe(id, &name, watched.result);
        }
    }

    /// Ends every client's mailbox: the engine stops.
    pub(crate) fn close(&mut self) {
        for client in self.clients.values() {
            client.mailbox.close();
        }
    }

    fn unsubscribe(&mut self, client: ClientId, name: &Name, id: ResultId) {
        let heartbeats = self.heartbeats;
        let Some(result) = self.results.get_mut(id) else { return };
        result.subscribers.remove(client, name);
        if result.subscribers.is_empty() {
            self.idle.insert(id, heartbeats);
        }
    }

    /// Takes a name off a client whose result is gone.
    pub(super) fn forget(&mut self, client: ClientId, name: &Name) {
        if let Some(client) = self.clients.get_mut(&client) {
            client.queries.remove(name);
        }
    }

    pub(super) fn remove(&mut self, id: ClientId, names: &[Name]) {
        for name in names {
            let Some(client) = self.clients.get_mut(&id) else { return };
            if let Some(watched) = client.queries.remove(name) {
                self.unsubscribe(id, name, watched.result);
            }
        }
    }

    pub(super) fn add(&mut self, id: ClientId, request: u64, wanted: Vec<Wanted>) {
        if !self.clients.contains_key(&id) {
            return;
        }
        let parts = wanted.into_iter().map(|wanted| {
            self.remove(id, std::slice::from_ref(&wanted.name));
            let result = self.result_for(&wanted.ast).map_err(Arc::new);
            let mut name = wanted.name;
            if let Ok(result) = result {
                name = self.called(result, name);
                self.subscribe(id, Arc::clone(&name), result);
            }
            Part { name, since: wanted.since, result }
        });
        let parts: Vec<Part> = parts.collect();
        let waiting = self.next_waiting;
        self.next_waiting += 1;
        let mut missing = 0;
        for result in parts.iter().filter_map(|part| part.result.as_ref().ok()) {
            if self.results.get(*result).is_some_and(|result| !result.is_live()) {
                self.waiting_for.entry(*result).or_default().push(waiting);
                missing += 1;
            }
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.requests.push(waiting);
        }
        self.waiting.insert(waiting, Waiting { client: id, request, parts, missing });
        if missing == 0 {
            // Whoever comes back and needs no more than what it missed is answered at once; all others
            // when everything that waits for the engine was heard, so that a crowd does not keep them.
            if !self.is_torn && self.needs_only_steps(waiting) {
                self.answer(waiting);
            } else {
                self.answerable.push(waiting);
            }
        }
    }

    /// Answers those who asked since the last call and whose results are there.
    pub(crate) fn answer_asked(&mut self) {
        if !self.answerable.is_empty() {
            self.tell_what_waits();
        }
    }

    /// True when the rings lead from where the client left off to the present, in all its queries.
    fn needs_only_steps(&self, number: u64) -> bool {
        let Some(waiting) = self.waiting.get(&number) else { return false };
        waiting.parts.iter().all(|part| match (&part.result, part.since) {
            (Ok(id), Some(since)) => {
                let result = self.results.get(*id);
                result.is_some_and(|result| result.reaches(self.origin.node, self.version, since))
            }
            (Ok(_), None) | (Err(_), _) => false,
        })
    }

    /// Lets requests go on that wait for a result, which is live now or gone; with an error it cannot
    /// be had.
    pub(super) fn release(&mut self, id: ResultId, error: Option<&Arc<Error>>) {
        for number in self.waiting_for.remove(&id).unwrap_or_default() {
            let Some(waiting) = self.waiting.get_mut(&number) else { continue };
            if let Some(error) = error {
                let same = |part: &&mut Part| matches!(part.result, Ok(held) if held == id);
                for part in waiting.parts.iter_mut().filter(same) {
                    part.result = Err(Arc::clone(error));
                }
            }
            waiting.missing = waiting.missing.saturating_sub(1);
            if waiting.missing == 0 {
                self.answerable.push(number);
            }
        }
    }

    /// A client's name for a result, in the memory of somebody else's where there is one.
    fn called(&self, id: ResultId, name: Name) -> Name {
        let like = self.results.get(id).and_then(|result| result.subscribers.name_like(&name));
        like.map_or(name, Arc::clone)
    }

    fn subscribe(&mut self, id: ClientId, name: Name, result: ResultId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.queries.insert(Arc::clone(&name), Watched { result, is_answered: false });
        self.idle.remove(&result);
        if let Some(result) = self.results.get_mut(result) {
            result.subscribers.insert(id, name);
        }
    }

    pub(super) fn barrier(&mut self, id: ClientId, request: u64) {
        self.barriers.push((id, request));
    }

    /// Answers requests whose queries are all there.
    pub(super) fn answer_waiting(&mut self) {
        for id in std::mem::take(&mut self.went_live) {
            self.release(id, None);
        }
        for number in std::mem::take(&mut self.answerable) {
            let is_from_elsewhere = |cursor| self.is_from_elsewhere(cursor);
            if self.cursors_of(number).any(is_from_elsewhere) {
                self.returning.push(number);
            } else {
                self.answer(number);
            }
        }
    }

    /// Where the client of a request left off, in its queries.
    pub(super) fn cursors_of(&self, number: u64) -> impl Iterator<Item = Cursor> + use<'_> {
        let parts = self.waiting.get(&number).into_iter().flat_map(|waiting| &waiting.parts);
        parts.filter_map(|part| part.since)
    }

    pub(super) fn answer(&mut self, number: u64) {
        let Some(waiting) = self.waiting.remove(&number) else { return };
        let id = waiting.client;
        self.settle(id);
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.requests.retain(|held| *held != number);
        for part in &waiting.parts {
            if let (Ok(result), Some(watched)) = (&part.result, client.queries.get_mut(&part.name))
                && watched.result == *result
            {
                watched.is_answered = true;
            }
        }
        let parts = waiting.parts.into_iter();
        let answers = parts.map(|part| self.answer_part(part)).collect();
        let (request, version) = (waiting.request, self.version);
        self.tell(id, Event::Loaded { request, version, answers });
    }

    /// Answers barriers: a tick that began after them is over.
    pub(super) fn answer_barriers(&mut self) {
        for (id, request) in std::mem::take(&mut self.barriers) {
            self.settle(id);
            self.tell(id, Event::Reached { request, version: self.version });
        }
    }

    /// Tells a client, which then is at the present version.
    fn tell(&mut self, id: ClientId, event: Event) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.version = self.version;
            client.mailbox.push(event);
        }
    }

    fn answer_part(&mut self, part: Part) -> (Name, Answer) {
        let (origin, version) = (self.origin, self.version);
        let catchup = match (&part.result, part.since) {
            (Ok(id), Some(since)) => self.catchup(*id, since),
            (Ok(_), None) | (Err(_), _) => None,
        };
        let answer = match part.result {
            Err(error) => Answer::Failed(error),
            Ok(id) => match self.results.get_mut(id) {
                Some(result) => {
                    self.pictured.push(id);
                    let answer =
                        catchup.unwrap_or_else(|| result.answer(origin, version, part.since));
                    self.count(id, |counts| match answer {
                        Answer::Delta(..) | Answer::Catchup(_) => counts.ring_hits += 1,
                        Answer::Snapshot(_) | Answer::Failed(_) => counts.snapshots += 1,
                    });
                    answer
                }
                None => Answer::Failed(Arc::new(Error::invalid("the query was removed"))),
            },
        };
        (part.name, answer)
    }

    /// Leads a client that fell behind to the present: by the steps it missed while the rings have
    /// them, by snapshots otherwise.
    pub(super) fn settle(&mut self, id: ClientId) {
        let (origin, version) = (self.origin, self.version);
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some((from, dirty)) = client.mailbox.take_lag() else { return };
        client.version = version;
        let mailbox = Arc::clone(&client.mailbox);
        let moved: Vec<(Name, ResultId)> = dirty
            .into_iter()
            .filter_map(|name| {
                client.queries.get(&name).map(|watched| (Arc::clone(&name), watched.result))
            })
            .collect();
        let steps = self.missed(&moved, from);
        for (_, id) in &moved {
            self.count(*id, |counts| match steps {
                Some(_) => counts.ring_hits += 1,
                None => counts.snapshots += 1,
            });
        }
        if let Some(steps) = steps {
            mailbox.push(Event::Moved { from, to: version, steps });
            return;
        }
        let answers = moved.into_iter().filter_map(|(name, id)| {
            let result = self.results.get_mut(id)?;
            self.pictured.push(id);
            Some((name, Answer::Snapshot(result.snapshot(origin, version))))
        });
        mailbox.push(Event::Reset { version, answers: answers.collect() });
    }

    fn missed(&self, moved: &[(Name, ResultId)], from: Version) -> Option<Steps> {
        let mut steps = Vec::new();
        for (name, id) in moved {
            let since = self.results.get(*id)?.since(from)?;
            steps.extend(since.into_iter().map(|step| (Arc::clone(name), step)));
        }
        Some(steps.into())
    }
}
