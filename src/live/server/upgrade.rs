//! From an HTTP request to a socket: the checks, in the order that costs least.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::HeaderMap;
use hyper::Method;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;
use hyper::upgrade::Parts;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::asset::empty;
use super::connect;
use super::connect::ConnectRequest;
use super::core::Core;
use super::core::Link;
use super::core::Visitor;
use super::inspector;
use super::line;
use super::post;
use super::query_string;
use super::sockets::Seat;
use super::tasks::start_on;
use crate::live::session::frame::Vsn;
use crate::live::session::refusal::Refusal;

/// The subprotocol that official clients offer and want back.
const PHOENIX: &str = "phoenix";

impl Link {
    /// Answers one HTTP request: a socket, a page, or a refusal.
    pub(super) async fn answer<B>(&self, mut request: Request<B>) -> Response<Full<Bytes>> {
        // The parts are copied out, so that nothing of the body has to be `Sync`.
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let is_inspected = self.core.inspector.is_at(&path);
        if path != self.core.path && !is_inspected {
            return self.core.assets.respond(&method, &path);
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let headers = request.headers().clone();
        let peer = request.extensions().get::<SocketAddr>().copied();
        if is_inspected {
            drop(request);
            let request = ConnectRequest::new(&query, headers, peer);
            return inspector::respond(&self.core, &method, &path, &request).await;
        }
        let upgrade = hyper::upgrade::on(&mut request);
        drop(request);
        let answered = self.open(&method, &query, headers, peer, upgrade).await;
        answered.unwrap_or_else(empty)
    }

    async fn open(
        &self,
        method: &Method,
        query: &str,
        headers: HeaderMap,
        peer: Option<SocketAddr>,
        upgrade: hyper::upgrade::OnUpgrade,
    ) -> Result<Response<Full<Bytes>>, StatusCode> {
        let key = websocket_key(method, &headers).ok_or(StatusCode::BAD_REQUEST)?;
        let vsn = version(query).ok_or(StatusCode::FORBIDDEN)?;
        if !self.core.origins.allow(&headers) {
            tracing::debug!(origin = ?headers.get(header::ORIGIN), "refused the origin");
            return Err(StatusCode::FORBIDDEN);
        }
        let limits = self.core.limits;
        let seat = self.core.sockets.sit(limits.sockets).ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        let speaks_phoenix = connect::protocols(&headers).any(|protocol| protocol == PHOENIX);
        let visitor = self.visitor(ConnectRequest::new(query, headers, peer)).await?;
        let link = self.clone();
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.help(|| self.helpers());
        }
        start_on(&self.tasks, async move {
            let served = match tokio::time::timeout(limits.handshake, upgrade).await {
                Ok(Ok(io)) => serve(io, link, visitor, vsn, seat),
                Ok(Err(error)) => return tracing::debug!(%error, "the upgrade failed"),
                Err(_) => return tracing::debug!("the upgrade took too long"),
            };
            served.await;
        });
        Ok(switching(&key, speaks_phoenix))
    }

