//! The door to the database: every effect goes through a [`Repo`].
//!
//! Ecto's `Ecto.Repo`. Differences: a repo is a value, not a module, and the handle inside a
//! transaction is another such value, so that functions take `&Repo` for both; what was wrong with
//! a write comes back as a value ([`WriteError`](crate::changeset::WriteError)).
//!
//! **Invariant:** the repo does not know that live queries exist. It announces what it committed;
//! whoever stands above may listen.
//!
//! **Invariant:** a commit is announced after `COMMIT` returned, once, and never when it is in
//! doubt.

mod config;
mod observe;
mod preload;
mod raw;
mod read;
mod run;
mod transaction;
mod tx;
mod write;
mod write_all;

use std::fmt;
use std::sync::Arc;

pub use self::config::Config;
pub use self::observe::Observer;
use self::observe::Observers;
pub use self::transaction::Isolation;
use self::tx::Tx;
pub use self::write::IntoChangeset;
pub use self::write_all::Sets;
use crate::adapter::ErasedAdapter;
use crate::adapter::Pool;
use crate::adapter::PoolConfig;
#[cfg(feature = "postgres")]
use crate::adapter::postgres::Postgres;
use crate::adapter::sql::Dialect;
#[cfg(feature = "sqlite")]
use crate::adapter::sqlite::Sqlite;
use crate::error::Error;
use crate::error::Result;
use crate::query::eval::Semantics;

/// A handle to one database, or to one transaction on it.
///
/// # Shape
///
/// A clone is another handle to the same database or transaction, for the price of a reference
/// count.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use recto::prelude::*;
///
/// let room = repo.insert(Room { name: "lobby".into(), ..Room::default() }).await?;
/// assert_eq!(repo.get::<Room>(room.id).await?.unwrap().name, "lobby");
/// # Ok(())
/// # });
/// ```
#[derive(Clone)]
pub struct Repo {
    shared: Arc<Shared>,
    tx: Option<Arc<Tx>>,
    /// How deep this handle is nested; a handle of another depth than the transaction is stale.
    level: u32,
}

struct Shared {
    adapter: Arc<dyn ErasedAdapter>,
    pool: Pool,
    semantics: Semantics,
    observers: Observers,
    config: Config,
}

impl fmt::Debug for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repo")
            .field("database", &self.shared.adapter.dialect().name())
            .field("in_transaction", &self.tx.is_some())
            .finish_non_exhaustive()
    }
}

impl Repo {
    /// Connects to the database that `DATABASE_URL` names; to the SQLite file `recto.db` in the
    /// working directory if nothing is named.
    ///
    /// # Errors
    ///
    /// As [`Repo::connect`].
    pub async fn from_env() -> Result<Self> {
        let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://recto.db".to_owned());
        Self::connect(url).await
    }

    /// Connects to a database with the default setup.
    ///
    /// # Errors
    ///
    /// As [`Repo::connect_with`].
    pub async fn connect(url: impl Into<String>) -> Result<Self> {
        Self::connect_with(Config::new(url)).await
    }

    /// Connects to a database.
    ///
    /// # Cost
    ///
    /// One connection, which stays open; the others come when they are needed.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the url names no database that this build knows,
    /// or the database refuses us; [`Unavailable`](crate::ErrorKind::Unavailable) when it cannot be
    /// reached.
    pub async fn connect_with(config: Config) -> Result<Self> {
        let adapter = open(&config.url)?;
        let pool = PoolConfig { max_size: config.pool_size, wait: config.wait };
        let pool = Pool::new(Arc::clone(&adapter), &pool);
        let lease = pool.checkout(crate::adapter::Access::Read).await?;
        let semantics = lease.semantics();
        drop(lease);
        let shared = Shared { adapter, pool, semantics, observers: Observers::default(), config };
        Ok(Self { shared: Arc::new(shared), tx: None, level: 0 })
    }

    /// The name of the database: `PostgreSQL` or `SQLite`.
    pub fn database(&self) -> &'static str {
        self.dialect().name()
    }

    /// How the database spells SQL.
    pub fn dialect(&self) -> &'static dyn Dialect {
        self.shared.adapter.dialect()
    }

    /// Where the database differs about values.
    pub fn semantics(&self) -> Semantics {
        self.shared.semantics
    }

    /// True for a handle inside a transaction.
    pub fn is_in_transaction(&self) -> bool {
        self.tx.is_some()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    #[cfg(feature = "live")]
    pub(crate) fn adapter(&self) -> &Arc<dyn ErasedAdapter> {
        &self.shared.adapter
    }

    /// The adapter by its own name, where it can do more than all can.
    #[cfg(all(feature = "postgres", feature = "live"))]
    pub(crate) fn postgres(&self) -> Option<&Postgres> {
        self.shared.adapter.as_any().downcast_ref()
    }

    /// Closes all connections as they come back; later calls fail. Open transactions go on.
    pub fn close(&self) {
        self.shared.pool.close();
    }
}

fn open(url: &str) -> Result<Arc<dyn ErasedAdapter>> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(Postgres::new(url)?)),
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
            Ok(Arc::new(Sqlite::open(path)))
        }
        // The rest of the url may hold a password.
        _ => Err(Error::invalid(format!(
            "no database for `{}:…`: this build knows {}",
            scheme.escape_debug(),
            [("postgres://", cfg!(feature = "postgres")), ("sqlite://", cfg!(feature = "sqlite"))]
                .iter()
                .filter(|(_, known)| *known)
                .map(|(name, _)| format!("`{name}…`"))
                .collect::<Vec<_>>()
                .join(" and ")
        ))),
    }
}
