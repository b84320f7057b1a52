//! A plain WebSocket client; for Recto it says just enough of the protocol, frame by frame.

use std::time::Duration;

use futures::SinkExt;
use futures::StreamExt;
use serde_json::Value as Json;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Longer than any answer takes.
const BOUND: Duration = Duration::from_mins(1);

/// What a client buffers: its kin are a thousand in one process.
const BUFFER: usize = 16 * 1024;

/// A connection of its own.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_ref: u64,
    /// What to say now and then, so that the server knows that somebody is still there.
    heartbeat: Option<Json>,
}

impl Socket {
    /// Connects, and says nothing; `None` where the server does not want that.
    pub(crate) async fn connect(request: impl IntoClientRequest + Unpin) -> Option<Self> {
        let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(0);
        let connected =
            tokio_tungstenite::connect_async_with_config(request, Some(config), true).await;
        let (stream, _) = connected.ok()?;
        Some(Self { stream, last_ref: 1, heartbeat: None })
    }

    /// Connects to Recto and joins with these queries, which are not refused.
    pub(crate) async fn join(address: &str, client: &str, queries: Json) -> Self {
        let joined = Self::open(address, client, queries).await;
        let (socket, answer) = joined.expect("the server lets everybody in");
        let queries = answer["queries"].as_object().expect("a join is answered with queries");
        let all = queries.values().all(|query| query["mode"] == "snapshot");
        assert!(all, "a query was refused: {answer}");
        socket
    }

    /// Connects to Recto and joins with these queries; returns the answer, too. `None` where the
    /// server does not want that.
    pub(crate) async fn open(address: &str, client: &str, queries: Json) -> Option<(Self, Json)> {
        let url = format!("ws://{address}/socket/websocket?vsn=2.0.0");
        let mut socket = Self::connect(url).await?;
        socket.heartbeat = Some(json!([null, "0", "phoenix", "heartbeat", {}]));
        let payload = json!({"client": client, "queries": queries});
        socket.say(&json!(["1", "1", "live:bench", "phx_join", payload])).await;
        let answer = tokio::time::timeout(BOUND, socket.answer("1")).await;
        Some((socket, answer.expect("a join is answered")))
    }

    /// Tells the server that somebody is still there, where it wants to know.
    pub(crate) async fn heartbeat(&mut self) {
        if let Some(heartbeat) = self.heartbeat.clone() {
            self.say(&heartbeat).await;
        }
    }

    /// Runs a mutation and waits for its answer.
    pub(crate) async fn mutate(&mut self, payload: &Json) -> Json {
        self.last_ref += 1;
        let reference = self.last_ref.to_string();
        self.say(&json!(["1", reference, "live:bench", "mutate", payload])).await;
        let answer = tokio::time::timeout(BOUND, self.answer(&reference)).await;
        answer.expect("a mutation is answered")["result"].take()
    }

    /// The next text; `None` when the server hung up. Cancel safe.
    pub(crate) async fn hear(&mut self) -> Option<Utf8Bytes> {
        loop {
            match self.stream.next().await? {
                Ok(Frame::Text(text)) => return Some(text),
                Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Binary(_) | Frame::Frame(_)) => {}
                Ok(Frame::Close(_)) | Err(_) => return None,
            }
        }
    }

    /// The next text that `is_it`; `None` when the server hung up before.
    pub(crate) async fn hear_of(&mut self, is_it: impl Fn(&str) -> bool) -> Option<Utf8Bytes> {
        loop {
            let text = self.hear().await?;
            if is_it(&text) {
                return Some(text);
            }
        }
    }

    pub(crate) async fn say(&mut self, frame: &Json) {
        // One that hung up is noticed by whoever hears.
        let _ = self.stream.send(Frame::text(frame.to_string())).await;
    }

    async fn answer(&mut self, reference: &str) -> Json {
        let start = format!("[\"1\",\"{reference}\",\"live:bench\",\"phx_reply\"");
        let text = self.hear_of(|text| text.starts_with(&start)).await;
        let text = text.expect("the server does not hang up");
        let mut frame: Json = serde_json::from_str(&text).expect("the server speaks JSON");
        assert_eq!(frame[4]["status"], "ok", "the server says {text}");
        frame[4]["response"].take()
    }
}
