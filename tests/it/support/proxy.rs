//! A TCP proxy on loopback that can be a bad network.
//!
//! It cuts connections, lets them hang without a word, refuses new ones, and cuts one exactly
//! when certain bytes pass, which is how a test loses the answer to a `COMMIT`. It reads no
//! protocol.
//!
//! **Invariant:** on a connection the bytes that arrive are a prefix of those that were sent, as
//! with TCP itself: nothing is dropped in the middle, so a thawed connection goes on where it
//! stopped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cluster::free_port;

/// How long the server may take to finish what it was sent before a cut. A guess; PostgreSQL is
/// done with a `COMMIT` and closes within milliseconds.
const DRAIN: Duration = Duration::from_secs(5);

/// One read's worth, as much as most programs write at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// On which side of the cut the bytes end up that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The server never sees them.
    BeforeForward,
    /// The server sees them, and what was written with them; the client never sees an answer.
    AfterForward,
}

/// A listener on loopback that carries connections to another address; all its tasks end when it
/// is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    target: SocketAddr,
    wires: Arc<Wires>,
    connections: Arc<Mutex<JoinSet<()>>>,
    acceptor: Mutex<JoinSet<()>>,
}

impl Proxy {
    /// Starts a proxy in front of `target`.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let (port, listener) = loop {
            let port = free_port();
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                break (port, listener);
            }
        };
        let proxy = Self {
            port,
            target,
            wires: Arc::default(),
            connections: Arc::default(),
            acceptor: Mutex::default(),
        };
        proxy.take_from(listener);
        proxy
    }

    /// The port the proxy listens on, also while it refuses connections.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `url` with the target's address replaced by the proxy's.
    pub(crate) fn through(&self, url: &str) -> String {
        let target = self.target.to_string();
        assert!(url.contains(&target), "`{url}` does not lead to {target}");
        url.replacen(&target, &format!("127.0.0.1:{}", self.port), 1)
    }

    /// Closes all connections; returns when they are closed.
    pub(crate) async fn cut(&self) {
        let mut connections = std::mem::take(&mut *lock(&self.connections));
        connections.shutdown().await;
    }

    /// Lets nothing through, neither bytes nor the end of a connection, in either direction.
    ///
    /// New connections are accepted and hang, too.
    pub(crate) fn freeze(&self) {
        self.wires.frozen.send_replace(true);
    }

    /// Lets everything through again, beginning with what was held back.
    pub(crate) fn thaw(&self) {
        self.wires.frozen.send_replace(false);
    }

    /// Takes no new connections: the system refuses them. Those that exist go on.
    pub(crate) async fn refuse(&self) {
        let mut acceptor = std::mem::take(&mut *lock(&self.acceptor));
        acceptor.shutdown().await;
    }

    /// Takes new connections again, on the same port.
    pub(crate) async fn accept(&self) {
        self.refuse().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await;
        self.take_from(listener.expect("the port is below those that others are given"));
    }

    /// Cuts the next connection whose client sends `pattern`, once; `cuts` says whether it has
    /// happened. Arming it again replaces the pattern.
    ///
    /// The client sees the cut after the server has closed, so what the server does with the
    /// bytes is done by then. Of a pattern that arrives in pieces, the earlier pieces have been
    /// forwarded when it is recognised.
    pub(crate) fn cut_on(&self, pattern: &[u8], when: When) {
        assert!(!pattern.is_empty(), "an empty pattern is everywhere");
        *lock(&self.wires.trap) = Some(Trap { pattern: pattern.to_vec(), when });
    }

    /// How many connections were accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.wires.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> u64 {
        self.wires.open.load(Ordering::Relaxed)
    }

    /// How many connections were cut by a pattern.
    pub(crate) fn cuts(&self) -> u64 {
        self.wires.cuts.load(Ordering::Relaxed)
    }

    /// How many bytes went from clients to the server.
    pub(crate) fn bytes_up(&self) -> u64 {
        self.wires.bytes_up.load(Ordering::Relaxed)
    }

    /// How many bytes went from the server to clients.
    pub(crate) fn bytes_down(&self) -> u64 {
        self.wires.bytes_down.load(Ordering::Relaxed)
    }

    fn take_from(&self, listener: TcpListener) {
        let target = self.target;
        let wires = Arc::clone(&self.wires);
        let connections = Arc::clone(&self.connections);
        lock(&self.acceptor).spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                wires.accepted.fetch_add(1, Ordering::Relaxed);
                let mut connections = lock(&connections);
                while connections.try_join_next().is_some() {}
                connections.spawn(carry(client, target, Arc::clone(&wires)));
            }
        });
    }
}

/// What all connections of a proxy share.
#[derive(Debug, Default)]
struct Wires {
    frozen: watch::Sender<bool>,
    trap: Mutex<Option<Trap>>,
    accepted: AtomicU64,
    open: AtomicU64,
    cuts: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

#[derive(Debug)]
struct Trap {
    pattern: Vec<u8>,
    when: When,
}

impl Wires {
    /// Waits while the proxy is frozen.
    async fn thawed(&self) {
        let mut frozen = self.frozen.subscribe();
        frozen.wait_for(|frozen| !frozen).await.expect("the sender is ours");
    }

