//! What a statement does, as far as its first words tell.
//!
//! A connection keeps no count of transactions; it only has to know whether it is in one, and for
//! that it reads the texts that pass through.

/// What a statement does to the transaction, or that it is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Begins a transaction.
    Begin,
    /// Ends it, keeping.
    Commit,
    /// Ends it, forgetting.
    Rollback,
    /// Forgets what came after a savepoint.
    RollbackTo,
    /// Sets a savepoint, or lets it go.
    Savepoint,
    /// Changes the shape of the database, and with it what later statements mean.
    Define,
    /// Changes rows.
    Write,
    /// Anything else.
    Other,
}

impl Verb {
    /// The verb of `sql`.
    pub(crate) fn of(sql: &str) -> Self {
        let mut words = words(sql);
        let mut next = || words.next().unwrap_or_default().to_ascii_lowercase();
        match next().as_str() {
            "begin" => Self::Begin,
            "start" => {
                if next() == "transaction" {
                    Self::Begin
                } else {
                    Self::Other
                }
            }
            "commit" | "end" => {
                if next() == "prepared" {
                    Self::Other
                } else {
                    Self::Commit
                }
            }
            "rollback" | "abort" => match next().as_str() {
                "prepared" => Self::Other,
                "to" => Self::RollbackTo,
                "work" | "transaction" if next() == "to" => Self::RollbackTo,
                _ => Self::Rollback,
            },
            "savepoint" | "release" => Self::Savepoint,
            "create" | "alter" | "drop" | "do" | "call" | "comment" => Self::Define,
            "insert" | "update" | "delete" | "replace" | "with" => Self::Write,
            _ => Self::Other,
        }
    }

    /// True for statements that only steer the transaction.
    #[cfg(feature = "postgres")]
    pub(crate) fn steers(self) -> bool {
        match self {
            Self::Begin | Self::Commit | Self::Rollback | Self::RollbackTo | Self::Savepoint => {
                true
            }
            Self::Define | Self::Write | Self::Other => false,
        }
    }
}

/// The words of `sql` outside comments; a word is letters and digits.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            if let Some(comment) = rest.strip_prefix("--") {
                rest = comment.split_once('\n').map_or("", |(_, after)| after);
            } else if let Some(comment) = rest.strip_prefix("/*") {
                rest = comment.split_once("*/").map_or("", |(_, after)| after);
            } else {
                break;
            }
        }
        let end =
            rest.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        (!word.is_empty()).then_some(word)
    })
}

/// The beginning of `sql` on one line, for errors. It holds no values: those are parameters.
pub(crate) fn excerpt(sql: &str) -> String {
    const MOST: usize = 80;
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MOST {
        return line;
    }
    line.chars().take(MOST).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_tell() {
        for (sql, verb) in [
            ("begin", Verb::Begin),
            ("BEGIN IMMEDIATE", Verb::Begin),
            ("start transaction read only", Verb::Begin),
            ("start_something", Verb::Other),
            ("commit;", Verb::Commit),
            ("commit prepared 'x'", Verb::Other),
            ("rollback", Verb::Rollback),
            ("rollback to savepoint s1", Verb::RollbackTo),
            ("rollback transaction to s1", Verb::RollbackTo),
            ("rollback work", Verb::Rollback),
            ("savepoint s1", Verb::Savepoint),
            ("release s1", Verb::Savepoint),
            ("-- why\n/* and\nhow */ Create table t()", Verb::Define),
            ("insert into t values (1)", Verb::Write),
            ("select 1", Verb::Other),
            ("", Verb::Other),
            ("--", Verb::Other),
        ] {
            assert_eq!(Verb::of(sql), verb, "{sql}");
        }
    }

    #[test]
    fn an_excerpt_is_one_line() {
        assert_eq!(excerpt("select\n  1"), "select 1");
        assert_eq!(excerpt(&"é".repeat(90)), "é".repeat(80) + "…");
    }
}
