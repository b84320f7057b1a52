//! One WebSocket, read and written at the same time by one task.
//!
//! **Invariant:** nothing here waits for the client: what it does not take is queued, and whoever
//! fills the queue asks [`Pipe::is_drained`] first, or is the client itself, whose messages are not
//! read while too much waits.

use std::future::poll_fn;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::outlet::Outlet;

/// Room for one usual message. Every idle socket pays for it; the library's own choice of 128 KiB
/// makes an idle socket fifteen times as expensive.
const READ_BYTES: usize = 4096;

/// How many bytes of answers may wait before the client is not listened to any more.
///
/// A guess: far more than answers to honest questions, and little enough for every socket at once.
const MOST_WAITING: usize = 256 * 1024;

/// One WebSocket.
#[derive(Debug)]
pub(super) struct Pipe<S> {
    socket: WebSocketStream<Outlet<S>>,
    /// True while something was queued and the stream has not taken and flushed all.
    is_dirty: bool,
    /// When the stream last took something, and how much it had taken by then.
    progress: (Instant, u64),
}

/// What came of waiting.
#[derive(Debug)]
pub(super) enum Turn {
    /// The client said something.
    Text(Utf8Bytes),
    /// The client said something in bytes.
    Binary(Bytes),
    /// The client gave a sign of life.
    Touched,
    /// Everything queued was taken.
    Drained,
    /// There is nothing more to read.
    Ended(End),
}

/// How a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client is gone, or said goodbye.
    Gone,
    /// We say goodbye, with a code and a reason.
    Close(u16, &'static str),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pipe<S> {
    pub(super) async fn new(stream: S, most_bytes: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            // What the library writes is queued at once; it need not collect it.
            .write_buffer_size(0)
            .max_message_size(Some(most_bytes))
            .max_frame_size(Some(most_bytes));
        let outlet = Outlet::new(stream);
        let socket = WebSocketStream::from_raw_socket(outlet, Role::Server, Some(config)).await;
        Self { socket, is_dirty: false, progress: (Instant::now(), 0) }
    }

    /// Queues a message.
    pub(super) fn push(&mut self, text: String) {
        self.begin();
        self.socket.get_mut().push_text(text);
    }

    /// Notes that from now on the client is expected to take something.
    fn begin(&mut self) {
        if !self.is_dirty {
            self.is_dirty = true;
            self.progress = (Instant::now(), self.socket.get_ref().written());
        }
    }

    /// True when the client took everything.
    pub(super) fn is_drained(&self) -> bool {
        !self.is_dirty
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.socket.get_ref().waiting()
    }

    /// When the client last took something, while something waits.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        self.is_dirty.then_some(self.progress.0)
    }

    /// Writes what the stream takes at once, and waits for nothing. What went wrong shows in the next
    /// [`Pipe::turn`].
    pub(super) async fn write(&mut self) {
        poll_fn(|cx| Poll::Ready(self.poll_drain(cx))).await.is_ready();
    }

    /// Reads and writes until something happens; with `is_heard` off it only writes. Cancel safe.
    pub(super) async fn turn(&mut self, is_heard: bool) -> Turn {
        poll_fn(|cx| self.poll_turn(cx, is_heard)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, is_heard: bool) -> Poll<Turn> {
        if let Poll::Ready(turn) = self.poll_drain(cx) {
            return Poll::Ready(turn);
        }
        if !is_heard || MOST_WAITING < self.waiting() {
            return Poll::Pending;
        }
        if let Poll::Ready(read) = self.socket.poll_next_unpin(cx) {
            return Poll::Ready(turn(read));
        }
        // Reading may have answered a ping.
        self.poll_drain(cx)
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if 0 < self.waiting() {
            self.begin();
        }
        if !self.is_dirty {
            return Poll::Pending;
        }
        let drained = self.socket.get_mut().poll_drain(cx);
        let written = self.socket.get_ref().written();
        if self.progress.1 < written {
            self.progress = (Instant::now(), written);
        }
        drained.map(|drained| {
            self.is_dirty = false;
            match drained {
                Ok(()) => Turn::Drained,
                Err(_) => Turn::Ended(End::Gone),
            }
        })
    }

    /// Says what is queued, then goodbye, and hangs up; takes `patience` at most.
    pub(super) async fn finish(mut self, end: End, patience: Duration) {
        let farewell = async {
            if let End::Close(code, reason) = end {
                let frame = CloseFrame { code: code.into(), reason: reason.into() };
                self.socket.close(Some(frame)).await.ok();
            }
            poll_fn(|cx| self.socket.get_mut().poll_drain(cx)).await.ok()?;
            while let Some(Ok(_)) = self.socket.next().await {}
            // Hanging up on bytes that were not read would take back what was said last.
            self.socket.get_mut().shutdown().await.ok()?;
            let mut rest = [0; 1024];
            while 0 < self.socket.get_mut().read(&mut rest).await.ok()? {}
            Some(())
        };
        tokio::time::timeout(patience, farewell).await.ok();
    }
}

fn turn(read: Option<Result<Message, Error>>) -> Turn {
    match read {
        Some(Ok(Message::Text(text))) => Turn::Text(text),
        Some(Ok(Message::Binary(bytes))) => Turn::Binary(bytes),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Turn::Touched,
        Some(Ok(Message::Close(_))) | None => Turn::Ended(End::Gone),
        Some(Err(error)) => Turn::Ended(end_of(&error)),
    }
}

/// What a client is told that cannot be understood.
fn end_of(error: &Error) -> End {
    tracing::debug!(%error, "a socket cannot be read");
    match error {
        Error::Capacity(_) => End::Close(1009, "too large"),
        Error::Utf8(_) => End::Close(1007, "not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => End::Gone,
        Error::Protocol(_) => End::Close(1002, "not a WebSocket frame"),
    }
}
