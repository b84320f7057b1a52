//! SQLite: other connections, locks, and transactions that are dropped.

use std::future::pending;
use std::time::Duration;
use std::time::Instant;

use recto::prelude::*;
use tokio::sync::Notify;

use super::super::oracle::seed;
use super::super::world;
use super::super::world::Item;
use super::super::writers::Writers;
use super::BOUND;
use super::Scene;
use super::scene::config;
use crate::support::process::Scratch;
use crate::support::wait::within;

struct File {
    _scratch: Scratch,
    url: String,
}

impl File {
    fn new() -> Self {
        let scratch = Scratch::new();
        let url = format!("sqlite://{}", scratch.path().join("faults.db").display());
        Self { _scratch: scratch, url }
    }

    async fn repo(&self) -> Repo {
        Repo::connect(&self.url).await.unwrap()
    }
}

/// An item that no trigger of the oracle's tables writes again.
fn item(note: &str) -> Item {
    Item { rank: 1, flag: true, note: Some(note.into()), ..Item::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_connections_are_seen_without_a_heartbeat() {
    let file = File::new();
    let repo = file.repo().await;
    world::create(&repo).await;
    let mut config = config();
    config.heartbeat = Duration::from_hours(1);
    let mut scene = Scene::with(&repo, &repo, config).await;
    let foreign = file.repo().await;
    for note in ["one", "two", "three"] {
        foreign.insert(item(note)).await.unwrap();
        scene.shows(note).await;
    }
    foreign.batch_sql("delete from items").await.unwrap();
    scene.items.next().await.unwrap();
    assert!(scene.items.rows().is_empty());
    for script in [
        "insert into owners (id, name, score) values (1, 'ada', 1), (2, 'bob', 2)",
        "insert or replace into owners (id, name, score) values (2, 'eve', 3), (3, 'joe', 1)",
        "insert into owners (id, name, score) values (3, 'x', 9) \
            on conflict (id) do update set score = excluded.score",
        "update owners set id = id + 10",
        "vacuum",
        "create index later on items (rank); analyze",
        "alter table items add column extra text default 'x'",
        "insert into items (owner_id, rank, flag) values (11, 1, 1), (12, 2, 0)",
        "delete from owners where id = 11",
    ] {
        foreign.batch_sql(script).await.unwrap();
        scene.is_true().await;
    }
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_let_go_is_a_conflict_and_stops_no_tick() {
    let file = File::new();
    let (repo, foreign) = (file.repo().await, file.repo().await);
    world::create(&repo).await;
    let mut scene = Scene::on(&repo).await;
    repo.insert(item("before")).await.unwrap();

    let held: Result<(), Error> = foreign
        .transact(async |foreign| {
            foreign.insert(item("held")).await?;
            scene.is_true().await;
            let began = Instant::now();
            let Err(refused) = within("an answer", BOUND, repo.insert(item("refused"))).await
            else {
                panic!("two wrote at once")
            };
            let refused = Error::from(refused);
            assert_eq!(refused.kind(), ErrorKind::Conflict, "{}", refused.chain());
            println!("refused after {:?}", began.elapsed());
            // Readers are not in the way.
            scene.is_true().await;
            Ok(())
        })
        .await;
    held.unwrap();
    scene.shows("held").await;
    repo.insert(item("after")).await.unwrap();
    scene.is_true().await;
    assert_eq!(scene.items.rows().len(), 3);
    scene.finish().await;
}

async fn dropped(repo: &Repo, scene: &mut Scene) {
    let reached = Notify::new();
    for _ in 0..3 {
        let work = repo.transact(async |repo| {
            repo.insert(item("dropped")).await?;
            repo.transact(async |repo| {
                repo.insert(item("dropped too")).await?;
                reached.notify_one();
                pending::<Result<(), Error>>().await
            })
            .await
        });
        tokio::select! {
            _ = work => panic!("it has no end"),
            () = within("the savepoint", BOUND, reached.notified()) => {}
        }
        let kept = within("the one writer", BOUND, repo.insert(item("kept"))).await;
        kept.map_err(Error::from).unwrap();
        scene.is_true().await;
        assert!(scene.items.rows().iter().all(|item| item.note.as_deref() == Some("kept")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_transactions_leave_nothing_behind() {
    let file = File::new();
    let repo = file.repo().await;
    world::create(&repo).await;
    let mut scene = Scene::on(&repo).await;
    dropped(&repo, &mut scene).await;
    // Another connection is not locked out either.
    file.repo().await.insert(item("foreign")).await.unwrap();
    scene.finish().await;

    let repo = Repo::connect("sqlite://:memory:").await.unwrap();
    world::create(&repo).await;
    let mut scene = Scene::on(&repo).await;
    dropped(&repo, &mut scene).await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_cut_short_has_everything_asked_again() {
    let file = File::new();
    let (repo, foreign) = (file.repo().await, file.repo().await);
    world::create(&repo).await;
    let scene = Scene::on(&repo).await;
    let mut repos = vec![repo.clone(); 4];
    repos.extend(vec![foreign.clone(); 4]);
    let writers = Writers::start(repos, seed());
    for _ in 0..5 {
        scene.goes_on(60).await;
        let cut: Result<(), Error> = foreign
            .transact(async |repo| {
                repo.batch_sql(
                    "update recto_meta set value = (select max(seq) from recto_changes) \
                        where name = 'whole after' and exists (select 1 from recto_changes); \
                     delete from recto_changes",
                )
                .await
            })
            .await;
        cut.unwrap();
    }
    writers.stop().await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_changes_ends_only_those_who_ask_for_what_is_gone() {
    let file = File::new();
    let repo = file.repo().await;
    world::create(&repo).await;
    let live = Live::start_with(&repo, config()).await.unwrap();
    let owners = || from::<world::Owner>().order_by(|o| o.id.asc());
    let mut people = live.query(owners()).await.unwrap();
    let mut items = live.query(from::<Item>()).await.unwrap();
    let foreign = file.repo().await;
    foreign.insert(world::Owner { name: "ada".into(), ..world::Owner::default() }).await.unwrap();
    foreign.batch_sql("drop trigger a_first; alter table items drop column note").await.unwrap();
    let end = async { while items.next().await.is_some() {} };
    within("the query to end", BOUND, end).await;
    let error = items.error().expect("it ended with an error").chain().to_string();
    assert!(error.contains("note"), "{error}");
    foreign.insert(world::Owner { name: "bob".into(), ..world::Owner::default() }).await.unwrap();
    super::scene::compare("people", &mut people, owners(), &repo).await;
    assert_eq!(people.rows().len(), 2);
}
