//! SQL as text, for what the query builder does not say.
//!
//! **Invariant:** a value never becomes part of a text here; parameters are for that.

use std::sync::Arc;

use super::Repo;
use super::run::only;
use super::run::within;
use crate::adapter::Access;
use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::error::Result;
use crate::value::Row;
use crate::value::Value;

impl Repo {
    /// Runs one statement of SQL with parameters, as the database spells both (`$1`, `?1`), and
    /// returns its rows.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) with what the database said,
    /// [`InDoubt`](crate::ErrorKind::InDoubt) where the connection was lost, since the statement
    /// may have written.
    ///
    /// # Backends
    ///
    /// Columns come as the database has them: SQLite knows integers, floats, text and bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// let rows = repo.query_sql("select 1 + ?1", [41.into()]).await?;
    /// assert_eq!(rows[0].values()[0], 42.into());
    /// # Ok(())
    /// # });
    /// ```
    pub async fn query_sql(
        &self,
        sql: impl Into<Arc<str>>,
        params: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<Row>> {
        Ok(self.raw(sql.into(), params.into_iter().collect()).await?.0)
    }

    /// Runs one statement of SQL with parameters and returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`Repo::query_sql`].
    pub async fn execute_sql(
        &self,
        sql: impl Into<Arc<str>>,
        params: impl IntoIterator<Item = Value>,
    ) -> Result<u64> {
        Ok(self.raw(sql.into(), params.into_iter().collect()).await?.1)
    }

    async fn raw(&self, sql: Arc<str>, params: Vec<Value>) -> Result<(Vec<Row>, u64)> {
        let effect = if self.tx.is_some() { Effect::None } else { Effect::Keeps };
        let statement = Statement { sql, params, kinds: Arc::from([]), effect };
        let answer = only(self.run(vec![statement], Access::Write).await?);
        if self.tx.is_none() {
            // It may have written: that is all that is known.
            self.announce(Vec::new());
        }
        Ok((answer.rows, answer.affected))
    }

    /// Runs a script of statements without parameters, such as DDL.
    ///
    /// # Errors
    ///
    /// As [`Repo::query_sql`]; statements before the one that failed were done, unless inside a
    /// transaction.
    pub async fn batch_sql(&self, script: &str) -> Result<()> {
        let limit = self.config().timeout;
        if let Some(tx) = &self.tx {
            return within(limit, Effect::None, tx.batch(self.level, script)).await;
        }
        let mut lease = self.pool().checkout(Access::Write).await?;
        // A script that fails may leave a transaction open that it began.
        lease.pin();
        within(limit, Effect::Keeps, lease.batch(script)).await?;
        lease.unpin();
        self.announce(Vec::new());
        Ok(())
    }
}
