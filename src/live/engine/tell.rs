//! What a tick has changed is told: one event for each client, with all that moved of its own.
//!
//! Thousands may look at one result, so what is done for each of them is kept to a push of what all of
//! them share.

use std::sync::Arc;

use super::super::client::ClientId;
use super::super::mailbox::Name;
use super::super::mailbox::Steps;
use super::super::router::ResultId;
use super::super::step::Step;
use super::Engine;

/// Whom to tell, the client's name for the result, and how it moved.
pub(super) type Told<'a> = (ClientId, &'a Name, &'a Arc<Step>);

/// The steps of one client: those of the last one, where they are the same.
pub(super) fn shared(told: &[Told<'_>], last: &mut Option<Steps>) -> Steps {
    let is_same = |((name, step), (_, told, moved)): (&(Name, Arc<Step>), &Told<'_>)| {
        Arc::ptr_eq(name, told) && Arc::ptr_eq(step, moved)
    };
    if let Some(last) = last
        && last.len() == told.len()
        && last.iter().zip(told).all(is_same)
    {
        return Arc::clone(last);
    }
    let own = told.iter().map(|(_, name, step)| (Arc::clone(name), Arc::clone(step)));
    Arc::clone(last.insert(own.collect()))
}

impl Engine {
    /// The tick is over, and everything asked was answered: tells everybody.
    pub(crate) fn finish(&mut self) {
        self.is_unsure = false;
        self.has_activated = false;
        self.origin = self.next_origin;
        let changed = std::mem::take(&mut self.changed);
        let moved = self.steps(changed);
        if !moved.is_empty() {
            self.version += 1;
            self.tell_moved(&moved);
        }
        self.is_torn = false;
        for client in std::mem::take(&mut self.behind) {
            self.settle(client);
        }
        self.answer_returned();
        self.tell_what_waits();
        self.answer_barriers();
    }

    /// Makes the steps to the next version.
    fn steps(&mut self, changed: impl IntoIterator<Item = ResultId>) -> Vec<(ResultId, Arc<Step>)> {
        let (origin, version) = (self.origin, self.version + 1);
        let mut steps = Vec::new();
        for id in changed {
            let Some(result) = self.results.get_mut(id) else { continue };
            let Some(step) = result.step(origin, version) else { continue };
            self.steps.push_back((self.heartbeats, id, version));
            let (operations, subscribers) =
                (step.ops.len() as u64, result.subscribers.len() as u64);
            self.count(id, |counts| {
                counts.steps += 1;
                counts.operations += operations;
                counts.deliveries += subscribers;
            });
            steps.push((id, step));
        }
        steps
    }

    fn tell_moved(&mut self, moved: &[(ResultId, Arc<Step>)]) {
        let mut told: Vec<Told<'_>> = Vec::new();
        for (id, step) in moved {
            let Some(result) = self.results.get(*id) else { continue };
            told.extend(result.subscribers.iter().map(|(client, name)| (*client, name, step)));
        }
        // Subscribers of a result come in order for the most part, which sorts in no time.
        told.sort_by_key(|(client, ..)| *client);
        let mut last = None;
        for told in told.chunk_by(|(left, ..), (right, ..)| left == right) {
            if let Some(client) = self.clients.get_mut(&told[0].0) {
                client.moved(self.version, told, &mut last);
            }
        }
    }
}
