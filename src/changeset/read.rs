//! Looking into a changeset.

use std::fmt;

use super::Changeset;
use super::errors::FieldError;
use crate::schema::Field;
use crate::schema::Schema;
use crate::value::FromValue;
use crate::value::Json;
use crate::value::Value;

impl<S: Schema> Changeset<S> {
    /// The row as it was.
    pub fn base(&self) -> &S {
        &self.base
    }

    /// True when nothing was found wrong; the database may still refuse.
    pub fn is_valid(&self) -> bool {
        self.draft.errors.is_empty()
    }

    /// True when a field has another value than in the base.
    pub fn has_changes(&self) -> bool {
        !self.draft.changes.is_empty()
    }

    /// The changed fields and their new values, in the order of the fields.
    pub fn changes(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let table = S::table();
        self.draft.changes.iter().map(|(index, value)| (table.columns[*index].field, value))
    }

    /// The new value of a field, if it changed.
    ///
    /// # Panics
    ///
    /// When `ToValue` and `FromValue` of the field's type do not agree.
    pub fn get_change<T: FromValue>(&self, field: Field<S, T>) -> Option<T> {
        self.draft.changes.get(&field.index()).map(typed)
    }

    /// The value of a field, changed or not.
    ///
    /// # Panics
    ///
    /// When `ToValue` and `FromValue` of the field's type do not agree.
    pub fn get<T: FromValue>(&self, field: Field<S, T>) -> T {
        typed(self.draft.current(field.index()))
    }

    /// All that is wrong, in the order in which it was found.
    pub fn errors(&self) -> &[FieldError] {
        &self.draft.errors
    }

    /// What is wrong with one field.
    pub fn errors_on<T>(&self, field: Field<S, T>) -> impl Iterator<Item = &FieldError> {
        self.draft.errors.iter().filter(move |error| error.field == field.name())
    }

    /// The errors as clients see them: `{"body": ["can't be blank"]}`.
    pub fn errors_json(&self) -> Json {
        let mut fields = serde_json::Map::new();
        for error in self.errors() {
            let messages =
                fields.entry(error.field.as_ref()).or_insert_with(|| Json::Array(vec![]));
            if let Json::Array(messages) = messages {
                messages.push(Json::from(error.message.as_ref()));
            }
        }
        Json::Object(fields)
    }

    /// The changes by position of the column, for the repo.
    pub(crate) fn changed_columns(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.draft.changes.iter().map(|(index, value)| (*index, value))
    }

    /// The values of all columns with the changes made, for the repo.
    pub(crate) fn values(&self) -> Vec<Value> {
        self.draft.values()
    }

    /// All errors on one line.
    pub(super) fn summary(&self) -> String {
        let errors: Vec<String> = self.errors().iter().map(ToString::to_string).collect();
        errors.join(", ")
    }
}

/// Reads back what a field's type made, or what `cast` found to fit it.
pub(super) fn typed<T: FromValue>(value: &Value) -> T {
    T::from_value(value).expect("a change fits its field, and what was dumped can be loaded")
}

/// Shows the changes and the errors, not the base.
impl<S: Schema> fmt::Debug for Changeset<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Changes<'a, S: Schema>(&'a Changeset<S>);

        impl<S: Schema> fmt::Debug for Changes<'_, S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_map().entries(self.0.changes()).finish()
            }
        }

        let errors: Vec<String> = self.errors().iter().map(ToString::to_string).collect();
        f.debug_struct("Changeset")
            .field("table", &S::table().name)
            .field("changes", &Changes(self))
            .field("errors", &errors)
            .finish_non_exhaustive()
    }
}
