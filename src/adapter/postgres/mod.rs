//! PostgreSQL, 14 and later, over `tokio-postgres`.
//!
//! Statements are prepared once on each connection and sent together where nothing forbids it.
//! This build has no TLS.
//!
//! **Invariant:** a password is never printed.

mod cancels;
mod code;
mod connection;
mod decode;
mod dialect;
mod encode;
mod notify;
mod numeric;
mod pipeline;
mod semantics;
mod spelled;
mod statements;
mod transaction;

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tokio_postgres::config::SslMode;

use self::cancels::Cancels;
pub use self::connection::PostgresConnection;
pub use self::dialect::PostgresDialect;
pub use self::notify::Listener;
pub use self::notify::Notification;
#[cfg(feature = "live")]
pub(crate) use self::notify::Prepared;
use super::Access;
use super::Adapter;
use super::sql::Dialect;
use crate::error::Error;
use crate::error::Result;
use crate::query::eval::Semantics;

/// How long to wait for a server to take a connection, unless the URL says: a local one takes
/// milliseconds, one across an ocean a second. A guess.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often to ask a silent server whether it is there, unless the URL says, so that a vanished
/// one is noticed within half a minute instead of two hours. A guess.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How often to ask before giving up.
const KEEPALIVE_RETRIES: u32 = 2;

/// A PostgreSQL database.
pub struct Postgres {
    config: Config,
    /// Learned from the first connection: they belong to the database.
    semantics: Arc<OnceLock<Semantics>>,
    cancels: Arc<Cancels>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({})", self.place())
    }
}

impl Postgres {
    /// The database at `url`, such as `postgres://ada@localhost/chat`; nothing is connected yet.
    ///
    /// The options of the URL are those of libpq that `tokio-postgres` knows; `application_name`
    /// is `recto`, `connect_timeout` 5 seconds and the keepalives of TCP 10 seconds unless given.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the URL cannot be read, or demands TLS, which
    /// this build does not have.
    pub fn new(url: &str) -> Result<Self> {
        // The driver's own error may quote parts of the URL, and with it a password.
        let mut config: Config = url.parse().map_err(|_| {
            Error::invalid(
                "could not read the database URL: it should look like \
                 `postgres://user:password@host:5432/database`",
            )
        })?;
        if !matches!(config.get_ssl_mode(), SslMode::Disable | SslMode::Prefer) {
            return Err(Error::invalid(
                "the database URL demands TLS with `sslmode`, and this build has none",
            ));
        }
        if config.get_application_name().is_none() {
            config.application_name("recto");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            config.keepalives_idle(KEEPALIVE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(KEEPALIVE_RETRIES);
        }
        Ok(Self { config, semantics: Arc::default(), cancels: Arc::default() })
    }

    /// A connection that hears the notifications of `channel`.
    ///
    /// # Errors
    ///
    /// As [`Adapter::connect`].
    pub async fn listener(&self, channel: &str) -> Result<Listener> {
        Listener::open(&self.config, &self.place(), channel).await
    }

    /// The database for people: host and name, no user and no password.
    fn place(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "?".to_owned(),
        };
        let port = self.config.get_ports().first().map(|port| format!(":{port}"));
        let name = self.config.get_dbname().or(self.config.get_user()).unwrap_or("?");
        format!("{host}{}/{name}", port.unwrap_or_default())
    }
}

impl Adapter for Postgres {
    type Connection = PostgresConnection;

    fn dialect(&self) -> &'static dyn Dialect {
        &PostgresDialect
    }

    fn most(&self, _access: Access) -> Option<usize> {
        None
    }

    fn shares_connections(&self) -> bool {
        true
    }

    async fn connect(&self, _access: Access) -> Result<PostgresConnection> {
        let place = self.place();
        PostgresConnection::open(&self.config, &place, &self.semantics, &self.cancels).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let postgres = Postgres::new("postgres://ada:secret@db.example:5433/chat").unwrap();
        assert_eq!(format!("{postgres:?}"), "Postgres(db.example:5433/chat)");

        for url in ["postgres://ada:secret@/%", "host=x password=se cret", "secret", "host='secret"]
        {
            let Err(error) = Postgres::new(url) else { continue };
            assert!(!error.chain().to_string().contains("cret"), "{}", error.chain());
        }
    }

    #[test]
    fn a_demand_for_tls_is_refused() {
        let error = Postgres::new("postgres://localhost/chat?sslmode=require").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid: the database URL demands TLS with `sslmode`, and this build has none"
        );
    }

    #[test]
    fn settings_of_the_url_are_kept() {
        let postgres =
            Postgres::new("postgres://localhost/chat?application_name=x&connect_timeout=1")
                .unwrap();
        assert_eq!(postgres.config.get_application_name(), Some("x"));
        assert_eq!(postgres.config.get_connect_timeout(), Some(&Duration::from_secs(1)));
        let postgres = Postgres::new("postgres://localhost/chat").unwrap();
        assert_eq!(postgres.config.get_application_name(), Some("recto"));
        assert_eq!(postgres.config.get_connect_timeout(), Some(&CONNECT_TIMEOUT));
    }
}
