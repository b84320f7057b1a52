//! Rows of a first load that arrive when the engine is already further: what was committed in
//! between is not in them, and the ticks that told of it are over.

use std::time::Duration;

use recto::Value;
use recto::live::feed::LogFeed;
use recto::prelude::*;
use recto::repo::Config;
use tokio::task::JoinSet;

use super::super::world::Item;
use super::BOUND;
use super::Scene;
use super::Stage;
use super::scene::compare;
use super::scene::config;
use super::stumbling::Kind;
use super::stumbling::Stones;
use super::stumbling::Stumbling;
use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::wait::eventually;
use crate::support::wait::eventually_eq;
use crate::support::wait::within;

/// Whether a backend waits for a lock; the feed's may wait beside it, if it ticks just then.
fn waits(backend: i64) -> String {
    format!("select wait_event_type = 'Lock' from pg_stat_activity where pid = {backend}")
}

/// Two with one text, so that the second finds it prepared.
fn above(rank: i32) -> Query<Item> {
    from::<Item>().filter(move |i| i.rank.gt(rank)).order_by(|i| i.id.asc())
}

/// Has a query read its rows, holds them back while another transaction changes one of them, and
/// lets them arrive while the feed stumbles, or does not.
async fn rows_that_come_late(stone: Option<Kind>) {
    let stage = Stage::new().await;
    stage.psql(
        "insert into items (rank, flag, note) select 1, false, 'old' from generate_series(1, 5)",
    );
    let proxy = Proxy::start(Cluster::shared().address()).await;
    let one = Config { pool_size: 1, ..Config::new(proxy.through(stage.url())) };
    let through = Repo::connect_with(one).await.unwrap();
    let inner = LogFeed::connect(stage.repo.clone()).await.unwrap();
    let stones = Stones::default();
    let feed = Stumbling { inner, stones: stones.clone() };
    // A tick that finds the table locked waits for it, and the load then waits for the tick.
    let mut seldom = config();
    seldom.heartbeat = Duration::from_secs(2);
    let mut scene = Scene::fed(&through, &stage.repo, seldom, feed).await;
    let early = scene.live.query(above(50)).await.unwrap();
    assert!(early.rows().is_empty());

    // The pool has but this one.
    let backend = through.query_sql("select pg_backend_pid()::bigint", []).await.unwrap();
    let [Value::Int(backend)] = *backend[0].values() else { panic!("a backend has a number") };

    let mut loading = JoinSet::new();
    let changed: Result<(), Error> = stage
        .repo
        .transact(async |repo| {
            repo.execute_sql("lock table items in access exclusive mode", []).await?;
            let live = scene.live.clone();
            loading.spawn(async move { live.query(above(0)).await });
            // It has its snapshot, and waits for the table.
            let waits = waits(backend);
            eventually_eq("the load to wait", BOUND, "t".to_owned(), async || stage.psql(&waits))
                .await;
            proxy.freeze();
            repo.execute_sql("update items set note = 'new' where id = 3", []).await.map(drop)
        })
        .await;
    changed.unwrap();
    // A tick told of it before the rows arrive.
    scene.shows("new").await;
    let stumbles = stone.is_some();
    stones.put(stone.unwrap_or_default());
    proxy.thaw();
    if stumbles {
        // It took the rows in and broke off.
        eventually("a tick to break off", BOUND, async || 1 <= stones.stumbles()).await;
        stones.put(Kind::None);
    }
    let late = within("the late rows", BOUND, loading.join_next()).await;
    let mut late = late.unwrap().unwrap().unwrap();
    compare("late", &mut late, above(0), &stage.repo).await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_late_catch_up() {
    rows_that_come_late(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_late_catch_up_although_nothing_was_folded() {
    rows_that_come_late(Some(Kind::Rows)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_come_late_catch_up_although_half_was_folded() {
    rows_that_come_late(Some(Kind::Reads)).await;
}
