//! What the tests stand on: a private PostgreSQL cluster, bounded waits, a proxy that cuts
//! connections, and child programs.
//!
//! Nothing here knows Recto. **Invariant:** whatever a test starts through this module is gone
//! when the test process is gone, however it went.

pub(crate) mod cluster;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod wait;

/// Runs each case on each database, with a repo of its own.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let database = $crate::support::cluster::Cluster::shared().create_database();
                super::$case(&recto::Repo::connect(database.url()).await.unwrap()).await;
            })*
        }

        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let scratch = $crate::support::process::Scratch::new();
                let url = format!("sqlite://{}", scratch.path().join("case.db").display());
                super::$case(&recto::Repo::connect(&url).await.unwrap()).await;
            })*
        }
    };
}

pub(crate) use on_both;
