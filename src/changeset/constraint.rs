//! Rules that only the database can check, and how its complaint finds the field.
//!
//! **Invariant:** a complaint that no declared constraint explains is never swallowed.

use std::borrow::Cow;

use super::Changeset;
use super::cast::Fields;
use super::draft::Draft;
use crate::error::Rule;
use crate::error::Violation;
use crate::schema::AssocKind;
use crate::schema::Field;
use crate::schema::Relation;
use crate::schema::Schema;
use crate::schema::Table;

/// A rule of the database that the program knows of.
#[derive(Clone)]
pub(super) struct Constraint {
    rule: Rule,
    /// The key for translators.
    key: &'static str,
    /// The field that gets the error.
    field: &'static str,
    /// Its column, unless the constraint is another table's.
    index: Option<usize>,
    pub(super) message: Cow<'static, str>,
    /// The name in the database, if it was said.
    pub(super) name: Option<Cow<'static, str>>,
    /// What default names are made of.
    table: &'static Table,
    columns: Vec<&'static str>,
    suffixes: &'static [&'static str],
}

/// The longest name PostgreSQL keeps, in bytes; it cuts off the rest.
///
/// Source: PostgreSQL manual, "Identifiers and Key Words" (`NAMEDATALEN` is 64 with the zero).
const MAX_NAME_BYTES: usize = 63;

impl Constraint {
    fn explains(&self, violation: &Violation) -> bool {
        if self.rule != violation.rule {
            return false;
        }
        let by_name = violation.name.as_ref().is_some_and(|name| self.is_named(name));
        by_name || self.is_on(violation)
    }

    fn is_named(&self, name: &str) -> bool {
        let same = |expected: &str| {
            expected == name || (name.len() == MAX_NAME_BYTES && expected.starts_with(name))
        };
        match &self.name {
            Some(expected) => same(expected),
            None => self.suffixes.iter().any(|suffix| {
                let table = unqualified(self.table.name);
                match *suffix {
                    "_pkey" => self.is_primary_key() && same(&format!("{table}_pkey")),
                    suffix => same(&format!("{table}_{}{suffix}", self.columns.join("_"))),
                }
            }),
        }
    }

    fn is_primary_key(&self) -> bool {
        self.table.key_columns().map(|column| column.name).eq(self.columns.iter().copied())
    }

    /// True when the database told the columns and they are these.
    fn is_on(&self, violation: &Violation) -> bool {
        !violation.columns.is_empty()
            && violation.columns.len() == self.columns.len()
            && self.columns.iter().all(|column| violation.columns.iter().any(|told| told == column))
            && is_about(violation, self.table)
    }
}

