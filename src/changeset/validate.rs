//! Rules that need no database.
//!
//! Each looks at what changed and leaves alone what did not, as in Ecto: a row that was stored
//! under older rules can still be given a new title. `validate_required` alone looks at both.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::RangeBounds;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;

use regex::Regex;

use super::Changeset;
use super::cast::Fields;
use super::draft::Draft;
use super::limits;
use super::limits::Breach;
use super::limits::Lengths;
use crate::schema::AssocKind;
use crate::schema::Column;
use crate::schema::Field;
use crate::schema::Schema;
use crate::value::FromValue;
use crate::value::Kind;
use crate::value::ToValue;
use crate::value::Value;

impl<S: Schema> Changeset<S> {
    /// Refuses fields that say nothing, changed or not: `NULL`, blank text, and the key of a
    /// `belongs_to` that is still zero or nil. The error is `can't be blank`, unless the field has
    /// one already.
    pub fn validate_required(mut self, fields: impl Fields<S>) -> Self {
        self.draft.begin();
        for part in fields.parts() {
            let field = self.draft.column(part.index).field;
            if self.draft.is_blank(part.index) && !self.draft.has_error(field) {
                self.draft.blank(part.index);
            }
        }
        self
    }

    /// Refuses text, bytes and arrays that are too short or too long: `1..=2000`, `..=n`, `n..`,
    /// `n..=n`.
    ///
    /// Text is counted in Unicode code points, as PostgreSQL's `char_length` and SQLite's `length`
    /// do; Ecto counts graphemes, of which there may be fewer. Other types do not compile.
    pub fn validate_length<T: FromValue>(
        mut self,
        field: Field<S, T>,
        range: impl RangeBounds<usize>,
    ) -> Self {
        const { assert!(has_length(T::KIND), "`validate_length` is for text, bytes and arrays") };
        let lengths = Lengths::of(&range);
        self.draft
            .check(field.index(), "length", |value| lengths.check(value).into_iter().collect());
        self
    }

    /// Refuses numbers outside a range: `18..`, `..100`, `1..=5`, [`above(0)`](super::above).
    ///
    /// Types that are not numbers do not compile.
    pub fn validate_number<T: FromValue<Inner: ToValue>>(
        mut self,
        field: Field<S, T>,
        range: impl RangeBounds<T::Inner>,
    ) -> Self {
        const { assert!(is_number(T::KIND), "`validate_number` is for numbers") };
        let range = limits::erase(&range);
        self.draft.check(field.index(), "number", |value| limits::check_number(&range, value));
        self
    }

    /// Refuses text in which `pattern` is not found; anchor it with `^` and `$` for all of the
    /// text. The syntax is that of the `regex` crate.
    ///
    /// # Cost
    ///
    /// A pattern is compiled at its first use in the process and kept.
    ///
    /// # Panics
    ///
    /// When `pattern` is not a regular expression.
    pub fn validate_format<T: FromValue<Inner = String>>(
        mut self,
        field: Field<S, T>,
        pattern: &'static str,
    ) -> Self {
        let regex = compiled(pattern);
        self.draft.check(field.index(), "format", |value| {
            let fits = String::from_value(value).is_ok_and(|text| regex.is_match(&text));
            if fits { Vec::new() } else { say("has invalid format") }
        });
        self
    }

    /// Refuses all values but these: `is invalid`.
    pub fn validate_inclusion<T: FromValue<Inner: ToValue>>(
        mut self,
        field: Field<S, T>,
        values: impl IntoIterator<Item: Into<T::Inner>>,
    ) -> Self {
        let allowed = erase(values);
        self.draft.check(field.index(), "inclusion", |value| {
            if allowed.contains(value) { Vec::new() } else { say("is invalid") }
        });
        self
    }

    /// Refuses these values: `is reserved`.
    pub fn validate_exclusion<T: FromValue<Inner: ToValue>>(
        mut self,
        field: Field<S, T>,
        values: impl IntoIterator<Item: Into<T::Inner>>,
    ) -> Self {
        let reserved = erase(values);
        self.draft.check(field.index(), "exclusion", |value| {
            if reserved.contains(value) { say("is reserved") } else { Vec::new() }
        });
        self
    }

    /// Refuses arrays with anything in them but these: `has an invalid entry`.
    pub fn validate_subset<I: ToValue, T: FromValue<Inner = Vec<I>>>(
        mut self,
        field: Field<S, T>,
        values: impl IntoIterator<Item: Into<I>>,
    ) -> Self {
        let allowed = erase(values);
        self.draft.check(field.index(), "subset", |value| {
            let Value::Array(items) = value else { return Vec::new() };
            let all = items.iter().all(|item| allowed.contains(item));
            if all { Vec::new() } else { say("has an invalid entry") }
        });
        self
    }

