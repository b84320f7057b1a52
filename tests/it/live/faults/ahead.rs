//! Rows that a look reads ahead and cannot have: the next look does without, and no tick breaks off.

use recto::live::Live;
use recto::prelude::*;
use recto::repo::Config;

use super::super::world::Item;
use super::super::world::Owner;
use super::BOUND;
use super::Stage;
use super::log::WAITS;
use super::scene::compare;
use super::scene::config;
use crate::support::wait::eventually;
use crate::support::wait::eventually_eq;

/// A live engine that takes a database that says nothing for dead only when the test is long over:
/// what is late here waits for something else. Without the judge, who would wait for a locked table.
async fn patient(stage: &Stage<'_>) -> Live {
    stage.psql("insert into owners (name, score) values ('ada', 3)");
    let patient = Config { timeout: BOUND * 4, ..Config::new(stage.url()) };
    let repo = Repo::connect_with(patient).await.unwrap();
    Live::start_with(&repo, config()).await.unwrap()
}

fn items() -> Query<Item> {
    from::<Item>().order_by(|i| i.id.asc())
}

fn owners() -> Query<Owner> {
    from::<Owner>().order_by(|o| o.id.asc())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_waits_for_a_locked_table_is_given_up() {
    let stage = Stage::new().await;
    let live = patient(&stage).await;
    let mut all = live.query(items()).await.unwrap();
    let mut people = live.query(owners()).await.unwrap();
    // On a machine that is slow enough the items are no longer read ahead when they are locked.
    eventually("a look to wait for the lock", BOUND, async || {
        stage.psql("insert into items (rank, flag, note) values (1, true, 'read ahead')");
        compare("items", &mut all, items(), &stage.repo).await;
        let waited: Result<bool, Error> = stage
            .repo
            .transact(async |repo| {
                repo.execute_sql("lock table items in access exclusive mode", []).await?;
                repo.execute_sql("update items set rank = rank + 1", []).await?;
                stage.psql("update owners set score = score + 1");
                let waits = async || stage.psql(WAITS);
                let waited = tokio::select! {
                    () = eventually_eq("the lock", BOUND, "1".to_owned(), waits) => true,
                    () = compare("owners", &mut people, owners(), &stage.repo) => false,
                };
                compare("owners", &mut people, owners(), &stage.repo).await;
                Ok(waited)
            })
            .await;
        compare("items again", &mut all, items(), &stage.repo).await;
        waited.unwrap()
    })
    .await;
    assert_eq!(live.stats().broken_ticks, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_that_cannot_read_a_table_any_more_is_taken_again() {
    let stage = Stage::new().await;
    let live = patient(&stage).await;
    let ranks = || items().select(|i| (i.id, i.rank));
    let mut all = live.query(ranks()).await.unwrap();
    let mut people = live.query(owners()).await.unwrap();
    // Has touched rows read whole, and ahead.
    let changes = live.changes::<Item>().unwrap();
    for [change, back] in [
        ["alter table items drop column note", "alter table items add column note text"],
        ["alter table items rename note to text", "alter table items rename text to note"],
        [
            "alter table items alter column rank type bigint",
            "alter table items alter column rank type integer",
        ],
    ] {
        stage.psql("insert into items (rank, flag, note) values (1, true, 'read ahead')");
        compare("before", &mut all, ranks(), &stage.repo).await;
        let broken = live.stats().broken_ticks;
        stage.psql(change);
        compare(change, &mut all, ranks(), &stage.repo).await;
        // Whoever asks for a column of another type now breaks a tick off itself: its statement was
        // prepared for the old one.
        assert!(live.stats().broken_ticks == broken || change.contains("type"), "{change}");
        stage.psql("update owners set score = score + 1");
        compare("owners", &mut people, owners(), &stage.repo).await;
        stage.psql(back);
        compare(back, &mut all, ranks(), &stage.repo).await;
    }
    drop(changes);
}
