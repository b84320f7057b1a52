//! How clients of each system ask for the newest messages of rooms.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::live::socket::Socket;

/// The version of Zero's protocol that `@rocicorp/zero` 1.9 speaks.
const ZERO_PROTOCOL: u32 = 51;

/// What a system's clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    /// `messages.latest` on a channel.
    Recto,
    /// The room is the path; everything that comes is news.
    Path,
    /// A client group of its own with the named query `latest`.
    Zero,
    /// A subscription to the class, by room.
    Parse,
}

impl Tongue {
    /// Connects client `number`, and returns when it has its rooms' messages (where the system
    /// sends them) or is subscribed; `None` when the server hangs up instead.
    pub(crate) async fn join(self, address: &str, number: usize, rooms: &[i64]) -> Option<Socket> {
        match self {
            Self::Recto => {
                let query = |room: &i64| {
                    let query = json!({"q": "messages.latest", "args": {"room_id": room}});
                    (format!("m{room}"), query)
                };
                let queries: Map<String, Json> = rooms.iter().map(query).collect();
                Some(Socket::join(address, "", queries.into()).await)
            }
            Self::Path => {
                let mut socket = Socket::connect(format!("ws://{address}/{}", rooms[0])).await?;
                socket.hear_of(|_| true).await?;
                Some(socket)
            }
            Self::Zero => zero(address, number, rooms).await,
            Self::Parse => parse(address, rooms).await,
        }
    }
}

async fn zero(address: &str, number: usize, rooms: &[i64]) -> Option<Socket> {
    // Groups are kept in the database, so that two crowds must not share names.
    let group = format!("g{number}-{}", crate::live::figures::now());
    let url = format!(
        "ws://{address}/sync/v{ZERO_PROTOCOL}/connect?clientID=c{group}&clientGroupID={group}&userID=u&ts=0&lmid=0&wsid=w"
    );
    let mut request = url.into_client_request().expect("the url is one");
    let protocol = STANDARD.encode("{}").replace('=', "%3D");
    let protocol = HeaderValue::from_str(&protocol).expect("it is text");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let mut socket = Socket::connect(request).await?;
    socket.hear_of(|text| text.starts_with("[\"connected\"")).await?;
    let put = |room: &i64| json!({"op": "put", "hash": format!("latest{room}"), "name": "latest", "args": [room]});
    let wanted: Vec<Json> = rooms.iter().map(put).collect();
    let columns = json!({
        "id": {"type": "number"}, "room_id": {"type": "number"}, "author": {"type": "string"},
        "body": {"type": "string"}, "inserted_at": {"type": "number"},
    });
    let tables = json!({"messages": {"columns": columns, "primaryKey": ["id"]}});
    let wish = json!({"desiredQueriesPatch": wanted, "clientSchema": {"tables": tables}});
    socket.say(&json!(["initConnection", wish])).await;
    // Its first poke acknowledges the wish; that with `gotQueriesPatch` has the rows.
    let mut missing = rooms.len();
    while 0 < missing {
        let got = |text: &str| text.contains("\"gotQueriesPatch\"");
        let text = socket.hear_of(got).await?;
        let (_, got) = text.split_once("\"gotQueriesPatch\"").expect("it is there");
        let got = got.split(']').next().unwrap_or_default();
        missing = missing.saturating_sub(got.matches("\"hash\"").count());
    }
    Some(socket)
}

async fn parse(address: &str, rooms: &[i64]) -> Option<Socket> {
    let mut socket = Socket::connect(format!("ws://{address}/parse")).await?;
    socket.say(&json!({"op": "connect", "applicationId": "bench"})).await;
    socket.hear_of(|text| text.contains("\"op\":\"connected\"")).await?;
    for room in rooms {
        let query = json!({"className": "Message", "where": {"room_id": room}});
        socket.say(&json!({"op": "subscribe", "requestId": room, "query": query})).await;
        socket.hear_of(|text| text.contains("\"op\":\"subscribed\"")).await?;
    }
    Some(socket)
}
