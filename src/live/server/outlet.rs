//! The way out of a socket: frames are written here, not by the WebSocket library.
//!
//! The library reads, answers pings and closes; what it writes is put into the same queue, whole
//! frames at a time. Our own text frames are put there too, long shared parts without a copy, and their
//! memory is free once they are sent, where the library would keep a buffer as large as the largest.
//!
//! **Invariant:** the queue holds whole frames, but for the one at its head; an empty queue holds no
//! memory.

use std::collections::VecDeque;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf;
use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::live::session::text::Part;
use crate::live::session::text::Text;

/// How many pieces one write may gather; most systems take 1,024, and few have so many.
const PIECES: usize = 16;

/// A queue of frames in front of a stream.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    chunks: VecDeque<Bytes>,
    /// What was copied to the end of the queue: many small frames make one write.
    tail: Vec<u8>,
    waiting: usize,
    /// How many bytes the stream has taken.
    written: u64,
}

impl Outlet {
    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many bytes the stream has taken.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Queues a text frame.
    pub(super) fn push_text(&mut self, text: &Text) {
        let (head, length) = head(text.len());
        self.append(&head[..length]);
        for part in text.parts() {
            match part {
                Part::Own(text) => self.append(text.as_bytes()),
                Part::Shared(bytes) => {
                    self.seal();
                    self.waiting += bytes.len();
                    self.chunks.push_back(bytes.clone());
                }
            }
        }
    }

    /// Queues bytes as they are.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.waiting += bytes.len();
        self.tail.extend_from_slice(bytes);
    }

    /// Takes an empty buffer to copy into, while nothing waits.
    pub(super) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if self.waiting == 0 {
            std::mem::swap(&mut self.tail, buffer);
        }
    }

    /// Gives the buffer back, unless something waits in it, and holds no memory where nothing waits.
    pub(super) fn give_back(&mut self, buffer: &mut Vec<u8>) {
        if self.waiting == 0 {
            *buffer = std::mem::take(&mut self.tail);
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(std::mem::take(&mut self.tail).into());
        }
    }

    fn advance(&mut self, mut bytes: usize) {
        self.waiting -= bytes;
        self.written += bytes as u64;
        while let Some(first) = self.chunks.front_mut() {
            let taken = bytes.min(first.len());
            first.advance(taken);
            bytes -= taken;
            if !first.is_empty() {
                return;
            }
            self.chunks.pop_front();
        }
        self.chunks = VecDeque::new();
    }

    /// Writes until nothing waits, or the stream takes no more.
    pub(super) fn poll_drain<S>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + Unpin,
    {
        if self.chunks.is_empty() && !self.tail.is_empty() {
            // One piece, as most of the time: written from where it is, which is cheapest.
            let bytes = ready!(Pin::new(&mut *stream).poll_write(cx, &self.tail))?;
            if bytes == self.tail.len() {
                self.tail.clear();
                self.advance(bytes);
            } else {
                self.seal();
                self.advance(some(bytes)?);
            }
        }
        self.seal();
        while !self.chunks.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let count = self.chunks.iter().zip(&mut slices).map(|(chunk, slice)| {
                *slice = IoSlice::new(chunk);
            });
            let count = count.count();
            let stream = Pin::new(&mut *stream);
            let bytes = ready!(stream.poll_write_vectored(cx, &slices[..count]))?;
            self.advance(some(bytes)?);
        }
        Pin::new(stream).poll_flush(cx)
    }
}

/// A stream that takes nothing will take nothing.
fn some(bytes: usize) -> io::Result<usize> {
    if bytes == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(bytes) }
}

/// The head of a whole text frame from a server: no mask, and the length in the shortest form.
fn head(length: usize) -> ([u8; 10], usize) {
    let mut head = [0; 10];
    head[0] = 0x81;
    match u16::try_from(length) {
        Ok(short) if short <= 125 => {
            head[1] = short.to_be_bytes()[1];
            (head, 2)
        }
        Ok(short) => {
            head[1] = 126;
            head[2..4].copy_from_slice(&short.to_be_bytes());
            (head, 4)
        }
        Err(_) => {
            head[1] = 127;
            head[2..].copy_from_slice(&(length as u64).to_be_bytes());
            (head, 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::live::step::Shared;

    fn text(own: &str, shared: usize) -> Text {
        let shared = Shared::new("x".repeat(shared));
        let mut text = Text::default();
        text.push_str(own);
        text.push_shared(&shared, shared.as_str());
        text
    }

    #[tokio::test]
    async fn frames_leave_in_order_whatever_their_length() {
        let (mut near, mut far) = tokio::io::duplex(1 << 20);
        let mut outlet = Outlet::default();
        let lengths = [0, 1, 125, 126, 2048, 2049, 65_535, 65_536, 3, 100_000];
        for length in lengths {
            outlet.push_text(&text("", length));
        }
        outlet.append(b"\x8a\x00");
        poll_fn(|cx| outlet.poll_drain(&mut near, cx)).await.unwrap();
        assert_eq!(outlet.waiting(), 0);
        for length in lengths {
            assert_eq!(far.read_u8().await.unwrap(), 0x81);
            let read = match far.read_u8().await.unwrap() {
                126 => usize::from(far.read_u16().await.unwrap()),
                127 => usize::try_from(far.read_u64().await.unwrap()).unwrap(),
                short => usize::from(short),
            };
            assert_eq!(read, length);
            let mut text = vec![0; length];
            far.read_exact(&mut text).await.unwrap();
            assert!(text.iter().all(|byte| *byte == b'x'));
        }
        assert_eq!(far.read_u16().await.unwrap(), 0x8a00);
    }

    #[tokio::test]
    async fn a_stream_that_takes_little_gets_little() {
        let (mut near, mut far) = tokio::io::duplex(10);
        let mut outlet = Outlet::default();
        outlet.push_text(&text("head", 5000));
        assert!(poll_fn(|cx| outlet.poll_drain(&mut near, cx)).now_or_never().is_none());
        assert_eq!((outlet.written(), outlet.waiting()), (10, 4998));
        let mut text = [0; 5008];
        let drain = poll_fn(|cx| outlet.poll_drain(&mut near, cx));
        let (read, drained) = tokio::join!(far.read_exact(&mut text), drain);
        drained.unwrap();
        assert_eq!(read.unwrap(), 5008);
        assert_eq!(&text[..9], b"\x81\x7e\x13\x8cheadx");
        assert_eq!((outlet.written(), outlet.waiting()), (5008, 0));
        assert_eq!((outlet.tail.capacity(), outlet.chunks.capacity()), (0, 0));
    }
}
