//! A connection by which a process of this program is told what to do: orders are lines, each answered
//! with one line.

use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

/// One end of it.
pub(crate) struct Control(Lines<BufReader<TcpStream>>);

impl Control {
    /// The end of whoever gives orders.
    pub(crate) async fn connect(address: &str) -> Self {
        Self::over(TcpStream::connect(address).await.expect("it listens"))
    }

    /// The end of whoever obeys.
    pub(crate) async fn accept(listener: TcpListener) -> Self {
        Self::over(listener.accept().await.expect("somebody says what to do").0)
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a connection can be set up");
        Self(BufReader::new(stream).lines())
    }

    /// Has something done, and returns the answer.
    pub(crate) async fn order(&mut self, order: &str) -> String {
        self.say(order).await;
        self.hear().await.expect("orders are answered")
    }

    /// The next line; none where the other end is gone.
    pub(crate) async fn hear(&mut self) -> Option<String> {
        self.0.next_line().await.expect("a line can be read")
    }

    pub(crate) async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.0.get_mut().write_all(line.as_bytes()).await.expect("the other end listens");
    }
}
