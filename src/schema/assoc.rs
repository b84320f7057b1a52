//! Associations as values in the struct.
//!
//! **Invariant:** reading an association never runs a query; what was not loaded says so.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Id;
use super::Schema;
use crate::error::Result;
use crate::value::FromValue;
use crate::value::Kind;
use crate::value::ToValue;
use crate::value::Value;

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

/// The row of another table that points at this one, once it was looked for.
///
/// # Shape
///
/// A clone shares the loaded row.
pub struct HasOne<S> {
    loaded: Loaded,
    row: PhantomData<fn() -> S>,
}

impl<S> Clone for HasOne<S> {
    fn clone(&self) -> Self {
        Self { loaded: self.loaded.clone(), row: PhantomData }
    }
}

impl<S: Schema> HasOne<S> {
    /// The row, if it was looked for and is there.
    pub fn get(&self) -> Option<&S> {
        self.loaded.as_deref()?.downcast_ref::<Option<S>>()?.as_ref()
    }

    /// True once it was looked for.
    pub fn is_loaded(&self) -> bool {
        self.loaded.is_some()
    }

    /// Puts the loaded row in place; `None` when there is none.
    pub fn set(&mut self, row: Option<S>) {
        self.loaded = Some(Arc::new(row));
    }
}

impl<S> Default for HasOne<S> {
    fn default() -> Self {
        Self { loaded: None, row: PhantomData }
    }
}

impl<S: Schema> fmt::Debug for HasOne<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_loaded() { self.get().fmt(f) } else { f.write_str("not loaded") }
    }
}

impl<S: Schema> BelongsTo<S> {
    /// The values of the key.
    pub fn key_values(&self) -> Vec<Value> {
        self.id.to_values()
    }
}
