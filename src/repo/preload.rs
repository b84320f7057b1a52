//! Reading trees of associations: one statement for each edge, however many rows.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::Repo;
use super::run::reading;
use crate::adapter::sql;
use crate::error::Result;
use crate::query::Edge;
use crate::query::Nested;
use crate::query::Preload;
use crate::schema::Schema;
use crate::value::Row;
use crate::value::Value;

impl Repo {
    /// Loads an association, and what hangs on it, for rows that were read before: one statement
    /// for each edge of the tree.
    ///
    /// # Errors
    ///
    /// As [`Repo::all`].
    pub async fn preload<S: Schema>(
        &self,
        rows: &mut [S],
        preload: impl Into<Preload<S>>,
    ) -> Result<()> {
        let preload = preload.into();
        let owners = rows.iter().map(|row| row.dump().into()).collect();
        let nested = self.hang(&[Arc::clone(preload.edge())], owners).await?;
        for (row, nested) in rows.iter_mut().zip(nested) {
            preload.put(row, nested.branches.first().map_or(&[], Vec::as_slice))?;
        }
        Ok(())
    }

    /// Hangs the rows of `edges` on `rows`, which begin with the columns of the edges' owner.
    pub(super) fn hang<'a>(
        &'a self,
        edges: &'a [Arc<Edge>],
        rows: Vec<Row>,
    ) -> BoxFuture<'a, Result<Vec<Nested>>> {
        async move {
            let mut nested: Vec<Nested> =
                rows.into_iter().map(|row| Nested { row, branches: Vec::new() }).collect();
            for edge in edges {
                let column = edge.link()?.owner_column;
                let mut branches = self.branches(edge, column, &nested).await?;
                for owner in &mut nested {
                    let key = &owner.row.values()[column];
                    // Several owners may share one row, as messages of one room do.
                    let rows = branches.get_mut(key).map_or_else(Vec::new, |rows| rows.clone());
                    owner.branches.push(rows);
                }
            }
            Ok(nested)
        }
        .boxed()
    }

    /// The rows of an edge by the value of `column` in their owners.
    async fn branches(
        &self,
        edge: &Edge,
        column: usize,
        owners: &[Nested],
    ) -> Result<HashMap<Value, Vec<Nested>>> {
        let mut keys: Vec<Value> =
            owners.iter().map(|owner| owner.row.values()[column].clone()).collect();
        keys.retain(|key| !key.is_null());
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let read = sql::EdgeRead::new(edge, self.dialect())?;
        let statement = reading(Arc::clone(&read.sql), read.params(keys), Arc::clone(&read.kinds));
        let rows = read.in_order(self.run_read(statement).await?.rows);
        let links: Vec<Value> = rows.iter().map(|row| read.link_of(row).clone()).collect();
        let nested = self.hang(&edge.ast.shape.edges, rows).await?;
        let mut branches: HashMap<Value, Vec<Nested>> = HashMap::new();
        for (link, nested) in links.into_iter().zip(nested) {
            branches.entry(link).or_default().push(nested);
        }
        Ok(branches)
    }
}
