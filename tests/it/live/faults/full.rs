//! No room on the disk: for the log, for the database, and for what a query has to sort.

use recto::prelude::*;
use recto::repo::Config;

use super::super::world;
use super::super::world::Item;
use super::BOUND;
use super::Scene;
use super::Stage;
use crate::support::process::Scratch;
use crate::support::wait::eventually;
use crate::support::wait::within;

/// Every entry of the log meets a full disk, with the code that PostgreSQL gives then.
const NO_ROOM: &str = "
    create function no_room() returns trigger language plpgsql as $$
    begin
        raise exception 'could not extend file: No space left on device' using errcode = '53100';
    end $$;
    create trigger no_room before insert on recto.changes
        for each row execute function no_room()";

fn item(note: &str) -> Item {
    Item { rank: 1, flag: true, note: Some(note.into()), ..Item::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_room_undoes_the_write_and_nothing_else() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    stage.repo.insert(item("before")).await.unwrap();
    scene.shows("before").await;

    stage.psql(NO_ROOM);
    for _ in 0..3 {
        let refused = Error::from(stage.repo.insert(item("refused")).await.unwrap_err());
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{}", refused.chain());
        scene.is_true().await;
    }
    assert_eq!(scene.items.rows().len(), 1);
    stage.psql("drop function no_room cascade");
    stage.repo.insert(item("after")).await.unwrap();
    scene.recovers("after").await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_database_of_sqlite_keeps_what_it_had_and_goes_on() {
    let scratch = Scratch::new();
    let url = format!("sqlite://{}", scratch.path().join("full.db").display());
    let repo = Repo::connect(&url).await.unwrap();
    world::create(&repo).await;
    let mut scene = Scene::on(&repo).await;
    // One connection, so that the setting is that of all its writes.
    let cramped = Config { pool_size: 1, ..Config::new(&url) };
    let cramped = Repo::connect_with(cramped).await.unwrap();
    let full: Result<u32, Error> = cramped
        .transact(async |cramped| {
            // Not below what there is already, which is what the smallest number means.
            cramped.query_sql("pragma max_page_count = 1", []).await?;
            let mut kept = 0;
            loop {
                cramped.insert(item(&"long ".repeat(400))).await?;
                kept += 1;
                assert!(kept < 1000, "the database has room without end");
            }
        })
        .await;
    let full = full.unwrap_err();
    println!("{}", full.chain());
    let text = full.chain().to_string();
    assert!(text.contains("full"), "{text}");

    // Whoever has room goes on, and sees nothing of what was undone.
    scene.is_true().await;
    assert_eq!(scene.items.rows().len(), 0);
    repo.insert(item("after")).await.unwrap();
    scene.recovers("after").await;
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_without_room_to_sort_ends_alone() {
    let stage = Stage::new().await;
    let name = stage.psql("select current_database()");
    stage.psql(&format!("alter database {name} set work_mem = '64kB'"));
    stage.psql(&format!("alter database {name} set temp_file_limit = '100kB'"));
    // Connections made from here on.
    let repo = Repo::connect(stage.url()).await.unwrap();
    let live = Live::start_with(&repo, super::scene::config()).await.unwrap();
    let mut few = live.query(from::<Item>().order_by(|i| i.id.asc()).limit(3)).await.unwrap();
    let notes = || from::<Item>().distinct().order_by(|i| i.note.asc()).select(|i| (i.note, i.id));
    let mut sorted = live.query(notes()).await.unwrap();

    stage.psql(
        "set temp_file_limit = -1; insert into items (rank, flag, note) \
         select 1, true, repeat('x', 90) || n from generate_series(1, 9000) n",
    );
    let is_filled = async || {
        within("the window", BOUND, few.caught_up()).await.unwrap();
        few.rows().len() == 3
    };
    eventually("the others to go on", BOUND, is_filled).await;
    while within("the end", BOUND, sorted.next()).await.is_some() {}
    let error = sorted.error().expect("it says why");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", error.chain());
    assert!(error.chain().to_string().contains("temp_file_limit"), "{}", error.chain());

    // When there is room again, it can be asked again.
    stage.psql("set temp_file_limit = -1; delete from items where id > 10");
    let mut sorted = live.query(notes()).await.unwrap();
    within("the rows", BOUND, sorted.caught_up()).await.unwrap();
    assert_eq!(sorted.rows(), repo.all(notes()).await.unwrap());
}
