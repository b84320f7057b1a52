//! The network: connections that are cut, that hang without a word, and that nobody takes.

use std::time::Duration;

use recto::live::Health;
use recto::live::feed::LogFeed;
use recto::prelude::*;

use super::BOUND;
use super::Scene;
use super::Stage;
use super::scene::config;
use super::scene::impatient;
use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::wait::eventually;
use crate::support::wait::eventually_eq;

/// A heartbeat that does not come while a test runs.
const NEVER: Duration = Duration::from_hours(1);

/// Ends the connection that listens; its last statement is one that no other sends.
const END_LISTENER: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
    where datname = current_database() \
        and (query = 'select pg_backend_pid()' or query like 'notify%')";

fn insert(note: &str) -> String {
    format!("insert into items (rank, flag, note) values (1, true, '{note}')")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_was_cut_is_hung_again() {
    let stage = Stage::new().await;
    let mut config = config();
    config.heartbeat = NEVER;
    let mut scene = Scene::with(&stage.repo, &stage.repo, config).await;
    stage.psql(&insert("heard"));
    scene.shows("heard").await;

    for round in 0..3 {
        // It may still be on its way.
        eventually_eq("a listener to cut", BOUND, "1".to_owned(), async || {
            stage.psql(END_LISTENER)
        })
        .await;
        // Nobody listens; whoever listens next looks.
        stage.psql(&insert(&format!("missed {round}")));
        scene.shows(&format!("missed {round}")).await;
        stage.psql(&insert(&format!("heard {round}")));
        scene.shows(&format!("heard {round}")).await;
    }
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_bring_what_a_listener_that_hangs_does_not() {
    let stage = Stage::new().await;
    let proxy = Proxy::start(Cluster::shared().address()).await;
    // The bell and the pool go through the proxy, the feed does not.
    let through = Repo::connect(proxy.through(stage.url())).await.unwrap();
    let feed = LogFeed::connect(stage.repo.clone()).await.unwrap();
    let mut scene = Scene::fed(&through, &stage.repo, config(), feed).await;
    stage.psql(&insert("heard"));
    scene.shows("heard").await;

    proxy.freeze();
    for note in ["one", "two", "three"] {
        stage.psql(&insert(note));
        scene.shows(note).await;
    }
    assert_eq!(scene.live.health(), Health::Healthy);
    proxy.thaw();
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_at_any_moment_cost_nothing_but_time() {
    let stage = Stage::new().await;
    let proxy = Proxy::start(Cluster::shared().address()).await;
    let through = Repo::connect(proxy.through(stage.url())).await.unwrap();
    let mut scene = Scene::with(&through, &stage.repo, config()).await;
    let writers = stage.writers().await;
    for round in 0..15 {
        scene.goes_on(1 + round * 7).await;
        proxy.cut().await;
        if round % 5 == 0 {
            scene.join().await;
        }
    }
    writers.stop().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_out_of_reach_is_followed_again() {
    let stage = Stage::new().await;
    let proxy = Proxy::start(Cluster::shared().address()).await;
    let through = Repo::connect(proxy.through(stage.url())).await.unwrap();
    let mut scene = Scene::with(&through, &stage.repo, config()).await;

    proxy.refuse().await;
    proxy.cut().await;
    stage.psql(&insert("unseen"));
    let is_behind = async || scene.live.health() != Health::Healthy;
    eventually("the engine to notice", BOUND, is_behind).await;
    proxy.accept().await;
    scene.shows("unseen").await;
    let is_healthy = async || scene.live.health() == Health::Healthy;
    eventually("the engine to be well", BOUND, is_healthy).await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_hang_are_given_up_and_made_anew() {
    let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).try_init();
    let stage = Stage::new().await;
    let proxy = Proxy::start(Cluster::shared().address()).await;
    let config = impatient(proxy.through(stage.url()));
    let through = Repo::connect_with(config).await.unwrap();
    let mut scene = Scene::with(&through, &stage.repo, super::scene::config()).await;

    proxy.freeze();
    stage.psql(&insert("unseen"));
    let is_behind = async || scene.live.health() != Health::Healthy;
    eventually("the engine to notice", BOUND, is_behind).await;
    // New connections are taken and never answered: one after the other must be given up.
    let again = proxy.accepted() + 2;
    eventually("another attempt", BOUND, async || again <= proxy.accepted()).await;
    proxy.thaw();
    scene.shows("unseen").await;
    scene.finish().await;
}
