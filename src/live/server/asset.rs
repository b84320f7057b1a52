//! The few pages beside a socket: enough for a program of one file, no web server.

use std::collections::HashMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use hyper::Response;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;

/// Pages by path.
#[derive(Debug, Default)]
pub(super) struct Assets {
    pages: HashMap<String, Asset>,
}

#[derive(Debug)]
struct Asset {
    content_type: HeaderValue,
    bytes: Bytes,
}

impl Assets {
    /// Adds a page.
    ///
    /// # Panics
    ///
    /// When `content_type` is not printable ASCII.
    pub(super) fn add(&mut self, path: String, content_type: &str, bytes: Bytes) {
        let content_type = HeaderValue::from_str(content_type);
        let content_type = content_type.expect("a content type is printable ASCII");
        self.pages.insert(path, Asset { content_type, bytes });
    }

    /// The page at `path`, or 404.
    pub(super) fn respond(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let Some(asset) = self.pages.get(path) else { return empty(StatusCode::NOT_FOUND) };
        if method != Method::GET && method != Method::HEAD {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        // hyper leaves the body of an answer to HEAD away, and keeps its length.
        let mut response = Response::new(Full::new(asset.bytes.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, asset.content_type.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        secure(&mut response);
        response
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// What every page wants: no guessing of types, no frames around it, no address leaked.
pub(super) fn secure(response: &mut Response<Full<Bytes>>) {
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static("frame-ancestors 'none'; base-uri 'self'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let own = HeaderValue::from_static("same-origin");
    headers.insert("cross-origin-opener-policy", own.clone());
    headers.insert("cross-origin-resource-policy", own);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_by_its_path() {
        let mut assets = Assets::default();
        assets.add("/".to_owned(), "text/html; charset=utf-8", Bytes::from_static(b"<p>hi"));
        let page = assets.respond(&Method::GET, "/");
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(page.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(assets.respond(&Method::GET, "/x").status(), StatusCode::NOT_FOUND);
        let post = assets.respond(&Method::POST, "/");
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
