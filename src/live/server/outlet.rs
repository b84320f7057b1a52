//! The way out of a socket: frames are written here, not by the WebSocket library.
//!
//! The library reads, answers pings and closes; what it writes goes through [`Outlet::poll_write`]
//! into the same queue, whole frames at a time. Our own text frames are put there without a copy,
//! and their memory is free once they are sent, where the library would keep a buffer as large as
//! the largest.
//!
//! **Invariant:** the queue holds whole frames, but for the one at its head; nothing but
//! [`Outlet::poll_drain`] writes to the stream, so the stream wakes whoever drains.

use std::collections::VecDeque;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use bytes::Buf;
use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

/// Frames up to this size are joined with their neighbours, so that many of them make one write.
const SMALL: usize = 2048;

/// How many pieces one write may gather; most systems take 1,024, and few have so many.
const PIECES: usize = 16;

/// A stream with a queue of frames in front of it.
#[derive(Debug)]
pub(super) struct Outlet<S> {
    stream: S,
    chunks: VecDeque<Bytes>,
    /// Small frames at the end of the queue.
    tail: Vec<u8>,
    waiting: usize,
    /// How many bytes the stream has taken.
    written: u64,
}

impl<S> Outlet<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, chunks: VecDeque::new(), tail: Vec::new(), waiting: 0, written: 0 }
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many bytes the stream has taken.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Queues a text frame.
    pub(super) fn push_text(&mut self, text: String) {
        let (head, length) = head(text.len());
        self.append(&head[..length]);
        if text.len() <= SMALL {
            self.append(text.as_bytes());
        } else {
            self.seal();
            self.waiting += text.len();
            self.chunks.push_back(text.into());
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.waiting += bytes.len();
        self.tail.extend_from_slice(bytes);
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
    }
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// Writes until nothing waits, or the stream takes no more.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.seal();
        while !self.chunks.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let count = self.chunks.iter().zip(&mut slices).map(|(chunk, slice)| {
                *slice = IoSlice::new(chunk);
            });
            let count = count.count();
            let stream = Pin::new(&mut self.stream);
            let bytes = ready!(stream.poll_write_vectored(cx, &slices[..count]))?;
            if bytes == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(bytes);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
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

impl<S: AsyncRead + Unpin> AsyncRead for Outlet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

/// How the library writes: into the queue, where there is always room. What fills it is bounded by
/// whoever reads, since the library only answers.
impl<S: AsyncWrite + Unpin> AsyncWrite for Outlet<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.append(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn frames_come_out_whole_and_in_order() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut outlet = Outlet::new(near);
        let lengths = [0, 1, 125, 126, SMALL, SMALL + 1, 65_535, 65_536];
        for length in lengths {
            outlet.push_text("x".repeat(length));
        }
        outlet.write_all(b"\x8a\x00").await.unwrap();
        poll_fn(|cx| outlet.poll_drain(cx)).await.unwrap();
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
        let (near, mut far) = tokio::io::duplex(10);
        let mut outlet = Outlet::new(near);
        outlet.push_text("x".repeat(30));
        assert!(poll_fn(|cx| outlet.poll_drain(cx)).now_or_never().is_none());
        assert_eq!((outlet.written(), outlet.waiting()), (10, 22));
        let mut text = [0; 32];
        let (read, drained) =
            tokio::join!(far.read_exact(&mut text), poll_fn(|cx| outlet.poll_drain(cx)));
        drained.unwrap();
        assert_eq!(read.unwrap(), 32);
        assert_eq!((outlet.written(), outlet.waiting()), (32, 0));
    }
}
