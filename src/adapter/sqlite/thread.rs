//! One SQLite connection on a thread of its own.
//!
//! SQLite blocks; a thread with a queue lets async code wait for it. Jobs are done in the order in
//! which they came, each as a whole.
//!
//! **Invariant:** after a job the transaction is in a state that the caller can name: a `COMMIT`
//! that failed is followed by a rollback here, and a transaction that SQLite ended on its own (it
//! does when the disk is full) lets nothing through until it is rolled back.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::InterruptHandle;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::code;
use super::function;
use super::value;
use crate::adapter::Access;
use crate::adapter::Answer;
use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::adapter::sql::Verb;
use crate::adapter::sql::excerpt;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::value::Row;

/// What a thread can be asked to do.
pub(super) enum Job {
    /// Run statements.
    Run(Vec<Statement>, oneshot::Sender<Reply<Vec<Answer>>>),
    /// Run a script.
    Batch(String, oneshot::Sender<Reply<()>>),
    /// Roll back whatever is open; the permit is given back when it is.
    Rollback(OwnedSemaphorePermit),
}

/// What a thread answers.
pub(super) struct Reply<T> {
    pub(super) result: Result<T>,
    /// A transaction is open, or waits to be rolled back.
    pub(super) is_open: bool,
}

/// How to reach a thread.
#[derive(Clone)]
pub(super) struct Thread {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) interrupt: Arc<InterruptHandle>,
}

/// A connection has at most a statement that was given up and its rollback in the queue, and waits
/// before it asks for more.
const QUEUE: usize = 4;

/// Opens `path` on a new thread, which ends when nobody can reach it any more.
pub(super) async fn start(path: Arc<Path>, access: Access) -> Result<Thread> {
    let (jobs, inbox) = mpsc::channel(QUEUE);
    let (opened, opening) = oneshot::channel();
    let work = move || {
        let connection = match open(&path, access) {
            Ok(connection) => connection,
            Err(error) => {
                // Whoever asked may be gone; then nobody needs to know.
                let _ = opened.send(Err(error));
                return;
            }
        };
        if opened.send(Ok(connection.get_interrupt_handle())).is_ok() {
            Worker { connection, is_lost: false }.work(inbox);
        }
    };
    std::thread::Builder::new().name("recto-sqlite".to_owned()).spawn(work).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "could not start a thread for SQLite").caused_by(error)
    })?;
    let interrupt = opening.await.unwrap_or_else(|_| Err(gone(Effect::None)))?;
    Ok(Thread { jobs, interrupt: Arc::new(interrupt) })
}

/// The error of a thread that is not there any more.
pub(super) fn gone(effect: Effect) -> Error {
    let kind = match effect {
        Effect::None => ErrorKind::Unavailable,
        Effect::Keeps => ErrorKind::InDoubt,
    };
    Error::new(kind, "the thread of an SQLite connection ended")
}

fn open(path: &Path, access: Access) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| prepare(&connection, access).map(|()| connection))
        .map_err(|error| {
            let what = format!("could not open the SQLite database `{}`", path.display());
            code::error(error, what, Effect::None)
        })
}

