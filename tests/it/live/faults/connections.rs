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
use crate::support::process::signal;
use crate::support::proxy::Proxy;
use crate::support::wait::eventually;
use crate::support::wait::eventually_eq;
use crate::support::wait::eventually_some;

/// A heartbeat that does not come while a test runs.
const NEVER: Duration = Duration::from_hours(1);

/// The connections that listen: their last statement is one that no other sends.
const LISTENERS: &str = "select pid from pg_stat_activity \
    where datname = current_database() \
        and (query like 'notify %' or query like 'select 1 where case when pg_try_advisory_lock%' \
            or query like 'select pg_notify%')";

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
        eventually_eq("a listener to cut", BOUND, "t".to_owned(), async || {
            stage.psql(&LISTENERS.replace("select pid", "select pg_terminate_backend(pid)"))
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

/// A server process that is stopped, as on a machine that vanished: its connection is there, and
/// says nothing.
struct Stopped(i64);

impl Stopped {
    fn new(pid: i64) -> Self {
        signal("STOP", &[pid]);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("CONT", &[self.0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_says_nothing_is_hung_anew() {
    let cluster = Cluster::start();
    let stage = Stage::on(&cluster).await;
    let repo = Repo::connect_with(impatient(stage.url())).await.unwrap();
    let mut scene = Scene::with(&repo, &stage.repo, config()).await;
    for round in 0..2 {
        let listeners = async || stage.psql(LISTENERS).lines().map(str::to_owned).collect();
        let before = eventually_some("a listener", BOUND, async || {
            let pids: Vec<String> = listeners().await;
            (pids.len() == 1).then_some(pids)
        })
        .await;
        let stopped = Stopped::new(before[0].parse().unwrap());
        eventually("another listener", BOUND, async || {
            // A heartbeat with news that nobody rang for; in the second round our own bell hangs.
            let note = format!("unheard {round}");
            if round == 0 {
                stage.psql(&insert(&note));
            } else {
                repo.batch_sql(&insert(&note)).await.unwrap();
            }
            scene.shows(&note).await;
            let pids: Vec<String> = listeners().await;
            pids.iter().any(|pid| !before.contains(pid))
        })
        .await;
        drop(stopped);
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
    let is_healthy = async || scene.live.health() == Health::Healthy;
    eventually("the engine to be well", BOUND, is_healthy).await;
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
    let is_behind = async || matches!(scene.live.health(), Health::Behind(_));
    eventually("the engine to notice", BOUND, is_behind).await;
    proxy.accept().await;
    scene.shows("unseen").await;
    let is_healthy = async || scene.live.health() == Health::Healthy;
    eventually("the engine to be well", BOUND, is_healthy).await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_hang_are_given_up_and_made_anew() {
    let stage = Stage::new().await;
    let proxy = Proxy::start(Cluster::shared().address()).await;
    let config = impatient(proxy.through(stage.url()));
    let through = Repo::connect_with(config).await.unwrap();
    let mut scene = Scene::with(&through, &stage.repo, super::scene::config()).await;

    proxy.freeze();
    stage.psql(&insert("unseen"));
    let is_behind = async || matches!(scene.live.health(), Health::Behind(_));
    eventually("the engine to notice", BOUND, is_behind).await;
    // New connections are taken and never answered: one after the other must be given up.
    let again = proxy.accepted() + 2;
    eventually("another attempt", BOUND, async || again <= proxy.accepted()).await;
    proxy.thaw();
    scene.shows("unseen").await;
    scene.finish().await;
}

/// Once an engine stops, its process rings no more for its own writes: they must ring themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_engine_stopped_is_still_heard() {
    let stage = Stage::new().await;
    let mut config = config();
    config.heartbeat = NEVER;
    let mut scene = Scene::with(&stage.repo, &stage.repo, config.clone()).await;
    let other = Repo::connect(stage.url()).await.unwrap();
    let live = Live::start_with(&other, config).await.unwrap();
    other.batch_sql(&insert("rung for")).await.unwrap();
    scene.shows("rung for").await;

    let setting = "select coalesce(current_setting('recto.notify', true), '') = 'off'";
    let is_silent = async || other.query_sql(setting, []).await.unwrap()[0].values()[0].clone();
    assert_eq!(is_silent().await, true.into());
    drop(live);
    eventually("it to speak again", BOUND, async || is_silent().await == false.into()).await;
    other.batch_sql(&insert("rings itself")).await.unwrap();
    scene.shows("rings itself").await;
    scene.finish().await;
}
