//! The half of a changeset that has no type parameter, so that it is compiled once.
//!
//! **Invariants:** a change differs from what the base holds and fits its field; `NULL` stands only
//! where the field is an `Option`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::constraint::Constraint;
use super::errors::FieldError;
use super::params::Params;
use crate::schema::Column;
use crate::schema::Table;
use crate::value::Value;

/// Everything of a changeset but the typed base.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) table: &'static Table,
    /// What the base holds, in the order of the columns.
    pub(super) stored: Vec<Value>,
    pub(super) changes: BTreeMap<usize, Value>,
    /// All that was cast so far.
    pub(super) params: Params,
    pub(super) errors: Vec<FieldError>,
    pub(super) constraints: Vec<Constraint>,
    latest: Latest,
}

/// What the call before added, for `message` and `named`.
#[derive(Clone, Copy)]
enum Latest {
    /// All errors from this one on.
    Errors(usize),
    /// The last constraint.
    Constraint,
}

impl Draft {
    pub(super) fn new(table: &'static Table, stored: Vec<Value>) -> Self {
        Self {
            table,
            stored,
            changes: BTreeMap::new(),
            params: Params::new(),
            errors: Vec::new(),
            constraints: Vec::new(),
            latest: Latest::Errors(0),
        }
    }

    /// Starts a step of the pipeline, whose errors `message` may reword.
    pub(super) fn begin(&mut self) {
        self.latest = Latest::Errors(self.errors.len());
    }

    pub(super) fn column(&self, index: usize) -> &'static Column {
        &self.table.columns[index]
    }

    /// The value a write would leave.
    pub(super) fn current(&self, index: usize) -> &Value {
        self.changes.get(&index).unwrap_or(&self.stored[index])
    }

    /// The changed value, if there is one that says something.
    pub(super) fn changed(&self, index: usize) -> Option<&Value> {
        self.changes.get(&index).filter(|value| !value.is_null())
    }

    pub(super) fn put(&mut self, index: usize, value: Value) {
        if self.stored[index] == value {
            self.changes.remove(&index);
        } else {
            self.changes.insert(index, value);
        }
    }

    /// All values a write would leave, in the order of the columns.
    pub(super) fn values(&self) -> Vec<Value> {
        (0..self.stored.len()).map(|index| self.current(index).clone()).collect()
    }

    pub(super) fn has_error(&self, field: &str) -> bool {
        self.errors.iter().any(|error| error.field == field)
    }

    pub(super) fn fail(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        rule: &'static str,
        template: impl Into<Cow<'static, str>>,
        params: Vec<(&'static str, Value)>,
    ) {
        self.errors.push(FieldError::new(field.into(), rule, template.into(), params));
    }

    pub(super) fn blank(&mut self, index: usize) {
        self.fail(self.column(index).field, "required", "can't be blank", Vec::new());
    }

    pub(super) fn constrain(&mut self, constraint: Constraint) {
        self.constraints.push(constraint);
        self.latest = Latest::Constraint;
    }

    /// The constraint that the call before declared.
    pub(super) fn latest_constraint(&mut self) -> Option<&mut Constraint> {
        match self.latest {
            Latest::Constraint => self.constraints.last_mut(),
            Latest::Errors(_) => None,
        }
    }

    /// Says what the call before added in other words.
    pub(super) fn reword(&mut self, template: Cow<'static, str>) {
        match self.latest {
            Latest::Constraint => {
                if let Some(constraint) = self.constraints.last_mut() {
                    constraint.message = template;
                }
            }
            Latest::Errors(from) => {
                for error in &mut self.errors[from..] {
                    error.reword(template.clone());
                }
            }
        }
    }
}
