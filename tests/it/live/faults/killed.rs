//! Our own server dies between a commit and the frames that tell of it; its clients die in the middle
//! of a frame.

use std::time::Duration;

use futures::SinkExt;
use futures::StreamExt;
use serde_json::Value as Json;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::support::cluster::Cluster;
use crate::support::process::Program;
use crate::support::process::example;
use crate::support::process::signal;
use crate::support::wait::within;

const BOUND: Duration = Duration::from_secs(30);

async fn chat(url: &str) -> (Program, String) {
    let arguments = ["--port", "0", "--database-url", url];
    let mut program = Program::start(&example("chat"), &arguments, &[]);
    let line = program.line("the chat's address", BOUND, |line| line.contains("http://")).await;
    let address = line.split("http://").nth(1).unwrap().trim().to_owned();
    (program, format!("ws://{address}/socket/websocket?vsn=2.0.0"))
}

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// Joins with the newest messages of room 1; returns the answer.
    async fn join(url: &str, since: Option<&Json>) -> (Self, Json) {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut this = Self(socket);
        let mut query = json!({"q": "messages.latest", "args": {"room_id": 1}});
        if let Some(since) = since {
            query["since"] = since.clone();
        }
        let params = json!({"proto": 1, "client": "c1", "queries": {"m": query}});
        let join = json!(["1", "1", "live:1", "phx_join", params]);
        this.0.send(Frame::text(join.to_string())).await.unwrap();
        let reply = this.hear("phx_reply").await;
        assert_eq!(reply["status"], "ok", "{reply}");
        let answer = reply["response"]["queries"]["m"].clone();
        (this, answer)
    }

    /// The payload of the next message with this event.
    async fn hear(&mut self, event: &str) -> Json {
        loop {
            let frame = within("the server says something", BOUND, self.0.next()).await;
            let Some(Ok(Frame::Text(text))) = frame else { continue };
            let mut heard: Json = serde_json::from_str(&text).unwrap();
            if heard[3] == event {
                return heard[4].take();
            }
        }
    }
}

/// A socket of which every byte is the test's own, opened as far as the server's answer.
async fn bare(url: &str) -> TcpStream {
    let address = url.split('/').nth(2).unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(within("the answer", BOUND, socket.read_u8()).await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    socket
}

/// A text as a client's frame: its length in two bytes, and a mask of zeros, which leaves it readable.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0xfe];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

/// A message as a client shows it: its key, and what it says.
type Shown = (Json, String);

fn message(row: &Json) -> Shown {
    (row["id"].clone(), row["body"].as_str().unwrap().to_owned())
}

fn bodies(shown: Vec<Shown>) -> Vec<String> {
    shown.into_iter().map(|(_, body)| body).collect()
}

/// What a client shows that had `before` when it gets `answer`.
fn shown(mut before: Vec<Shown>, answer: &Json) -> Vec<Shown> {
    if answer["mode"] != "delta" {
        return answer["rows"].as_array().unwrap().iter().map(message).collect();
    }
    for op in answer["ops"].as_array().unwrap() {
        let place = |rows: &[Shown], key| rows.iter().position(|(held, _)| held == key);
        // What the log knows to be touched the client may have, or never had.
        if let Some(old) = place(&before, &op[1]) {
            before.remove(old);
        }
        match op[0].as_str() {
            Some("+") if op[3].is_null() => before.insert(0, message(&op[2])),
            Some("+") => before.insert(place(&before, &op[3]).unwrap() + 1, message(&op[2])),
            Some("x" | "-") => {}
            _ => panic!("{op}"),
        }
    }
    before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_before_a_server_was_killed_is_told_by_the_next() {
    let database = Cluster::shared().create_database();
    let psql =
        |sql: &str| tokio::task::block_in_place(|| Cluster::shared().psql(database.url(), sql));
    let say = |body: &str| {
        psql(&format!("insert into messages (room_id, author, body) values (1, 'sql', '{body}')"));
    };
    let (mut first, first_url) = chat(database.url()).await;
    let (_second, second_url) = chat(database.url()).await;
    let (mut client, answer) = Client::join(&first_url, None).await;
    let before = shown(Vec::new(), &answer);
    say("told");
    let diff = client.hear("diff").await;
    let before = shown(before, &json!({"mode": "delta", "ops": diff["q"]["m"]}));
    let cursor = diff["c"]["m"].clone();

    // It stands still, so that it can tell nobody; then it is gone.
    signal("STOP", &[first.group()]);
    say("untold");
    first.kill().await;

    let (mut client, answer) = Client::join(&second_url, Some(&cursor)).await;
    assert_eq!(answer["mode"], "delta", "{answer}");
    let mut after = shown(before, &answer);
    if after.first().map(|(_, body)| body.as_str()) != Some("untold") {
        // The other server may not have heard of it either; then it says so soon.
        let diff = client.hear("diff").await;
        after = shown(after, &json!({"mode": "delta", "ops": diff["q"]["m"]}));
    }
    let plain = "select body from messages where room_id = 1 order by inserted_at desc, id desc";
    let plain: Vec<String> = psql(plain).lines().map(str::to_owned).collect();
    assert_eq!(bodies(after), plain);
    assert_eq!(plain[..2], ["untold", "told"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_vanish_in_the_middle_of_a_frame_harm_nobody() {
    let database = Cluster::shared().create_database();
    let psql =
        |sql: &str| tokio::task::block_in_place(|| Cluster::shared().psql(database.url(), sql));
    let (_chat, url) = chat(database.url()).await;
    let (mut steady, _) = Client::join(&url, None).await;
    let query = json!({"q": "messages.latest", "args": {"room_id": 1}});
    let params = json!({"proto": 1, "client": "c1", "queries": {"m": query}});
    let join = frame(&json!(["1", "1", "live:1", "phx_join", params]).to_string());
    for round in 0..12 {
        let mut vanishing = bare(&url).await;
        if round % 3 == 0 {
            // In the middle of its own frame.
            vanishing.write_all(&join[..join.len() / 2]).await.unwrap();
        } else {
            vanishing.write_all(&join).await.unwrap();
            let mut half = [0; 40];
            within("half an answer", BOUND, vanishing.read_exact(&mut half)).await.unwrap();
        }
        // What it has not read makes the connection end with a reset.
        let body = format!("{round} {}", "long ".repeat(300));
        psql(&format!("insert into messages (room_id, author, body) values (1, 'a', '{body}')"));
        drop(vanishing);
        steady.hear("diff").await;
    }
    let (_, answer) = Client::join(&url, None).await;
    let plain = "select body from messages where room_id = 1 order by inserted_at desc, id desc";
    let plain: Vec<String> = psql(plain).lines().map(str::to_owned).collect();
    assert_eq!(bodies(shown(Vec::new(), &answer)), plain);
}
