//! The chat on the web: which questions may be asked, what may be done, and the page.

use std::sync::Arc;

use recto::live::server::Server;
use recto::prelude::*;
use serde::Deserialize;

use crate::room::{Message, Room};

/// What `messages.latest` is asked with.
#[derive(Deserialize)]
struct InRoom {
    room_id: i64,
}

/// What `messages.delete` is asked with.
#[derive(Deserialize)]
struct ById {
    id: i64,
}

/// Everything outsiders can reach; they never send SQL.
pub(crate) fn server(live: Live) -> Server {
    Server::new(live)
        .query("rooms.all", async |_: Arc<()>, (): ()| Ok(Room::all_with_counts()))
        .query("messages.latest", async |_: Arc<()>, args: InRoom| {
            Ok(Message::latest_in(args.room_id))
        })
        .mutation("rooms.create", async |_: Arc<()>, repo: Repo, params: Params| {
            repo.insert(Room::default().changeset(&params)).await
        })
        .mutation("messages.post", async |_: Arc<()>, repo: Repo, params: Params| {
            repo.insert(Message::default().changeset(&params)).await
        })
        .mutation("messages.delete", async |_: Arc<()>, repo: Repo, params: Params| {
            let ById { id } = params.read()?;
            let message = repo.fetch::<Message>(id).await?;
            Ok::<(), Error>(repo.delete(message).await?)
        })
        .asset("/", "text/html; charset=utf-8", include_str!("index.html"))
        .asset("/recto.js", JAVASCRIPT, include_str!("../../client/recto.js"))
        .asset("/connection.js", JAVASCRIPT, include_str!("../../client/connection.js"))
        .asset("/rows.js", JAVASCRIPT, include_str!("../../client/rows.js"))
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
