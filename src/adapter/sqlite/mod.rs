//! SQLite: a file, or a database in memory.
//!
//! A file has one writing connection and several reading ones; a database in memory has one
//! connection for everything. Locks are waited for, five seconds long.
//!
//! What a column holds, and what type to give it:
//!
//! | kind | stored as | column |
//! |---|---|---|
//! | boolean | 0 or 1 | `integer` |
//! | integers, floats | as they are; no `NaN` | `integer`, `real` |
//! | text, bytes | as they are; text without NUL | `text`, `blob` |
//! | decimal | text without trailing zeros; `collate recto_decimal` sorts it | `text` |
//! | UUID | lowercase text with hyphens | `text` |
//! | date | `2026-11-22`, `infinity`, `-infinity` | `text` |
//! | time | `08:00:00.000000` | `text` |
//! | timestamp | `2026-11-22T08:00:00.000000Z`, `infinity`, `-infinity` | `text` |
//! | JSON | text | `text` |
//!
//! Anything else that another program wrote there is an error when it is read. Arrays there are
//! none. A column declared `collate nocase` compares otherwise than this crate expects.
//!
//! **Invariant:** one transaction at a time on each thread: whoever has one open holds the thread's
//! only permit, so that handles to one database in memory never run into each other's transaction.

mod code;
mod dialect;
mod function;
mod thread;
mod value;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;

pub use self::dialect::SqliteDialect;
use self::thread::Job;
use self::thread::Reply;
use self::thread::Thread;
use super::Access;
use super::Adapter;
use super::Answer;
use super::Connection;
use super::Effect;
use super::Statement;
use super::sql::Dialect;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::query::eval::Arithmetic;
use crate::query::eval::Letters;
use crate::query::eval::Semantics;

/// How long a lock of SQLite is waited for: longer than any write transaction should take, shorter
/// than a person waits. A guess.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many prepared statements a connection keeps, as for PostgreSQL.
const STATEMENT_COUNT: usize = 256;

/// Text sorts by its bytes and `like` folds ASCII, unless a column's definition says otherwise.
pub(crate) const SEMANTICS: Semantics = Semantics {
    nulls_greatest: false,
    text_by_bytes: true,
    like_folds_ascii: true,
    arithmetic: Arithmetic::Sqlite,
    letters: Letters::Ascii,
};

/// An SQLite database.
///
/// # Examples
///
/// ```
/// use recto::adapter::sqlite::Sqlite;
///
/// let in_memory = Sqlite::open(":memory:");
/// let in_a_file = Sqlite::open("chat.db");
/// ```
pub struct Sqlite {
    place: Place,
}

enum Place {
    File {
        path: Arc<Path>,
        /// Held while a connection is set up: two that turn write-ahead logging on for a new file
        /// at the same time would stumble over each other.
        opening: Mutex<()>,
    },
    /// The one thread; the database lives as long as it is held.
    Memory(Mutex<Option<Shared>>),
}

/// A thread that several handles may use, one transaction after the other.
#[derive(Clone)]
struct Shared {
    thread: Thread,
    gate: Arc<Semaphore>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { path, .. } => write!(f, "Sqlite({})", path.display()),
            Place::Memory(_) => f.write_str("Sqlite(:memory:)"),
        }
    }
}

impl Sqlite {
    /// The database in the file at `path`, which is created when a first connection needs it;
    /// `:memory:` is a new database that lives as long as the value.
    pub fn open(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let place = if path == Path::new(":memory:") {
            Place::Memory(Mutex::new(None))
        } else {
            Place::File { path: path.into(), opening: Mutex::new(()) }
        };
        Self { place }
    }

    async fn shared(&self, access: Access) -> Result<Shared> {
        match &self.place {
            Place::File { path, opening } => {
                let _guard = opening.lock().await;
                Shared::start(Arc::clone(path), access).await
            }
            Place::Memory(slot) => {
                let mut slot = slot.lock().await;
                if let Some(shared) = &*slot {
                    return Ok(shared.clone());
                }
                let shared = Shared::start(Path::new(":memory:").into(), access).await?;
                Ok(slot.insert(shared).clone())
            }
        }
    }
}

