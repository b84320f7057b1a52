//! The doors of the live layer as a program uses them: queries, changes, the log itself.

use std::time::Duration;

use recto::live::Config;
use recto::live::DiffOp;
use recto::live::RowChange;
use recto::live::Tier;
use recto::prelude::*;

use super::values::Backend;
use super::world;
use super::world::Item;
use super::world::Owner;
use crate::support::cluster::Cluster;
use crate::support::process::Scratch;
use crate::support::wait::eventually_eq;
use crate::support::wait::within;

const BOUND: Duration = Duration::from_secs(10);

fn item(rank: i32) -> Item {
    Item { rank, ..Item::default() }
}

async fn doors(repo: &Repo) {
    let live = Live::start(repo).await.unwrap();
    diffs_say_where(repo, &live).await;
    changes_tell_every_writer(repo, &live).await;
    what_cannot_be_followed_is_refused(repo, &live).await;
    tiers_are_named(&live);
}

async fn diffs_say_where(repo: &Repo, live: &Live) {
    let lowest = from::<Item>().order_by(|i| i.rank.asc()).limit(2);
    let mut query = live.query(lowest.clone()).await.unwrap();
    assert_eq!(query.rows().len(), 0);
    let first = repo.insert(item(11)).await.unwrap();
    let diff = within("a diff", BOUND, query.next()).await.unwrap();
    assert!(matches!(diff.ops(), [DiffOp::Insert { at: 0, .. }]), "{diff:?}");
    assert_eq!(query.version(), diff.version);

    repo.insert_all([item(12), item(13)]).await.unwrap();
    let version = query.caught_up().await.unwrap();
    let ranks = |rows: &[Item]| rows.iter().map(|row| row.rank).collect::<Vec<_>>();
    assert_eq!(ranks(query.rows()), [11, 12]);

    // The same question shares the result, and is at the same state at once.
    let twin = live.query(lowest).await.unwrap();
    assert_eq!((twin.version(), ranks(twin.rows())), (version, vec![11, 12]));

    repo.update(Changeset::new(first).put(Item::rank, 16)).await.unwrap();
    query.caught_up().await.unwrap();
    assert_eq!(ranks(query.rows()), [12, 13], "one left the window, another came in");
    repo.delete_all(from::<Item>()).await.unwrap();
    query.caught_up().await.unwrap();
    assert_eq!(ranks(query.rows()), Vec::<i32>::new());
}

async fn changes_tell_every_writer(repo: &Repo, live: &Live) {
    let mut changes = live.changes::<Owner>().unwrap();
    // Whatever was committed before is over for all who follow from here on.
    live.query(from::<Owner>()).await.unwrap().caught_up().await.unwrap();
    repo.execute_sql("insert into owners (id, name, score) values (1, 'raw', 5)", [])
        .await
        .unwrap();
    match within("a change", BOUND, changes.next()).await.unwrap().unwrap() {
        RowChange::Put(owner) => assert_eq!((owner.name.as_str(), owner.score), ("raw", 5)),
        RowChange::Gone(key) => panic!("{key:?} is gone"),
    }
    repo.delete_all(from::<Owner>()).await.unwrap();
    let gone = within("a change", BOUND, changes.next()).await.unwrap().unwrap();
    assert!(matches!(gone, RowChange::Gone(key) if key.values() == [Value::from(1_i64)]));
}

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "strangers")]
struct Stranger {
    id: i64,
}

async fn what_cannot_be_followed_is_refused(repo: &Repo, live: &Live) {
    let error = live.query(from::<Stranger>()).await.unwrap_err();
    assert!(error.what().contains("table `strangers` is not watched"), "{error}");
    let watched = world::tables(Backend::of(repo));
    ChangeLog::new(watched.clone()).remove(repo).await.unwrap();
    let error = Live::start(repo).await.unwrap_err();
    assert!(error.what().contains("ChangeLog::new"), "{error}");
    ChangeLog::new(watched).install(repo).await.unwrap();
}

fn tiers_are_named(live: &Live) {
    let tier = |explanation: recto::live::Explanation| (explanation.tier, explanation.anchor);
    let of_owner = from::<Item>().filter(|i| i.owner_id.eq(3).and(i.rank.gt(1)));
    assert_eq!(tier(live.explain_live(&of_owner).unwrap()), (Tier::Row, Some("owner_id")));
    let window = from::<Item>().order_by(|i| i.rank.desc()).limit(5);
    assert_eq!(tier(live.explain_live(&window).unwrap()), (Tier::Window, None));
    let counts = from::<Item>().select(|_| count());
    assert_eq!(tier(live.explain_live(&counts).unwrap()), (Tier::Aggregate, None));
    let text = live.explain_live(&of_owner).unwrap().to_string();
    assert!(text.starts_with("tier     row\ntables   items\nrouted   by owner_id\n"), "{text}");
    assert!(text.ends_with("\nresumed  elsewhere by the change log"), "{text}");
    let counted = live.explain_live(&counts).unwrap().to_string();
    assert!(counted.ends_with("\nresumed  elsewhere by a snapshot"), "{counted}");
    assert!(live.explain_live(&window).unwrap().is_resumed_by_log);
    assert!(!live.explain_live(&window.offset(5)).unwrap().is_resumed_by_log);
}

#[tokio::test]
async fn the_doors_open_on_postgres() {
    let database = Cluster::shared().create_database();
    let repo = Repo::connect(database.url()).await.unwrap();
    world::create(&repo).await;
    doors(&repo).await;
}

#[tokio::test]
async fn the_doors_open_on_sqlite() {
    let scratch = Scratch::new();
    let url = format!("sqlite://{}", scratch.path().join("doors.db").display());
    let repo = Repo::connect(url).await.unwrap();
    world::create(&repo).await;
    doors(&repo).await;
}

#[tokio::test]
async fn the_doors_open_on_a_database_in_memory() {
    let repo = Repo::connect("sqlite://:memory:").await.unwrap();
    world::create(&repo).await;
    doors(&repo).await;
}

/// The log is kept short, and a feed that is current does not mind.
async fn the_log_is_kept_short(repo: &Repo, count: &'static str) {
    let mut config = Config::default();
    config.retention = Duration::from_secs(1);
    config.heartbeat = Duration::from_millis(100);
    let live = Live::start_with(repo, config).await.unwrap();
    let mut owners = live.query(from::<Owner>()).await.unwrap();
    for score in 0..20 {
        let name = format!("owner {score}");
        repo.insert(Owner { name, score, ..Owner::default() }).await.unwrap();
    }
    owners.caught_up().await.unwrap();
    eventually_eq("the log to be empty", Duration::from_secs(20), Value::from(0_i64), async || {
        repo.query_sql(count, []).await.unwrap()[0].values()[0].clone()
    })
    .await;
    repo.delete_all(from::<Owner>()).await.unwrap();
    owners.caught_up().await.unwrap();
    assert_eq!(owners.rows().len(), 0);
}

#[tokio::test]
async fn the_log_is_kept_short_on_postgres() {
    let database = Cluster::shared().create_database();
    let repo = Repo::connect(database.url()).await.unwrap();
    world::create(&repo).await;
    the_log_is_kept_short(&repo, "select count(*) from recto.changes").await;
}

#[tokio::test]
async fn the_log_is_kept_short_on_sqlite() {
    let scratch = Scratch::new();
    let url = format!("sqlite://{}", scratch.path().join("short.db").display());
    let repo = Repo::connect(url).await.unwrap();
    world::create(&repo).await;
    // The newest entry stays.
    the_log_is_kept_short(&repo, "select count(*) - 1 from recto_changes").await;
}
