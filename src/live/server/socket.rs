//! The one loop: a task per socket that feeds a [`Session`] and does what it says.
//!
//! **Invariant:** reading never waits for writing; the engine is heard only when the client has
//! taken what was sent before, so a slow client fills its own mailbox and nobody's memory.

use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use tracing::Instrument;

use super::clients::Clients;
use super::core::Link;
use super::core::Visitor;
use super::pipe::End;
use super::pipe::Pipe;
use super::pipe::Turn;
use super::sockets::Seat;
use super::work::Work;
use crate::live::mailbox::Event;
use crate::live::mailbox::Name;
use crate::live::session::ChannelId;
use crate::live::session::Command;
use crate::live::session::Input;
use crate::live::session::Outcome;
use crate::live::session::Output;
use crate::live::session::Session;
use crate::live::session::frame::Vsn;
use crate::query::ast::Ast;
use crate::telemetry;

/// How long a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// How many events of the engine are written in one go, and how many bytes; after either the client
/// must have taken them before there are more.
const BURST: (usize, usize) = (32, 64 * 1024);

/// Serves one client until either side has enough.
pub(super) async fn run<S>(stream: S, link: Link, visitor: Visitor, vsn: Vsn, seat: Seat)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut pipe = Pipe::new(stream, link.core.limits.frame_bytes).await;
    let span = tracing::info_span!(telemetry::SOCKET, socket = seat.number);
    let sockets = Arc::clone(&link.core.sockets);
    let socket = Socket::new(link, visitor, vsn, seat.number);
    let served = AssertUnwindSafe(socket.serve(&mut pipe, &seat)).catch_unwind();
    let end = served.instrument(span.clone()).await.unwrap_or_else(|_| {
        sockets.panicked();
        tracing::error!(parent: &span, "a session panicked");
        End::Close(1011, "internal")
    });
    tracing::debug!(parent: &span, ?end, "a socket ends");
    pipe.finish(end, FAREWELL).await;
}

/// What handlers end with.
enum Done {
    Resolved { channel: ChannelId, load: u64, name: Name, outcome: Outcome<Ast> },
    Mutated { channel: ChannelId, call: u64, outcome: Outcome<Arc<str>> },
}

/// Everything that wakes the loop.
enum Wake {
    Turn(Turn),
    Heard(ChannelId, Event),
    Done(Done),
    Time,
    AskedToClose,
}

struct Socket {
    link: Link,
    visitor: Visitor,
    session: Session,
    clients: Clients,
    /// Handlers that run; they end with the socket, but for mutations, which it only waits for.
    work: Work<Done>,
    began: Instant,
}

impl Socket {
    fn new(link: Link, visitor: Visitor, vsn: Vsn, number: u64) -> Self {
        let label = format!("{:x}.{number:x}", link.core.node).into();
        Self {
            session: Session::new(vsn, link.core.limits, label),
            clients: Clients::new(link.core.live.clone()),
            work: Work::default(),
            began: Instant::now(),
            link,
            visitor,
        }
    }

    async fn serve<S>(mut self, pipe: &mut Pipe<S>, seat: &Seat) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut timer = pin!(tokio::time::sleep_until(self.deadline(pipe)));
        let mut asked_to_close = pin!(seat.asked_to_close());
        loop {
            // Most of the time the client takes everything at once, and this is all there is to it.
            pipe.write().await;
            // A deadline that moves away is left to ring once in vain: cheaper than moving the timer
            // at every message.
            let deadline = self.deadline(pipe);
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            let (is_drained, is_heard) = (pipe.is_drained(), !self.clients.is_behind());
            let wake = tokio::select! {
                turn = pipe.turn(is_heard) => Wake::Turn(turn),
                (channel, event) = self.clients.next(is_drained) => Wake::Heard(channel, event),
                done = self.work.next() => Wake::Done(done),
                () = &mut timer => Wake::Time,
                () = &mut asked_to_close => Wake::AskedToClose,
            };
            if let ControlFlow::Break(end) = self.step(pipe, wake) {
                return end;
            }
        }
    }

    /// When to look at the clock next: the client may be silent for so long, or take nothing.
    fn deadline<S>(&self, pipe: &Pipe<S>) -> Instant
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let idle = self.began + self.session.deadline();
        match pipe.stuck_since() {
            Some(since) => idle.min(since + self.link.core.limits.stalled),
            None => idle,
        }
    }

    fn step<S>(&mut self, pipe: &mut Pipe<S>, wake: Wake) -> ControlFlow<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match wake {
            Wake::Turn(Turn::Text(text)) => self.happen(pipe, Input::Text(&text)),
            Wake::Turn(Turn::Binary(bytes)) => self.happen(pipe, Input::Binary(&bytes)),
            Wake::Turn(Turn::Touched) => self.happen(pipe, Input::Touched),
            Wake::Turn(Turn::Drained) => ControlFlow::Continue(()),
            Wake::Turn(Turn::Ended(end)) => ControlFlow::Break(end),
            Wake::Done(Done::Resolved { channel, load, name, outcome }) => {
                self.happen(pipe, Input::Resolved { channel, load, name, outcome })
            }
            Wake::Done(Done::Mutated { channel, call, outcome }) => {
                self.happen(pipe, Input::Mutated { channel, call, outcome })
            }
            Wake::Heard(channel, event) => self.hear(pipe, channel, event),
            Wake::Time => self.look_at_the_clock(pipe),
            // Official clients come back at once after 1012, and stay away after 1000.
            Wake::AskedToClose => ControlFlow::Break(End::Close(1012, "the server restarts")),
        }
    }

    /// Hears one event, and those that wait behind it, so that they make one write.
    fn hear<S>(&mut self, pipe: &mut Pipe<S>, channel: ChannelId, event: Event) -> ControlFlow<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.happen(pipe, Input::Heard(channel, event))?;
        let (events, bytes) = BURST;
        for _ in 1..events {
            if bytes < pipe.waiting() {
                break;
            }
            let Some((channel, event)) = self.clients.next_ready() else { break };
            self.happen(pipe, Input::Heard(channel, event))?;
        }
        ControlFlow::Continue(())
    }

    fn look_at_the_clock<S>(&mut self, pipe: &mut Pipe<S>) -> ControlFlow<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stalled = self.link.core.limits.stalled;
        if pipe.stuck_since().is_some_and(|since| stalled <= since.elapsed()) {
            return ControlFlow::Break(End::Close(1013, "too slow"));
        }
        self.happen(pipe, Input::Time)
    }

    /// Tells the session, and does what it says.
    fn happen<S>(&mut self, pipe: &mut Pipe<S>, input: Input<'_>) -> ControlFlow<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        for output in self.session.handle(self.began.elapsed(), input) {
            match output {
                Output::Send(text) => pipe.push(text),
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
