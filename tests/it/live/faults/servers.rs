//! The server crashes, loses a process, restarts, or goes away under open connections.

use recto::live::Health;
use recto::prelude::*;
use tokio::task::block_in_place;

use super::BOUND;
use super::Scene;
use super::Stage;
use super::scene::config;
use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::wait::eventually;

const EPOCH: &str = "select id from recto.epoch";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_its_writers_is_followed_again() {
    let cluster = Cluster::start();
    let stage = Stage::on(&cluster).await;
    let scene = Scene::on(&stage.repo).await;
    let writers = stage.writers().await;
    for _ in 0..2 {
        scene.goes_on(300).await;
        let epoch = stage.psql(EPOCH);
        block_in_place(|| cluster.kill());
        let is_behind = async || scene.live.health() != Health::Healthy;
        eventually("the engine to notice", BOUND, is_behind).await;
        block_in_place(|| cluster.restart());
        scene.goes_on(300).await;
        let is_healthy = async || scene.live.health() == Health::Healthy;
        eventually("the engine to be well", BOUND, is_healthy).await;
        // The log and its marker were emptied, and the feed made another.
        assert_ne!(stage.psql(EPOCH), epoch);
    }
    writers.stop().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_backend_empties_the_log_and_everything_is_asked_again() {
    let cluster = Cluster::start();
    let stage = Stage::on(&cluster).await;
    let scene = Scene::on(&stage.repo).await;
    let writers = stage.writers().await;
    scene.goes_on(300).await;
    let epoch = stage.psql(EPOCH);

    // A writer that waits for nothing, so that it is there when it is killed.
    let victim: Result<(), Error> = stage
        .repo
        .transact(async |repo| {
            let rows = repo.query_sql("select pg_backend_pid()", []).await?;
            let Value::Int(pid) = rows[0].values()[0] else { panic!("{rows:?}") };
            block_in_place(|| cluster.kill_backend(pid.try_into().unwrap()));
            repo.execute_sql("delete from items", []).await.map(drop)
        })
        .await;
    assert!(victim.is_err());

    scene.goes_on(300).await;
    assert_ne!(stage.psql(EPOCH), epoch);
    writers.stop().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_restart_keeps_the_log_and_the_place_in_it() {
    let cluster = Cluster::start();
    let stage = Stage::on(&cluster).await;
    let scene = Scene::on(&stage.repo).await;
    let writers = stage.writers().await;
    scene.goes_on(300).await;
    let epoch = stage.psql(EPOCH);
    block_in_place(|| cluster.restart());
    scene.goes_on(300).await;
    assert_eq!(stage.psql(EPOCH), epoch);
    writers.stop().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_ended_by_an_administrator_again_and_again() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    let writers = stage.writers().await;
    for _ in 0..10 {
        scene.goes_on(40).await;
        stage.psql(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid()",
        );
        scene.join().await;
    }
    writers.stop().await;
    scene.finish().await;
}

/// What was prepared before a crash is committed after it, and its entries of the log are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_prepared_before_a_crash_is_seen_when_it_is_committed() {
    let cluster = Cluster::start();
    let stage = Stage::on(&cluster).await;
    let mut scene = Scene::on(&stage.repo).await;
    stage.psql("insert into items (rank, flag, note) values (1, true, 'old')");
    stage.psql(
        "set recto.notify = 'off'; begin; update items set note = 'prepared' where id = 1; \
         insert into items (rank, flag, note) values (2, true, 'also'); prepare transaction 'p'",
    );
    scene.is_true().await;
    block_in_place(|| cluster.kill());
    block_in_place(|| cluster.restart());
    scene.is_true().await;

    stage.psql("commit prepared 'p'");
    scene.is_true().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_just_before_a_crash_is_shown_without_the_log() {
    let cluster = Cluster::start();
    let stage = Stage::on(&cluster).await;
    let proxy = Proxy::start(cluster.address()).await;
    let through = Repo::connect(proxy.through(stage.url())).await.unwrap();
    let mut scene = Scene::with(&through, &stage.repo, config()).await;
    proxy.refuse().await;
    proxy.cut().await;
    let is_behind = async || scene.live.health() != Health::Healthy;
    eventually("the feed to be away", BOUND, is_behind).await;
    stage.psql("insert into items (rank, flag, note) values (1, true, 'before')");
    block_in_place(|| cluster.kill());
    block_in_place(|| cluster.restart());
    assert_eq!(stage.psql("select count(*) from recto.changes"), "0");
    stage.psql("insert into items (rank, flag, note) values (1, true, 'after')");
    proxy.accept().await;
    scene.shows("before").await;
    scene.finish().await;
}
