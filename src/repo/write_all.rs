//! Writing many rows at once.

use std::sync::Arc;

use super::Repo;
use super::write::filled;
use super::write::writing;
use crate::adapter::sql;
use crate::change::Change;
use crate::change::Operation;
use crate::error::Error;
use crate::error::Result;
use crate::query::Query;
use crate::schema::Field;
use crate::schema::Schema;
use crate::schema::Table;
use crate::value::FromValue;
use crate::value::ToValue;
use crate::value::Value;

/// New values for columns: one field with its value, or a tuple of such pairs.
pub trait Sets<S: Schema> {
    /// The columns by position, with their values.
    fn sets(self) -> Vec<(usize, Value)>;
}

impl<S: Schema, T: FromValue, V: Into<T>> Sets<S> for (Field<S, T>, V)
where
    T: ToValue,
{
    fn sets(self) -> Vec<(usize, Value)> {
        vec![(self.0.index(), self.1.into().to_value())]
    }
}

macro_rules! sets {
    ($(($($field:ident $value:ident $type:ident . $index:tt),+))*) => {$(
        impl<S: Schema, $($type: FromValue + ToValue, $value: Into<$type>),+> Sets<S>
            for ($((Field<S, $type>, $value),)+)
        {
            fn sets(self) -> Vec<(usize, Value)> {
                [$(self.$index.sets()),+].concat()
            }
        }
    )*};
}

sets! {
    (a VA A.0)
    (a VA A.0, b VB B.1)
    (a VA A.0, b VB B.1, c VC C.2)
    (a VA A.0, b VB B.1, c VC C.2, d VD D.3)
}

fn any(table: &'static Table, operation: Operation) -> Vec<Change> {
    vec![Change { table: table.name, operation, key: None }]
}

impl Repo {
    /// Inserts rows, all or none, and returns how many.
    ///
    /// # Cost
    ///
    /// One statement for up to a thousand rows; the rows do not come back.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when a value does not fit or a constraint is broken;
    /// otherwise as [`Repo::insert`].
    pub async fn insert_all<S: Schema>(&self, rows: impl IntoIterator<Item = S>) -> Result<u64> {
        let table = S::table();
        // Rows may leave different columns to the database; those that agree go together.
        let mut groups: Vec<(Vec<usize>, Vec<Vec<Value>>)> = Vec::new();
        for row in rows {
            let (columns, values) = filled(table, row.dump(), |_| false);
            for (&column, value) in columns.iter().zip(&values) {
                table.check(column, value)?;
            }
            match groups.last_mut() {
                Some((held, rows)) if *held == columns => rows.push(values),
                _ => groups.push((columns, vec![values])),
            }
        }
        let work = async |repo: Self| {
            let mut total = 0;
            for (columns, rows) in groups {
                total += repo.insert_group(table, &columns, rows).await?;
            }
            Ok::<u64, Error>(total)
        };
        self.transact(work).await
    }

    async fn insert_group(
        &self,
        table: &'static Table,
        columns: &[usize],
        rows: Vec<Vec<Value>>,
    ) -> Result<u64> {
        let mut rows = rows.into_iter();
        let mut total = 0;
        for chunk in sql::insert_all(table, columns, rows.len(), self.dialect())? {
            let params = rows.by_ref().take(chunk.row_count).flatten().collect();
            let statement = writing(chunk.sql, params, Arc::from([]));
            total += self.run_write(statement, any(table, Operation::Insert)).await?.affected;
        }
        Ok(total)
    }

    /// Sets columns of all rows of the answer, and returns how many rows.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) when the query groups rows, a value does not fit, or
    /// a constraint is broken.
    ///
    /// # Examples
    ///
    /// ```
    /// # recto::doctest::run(async |repo| {
    /// # use recto::doctest::*;
    /// use recto::prelude::*;
    ///
    /// let adas = from::<Message>().filter(|m| m.author.eq("ada"));
    /// assert_eq!(repo.update_all(adas, (Message::author, "Ada")).await?, 1);
    /// # Ok(())
    /// # });
    /// ```
    pub async fn update_all<S: Schema, Q, O>(
        &self,
        query: Query<Q, O>,
        sets: impl Sets<S>,
    ) -> Result<u64> {
        let table = query.ast().root();
        if !std::ptr::eq(table, S::table()) {
            return Err(Error::invalid(format!(
                "`update_all` on `{}` cannot set fields of `{}`",
                table.name,
                S::table().name
            )));
        }
        let (columns, values): (Vec<usize>, Vec<Value>) = sets.sets().into_iter().unzip();
        for (&column, value) in columns.iter().zip(&values) {
            table.check(column, value)?;
        }
        let text = sql::update_all(query.ast(), &columns, self.dialect())?;
        let params = query.ast().params.iter().cloned().chain(values).collect();
        let statement = writing(text, params, Arc::from([]));
        Ok(self.run_write(statement, any(table, Operation::Update)).await?.affected)
    }

    /// Deletes all rows of the answer, and returns how many.
    ///
    /// # Errors
    ///
    /// As [`Repo::update_all`].
    pub async fn delete_all<S, O>(&self, query: Query<S, O>) -> Result<u64> {
        let table = query.ast().root();
        let text = sql::delete_all(query.ast(), self.dialect())?;
        let statement = writing(text, query.ast().params.clone(), Arc::from([]));
        Ok(self.run_write(statement, any(table, Operation::Delete)).await?.affected)
    }
}
