//! Changes to a row that somebody asked for, and whether they may be made.
//!
//! Ecto's `Ecto.Changeset`. Differences: fields are typed names, so that a rule for text cannot be
//! put on a number; a change always fits its field, and is therefore never `NULL` unless the field
//! is an `Option`; associations are written by themselves, in a transaction.
//!
//! This module refuses to know queries and the repo: it cannot check that a name is free, it can
//! only name the constraint that will.
//!
//! **Invariant:** all errors are collected, not the first one only.

mod cast;
mod constraint;
mod draft;
mod errors;
mod limits;
mod params;
mod read;
mod validate;

use std::borrow::Cow;

pub use self::cast::Fields;
#[doc(hidden)]
pub use self::cast::Part;
use self::draft::Draft;
pub use self::errors::{FieldError, WriteError};
pub use self::limits::above;
pub use self::params::Params;
use self::read::typed;
use crate::schema::Field;
use crate::schema::RowReader;
use crate::schema::Schema;
use crate::value::FromValue;
use crate::value::Row;
use crate::value::ToValue;
use crate::value::Value;

/// A row, the changes somebody asked for, and what is wrong with them.
///
/// Build it in a pipeline and hand it to the repo, which writes it or gives it back with errors.
///
/// # Shape
///
/// The base as it was, and only those values that differ from it. An insert writes both, an update
/// the changes.
///
/// # Examples
///
/// ```
/// use recto::Schema;
/// use recto::changeset::Changeset;
/// use recto::changeset::Params;
///
/// #[derive(Schema, Clone, Debug, Default)]
/// #[schema(table = "messages")]
/// struct Message {
///     id: i64,
///     author: String,
///     body: String,
/// }
///
/// fn changeset(message: Message, params: &Params) -> Changeset<Message> {
///     Changeset::new(message)
///         .cast(params, (Message::author, Message::body))
///         .validate_required((Message::author, Message::body))
///         .validate_length(Message::body, ..=5)
/// }
///
/// let params: Params = [("body", "hello, world")].into_iter().collect();
/// let refused = changeset(Message::default(), &params);
/// assert_eq!(
///     refused.errors_json(),
///     serde_json::json!({
///         "author": ["can't be blank"],
///         "body": ["should be at most 5 character(s)"],
///     }),
/// );
/// ```
#[derive(Clone)]
#[must_use = "a changeset does nothing until a repo writes it"]
pub struct Changeset<S: Schema> {
    base: S,
    draft: Box<Draft>,
}

impl<S: Schema> Changeset<S> {
    /// No changes yet to `base`: a new value for an insert, a loaded row for an update.
    pub fn new(base: S) -> Self {
        let draft = Box::new(Draft::new(S::table(), base.dump()));
        Self { base, draft }
    }

    /// Changes a field on the program's own word; a value equal to the base's is no change.
    pub fn put<T>(mut self, field: Field<S, T>, value: impl Into<T::Inner>) -> Self
    where
        T: FromValue<Inner: ToValue>,
    {
        self.draft.begin();
        self.draft.put(field.index(), value.into().to_value());
        self
    }

    /// Empties a field.
    pub fn put_null<T: FromValue>(mut self, field: Field<S, Option<T>>) -> Self {
        self.draft.begin();
        self.draft.put(field.index(), Value::Null);
        self
    }

    /// Changes a value that somebody changed, to put it into one form, say; what did not change or
    /// was emptied stays as it is.
    ///
    /// # Panics
    ///
    /// When `ToValue` and `FromValue` of the field's type do not agree.
    pub fn update_change<T>(
        mut self,
        field: Field<S, T>,
        update: impl FnOnce(T::Inner) -> T::Inner,
    ) -> Self
    where
        T: FromValue<Inner: ToValue>,
    {
        self.draft.begin();
        if let Some(value) = self.draft.changed(field.index()) {
            let value = update(typed(value)).to_value();
            self.draft.put(field.index(), value);
        }
        self
    }

    /// Changes whatever `edit` changes in a copy of the row.
    ///
    /// Associations in the copy are not loaded once there are changes.
    ///
    /// # Panics
    ///
    /// When `ToValue` and `FromValue` of a field's type do not agree.
    pub fn change(mut self, edit: impl FnOnce(&mut S)) -> Self {
        let mut row = self.row();
        edit(&mut row);
        self.draft.begin();
        for (index, value) in row.dump().into_iter().enumerate() {
            self.draft.put(index, value);
        }
        self
    }

    /// Says what the call before this found wrong in other words, or what the constraint it
    /// declared will say; `%{count}` and the like are filled in.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.draft.reword(message.into());
        self
    }

    /// Adds an error of the program's own to a field, or to any other name.
    pub fn add_error(
        mut self,
        field: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.draft.begin();
        self.draft.fail(field, "custom", message, Vec::new());
        self
    }

    /// The row with its changes, without a database; Ecto's `apply_action`.
    ///
    /// Once there are changes, associations are not loaded and skipped fields are at their
    /// defaults.
    ///
    /// # Errors
    ///
    /// The changeset itself, when it is not valid.
    ///
    /// # Panics
    ///
    /// When `ToValue` and `FromValue` of a field's type do not agree.
    pub fn apply(self) -> Result<S, Self> {
        if !self.is_valid() {
            return Err(self);
        }
        if self.has_changes() { Ok(self.row()) } else { Ok(self.base) }
    }

    fn row(&self) -> S {
        if !self.has_changes() {
            return self.base.clone();
        }
        let row = Row::from(self.draft.values());
        let row = S::load(&mut RowReader::new(S::table(), &row));
        row.expect("a change fits its field, and what was dumped can be loaded")
    }
}

/// What can be inserted: a whole row as it is, or a changeset.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a row nor a changeset",
    label = "expected a `{S}` or a `Changeset<{S}>`"
)]
pub trait IntoChangeset<S: Schema> {
    /// The changeset.
    fn into_changeset(self) -> Changeset<S>;
}

impl<S: Schema> IntoChangeset<S> for S {
    fn into_changeset(self) -> Changeset<S> {
        Changeset::new(self)
    }
}

impl<S: Schema> IntoChangeset<S> for Changeset<S> {
    fn into_changeset(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests;
