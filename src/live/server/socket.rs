//! What is behind one socket: a [`Session`] that is fed, and what it says, done.
//!
//! Two hold it by turns. The socket's own task sees to whatever can happen; a courier, who goes from
//! socket to socket, delivers diffs and nothing else. Either does what it can at once and waits for
//! nothing.
//!
//! **Invariant:** reading never waits for writing; the engine is heard only when the client has
//! taken what was sent before, so a slow client fills its own mailbox and nobody's memory.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::Weak;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use futures::FutureExt;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::clients::Clients;
use super::core::Link;
use super::core::Visitor;
use super::gauge::Order;
use super::pipe::End;
use super::pipe::Pipe;
use super::pipe::Turn;
use super::post::Bag;
use super::sockets::Seat;
use super::sockets::Sent;
use super::work::Work;
use crate::live::mailbox::Ear;
use crate::live::mailbox::Event;
use crate::live::mailbox::Name;
use crate::live::mailbox::Waits;
use crate::live::session::ChannelId;
use crate::live::session::Command;
use crate::live::session::Input;
use crate::live::session::Outcome;
use crate::live::session::Output;
use crate::live::session::Session;
use crate::live::session::frame::Vsn;
use crate::query::ast::Ast;

/// How many events of the engine are written in one go, and how many bytes; after either the client
/// must have taken them before there are more.
const BURST: (usize, usize) = (32, 64 * 1024);

/// How much may happen before other tasks have their turn.
const ROUNDS: usize = 64;

/// What handlers end with.
enum Done {
    Resolved { channel: ChannelId, load: u64, name: Name, outcome: Outcome<Ast> },
    Mutated { channel: ChannelId, call: u64, outcome: Outcome<Arc<str>> },
}

/// Everything behind one socket; first what every delivery looks at.
#[repr(C)]
pub(super) struct Socket<S> {
    clients: Clients,
    session: Session,
    pub(super) pipe: Pipe<S>,
    pub(super) seat: Seat,
    link: Link,
    visitor: Visitor,
    /// Handlers that run; they end with the socket, but for mutations, which it only waits for.
    work: Work<Done>,
    began: Instant,
    /// When it wants to look at the clock.
    due: Instant,
}