    /// Refuses what `check` refuses, in its words; it is not called for `NULL`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use recto::Schema;
    /// use recto::changeset::Changeset;
    ///
    /// # #[derive(Schema, Clone, Debug, Default)]
    /// # #[schema(table = "users")]
    /// # struct User { id: i64, age: i64 }
    /// let changeset = Changeset::new(User::default())
    ///     .put(User::age, 7)
    ///     .validate_change(User::age, |age| if age % 2 == 0 { Ok(()) } else { Err("must be even") });
    /// assert_eq!(changeset.errors()[0].to_string(), "age must be even");
    /// ```
    pub fn validate_change<T: FromValue, M: Into<Cow<'static, str>>>(
        mut self,
        field: Field<S, T>,
        check: impl FnOnce(&T::Inner) -> Result<(), M>,
    ) -> Self {
        self.draft.begin();
        let value = self.draft.changed(field.index()).map(T::Inner::from_value);
        if let Some(Ok(value)) = value
            && let Err(message) = check(&value)
        {
            self.draft.fail(field.name(), "change", message, Vec::new());
        }
        self
    }

    /// Refuses a parameter `<field>_confirmation` that says something else than the one of the
    /// field; the error goes to `<field>_confirmation`. Where it is missing nothing is refused.
    pub fn validate_confirmation<T: FromValue>(mut self, field: Field<S, T>) -> Self {
        self.draft.begin();
        let name = format!("{}_confirmation", field.name());
        let same = match self.draft.params.get(&name) {
            None => true,
            Some(again) => {
                let said = self.draft.params.get(field.name());
                said.is_some_and(|said| T::KIND.cast(said) == T::KIND.cast(again))
            }
        };
        if !same {
            self.draft.fail(name, "confirmation", "does not match confirmation", Vec::new());
        }
        self
    }

    /// Refuses unless the parameter `name` says yes (`true`, `"true"`, `"1"`, `"on"`), as the box
    /// under the terms of service does; `name` need not be a field.
    pub fn validate_acceptance(mut self, name: &'static str) -> Self {
        self.draft.begin();
        let said = self.draft.params.get(name).and_then(|said| Kind::Bool.cast(said));
        if said != Some(Value::Bool(true)) {
            self.draft.fail(name, "acceptance", "must be accepted", Vec::new());
        }
        self
    }
}

impl Draft {
    fn is_blank(&self, index: usize) -> bool {
        let column = self.column(index);
        let belongs_to = || {
            let mut assocs = self.table.assocs.iter();
            assocs.any(|assoc| {
                assoc.kind == AssocKind::BelongsTo && assoc.owner_field == column.field
            })
        };
        let value = self.current(index);
        if let Value::Text(text) = value {
            return text.trim().is_empty();
        }
        value.is_null() || (Column::is_unset(value) && belongs_to())
    }

    fn check(
        &mut self,
        index: usize,
        rule: &'static str,
        check: impl FnOnce(&Value) -> Vec<Breach>,
    ) {
        self.begin();
        let breaches = self.changed(index).map(check).unwrap_or_default();
        for (template, params) in breaches {
            self.fail(self.column(index).field, rule, template, params);
        }
    }
}

fn say(template: &'static str) -> Vec<Breach> {
    vec![(template, Vec::new())]
}

fn erase<T: ToValue>(values: impl IntoIterator<Item: Into<T>>) -> Vec<Value> {
    values.into_iter().map(|value| value.into().to_value()).collect()
}

const fn has_length(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Bytes | Kind::Array(_))
}

const fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::I16 | Kind::I32 | Kind::I64 | Kind::F32 | Kind::F64 | Kind::Decimal)
}

/// The compiled pattern. Patterns are constants of the program, which bounds the map.
fn compiled(pattern: &'static str) -> Regex {
    static PATTERNS: LazyLock<Mutex<HashMap<&'static str, Regex>>> = LazyLock::new(Mutex::default);
    let known = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned();
    known.unwrap_or_else(|| {
        let regex = Regex::new(pattern).unwrap_or_else(|error| panic!("invalid pattern: {error}"));
        PATTERNS.lock().unwrap_or_else(PoisonError::into_inner).insert(pattern, regex.clone());
        regex
    })
}
