//! SQLite's result codes as kinds of errors, and its messages as broken rules.

use std::error::Error as StdError;
use std::fmt;

use rusqlite::Error as DriverError;
use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::adapter::Effect;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Rule;
use crate::error::Violation;

/// What SQLite said, on one line.
#[derive(Debug)]
struct Said {
    code: i32,
    message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLite code {})", self.message, self.code)
    }
}

impl StdError for Said {}

/// The error of a statement.
pub(super) fn error(driver: DriverError, what: String, effect: Effect) -> Error {
    let (code, message) = if let DriverError::SqliteFailure(code, message) = &driver {
        (*code, message.clone().unwrap_or_else(|| code.to_string()))
    } else if let DriverError::SqlInputError { error, msg, .. } = &driver {
        (*error, msg.clone())
    } else {
        return Error::invalid(what).caused_by(driver);
    };
    let message = message.replace('\n', " ");
    let violation = violation(code.extended_code, &message);
    let error = Error::new(kind(code.code, effect), what)
        .caused_by(Said { code: code.extended_code, message });
    match violation {
        Some(violation) => error.violating(violation),
        None => error,
    }
}

fn kind(code: ErrorCode, effect: Effect) -> ErrorKind {
    let is_locked = matches!(
        code,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed
    );
    let is_lost = matches!(
        code,
        ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
    );
    match effect {
        _ if is_locked => ErrorKind::Conflict,
        Effect::None if is_lost => ErrorKind::Unavailable,
        Effect::Keeps if is_lost => ErrorKind::InDoubt,
        Effect::None | Effect::Keeps => ErrorKind::Invalid,
    }
}

fn violation(code: i32, message: &str) -> Option<Violation> {
    let rule = match code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => Rule::Unique,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Rule::ForeignKey,
        ffi::SQLITE_CONSTRAINT_NOTNULL => Rule::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => Rule::Check,
        _ => return None,
    };
    let subject = message.split_once("constraint failed: ").map_or("", |(_, subject)| subject);
    let mut violation = Violation { rule, name: None, table: None, columns: Vec::new() };
    let index = subject.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\''));
    if let Some(index) = index {
        violation.name = Some(index.to_owned());
    } else if rule == Rule::Check && !subject.is_empty() {
        violation.name = Some(subject.to_owned());
    } else {
        for column in subject.split(", ") {
            let Some((table, column)) = column.rsplit_once('.') else { continue };
            violation.table = Some(table.to_owned());
            violation.columns.push(column.to_owned());
        }
    }
    Some(violation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str) -> Option<Violation> {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "pragma foreign_keys = on;
                 create table a (id integer primary key, x text not null, y integer,
                                 unique (x, y), constraint small check (y < 10));
                 create table b (a integer references a);
                 create table c (x text);
                 create unique index lower_x on c (lower(x));
                 insert into c values ('x');
                 insert into a values (1, 'x', 1);",
            )
            .unwrap();
        let driver = connection.execute_batch(sql).unwrap_err();
        error(driver, "could not".to_owned(), Effect::Keeps).violation().cloned()
    }

    fn broken(rule: Rule, name: Option<&str>, table: Option<&str>, columns: &[&str]) -> Violation {
        Violation {
            rule,
            name: name.map(str::to_owned),
            table: table.map(str::to_owned),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
        }
    }

    #[test]
    fn broken_rules_are_told_as_far_as_sqlite_tells() {
        let insert = |values: &str| check(&format!("insert into a values {values}")).unwrap();
        assert_eq!(insert("(1, 'z', 1)"), broken(Rule::Unique, None, Some("a"), &["id"]));
        assert_eq!(insert("(2, 'x', 1)"), broken(Rule::Unique, None, Some("a"), &["x", "y"]));
        assert_eq!(insert("(2, null, 1)"), broken(Rule::NotNull, None, Some("a"), &["x"]));
        assert_eq!(insert("(2, 'z', 11)"), broken(Rule::Check, Some("small"), None, &[]));
        assert_eq!(
            check("insert into c values ('X')").unwrap(),
            broken(Rule::Unique, Some("lower_x"), None, &[])
        );
        assert_eq!(
            check("insert into b values (7)").unwrap(),
            broken(Rule::ForeignKey, None, None, &[])
        );
        assert_eq!(check("insert into nowhere values (7)"), None);
    }
}
