//! Associations: as data in the table, as values in the struct, as tokens in queries.
//!
//! **Invariant:** reading an association never runs a query; what was not loaded says so.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Id;
use super::Schema;
use super::Table;
use crate::error::Result;
use crate::value::FromValue;
use crate::value::Kind;
use crate::value::ToValue;
use crate::value::Value;

/// An association as data.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Assoc {
    /// The name of the field that holds it.
    pub name: &'static str,
    /// Which side holds the key.
    pub kind: AssocKind,
    /// The other table.
    pub target: fn() -> &'static Table,
    /// The field on this side.
    pub owner_field: &'static str,
    /// The field on the other side.
    pub target_field: &'static str,
}

/// Which side of an association holds the key of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssocKind {
    /// This row holds the key of one other row.
    BelongsTo,
    /// Many other rows hold the key of this one.
    HasMany,
}

impl Assoc {
    /// An association; for the derive and for schemas written by hand.
    pub const fn new(
        name: &'static str,
        kind: AssocKind,
        target: fn() -> &'static Table,
        owner_field: &'static str,
        target_field: &'static str,
    ) -> Self {
        Self { name, kind, target, owner_field, target_field }
    }
}

/// The typed name of an association, such as `Message::room`; what `join` and `preload` take.
pub struct Relation<S, T> {
    name: &'static str,
    set: fn(&mut S, Vec<T>),
}

impl<S, T> Clone for Relation<S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T> Copy for Relation<S, T> {}

impl<S: Schema, T: Schema> fmt::Debug for Relation<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", S::table().name, self.name)
    }
}

impl<S: Schema, T: Schema> Relation<S, T> {
    /// The association named `name`, whose loaded rows `set` puts in place; for the derive.
    pub const fn new(name: &'static str, set: fn(&mut S, Vec<T>)) -> Self {
        Self { name, set }
    }

    /// The association as data.
    ///
    /// # Panics
    ///
    /// Where a schema written by hand names an association that its table does not list.
    pub fn assoc(self) -> &'static Assoc {
        S::table().assoc(self.name).expect("the derive lists every association it names")
    }

    /// Puts loaded rows in place.
    pub(crate) fn set(self, owner: &mut S, loaded: Vec<T>) {
        (self.set)(owner, loaded);
    }
}

/// Loaded rows of another table, behind an erased type.
///
/// A type that showed the rows would be `Send` because they are, which they are because of the rows
/// that they hold, and so on along every chain of associations: the compiler gives up on forty
/// tables that point at each other. A schema promises to be `Send`, and `dyn` remembers that.
type Loaded = Option<Arc<dyn Any + Send + Sync>>;

/// The key of a row of another table, and that row once it was loaded.
///
/// # Shape
///
/// In the database a column, `room_id` for a field `room`. A clone shares the loaded row.
pub struct BelongsTo<S: Schema> {
    id: S::Id,
    loaded: Loaded,
}

impl<S: Schema> Clone for BelongsTo<S> {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), loaded: self.loaded.clone() }
    }
}

impl<S: Schema> BelongsTo<S> {
    /// A reference to the row with this key.
    pub fn to(id: impl Into<S::Id>) -> Self {
        Self { id: id.into(), loaded: None }
    }

    /// The key.
    pub fn id(&self) -> &S::Id {
        &self.id
    }

    /// The row, if it was loaded.
    pub fn get(&self) -> Option<&S> {
        self.loaded.as_deref()?.downcast_ref()
    }

    /// Puts the loaded row in place; `None` when it is gone.
    pub fn set(&mut self, row: Option<S>) {
        self.loaded = row.map(|row| Arc::new(row) as _);
    }
}

impl<S: Schema<Id: Default>> Default for BelongsTo<S> {
    fn default() -> Self {
        Self { id: S::Id::default(), loaded: None }
    }
}

impl<S: Schema> fmt::Debug for BelongsTo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(row) => row.fmt(f),
            None => write!(f, "{}({:?})", S::table().name, self.id),
        }
    }
}

impl<S: Schema<Id: ToValue>> ToValue for BelongsTo<S> {
    fn to_value(&self) -> Value {
        self.id.to_value()
    }
}

impl<S: Schema<Id: FromValue<Inner = S::Id>>> FromValue for BelongsTo<S> {
    type Inner = S::Id;

    const KIND: Kind = S::Id::KIND;

    fn from_value(value: &Value) -> Result<Self> {
        S::Id::from_value(value).map(|id| Self { id, loaded: None })
    }
}

/// The rows of another table that point at this one, once they were loaded.
///
/// # Shape
///
/// A clone shares the loaded rows.
pub struct HasMany<S> {
    loaded: Loaded,
    rows: PhantomData<fn() -> S>,
}

impl<S> Clone for HasMany<S> {
    fn clone(&self) -> Self {
        Self { loaded: self.loaded.clone(), rows: PhantomData }
    }
}

impl<S: Schema> HasMany<S> {
    /// The rows, if they were loaded.
    pub fn get(&self) -> Option<&[S]> {
        self.loaded.as_deref()?.downcast_ref::<Vec<S>>().map(Vec::as_slice)
    }

    /// Puts the loaded rows in place.
    pub fn set(&mut self, rows: Vec<S>) {
        self.loaded = Some(Arc::new(rows));
    }
}

impl<S> Default for HasMany<S> {
    fn default() -> Self {
        Self { loaded: None, rows: PhantomData }
    }
}

impl<S: Schema> fmt::Debug for HasMany<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(rows) => rows.fmt(f),
            None => f.write_str("not loaded"),
        }
    }
}

impl<S: Schema> BelongsTo<S> {
    /// The values of the key.
    pub fn key_values(&self) -> Vec<Value> {
        self.id.to_values()
    }
}
