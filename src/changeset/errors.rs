//! What is wrong with the data, field by field, and why a write did not happen.

use std::borrow::Cow;
use std::fmt;

use super::Changeset;
use crate::error::Error;
use crate::schema::Schema;
use crate::value::Value;

/// One thing that is wrong with one field, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The field.
    pub field: Cow<'static, str>,
    /// What is wrong, such as `should be at most 2000 character(s)`.
    pub message: Cow<'static, str>,
    /// The rule that was broken, such as `length`: what a translator looks up.
    pub rule: &'static str,
    /// The numbers in the message and what else a translator may need, by name.
    pub params: Vec<(&'static str, Value)>,
}

impl FieldError {
    pub(super) fn new(
        field: Cow<'static, str>,
        rule: &'static str,
        template: Cow<'static, str>,
        params: Vec<(&'static str, Value)>,
    ) -> Self {
        let message = fill(template, &params);
        Self { field, message, rule, params }
    }

    /// The same error in other words.
    pub(super) fn reword(&mut self, template: Cow<'static, str>) {
        self.message = fill(template, &self.params);
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.message)
    }
}

/// Puts the parameters where `template` says `%{name}`.
fn fill(template: Cow<'static, str>, params: &[(&'static str, Value)]) -> Cow<'static, str> {
    if !template.contains("%{") {
        return template;
    }
    let mut text = template.into_owned();
    for (name, value) in params {
        text = text.replace(&format!("%{{{name}}}"), &words(value));
    }
    text.into()
}

/// A value as a person writes it.
fn words(value: &Value) -> String {
    if let Value::Text(text) = value {
        return text.as_ref().to_owned();
    }
    let mut json = String::new();
    value.write_json(&mut json);
    json.trim_matches('"').to_owned()
}

/// Why a write did not happen.
#[derive(thiserror::Error)]
pub enum WriteError<S: Schema> {
    /// The data is at fault: the changeset says which fields, and goes back to the form.
    #[error("the changeset is invalid: {}", .0.summary())]
    Invalid(Box<Changeset<S>>),
    /// Something else went wrong.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl<S: Schema> fmt::Debug for WriteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(changeset) => f.debug_tuple("Invalid").field(changeset).finish(),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<S: Schema> WriteError<S> {
    /// The changeset, if the data is at fault.
    pub fn changeset(&self) -> Option<&Changeset<S>> {
        match self {
            Self::Invalid(changeset) => Some(changeset),
            Self::Failed(_) => None,
        }
    }

    /// One error for callers that do not care whose fault it is: refused data becomes
    /// [`Invalid`](crate::ErrorKind::Invalid), with the fields and messages in its text.
    pub fn into_error(self) -> Error {
        match self {
            Self::Invalid(changeset) => Error::invalid(format!(
                "could not write to `{}`: {}",
                S::table().name,
                changeset.summary()
            )),
            Self::Failed(error) => error,
        }
    }
}

impl<S: Schema> From<Changeset<S>> for WriteError<S> {
    fn from(changeset: Changeset<S>) -> Self {
        Self::Invalid(Box::new(changeset))
    }
}

/// So that `?` takes the errors of several schemas out of one transaction.
impl<S: Schema> From<WriteError<S>> for Error {
    fn from(error: WriteError<S>) -> Self {
        error.into_error()
    }
}
