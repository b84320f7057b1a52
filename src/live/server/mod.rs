//! Live queries and mutations over a WebSocket, for every client that speaks Phoenix Channels.
//!
//! A client joins the topic `live:<anything>` with a set of queries by name, gets their rows, and
//! from then on one message for each committed change that touches any of them: it goes from one
//! committed state to a later one, whole. Mutations are answered after the diff they caused.
//!
//! The server refuses to know what queries mean and who users are: handlers say so.
//!
//! - **Invariant:** memory per client is bounded, however slow it is and whatever it sends
//!   ([`Limits`]).
//! - **Invariant:** a handler that panics ends one channel; a session that panics ends one socket.
//! - **Invariant:** no task outlives the [`Running`] or the last [`Handler`] that started it.
//! - **Invariant:** the server never closes a socket with 1000, which tells clients to stay away.

mod args;
mod asset;
mod clients;
mod connect;
mod core;
mod gauge;
mod handler;
mod handlers;
mod inspector;
mod line;
mod mutations;
mod origins;
mod outlet;
mod pipe;
mod post;
mod query_string;
mod reply;
mod running;
mod socket;
mod sockets;
mod tasks;
mod upgrade;
mod work;

use std::any::Any;
use std::fmt;
use std::hash::BuildHasher;
use std::hash::RandomState;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::net::ToSocketAddrs;

pub use self::connect::ConnectRequest;
use self::core::Core;
pub use self::handler::{Handler, Stats};
use self::handlers::Handlers;
pub use self::origins::Origins;
pub use self::reply::Reply;
pub use self::running::Running;
use crate::changeset::Params;
use crate::error::Result;
use crate::live::Live;
pub use crate::live::session::limits::Limits;
pub use crate::live::session::refusal::Refusal;
use crate::query::Query;
use crate::repo::Repo;

/// A WebSocket server over a live engine: handlers by name, and the bounds it keeps.
///
/// `U` is whoever [`authenticate`](Server::authenticate) lets in, and `()` where everybody may.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use std::sync::Arc;
///
/// use recto::live::server::{ConnectRequest, Refusal, Server};
/// use recto::prelude::*;
///
/// struct User {
///     name: String,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct By {
///     author: String,
/// }
///
/// ChangeLog::new([Message::table()]).install(&repo).await?;
/// let running = Server::new(Live::start(&repo).await?)
///     .authenticate(async |request: ConnectRequest| match request.token() {
///         Some(name) => Ok(User { name: name.to_owned() }),
///         None => Err(Refusal::unauthenticated()),
///     })
///     .query("messages.by", async |user: Arc<User>, args: By| {
///         if user.name != "ada" {
///             return Err(Refusal::forbidden());
///         }
///         let author = args.author;
///         Ok(from::<Message>().filter(|m| m.author.eq(author)).limit(50))
///     })
///     .mutation("messages.post", async |user: Arc<User>, repo: Repo, params: Params| {
///         let message = Message { author: user.name.clone(), ..Message::default() };
///         repo.insert(Changeset::new(message).cast(&params, Message::body)).await
///     })
///     .bind("127.0.0.1:0")
///     .await?;
/// println!("clients connect to ws://{}/socket", running.local_addr());
/// running.shutdown().await;
/// # Ok(())
/// # });
/// ```
#[must_use = "a server does nothing until it serves"]
pub struct Server<U = ()> {
    live: Live,
    handlers: Handlers,
    limits: Limits,
    origins: Origins,
    assets: asset::Assets,
    path: String,
    inspector: inspector::Inspector,
    user: PhantomData<fn() -> U>,
}

impl<U> fmt::Debug for Server<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handlers, limits, origins, path, .. } = self;
        f.debug_struct("Server")
            .field("handlers", handlers)
            .field("limits", limits)
            .field("origins", origins)
            .field("path", path)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server without handlers that lets everybody in from its own pages, at `/socket`.
    pub fn new(live: Live) -> Self {
        Self {
            live,
            handlers: Handlers::default(),
            limits: Limits::default(),
            origins: Origins::default(),
            assets: asset::Assets::default(),
            path: "/socket".to_owned(),
            inspector: inspector::Inspector::default(),
            user: PhantomData,
        }
    }

    /// Asks `handler` who opens a socket. A refusal is 403, or 503 where it may pass. It comes
    /// before the handlers that are to know the user; those from before know nobody.
    pub fn authenticate<V, F, Fut, E>(mut self, handler: F) -> Server<V>
    where
        V: Any + Send + Sync,
        F: Fn(ConnectRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<Refusal>,
    {
        self.handlers.authenticate(handler);
        let Self { live, handlers, limits, origins, assets, path, inspector, user: _ } = self;
        Server { live, handlers, limits, origins, assets, path, inspector, user: PhantomData }
    }
}

