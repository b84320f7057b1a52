//! The data layer, the same promises on every database.

mod cases;
mod codes;
mod language;
mod preloads;
pub(crate) mod schema;
mod transactions;

use recto::prelude::*;

use crate::support::cluster::Cluster;
use crate::support::cluster::Database;
use crate::support::process::Scratch;

/// A repo with the tables of [`schema`], and what must live as long as it.
pub(crate) struct Bench {
    pub(crate) repo: Repo,
    _keep: Keep,
}

enum Keep {
    Database { _database: Database },
    File { _scratch: Scratch },
}

pub(crate) async fn postgres() -> Bench {
    let database = Cluster::shared().create_database();
    let repo = Repo::connect(database.url()).await.unwrap();
    repo.batch_sql(schema::POSTGRES).await.unwrap();
    Bench { repo, _keep: Keep::Database { _database: database } }
}

pub(crate) async fn sqlite() -> Bench {
    let scratch = Scratch::new();
    let url = format!("sqlite://{}", scratch.path().join("repo.db").display());
    let repo = Repo::connect(url).await.unwrap();
    repo.batch_sql(schema::SQLITE).await.unwrap();
    Bench { repo, _keep: Keep::File { _scratch: scratch } }
}

/// Each case on each database.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod on_postgres {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&super::super::postgres().await.repo).await;
            })*
        }

        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&super::super::sqlite().await.repo).await;
            })*
        }
    };
}

pub(crate) use on_both;
