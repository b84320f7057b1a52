//! The server with a listener of its own.
//!
//! **Invariant:** connections are tasks of the handler, and end with it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::ToSocketAddrs;

use super::core::Link;
use super::handler::Handler;
use super::handler::Stats;
use super::tasks::start_on;
use crate::error::Error;
use crate::error::Result;

/// How large the head of a request may be: tokens and cookies are a few KiB.
const HEAD_BYTES: usize = 16 * 1024;

/// How long to wait when the system has no more connections to give.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// A server that listens; dropping it ends all its sockets at once.
///
/// # Examples
///
/// ```no_run
/// # async fn example(live: recto::live::Live) -> recto::Result<()> {
/// use recto::live::server::Server;
///
/// let running = Server::new(live).bind("127.0.0.1:0").await?;
/// println!("listening on {}", running.local_addr());
/// running.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a server stops when it is dropped"]
pub struct Running {
    address: SocketAddr,
    handler: Handler,
}

impl Running {
    pub(super) async fn bind(handler: Handler, address: impl ToSocketAddrs) -> Result<Self> {
        let refused = |error| Error::invalid("could not listen on the address").caused_by(error);
        Self::listen(handler, TcpListener::bind(address).await.map_err(refused)?)
    }

    pub(super) fn listen(handler: Handler, listener: TcpListener) -> Result<Self> {
        let refused = |error| Error::invalid("the listener has no address").caused_by(error);
        let address = listener.local_addr().map_err(refused)?;
        handler.tasks.start(accept(listener, handler.link()));
        tracing::info!(%address, "listening");
        Ok(Self { address, handler })
    }

    /// Where it listens; the port is a real one even where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What the server is doing.
    pub fn stats(&self) -> Stats {
        self.handler.stats()
    }

    /// Serves until the process is asked to end (Ctrl-C, or `SIGTERM`), then shuts down.
    pub async fn run(self) {
        self.run_until(asked_to_end()).await;
    }

    /// Serves until `signal` comes, then shuts down.
    pub async fn run_until(self, signal: impl Future<Output = ()>) {
        signal.await;
        self.shutdown().await;
    }

    /// Stops listening, asks all sockets to close with 1012, some at a time, and waits for them and
    /// for mutations under way.
    pub async fn shutdown(self) {
        self.handler.shutdown().await;
    }
}

/// Takes connections until the server is closed.
async fn accept(listener: TcpListener, link: Link) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = link.core.sockets.closed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = serve(stream, peer, link.clone());
                start_on(&link.tasks, connection);
            }
            Err(error) => {
                tracing::warn!(%error, "could not take a connection");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Serves one connection: one request, which may become a socket.
async fn serve(stream: TcpStream, peer: SocketAddr, link: Link) {
    // Diffs are small and must not wait for each other. What cannot be set costs only time.
    stream.set_nodelay(true).ok();
    let handshake = link.core.limits.handshake;
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let link = &link;
        async move { Ok::<_, Infallible>(last(link.answer(request).await)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(handshake)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        // Answers what is being asked, and hangs up on those who have not asked.
        () = link.core.sockets.closed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection failed");
    }
}

/// A socket is one request, a page a few: nothing worth keeping idle connections for.
fn last<B>(mut response: Response<B>) -> Response<B> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(unix)]
async fn asked_to_end() {
    use tokio::signal::unix::SignalKind;
    use tokio::signal::unix::signal;
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return interrupted().await;
    };
    tokio::select! {
        () = interrupted() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn asked_to_end() {
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Nobody can ask; serve until the process is ended.
        std::future::pending::<()>().await;
    }
}
