//! A plain HTTP client on one connection, for the system whose inserts are requests.

use serde_json::Value as Json;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpStream;

/// A connection that is kept.
pub(crate) struct Rest {
    stream: BufReader<TcpStream>,
    address: String,
}

impl Rest {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server lets everybody in");
        stream.set_nodelay(true).expect("a socket has options");
        Self { stream: BufReader::new(stream), address: address.to_owned() }
    }

    /// Creates an object of Parse's, and returns when the server says it is there.
    pub(crate) async fn create(&mut self, class: &str, object: &Json) {
        let body = object.to_string();
        let request = format!(
            "POST /parse/classes/{class} HTTP/1.1\r\nhost: {}\r\nx-parse-application-id: bench\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).await.expect("the server listens");
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            self.stream.read_line(&mut head).await.expect("the server answers");
            let line = head[start..].to_ascii_lowercase();
            assert!(!line.is_empty(), "the server hung up: {head}");
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse().expect("a length is a number");
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await.expect("the server answers");
        let answer = String::from_utf8_lossy(&answer);
        assert!(head.starts_with("HTTP/1.1 201"), "an object was refused: {head}{answer}");
    }
}