    /// How much of `chunk` to forward before the cut, if the trap springs on it.
    ///
    /// `tail` carries the end of what passed before, where the pattern may have begun.
    fn spring(&self, tail: &mut Vec<u8>, chunk: &[u8]) -> Option<usize> {
        let mut armed = lock(&self.trap);
        let Some(Trap { pattern, when }) = &*armed else {
            tail.clear();
            return None;
        };
        let before = tail.len();
        tail.extend_from_slice(chunk);
        let Some(at) = tail.windows(pattern.len()).position(|bytes| bytes == pattern) else {
            let keep = tail.len().min(pattern.len() - 1);
            tail.drain(..tail.len() - keep);
            return None;
        };
        let pass = match when {
            When::BeforeForward => at.saturating_sub(before),
            When::AfterForward => chunk.len(),
        };
        *armed = None;
        Some(pass)
    }
}

/// Counts a connection as open while it exists.
struct Open<'a>(&'a Wires);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How the client's direction ended.
enum End {
    /// The client has no more to say.
    Closed,
    /// The trap sprang.
    Sprung,
}

/// Carries one connection until both sides have closed it, one of them broke, or the trap sprang.
async fn carry(mut client: TcpStream, target: SocketAddr, wires: Arc<Wires>) {
    wires.open.fetch_add(1, Ordering::Relaxed);
    let _open = Open(&wires);
    wires.thawed().await;
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }

    let muted = AtomicBool::new(false);
    let (client_read, client_write) = client.split();
    let (server_read, server_write) = server.split();
    let mut up = pin!(carry_up(client_read, server_write, &wires, &muted));
    let mut down = pin!(carry_down(server_read, client_write, &wires, &muted));
    // Either direction may close first; an error in one ends both.
    tokio::select! {
        end = &mut up => match end {
            Ok(End::Closed) => drop(down.await),
            Ok(End::Sprung) => {
                let _ = tokio::time::timeout(DRAIN, down).await;
                wires.cuts.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {}
        },
        end = &mut down => if end.is_ok() {
            drop(up.await);
        },
    }
}

async fn carry_up(
    mut client: ReadHalf<'_>,
    mut server: WriteHalf<'_>,
    wires: &Wires,
    muted: &AtomicBool,
) -> io::Result<End> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut tail = Vec::new();
    loop {
        let count = client.read(&mut buffer).await?;
        wires.thawed().await;
        if count == 0 {
            server.shutdown().await?;
            return Ok(End::Closed);
        }
        let sprung = wires.spring(&mut tail, &buffer[..count]);
        if sprung.is_some() {
            // Both directions are one task, so not a byte of an answer can slip through.
            muted.store(true, Ordering::Relaxed);
        }
        let pass = sprung.unwrap_or(count);
        server.write_all(&buffer[..pass]).await?;
        wires.bytes_up.fetch_add(pass as u64, Ordering::Relaxed);
        if sprung.is_some() {
            // A close with an answer unread would reset the connection, and the system would
            // throw away what the server has not read yet; hence only this half is closed.
            server.shutdown().await?;
            return Ok(End::Sprung);
        }
    }
}

