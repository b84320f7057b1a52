//! Mutations of a channel: run elsewhere, answered when the client has seen what they did.
//!
//! **Invariant:** the reply follows the diff of the mutation's own commit: the engine is asked to
//! say when everything committed until then was heard, and says so in order.

use std::sync::Arc;

use super::Command;
use super::Mutation;
use super::Outcome;
use super::Output;
use super::channel::Channel;
use super::channel::Fate;
use super::channel::Room;
use super::encode::Object;
use super::encode::value;
use super::refusal::Refusal;
use super::request::Mutate;
use super::said::Said;
use super::text::Text;
use super::voice::Voice;
use crate::live::mailbox::Move;
use crate::live::mailbox::Steps;
use crate::live::step::Version;
use crate::value::Json;

/// One mutation on its way.
#[derive(Debug)]
pub(super) struct Call {
    reference: Json,
    /// What it returned, once it has.
    result: Option<Arc<str>>,
}

impl Channel {
    pub(super) fn mutate(
        &mut self,
        voice: &mut Voice,
        room: &mut Room<'_>,
        reference: &Json,
        mutate: Mutate,
    ) -> Result<(), Refusal> {
        room.bucket.take(room.now).map_err(|after| {
            Refusal::new("rate_limited", "too many mutations in a second").retry_after(after)
        })?;
        let Mutate { id, name, args } = mutate;
        let once = id.and_then(|id| {
            // An id of nobody's could be anybody's.
            let client = self.client.clone().or_else(|| Some(id.rsplit_once(':')?.0.to_owned()))?;
            (!client.is_empty()).then_some((client, id))
        });
        let call = self.next_request();
        self.calls.insert(call, Call { reference: reference.clone(), result: None });
        let mutation = Mutation { once, name, args };
        voice.ask(Output::Mutate { channel: self.id, call, mutation });
        Ok(())
    }

    /// A mutation is over.
    pub(super) fn mutated(
        &mut self,
        voice: &mut Voice,
        number: u64,
        outcome: Outcome<Arc<str>>,
    ) -> Fate {
        let Some(call) = self.calls.get_mut(&number) else { return Fate::Lives };
        match outcome {
            Outcome::Done(result) => {
                call.result = Some(result);
                voice.ask(Output::Engine(self.id, Command::Barrier(number)));
            }
            Outcome::Refused(refusal) => {
                let reference = std::mem::take(&mut call.reference);
                self.calls.remove(&number);
                voice.refuse(self.to(&reference), &refusal);
            }
            Outcome::Panicked => return self.crash(voice),
        }
        Fate::Lives
    }

    /// The client has heard everything that was committed when a mutation was over.
    pub(super) fn reached(&mut self, voice: &mut Voice, number: u64, version: Version) {
        let Some(call) = self.calls.remove(&number) else {
            self.frontier(voice, version);
            return;
        };
        self.frontier(voice, version);
        let result = call.result.as_deref().unwrap_or("null");
        voice.reply(self.to(&call.reference), "ok", |out| {
            let mut response = Object::open(out);
            value(version, response.key("v").own());
            response.key("result").push_str(result);
            response.close();
        });
    }

    /// Tells the client of a version at which nothing of its own changed, so that it can wait for
    /// the version of a mutation that touched none of its queries.
    fn frontier(&mut self, voice: &mut Voice, version: Version) {
        if self.at < version {
            let mut out = Text::default();
            let moved = Move { from: self.at, to: version, steps: Steps::default() };
            self.moved(voice.vsn, &moved, &mut Said::default(), &mut out);
            voice.ask(Output::Send(out));
        }
    }
}
