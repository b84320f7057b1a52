//! Which rows of a table were touched, as the log has their keys.

use std::collections::HashSet;
use std::sync::Arc;

use crate::schema::Table;
use crate::value::Json;
use crate::value::Key;

/// Touched rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Rows with these keys, each a JSON array of the key's parts as the log holds it.
    Some(HashSet<Arc<str>>),
    /// Any of them: the table was truncated, or a key could not be read.
    All,
}

impl Keys {
    /// True when any row may have been touched.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The keys as `table` has them; `None` stands for any row.
    pub fn read(&self, table: &Table) -> Option<HashSet<Key>> {
        match self {
            Self::All => None,
            Self::Some(keys) => keys.iter().map(|key| read_key(table, key)).collect(),
        }
    }
}

fn read_key(table: &Table, key: &str) -> Option<Key> {
    let parts: Vec<Json> = serde_json::from_str(key).ok()?;
    if parts.len() != table.primary_key.len() {
        return None;
    }
    table.key_columns().zip(&parts).map(|(column, part)| column.kind.cast(part)).collect()
}
