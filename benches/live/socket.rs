//! A plain WebSocket client that says just enough of the protocol, frame by frame.

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

/// Longer than any answer takes.
const BOUND: Duration = Duration::from_secs(30);

/// A channel of its own on a connection of its own.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_ref: u64,
}

impl Socket {
    /// Connects and joins with these queries.
    pub(crate) async fn join(address: &str, client: &str, queries: Json) -> Self {
        let url = format!("ws://{address}/socket/websocket?vsn=2.0.0");
        let connected = tokio_tungstenite::connect_async_with_config(url, None, true).await;
        let (stream, _) = connected.expect("the server lets everybody in");
        let mut socket = Self { stream, last_ref: 1 };
        let payload = json!({"client": client, "queries": queries});
        socket.say(&json!(["1", "1", "live:bench", "phx_join", payload])).await;
        let answer = tokio::time::timeout(BOUND, socket.answer("1")).await;
        let answer = answer.expect("a join is answered");
        let queries = answer["queries"].as_object().expect("a join is answered with queries");
        let all = queries.values().all(|query| query["mode"] == "snapshot");
        assert!(all, "a query was refused: {answer}");
        socket
    }

    /// Tells the server that somebody is still there.
    pub(crate) async fn heartbeat(&mut self) {
        self.say(&json!([null, "0", "phoenix", "heartbeat", {}])).await;
    }

    /// Runs a mutation and waits for its answer.
    pub(crate) async fn mutate(&mut self, payload: &Json) -> Json {
        self.last_ref += 1;
        let reference = self.last_ref.to_string();
        self.say(&json!(["1", reference, "live:bench", "mutate", payload])).await;
        let answer = tokio::time::timeout(BOUND, self.answer(&reference)).await;
        answer.expect("a mutation is answered")["result"].take()
    }

    /// The next text. Cancel safe.
    pub(crate) async fn hear(&mut self) -> Utf8Bytes {
        loop {
            match self.stream.next().await {
                Some(Ok(Frame::Text(text))) => return text,
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                other => panic!("the server says {other:?}"),
            }
        }
    }

    async fn say(&mut self, frame: &Json) {
        let sent = self.stream.send(Frame::text(frame.to_string())).await;
        sent.expect("the server listens");
    }

    async fn answer(&mut self, reference: &str) -> Json {
        loop {
            let text = self.hear().await;
            let mut frame: Json = serde_json::from_str(&text).expect("the server speaks JSON");
            if frame[1] == reference && frame[3] == "phx_reply" {
                assert_eq!(frame[4]["status"], "ok", "the server says {text}");
                return frame[4]["response"].take();
            }
        }
    }
}
