//! The server on a real socket, over an embedded database.
//!
//! Frames are written by hand here, so that what a client would see is what the test shows; the
//! tables of the protocol are tested without sockets, beside the session.

mod crowds;
mod inspector;

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::SinkExt;
use futures::StreamExt;
use recto::live::server::{ConnectRequest, Limits, Origins, Refusal, Running, Server};
use recto::prelude::*;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::wait::eventually_eq;
use crate::support::wait::within;

/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(10);

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "notes")]
struct Note {
    id: i64,
    room: i64,
    body: String,
}

impl Note {
    fn of(room: i64, body: &str) -> Self {
        Self { room, body: body.to_owned(), ..Self::default() }
    }

    fn changeset(self, params: &Params) -> Changeset<Self> {
        Changeset::new(self)
            .cast(params, (Self::room, Self::body))
            .validate_required(Self::body)
            .validate_length(Self::body, 1..=10)
    }

    fn in_room(room: i64) -> Query<Self> {
        from::<Self>().filter(move |n| n.room.eq(room)).order_by(|n| n.id.asc())
    }
}

#[derive(serde::Deserialize)]
struct Room {
    room: i64,
}

/// Whoever says how they are called.
#[derive(Debug)]
struct User {
    name: String,
}

/// A database with one table, its engine, and a server with the handlers of these tests.
struct House {
    repo: Repo,
    live: Live,
    /// How often `slow` ran.
    runs: Arc<AtomicUsize>,
    /// Lets `slow` end.
    gate: Arc<tokio::sync::Semaphore>,
}

impl House {
    async fn new() -> Self {
        let repo = Repo::connect("sqlite://:memory:").await.unwrap();
        let table = "create table notes (id integer primary key, room integer not null, body text not null)";
        repo.batch_sql(table).await.unwrap();
        ChangeLog::new([Note::table()]).install(&repo).await.unwrap();
        let live = Live::start(&repo).await.unwrap();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        Self { repo, live, runs: Arc::default(), gate }
    }

    fn server(&self, limits: Limits) -> Server<User> {
        let (runs, gate) = (Arc::clone(&self.runs), Arc::clone(&self.gate));
        Server::new(self.live.clone())
            .limits(limits)
            .authenticate(async |request: ConnectRequest| match request.token() {
                Some("nobody") => Err(Refusal::unauthenticated()),
                Some("panic") => panic!("as asked"),
                name => Ok(User { name: name.unwrap_or("guest").to_owned() }),
            })
            .identify(|user: &User| user.name.clone())
            .query("notes.all", async |_, (): ()| Ok(from::<Note>().order_by(|n| n.id.asc())))
            .query("notes.in_room", async |user: Arc<User>, args: Room| {
                if args.room == 13 && user.name != "ada" {
                    return Err(Refusal::forbidden());
                }
                Ok(Note::in_room(args.room))
            })
            .query("notes.panic", async |_: Arc<User>, room: Room| {
                assert_ne!(room.room, 0, "as asked");
                Ok(Note::in_room(room.room))
            })
            .mutation("notes.post", async |_: Arc<User>, repo: Repo, params: Params| {
                repo.insert(Note::default().changeset(&params)).await
            })
            .mutation("notes.refuse", async |_: Arc<User>, _: Repo, _: Params| {
                Err::<(), _>(Error::invalid("not like this"))
            })
            .mutation(
                "notes.panic",
                async |_: Arc<User>, _: Repo, _: Params| -> Result<(), Error> {
                    panic!("as asked")
                },
            )
            .mutation("notes.slow", move |_: Arc<User>, repo: Repo, params: Params| {
                runs.fetch_add(1, Ordering::Relaxed);
                let gate = Arc::clone(&gate);
                async move {
                    gate.acquire().await.unwrap().forget();
                    repo.insert(Note::default().changeset(&params)).await
                }
            })
    }

    async fn run(&self) -> Running {
        self.run_with(Limits::default()).await
    }

    async fn run_with(&self, limits: Limits) -> Running {
        self.server(limits).bind("127.0.0.1:0").await.unwrap()
    }