impl<U: Any + Send + Sync> Server<U> {
    /// Says what tells users apart, such as their key. Mutations that are sent again are recognised
    /// by it and by the client's own id, which is random; without it, by that id alone.
    pub fn identify(mut self, identity: impl Fn(&U) -> String + Send + Sync + 'static) -> Self {
        self.handlers.identify(identity);
        self
    }

    /// Serves a live query under `name`. The handler gets the user and the arguments, and returns
    /// the query, or why not; it runs at every join, so what it checks is checked again. `?` turns
    /// an [`Error`](crate::Error) into a refusal: [`Invalid`](crate::ErrorKind::Invalid) without a
    /// cause is shown to the client, anything else is not.
    ///
    /// Clients that have no arguments may leave them out or send `{}`; take `()` or a struct whose
    /// fields have defaults. A name that is used twice is the later handler's.
    pub fn query<A, S, O, F, Fut>(mut self, name: impl Into<String>, handler: F) -> Self
    where
        A: DeserializeOwned,
        F: Fn(Arc<U>, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Query<S, O>, Refusal>> + Send + 'static,
    {
        self.handlers.query(name.into(), handler);
        self
    }

    /// Serves a mutation under `name`. The handler gets the user, the repo and the parameters, and
    /// returns what the client is told, or why not: a refused changeset goes back with the errors of
    /// its fields.
    ///
    /// # Cancellation
    ///
    /// A mutation runs to its end, even where its client is gone before.
    pub fn mutation<R, F, Fut, E>(mut self, name: impl Into<String>, handler: F) -> Self
    where
        R: Reply,
        F: Fn(Arc<U>, Repo, Params) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
        E: Into<Refusal>,
    {
        self.handlers.mutation(name.into(), handler);
        self
    }

    /// Sets the bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Says which pages may open a socket; those of the same host unless this says otherwise.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Serves a page beside the socket, with headers that keep it from being framed or guessed at.
    ///
    /// # Panics
    ///
    /// When `content_type` is not printable ASCII.
    pub fn asset(
        mut self,
        path: impl Into<String>,
        content_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Self {
        self.assets.add(path.into(), content_type, bytes.into());
        self
    }

    /// Where clients connect; `/socket` unless this says otherwise. They append `/websocket`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Shows what the engine holds and does, shape by shape, at `/live`, and as JSON at `/live.json`, to
    /// whoever `check` allows; anybody else gets 404, as everybody does where this is not called.
    ///
    /// The questions are shown without their parameters. A page in a browser cannot send headers of its
    /// own: check a parameter, a cookie, or the peer, or put it behind a proxy that checks.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(live: recto::live::Live) {
    /// use recto::live::server::Server;
    ///
    /// let server = Server::new(live)
    ///     .inspector(|request| request.peer().is_some_and(|peer| peer.ip().is_loopback()));
    /// # }
    /// ```
    pub fn inspector(
        mut self,
        check: impl Fn(&ConnectRequest) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.inspector = inspector::Inspector::new(check);
        self
    }

    /// The server as a function from request to response, for a program that has a web server.
    pub fn into_handler(self) -> Handler {
        let Self { live, handlers, limits, origins, assets, path, inspector, user: _ } = self;
        Handler::new(Core {
            live,
            handlers,
            limits,
            origins,
            assets,
            path: format!("{}/websocket", path.trim_end_matches('/')),
            // Random, so that ids in the log differ between processes.
            node: RandomState::new().hash_one(std::process::id()) >> 32,
            sockets: Arc::new(sockets::Sockets::new(limits.all_bytes)),
            post: Arc::default(),
            inspector,
            mutations: mutations::Mutations::default(),
        })
    }

    /// Listens on `address`, and serves from now on.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when it cannot listen there.
    pub async fn bind(self, address: impl ToSocketAddrs) -> Result<Running> {
        Running::bind(self.into_handler(), address).await
    }

    /// Serves from now on those who come to `listener`: one that the system handed over, or one with
    /// options of its own. Send buffers that it sets are those of each socket.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the listener does not know its address.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn listen(self, listener: TcpListener) -> Result<Running> {
        Running::listen(self.into_handler(), listener)
    }

    /// Listens on `address` and serves until the process is asked to end, then shuts down.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    pub async fn serve(self, address: impl ToSocketAddrs) -> Result<()> {
        self.bind(address).await?.run().await;
        Ok(())
    }
}
