//! What a row is: the [`Schema`] trait, and the [`Table`] behind it as data.
//!
//! Ecto's `Ecto.Schema`. Differences: the derive writes one static table and thin functions, no
//! trait implementation per column, so that forty tables stay cheap to compile; and a loaded
//! association is a value of its own type, never a hidden query.
//!
//! This module refuses to know queries, changesets and databases.

mod assoc;
mod column;
mod relation;
mod table;

use std::fmt;

pub use self::assoc::{BelongsTo, HasMany, HasOne};
pub use self::column::{Column, Field, FilledBy, Nullability, Nullable, Present};
pub use self::relation::{Assoc, AssocKind, Between, Direct, Far, Link, Relation, Through};
pub use self::table::{RowReader, Table};
use crate::error::Result;
use crate::value::ToValue;
use crate::value::Value;

/// A Rust type whose values are rows of a table.
///
/// Write `#[derive(Schema)]`; by hand it is the same few functions.
///
/// # Examples
///
/// ```
/// use recto::prelude::*;
///
/// #[derive(Schema, Clone, Debug, Default)]
/// #[schema(table = "rooms")]
/// struct Room {
///     id: i64,
///     name: String,
/// }
///
/// assert_eq!(Room::table().name, "rooms");
/// assert_eq!(Room::name.name(), "name");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schema",
    note = "write `#[derive(Schema)]` above its definition"
)]
pub trait Schema: Clone + fmt::Debug + Send + Sync + Sized + 'static {
    /// The type of the primary key; a tuple where it has several columns.
    type Id: Id;

    /// The columns as a query's closures see them.
    type Columns<'q, N: Nullability>: Copy;

    /// The table, as data.
    fn table() -> &'static Table;

    /// The columns of source number `source` of a query.
    fn columns<'q, N: Nullability>(source: u16) -> Self::Columns<'q, N>;

    /// Reads a row whose columns come in the order of [`Table::columns`].
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) naming the table and the column that holds something
    /// else than the field can.
    fn load(row: &mut RowReader<'_>) -> Result<Self>;

    /// The values of all columns, in the order of [`Table::columns`].
    fn dump(&self) -> Vec<Value>;
}

/// The type of a primary key: one value, or a tuple of them in the order of the columns.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot be a primary key")]
pub trait Id: Clone + fmt::Debug + Send + Sync + 'static {
    /// The parts of the key, in the order of the primary key.
    fn to_values(&self) -> Vec<Value>;
}

macro_rules! single {
    ($($type:ty),*) => {$(
        impl Id for $type {
            fn to_values(&self) -> Vec<Value> {
                vec![self.to_value()]
            }
        }
    )*};
}

single!(i16, i32, i64, String, crate::value::Uuid, crate::value::Date, crate::value::Timestamp);

macro_rules! composite {
    ($($type:ident . $index:tt),*) => {
        impl<$($type: ToValue + Clone + fmt::Debug + Send + Sync + 'static),*> Id for ($($type,)*) {
            fn to_values(&self) -> Vec<Value> {
                vec![$(self.$index.to_value()),*]
            }
        }
    };
}

composite!(A.0, B.1);
composite!(A.0, B.1, C.2);
composite!(A.0, B.1, C.2, D.3);