    /// One whose sockets have little room in the system: 32 KiB, however much memory there is.
    fn run_narrow(&self, limits: Limits) -> Running {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        self.server(limits).listen(socket.listen(1024).unwrap()).unwrap()
    }
}

/// A client that says what it is told to, frame by frame.
struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self::connect_to(&format!("ws://{address}/socket/websocket?vsn=2.0.0")).await
    }

    async fn connect_to(url: &str) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self { socket }
    }

    async fn send(&mut self, frame: Json) {
        self.socket.send(Frame::text(frame.to_string())).await.unwrap();
    }

    async fn next(&mut self) -> Frame {
        within("the server says something", BOUND, self.socket.next()).await.unwrap().unwrap()
    }

    async fn hear(&mut self) -> Json {
        match self.next().await {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} is no text"),
        }
    }

    /// Sends a message to the channel `live:1` and returns the payload of what comes next.
    async fn ask(&mut self, reference: &str, event: &str, payload: Json) -> Json {
        self.send(json!(["1", reference, "live:1", event, payload])).await;
        self.hear_as(reference, "phx_reply").await
    }

    async fn hear_as(&mut self, reference: &str, event: &str) -> Json {
        let mut heard = self.hear().await;
        assert_eq!((&heard[1], &heard[3]), (&json!(reference), &json!(event)), "{heard}");
        heard[4].take()
    }

    /// The payload of the next diff, its cursors left out.
    async fn diff(&mut self) -> Json {
        let mut heard = self.hear().await;
        assert_eq!(heard[3], "diff", "{heard}");
        heard[4].as_object_mut().unwrap().remove("c").unwrap();
        heard[4].take()
    }

    /// Joins with all notes as `a`, and returns the answer.
    async fn join(&mut self) -> Json {
        self.join_with(json!({"a": {"q": "notes.all"}})).await
    }

    async fn join_with(&mut self, queries: Json) -> Json {
        let params = json!({"proto": 1, "client": "c1", "queries": queries});
        let reply = self.ask("1", "phx_join", params).await;
        assert_eq!(reply["status"], "ok", "{reply}");
        reply["response"].clone()
    }

    /// How the server hangs up.
    async fn goodbye(&mut self) -> u16 {
        loop {
            match self.next().await {
                Frame::Close(Some(frame)) => return frame.code.into(),
                Frame::Close(None) => panic!("a goodbye without a code"),
                _ => {}
            }
        }
    }
}

