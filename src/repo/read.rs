//! Reading: questions in, rows out.

use std::sync::Arc;

use super::Repo;
use super::run::reading;
use crate::adapter::sql;
use crate::error::Error;
use crate::error::ErrorKind;
use crate::error::Result;
use crate::query::Plan;
use crate::query::Query;
use crate::query::ast::Ast;
use crate::query::from;
use crate::schema::Field;
use crate::schema::Id;
use crate::schema::Schema;
use crate::value::FromValue;
use crate::value::Kind;
use crate::value::Row;
use crate::value::ToValue;
use crate::value::Value;

impl Repo {
    /// All rows of the answer.
    ///
    /// # Order
    ///
    /// As the query says.
    ///
    /// # Cost
    ///
    /// One round trip, and one more for each preload that has rows to hang on.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when the query cannot be asked or a row cannot be read,
    /// [`Unavailable`](ErrorKind::Unavailable) or [`Timeout`](ErrorKind::Timeout) when the database
    /// does not answer.
    pub async fn all<S, O>(&self, query: Query<S, O>) -> Result<Vec<O>> {
        let rows = self.rows(query.ast()).await?;
        if query.preloads().is_empty() {
            return rows.iter().map(|row| query.load(row)).collect();
        }
        let nested = self.hang(&query.ast().shape.edges, rows).await?;
        nested.iter().map(|nested| query.load_nested(nested)).collect()
    }

    /// The rows of the answer as values, then what only their keys need.
    pub(super) async fn rows(&self, ast: &Ast) -> Result<Vec<Row>> {
        let plan = Plan::new(ast)?;
        let text = sql::select(&plan, self.dialect())?;
        let kinds = plan.items.iter().map(|item| item.kind).collect();
        Ok(self.run_read(reading(text, plan.ast.params, kinds)).await?.rows)
    }

    /// The only row of the answer, or none.
    ///
    /// # Errors
    ///
    /// As [`Repo::all`]; [`Invalid`](ErrorKind::Invalid) when there is more than one.
    pub async fn one<S, O>(&self, query: Query<S, O>) -> Result<Option<O>> {
        let root = query.ast().root().name;
        let is_limited = query.ast().shape.limit.is_some_and(|limit| limit <= 2);
        let query = if is_limited { query } else { query.limit(2) };
        let mut rows = self.all(query).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop()),
            _ => Err(Error::invalid(format!(
                "more than one row of `{root}` where one was asked for"
            ))),
        }
    }

    /// The row with this primary key, or none.
    ///
    /// # Errors
    ///
    /// As [`Repo::all`].
    pub async fn get<S: Schema>(&self, id: impl Into<S::Id>) -> Result<Option<S>> {
        self.one(by_id::<S>(&id.into())).await
    }

    /// The row with this primary key.
    ///
    /// # Errors
    ///
    /// As [`Repo::all`]; [`NotFound`](ErrorKind::NotFound) when it is not there.
    pub async fn fetch<S: Schema>(&self, id: impl Into<S::Id>) -> Result<S> {
        let id = id.into();
        let found = self.one(by_id::<S>(&id)).await?;
        found.ok_or_else(|| {
            let table = S::table().name;
            Error::new(ErrorKind::NotFound, format!("no row of `{table}` has the key {id:?}"))
        })
    }

    /// The only row whose field has this value, or none.
    ///
    /// # Errors
    ///
    /// As [`Repo::one`].
    pub async fn get_by<S: Schema, T: FromValue>(
        &self,
        field: Field<S, T>,
        value: impl Into<T::Inner>,
    ) -> Result<Option<S>>
    where
        T::Inner: ToValue,
    {
        let mut query = from::<S>();
        query.ast_mut().filter_column(field.index(), value.into().to_value());
        self.one(query).await
    }

    /// The row as it is in the database now.
    ///
    /// # Errors
    ///
    /// As [`Repo::all`]; [`NotFound`](ErrorKind::NotFound) when it is gone.
    pub async fn reload<S: Schema>(&self, row: &S) -> Result<S> {
        let values = row.dump();
        let mut query = from::<S>();
        for &column in S::table().primary_key {
            query.ast_mut().filter_column(column, values[column].clone());
        }
        let found = self.one(query).await?;
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the row of `{}` is gone", S::table().name))
        })
    }

    /// True when the answer has any row.
    ///
    /// # Errors
    ///
    /// As [`Repo::all`].
    pub async fn exists<S, O>(&self, query: Query<S, O>) -> Result<bool> {
        let text = sql::exists(query.ast(), self.dialect())?;
        Ok(self.scalar(text, &query, Kind::Bool).await? == Value::Bool(true))
    }

    /// How many rows the answer has.
    ///
    /// # Errors
    ///
    /// As [`Repo::all`].
    pub async fn count<S, O>(&self, query: Query<S, O>) -> Result<i64> {
        let text = sql::count(query.ast(), self.dialect())?;
        i64::from_value(&self.scalar(text, &query, Kind::I64).await?)
    }

    async fn scalar<S, O>(&self, text: Arc<str>, query: &Query<S, O>, kind: Kind) -> Result<Value> {
        let params = query.ast().params.clone();
        let mut rows = self.run_read(reading(text, params, Arc::from([kind]))).await?.rows;
        let row = rows.pop().ok_or_else(|| Error::invalid("the database answered nothing"))?;
        Ok(row.values()[0].clone())
    }
}

fn by_id<S: Schema>(id: &S::Id) -> Query<S> {
    let mut query = from::<S>();
    for (&column, value) in S::table().primary_key.iter().zip(id.to_values()) {
        query.ast_mut().filter_column(column, value);
    }
    query
}