async fn carry_down(
    mut server: ReadHalf<'_>,
    mut client: WriteHalf<'_>,
    wires: &Wires,
    muted: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = server.read(&mut buffer).await?;
        wires.thawed().await;
        if muted.load(Ordering::Relaxed) {
            if count == 0 {
                return Ok(());
            }
            continue;
        }
        if count == 0 {
            return client.shutdown().await;
        }
        client.write_all(&buffer[..count]).await?;
        wires.bytes_down.fetch_add(count as u64, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::{Client, NoTls};

    use super::super::cluster::{Cluster, Database};
    use super::super::wait::{eventually_eq, within};
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);
    /// Long enough for an answer that is on its way to arrive, short enough to wait for in vain.
    const MOMENT: Duration = Duration::from_millis(200);

    struct Setup {
        database: Database,
        proxy: Proxy,
        drivers: JoinSet<()>,
    }

    impl Setup {
        async fn new() -> Self {
            let cluster = Cluster::shared();
            let database = cluster.create_database();
            cluster.psql(database.url(), "CREATE TABLE kept (id int)");
            let proxy = Proxy::start(cluster.address()).await;
            Self { database, proxy, drivers: JoinSet::new() }
        }

        async fn try_connect(&mut self) -> Result<Client, tokio_postgres::Error> {
            let url = self.proxy.through(self.database.url());
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            self.drivers.spawn(async { drop(connection.await) });
            Ok(client)
        }

        async fn connect(&mut self) -> Client {
            self.try_connect().await.expect("the proxy carries connections")
        }

        fn kept(&self) -> String {
            Cluster::shared().psql(self.database.url(), "SELECT count(*) FROM kept")
        }

        /// Inserts a row and commits, with the trap armed for the `COMMIT`.
        async fn commit_into_a_trap(&mut self, when: When) {
            let mut client = self.connect().await;
            let transaction = client.transaction().await.unwrap();
            transaction.execute("INSERT INTO kept VALUES (1)", &[]).await.unwrap();
            self.proxy.cut_on(b"COMMIT", when);
            let outcome = within("the cut", BOUND, transaction.commit()).await;
            assert!(outcome.is_err_and(|error| error.is_closed()));
            assert_eq!(self.proxy.cuts(), 1);

            let again = self.connect().await;
            again.batch_execute("BEGIN; COMMIT").await.unwrap();
        }
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_and_are_counted() {
        let mut setup = Setup::new().await;
        let client = setup.connect().await;
        let text = "x".repeat(200_000);

        let row = client.query_one("SELECT $1 || $1", &[&text]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), text.repeat(2));
        assert!(200_000 < setup.proxy.bytes_up());
        assert!(400_000 < setup.proxy.bytes_down());
        assert_eq!((setup.proxy.accepted(), setup.proxy.open()), (1, 1));

        drop(client);
        eventually_eq("the connection to close", BOUND, 0, async || setup.proxy.open()).await;
    }

    #[tokio::test]
    async fn a_cut_closes_every_connection_and_new_ones_are_taken() {
        let mut setup = Setup::new().await;
        let first = setup.connect().await;
        let second = setup.connect().await;

        setup.proxy.cut().await;
        assert_eq!(setup.proxy.open(), 0);
        assert!(first.simple_query("SELECT 1").await.is_err());
        assert!(second.simple_query("SELECT 1").await.is_err());
        setup.connect().await.simple_query("SELECT 1").await.unwrap();
    }

    #[tokio::test]
    async fn a_frozen_connection_hangs_and_goes_on_when_thawed() {
        let mut setup = Setup::new().await;
        let client = setup.connect().await;

        setup.proxy.freeze();
        let mut insert = pin!(client.simple_query("INSERT INTO kept VALUES (1)"));
        assert!(tokio::time::timeout(MOMENT, &mut insert).await.is_err());
        assert!(tokio::time::timeout(MOMENT, setup.try_connect()).await.is_err());
        assert!(!client.is_closed());
        assert_eq!(setup.kept(), "0");

        setup.proxy.thaw();
        within("the answer", BOUND, insert).await.unwrap();
        assert_eq!(setup.kept(), "1");
        setup.connect().await.simple_query("SELECT 1").await.unwrap();
    }

    #[tokio::test]
    async fn a_refused_client_gets_no_connection_until_it_is_accepted() {
        let mut setup = Setup::new().await;
        let client = setup.connect().await;

        setup.proxy.refuse().await;
        let address = (Ipv4Addr::LOCALHOST, setup.proxy.port());
        let refused = TcpStream::connect(address).await.map_err(|error| error.kind());
        assert_eq!(refused.unwrap_err(), io::ErrorKind::ConnectionRefused);
        client.simple_query("SELECT 1").await.unwrap();

        setup.proxy.accept().await;
        setup.connect().await.simple_query("SELECT 1").await.unwrap();
        assert_eq!(setup.proxy.accepted(), 2);
    }

    #[tokio::test]
    async fn a_commit_whose_answer_is_lost_was_done() {
        let mut setup = Setup::new().await;
        setup.commit_into_a_trap(When::AfterForward).await;
        assert_eq!(setup.kept(), "1");
    }

    #[tokio::test]
    async fn a_commit_that_is_cut_before_it_arrives_was_not_done() {
        let mut setup = Setup::new().await;
        setup.commit_into_a_trap(When::BeforeForward).await;
        assert_eq!(setup.kept(), "0");
    }

    #[tokio::test]
    async fn a_dropped_proxy_closes_its_connections() {
        let mut setup = Setup::new().await;
        let client = setup.connect().await;
        let Setup { database, proxy, drivers: _drivers } = setup;

        drop(proxy);
        let query = client.simple_query("SELECT 1");
        assert!(within("the connection to close", BOUND, query).await.is_err());
        drop(database);
    }

    #[test]
    fn a_pattern_is_found_across_chunks() {
        let wires = Wires::default();
        let arm = |when| {
            *lock(&wires.trap) = Some(Trap { pattern: b"COMMIT".to_vec(), when });
        };
        let mut tail = Vec::new();
        assert_eq!(wires.spring(&mut tail, b"COMMIT"), None);

        arm(When::BeforeForward);
        assert_eq!(wires.spring(&mut tail, b"INSERT COM"), None);
        assert_eq!(wires.spring(&mut tail, b"M"), None);
        assert_eq!(wires.spring(&mut tail, b"IT; SELECT"), Some(0));
        assert_eq!(wires.spring(&mut tail, b"COMMIT"), None);

        arm(When::BeforeForward);
        assert_eq!(wires.spring(&mut tail, b"BEGIN; COMMIT;"), Some(7));
        arm(When::AfterForward);
        assert_eq!(wires.spring(&mut tail, b"BEGIN; COMMIT;"), Some(14));
    }
}
