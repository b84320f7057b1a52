//! Those who listen in the fan-out benchmark: thousands of connections that count frames and do
//! nothing else, so that what is measured is the server.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How many connections are being made at once: fewer than a listener lets wait.
const ARRIVING: usize = 128;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// What all connections together heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) frames: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) reads: AtomicU64,
}

/// A connection, unless nobody answered.
type Arrival = Result<TcpStream, tokio::time::error::Elapsed>;

/// Thousands of connections.
pub(crate) struct Listeners {
    pub(crate) heard: Arc<Heard>,
    readers: JoinSet<()>,
}

impl Listeners {
    /// Opens `count` connections; `hello` is sent on each before anything is counted.
    pub(crate) async fn open(address: &str, count: usize, hello: Hello) -> Self {
        let mut this = Self { heard: Arc::default(), readers: JoinSet::new() };
        let mut arriving = JoinSet::new();
        for number in 0..count {
            if ARRIVING <= arriving.len() {
                this.welcome(arriving.join_next().await);
            }
            arriving
                .spawn(tokio::time::timeout(PATIENCE, connect(address.to_owned(), number, hello)));
        }
        while !arriving.is_empty() {
            this.welcome(arriving.join_next().await);
        }
        this
    }

    fn welcome(&mut self, arrived: Option<Result<Arrival, tokio::task::JoinError>>) {
        if let Some(arrival) = arrived {
            let stream =
                arrival.expect("a connection can be made").expect("it is answered in time");
            self.readers.spawn(count_frames(stream, Arc::clone(&self.heard)));
        }
    }

    pub(crate) fn frames(&self) -> u64 {
        self.heard.frames.load(Ordering::Relaxed)
    }

    /// Waits until so many frames came in all.
    pub(crate) async fn wait_for(&self, frames: u64) {
        let began = Instant::now();
        while self.frames() < frames {
            assert!(began.elapsed() < PATIENCE, "{} of {frames} frames came", self.frames());
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    }
}

/// What a connection says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    /// Nothing; the server says one byte when it has taken the connection. Without that more would
    /// arrive at once than a listener lets wait, and some of them would never be taken.
    Bare,
    /// A WebSocket, and no more.
    Socket,
    /// A WebSocket, and a join with one query that all share.
    Join,
}

async fn connect(address: String, number: usize, hello: Hello) -> TcpStream {
    let mut stream = TcpStream::connect(&address).await.expect("the server takes connections");
    stream.set_nodelay(true).expect("a connection can be set up");
    match hello {
        Hello::Bare => {
            stream.read_u8().await.expect("the server takes the connection");
        }
        Hello::Socket => upgrade(&mut stream).await,
        Hello::Join => {
            upgrade(&mut stream).await;
            stream.write_all(&join(number)).await.expect("the server listens");
            // The answer is larger than what follows and must not be counted.
            read_frame(&mut stream).await;
        }
    }
    stream
}

async fn upgrade(stream: &mut TcpStream) {
    let request = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("the server listens");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("the server answers"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
}

/// A join, masked with zeros. Official clients count their references from three or so, each its own.
fn join(number: usize) -> Vec<u8> {
    let reference = 3 + number % 7;
    let text = format!(
        r#"["{reference}","{reference}","live:main","phx_join",{{"proto":1,"queries":{{"n":{{"q":"newest","args":{{"room":7}}}}}}}}]"#
    );
    let length = u8::try_from(text.len()).expect("a short message");
    let mut frame =
        if length < 126 { vec![0x81, 0x80 | length] } else { vec![0x81, 0xfe, 0, length] };
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

async fn read_frame(stream: &mut TcpStream) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.expect("the server answers");
    let length = match head[1] {
        126 => usize::from(stream.read_u16().await.expect("the server answers")),
        127 => usize::try_from(stream.read_u64().await.expect("the server answers"))
            .expect("an answer fits into memory"),
        short => usize::from(short),
    };
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await.expect("the server answers");
    assert!(text.windows(8).any(|part| part == b"snapshot"), "the join was refused");
}

/// Counts frames until the other side is gone.
async fn count_frames(stream: TcpStream, heard: Arc<Heard>) {
    let mut counter = Counter::default();
    loop {
        // The buffer lives only while something is there to be read.
        stream.readable().await.expect("a connection can be waited for");
        let mut buffer = [0; 8192];
        let read = match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let frames = counter.take(&buffer[..read]);
        heard.bytes.fetch_add(read as u64, Ordering::Relaxed);
        heard.reads.fetch_add(1, Ordering::Relaxed);
        heard.frames.fetch_add(frames, Ordering::Relaxed);
    }
}

/// Finds the ends of frames without looking at what is in them.
#[derive(Debug, Default)]
struct Counter {
    head: Vec<u8>,
    /// How much of the text is yet to come.
    text: usize,
}

impl Counter {
    fn take(&mut self, mut bytes: &[u8]) -> u64 {
        let mut frames = 0;
        while !bytes.is_empty() {
            if 0 < self.text {
                let taken = self.text.min(bytes.len());
                self.text -= taken;
                bytes = &bytes[taken..];
                frames += u64::from(self.text == 0);
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if let Some(length) = length(&self.head) {
                self.head.clear();
                self.text = length;
            }
        }
        frames
    }
}

fn length(head: &[u8]) -> Option<usize> {
    match head {
        [_, short] if *short < 126 => Some(usize::from(*short)),
        [_, 126, high, low] => Some(usize::from(u16::from_be_bytes([*high, *low]))),
        [_, 127, rest @ ..] => {
            let bytes: [u8; 8] = rest.try_into().ok()?;
            usize::try_from(u64::from_be_bytes(bytes)).ok()
        }
        _ => None,
    }
}
