//! Identifiers in SQL.
//!
//! **Invariant:** what is quoted here is one identifier to the database, the one that was asked
//! for, or it is refused: no character ends it early and nothing cuts it short.

use super::Dialect;
use crate::error::Error;
use crate::error::Result;
use crate::schema::Table;

/// Writes `name` in quotes.
pub(super) fn identifier(name: &str, dialect: &dyn Dialect, out: &mut String) -> Result<()> {
    if name.is_empty() || name.contains('\0') {
        let shown = name.escape_debug();
        return Err(Error::invalid(format!("`{shown}` cannot be the name of anything")));
    }
    if let Some(most) = dialect.max_identifier_bytes()
        && most < name.len()
    {
        return Err(Error::invalid(format!(
            "the name `{name}` has {} bytes, and {} would cut it at {most}",
            name.len(),
            dialect.name()
        )));
    }
    out.push('"');
    for part in name.split_inclusive('"') {
        out.push_str(part);
        if part.ends_with('"') {
            out.push('"');
        }
    }
    out.push('"');
    Ok(())
}

/// `name` in quotes.
#[cfg(any(feature = "live", feature = "postgres"))]
pub(crate) fn quoted_name(name: &str, dialect: &dyn Dialect) -> Result<String> {
    let mut out = String::new();
    identifier(name, dialect, &mut out).map(|()| out)
}

/// The name of `table` in quotes.
#[cfg(feature = "live")]
pub(crate) fn quoted_table(of: &Table, dialect: &dyn Dialect) -> Result<String> {
    let mut out = String::new();
    table(of, dialect, &mut out).map(|()| out)
}

/// Writes the name of `table`; each part of `shop.orders` is quoted on its own.
pub(super) fn table(table: &Table, dialect: &dyn Dialect, out: &mut String) -> Result<()> {
    for (position, part) in table.name.split('.').enumerate() {
        if 0 < position {
            out.push('.');
        }
        identifier(part, dialect, out)?;
    }
    Ok(())
}

/// Writes the names of the columns at `positions` of `table`, each after `prefix`.
pub(super) fn columns(
    table: &Table,
    positions: impl IntoIterator<Item = usize>,
    prefix: &str,
    dialect: &dyn Dialect,
    out: &mut String,
) -> Result<()> {
    for (index, position) in positions.into_iter().enumerate() {
        if 0 < index {
            out.push_str(", ");
        }
        out.push_str(prefix);
        identifier(table.columns[position].name, dialect, out)?;
    }
    Ok(())
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::adapter::postgres::PostgresDialect;

    fn check(name: &str) -> String {
        let mut out = String::new();
        identifier(name, &PostgresDialect, &mut out)
            .map_or_else(|error| error.to_string(), |()| out)
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(check("rooms"), "\"rooms\"");
        assert_eq!(check("a\"b"), "\"a\"\"b\"");
        assert_eq!(check("\""), "\"\"\"\"");
        assert_eq!(check(""), "invalid: `` cannot be the name of anything");
        assert_eq!(check("a\0"), "invalid: `a\\0` cannot be the name of anything");
        assert_eq!(
            check(&"x".repeat(64)),
            format!(
                "invalid: the name `{}` has 64 bytes, and PostgreSQL would cut it at 63",
                "x".repeat(64)
            )
        );
    }

    /// Reads an identifier as a database does, and returns what stands behind it.
    fn read(text: &str) -> Option<(String, &str)> {
        let mut rest = text.strip_prefix('"')?;
        let mut name = String::new();
        loop {
            let (before, after) = rest.split_once('"')?;
            name.push_str(before);
            match after.strip_prefix('"') {
                Some(more) => {
                    name.push('"');
                    rest = more;
                }
                None => return Some((name, after)),
            }
        }
    }

    proptest! {
        #[test]
        fn quoting_then_reading_gives_the_name(name in "[^\0]{1,15}") {
            let quoted = check(&name);
            prop_assert_eq!(read(&quoted), Some((name, "")));
        }
    }
}
