//! Connections that wait to be used.
//!
//! The queue is `deadpool`'s; which connection may be used again is decided here.
//!
//! **Invariant:** a connection that comes back is idle: what was going on when its lease was
//! dropped is ended first, or the connection is thrown away.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed;
use deadpool::managed::Metrics;
use deadpool::managed::Object;
use deadpool::managed::PoolError;
use deadpool::managed::RecycleError;
use deadpool::managed::RecycleResult;
use deadpool::managed::Timeouts;

use super::Access;
use super::Answer;
use super::Effect;
use super::ErasedAdapter;
use super::ErasedConnection;
use super::Statement;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::query::eval::Semantics;
use crate::value::Value;

/// How many connections there may be, and how long to wait for one.
#[derive(Clone, Debug)]
pub(crate) struct PoolConfig {
    /// The most connections of each kind; fewer where the database itself allows fewer.
    ///
    /// Ten: what Ecto has, and a tenth of what PostgreSQL takes by default.
    pub(crate) max_size: usize,
    /// How long to wait for a connection to become free.
    ///
    /// Five seconds: a request that waited longer has nobody waiting for it any more. A guess.
    pub(crate) wait: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { max_size: 10, wait: Duration::from_secs(5) }
    }
}

/// The connections to one database.
///
/// # Shape
///
/// A handle: a clone is another one to the same connections.
#[derive(Clone)]
pub(crate) struct Pool {
    adapter: Arc<dyn ErasedAdapter>,
    readers: managed::Pool<Maker>,
    /// The same as `readers` where the database makes no difference.
    writers: managed::Pool<Maker>,
    #[cfg(all(feature = "postgres", any(feature = "live", test)))]
    settings: Arc<Settings>,
    wait: Duration,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("adapter", &self.adapter).finish_non_exhaustive()
    }
}

/// The session settings that every connection gets before it is used.
#[derive(Debug, Default)]
struct Settings(Mutex<SettingsState>);

#[derive(Debug, Default)]
struct SettingsState {
    values: BTreeMap<String, String>,
    /// Grows with every change.
    version: u64,
}

impl Settings {
    fn state(&self) -> MutexGuard<'_, SettingsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes connections and looks at those that come back.
struct Maker {
    adapter: Arc<dyn ErasedAdapter>,
    access: Access,
    settings: Arc<Settings>,
}

/// A connection, and which settings it has.
struct Slot {
    connection: Box<dyn ErasedConnection>,
    settings_version: u64,
}

impl Maker {
    /// Gives a connection the settings that it does not have yet.
    async fn set_up(&self, slot: &mut Slot) -> Result<()> {
        let (statements, version) = {
            let state = self.settings.state();
            let Some(sql) = self.adapter.dialect().set_setting() else { return Ok(()) };
            if state.version == slot.settings_version {
                return Ok(());
            }
            let sql: Arc<str> = sql.into();
            let statement = |(name, value): (&String, &String)| Statement {
                sql: Arc::clone(&sql),
                params: vec![Value::text(name), Value::text(value)],
                kinds: [].into(),
                effect: Effect::None,
            };
            (state.values.iter().map(statement).collect(), state.version)
        };
        slot.connection.run(statements).await?;
        slot.settings_version = version;
        Ok(())
    }
}

impl managed::Manager for Maker {
    type Type = Slot;
    type Error = Error;

    async fn create(&self) -> Result<Slot> {
        let connection = self.adapter.connect(self.access).await?;
        let mut slot = Slot { connection, settings_version: 0 };
        self.set_up(&mut slot).await?;
        Ok(slot)
    }

    async fn recycle(&self, slot: &mut Slot, _: &Metrics) -> RecycleResult<Error> {
        if slot.connection.is_broken() {
            return Err(RecycleError::message("the connection is broken"));
        }
        self.set_up(slot).await.map_err(RecycleError::Backend)
    }
}

impl Pool {
    /// A pool over `adapter`; nothing is connected yet.
    pub(crate) fn new(adapter: Arc<dyn ErasedAdapter>, config: &PoolConfig) -> Self {
        let settings = Arc::new(Settings::default());
        let build = |access: Access| {
            let most = adapter.most(access).unwrap_or(usize::MAX);
            let maker =
                Maker { adapter: Arc::clone(&adapter), access, settings: Arc::clone(&settings) };
            managed::Pool::builder(maker)
                .max_size(config.max_size.min(most).max(1))
                .runtime(Runtime::Tokio1)
                .build()
                .expect("a pool with a runtime may have timeouts")
        };
        let writers = build(Access::Write);
        let readers =
            if adapter.shares_connections() { writers.clone() } else { build(Access::Read) };
        Self {
            adapter,
            readers,
            writers,
            #[cfg(all(feature = "postgres", any(feature = "live", test)))]
            settings,
            wait: config.wait,
        }
    }

