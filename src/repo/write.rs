//! Writing one row: insert, update, delete.
//!
//! **Invariant:** what the database filled in comes back with the row; nothing is guessed.

use std::sync::Arc;

use super::Repo;
use crate::adapter::Effect;
use crate::adapter::Statement;
use crate::adapter::sql;
use crate::change::Change;
use crate::change::Operation;
use crate::changeset::Changeset;
use crate::changeset::WriteError;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::schema::Column;
use crate::schema::FilledBy;
use crate::schema::RowReader;
use crate::schema::Schema;
use crate::schema::Table;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Timestamp;
use crate::value::Uuid;
use crate::value::Value;

/// What can be written: a row as it is, or a changeset.
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

/// Takes the row out of an answer.
fn load<S: Schema>(rows: &[Row]) -> Result<S> {
    let row = rows.first().ok_or_else(|| {
        let table = S::table().name;
        Error::new(ErrorKind::Stale, format!("the row of `{table}` is gone"))
    })?;
    S::load(&mut RowReader::new(S::table(), row))
}

fn kinds(table: &Table) -> Arc<[Kind]> {
    table.columns.iter().map(|column| column.kind).collect()
}

pub(super) fn writing(sql: Arc<str>, params: Vec<Value>, kinds: Arc<[Kind]>) -> Statement {
    // Outside a transaction the repo says that it is kept.
    Statement { sql, params, kinds, effect: Effect::None }
}

fn change(table: &'static Table, operation: Operation, values: &[Value]) -> Vec<Change> {
    let key = table.primary_key.iter().map(|&column| values[column].clone()).collect();
    vec![Change { table: table.name, operation, key: Some(key) }]
}

/// The columns to insert with their values; what others fill in is left to them.
pub(super) fn filled(
    table: &Table,
    values: Vec<Value>,
    is_changed: impl Fn(usize) -> bool,
) -> (Vec<usize>, Vec<Value>) {
    let now = Value::Timestamp(Timestamp::now());
    let pairs = values.into_iter().enumerate().filter_map(|(index, value)| {
        let column = &table.columns[index];
        let value = match column.filled_by {
            FilledBy::Database if Column::is_unset(&value) => return None,
            FilledBy::NewUuid if Column::is_unset(&value) => Value::Uuid(Uuid::now_v7()),
            FilledBy::InsertTime | FilledBy::UpdateTime if !is_changed(index) => now.clone(),
            FilledBy::Program
            | FilledBy::Database
            | FilledBy::NewUuid
            | FilledBy::InsertTime
            | FilledBy::UpdateTime => value,
        };
        Some((index, value))
    });
    pairs.unzip()
}

impl Repo {
    /// Inserts a row and returns it as the database has it.
    ///
    /// # Cost
    ///
    /// One round trip.
    ///
    /// # Errors
    ///
    /// [`WriteError::Invalid`] gives the changeset back when it has errors, or when a constraint of
    /// the database was broken that it declares. Otherwise [`WriteError::Failed`], which is
    /// [`InDoubt`](ErrorKind::InDoubt) where the connection was lost on the way.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// use recto::prelude::*;
    ///
    /// let room = repo.insert(Room { name: "lobby".into(), ..Room::default() }).await?;
    /// assert!(0 < room.id);
    ///
    /// let again = Changeset::new(Room { name: "lobby".into(), ..Room::default() })
    ///     .unique_constraint(Room::name);
    /// match repo.insert(again).await {
    ///     Err(WriteError::Invalid(changeset)) => {
    ///         assert_eq!(changeset.errors()[0].message, "has already been taken");
    ///     }
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok(())
    /// # });
    /// ```
    pub async fn insert<S: Schema>(&self, row: impl IntoChangeset<S>) -> Result<S, WriteError<S>> {
        let changeset = valid(row.into_changeset())?;
        let table = S::table();
        let is_changed = |index| changeset.changed_columns().any(|(changed, _)| changed == index);
        let (columns, values) = filled(table, changeset.values(), is_changed);
        for (&column, value) in columns.iter().zip(&values) {
            table.check(column, value)?;
        }
        let sql = sql::insert(table, &columns, self.dialect())?;
        let statement = writing(sql, values, kinds(table));
        self.write(statement, Operation::Insert, changeset).await
    }

