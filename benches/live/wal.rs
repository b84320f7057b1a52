//! A tail of PostgreSQL's log: inserted rows as `pgoutput` tells them, over the replication protocol
//! spoken by hand, since the driver does not speak it.
//!
//! Only what the floor needs: one table, inserts, columns as text.

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_postgres::config::Host;

// The grammar of replication knows capital letters only.
const SLOT: &str = "CREATE_REPLICATION_SLOT floor TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT";
const START: &str = "START_REPLICATION SLOT floor LOGICAL 0/0 \
    (proto_version '1', publication_names 'floor')";

/// A connection that is told of every committed insert.
pub(crate) struct Wal {
    stream: BufReader<TcpStream>,
}

impl Wal {
    /// Follows the publication `floor` from now on.
    pub(crate) async fn tail(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().expect("a cluster has a url");
        let [Host::Tcp(host), ..] = config.get_hosts() else { panic!("{url} names no host") };
        let stream = TcpStream::connect((host.as_str(), config.get_ports()[0])).await;
        let stream = stream.expect("the cluster lets everybody in");
        stream.set_nodelay(true).expect("a socket has options");
        let mut wal = Self { stream: BufReader::with_capacity(1 << 16, stream) };
        let (user, database) = (config.get_user(), config.get_dbname());
        let mut hello = 196_608_i32.to_be_bytes().to_vec();
        for word in ["user", user.unwrap_or("postgres"), "database", database.unwrap_or_default()] {
            hello.extend([word.as_bytes(), b"\0"].concat());
        }
        hello.extend(b"replication\0database\0\0");
        wal.say(None, &hello).await;
        wal.wait_for(b'Z').await;
        wal.say(Some(b'Q'), format!("{SLOT}\0").as_bytes()).await;
        wal.wait_for(b'Z').await;
        wal.say(Some(b'Q'), format!("{START}\0").as_bytes()).await;
        wal.wait_for(b'W').await;
        wal
    }

    /// The columns of the next row.
    pub(crate) async fn insert(&mut self) -> Vec<String> {
        loop {
            let message = self.wait_for(b'd').await;
            match message.first() {
                // A piece of the log: three numbers of eight bytes, then what happened.
                Some(b'w') if message.get(25) == Some(&b'I') => return columns(&message[26..]),
                // It asks whether anybody is there, and where.
                Some(b'k') if message.last() == Some(&1) => self.confirm(&message[1..9]).await,
                _ => {}
            }
        }
    }

    async fn confirm(&mut self, position: &[u8]) {
        let clock = [0; 8];
        let status = [b"r", position, position, position, &clock, b"\0"].concat();
        self.say(Some(b'd'), &status).await;
    }

    async fn say(&mut self, kind: Option<u8>, body: &[u8]) {
        let length = i32::try_from(body.len() + 4).expect("nothing is that long");
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend(length.to_be_bytes());
        message.extend(body);
        self.stream.get_mut().write_all(&message).await.expect("the cluster listens");
    }

    async fn wait_for(&mut self, wanted: u8) -> Vec<u8> {
        loop {
            let kind = self.stream.read_u8().await.expect("the cluster speaks");
            let length = self.stream.read_u32().await.expect("the cluster speaks") - 4;
            let mut body = vec![0; usize::try_from(length).expect("it fits")];
            self.stream.read_exact(&mut body).await.expect("the cluster speaks");
            assert_ne!(kind, b'E', "{}", String::from_utf8_lossy(&body));
            if kind == wanted {
                return body;
            }
        }
    }
}

/// Reads the number of the table, `N`, how many columns, and each with its kind and length.
fn columns(mut tuple: &[u8]) -> Vec<String> {
    let mut take = |count: usize| {
        let (taken, rest) = tuple.split_at(count);
        tuple = rest;
        taken.to_vec()
    };
    take(5);
    let count = u16::from_be_bytes(take(2).try_into().expect("two bytes"));
    let column = |_| match take(1)[0] {
        b't' => {
            let length = u32::from_be_bytes(take(4).try_into().expect("four bytes"));
            let text = take(usize::try_from(length).expect("it fits"));
            String::from_utf8(text).expect("the database speaks UTF-8")
        }
        _ => String::new(),
    };
    (0..count).map(column).collect()
}
