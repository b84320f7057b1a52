//! The log is cut short, emptied, taken away, or switched off for a while.

use recto::live::Health;
use recto::live::feed::LogFeed;
use recto::prelude::*;
use recto::schema::Table;
use tokio::task::JoinSet;

use super::super::values::Backend;
use super::super::world;
use super::super::world::Item;
use super::BOUND;
use super::Scene;
use super::Stage;
use super::scene::compare;
use super::scene::config;
use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::wait::eventually;
use crate::support::wait::eventually_eq;
use crate::support::wait::within;

const CUT_SHORT: &str = "begin; \
    update recto.floor set xid = pg_current_xact_id(); \
    delete from recto.changes; \
    commit";

/// How many sessions wait for a lock.
pub(super) const WAITS: &str = "select count(*) from pg_stat_activity \
    where datname = current_database() and wait_event_type = 'Lock'";

const INSERT: &str = "insert into items (rank, flag, note) values (1, true, 'unlogged')";

fn tables() -> Vec<&'static Table> {
    world::tables(Backend::Postgres)
}

/// Does `what` to the log while the feed cannot see it, after a write that it has not seen either.
async fn behind_its_back(what: &str) {
    let stage = Stage::new().await;
    let proxy = Proxy::start(Cluster::shared().address()).await;
    let through = Repo::connect(proxy.through(stage.url())).await.unwrap();
    let mut scene = Scene::with(&through, &stage.repo, config()).await;
    proxy.refuse().await;
    proxy.cut().await;
    let is_behind = async || scene.live.health() != Health::Healthy;
    eventually("the feed to be away", BOUND, is_behind).await;
    stage.psql(INSERT);
    stage.psql(what);
    proxy.accept().await;
    scene.shows("unlogged").await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_does_not_reach_back_has_everything_asked_again() {
    behind_its_back(CUT_SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_emptied_with_its_marker_has_everything_asked_again() {
    // As crash recovery leaves it.
    behind_its_back("begin; delete from recto.changes; delete from recto.epoch; commit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_entries_than_are_news_have_everything_asked_again() {
    let stage = Stage::new().await;
    let feed = LogFeed::connect(stage.repo.clone()).await.unwrap().most_entries(20);
    let mut scene = Scene::fed(&stage.repo, &stage.repo, config(), feed).await;
    let lost = scene.live.stats().lost_ticks;
    // An entry for each row, and one more for each by the oracle's triggers.
    for (rows, more) in [(5, 0), (300, 1), (5, 1), (300, 2)] {
        stage.psql(&format!(
            "insert into items (rank, flag, note) \
                select n, true, 'one of {rows}' from generate_series(1, {rows}) n"
        ));
        scene.is_true().await;
        assert_eq!(scene.live.stats().lost_ticks, lost + more, "{rows} rows");
    }
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_cut_short_under_writers_costs_nothing_but_work() {
    let stage = Stage::new().await;
    let scene = Scene::on(&stage.repo).await;
    let writers = stage.writers().await;
    for _ in 0..10 {
        scene.goes_on(60).await;
        stage.psql(CUT_SHORT);
    }
    writers.stop().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_gone_is_followed_again_when_it_is_back() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    stage.psql("drop schema recto cascade");
    let is_behind = async || scene.live.health() != Health::Healthy;
    eventually("the engine to notice", BOUND, is_behind).await;
    stage.psql(INSERT);
    ChangeLog::new(tables()).install(&stage.repo).await.unwrap();
    scene.shows("unlogged").await;
    scene.finish().await;
}

/// As `pg_restore --disable-triggers` does it, and many a script that loads much at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_in_a_transaction_that_switched_the_trigger_off_is_seen() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    stage.psql(&format!(
        "begin; alter table items disable trigger recto_log; {INSERT}; \
         alter table items enable always trigger recto_log; commit"
    ));
    scene.is_true().await;
    assert_eq!(scene.items.rows().len(), 1);
    scene.finish().await;
}

/// Without the judge, who would see what is written before it is on again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_while_the_trigger_was_off_is_seen_when_it_is_on_again() {
    let stage = Stage::new().await;
    let live = Live::start_with(&stage.repo, config()).await.unwrap();
    let items = || from::<Item>().order_by(|i| i.id.asc());
    let mut all = live.query(items()).await.unwrap();
    stage.psql("alter table items disable trigger recto_log");
    compare("off", &mut all, items(), &stage.repo).await;
    stage.psql(INSERT);
    stage.psql("alter table items enable always trigger recto_log");
    compare("on", &mut all, items(), &stage.repo).await;
    assert_eq!(all.rows().len(), 1);
}

/// A program may install the log whenever it starts, on a database that is at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installing_what_is_installed_waits_for_nobody_and_has_nothing_asked_again() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    scene.is_true().await;
    let lost = scene.live.stats().lost_ticks;
    let written: Result<(), Error> = stage
        .repo
        .transact(async |repo| {
            repo.execute_sql(INSERT, []).await?;
            let log = ChangeLog::new(tables());
            within("the log to be installed", BOUND, log.install(&stage.repo)).await
        })
        .await;
    written.unwrap();
    scene.is_true().await;
    assert_eq!(scene.live.stats().lost_ticks, lost);
    // What is missing is put back.
    stage.psql("drop trigger recto_log on items; alter table owners disable trigger recto_log");
    ChangeLog::new(tables()).install(&stage.repo).await.unwrap();
    stage.psql(INSERT);
    stage.psql("insert into owners (name, score) values ('ada', 1)");
    scene.is_true().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_gives_way_to_writers_that_crowd_it() {
    let stage = Stage::new().await;
    // The first to look for a deadlock is the one that is undone.
    let first = format!("{}?options=-c%20deadlock_timeout%3D300ms", stage.url());
    let removing = Repo::connect(first).await.unwrap();
    let mut tasks = JoinSet::new();
    let written: Result<(), Error> = stage
        .repo
        .transact(async |repo| {
            repo.execute_sql("set local deadlock_timeout = '20s'", []).await?;
            repo.execute_sql(INSERT, []).await?;
            tasks.spawn(async move { ChangeLog::new(tables()).remove(&removing).await });
            // It has changed owners, and waits for items.
            eventually_eq("the other to wait", BOUND, "1".to_owned(), async || stage.psql(WAITS))
                .await;
            let owner = "insert into owners (name, score) values ('ada', 1)";
            repo.execute_sql(owner, []).await.map(drop)
        })
        .await;
    written.unwrap();
    let removed = within("the log to be removed", BOUND, tasks.join_next()).await;
    removed.unwrap().unwrap().unwrap();
    assert_eq!(stage.psql("select count(*) from pg_namespace where nspname = 'recto'"), "0");
}
