//! Why the server says no: one shape for sockets, queries and mutations.
//!
//! A refusal made from an [`Error`] keeps it: what clients can act on becomes a code, the rest
//! becomes `internal`, and the text goes to the log under an id that the client gets too.
//!
//! **Invariant:** the text of an error reaches a client only where a handler raised it on purpose,
//! as [`ErrorKind::Invalid`] without a cause.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::error::ErrorKind;
use crate::value::Json;
use crate::value::write_json_text;

/// When a client may ask again after the database was away.
///
/// A guess: long enough that a restarting database is not met by everybody at once, short enough
/// that people wait for it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why something was refused, as clients see it.
///
/// # Shape
///
/// A stable code for programs, a sentence for people, and what else helps: errors by field, when to
/// ask again, whether asking again can help at all.
///
/// # Examples
///
/// ```
/// use recto::live::server::Refusal;
///
/// let refusal = Refusal::new("room_full", "the room is full");
/// assert_eq!(refusal.code(), "room_full");
/// assert!(!refusal.is_terminal());
/// assert!(Refusal::forbidden().is_terminal());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a refusal refuses nothing until it is returned"]
pub struct Refusal {
    code: Cow<'static, str>,
    message: Option<Cow<'static, str>>,
    errors: Option<Json>,
    retry_after: Option<Duration>,
    is_terminal: bool,
    /// What the log is told.
    cause: Option<Arc<Error>>,
}

impl Refusal {
    /// A refusal of your own; `code` is for programs, `message` for people.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        let message = Some(message.into());
        Self { message, ..Self::bare(code.into()) }
    }

    fn bare(code: Cow<'static, str>) -> Self {
        Self {
            code,
            message: None,
            errors: None,
            retry_after: None,
            is_terminal: false,
            cause: None,
        }
    }

    /// Nobody knows who asks; asking again with the same credentials is of no use.
    pub fn unauthenticated() -> Self {
        Self::new("unauthenticated", "the credentials are missing or not good").terminal()
    }

    /// This client may not have it, however often it asks.
    pub fn forbidden() -> Self {
        Self::new("forbidden", "this is not allowed").terminal()
    }

    /// There is too much to do; ask again after `after`.
    pub fn overloaded(after: Duration) -> Self {
        Self::new("overloaded", "the server has too much to do").retry_after(after)
    }

    /// Says what is wrong with each field: an object of arrays of sentences.
    pub fn with_errors(mut self, errors: Json) -> Self {
        self.errors = Some(errors);
        self
    }

    /// Says that asking again, unchanged, cannot help.
    pub fn terminal(mut self) -> Self {
        self.is_terminal = true;
        self
    }

    /// Says when to ask again.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The sentence for people, if there is one.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// True when asking again, unchanged, cannot help.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// What the log is told, and clients are not.
    pub(crate) fn cause(&self) -> Option<&Error> {
        self.cause.as_deref()
    }

    /// True when nothing was done and asking again may help.
    pub(crate) fn is_passing(&self) -> bool {
        self.retry_after.is_some()
    }

    /// A refusal of something that a client said wrongly.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("invalid", message)
    }

    /// A live query that the engine could not answer.
    pub(crate) fn of_query(error: &Arc<Error>) -> Self {
        match error.kind() {
            // Without a cause it is the engine's own word: too much is asked of it.
            ErrorKind::Unavailable if error.source().is_none() => {
                Self { cause: Some(Arc::clone(error)), ..Self::overloaded(RETRY_AFTER) }
            }
            ErrorKind::Unavailable | ErrorKind::Timeout(_) | ErrorKind::Conflict => {
                Self::classified(Arc::clone(error))
            }
            ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Stale | ErrorKind::InDoubt => {
                let refused = Self::new("query_failed", "the query could not be answered");
                Self { cause: Some(Arc::clone(error)), ..refused }
            }
        }
    }

    /// The one place where kinds of errors become codes.
    fn classified(error: Arc<Error>) -> Self {
        let on_purpose = error.source().is_none() && error.violation().is_none();
        let refused = match error.kind() {
            ErrorKind::Invalid if on_purpose => {
                return Self::new("invalid", error.what().to_owned());
            }
            ErrorKind::Invalid => Self::new("internal", "something went wrong on the server"),
            ErrorKind::NotFound => return Self::new("not_found", "there is no such row"),
            ErrorKind::Stale => {
                return Self::new("conflict", "somebody else changed it; read it again");
            }
            ErrorKind::Conflict => {
                let refused = Self::new("conflict", "nothing was done; try again");
                return refused.retry_after(Duration::ZERO);
            }
            ErrorKind::Unavailable => {
                let refused = Self::new("unavailable", "the database cannot be reached");
                refused.retry_after(RETRY_AFTER)
            }
            ErrorKind::InDoubt => Self::new("in_doubt", "whether it was done is unknown"),
            ErrorKind::Timeout(_) => {
                Self::new("timeout", "it took too long").retry_after(RETRY_AFTER)
            }
        };
        Self { cause: Some(error), ..refused }
    }

    /// Writes the error object onto `out`; `log` is the id under which the log knows the cause.
    pub(crate) fn write_json(&self, log: Option<&str>, out: &mut String) {
        out.push_str("{\"code\":");
        write_json_text(&self.code, out);
        // Generic clients print `reason`.
        out.push_str(",\"reason\":");
        write_json_text(&self.code, out);
        if let Some(message) = &self.message {
            out.push_str(",\"message\":");
            write_json_text(message, out);
        }
        if let Some(errors) = &self.errors {
            write!(out, ",\"errors\":{errors}").expect("writing to a `String` cannot fail");
        }
        if let Some(log) = log {
            out.push_str(",\"details\":{\"log\":");
            write_json_text(log, out);
            out.push('}');
        }
        if let Some(after) = self.retry_after {
            write!(out, ",\"retry_after_ms\":{}", after.as_millis())
                .expect("writing to a `String` cannot fail");
        }
        if self.is_terminal {
            out.push_str(",\"terminal\":true");
        }
        out.push('}');
    }
}

