//! The answer to `COMMIT` is lost: the writer is told that nobody knows, nothing is done twice, and
//! the live result tells the truth.

use recto::live::feed::LogFeed;
use recto::prelude::*;

use super::super::world::Item;
use super::Scene;
use super::Stage;
use super::scene::config;
use crate::support::cluster::Cluster;
use crate::support::proxy::Proxy;
use crate::support::proxy::When;

/// `COMMIT` steers the transaction, so it travels as a plain query.
const COMMIT: &[u8] = b"commit\0";

/// An item that no trigger of the oracle's tables writes again.
fn item(note: &str) -> Item {
    Item { rank: 1, flag: true, note: Some(note.into()), ..Item::default() }
}

/// A writer behind a proxy, and a live engine that shares its pool but not its way to the server.
async fn scene(stage: &Stage<'_>) -> (Scene, Proxy, Repo) {
    let proxy = Proxy::start(Cluster::shared().address()).await;
    let through = Repo::connect(proxy.through(stage.url())).await.unwrap();
    let feed = LogFeed::connect(stage.repo.clone()).await.unwrap();
    let scene = Scene::fed(&through, &stage.repo, config(), feed).await;
    (scene, proxy, through)
}

fn is_in_doubt(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::InDoubt, "{}", error.chain());
    assert!(!error.is_retryable());
}

async fn commit_into_a_trap(when: When, kept: i64) {
    let stage = Stage::new().await;
    let (mut scene, proxy, through) = scene(&stage).await;
    proxy.cut_on(COMMIT, when);
    let outcome: Result<(), Error> = through
        .transact(async |repo| {
            repo.insert(item("one")).await?;
            repo.insert(item("two")).await?;
            Ok(())
        })
        .await;
    is_in_doubt(&outcome.unwrap_err());
    assert_eq!(proxy.cuts(), 1);
    if 0 < kept {
        scene.shows("two").await;
    }
    assert_eq!(stage.repo.count(from::<Item>()).await.unwrap(), kept);

    through.insert(item("three")).await.unwrap();
    scene.shows("three").await;
    assert_eq!(stage.repo.count(from::<Item>()).await.unwrap(), kept + 1);
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_shown() {
    commit_into_a_trap(When::AfterForward, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_never_arrived_is_not_shown() {
    commit_into_a_trap(When::BeforeForward, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_write_whose_answer_was_lost_is_shown_once() {
    let stage = Stage::new().await;
    let (mut scene, proxy, through) = scene(&stage).await;
    // Prepares the statement, so that the note travels with nothing but its execution.
    through.insert(item("first")).await.unwrap();
    proxy.cut_on(b"in doubt", When::AfterForward);
    let Err(error) = through.insert(item("in doubt")).await else { panic!("nothing was cut") };
    is_in_doubt(&error.into());
    scene.shows("in doubt").await;
    assert_eq!(stage.repo.count(from::<Item>()).await.unwrap(), 2);
    scene.finish().await;
}
