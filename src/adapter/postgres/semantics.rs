//! What one database does with values.

use tokio_postgres::Client;
use tokio_postgres::Error as DriverError;

use crate::query::eval::Arithmetic;
use crate::query::eval::Letters;
use crate::query::eval::Semantics;

/// The column with the provider came with version 15, and is looked at as JSON for version 14.
const ASK: &str = "select getdatabaseencoding()::text, \
                          coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), \
                          d.datcollate::text, d.datctype::text \
                   from pg_database as d where datname = current_database()";

/// Asks the database; it stays so as long as the database is there.
pub(super) async fn ask(client: &Client) -> Result<Semantics, DriverError> {
    let row = client.query_one(ASK, &[]).await?;
    let encoding: String = row.try_get(0)?;
    let provider: String = row.try_get(1)?;
    let collation: String = row.try_get(2)?;
    let letters: String = row.try_get(3)?;
    Ok(Semantics {
        nulls_greatest: true,
        // Only in UTF-8 is the order of bytes that of characters.
        text_by_bytes: encoding == "UTF8" && is_by_code_point(&provider, &collation),
        like_folds_ascii: false,
        arithmetic: Arithmetic::Numeric,
        letters: match (provider.as_str(), letters.as_str()) {
            ("c", "C" | "POSIX") => Letters::Ascii,
            _ => Letters::Locale,
        },
    })
}

/// True for a collation that sorts by code point.
fn is_by_code_point(provider: &str, collation: &str) -> bool {
    match provider {
        "c" => {
            let collation = collation.to_ascii_lowercase().replace('-', "");
            matches!(collation.as_str(), "c" | "posix" | "c.utf8")
        }
        // The built-in locales of version 17 all do; those of ICU are linguistic.
        provider => provider == "b",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_collations_sort_by_code_point() {
        assert!(is_by_code_point("c", "C"));
        assert!(is_by_code_point("c", "C.UTF-8"));
        assert!(is_by_code_point("c", "C.utf8"));
        assert!(is_by_code_point("b", "whatever"));
        assert!(!is_by_code_point("c", "en_US.UTF-8"));
        assert!(!is_by_code_point("i", "C"));
    }
}
