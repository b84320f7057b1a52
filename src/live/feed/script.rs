//! Scripts that change what the log consists of, each in one transaction.
//!
//! **Invariant:** a script is done whole or not at all; one that met others is begun anew, and what was
//! found before it is found anew, too.

use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::repo::Repo;

/// How often the script is begun anew when the database chose another transaction: ticks and
/// writers hold locks on the same tables, and take them in an order of their own.
const ATTEMPTS: u32 = 5;

/// Runs `script`, after the second one of `old` where the first finds a row.
pub(super) async fn run(
    repo: &Repo,
    old: Option<(&str, &str)>,
    script: &str,
    what: &str,
) -> Result<()> {
    let work = async |repo: Repo| {
        if let Some((is_old, drop_old)) = old
            && !repo.query_sql(is_old, []).await?.is_empty()
        {
            repo.batch_sql(drop_old).await?;
        }
        repo.batch_sql(script).await
    };
    let mut result = repo.transact(work).await;
    for _ in 1..ATTEMPTS {
        let is_conflict = matches!(&result, Err(error) if error.kind() == ErrorKind::Conflict);
        if !is_conflict || repo.is_in_transaction() {
            break;
        }
        result = repo.transact(work).await;
    }
    result.map_err(|error: Error| {
        let kind = error.kind();
        Error::new(kind, format!("could not {what} the change log")).caused_by(error)
    })
}
