//! A table as data, and the reader of its rows.

use super::Assoc;
use super::Column;
use crate::error::Error;
use crate::error::Result;
use crate::value::FromValue;
use crate::value::Key;
use crate::value::Row;
use crate::value::Value;
use crate::value::mismatch;

/// A table as data: what the derive knows of a schema.
#[derive(Debug)]
#[non_exhaustive]
pub struct Table {
    /// The name in the database, with the database's schema in front where there is one
    /// (`shop.orders`).
    pub name: &'static str,
    /// The columns, in the order of the fields of the struct.
    pub columns: &'static [Column],
    /// Positions of the primary key within [`Table::columns`]; at least one.
    pub primary_key: &'static [usize],
    /// The associations.
    pub assocs: &'static [Assoc],
}

impl Table {
    /// A table; for the derive and for schemas written by hand.
    ///
    /// # Panics
    ///
    /// Where `primary_key` is empty; in a `static`, while compiling.
    pub const fn new(
        name: &'static str,
        columns: &'static [Column],
        primary_key: &'static [usize],
        assocs: &'static [Assoc],
    ) -> Self {
        assert!(!primary_key.is_empty(), "a schema needs a primary key");
        Self { name, columns, primary_key, assocs }
    }

    /// The position of the column that belongs to `field`.
    pub fn position(&self, field: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.field == field)
    }

    /// The association named `name`.
    pub fn assoc(&self, name: &str) -> Option<&'static Assoc> {
        self.assocs.iter().find(|assoc| assoc.name == name)
    }

    /// The columns of the primary key.
    pub fn key_columns(&self) -> impl Iterator<Item = &'static Column> + '_ {
        self.primary_key.iter().map(|&index| &self.columns[index])
    }

    /// The primary key of a row whose columns come in the order of [`Table::columns`].
    pub fn key_of(&self, row: &Row) -> Key {
        self.primary_key.iter().map(|&index| row.values()[index].clone()).collect()
    }
}

/// Reads the columns of one row, one after the other.
#[derive(Debug)]
pub struct RowReader<'a> {
    values: &'a [Value],
    table: &'static Table,
    next: usize,
}

impl<'a> RowReader<'a> {
    /// A reader at the first column of `row`.
    pub fn new(table: &'static Table, row: &'a Row) -> Self {
        Self { values: row.values(), table, next: 0 }
    }

    /// Reads the next column.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) naming the column, when it holds another kind or the
    /// row is too short.
    pub fn read<T: FromValue>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        let column = self.table.columns.get(index).map_or("?", |column| column.name);
        let value = self.values.get(index).ok_or_else(|| {
            Error::invalid(format!("row of `{}` ends before column `{column}`", self.table.name))
        })?;
        T::from_value(value).map_err(|error| {
            Error::invalid(format!(
                "could not read column `{column}` of `{}`: {}",
                self.table.name,
                error.what()
            ))
        })
    }
}

impl Table {
    /// Checks that each value fits its column, before a database is asked.
    pub(crate) fn check(&self, index: usize, value: &Value) -> Result<()> {
        let column = &self.columns[index];
        if column.kind.holds(value) {
            return Ok(());
        }
        let error = mismatch(column.kind, value);
        Err(Error::invalid(format!(
            "column `{}` of `{}`: {}",
            column.name,
            self.name,
            error.what()
        )))
    }
}