/// Sets up a connection; the order matters, since waiting for locks must be on before anything that
/// may need one, and a connection that may only read must be made so last.
fn prepare(connection: &Connection, access: Access) -> rusqlite::Result<()> {
    connection.busy_timeout(super::BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(super::STATEMENT_COUNT);
    // A misspelt column must not be taken for a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    let mode: String = connection.query_row("pragma journal_mode", [], |row| row.get(0))?;
    if mode != "wal" && mode != "memory" {
        let set = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        connection.query_row("pragma journal_mode = wal", [], set)?;
    }
    connection.execute_batch(
        "pragma synchronous = normal; pragma foreign_keys = on; pragma recursive_triggers = on;",
    )?;
    function::register(connection)?;
    match access {
        Access::Read if mode != "memory" => connection.execute_batch("pragma query_only = on"),
        Access::Read | Access::Write => Ok(()),
    }
}

struct Worker {
    connection: Connection,
    /// SQLite rolled the transaction back on its own, and the caller did not take note yet.
    is_lost: bool,
}

impl Worker {
    fn work(mut self, mut inbox: mpsc::Receiver<Job>) {
        while let Some(job) = inbox.blocking_recv() {
            match job {
                Job::Run(statements, reply) => {
                    let result = statements.iter().map(|statement| self.run(statement)).collect();
                    let _ = reply.send(Reply { result, is_open: self.is_open() });
                }
                Job::Batch(script, reply) => {
                    let result = self.batch(&script);
                    let _ = reply.send(Reply { result, is_open: self.is_open() });
                }
                Job::Rollback(permit) => {
                    self.rollback();
                    drop(permit);
                }
            }
        }
    }

    fn is_open(&self) -> bool {
        self.is_lost || !self.connection.is_autocommit()
    }

    fn rollback(&mut self) {
        self.is_lost = false;
        if !self.connection.is_autocommit() {
            // It fails only where nothing is left to roll back.
            let _ = self.connection.execute_batch("rollback");
        }
    }

    fn run(&mut self, statement: &Statement) -> Result<Answer> {
        let verb = Verb::of(&statement.sql);
        if verb == Verb::Rollback && self.connection.is_autocommit() {
            self.is_lost = false;
            return Ok(Answer::default());
        }
        self.check()?;
        let was_open = self.is_open();
        let answer = self.execute(statement, verb);
        if answer.is_err() {
            if verb == Verb::Commit {
                self.rollback();
            }
            self.is_lost = was_open && verb != Verb::Commit && self.connection.is_autocommit();
        }
        answer
    }

    fn batch(&mut self, script: &str) -> Result<()> {
        self.check()?;
        let was_open = self.is_open();
        self.connection.execute_batch(script).map_err(|error| {
            self.is_lost = was_open && self.connection.is_autocommit();
            code::error(error, format!("could not run `{}`", excerpt(script)), Effect::Keeps)
        })
    }

    fn check(&self) -> Result<()> {
        if self.is_lost {
            let what = "SQLite rolled the transaction back: begin it anew";
            return Err(Error::new(ErrorKind::Conflict, what));
        }
        Ok(())
    }

    fn execute(&self, statement: &Statement, verb: Verb) -> Result<Answer> {
        let failed = |error| {
            let what = format!("could not run `{}`", excerpt(&statement.sql));
            code::error(error, what, statement.effect)
        };
        let mut prepared = self.connection.prepare_cached(&statement.sql).map_err(failed)?;
        let (wanted, given) = (prepared.parameter_count(), statement.params.len());
        if wanted != given {
            let text = excerpt(&statement.sql);
            let what = format!("`{text}` takes {wanted} parameters, and {given} were given");
            return Err(Error::invalid(what));
        }
        for (number, param) in (1..).zip(&statement.params) {
            let stored = value::store(param).map_err(|error| in_param(number, &error))?;
            prepared.raw_bind_parameter(number, stored).map_err(failed)?;
        }
        let mut answer = Answer::default();
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next().map_err(failed)? {
            answer.rows.push(load(row, statement)?);
        }
        drop(rows);
        // Statements that change no rows leave the count of the last one that did.
        if verb == Verb::Write && !prepared.readonly() {
            answer.affected = self.connection.changes();
        }
        Ok(answer)
    }
}

fn load(row: &rusqlite::Row<'_>, statement: &Statement) -> Result<Row> {
    let count = row.as_ref().column_count();
    let values = (0..count).map(|column| {
        let stored = row.get_ref(column).expect("the column is one of the row's");
        value::load(stored, statement.kinds.get(column).copied()).map_err(|error| {
            let name = row.as_ref().column_name(column).unwrap_or("?");
            Error::invalid(format!("could not read column `{name}`: {}", error.what()))
        })
    });
    values.collect()
}

fn in_param(number: usize, error: &Error) -> Error {
    Error::invalid(format!("could not send parameter {number}: {}", error.what()))
}
