//! Clients come, ask, fall behind, and go.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

use super::super::client::ClientId;
use super::super::client::Wanted;
use super::super::mailbox::Event;
use super::super::mailbox::Mailbox;
use super::super::mailbox::Name;
use super::super::result::LiveResult;
use super::super::router::ResultId;
use super::super::step::Answer;
use super::super::step::Cursor;
use super::super::step::Step;
use super::super::step::Version;
use super::Engine;
use crate::error::Error;

/// One client and what it watches.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) queries: HashMap<Name, ResultId>,
    /// The version it was last told about.
    pub(super) version: Version,
}

/// A request that is answered later.
#[derive(Debug)]
pub(super) struct Waiting {
    client: ClientId,
    request: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// For results to be live.
    Queries(Vec<Part>),
    /// For a tick that began after the request.
    Barrier,
}

/// One query of a request.
#[derive(Debug)]
struct Part {
    name: Name,
    since: Option<Cursor>,
    result: Result<ResultId, Arc<Error>>,
}

impl Waiting {
    pub(super) fn is_barrier(&self) -> bool {
        matches!(self.what, What::Barrier)
    }

    /// Notes that a result it waits for cannot be had.
    pub(super) fn fail(&mut self, id: ResultId, error: &Arc<Error>) {
        let What::Queries(parts) = &mut self.what else { return };
        for part in parts.iter_mut().filter(|part| matches!(part.result, Ok(held) if held == id)) {
            part.result = Err(Arc::clone(error));
        }
    }
}

impl Engine {
    pub(super) fn connect(&mut self, id: ClientId, mailbox: Arc<Mailbox>) {
        let client = Client { mailbox, queries: HashMap::new(), version: self.version };
        self.clients.insert(id, client);
    }

    /// Forgets a client and its interest in results.
    pub(crate) fn disconnect(&mut self, id: ClientId) {
        let Some(client) = self.clients.remove(&id) else { return };
        self.waiting.retain(|waiting| waiting.client != id);
        for (name, result) in client.queries {
            self.unsubscribe(id, &name, result);
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
        let Some(result) = self.results.get_mut(&id) else { return };
        let who = |(held, called): &(ClientId, Name)| *held == client && called == name;
        if let Some(place) = result.subscribers.iter().position(who) {
            result.subscribers.swap_remove(place);
        }
        if result.subscribers.is_empty() {
            result.idle_since = Some(heartbeats);
            self.idle.insert(id);
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
            if let Some(result) = client.queries.remove(name) {
                self.unsubscribe(id, name, result);
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
            if let Ok(result) = result {
                self.subscribe(id, Arc::clone(&wanted.name), result);
            }
            Part { name: wanted.name, since: wanted.since, result }
        });
        let parts = parts.collect();
        self.waiting.push(Waiting { client: id, request, what: What::Queries(parts) });
        self.tell_what_waits();
    }

    fn subscribe(&mut self, id: ClientId, name: Name, result: ResultId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.queries.insert(Arc::clone(&name), result);
        self.idle.remove(&result);
        if let Some(result) = self.results.get_mut(&result) {
            result.idle_since = None;
            result.subscribers.push((id, name));
        }
    }

    pub(super) fn barrier(&mut self, id: ClientId, request: u64) {
        self.waiting.push(Waiting { client: id, request, what: What::Barrier });
    }

    /// Answers requests whose queries are all there.
    pub(super) fn answer_waiting(&mut self) {
        self.answer(|engine, waiting| match &waiting.what {
            What::Barrier => false,
            What::Queries(parts) => parts.iter().all(|part| match part.result {
                Ok(id) => engine.results.get(&id).is_none_or(LiveResult::is_live),
                Err(_) => true,
            }),
        });
    }

    /// The queries whose requests were not answered yet; they start with the answer.
    pub(super) fn unanswered(&self) -> HashSet<(ClientId, Name)> {
        let parts = self.waiting.iter().flat_map(|waiting| match &waiting.what {
            What::Queries(parts) => parts.iter().map(|part| (waiting.client, &part.name)).collect(),
            What::Barrier => Vec::new(),
        });
        parts.map(|(client, name)| (client, Arc::clone(name))).collect()
    }

    /// Answers barriers: a tick that began after them is over.
    pub(super) fn answer_barriers(&mut self) {
        self.answer(|_, waiting| waiting.is_barrier());
    }

    fn answer(&mut self, is_ready: impl Fn(&Self, &Waiting) -> bool) {
        let waiting = std::mem::take(&mut self.waiting);
        let (ready, still): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|waiting| is_ready(self, waiting));
        self.waiting = still;
        for Waiting { client, request, what } in ready {
            self.settle(client);
            let version = self.version;
            let event = match what {
                What::Barrier => Event::Reached { request, version },
                What::Queries(parts) => {
                    let answers = parts.into_iter().map(|part| self.answer_part(part)).collect();
                    Event::Loaded { request, version, answers }
                }
            };
            if let Some(client) = self.clients.get_mut(&client) {
                client.version = version;
                client.mailbox.push(event);
            }
        }
    }

    fn answer_part(&mut self, part: Part) -> (Name, Answer) {
        let (node, version) = (self.node, self.version);
        let answer = match part.result {
            Err(error) => Answer::Failed(error),
            Ok(id) => match self.results.get_mut(&id) {
                Some(result) => result.answer(node, version, part.since),
                None => Answer::Failed(Arc::new(Error::invalid("the query was removed"))),
            },
        };
        (part.name, answer)
    }

    /// Leads a client that fell behind to the present: by the steps it missed while the rings have
    /// them, by snapshots otherwise.
    pub(super) fn settle(&mut self, id: ClientId) {
        let (node, version) = (self.node, self.version);
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some((from, dirty)) = client.mailbox.take_lag() else { return };
        client.version = version;
        let mailbox = Arc::clone(&client.mailbox);
        let moved: Vec<(Name, ResultId)> = dirty
            .into_iter()
            .filter_map(|name| client.queries.get(&name).map(|&result| (Arc::clone(&name), result)))
            .collect();
        if let Some(steps) = self.missed(&moved, from) {
            mailbox.push(Event::Moved { from, to: version, steps });
            return;
        }
        let answers = moved.into_iter().filter_map(|(name, id)| {
            let result = self.results.get_mut(&id)?;
            Some((name, Answer::Snapshot(result.snapshot(node, version))))
        });
        mailbox.push(Event::Reset { version, answers: answers.collect() });
    }

    fn missed(&self, moved: &[(Name, ResultId)], from: Version) -> Option<Vec<(Name, Arc<Step>)>> {
        let mut steps = Vec::new();
        for (name, id) in moved {
            let since = self.results.get(id)?.since(from)?;
            steps.extend(since.into_iter().map(|step| (Arc::clone(name), step)));
        }
        Some(steps)
    }
}
