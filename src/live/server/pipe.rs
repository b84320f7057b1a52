//! One WebSocket, read and written at the same time by whoever holds it.
//!
//! **Invariant:** nothing here waits for the client: what it does not take is queued, and whoever
//! fills the queue asks [`Pipe::is_drained`] first, or is the client itself, whose messages are not
//! read while too much waits.

use std::future::poll_fn;
use std::io;
use std::io::Read;
use std::io::Write;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::io::ReadBuf;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::WebSocketContext;

use super::outlet::Outlet;
use super::sockets::Sent;
use crate::live::session::text::Text;

/// Room for one usual message. Every idle socket pays for it; the library's own choice of 128 KiB
/// makes an idle socket thirty times as expensive.
const READ_BYTES: usize = 1024;

/// How many bytes of answers may wait before the client is not listened to any more.
///
/// A guess: far more than answers to honest questions, and little enough for every socket at once.
const MOST_WAITING: usize = 256 * 1024;

/// One WebSocket; first what every delivery looks at.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Pipe<S> {
    /// True while something was queued and the stream has not taken and flushed all.
    is_dirty: bool,
    /// How many messages were queued and not counted yet, and how many bytes were counted.
    uncounted: u64,
    counted: u64,
    outlet: Outlet,
    stream: S,
    /// When the stream last took something, and how much it had taken by then.
    progress: (Instant, u64),
    /// Reads messages, answers pings, and says goodbye.
    protocol: WebSocketContext,
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
    /// A WebSocket whose handshake is over; `read` is what was read of it already.
    pub(super) fn new(stream: S, read: &[u8], most_bytes: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            // What the library writes is queued at once; it need not collect it.
            .write_buffer_size(0)
            .max_message_size(Some(most_bytes))
            .max_frame_size(Some(most_bytes));
        let protocol =
            WebSocketContext::from_partially_read(read.to_vec(), Role::Server, Some(config));
        let progress = (Instant::now(), 0);
        let outlet = Outlet::default();
        Self { stream, outlet, protocol, is_dirty: false, progress, uncounted: 0, counted: 0 }
    }

    /// Queues a message.
    pub(super) fn push(&mut self, text: &Text) {
        self.uncounted += 1;
        self.outlet.push_text(text);
    }

    /// What was sent since the last call.
    pub(super) fn take_sent(&mut self) -> Sent {
        let written = self.outlet.written();
        let bytes = written - std::mem::replace(&mut self.counted, written);
        Sent { frames: std::mem::take(&mut self.uncounted), bytes }
    }

    /// True when the client took everything.
    pub(super) fn is_drained(&self) -> bool {
        !self.is_dirty && self.outlet.waiting() == 0
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.outlet.waiting()
    }

    /// When the client last took something, while something waits.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        self.is_dirty.then_some(self.progress.0)
    }

    /// Copies what is queued into `buffer` until it is given back.
    pub(super) fn lend(&mut self, buffer: &mut Vec<u8>) {
        self.outlet.lend(buffer);
    }

    /// Gives the buffer back, unless something waits in it.
    pub(super) fn give_back(&mut self, buffer: &mut Vec<u8>) {
        self.outlet.give_back(buffer);
    }

    /// Writes what the stream takes at once; `Ready` when something came of it.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if self.is_drained() {
            return Poll::Pending;
        }
        let before = self.outlet.written();
        let drained = self.outlet.poll_drain(&mut self.stream, cx);
        match drained {
            // The clock is looked at only where the client does not take everything at once.
            Poll::Pending => {
                let written = self.outlet.written();
                if !self.is_dirty || before < written {
                    self.progress = (Instant::now(), written);
                }
                self.is_dirty = true;
                Poll::Pending
            }
            Poll::Ready(Ok(())) => {
                self.is_dirty = false;
                Poll::Ready(Turn::Drained)
            }
            Poll::Ready(Err(_)) => Poll::Ready(Turn::Ended(End::Gone)),
        }
    }

    /// Reads one message, unless too much waits for the client to take it.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if MOST_WAITING < self.waiting() {
            return Poll::Pending;
        }
        match self.read(cx) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            read => Poll::Ready(turn(read)),
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<Message, Error> {
        let Self { stream, outlet, protocol, .. } = self;
        protocol.read(&mut Ends { stream, outlet, cx })
    }

    /// Says what is queued, then goodbye, and hangs up; takes `patience` at most.
    pub(super) async fn finish(mut self, end: End, patience: Duration) {
        tokio::time::timeout(patience, self.farewell(end)).await.ok();
    }

    async fn farewell(&mut self, end: End) -> Option<()> {
        if let End::Close(code, reason) = end {
            let frame = CloseFrame { code: code.into(), reason: reason.into() };
            poll_fn(|cx| {
                let Self { stream, outlet, protocol, .. } = &mut *self;
                let ends = &mut Ends { stream, outlet, cx };
                Poll::Ready(protocol.close(ends, Some(frame.clone())).ok())
            })
            .await;
        }
        self.drained().await?;
        loop {
            let read = poll_fn(|cx| match self.read(cx) {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                read => Poll::Ready(read.ok()),
            });
            if read.await.is_none() {
                break;
            }
        }
        // Hanging up on bytes that were not read would take back what was said last.
        self.drained().await?;
        self.stream.shutdown().await.ok()?;
        let mut rest = [0; 256];
        while 0 < self.stream.read(&mut rest).await.ok()? {}
        Some(())
    }

    async fn drained(&mut self) -> Option<()> {
        let Self { stream, outlet, .. } = self;
        poll_fn(|cx| outlet.poll_drain(stream, cx)).await.ok()
    }
}

/// Both ends of a WebSocket as the library sees them: it reads from the stream, and writes into the
/// queue, where there is always room. What fills it is bounded by whoever reads, since the library
/// only answers.
struct Ends<'a, 'c, S> {
    stream: &'a mut S,
    outlet: &'a mut Outlet,
    cx: &'a mut Context<'c>,
}

impl<S: AsyncRead + Unpin> Read for Ends<'_, '_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S> Write for Ends<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outlet.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn turn(read: Result<Message, Error>) -> Turn {
    match read {
        Ok(Message::Text(text)) => Turn::Text(text),
        Ok(Message::Binary(bytes)) => Turn::Binary(bytes),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => Turn::Touched,
        Ok(Message::Close(_)) => Turn::Ended(End::Gone),
        Err(error) => Turn::Ended(end_of(&error)),
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
