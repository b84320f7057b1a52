//! The server as one function from request to response, for programs that have a web server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::Response;

use super::core::Core;
use super::core::Link;
use super::tasks::Tasks;

/// A server that answers the requests it is given; a clone is another handle to the same one.
///
/// When the last handle is dropped its sockets end at once; [`Handler::shutdown`] ends them in good
/// manner.
///
/// # Examples
///
/// In a router of axum:
///
/// ```no_run
/// # async fn example(live: recto::live::Live) {
/// use axum::extract::Request;
/// use axum::routing::any;
/// use recto::live::server::Server;
///
/// let handler = Server::new(live).path("/socket").into_handler();
/// let app: axum::Router = axum::Router::new().route(
///     "/socket/websocket",
///     any(move |request: Request| {
///         let handler = handler.clone();
///         async move { handler.handle(request).await }
///     }),
/// );
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Handler {
    pub(super) core: Arc<Core>,
    pub(super) tasks: Arc<Tasks>,
}

/// What a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many sockets are open.
    pub sockets: usize,
    /// How often a session or `authenticate` panicked since the start. Panics of other handlers end
    /// a channel, and are not counted here.
    pub panics: u64,
    /// How many messages were sent since the start.
    pub sent_frames: u64,
    /// How many bytes clients took since the start.
    pub sent_bytes: u64,
    /// How many bytes wait for clients to take them.
    pub waiting_bytes: usize,
    /// How many clients were given up with 1013 since the start, because they took nothing for too
    /// long or too much waited for them.
    pub slow: u64,
    /// How many of these because too much waited for all clients together.
    pub shed: u64,
}

impl Handler {
    pub(super) fn new(core: Core) -> Self {
        Self { core: Arc::new(core), tasks: Arc::default() }
    }

    /// What tasks hold of it.
    pub(super) fn link(&self) -> Link {
        Link { core: Arc::clone(&self.core), tasks: Arc::downgrade(&self.tasks) }
    }

    /// Answers one request: a WebSocket below the server's path, one of its assets, or 404.
    ///
    /// The connection must allow upgrades, as those of hyper (`with_upgrades`) and axum do. Put a
    /// `SocketAddr` into the extensions of the request to let `authenticate` see the peer.
    ///
    /// # Cancellation
    ///
    /// Dropping the future refuses the request; a socket that was opened stays.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>> {
        self.link().answer(request).await
    }

    /// What the server is doing.
    pub fn stats(&self) -> Stats {
        self.core.sockets.stats()
    }

    /// Refuses new sockets, asks all others to close with 1012, some at a time, and waits for them
    /// and for mutations under way; what is left after [`Limits::drain`](super::Limits::drain) and a
    /// few seconds is ended.
    pub async fn shutdown(&self) {
        let limits = self.core.limits;
        self.core.sockets.drain(limits.drain_batch, limits.drain_pause, limits.drain).await;
        self.tasks.finish(PATIENCE).await;
    }
}

/// How long sockets may say goodbye and mutations may end after all were asked to.
const PATIENCE: Duration = Duration::from_secs(5);
