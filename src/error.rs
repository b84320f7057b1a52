//! What can go wrong, cut by what the caller can do about it.
//!
//! This module refuses to know who failed: driver errors come in as causes and never show in a
//! signature.
//!
//! **Invariant:** `is_retryable` is true only where nothing was done.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an [`Error`].
///
/// The variants are cut by the answer, not by the layer that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request can never succeed as written: fix the code or the input.
    Invalid,
    /// No row matched where exactly one was promised.
    NotFound,
    /// The row, or the place in the feed, changed underneath the caller; read again and decide anew.
    Stale,
    /// The database chose another transaction; nothing was done, run the whole one again.
    Conflict,
    /// The database could not be reached, or hung up before it could keep anything.
    Unavailable,
    /// The connection was lost after `COMMIT`, or a write outside a transaction, was sent; whether
    /// it was done is unknown.
    InDoubt,
    /// The deadline passed before the database could keep anything.
    Timeout(Duration),
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("invalid"),
            Self::NotFound => f.write_str("not found"),
            Self::Stale => f.write_str("stale"),
            Self::Conflict => f.write_str("conflict"),
            Self::Unavailable => f.write_str("database unavailable"),
            Self::InDoubt => f.write_str("outcome unknown"),
            Self::Timeout(after) => write!(f, "timed out after {after:?}"),
        }
    }
}

/// Which rule of the database a write broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The kind of rule.
    pub rule: Rule,
    /// The constraint's name, where the database tells it (PostgreSQL does; SQLite only for checks).
    pub name: Option<String>,
    /// The table, where the database tells it.
    pub table: Option<String>,
    /// The columns, where the database tells them (SQLite for unique and not-null).
    pub columns: Vec<String>,
}

/// The kinds of rules a database checks on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// `UNIQUE` or `PRIMARY KEY`.
    Unique,
    /// `FOREIGN KEY`.
    ForeignKey,
    /// `NOT NULL`.
    NotNull,
    /// `CHECK`.
    Check,
}

/// Anything that went wrong in this crate.
///
/// # Shape
///
/// One word wide. `Display` is one line of our own; [`Error::chain`] adds the causes.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Debug, thiserror::Error)]
#[error("{kind}: {what}")]
struct Inner {
    kind: ErrorKind,
    what: Cow<'static, str>,
    violation: Option<Violation>,
    #[source]
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error; `what` is a lowercase fragment that says what could not be done.
    pub fn new(kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { kind, what: what.into(), violation: None, cause: None }))
    }

    /// Shorthand for [`ErrorKind::Invalid`].
    pub fn invalid(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Invalid, what)
    }

    /// Adds what lay underneath.
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds the rule of the database that was broken; adapters call this.
    pub fn violating(mut self, violation: Violation) -> Self {
        self.0.violation = Some(violation);
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What could not be done, without the kind in front.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// The rule of the database that was broken, if that is what happened.
    pub fn violation(&self) -> Option<&Violation> {
        self.0.violation.as_ref()
    }

    /// True when nothing was done and the same call may succeed if it is made again, unchanged.
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Timeout(_) => true,
            ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Stale | ErrorKind::InDoubt => {
                false
            }
        }
    }

    /// The error and all its causes on one line.
    pub fn chain(&self) -> Chain<'_> {
        Chain(self)
    }
}

/// Prints an [`Error`] with its causes; made by [`Error::chain`].
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.0.cause.as_deref().map(|cause| cause as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_each_cause_once() {
        let error = Error::new(ErrorKind::Unavailable, "could not run `INSERT` on `posts`")
            .caused_by(std::io::Error::other("broken pipe"));
        assert_eq!(error.to_string(), "database unavailable: could not run `INSERT` on `posts`");
        assert_eq!(
            error.chain().to_string(),
            "database unavailable: could not run `INSERT` on `posts`: broken pipe"
        );
        assert!(error.is_retryable());
    }

    #[test]
    fn doubt_is_never_retried() {
        assert!(!Error::new(ErrorKind::InDoubt, "could not commit").is_retryable());
    }

    #[test]
    fn an_error_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
