//! `LISTEN`: a bell that other connections ring.
//!
//! A notification says that something happened, never what: many of one sender are as good as one,
//! so they are kept as the set of senders that rang, and a slow reader misses nothing.
//!
//! **Invariant:** what rang after a `recv` returned is seen by a later one; when the connection is
//! lost, `recv` says so instead of waiting for ever.

use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_postgres::AsyncMessage;
use tokio_postgres::Client;
use tokio_postgres::Config;
use tokio_postgres::Connection;
use tokio_postgres::Error as DriverError;
use tokio_postgres::NoTls;
use tokio_postgres::Socket;
use tokio_postgres::tls::NoTlsStream;

use super::code;
use super::dialect::PostgresDialect;
use crate::adapter::Effect;
use crate::adapter::sql::quoted_name;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;

/// A statement that a listener runs.
#[cfg(feature = "live")]
pub(crate) type Prepared = tokio_postgres::Statement;

/// Somebody rang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The server process of the connection that rang, to be compared with [`Listener::pid`].
    pub from_pid: i32,
}

/// A connection that hears the notifications of one channel; dropping it closes it.
pub struct Listener {
    client: Client,
    /// The task that reads the socket.
    _driver: JoinSet<()>,
    bell: Arc<Bell>,
    pid: i32,
    ring: String,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("pid", &self.pid).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Bell {
    state: Mutex<State>,
    rang: Notify,
}

#[derive(Default)]
struct State {
    /// At most as many as the server has connections.
    senders: BTreeSet<i32>,
    is_closed: bool,
}

impl Bell {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Connects to `url` and listens on `channel`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the URL or the name of the channel cannot be
    /// used, or the server refuses us; [`Unavailable`](crate::ErrorKind::Unavailable) when it cannot
    /// be reached.
    pub async fn connect(url: &str, channel: &str) -> Result<Self> {
        super::Postgres::new(url)?.listener(channel).await
    }

    pub(super) async fn open(config: &Config, place: &str, channel: &str) -> Result<Self> {
        let failed = |error| {
            code::of_connecting(error, format!("could not listen to PostgreSQL at `{place}`"))
        };
        let channel = quoted_name(channel, &PostgresDialect)?;
        let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
        let bell = Arc::new(Bell::default());
        let mut driver = JoinSet::new();
        driver.spawn(drive(connection, Arc::clone(&bell)));
        client.batch_execute(&format!("listen {channel}")).await.map_err(failed)?;
        let row = client.query_one("select pg_backend_pid()", &[]).await.map_err(failed)?;
        let pid = row.try_get(0).map_err(failed)?;
        Ok(Self { client, _driver: driver, bell, pid, ring: format!("notify {channel}") })
    }

    /// Waits until somebody rings.
    ///
    /// # Order
    ///
    /// None; several rings of one sender may be one notification.
    ///
    /// # Cancellation
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the connection was lost: make a new
    /// listener, and look at what may have happened in between.
    pub async fn recv(&mut self) -> Result<Notification> {
        loop {
            // Made before the look, so that a ring in between wakes it.
            let rang = self.bell.rang.notified();
            {
                let mut state = self.bell.state();
                if let Some(from_pid) = state.senders.pop_first() {
                    return Ok(Notification { from_pid });
                }
                if state.is_closed {
                    let what = "the connection that listens to PostgreSQL was closed";
                    return Err(Error::new(ErrorKind::Unavailable, what));
                }
            }
            rang.await;
        }
    }

    /// Rings the channel; this listener hears it too.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when the connection was lost.
    pub async fn notify(&self) -> Result<()> {
        self.client.batch_execute(&self.ring).await.map_err(failed)
    }

    /// A statement for [`Listener::run`].
    ///
    /// # Errors
    ///
    /// As [`Listener::notify`].
    #[cfg(feature = "live")]
    pub(crate) async fn prepare(&self, sql: &str) -> Result<Prepared> {
        self.client.prepare(sql).await.map_err(failed)
    }

    /// Runs a statement that may ring, and does no harm when it is run twice; says how many rows it
    /// has.
    ///
    /// # Errors
    ///
    /// As [`Listener::notify`].
    #[cfg(feature = "live")]
    pub(crate) async fn run(&self, statement: &Prepared) -> Result<u64> {
        self.client.execute(statement, &[]).await.map_err(failed)
    }

    /// The server process of this connection.
    pub fn pid(&self) -> i32 {
        self.pid
    }
}

/// Ringing twice does no harm, so that doubt is none.
fn failed(error: DriverError) -> Error {
    let what = "could not notify over PostgreSQL".to_owned();
    code::error(error, what, Effect::None, Duration::ZERO)
}

async fn drive(mut connection: Connection<Socket, NoTlsStream>, bell: Arc<Bell>) {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                bell.state().senders.insert(notification.process_id());
                bell.rang.notify_one();
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => break,
        }
    }
    bell.state().is_closed = true;
    bell.rang.notify_one();
}
