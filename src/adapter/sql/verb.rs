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
        let first = words.next().unwrap_or_default();
        let is =
            |word: &str, names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        let mut next_is = |names: &[&str]| words.next().is_some_and(|word| is(word, names));
        if is(first, &["insert", "update", "delete", "replace", "with"]) {
            Self::Write
        } else if is(first, &["begin"]) || is(first, &["start"]) && next_is(&["transaction"]) {
            Self::Begin
        } else if is(first, &["commit", "end"]) {
            if next_is(&["prepared"]) { Self::Other } else { Self::Commit }
        } else if is(first, &["rollback", "abort"]) {
            rollback(words)
        } else if is(first, &["savepoint", "release"]) {
            Self::Savepoint
        } else if is(first, &["create", "alter", "drop", "do", "call", "comment"]) {
            Self::Define
        } else {
            Self::Other
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

/// What `rollback` means, by the words behind it.
fn rollback<'a>(mut words: impl Iterator<Item = &'a str>) -> Verb {
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    let second = words.next().unwrap_or_default();
    match first.as_str() {
        "prepared" => Verb::Other,
        "to" => Verb::RollbackTo,
        "work" | "transaction" if second.eq_ignore_ascii_case("to") => Verb::RollbackTo,
        _ => Verb::Rollback,
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