/// The status that a request to open a socket is refused with; 101 where it is not.
async fn status(url: String, headers: &[(&'static str, &str)]) -> u16 {
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_write_by_anybody_reaches_those_who_look() {
    let house = House::new().await;
    house.repo.insert(Note::of(7, "old")).await.unwrap();
    let running = house.run().await;
    let mut client = Client::connect(running.local_addr()).await;
    let joined = client
        .join_with(json!({
            "a": {"q": "notes.in_room", "args": {"room": 7}},
            "b": {"q": "notes.all", "args": {}},
            "c": {"q": "notes.in_room", "args": {"room": 13}},
            "d": {"q": "notes.in_room"},
            "e": {"q": "notes.nowhere"},
        }))
        .await;
    let queries = &joined["queries"];
    for name in ["a", "b"] {
        assert_eq!(queries[name]["mode"], "snapshot");
        assert_eq!(queries[name]["keys"], json!([1]));
        assert_eq!(queries[name]["rows"], json!([{"id": 1, "room": 7, "body": "old"}]));
    }
    let code = |name: &str| queries[name]["error"]["code"].as_str().unwrap_or("none").to_owned();
    assert_eq!([code("c"), code("d"), code("e")], ["forbidden", "invalid_args", "unknown_query"]);

    house.repo.insert(Note::of(7, "new")).await.unwrap();
    let diff = client.diff().await;
    let row = json!({"id": 2, "room": 7, "body": "new"});
    assert_eq!(diff["q"], json!({"a": [["+", 2, row, 1]], "b": [["+", 2, row, 1]]}));
    assert_eq!(diff["p"], joined["v"]);

    house.repo.insert(Note::of(8, "else")).await.unwrap();
    let next = client.diff().await;
    let row = json!({"id": 3, "room": 8, "body": "else"});
    assert_eq!(next["q"], json!({"b": [["+", 3, row, 2]]}));
    assert_eq!(next["p"], diff["v"]);
}

#[tokio::test]
async fn a_mutation_is_seen_before_it_is_answered() {
    let house = House::new().await;
    let running = house.run().await;
    let mut client = Client::connect(running.local_addr()).await;
    client.join().await;
    let args = json!({"room": 7, "body": "hi"});
    client.send(json!(["1", "2", "live:1", "mutate", {"name": "notes.post", "args": args}])).await;
    let diff = client.diff().await;
    let row = json!({"id": 1, "room": 7, "body": "hi"});
    assert_eq!(diff["q"]["a"], json!([["+", 1, row, null]]));
    let reply = client.hear_as("2", "phx_reply").await;
    assert_eq!(reply, json!({"status": "ok", "response": {"v": diff["v"], "result": row}}));
}

#[tokio::test]
async fn a_mutation_may_be_refused() {
    let house = House::new().await;
    let running = house.run().await;
    let mut client = Client::connect(running.local_addr()).await;
    client.join().await;
    let args = json!({"room": 7, "body": ""});
    let reply = client.ask("2", "mutate", json!({"name": "notes.post", "args": args})).await;
    assert_eq!(reply["status"], "error");
    assert_eq!(reply["response"]["code"], "invalid");
    assert!(reply["response"]["errors"]["body"][0].is_string(), "{reply}");

    let reply = client.ask("3", "mutate", json!({"name": "notes.refuse"})).await;
    let refusal = json!({"code": "invalid", "reason": "invalid", "message": "not like this"});
    assert_eq!(reply, json!({"status": "error", "response": refusal}));

    let reply = client.ask("4", "mutate", json!({"name": "notes.nowhere"})).await;
    assert_eq!(reply["response"]["code"], "unknown_mutation");
    let reply = client.ask("5", "mutate", json!({"name": "notes.post", "args": [1]})).await;
    assert_eq!(reply["response"]["code"], "invalid_args");
}

#[tokio::test]
async fn a_mutation_that_is_sent_again_runs_once() {
    let house = House::new().await;
    let running = house.run().await;
    let slow = json!({"id": "c1:1", "name": "notes.slow", "args": {"room": 7, "body": "once"}});

    let mut first = Client::connect(running.local_addr()).await;
    first.join().await;
    first.send(json!(["1", "2", "live:1", "mutate", slow])).await;
    let runs = async || house.runs.load(Ordering::Relaxed);
    eventually_eq("the mutation runs", BOUND, 1, runs).await;
    drop(first);

    let mut second = Client::connect(running.local_addr()).await;
    second.join().await;
    second.send(json!(["1", "2", "live:1", "mutate", slow])).await;
    second.send(json!(["1", "3", "live:1", "mutate", slow])).await;
    house.gate.add_permits(9);
    second.diff().await;
    let (one, two) =
        (second.hear_as("2", "phx_reply").await, second.hear_as("3", "phx_reply").await);
    assert_eq!(one["response"]["result"], json!({"id": 1, "room": 7, "body": "once"}));
    assert_eq!(one["response"]["result"], two["response"]["result"]);
    assert_eq!(house.runs.load(Ordering::Relaxed), 1);
    assert_eq!(house.repo.count(from::<Note>()).await.unwrap(), 1);

    // Somebody else's mutation of the same name is another one.
    let url = format!("ws://{}/socket/websocket?vsn=2.0.0&token=eve", running.local_addr());
    let mut other = Client::connect_to(&url).await;
    other.join_with(json!({})).await;
    other.send(json!(["1", "2", "live:1", "mutate", slow])).await;
    assert_eq!(other.diff().await["q"], json!({}));
    assert_eq!(other.hear_as("2", "phx_reply").await["response"]["result"]["id"], 2);
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed() {
    let house = House::new().await;
    let running = house.run().await;
    let mut client = Client::connect(running.local_addr()).await;
    let joined = client.join().await;
    let cursor = joined["queries"]["a"]["cursor"].clone();
    drop(client);

    house.repo.insert(Note::of(7, "missed")).await.unwrap();
    let mut client = Client::connect(running.local_addr()).await;
    // Another client sees to it that the engine has heard of the write.
    let joined = client.join().await;
    if joined["queries"]["a"]["rows"] == json!([]) {
        client.diff().await;
    }
    let wanted = json!({"a": {"q": "notes.all", "since": cursor}});
    let reply = client.ask("2", "resync", json!({"queries": wanted})).await;
    let answer = &reply["response"]["queries"]["a"];
    assert_eq!(answer["mode"], "delta", "{reply}");
    assert_eq!(answer["ops"], json!([["+", 1, {"id": 1, "room": 7, "body": "missed"}, null]]));
}

#[tokio::test]
async fn queries_come_and_go() {
    let house = House::new().await;
    let running = house.run().await;
    let mut client = Client::connect(running.local_addr()).await;
    client.join_with(json!({})).await;
    let wanted = json!({"queries": {"r": {"q": "notes.in_room", "args": {"room": 7}}}});
    let added = client.ask("2", "add", wanted).await;
    assert_eq!(added["response"]["queries"]["r"]["rows"], json!([]));
    house.repo.insert(Note::of(7, "seen")).await.unwrap();
    assert_eq!(client.diff().await["q"]["r"][0][0], "+");
    let removed = client.ask("3", "remove", json!({"queries": ["r"]})).await;
    assert_eq!(removed, json!({"status": "ok", "response": {}}));
    house.repo.insert(Note::of(7, "unseen")).await.unwrap();
    let mutation = json!({"name": "notes.post", "args": {"room": 7, "body": "x"}});
    client.send(json!(["1", "4", "live:1", "mutate", mutation])).await;
    loop {
        let heard = client.hear().await;
        if heard[1] == "4" {
            break;
        }
        assert_eq!(heard[4]["q"], json!({}), "a query that was removed is named");
    }
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_channel_only() {
    let house = House::new().await;
    let running = house.run().await;
    let mut client = Client::connect(running.local_addr()).await;
    client.join().await;
    let boom = json!({"queries": {"b": {"q": "notes.panic", "args": {"room": 0}}}});
    client.send(json!(["2", "2", "live:2", "phx_join", boom])).await;
    let heard = client.hear().await;
    let crashed = json!({"status": "error", "response": {"reason": "join crashed"}});
    assert_eq!(heard, json!(["2", "2", "live:2", "phx_reply", crashed]));

    client.send(json!(["3", "3", "live:3", "phx_join", {}])).await;
    client.hear().await;
    client.send(json!(["3", "4", "live:3", "mutate", {"name": "notes.panic"}])).await;
    let heard = client.hear().await;
    assert_eq!(heard, json!(["3", "3", "live:3", "phx_error", {"reason": "channel_crash"}]));

    house.repo.insert(Note::of(7, "still")).await.unwrap();
    client.diff().await;
    assert_eq!(running.stats().panics, 0);
}

#[tokio::test]
async fn a_socket_is_opened_for_those_who_may_and_speak_our_language() {
    let house = House::new().await;
    let running = house.run_with(Limits { sockets: 2, ..Limits::default() }).await;
    let at = running.local_addr();
    let to = |query: &str| format!("ws://{at}/socket/websocket{query}");

    assert_eq!(status(to(""), &[]).await, 101);
    assert_eq!(status(to("?vsn=2.0.1"), &[]).await, 101);
    assert_eq!(status(to("?vsn=3.0.0"), &[]).await, 403);
    assert_eq!(status(to("?vsn=2.0.0&token=nobody"), &[]).await, 403);
    assert_eq!(status(to("?vsn=2.0.0&token=panic"), &[]).await, 500);
    assert_eq!(running.stats().panics, 1);
    assert_eq!(status(format!("ws://{at}/elsewhere"), &[]).await, 404);

    let own = format!("http://{at}");
    assert_eq!(status(to("?vsn=2.0.0"), &[("origin", &own)]).await, 101);
    assert_eq!(status(to("?vsn=2.0.0"), &[("origin", "http://evil.example")]).await, 403);

    let sockets = async || running.stats().sockets;
    eventually_eq("sockets that were dropped are gone", BOUND, 0, sockets).await;
    let _taken = [Client::connect(at).await, Client::connect(at).await];
    assert_eq!(status(to("?vsn=2.0.0"), &[]).await, 503);
}

#[tokio::test]
async fn a_token_travels_as_a_subprotocol_and_phoenix_is_answered() {
    let house = House::new().await;
    let running = house.run().await;
    let url = format!("ws://{}/socket/websocket?vsn=2.0.0", running.local_addr());
    let mut request = url.into_client_request().unwrap();
    // "ada"
    let offer = "phoenix, base64url.bearer.phx.YWRh".parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", offer);
    let (socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "phoenix");
    let mut client = Client { socket };
    let wanted = json!({"c": {"q": "notes.in_room", "args": {"room": 13}}});
    let joined = client.join_with(wanted).await;
    assert_eq!(joined["queries"]["c"]["mode"], "snapshot");
}

#[tokio::test]
async fn nonsense_has_its_codes() {
    let house = House::new().await;
    let running = house.run_with(Limits { frame_bytes: 1000, ..Limits::default() }).await;
    let code = async |frame: Frame| {
        let mut client = Client::connect(running.local_addr()).await;
        client.socket.send(frame).await.unwrap();
        client.goodbye().await
    };
    assert_eq!(code(Frame::text("nonsense")).await, 1007);
    assert_eq!(code(Frame::text("x".repeat(1001))).await, 1009);

    let mut client = Client::connect(running.local_addr()).await;
    client.socket.send(Frame::binary(b"\x03\x01\x01".to_vec())).await.unwrap();
    client.socket.send(Frame::Ping("?".into())).await.unwrap();
    assert_eq!(client.next().await, Frame::Pong("?".into()));
    client.send(json!([null, 1, "phoenix", "heartbeat", {}])).await;
    let heard = client.hear().await;
    let progress = &heard[4]["response"];
    assert_eq!(
        heard,
        json!([null, 1, "phoenix", "phx_reply", {"status": "ok", "response": progress}])
    );
    assert!(1 <= progress["v"].as_u64().unwrap(), "{progress}");
    assert!(progress["age"].is_u64(), "{progress}");
}

#[tokio::test]
async fn a_silent_client_is_let_go() {
    let house = House::new().await;
    let limits = Limits { idle: Duration::from_millis(100), ..Limits::default() };
    let running = house.run_with(limits).await;
    let mut client = Client::connect(running.local_addr()).await;
    assert_eq!(client.goodbye().await, 1001);
    let sockets = async || running.stats().sockets;
    eventually_eq("its place is free", BOUND, 0, sockets).await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_dropped_and_slows_nobody() {
    let house = House::new().await;
    let limits = Limits { stalled: Duration::from_millis(300), ..Limits::default() };
    let running = house.run_with(limits).await;
    let mut stuck = Client::connect(running.local_addr()).await;
    stuck.join().await;
    let mut quick = Client::connect(running.local_addr()).await;
    quick.join().await;

    let long = "x".repeat(200_000);
    let both = async || running.stats().sockets;
    let mut written = 0_usize;
    while both().await == 2 {
        house.repo.insert(Note::of(7, &long)).await.unwrap();
        written += 1;
        assert!(written < 2000, "a client that takes nothing is still there");
        let diff = quick.diff().await;
        assert!(!diff["q"]["a"].as_array().unwrap().is_empty());
    }
    assert_eq!(both().await, 1);
}

#[tokio::test]
async fn a_shutdown_waits_for_mutations_and_says_that_it_restarts() {
    let house = House::new().await;
    let running = house.run().await;
    let at = running.local_addr();
    let mut client = Client::connect(at).await;
    client.join().await;
    let slow = json!({"id": "c1:1", "name": "notes.slow", "args": {"room": 7, "body": "last"}});
    client.send(json!(["1", "2", "live:1", "mutate", slow])).await;
    let runs = async || house.runs.load(Ordering::Relaxed);
    eventually_eq("the mutation runs", BOUND, 1, runs).await;
    let goodbye = async {
        let code = client.goodbye().await;
        house.gate.add_permits(1);
        code
    };
    let ((), code) = tokio::join!(running.shutdown(), goodbye);
    assert_eq!(code, 1012);
    assert_eq!(house.repo.count(from::<Note>()).await.unwrap(), 1);
    assert!(TcpStream::connect(at).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn dropping_the_server_ends_its_sockets() {
    let house = House::new().await;
    let running = house.run().await;
    let mut client = Client::connect(running.local_addr()).await;
    client.join().await;
    drop(running);
    let end = within("the socket ends", BOUND, client.socket.next()).await;
    assert!(matches!(end, None | Some(Err(_))), "{end:?}");
}

#[tokio::test]
async fn the_first_serializer_is_spoken_too() {
    let house = House::new().await;
    let running = house.run().await;
    let url = format!("ws://{}/socket/websocket", running.local_addr());
    let mut client = Client::connect_to(&url).await;
    let params = json!({"queries": {"a": {"q": "notes.all"}}});
    let join = json!({"topic": "live:1", "event": "phx_join", "ref": 0, "payload": params});
    client.send(join).await;
    let joined = client.hear().await;
    assert_eq!((&joined["ref"], &joined["payload"]["status"]), (&json!(0), &json!("ok")));
    house.repo.insert(Note::of(7, "v1")).await.unwrap();
    let diff = client.hear().await;
    assert_eq!((&diff["event"], &diff["ref"]), (&json!("diff"), &Json::Null));
    assert_eq!(diff["payload"]["q"]["a"][0][0], "+");
}

#[tokio::test]
async fn it_can_be_mounted_in_a_router_of_axum() {
    use axum::extract::Request;
    use axum::routing::any;
    let house = House::new().await;
    let handler = house.server(Limits::default()).path("/live").into_handler();
    let mounted = handler.clone();
    let app: axum::Router = axum::Router::new().route(
        "/live/websocket",
        any(move |request: Request| {
            let handler = mounted.clone();
            async move { handler.handle(request).await }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await });

    let mut client = Client::connect_to(&format!("ws://{at}/live/websocket?vsn=2.0.0")).await;
    client.join().await;
    house.repo.insert(Note::of(7, "axum")).await.unwrap();
    client.diff().await;
    let ((), code) = tokio::join!(handler.shutdown(), client.goodbye());
    assert_eq!(code, 1012);
    assert_eq!(status(format!("ws://{at}/live/websocket?vsn=2.0.0"), &[]).await, 503);
}

/// One HTTP request and its whole answer.
async fn fetch(at: SocketAddr, request: &str) -> String {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the answer", BOUND, stream.read_to_string(&mut answer)).await.unwrap();
    answer.to_lowercase()
}

#[tokio::test]
async fn a_page_lives_beside_the_socket() {
    let house = House::new().await;
    let server = Server::new(house.live.clone()).origins(Origins::Any);
    let running = server.asset("/", "text/html", "<p>hi").bind("127.0.0.1:0").await.unwrap();
    let at = running.local_addr();
    let page = fetch(at, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(page.starts_with("http/1.1 200"), "{page}");
    assert!(page.contains("x-content-type-options: nosniff"), "{page}");
    assert!(page.ends_with("\r\n\r\n<p>hi"), "{page}");
    let head = fetch(at, "HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(head.contains("content-length: 5") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(fetch(at, "GET /x HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("http/1.1 404"));
    let post = "POST /socket/websocket HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    assert!(fetch(at, post).await.starts_with("http/1.1 400"));
    let origin = ("origin", "http://evil.example");
    assert_eq!(status(format!("ws://{at}/socket/websocket"), &[origin]).await, 101);
}

#[tokio::test]
async fn who_asks_nothing_is_hung_up_on() {
    use tokio::io::AsyncReadExt;
    let house = House::new().await;
    let limits = Limits { handshake: Duration::from_millis(100), ..Limits::default() };
    let running = house.run_with(limits).await;
    let mut silent = TcpStream::connect(running.local_addr()).await.unwrap();
    let mut answer = Vec::new();
    within("the server hangs up", BOUND, silent.read_to_end(&mut answer)).await.unwrap();

    let running = house.run().await;
    let mut silent = TcpStream::connect(running.local_addr()).await.unwrap();
    running.shutdown().await;
    // A connection that was not taken yet is reset, which is an error and as good.
    within("a shutdown hangs up", BOUND, silent.read_to_end(&mut answer)).await.ok();
}