impl From<Error> for Refusal {
    /// A code by kind; the text stays in the log unless it was meant for the client.
    fn from(error: Error) -> Self {
        Self::classified(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(refusal: &Refusal) -> String {
        let mut out = String::new();
        refusal.write_json(refusal.cause().map(|_| "log-1"), &mut out);
        out
    }

    #[test]
    fn what_a_handler_says_on_purpose_reaches_the_client() {
        assert_eq!(
            check(&Error::invalid("a room needs a \"name\"").into()),
            r#"{"code":"invalid","reason":"invalid","message":"a room needs a \"name\""}"#
        );
    }

    #[test]
    fn what_the_database_says_does_not() {
        let error = Error::invalid("could not run `SELEC`").caused_by(std::io::Error::other("42"));
        assert_eq!(
            check(&error.into()),
            r#"{"code":"internal","reason":"internal","message":"something went wrong on the server","details":{"log":"log-1"}}"#
        );
    }

    #[test]
    fn a_database_that_is_away_may_be_asked_again() {
        let refusal = Refusal::from(Error::new(ErrorKind::Unavailable, "no route to 10.0.0.7"));
        assert_eq!(
            check(&refusal),
            r#"{"code":"unavailable","reason":"unavailable","message":"the database cannot be reached","details":{"log":"log-1"},"retry_after_ms":1000}"#
        );
        assert!(refusal.is_passing());
    }

    #[test]
    fn a_refusal_for_good_says_so() {
        assert_eq!(
            check(&Refusal::forbidden().with_errors(serde_json::json!({"body": ["too long"]}))),
            r#"{"code":"forbidden","reason":"forbidden","message":"this is not allowed","errors":{"body":["too long"]},"terminal":true}"#
        );
    }
}
