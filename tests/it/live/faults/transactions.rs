//! Transactions that are dropped half-way, that hold all connections, and that do not end.

use std::future::pending;
use std::time::Duration;

use recto::prelude::*;
use recto::repo::Config;
use tokio::sync::Notify;

use super::super::world::Item;
use super::BOUND;
use super::Scene;
use super::Stage;
use crate::support::wait::eventually_eq;
use crate::support::wait::within;

/// An item that no trigger of the oracle's tables writes again.
fn item(note: &str) -> Item {
    Item { rank: 1, flag: true, note: Some(note.into()), ..Item::default() }
}

const OPEN: &str = "select count(*) from pg_stat_activity \
    where datname = current_database() and state like 'idle in transaction%'";

const ASLEEP: &str = "select count(*) from pg_stat_activity \
    where datname = current_database() and wait_event = 'PgSleep'";

/// The one connection came back, without a transaction and without what the dropped one did.
async fn is_clean(stage: &Stage<'_>, scene: &mut Scene, repo: &Repo) {
    let kept = within("the connection", BOUND, repo.insert(item("kept"))).await;
    kept.map_err(Error::from).unwrap();
    eventually_eq("no open transaction", BOUND, "0".to_owned(), async || stage.psql(OPEN)).await;
    scene.is_true().await;
    assert!(scene.items.rows().iter().all(|item| item.note.as_deref() == Some("kept")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_transactions_leave_nothing_behind() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    let one = Config { pool_size: 1, ..Config::new(stage.url()) };
    let repo = Repo::connect_with(one).await.unwrap();
    let reached = Notify::new();

    // Between two statements.
    let work = repo.transact(async |repo| {
        repo.insert(item("dropped")).await?;
        reached.notify_one();
        pending::<Result<(), Error>>().await
    });
    tokio::select! {
        _ = work => panic!("it has no end"),
        () = within("the first statement", BOUND, reached.notified()) => {}
    }
    is_clean(&stage, &mut scene, &repo).await;

    // In a savepoint.
    let work = repo.transact(async |repo| {
        repo.insert(item("dropped")).await?;
        repo.transact(async |repo| {
            repo.insert(item("dropped too")).await?;
            reached.notify_one();
            pending::<Result<(), Error>>().await
        })
        .await
    });
    tokio::select! {
        _ = work => panic!("it has no end"),
        () = within("the savepoint", BOUND, reached.notified()) => {}
    }
    is_clean(&stage, &mut scene, &repo).await;

    // While a statement runs.
    let work = repo.transact(async |repo| {
        repo.insert(item("dropped")).await?;
        repo.query_sql("select pg_sleep(600)", []).await.map(drop)
    });
    let asleep =
        eventually_eq("a statement that runs", BOUND, "1".to_owned(), async || stage.psql(ASLEEP));
    tokio::select! {
        _ = work => panic!("it sleeps for long"),
        () = asleep => {}
    }
    is_clean(&stage, &mut scene, &repo).await;
    // The server was told, too.
    eventually_eq("nobody asleep", BOUND, "0".to_owned(), async || stage.psql(ASLEEP)).await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exhausted_pool_stops_no_tick() {
    let stage = Stage::new().await;
    let two = Config { pool_size: 2, wait: Duration::from_millis(200), ..Config::new(stage.url()) };
    let repo = Repo::connect_with(two).await.unwrap();
    let mut scene = Scene::with(&repo, &stage.repo, super::scene::config()).await;
    let new = || from::<Item>().filter(|i| i.rank.gt(7));

    let held: Result<(), Error> = repo
        .transact(async |first| {
            repo.transact(async |second| {
                first.insert(item("first")).await?;
                second.insert(item("second")).await?;
                stage.psql("insert into items (rank, flag, note) values (8, true, 'free')");
                scene.shows("free").await;
                // What needs a connection of the pool says that there is none.
                let refused = within("an answer", BOUND, scene.live.query(new())).await;
                let refused = refused.unwrap_err();
                assert!(matches!(refused.kind(), ErrorKind::Timeout(_)), "{}", refused.chain());
                Ok(())
            })
            .await
        })
        .await;
    held.unwrap();

    scene.shows("first").await;
    assert_eq!(scene.live.query(new()).await.unwrap().rows().len(), 1);
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_does_not_end_stalls_nobody_else() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    let kept: Result<(), Error> = stage
        .repo
        .transact(async |repo| {
            repo.insert(item("long")).await?;
            let writers = stage.writers().await;
            scene.goes_on(1000).await;
            writers.stop().await;
            scene.is_true().await;
            let is_long = |item: &Item| item.note.as_deref() == Some("long");
            assert!(!scene.items.rows().iter().any(is_long));
            Ok(())
        })
        .await;
    kept.unwrap();
    scene.shows("long").await;
    scene.finish().await;
}
