//! One socket between its task and the couriers: who holds it, who is woken.
//!
//! **Invariant:** whatever the engine says is heard: by the courier it was rung for, or, where the
//! task holds the socket at that moment, by the task, which is woken and looks again.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tracing::Instrument;

use super::core::Link;
use super::core::Visitor;
use super::gauge::Gauge;
use super::pipe::End;
use super::pipe::Pipe;
use super::post::Address;
use super::post::Bag;
use super::post::Post;
use super::socket::Left;
use super::socket::Socket;
use super::sockets::Seat;
use crate::live::mailbox::Ear;
use crate::live::session::frame::Vsn;
use crate::telemetry;

/// How long a goodbye may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves one client until either side has enough; `read` is what was read of it already.
pub(super) fn run<S>(
    stream: S,
    read: &[u8],
    link: Link,
    visitor: Visitor,
    vsn: Vsn,
    seat: Seat,
) -> impl Future<Output = ()> + Send + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let span = tracing::info_span!(telemetry::SOCKET, socket = seat.number);
    let sockets = Arc::clone(&link.core.sockets);
    let pipe = Pipe::new(stream, read, link.core.limits.frame_bytes);
    let held = Line::new(pipe, link, visitor, vsn, seat);
    // The future holds these three and no more: an idle socket pays for all that it holds.
    async move {
        let served = AssertUnwindSafe(std::future::poll_fn(|cx| held.poll(cx))).catch_unwind();
        let end = served.instrument(span.clone()).await.unwrap_or_else(|_| {
            sockets.panicked();
            tracing::error!(parent: &span, "a session panicked");
            End::Close(1011, "internal")
        });
        tracing::debug!(parent: &span, ?end, "a socket ends");
        if let Some((pipe, _seat)) = held.take() {
            pipe.finish(end, FAREWELL).boxed().await;
        }
    }
}

/// One socket, held by turns; what every delivery waits for lies together.
#[repr(C)]
struct Line<S> {
    /// True while it stands in the queue of the post.
    is_rung: AtomicBool,
    /// A courier found that its session panics.
    has_panicked: AtomicBool,
    post: Arc<Post>,
    socket: Mutex<Option<Socket<S>>>,
    gauge: Arc<Gauge>,
}

impl<S> fmt::Debug for Line<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("gauge", &self.gauge).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Line<S> {
    fn new(pipe: Pipe<S>, link: Link, visitor: Visitor, vsn: Vsn, seat: Seat) -> Arc<Self> {
        let (gauge, post) = (Arc::clone(&seat.gauge), Arc::clone(&link.core.post));
        Arc::new_cyclic(|line: &Weak<Self>| {
            let ear = Weak::clone(line);
            let socket = Socket::new(pipe, link, visitor, vsn, seat, ear);
            Self {
                socket: Mutex::new(Some(socket)),
                gauge,
                post,
                is_rung: AtomicBool::new(false),
                has_panicked: AtomicBool::new(false),
            }
        })
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<End> {
        let mut held = self.socket.lock().expect("whoever panics ends the socket");
        assert!(!self.has_panicked.load(Ordering::Relaxed), "a session panicked under a courier");
        held.as_mut().expect("it is taken when it is over").poll(cx)
    }

    /// What is left when it is over.
    fn take(&self) -> Option<(Pipe<S>, Seat)> {
        let mut held = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        held.take().map(|Socket { pipe, seat, .. }| (pipe, seat))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Ear for Line<S> {
    fn ring(self: Arc<Self>) {
        if !self.is_rung.swap(true, Ordering::AcqRel) {
            self.post.send(Arc::clone(&self) as Arc<dyn Address>);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Address for Line<S> {
    fn visit(self: Arc<Self>, bag: &mut Bag) {
        // Before anything is looked at: what comes from now on rings again.
        self.is_rung.swap(false, Ordering::AcqRel);
        let Ok(mut held) = self.socket.try_lock() else {
            self.gauge.wake();
            return;
        };
        let Some(socket) = held.as_mut() else { return };
        let left = catch_unwind(AssertUnwindSafe(|| socket.deliver(bag)));
        drop(held);
        match left {
            Ok(Left::Nothing) => {}
            Ok(Left::More) => self.ring(),
            Ok(Left::Task) => self.gauge.wake(),
            Err(_) => {
                self.has_panicked.store(true, Ordering::Relaxed);
                self.gauge.wake();
            }
        }
    }
}
