//! Which pages may open a socket.
//!
//! A browser sends the credentials of its user with every request, whoever's page asked for it, and
//! says in `Origin` whose it was. Native clients say nothing, and are no danger.

use hyper::HeaderMap;
use hyper::header::HOST;
use hyper::header::ORIGIN;

/// Which pages may open a socket; others are refused with 403.
///
/// # Source
///
/// RFC 6455, section 10.2; `check_origin` of Phoenix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the host and port that the request itself names. A name of the attacker's that
    /// points to this machine passes too: on an open network, list the names.
    #[default]
    SameHost,
    /// Pages of these hosts: `https://app.example:8443`, `//app.example` for any scheme and port,
    /// `//*.example` for a name and all below it.
    List(Vec<String>),
    /// All pages. Right where no credential travels by itself, as cookies do.
    Any,
}

impl Origins {
    /// Whether a request with these headers may open a socket.
    pub(super) fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let origin = origin.to_str().ok().and_then(Place::parse);
        match (self, origin) {
            (Self::Any, _) => true,
            (Self::SameHost | Self::List(_), None) => false,
            (Self::SameHost, Some(origin)) => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                host.is_some_and(|host| {
                    let own = Place::new(origin.scheme, host);
                    own.host.eq_ignore_ascii_case(origin.host) && own.port == origin.port
                })
            }
            (Self::List(list), Some(origin)) => list.iter().any(|entry| origin.matches(entry)),
        }
    }
}

/// A scheme, a host and a port.
#[derive(Debug)]
struct Place<'a> {
    scheme: &'a str,
    host: &'a str,
    /// Missing where it is the scheme's own.
    port: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        Some(Self::new(scheme, authority))
    }

    fn new(scheme: &'a str, authority: &'a str) -> Self {
        // The colons of an IPv6 address stand inside brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            Some(_) | None => (authority, None),
        };
        let usual = match scheme {
            "https" | "wss" => "443",
            _ => "80",
        };
        Self { scheme, host, port: port.filter(|port| *port != usual) }
    }

    fn matches(&self, entry: &'a str) -> bool {
        let (scheme, authority) = entry.split_once("//").unwrap_or(("", entry));
        let scheme = scheme.trim_end_matches(':');
        if !scheme.is_empty() && !scheme.eq_ignore_ascii_case(self.scheme) {
            return false;
        }
        let allowed = Self::new(self.scheme, authority);
        let any_port = scheme.is_empty() && allowed.port.is_none();
        let below = allowed.host.strip_prefix("*.");
        let host = self.host.to_ascii_lowercase();
        let is_host = match below.map(str::to_ascii_lowercase) {
            Some(parent) => host == parent || host.ends_with(&format!(".{parent}")),
            None => host.eq_ignore_ascii_case(allowed.host),
        };
        is_host && (any_port || allowed.port == self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(origins: &Origins, origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        headers.insert(ORIGIN, origin.parse().unwrap());
        origins.allow(&headers)
    }

    #[test]
    fn who_says_no_origin_is_no_browser() {
        assert!(Origins::SameHost.allow(&HeaderMap::new()));
        assert!(Origins::List(vec![]).allow(&HeaderMap::new()));
    }

    #[test]
    fn same_host_means_host_and_port() {
        let same = |origin, host| allow(&Origins::SameHost, origin, host);
        assert!(same("http://localhost:4000", "localhost:4000"));
        assert!(same("http://App.example", "app.example:80"));
        assert!(same("https://app.example", "app.example"));
        assert!(same("http://[::1]:4000", "[::1]:4000"));
        assert!(!same("http://localhost:3000", "localhost:4000"));
        assert!(!same("http://evil.example", "app.example"));
        assert!(!same("http://app.example.evil", "app.example"));
        assert!(!same("null", "app.example"));
        assert!(!same("http://[::1]", "[::2]"));
    }

    #[test]
    fn a_list_names_hosts() {
        let list = |entry: &str, origin| {
            allow(&Origins::List(vec![entry.to_owned()]), origin, "here.example")
        };
        assert!(list("https://app.example", "https://app.example"));
        assert!(list("https://app.example:8443", "https://app.example:8443"));
        assert!(list("//app.example", "http://app.example:3000"));
        assert!(list("//*.example", "https://a.b.example"));
        assert!(list("//*.example", "https://example"));
        assert!(!list("https://app.example", "http://app.example"));
        assert!(!list("https://app.example", "https://app.example:8443"));
        assert!(!list("//*.example", "https://badexample"));
        assert!(!list("//app.example", "https://here.example"));
    }

    #[test]
    fn any_is_any() {
        assert!(allow(&Origins::Any, "null", "app.example"));
    }
}
