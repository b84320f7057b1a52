//! Teeth: the oracle catches feeds whose rule is wrong, and finds nothing wrong with the right one
//! under the very same writers.

use std::sync::Arc;
use std::time::Duration;

use recto::prelude::*;
use tokio::task::JoinSet;

use super::dice::Dice;
use super::follower::Manner;
use super::judge::Judge;
use super::liar::Announced;
use super::liar::IMAGES;
use super::liar::Liar;
use super::liar::Rule;
use super::oracle::audited;
use super::oracle::seed;
use super::world;
use super::world::Owner;
use super::writers::Writers;
use super::writers::expected;
use crate::support::cluster::Cluster;
use crate::support::wait::eventually;

/// After so many versions without a complaint the oracle has no teeth. Wrong rules were caught
/// within a hundredth of it.
const PATIENCE: u64 = 30_000;

/// How many versions the right rule must pass.
const ENOUGH: u64 = 2_500;

const BOUND: Duration = Duration::from_mins(3);

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

/// Eight writers that give each of two owners ever higher scores, and say so once they heard that it
/// was committed.
async fn announce(repo: &Repo, announced: &Announced) {
    let mut tasks = JoinSet::new();
    for writer in 0..8 {
        let (repo, announced) = (repo.clone(), Arc::clone(announced));
        tasks.spawn(async move {
            for _ in 0..25 {
                let sql = "update owners set score = score + 1 where id = $1 \
                           returning id, name, score";
                let rows = repo.query_sql(sql, [Value::from(1 + writer % 2)]).await.unwrap();
                announced.lock().unwrap().extend(rows);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

/// How many rounds of writers end with a row that stays wrong, of `rounds`, or until one does.
async fn rounds_that_stay_wrong(rule: Rule, rounds: usize) -> usize {
    let database = Cluster::shared().create_database();
    let repo = Repo::connect(database.url()).await.unwrap();
    world::create(&repo).await;
    repo.batch_sql("insert into owners (id, name, score) values (1, 'one', 0), (2, 'two', 0)")
        .await
        .unwrap();
    let (judge, announced) = (Judge::default(), Announced::default());
    let liar = Liar::hearing(database.url(), rule, Arc::clone(&announced));
    let live = Live::start_on(&repo, audited(&judge), liar).await.unwrap();
    let mut owners = live.query(from::<Owner>()).await.unwrap();
    for round in 1..=rounds {
        // What was committed and not announced yet is late, not wrong.
        judge.is_deaf(true);
        announce(&repo, &announced).await;
        owners.caught_up().await.unwrap();
        judge.is_deaf(false);
        // Nobody writes any more, and the judge looks once more.
        owners.caught_up().await.unwrap();
        if !judge.complaints().is_empty() {
            println!("{rule:?}: round {round}, {:?}", judge.complaints().first());
            return round;
        }
    }
    0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_folded_in_the_order_of_returning_commits_are_caught() {
    assert_ne!(rounds_that_stay_wrong(Rule::InOrderOfReturns, 200).await, 0, "no teeth");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_rule_passes_whatever_order_commits_return_in() {
    assert_eq!(rounds_that_stay_wrong(Rule::Right, 10).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_joined_in_the_wrong_order_are_caught() {
    let database = Cluster::shared().create_database();
    let repo = Repo::connect(database.url()).await.unwrap();
    world::create(&repo).await;
    let judge = Judge::default();
    let live = Live::start_with(&repo, audited(&judge)).await.unwrap();
    let (seed, questions) = (seed(), world::questions());
    let liar = Manner::Disordered(Dice::of(seed, 0, 0));
    let _liar = judge.follow_as(&live, questions, liar).await;
    let mut writers = Writers::start(vec![repo.clone(); 4], seed);
    eventually("a complaint", BOUND, async || {
        writers.are_well();
        !judge.complaints().is_empty()
    })
    .await;
    println!("{:?}", judge.complaints().first());
    writers.stop().await;
}
