//! The change log: installed by an explicit call, on PostgreSQL and SQLite alike.
//!
//! Ordinary tables and triggers, so that every writer is seen, whoever it is. The log holds keys,
//! never values: see [`super`].
//!
//! **Invariant:** installing twice changes nothing, and removing leaves nothing.

use super::postgres_log;
use super::script::run;
use super::sqlite_log;
use crate::error::Error;
use crate::error::Result;
use crate::repo::Repo;
use crate::schema::Table;
use crate::value::Kind;

/// The tables whose changes live queries follow.
///
/// # Backends
///
/// PostgreSQL: tables and trigger functions in a schema `recto`, and triggers `recto_log…` on each
/// watched table; the caller must own the tables. The triggers run once for a statement; those of
/// partitioned tables, of partitions and heirs, and of tables that replication fills run for each
/// row, at several times the price for writes of many rows. A table that becomes one of these is to
/// be installed anew: until then every live query is asked again when anything was committed, and
/// what came through the parent or by replication alone is noticed at a heartbeat. SQLite: tables named `recto_…` and three triggers per watched table;
/// `insert or replace` by a program that does not set `recursive_triggers` hides the rows it
/// displaces through a unique index other than the primary key.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use recto::live::ChangeLog;
/// use recto::prelude::*;
///
/// let log = ChangeLog::new([Room::table(), Message::table()]);
/// log.install(&repo).await?;
/// log.install(&repo).await?; // changes nothing
/// log.remove(&repo).await?;
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct ChangeLog {
    tables: Vec<&'static Table>,
}

impl ChangeLog {
    /// A log of the changes of these tables.
    pub fn new(tables: impl IntoIterator<Item = &'static Table>) -> Self {
        Self { tables: tables.into_iter().collect() }
    }

    /// Creates what is missing: the log, and a trigger for each table.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when a table is not there, is not ours to put triggers
    /// on, or has a key that cannot be logged.
    pub async fn install(&self, repo: &Repo) -> Result<()> {
        for table in &self.tables {
            check_key(table)?;
        }
        let scripts = if is_postgres(repo) {
            postgres_log::install(&self.tables, repo.dialect())?
        } else {
            sqlite_log::install(&self.tables, repo.dialect())?
        };
        let old = (!is_postgres(repo)).then_some((sqlite_log::IS_OLD, sqlite_log::DROP_OLD));
        run(repo, old, &scripts, "install").await
    }

    /// Removes the triggers of these tables, and the log itself when no other table is watched.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the objects are not ours to remove.
    pub async fn remove(&self, repo: &Repo) -> Result<()> {
        let before = watched(repo).await?;
        if before.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.tables.iter().map(|table| table.name).collect();
        let all = before.iter().all(|table| names.contains(&table.as_str()));
        let scripts = if is_postgres(repo) {
            postgres_log::remove(&self.tables, all, repo.dialect())?
        } else {
            sqlite_log::remove(&self.tables, all, repo.dialect())?
        };
        run(repo, None, &scripts, "remove").await
    }
}

fn check_key(table: &Table) -> Result<()> {
    let bad = table.key_columns().find(|column| {
        matches!(column.kind, Kind::Json | Kind::Array(_) | Kind::F32 | Kind::F64 | Kind::Decimal)
    });
    match bad {
        None => Ok(()),
        Some(column) => Err(Error::invalid(format!(
            "key column `{}` of `{}` is of kind {}, which the change log cannot hold",
            column.name, table.name, column.kind
        ))),
    }
}

pub(super) fn is_postgres(repo: &Repo) -> bool {
    repo.dialect().supports(crate::adapter::sql::Capability::Listen)
}

/// The tables that the installed log watches; none where no log is installed.
///
/// # Errors
///
/// [`Unavailable`](crate::ErrorKind::Unavailable) when the database cannot be asked.
pub async fn watched(repo: &Repo) -> Result<Vec<String>> {
    let (exists, list) = if is_postgres(repo) {
        (postgres_log::EXISTS, postgres_log::WATCHED)
    } else {
        (sqlite_log::EXISTS, sqlite_log::WATCHED)
    };
    if repo.query_sql(exists, []).await?.is_empty() {
        return Ok(Vec::new());
    }
    let rows = repo.query_sql(list, []).await?;
    rows.iter().map(|row| crate::value::FromValue::from_value(&row.values()[0])).collect()
}