    /// The tasks that serve all sockets: couriers, and one clock.
    fn helpers(&self) -> Vec<BoxFuture<'static, ()>> {
        let Core { post, sockets, limits, .. } = &*self.core;
        // Fine enough for the shorter of the two patiences, and never finer than it takes.
        let period = limits.idle.min(limits.stalled) / 8;
        let period = period.clamp(Duration::from_millis(5), Duration::from_secs(1));
        let clock = Arc::clone(sockets).keep_time(period).boxed();
        let courier = |_| Arc::clone(post).deliver(Arc::clone(sockets)).boxed();
        let couriers = (0..post::couriers()).map(courier);
        couriers.chain([clock]).collect()
    }

    async fn visitor(&self, request: ConnectRequest) -> Result<Visitor, StatusCode> {
        let handlers = &self.core.handlers;
        let user = async { handlers.user(request).await };
        let user =
            tokio::time::timeout(self.core.limits.handshake, AssertUnwindSafe(user).catch_unwind());
        match user.await {
            Ok(Ok(Ok(user))) => {
                let identity = handlers.identity(&user);
                Ok(Visitor { user, identity })
            }
            Ok(Ok(Err(refusal))) => Err(status(&refusal)),
            Ok(Err(_)) => {
                tracing::error!("`authenticate` panicked");
                self.core.sockets.panicked();
                Err(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Err(_) => {
                tracing::warn!("`authenticate` took too long");
                Err(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

/// Serves a socket whose handshake is over. The future is boxed, so that the room for the handshake is
/// not as large as a socket, nor the other way round.
fn serve(
    io: Upgraded,
    link: Link,
    visitor: Visitor,
    vsn: Vsn,
    seat: Seat,
) -> BoxFuture<'static, ()> {
    match io.downcast::<TokioIo<TcpStream>>() {
        // A plain connection needs nothing around it, which every write would pass. What was read
        // is copied: it holds on to all that was read of the request.
        Ok(Parts { io, read_buf, .. }) => {
            line::run(io.into_inner(), &read_buf, link, visitor, vsn, seat).boxed()
        }
        Err(io) => line::run(TokioIo::new(io), &[], link, visitor, vsn, seat).boxed(),
    }
}

/// Refused for good is 403, which some clients take as final; anything that may pass is 503.
fn status(refusal: &Refusal) -> StatusCode {
    let code = refusal.code();
    if let Some(cause) = refusal.cause() {
        tracing::warn!(code, error = %cause.chain(), "refused a socket");
    } else {
        tracing::debug!(code, "refused a socket");
    }
    let passing = refusal.is_passing() || matches!(code, "overloaded" | "internal");
    if passing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::FORBIDDEN }
}

/// The key of a request to become a WebSocket.
fn websocket_key(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    let says = |name, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let is_upgrade = method == Method::GET
        && says(header::CONNECTION, "upgrade")
        && says(header::UPGRADE, "websocket")
        && says(header::SEC_WEBSOCKET_VERSION, "13");
    headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_upgrade).cloned()
}

/// The serializer a client asks for.
fn version(query: &str) -> Option<Vsn> {
    let pairs = query_string::pairs(query);
    // `vsn[]` and the like are not a version, and not nothing.
    let named = pairs.iter().rev().find(|(name, _)| name == "vsn" || name.starts_with("vsn["));
    match named {
        None => Vsn::parse(None),
        Some((name, value)) if name == "vsn" => Vsn::parse(Some(value)),
        Some(_) => None,
    }
}

fn switching(key: &HeaderValue, speaks_phoenix: bool) -> Response<Full<Bytes>> {
    let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let accept = accept.expect("an accept key is base64");
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if speaks_phoenix {
        // Browsers hang up on a server that takes none of what they offer.
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PHOENIX));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(method: &Method, headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        websocket_key(method, &map).map(|key| key.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_a_whole_request_to_upgrade_is_one() {
        let whole = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert_eq!(key(&Method::GET, &whole).unwrap(), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(key(&Method::POST, &whole), None);
        for missing in 0..whole.len() {
            let mut headers = whole.to_vec();
            headers.remove(missing);
            assert_eq!(key(&Method::GET, &headers), None, "{headers:?}");
        }
    }

    #[test]
    fn the_version_is_a_parameter() {
        assert_eq!(version(""), Some(Vsn::V1));
        assert_eq!(version("token=x&vsn=2.0.0"), Some(Vsn::V2));
        assert_eq!(version("vsn=3.0.0"), None);
        assert_eq!(version("vsn[]=2.0.0"), None);
        assert_eq!(version("vsn="), None);
    }

    #[test]
    fn what_may_pass_is_503_and_the_rest_403() {
        let away = crate::error::Error::new(crate::error::ErrorKind::Unavailable, "away");
        assert_eq!(status(&Refusal::unauthenticated()), StatusCode::FORBIDDEN);
        assert_eq!(status(&Refusal::new("banned", "go away")), StatusCode::FORBIDDEN);
        assert_eq!(status(&away.into()), StatusCode::SERVICE_UNAVAILABLE);
        let busy = Refusal::overloaded(Duration::from_secs(1));
        assert_eq!(status(&busy), StatusCode::SERVICE_UNAVAILABLE);
    }
}
