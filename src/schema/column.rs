//! One column: what the table knows of it, and the typed token that names it.

use std::fmt;
use std::marker::PhantomData;

use super::Schema;
use crate::value::FromValue;
use crate::value::Kind;
use crate::value::Timestamp;
use crate::value::Value;

/// A column as data.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Column {
    /// The name of the field that changesets and clients use.
    pub field: &'static str,
    /// The name in the database.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// True when it may be `NULL`.
    pub nullable: bool,
    /// Who fills it in when a row is inserted.
    pub filled_by: FilledBy,
}

/// Who fills a column in when a row is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilledBy {
    /// The program.
    Program,
    /// The database, unless the program says something else than the type's default.
    Database,
    /// The repo, with a new UUID (version 7), unless the program says something else than nil.
    NewUuid,
    /// The repo, with the time of the insert.
    InsertTime,
    /// The repo, with the time of the insert and of every update.
    UpdateTime,
}

impl Column {
    /// A column; for the derive and for schemas written by hand.
    pub const fn new<T: FromValue>(
        field: &'static str,
        name: &'static str,
        filled_by: FilledBy,
    ) -> Self {
        Self { field, name, kind: T::KIND, nullable: T::NULLABLE, filled_by }
    }

    /// True when `value` says nothing: `NULL`, zero, 1970 or the nil UUID, as `Default` leaves it.
    pub(crate) fn is_unset(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Int(number) => *number == 0,
            Value::Uuid(uuid) => uuid.is_nil(),
            Value::Text(text) => text.is_empty(),
            Value::Timestamp(instant) => *instant == Timestamp::default(),
            Value::Bool(_)
            | Value::Float(_)
            | Value::Bytes(_)
            | Value::Decimal(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Json(_)
            | Value::Array(_) => false,
        }
    }
}

/// The typed name of one field of a schema, such as `Message::body`.
///
/// # Shape
///
/// A position; copying is free.
pub struct Field<S, T> {
    index: usize,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S, T> Clone for Field<S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T> Copy for Field<S, T> {}

impl<S: Schema, T> fmt::Debug for Field<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", S::table().name, self.name())
    }
}

impl<S, T> Field<S, T> {
    /// The field whose column is number `index`; for the derive.
    pub const fn new(index: usize) -> Self {
        Self { index, types: PhantomData }
    }

    /// The position of the column.
    pub const fn index(self) -> usize {
        self.index
    }
}

impl<S: Schema, T> Field<S, T> {
    /// The name of the field.
    ///
    /// # Panics
    ///
    /// For a field made by hand whose position is not one of the table's columns.
    #[expect(clippy::misnamed_getters, reason = "clients and changesets go by the field's name")]
    pub fn name(self) -> &'static str {
        S::table().columns[self.index].field
    }
}

/// Whether a source of a query may be missing from a row, as the right side of a left join may.
pub trait Nullability: 'static {
    /// The type of a column whose field has type `T`.
    type Of<T: FromValue>: FromValue;
}

/// The source is in every row.
#[derive(Debug)]
pub struct Present;

/// The source may be missing; all its columns are `Option`s.
#[derive(Debug)]
pub struct Nullable;

impl Nullability for Present {
    type Of<T: FromValue> = T;
}

impl Nullability for Nullable {
    type Of<T: FromValue> = Option<T::Inner>;
}