impl Shared {
    async fn start(path: Arc<Path>, access: Access) -> Result<Self> {
        let thread = thread::start(path, access).await?;
        Ok(Self { thread, gate: Arc::new(Semaphore::new(1)) })
    }
}

impl Adapter for Sqlite {
    type Connection = SqliteConnection;

    fn dialect(&self) -> &'static dyn Dialect {
        &SqliteDialect
    }

    fn most(&self, access: Access) -> Option<usize> {
        match (&self.place, access) {
            (Place::Memory(_), _) | (Place::File { .. }, Access::Write) => Some(1),
            // Reading is work for a processor; one more reader covers for those who wait for disk.
            (Place::File { .. }, Access::Read) => {
                Some(std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1))
            }
        }
    }

    fn shares_connections(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    async fn connect(&self, access: Access) -> Result<SqliteConnection> {
        let shared = self.shared(access).await?;
        Ok(SqliteConnection { shared, permit: None, is_busy: false, is_broken: false })
    }
}

/// One connection to an SQLite database.
pub struct SqliteConnection {
    shared: Shared,
    /// Held while a statement runs or a transaction is open.
    permit: Option<OwnedSemaphorePermit>,
    is_busy: bool,
    is_broken: bool,
}

impl fmt::Debug for SqliteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteConnection")
            .field("holds_transaction", &self.permit.is_some())
            .field("is_broken", &self.is_broken)
            .finish_non_exhaustive()
    }
}

impl SqliteConnection {
    /// Waits until no other handle has a transaction open.
    async fn enter(&mut self) -> Result<()> {
        if self.permit.is_some() {
            return Ok(());
        }
        let gate = Arc::clone(&self.shared.gate);
        let permit = tokio::time::timeout(BUSY_TIMEOUT, gate.acquire_owned()).await;
        let permit = permit.map_err(|_| {
            Error::new(ErrorKind::Conflict, "another transaction kept the SQLite database busy")
        })?;
        self.permit = Some(permit.map_err(|_| thread::gone(Effect::None))?);
        Ok(())
    }

    /// Has the thread do a job and waits for it.
    async fn ask<T>(
        &mut self,
        effect: Effect,
        job: impl FnOnce(oneshot::Sender<Reply<T>>) -> Job,
    ) -> Result<T> {
        self.enter().await?;
        let (reply, answer) = oneshot::channel();
        self.is_busy = true;
        let sent = self.shared.thread.jobs.send(job(reply)).await;
        let reply = match sent {
            Ok(()) => answer.await.map_err(|_| thread::gone(effect)),
            Err(_) => Err(thread::gone(Effect::None)),
        };
        self.is_busy = false;
        match reply {
            Ok(Reply { result, is_open }) => {
                if !is_open {
                    self.permit = None;
                }
                result
            }
            Err(error) => {
                self.is_broken = true;
                Err(error)
            }
        }
    }
}

impl Connection for SqliteConnection {
    async fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Answer>> {
        let keeps = statements.iter().any(|statement| statement.effect == Effect::Keeps);
        let effect = if keeps { Effect::Keeps } else { Effect::None };
        self.ask(effect, |reply| Job::Run(statements, reply)).await
    }

    async fn batch(&mut self, script: &str) -> Result<()> {
        let script = script.to_owned();
        self.ask(Effect::Keeps, |reply| Job::Batch(script, reply)).await
    }

    fn semantics(&self) -> Semantics {
        SEMANTICS
    }

    fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn abandon(&mut self) {
        // Without a permit there is neither a statement nor a transaction of ours.
        let Some(permit) = self.permit.take() else { return };
        if self.is_busy {
            self.is_busy = false;
            self.shared.thread.interrupt.interrupt();
        }
        if self.shared.thread.jobs.try_send(Job::Rollback(permit)).is_err() {
            self.is_broken = true;
        }
    }
}

impl Drop for SqliteConnection {
    fn drop(&mut self) {
        self.abandon();
    }
}

#[cfg(test)]
mod tests;
