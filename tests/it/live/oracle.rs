//! The oracle: after every tick each live result, and each client's copy of it, equals the plain
//! query in the same snapshot.

use std::time::Duration;

use recto::live::Config;
use recto::prelude::*;

use super::judge::Judge;
use super::world;
use super::writers::Writers;
use crate::support::cluster::Cluster;
use crate::support::process::Scratch;
use crate::support::process::random;
use crate::support::wait::eventually;

/// How many versions a run compares: `RECTO_ORACLE_VERSIONS`, or `fallback`.
fn wanted(fallback: u64) -> u64 {
    std::env::var("RECTO_ORACLE_VERSIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(fallback)
}

/// The seed of the writers: `RECTO_SEED`, or another one each time.
pub(super) fn seed() -> u64 {
    std::env::var("RECTO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(random)
}

pub(super) fn audited(judge: &Judge) -> Config {
    let mut config = Config::default();
    config.audit = Some(judge.audit());
    config
}

async fn run(name: &str, repo: &Repo, writers: Vec<Repo>, versions: u64) {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .try_init();
    let judge = Judge::default();
    let live = Live::start_with(repo, audited(&judge)).await.unwrap();
    let questions = world::questions();
    assert!(20 <= questions.len());
    // Three clients: one with everything, two that share results with it.
    let half = questions.len() / 2;
    let mut followers = vec![judge.follow(&live, questions.clone()).await];
    followers.push(judge.follow(&live, questions[..half].to_vec()).await);
    followers.push(judge.follow(&live, questions[half..].to_vec()).await);

    assert!(8 <= writers.len());
    let writers = Writers::start(writers, seed());
    let enough = async || versions <= judge.versions() || !judge.complaints().is_empty();
    eventually("the oracle's versions", Duration::from_mins(15), enough).await;
    println!("the writers committed {} times", writers.commits());
    writers.stop().await;
    for follower in followers {
        follower.finish().await;
    }
    judge.verdict(name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_results_on_postgres_are_exact_at_every_tick() {
    let database = Cluster::shared().create_database();
    let repo = Repo::connect(database.url()).await.unwrap();
    world::create(&repo).await;
    // Half of the writers are of this process, the others know nothing of its bell.
    let foreign = Repo::connect(database.url()).await.unwrap();
    let mut writers = vec![repo.clone(); 5];
    writers.extend(vec![foreign; 5]);
    run("PostgreSQL", &repo, writers, wanted(100_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_results_on_sqlite_are_exact_at_every_tick() {
    let scratch = Scratch::new();
    let url = format!("sqlite://{}", scratch.path().join("oracle.db").display());
    let repo = Repo::connect(&url).await.unwrap();
    world::create(&repo).await;
    let foreign = Repo::connect(&url).await.unwrap();
    let mut writers = vec![repo.clone(); 5];
    writers.extend(vec![foreign; 5]);
    run("SQLite", &repo, writers, wanted(30_000)).await;
}
