//! SQLSTATE as kinds of errors, and broken rules with their names.
//!
//! **Invariant:** what the server refused was not done; what it did not answer is in doubt if it
//! could have been kept.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tokio_postgres::Error as DriverError;
use tokio_postgres::error::DbError;

use crate::adapter::Effect;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Rule;
use crate::error::Violation;

/// What the server said, on one line and without the values in question, which it puts into the
/// detail.
#[derive(Debug)]
struct Said {
    code: String,
    message: String,
    hint: Option<String>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl StdError for Said {}

/// The error of a statement that was sent `elapsed` ago; `effect` is that of all that was sent.
pub(super) fn error(driver: DriverError, what: String, effect: Effect, elapsed: Duration) -> Error {
    let Some(server) = driver.as_db_error() else {
        // The one fault of a statement that the driver finds, such as a NUL in its text; the kinds
        // of its errors are private.
        let is_ours = driver.to_string() == "error encoding message to server";
        let kind = if is_ours { ErrorKind::Invalid } else { lost(effect) };
        return Error::new(kind, what).caused_by(driver);
    };
    let kind = if is_outdated(&driver) {
        // Nothing was done, and the next attempt prepares anew.
        ErrorKind::Conflict
    } else {
        kind(server.code().code(), effect, elapsed)
    };
    let error = Error::new(kind, what).caused_by(said(server));
    match violation(server) {
        Some(violation) => error.violating(violation),
        None => error,
    }
}

/// The error of an attempt to connect.
pub(super) fn of_connecting(driver: DriverError, what: String) -> Error {
    let Some(server) = driver.as_db_error() else {
        let is_refusal = matches!(
            driver.to_string().as_str(),
            "invalid configuration" | "authentication error" | "error performing TLS handshake"
        );
        let kind = if is_refusal { ErrorKind::Invalid } else { ErrorKind::Unavailable };
        return Error::new(kind, what).caused_by(driver);
    };
    // The class says it: 28 who are you, 3D which database, 42 and 22 what do you want.
    let kind = match server.code().code().get(..2) {
        Some("28" | "3D" | "42" | "22" | "0A") => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, what).caused_by(said(server))
}

/// True when the statement was prepared for a table that has changed since.
pub(super) fn is_outdated(driver: &DriverError) -> bool {
    driver.as_db_error().is_some_and(|server| match server.code().code() {
        // The name of the prepared statement is unknown.
        "26000" => true,
        "0A000" => server.routine() == Some("RevalidateCachedQuery"),
        _ => false,
    })
}

/// The kind of a connection that was lost.
pub(super) fn lost(effect: Effect) -> ErrorKind {
    match effect {
        Effect::None => ErrorKind::Unavailable,
        Effect::Keeps => ErrorKind::InDoubt,
    }
}

fn said(server: &DbError) -> Said {
    Said {
        code: server.code().code().to_owned(),
        message: server.message().replace('\n', " "),
        hint: server.hint().map(|hint| hint.replace('\n', " ")),
    }
}

fn kind(code: &str, effect: Effect, elapsed: Duration) -> ErrorKind {
    match code {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => ErrorKind::Conflict,
        "57014" => ErrorKind::Timeout(elapsed),
        // A rollback without a better reason.
        _ if code.starts_with("40") => ErrorKind::Conflict,
        // The server goes away. It may do so between keeping and saying so.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => lost(effect),
        _ if code.starts_with("08") => lost(effect),
        // More than a setting allows, however often it is tried.
        "53400" => ErrorKind::Invalid,
        // Out of disk, memory or connections: refused, for now.
        _ if code.starts_with("53") => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}

fn violation(server: &DbError) -> Option<Violation> {
    let rule = match server.code().code() {
        // An exclusion constraint is a unique one with another notion of equal.
        "23505" | "23P01" => Rule::Unique,
        "23503" | "23001" => Rule::ForeignKey,
        "23502" => Rule::NotNull,
        "23514" => Rule::Check,
        _ => return None,
    };
    Some(Violation {
        rule,
        name: server.constraint().map(str::to_owned),
        table: server.table().map(str::to_owned),
        columns: server.column().map(str::to_owned).into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_cut_by_what_the_caller_can_do() {
        let check = |code, effect| kind(code, effect, Duration::from_secs(1));
        assert_eq!(check("40P01", Effect::Keeps), ErrorKind::Conflict);
        assert_eq!(check("57014", Effect::None), ErrorKind::Timeout(Duration::from_secs(1)));
        assert_eq!(check("57P01", Effect::None), ErrorKind::Unavailable);
        assert_eq!(check("57P01", Effect::Keeps), ErrorKind::InDoubt);
        assert_eq!(check("53100", Effect::Keeps), ErrorKind::Unavailable);
        assert_eq!(check("53400", Effect::None), ErrorKind::Invalid);
        assert_eq!(check("22003", Effect::Keeps), ErrorKind::Invalid);
    }
}