    /// Runs a write that answers the row, and announces it.
    async fn write<S: Schema>(
        &self,
        statement: Statement,
        operation: Operation,
        changeset: Changeset<S>,
    ) -> Result<S, WriteError<S>> {
        let table = S::table();
        let announce = |rows: &[Row]| {
            rows.first().map_or(Vec::new(), |row| change(table, operation, row.values()))
        };
        match self.run_write_with(statement, announce).await {
            Ok(answer) => Ok(load(&answer.rows)?),
            Err(error) => Err(explained(changeset, error)),
        }
    }

    /// Writes the changes of a changeset, and only those, and returns the row as the database has
    /// it; a changeset without changes is not sent.
    ///
    /// # Cost
    ///
    /// One round trip.
    ///
    /// # Errors
    ///
    /// As [`Repo::insert`]; [`Stale`](ErrorKind::Stale) when the row is gone.
    pub async fn update<S: Schema>(&self, changeset: Changeset<S>) -> Result<S, WriteError<S>> {
        let changeset = valid(changeset)?;
        if !changeset.has_changes() {
            return Ok(changeset.base().clone());
        }
        let table = S::table();
        let (mut columns, mut params): (Vec<usize>, Vec<Value>) =
            changeset.changed_columns().map(|(column, value)| (column, value.clone())).unzip();
        for (&column, value) in columns.iter().zip(&params) {
            table.check(column, value)?;
        }
        let updated_at =
            table.columns.iter().position(|column| column.filled_by == FilledBy::UpdateTime);
        if let Some(column) = updated_at
            && !columns.contains(&column)
        {
            columns.push(column);
            params.push(Value::Timestamp(Timestamp::now()));
        }
        // The key the row has, not the one it may get.
        let stored = changeset.base().dump();
        params.extend(table.primary_key.iter().map(|&column| stored[column].clone()));
        let sql = sql::update(table, &columns, &[], self.dialect())?;
        self.write(writing(sql, params, kinds(table)), Operation::Update, changeset).await
    }

    /// Deletes a row.
    ///
    /// # Errors
    ///
    /// As [`Repo::insert`]; [`Stale`](ErrorKind::Stale) when the row is gone already.
    pub async fn delete<S: Schema>(&self, row: impl IntoChangeset<S>) -> Result<(), WriteError<S>> {
        let changeset = valid(row.into_changeset())?;
        let table = S::table();
        let stored = changeset.base().dump();
        let params = table.primary_key.iter().map(|&column| stored[column].clone()).collect();
        let sql = sql::delete(table, &[], self.dialect())?;
        let statement = writing(sql, params, Arc::from([]));
        let announce = |_: &[Row]| change(table, Operation::Delete, &stored);
        match self.run_write_with(statement, announce).await {
            Ok(answer) if answer.affected == 0 => {
                let what = format!("the row of `{}` is gone already", table.name);
                Err(Error::new(ErrorKind::Stale, what).into())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(explained(changeset, error)),
        }
    }
}

fn valid<S: Schema>(changeset: Changeset<S>) -> Result<Changeset<S>, WriteError<S>> {
    if changeset.is_valid() { Ok(changeset) } else { Err(changeset.into()) }
}

/// Gives a broken constraint back as an error of a field, where the changeset declares it.
fn explained<S: Schema>(changeset: Changeset<S>, error: Error) -> WriteError<S> {
    let Some(violation) = error.violation() else { return error.into() };
    match changeset.constraint_error(violation) {
        Ok(changeset) => changeset.into(),
        Err(_) => error.into(),
    }
}
