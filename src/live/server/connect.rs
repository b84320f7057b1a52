//! What a client says when it opens a socket, for whoever decides whether it may.

use std::fmt;
use std::net::SocketAddr;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;
use hyper::HeaderMap;
use hyper::header::SEC_WEBSOCKET_PROTOCOL;

use super::query_string;

/// How the official clients mark a token among the subprotocols.
const BEARER: &str = "base64url.bearer.phx.";

/// The request that opens a socket.
///
/// # Examples
///
/// ```no_run
/// # async fn example(live: recto::live::Live) {
/// use recto::live::server::{ConnectRequest, Refusal, Server};
///
/// let server = Server::new(live).authenticate(async |request: ConnectRequest| {
///     match request.token() {
///         Some("secret") => Ok("ada"),
///         _ => Err(Refusal::unauthenticated()),
///     }
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct ConnectRequest {
    params: Vec<(String, String)>,
    headers: HeaderMap,
    token: Option<String>,
    peer: Option<SocketAddr>,
}

/// Shows the names only: values are credentials as often as not.
impl fmt::Debug for ConnectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params: Vec<_> = self.params().map(|(name, _)| name).collect();
        f.debug_struct("ConnectRequest")
            .field("params", &params)
            .field("headers", &self.headers.keys())
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl ConnectRequest {
    pub(super) fn new(query: &str, headers: HeaderMap, peer: Option<SocketAddr>) -> Self {
        let params = query_string::pairs(query);
        let token = bearer(&headers);
        Self { params, headers, token, peer }
    }

    /// The credential: the `authToken` of the official clients, which travels as a subprotocol, or
    /// else the parameter `token`.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref().or_else(|| self.param("token"))
    }

    /// A parameter of the URL, decoded; the last one where it comes several times. Nested
    /// parameters are found under their whole name, such as `tags[0]`.
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut named = self.params.iter().rev().filter(|(known, _)| known == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// All parameters of the URL, decoded.
    ///
    /// # Order
    ///
    /// As in the URL.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Where the request came from: the nearest proxy, if there is one. `None` in a server of
    /// somebody else's that did not put a `SocketAddr` into the extensions of its requests.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}

/// The subprotocols a client offers.
pub(super) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(',').map(str::trim))
}

/// The token among the subprotocols. Its prefix says base64url, official clients send the standard
/// alphabet, and careful ones keep the promise of the prefix: both are read, padded or not.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let text = protocols(headers).find_map(|protocol| protocol.strip_prefix(BEARER))?;
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, lenient)
        .decode(text)
        .or_else(|_| GeneralPurpose::new(&alphabet::URL_SAFE, lenient).decode(text))
        .ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(protocols: &'static str, query: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
        ConnectRequest::new(query, headers, None).token().map(str::to_owned)
    }

    #[test]
    fn a_token_is_read_in_both_alphabets() {
        let read = |protocols| token(protocols, "");
        let recorded = "phoenix,base64url.bearer.phx.czNjcjN0LWp3dC5hYmM";
        assert_eq!(read(recorded).unwrap(), "s3cr3t-jwt.abc");
        assert_eq!(read("phoenix, base64url.bearer.phx.YWI/").unwrap(), "ab?");
        assert_eq!(read("phoenix, base64url.bearer.phx.YWI_").unwrap(), "ab?");
        assert_eq!(read("phoenix, base64url.bearer.phx.YQ==").unwrap(), "a");
        assert_eq!(read("phoenix, base64url.bearer.phx.*"), None);
        assert_eq!(read("phoenix"), None);
    }

    #[test]
    fn a_parameter_will_do() {
        assert_eq!(token("phoenix", "token=abc&vsn=2.0.0").unwrap(), "abc");
        assert_eq!(token("base64url.bearer.phx.YQ", "token=abc").unwrap(), "a");
    }

    #[test]
    fn the_last_parameter_of_a_name_counts() {
        let request = ConnectRequest::new("a=1&b=2&a=3", HeaderMap::new(), None);
        assert_eq!(request.param("a"), Some("3"));
        assert_eq!(request.params().count(), 3);
    }
}