/// The table's name without the database's schema in front.
fn unqualified(name: &'static str) -> &'static str {
    name.rsplit_once('.').map_or(name, |(_, name)| name)
}

fn is_about(violation: &Violation, table: &Table) -> bool {
    let told = violation.table.as_deref();
    told.is_none_or(|told| told == table.name || told == unqualified(table.name))
}

impl<S: Schema> Changeset<S> {
    /// Tells that the database refuses a second row with the same values in `fields`; the first
    /// field gets the error `has already been taken`.
    ///
    /// # Backends
    ///
    /// PostgreSQL tells the index by name: `<table>_<columns>_index` or `…_key`, or what
    /// [`named`](Changeset::named) says. SQLite tells the columns, and the name says nothing.
    pub fn unique_constraint(mut self, fields: impl Fields<S>) -> Self {
        let parts = fields.parts();
        let columns = parts.iter().map(|part| self.draft.column(part.index).name).collect();
        let index = parts[0].index;
        self.draft.constrain(Constraint {
            rule: Rule::Unique,
            key: "unique",
            field: self.draft.column(index).field,
            index: Some(index),
            message: "has already been taken".into(),
            name: None,
            table: S::table(),
            columns,
            suffixes: &["_index", "_key", "_pkey"],
        });
        self
    }

    /// Tells that the database refuses a key in `field` that no row has: `does not exist`.
    ///
    /// # Backends
    ///
    /// PostgreSQL tells the constraint by name: `<table>_<column>_fkey`, or what
    /// [`named`](Changeset::named) says. SQLite tells nothing: the error goes to every field with
    /// such a constraint that may be the cause, which are those that changed, or, if none did,
    /// those that are not `NULL`.
    pub fn foreign_key_constraint<T>(mut self, field: Field<S, T>) -> Self {
        let column = self.draft.column(field.index());
        self.draft.constrain(Constraint {
            rule: Rule::ForeignKey,
            key: "foreign",
            field: column.field,
            index: Some(field.index()),
            message: "does not exist".into(),
            name: None,
            table: S::table(),
            columns: vec![column.name],
            suffixes: &["_fkey"],
        });
        self
    }

    /// Tells that the database refuses to delete a row that rows of another table point at:
    /// `is still associated with this entry`.
    ///
    /// # Backends
    ///
    /// As for [`foreign_key_constraint`](Changeset::foreign_key_constraint), with the other table's
    /// name.
    pub fn no_assoc_constraint<T: Schema>(mut self, relation: Relation<S, T>) -> Self {
        let assoc = relation.assoc();
        let table = T::table();
        let column = table.position(assoc.target_field).map(|index| table.columns[index].name);
        let message = match assoc.kind {
            AssocKind::HasMany => "are still associated with this entry",
            AssocKind::BelongsTo | AssocKind::HasOne => "is still associated with this entry",
        };
        self.draft.constrain(Constraint {
            rule: Rule::ForeignKey,
            key: "no_assoc",
            field: assoc.name,
            index: None,
            message: message.into(),
            name: None,
            table,
            columns: column.into_iter().collect(),
            suffixes: &["_fkey"],
        });
        self
    }

    /// Tells that the database checks something about `field` under this name: `is invalid`.
    pub fn check_constraint<T>(
        mut self,
        field: Field<S, T>,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        let column = self.draft.column(field.index());
        self.draft.constrain(Constraint {
            rule: Rule::Check,
            key: "check",
            field: column.field,
            index: Some(field.index()),
            message: "is invalid".into(),
            name: Some(name.into()),
            table: S::table(),
            columns: Vec::new(),
            suffixes: &[],
        });
        self
    }

    /// Says the database's name of the constraint that the call before this declared.
    ///
    /// # Panics
    ///
    /// When the call before this declared no constraint.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        let constraint = self.draft.latest_constraint();
        constraint.expect("`named` comes right after a constraint").name = Some(name.into());
        self
    }

    /// Turns a complaint of the database into errors of fields.
    ///
    /// # Errors
    ///
    /// The changeset as it was, when no declared constraint explains the complaint.
    pub(crate) fn constraint_error(mut self, violation: &Violation) -> Result<Self, Self> {
        let before = self.draft.errors.len();
        self.draft.explain(violation);
        if before < self.draft.errors.len() { Ok(self) } else { Err(self) }
    }
}

impl Draft {
    fn explain(&mut self, violation: &Violation) {
        if violation.rule == Rule::NotNull {
            self.explain_null(violation);
            return;
        }
        let untold = violation.name.is_none() && violation.columns.is_empty();
        let explaining: Vec<Constraint> = if untold && violation.rule == Rule::ForeignKey {
            self.suspects().into_iter().cloned().collect()
        } else {
            let constraints = self.constraints.iter();
            constraints.filter(|constraint| constraint.explains(violation)).cloned().collect()
        };
        for constraint in explaining {
            self.fail(constraint.field, constraint.key, constraint.message, Vec::new());
        }
    }

    /// Nothing need be declared: a column that may not be `NULL` is required.
    fn explain_null(&mut self, violation: &Violation) {
        if !is_about(violation, self.table) {
            return;
        }
        for (index, column) in self.table.columns.iter().enumerate() {
            if violation.columns.iter().any(|told| told == column.name) {
                self.blank(index);
            }
        }
    }

    /// The foreign keys that may be broken when the database does not say which.
    fn suspects(&self) -> Vec<&Constraint> {
        let keys = || self.constraints.iter().filter(|one| one.rule == Rule::ForeignKey);
        let with = |test: &dyn Fn(usize) -> bool| -> Vec<&Constraint> {
            keys().filter(|constraint| constraint.index.is_some_and(test)).collect()
        };
        let changed = with(&|index| self.changed(index).is_some());
        if !changed.is_empty() {
            return changed;
        }
        let set = with(&|index| !self.current(index).is_null());
        if set.is_empty() { keys().collect() } else { set }
    }
}
