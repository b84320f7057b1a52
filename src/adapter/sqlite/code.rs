//! SQLite's result codes as kinds of errors, and its messages as broken rules.

use rusqlite::Error as DriverError;
use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::adapter::Effect;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Rule;
use crate::error::Violation;

/// The error of a statement.
pub(super) fn error(driver: DriverError, what: String, effect: Effect) -> Error {
    let (code, message) = match &driver {
        DriverError::SqliteFailure(code, message) => (Some(*code), message.clone()),
        DriverError::SqlInputError { error, msg, .. } => (Some(*error), Some(msg.clone())),
        _ => (None, None),
    };
    let kind = code.map_or(ErrorKind::Invalid, |code| kind(code.code, effect));
    let error = Error::new(kind, what).caused_by(driver);
    let message = message.unwrap_or_default();
    match code.and_then(|code| violation(code.extended_code, &message)) {
        Some(violation) => error.violating(violation),
        None => error,
    }
}

fn kind(code: ErrorCode, effect: Effect) -> ErrorKind {
    match code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => ErrorKind::Conflict,
        ErrorCode::SystemIoFailure
        | ErrorCode::DiskFull
        | ErrorCode::OutOfMemory
        | ErrorCode::OperationAborted
        | ErrorCode::OperationInterrupted => match effect {
            Effect::None => ErrorKind::Unavailable,
            Effect::Keeps => ErrorKind::InDoubt,
        },
        _ => ErrorKind::Invalid,
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
                 create unique index lower_x on a (lower(x));
                 create table b (a integer references a);
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
        assert_eq!(insert("(2, 'X', 2)"), broken(Rule::Unique, Some("lower_x"), None, &[]));
        assert_eq!(insert("(2, null, 1)"), broken(Rule::NotNull, None, Some("a"), &["x"]));
        assert_eq!(insert("(2, 'z', 11)"), broken(Rule::Check, Some("small"), None, &[]));
        assert_eq!(
            check("insert into b values (7)").unwrap(),
            broken(Rule::ForeignKey, None, None, &[])
        );
        assert_eq!(check("insert into nowhere values (7)"), None);
    }
}
