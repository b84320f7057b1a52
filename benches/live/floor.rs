//! The floor under every system: a tail of PostgreSQL's log, a hash by room, one encoded frame for
//! all who watch the room. No results, no order, no limit, no resuming; one thread.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::Request;

use crate::live::wal::Wal;

type Rooms = RefCell<HashMap<String, Vec<TcpStream>>>;

/// Serves until killed.
pub(crate) fn run(url: &str) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let mut wal = Wal::tail(url).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        println!("ready {address} {}", std::process::id());
        let rooms = Rooms::default();
        tokio::join!(open_doors(&listener, &rooms), tell(&mut wal, &rooms));
    });
}

async fn open_doors(listener: &TcpListener, rooms: &Rooms) {
    loop {
        let (stream, _) = listener.accept().await.expect("a door stays open");
        stream.set_nodelay(true).expect("a socket has options");
        let mut room = String::new();
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let note = |request: &Request, response| {
            request.uri().path().trim_start_matches('/').clone_into(&mut room);
            Ok(response)
        };
        let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, note).await else { continue };
        // The library was for the greeting only.
        let mut stream = socket.into_inner();
        if stream.write_all(&frame("{}")).await.is_ok() {
            rooms.borrow_mut().entry(room).or_default().push(stream);
        }
    }
}

async fn tell(wal: &mut Wal, rooms: &Rooms) {
    loop {
        let columns = wal.insert().await;
        let [id, room, author, body, inserted_at] = columns.as_slice() else {
            panic!("the table has other columns: {columns:?}");
        };
        let row = json!({"id": id, "room_id": room, "author": author, "body": body, "inserted_at": inserted_at});
        let frame = frame(&row.to_string());
        let Some(mut streams) = rooms.borrow_mut().get_mut(room).map(std::mem::take) else {
            continue;
        };
        let mut place = 0;
        while let Some(stream) = streams.get_mut(place) {
            match stream.write_all(&frame).await {
                Ok(()) => place += 1,
                Err(_) => drop(streams.swap_remove(place)),
            }
        }
        rooms.borrow_mut().entry(room.clone()).or_default().append(&mut streams);
    }
}

/// A whole text frame: no mask, and the length in two of its three forms.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a message is short");
    let mut frame = vec![0x81];
    match u8::try_from(length) {
        Ok(short) if short <= 125 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}
