//! What can happen to a session, and what it can want: two closed lists.

use std::sync::Arc;

use bytes::Bytes;

use super::refusal::Refusal;
use super::text::Text;
use crate::live::client::Wanted;
use crate::live::mailbox::Event;
use crate::live::mailbox::Name;
use crate::query::ast::Ast;
use crate::value::Json;

/// A session's number for one join.
pub(crate) type ChannelId = u64;

/// Everything that can happen to a session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The client sent a text message.
    Text(&'a str),
    /// The client sent a binary message.
    Binary(&'a Bytes),
    /// The client gave a sign of life: a ping or a pong.
    Touched,
    /// A handler answered what a query asks.
    Resolved { channel: ChannelId, load: u64, name: Name, outcome: Outcome<Ast> },
    /// A mutation is over; its result is JSON.
    Mutated { channel: ChannelId, call: u64, outcome: Outcome<Arc<str>> },
    /// The engine says something to a channel.
    Heard(ChannelId, Event),
    /// Time passed.
    Time,
}

/// How a handler ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome<T> {
    /// As it should.
    Done(T),
    /// With a no.
    Refused(Refusal),
    /// Not at all.
    Panicked,
}

/// Everything a session wants done, in order.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send this text to the client.
    Send(Text),
    /// Close the socket; nothing follows.
    Close(u16, &'static str),
    /// Ask a handler what a query asks.
    Resolve { channel: ChannelId, load: u64, name: Name, query: String, args: Json },
    /// Run a mutation.
    Mutate { channel: ChannelId, call: u64, mutation: Mutation },
    /// Ask the engine.
    Engine(ChannelId, Command),
}

/// A mutation as a client sent it.
#[derive(Debug)]
pub(crate) struct Mutation {
    /// What the client calls itself, and this mutation; whoever has no name cannot send it twice.
    pub(crate) once: Option<(String, String)>,
    /// The name under which the server has it.
    pub(crate) name: String,
    /// Its parameters.
    pub(crate) args: Json,
}

/// What a channel asks of its set of live queries.
#[derive(Debug)]
pub(crate) enum Command {
    /// Make the set; it comes first.
    Open,
    /// More queries.
    Add(u64, Vec<Wanted>),
    /// Fewer queries.
    Remove(Vec<Name>),
    /// Say when everything committed until now was heard.
    Barrier(u64),
    /// End the set; nothing follows.
    Close,
}
