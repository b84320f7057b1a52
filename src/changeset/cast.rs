//! From data of outsiders to changes.

use super::Changeset;
use super::draft::Draft;
use super::params::Params;
use crate::schema::Column;
use crate::schema::Field;
use crate::schema::Schema;
use crate::value::FromValue;
use crate::value::Json;
use crate::value::Kind;
use crate::value::Value;

/// One field of `S`, or a tuple of up to twelve: `(Message::author, Message::body)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name fields of `{S}`",
    label = "expected a field such as `{S}::id`, or a tuple of up to twelve"
)]
pub trait Fields<S> {
    /// The fields, in order, without their types.
    #[doc(hidden)]
    fn parts(self) -> Vec<Part>;
}

/// A field without its type.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub(super) index: usize,
    fits: fn(&Value) -> bool,
}

fn part<S, T: FromValue>(field: Field<S, T>) -> Part {
    Part { index: field.index(), fits: |value| T::from_value(value).is_ok() }
}

impl<S, T: FromValue> Fields<S> for Field<S, T> {
    fn parts(self) -> Vec<Part> {
        vec![part(self)]
    }
}

macro_rules! tuple {
    ($($type:ident . $index:tt),*) => {
        #[diagnostic::do_not_recommend]
        impl<S, $($type: FromValue),*> Fields<S> for ($(Field<S, $type>,)*) {
            fn parts(self) -> Vec<Part> {
                vec![$(part(self.$index)),*]
            }
        }
    };
}

tuple!(A.0);
tuple!(A.0, B.1);
tuple!(A.0, B.1, C.2);
tuple!(A.0, B.1, C.2, D.3);
tuple!(A.0, B.1, C.2, D.3, E.4);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9, K.10);
tuple!(A.0, B.1, C.2, D.3, E.4, F.5, G.6, H.7, I.8, J.9, K.10, L.11);

impl<S: Schema> Changeset<S> {
    /// Takes the values of `fields` from data of outsiders; all else that `params` says is ignored.
    ///
    /// A value that cannot be of the field's type makes the error `is invalid`. Text with nothing
    /// but white space is empty, and empty means nothing: `NULL` for an `Option`, `""` for a field
    /// that is always text. Where neither can be, and for `null` where the field is no `Option`,
    /// the error is `can't be blank`.
    ///
    /// # Examples
    ///
    /// ```
    /// use recto::Schema;
    /// use recto::changeset::Changeset;
    /// use recto::changeset::Params;
    ///
    /// #[derive(Schema, Clone, Debug, Default)]
    /// #[schema(table = "users")]
    /// struct User {
    ///     id: i64,
    ///     name: String,
    ///     age: i16,
    ///     admin: bool,
    /// }
    ///
    /// let params: Params = [("name", "ada"), ("age", "36"), ("admin", "true")].into_iter().collect();
    /// let changeset = Changeset::new(User::default()).cast(&params, (User::name, User::age));
    /// let user = changeset.apply().unwrap();
    /// assert_eq!((user.name.as_str(), user.age, user.admin), ("ada", 36, false));
    /// ```
    pub fn cast(mut self, params: &Params, fields: impl Fields<S>) -> Self {
        self.draft.cast(params, &fields.parts());
        self
    }
}

/// Why a value from outside was not taken.
enum Refusal {
    Blank,
    Invalid,
}

impl Draft {
    fn cast(&mut self, params: &Params, parts: &[Part]) {
        self.begin();
        for part in parts {
            let column = self.column(part.index);
            let Some(outside) = params.get(column.field) else { continue };
            match read(column, part, outside) {
                Ok(value) => self.put(part.index, value),
                Err(Refusal::Blank) => self.blank(part.index),
                Err(Refusal::Invalid) => {
                    let kind = Value::text(column.kind.to_string());
                    self.fail(column.field, "cast", "is invalid", vec![("type", kind)]);
                }
            }
        }
        self.params = std::mem::take(&mut self.params).merge(params);
    }
}

fn read(column: &Column, part: &Part, outside: &Json) -> Result<Value, Refusal> {
    let empty = outside.as_str().is_some_and(|text| text.trim().is_empty());
    let value = match (empty || outside.is_null(), column.kind) {
        (true, _) if column.nullable => Value::Null,
        (true, Kind::Text) if empty => Value::text(""),
        (true, _) => return Err(Refusal::Blank),
        (false, kind) => kind.cast(outside).ok_or(Refusal::Invalid)?,
    };
    if (part.fits)(&value) { Ok(value) } else { Err(Refusal::Invalid) }
}
