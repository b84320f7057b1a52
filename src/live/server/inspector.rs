//! A page that shows what the engine holds and does, shape by shape, and the same as JSON.
//!
//! It is off unless somebody says who may see it: questions tell a lot about a database. It has no
//! scripts, and asks nobody for anything.

use std::fmt;
use std::fmt::Write;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use hyper::Response;
use hyper::StatusCode;
use hyper::header;
use hyper::header::HeaderValue;
use serde_json::json;

use super::asset::empty;
use super::asset::secure;
use super::connect::ConnectRequest;
use super::core::Core;
use crate::error::Result;
use crate::live::Health;
use crate::live::metrics::ShapeMetrics;
use crate::value::Json;

/// Where the page is, and where the same is as JSON.
const PAGE: &str = "/live";
const DATA: &str = "/live.json";

type Check = Box<dyn Fn(&ConnectRequest) -> bool + Send + Sync>;

/// Who may see the page; nobody unless somebody says so.
#[derive(Default)]
pub(super) struct Inspector {
    check: Option<Check>,
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector").field("is_on", &self.check.is_some()).finish()
    }
}

impl Inspector {
    pub(super) fn new(check: impl Fn(&ConnectRequest) -> bool + Send + Sync + 'static) -> Self {
        Self { check: Some(Box::new(check)) }
    }

    /// Whether a path is one of the page's, and the page is there.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.check.is_some() && (path == PAGE || path == DATA)
    }

    fn allows(&self, request: &ConnectRequest) -> bool {
        self.check.as_ref().is_some_and(|check| check(request))
    }
}

/// Answers a request for one of the page's paths.
pub(super) async fn respond(
    core: &Core,
    method: &Method,
    path: &str,
    request: &ConnectRequest,
) -> Response<Full<Bytes>> {
    if !core.inspector.allows(request) {
        // Whoever may not see it is not told that it is there.
        return empty(StatusCode::NOT_FOUND);
    }
    if method != Method::GET && method != Method::HEAD {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let Ok(report) = report(core).await else { return empty(StatusCode::SERVICE_UNAVAILABLE) };
    let (kind, text) = if path == DATA {
        ("application/json", report.to_string())
    } else {
        ("text/html; charset=utf-8", page(&report))
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    secure(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Nothing is loaded from anywhere, and nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Everything the page shows.
async fn report(core: &Core) -> Result<Json> {
    let shapes = core.live.shapes().await?;
    let (engine, server) = (core.live.stats(), core.sockets.stats());
    let health = match core.live.health() {
        Health::Healthy => json!({"state": "healthy"}),
        Health::Behind(duration) => {
            json!({"state": "behind", "seconds": duration.as_secs_f64()})
        }
        Health::Reloading => json!({"state": "reloading"}),
    };
    Ok(json!({
        "health": health,
        "engine": {
            "ticks": engine.ticks,
            "broken_ticks": engine.broken_ticks,
            "lost_ticks": engine.lost_ticks,
            "missed_wakes": engine.missed_wakes,
            "changes": engine.changes,
            "results": engine.results,
            "clients": engine.clients,
        },
        "server": {
            "sockets": server.sockets,
            "waiting_bytes": server.waiting_bytes,
            "sent_frames": server.sent_frames,
            "sent_bytes": server.sent_bytes,
            "slow": server.slow,
            "shed": server.shed,
            "panics": server.panics,
        },
        "shapes": shapes.iter().map(shape).collect::<Vec<_>>(),
    }))
}

fn shape(shape: &ShapeMetrics) -> Json {
    let ShapeMetrics { sql, tier, tables, results, subscribers, rows, counts } = shape;
    json!({
        "tier": tier.to_string(),
        "sql": sql,
        "tables": tables,
        "results": results,
        "subscribers": subscribers,
        "rows": rows,
        "loads": counts.loads,
        "reruns": counts.reruns,
        "keyed": counts.keyed,
        "steps": counts.steps,
        "operations": counts.operations,
        "deliveries": counts.deliveries,
        "ring_hits": counts.ring_hits,
        "snapshots": counts.snapshots,
    })
}

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:2em}table{border-collapse:collapse;margin:1em 0}\
td,th{border-bottom:1px solid #ccc;padding:.3em .7em;text-align:right;vertical-align:top}\
td.text,th.text{text-align:left}code{white-space:pre-wrap;overflow-wrap:anywhere}";

fn page(report: &Json) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>live results</title><style>",
    );
    out.push_str(STYLE);
    out.push_str("</style><h1>Live results</h1>");
    for part in ["health", "engine", "server"] {
        table(&mut out, part, std::slice::from_ref(&report[part]));
    }
    table(&mut out, "shapes", report["shapes"].as_array().map_or(&[], Vec::as_slice));
    out.push_str("</html>\n");
    out
}

/// A table of objects that have the same members.
fn table(out: &mut String, name: &str, rows: &[Json]) {
    out.push_str("<h2>");
    escape(name, out);
    out.push_str("</h2><table>");
    for (number, row) in rows.iter().filter_map(Json::as_object).enumerate() {
        if number == 0 {
            out.push_str("<tr>");
            row.iter().for_each(|(name, value)| cell(out, "th", value, name));
            out.push_str("</tr>");
        }
        out.push_str("<tr>");
        for value in row.values() {
            match value {
                Json::String(text) => cell(out, "td", value, text),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                    cell(out, "td", value, &value.to_string());
                }
            }
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
}

fn cell(out: &mut String, tag: &str, value: &Json, text: &str) {
    let class = if value.is_number() { "" } else { " class=\"text\"" };
    write!(out, "<{tag}{class}><code>").expect("writing to a `String` cannot fail");
    escape(text, out);
    write!(out, "</code></{tag}>").expect("writing to a `String` cannot fail");
}

/// Appends text so that nothing in it is taken for markup.
fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let report = json!({
            "health": {"state": "<script>alert('x')</script>"},
            "engine": {}, "server": {},
            "shapes": [{"sql": "a < b & c > \"d\"", "results": 7}],
        });
        let page = page(&report);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("a &lt; b &amp; c &gt; &quot;d&quot;"), "{page}");
        assert!(page.contains("<td><code>7</code></td>"), "{page}");
    }
}