    /// A connection, for as long as the lease is held.
    ///
    /// # Cancellation
    ///
    /// Whoever drops the future gives up the place in the queue.
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) when none became free in time, and those of
    /// [`Adapter::connect`](super::Adapter::connect).
    pub(crate) async fn checkout(&self, access: Access) -> Result<Lease> {
        let pool = self.of(access);
        let timeouts = Timeouts { wait: Some(self.wait), create: None, recycle: None };
        match pool.timeout_get(&timeouts).await {
            Ok(object) => Ok(Lease::new(object)),
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Timeout(_)) => Err(self.none_free(access, pool.status().max_size)),
            Err(PoolError::Closed) => {
                Err(Error::new(ErrorKind::Unavailable, "the pool of connections was closed"))
            }
            Err(PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
                unreachable!("the pool has a runtime and no hooks")
            }
        }
    }

    /// A fresh connection that belongs to the caller and counts for nothing here.
    ///
    /// # Errors
    ///
    /// Those of [`Adapter::connect`](super::Adapter::connect).
    #[cfg(any(feature = "live", all(test, feature = "postgres")))]
    pub(crate) async fn detach(&self, access: Access) -> Result<Box<dyn ErasedConnection>> {
        let slot = managed::Manager::create(self.of(access).manager()).await?;
        Ok(slot.connection)
    }

    /// Gives every connection a session setting, each at its next checkout.
    ///
    /// # Backends
    ///
    /// SQLite has none; nothing happens there.
    #[cfg(all(feature = "postgres", any(feature = "live", test)))]
    pub(crate) fn set_setting(&self, name: impl Into<String>, value: impl Into<String>) {
        let mut state = self.settings.state();
        state.values.insert(name.into(), value.into());
        state.version += 1;
    }

    /// Closes all idle connections now and the others when they come back; nobody gets one any
    /// more.
    pub(crate) fn close(&self) {
        self.readers.close();
        self.writers.close();
    }

    fn of(&self, access: Access) -> &managed::Pool<Maker> {
        match access {
            Access::Read => &self.readers,
            Access::Write => &self.writers,
        }
    }

    fn none_free(&self, access: Access, size: usize) -> Error {
        let what = match (self.adapter.most(access), access) {
            (Some(most), _) if size < most => {
                format!("all {size} connections are in use: raise `pool_size`")
            }
            (None, _) => format!("all {size} connections are in use: raise `pool_size`"),
            (Some(1), Access::Write) => {
                "the one connection that may write is in use: shorten transactions, or raise `wait`"
                    .to_owned()
            }
            (Some(_), _) => format!(
                "all {size} connections that the database has are in use: shorten transactions, or \
                 raise `wait`"
            ),
        };
        Error::new(ErrorKind::Timeout(self.wait), what)
    }
}

/// A connection of a pool, to which it goes back when the lease is dropped.
pub(crate) struct Lease {
    /// There until the lease is dropped.
    object: Option<Object<Maker>>,
    /// A future that used the connection has not come to its end.
    is_busy: bool,
    /// A transaction is open.
    is_pinned: bool,
    /// The connection was lost, whatever it says of itself.
    is_lost: bool,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("connection", &self.slot().connection)
            .field("is_busy", &self.is_busy)
            .field("is_pinned", &self.is_pinned)
            .finish_non_exhaustive()
    }
}

impl Lease {
    fn new(object: Object<Maker>) -> Self {
        Self { object: Some(object), is_busy: false, is_pinned: false, is_lost: false }
    }

    /// Runs statements, as [`Connection::run`](super::Connection::run).
    ///
    /// # Cancellation
    ///
    /// Whoever drops the future must drop the lease too: what was going on is then ended.
    ///
    /// # Errors
    ///
    /// As [`Connection::run`](super::Connection::run).
    pub(crate) async fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Answer>> {
        self.is_busy = true;
        let result = self.slot_mut().connection.run(statements).await;
        self.is_busy = false;
        result.inspect_err(|error| self.note(error))
    }

    /// Runs a script, as [`Connection::batch`](super::Connection::batch).
    ///
    /// # Errors
    ///
    /// As [`Connection::batch`](super::Connection::batch).
    pub(crate) async fn batch(&mut self, script: &str) -> Result<()> {
        self.is_busy = true;
        let result = self.slot_mut().connection.batch(script).await;
        self.is_busy = false;
        result.inspect_err(|error| self.note(error))
    }

    /// Notes that a transaction is open: dropping the lease rolls it back.
    pub(crate) fn pin(&mut self) {
        self.is_pinned = true;
    }

    /// Notes that the transaction has ended.
    pub(crate) fn unpin(&mut self) {
        self.is_pinned = false;
    }

    /// Where the database differs about values.
    pub(crate) fn semantics(&self) -> Semantics {
        self.slot().connection.semantics()
    }

    fn note(&mut self, error: &Error) {
        self.is_lost |= matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::InDoubt);
    }

    fn slot(&self) -> &Slot {
        self.object.as_deref().expect("the connection is there until the lease is dropped")
    }

    fn slot_mut(&mut self) -> &mut Slot {
        self.object.as_deref_mut().expect("the connection is there until the lease is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut object) = self.object.take() else { return };
        if self.is_busy || self.is_pinned {
            object.connection.abandon();
        }
        if self.is_lost || object.connection.is_broken() {
            // Out of the pool at once, so that another may take its place.
            drop(Object::take(object));
        }
    }
}

#[cfg(all(test, feature = "postgres"))]
#[path = "pool_tests.rs"]
mod tests;