/// What is left after a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing to be done now.
    Nothing,
    /// More to be delivered.
    More,
    /// Something that is not plain delivery.
    Task,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn new(
        pipe: Pipe<S>,
        link: Link,
        visitor: Visitor,
        vsn: Vsn,
        seat: Seat,
        ear: Weak<dyn Ear>,
    ) -> Self {
        let label = format!("{:x}.{:x}", link.core.node, seat.number).into();
        let began = Instant::now();
        Self {
            session: Session::new(vsn, link.core.limits, label),
            clients: Clients::new(link.core.live.clone(), ear),
            work: Work::default(),
            began,
            due: began,
            pipe,
            seat,
            link,
            visitor,
        }
    }

    /// Does all that can be done now, as the socket's own task; ready when it is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.seat.gauge.register(cx);
        for _ in 0..ROUNDS {
            match self.poll_once(cx) {
                Poll::Ready(ControlFlow::Continue(())) => {}
                Poll::Ready(ControlFlow::Break(end)) => return Poll::Ready(end),
                Poll::Pending => {
                    self.note();
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        self.note();
        Poll::Pending
    }

    /// Delivers what the engine said, as a courier.
    pub(super) fn deliver(&mut self, bag: &mut Bag) -> Left {
        if !self.pipe.is_drained() {
            // The task waits for the stream, and hears the engine when there is room.
            return Left::Nothing;
        }
        let (events, bytes) = BURST;
        let mut left = Left::More;
        self.pipe.lend(&mut bag.frames);
        for _ in 0..events {
            match self.clients.take_move() {
                Ok((channel, moved)) => {
                    bag.text.clear();
                    self.session.moved(channel, &moved, &mut bag.said, &mut bag.text);
                    if 0 < bag.text.len() {
                        self.pipe.push(&bag.text);
                    }
                }
                Err(waits) => {
                    left = match waits {
                        Waits::Nothing => Left::Nothing,
                        Waits::Other => Left::Task,
                    };
                    break;
                }
            }
            if bytes < self.pipe.waiting() {
                break;
            }
        }
        let written = self.pipe.poll_write(&mut Context::from_waker(Waker::noop()));
        self.pipe.give_back(&mut bag.frames);
        let Sent { frames, bytes } = self.pipe.take_sent();
        bag.sent.frames += frames;
        bag.sent.bytes += bytes;
        match written {
            Poll::Ready(Turn::Ended(_)) => Left::Task,
            // What is left must be waited for, which the task does.
            Poll::Pending if !self.pipe.is_drained() => Left::Task,
            Poll::Pending | Poll::Ready(_) => left,
        }
    }

    /// Does one thing.
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<ControlFlow<End>> {
        if let Poll::Ready(Turn::Ended(end)) = self.pipe.poll_write(cx) {
            return Poll::Ready(ControlFlow::Break(end));
        }
        match self.seat.gauge.order() {
            None => {}
            // Official clients come back at once after 1012, and stay away after 1000.
            Some(Order::Restart) => return close(1012, "the server restarts"),
            Some(Order::Shed) => return self.give_up(),
        }
        if self.link.core.limits.socket_bytes < self.pipe.waiting() {
            return self.give_up();
        }
        if self.due <= Instant::now() {
            return self.look_at_the_clock();
        }
        if self.pipe.is_drained()
            && let Some((channel, event)) = self.clients.hear()
        {
            return Poll::Ready(self.hear(channel, event));
        }
        if let Poll::Ready(channel) = self.clients.poll_tell(cx) {
            return Poll::Ready(self.happen(Input::Heard(channel, Event::Closed)));
        }
        if let Poll::Ready(done) = self.work.poll_next(cx) {
            return Poll::Ready(self.done(done));
        }
        if !self.clients.is_behind()
            && let Poll::Ready(turn) = self.pipe.poll_read(cx)
        {
            return Poll::Ready(self.turn(turn));
        }
        // Reading may have answered a ping.
        if self.pipe.is_drained() || self.pipe.stuck_since().is_some() {
            Poll::Pending
        } else {
            Poll::Ready(ControlFlow::Continue(()))
        }
    }

    fn give_up(&self) -> Poll<ControlFlow<End>> {
        self.link.core.sockets.gave_up();
        close(1013, "too slow")
    }

    /// Says when to be woken: the client may be silent for so long, or take nothing.
    fn note(&mut self) {
        self.seat.sent(self.pipe.take_sent());
        // An idle socket keeps no buffer.
        self.pipe.give_back(&mut Vec::new());
        let idle = self.began + self.session.deadline();
        let stuck = self.pipe.stuck_since();
        let stalled = stuck.map(|since| since + self.link.core.limits.stalled);
        self.due = stalled.map_or(idle, |stalled| stalled.min(idle));
        self.seat.note(self.pipe.waiting(), stuck, self.due);
    }

    fn look_at_the_clock(&mut self) -> Poll<ControlFlow<End>> {
        let stalled = self.link.core.limits.stalled;
        if self.pipe.stuck_since().is_some_and(|since| stalled <= since.elapsed()) {
            return self.give_up();
        }
        let looked = self.happen(Input::Time);
        self.note();
        Poll::Ready(looked)
    }

    fn turn(&mut self, turn: Turn) -> ControlFlow<End> {
        match turn {
            Turn::Text(text) => {
                self.session.note(self.link.core.live.progress());
                self.happen(Input::Text(&text))
            }
            Turn::Binary(bytes) => self.happen(Input::Binary(&bytes)),
            Turn::Touched => self.happen(Input::Touched),
            Turn::Drained => ControlFlow::Continue(()),
            Turn::Ended(end) => ControlFlow::Break(end),
        }
    }

    fn done(&mut self, done: Done) -> ControlFlow<End> {
        match done {
            Done::Resolved { channel, load, name, outcome } => {
                self.happen(Input::Resolved { channel, load, name, outcome })
            }
            Done::Mutated { channel, call, outcome } => {
                self.happen(Input::Mutated { channel, call, outcome })
            }
        }
    }

    /// Hears one event, and those that wait behind it, so that they make one write.
    fn hear(&mut self, channel: ChannelId, event: Event) -> ControlFlow<End> {
        self.happen(Input::Heard(channel, event))?;
        let (events, bytes) = BURST;
        for _ in 1..events {
            if bytes < self.pipe.waiting() {
                break;
            }
            let Some((channel, event)) = self.clients.hear() else { break };
            self.happen(Input::Heard(channel, event))?;
        }
        ControlFlow::Continue(())
    }

    /// Tells the session, and does what it says.
    fn happen(&mut self, input: Input<'_>) -> ControlFlow<End> {
        for output in self.session.handle(self.began.elapsed(), input) {
            match output {
                Output::Send(text) => self.pipe.push(&text),
                Output::Close(code, reason) => {
                    return ControlFlow::Break(End::Close(code, reason));
                }
                Output::Engine(channel, command) => {
                    if matches!(command, Command::Close) {
                        self.work.drop_all(channel);
                    }
                    self.clients.tell(channel, command);
                }
                Output::Resolve { channel, load, name, query, args } => {
                    let asked = self.link.ask(&self.visitor, &query, args);
                    let done =
                        asked.map(move |outcome| Done::Resolved { channel, load, name, outcome });
                    self.work.start(channel, done.boxed());
                }
                Output::Mutate { channel, call, mutation } => {
                    let ended = self.link.mutate(&self.visitor, mutation);
                    let done = ended.map(move |outcome| Done::Mutated { channel, call, outcome });
                    self.work.start(channel, done.boxed());
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn close(code: u16, reason: &'static str) -> Poll<ControlFlow<End>> {
    Poll::Ready(ControlFlow::Break(End::Close(code, reason)))
}
