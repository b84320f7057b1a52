//! Teeth: the oracle catches feeds whose rule is wrong, and finds nothing wrong with the right one
//! under the very same writers.

use std::time::Duration;

use recto::prelude::*;
use tokio::task::JoinSet;

use super::judge::Judge;
use super::liar::IMAGES;
use super::liar::Liar;
use super::liar::Rule;
use super::oracle::audited;
use super::oracle::seed;
use super::world;
use super::writers::Writers;
use super::writers::expected;
use crate::support::cluster::Cluster;
use crate::support::wait::eventually;

/// After so many versions without a complaint the oracle has no teeth. Wrong rules were caught
/// within a hundredth of it.
const PATIENCE: u64 = 30_000;

/// How many versions the right rule must pass.
const ENOUGH: u64 = 4_000;

const BOUND: Duration = Duration::from_mins(1);

/// Writers that let time pass between their write and their commit, so that others overtake them.
fn sleepers(repo: &Repo) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for number in 1..=4 {
        let repo = repo.clone();
        let script = format!(
            "begin; insert into items (rank, flag, note) values ({number}, true, 'slow'); \
             select pg_sleep(0.0{number}); commit"
        );
        tasks.spawn(async move {
            loop {
                if let Err(error) = repo.batch_sql(&script).await {
                    expected(&error);
                }
            }
        });
    }
    tasks
}

/// What the judge says about a feed with this rule, after `versions` or at its first complaint.
async fn complaints(rule: Rule, versions: u64) -> Vec<String> {
    let database = Cluster::shared().create_database();
    let repo = Repo::connect(database.url()).await.unwrap();
    world::create(&repo).await;
    if rule == Rule::ReplaysImages {
        repo.batch_sql(IMAGES).await.unwrap();
    }
    let judge = Judge::default();
    let liar = Liar::new(database.url(), rule);
    let live = Live::start_on(&repo, audited(&judge), liar).await.unwrap();
    let follower = judge.follow(&live, world::questions()).await;

    let foreign = Repo::connect(database.url()).await.unwrap();
    let writers = Writers::start(vec![foreign.clone(); 4], seed());
    let sleepers = sleepers(&foreign);
    let over = async || versions <= judge.versions() || !judge.complaints().is_empty();
    eventually("a complaint, or enough versions", BOUND, over).await;
    println!("{rule:?}: {} versions, {:?}", judge.versions(), judge.complaints().first());
    drop(sleepers);
    writers.stop().await;
    if judge.complaints().is_empty() {
        follower.finish().await;
    }
    judge.complaints()
}

async fn is_caught(rule: Rule) {
    let complaints = complaints(rule, PATIENCE).await;
    assert!(!complaints.is_empty(), "the oracle has no teeth: {rule:?} went unnoticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_taken_for_the_order_of_commits_are_caught() {
    is_caught(Rule::AboveTheLastNumber).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_forgotten_while_they_ran_are_caught() {
    is_caught(Rule::ForgetsRunning).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_row_images_are_caught() {
    is_caught(Rule::ReplaysImages).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_rule_passes_under_the_same_writers() {
    let complaints = complaints(Rule::Right, ENOUGH).await;
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
