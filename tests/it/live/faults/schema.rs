//! Tables that change under live queries.

use std::time::Duration;
use std::time::Instant;

use recto::live::RowChange;
use recto::prelude::*;

use super::super::world::Item;
use super::super::world::Owner;
use super::BOUND;
use super::Stage;
use super::scene::compare;
use super::scene::config;
use crate::support::wait::within;

/// Live queries without the judge, who has no answer for a table that is gone.
async fn live(stage: &Stage<'_>) -> Live {
    stage.psql(
        "insert into owners (id, name, score) values (1, 'ada', 3), (2, 'bob', 5);
         insert into items (owner_id, rank, flag, note)
            select 1 + n % 2, n, n % 2 = 0, 'n' || n from generate_series(1, 20) n",
    );
    Live::start_with(&stage.repo, config()).await.unwrap()
}

fn items() -> Query<Item> {
    from::<Item>().order_by(|i| i.id.asc())
}

fn newest() -> Query<Item> {
    from::<Item>().order_by(|i| i.rank.desc()).limit(3)
}

fn owners() -> Query<Owner> {
    from::<Owner>().order_by(|o| o.id.asc())
}

/// Ends with an error that says `word`.
async fn ends<O>(query: &mut LiveQuery<O>, word: &str) {
    let end = async { while query.next().await.is_some() {} };
    within("the query to end", BOUND, end).await;
    let error = query.error().expect("it ended with an error");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", error.chain());
    let text = error.chain().to_string();
    assert!(text.contains(word), "`{text}` does not say `{word}`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_nobody_asks_for_comes_and_goes() {
    let stage = Stage::new().await;
    let live = live(&stage).await;
    let mut all = live.query(items()).await.unwrap();
    let mut three = live.query(newest()).await.unwrap();
    for script in [
        "alter table items add column extra text not null default 'x'",
        "update items set rank = rank + 1, extra = 'y' where id % 2 = 0",
        "alter table items drop column extra",
        "update items set rank = 100 - rank",
        "alter table items alter column rank type bigint",
        "update items set rank = rank - 50",
        "alter table items alter column rank type integer using rank / 2",
        "alter table items alter column note type varchar(40), alter column flag set not null",
        "delete from items where id < 5",
        "create index on items (rank); analyze items; vacuum full items; cluster items using items_owner",
        "insert into items (rank, flag) values (77, true)",
    ] {
        // Some of these refuse to stand in a transaction with others.
        for statement in script.split("; ") {
            stage.psql(statement);
        }
        compare(script, &mut all, items(), &stage.repo).await;
        compare(script, &mut three, newest(), &stage.repo).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_is_dropped_ends_those_who_ask_for_it() {
    let stage = Stage::new().await;
    let live = live(&stage).await;
    let mut all = live.query(items()).await.unwrap();
    let mut three = live.query(newest()).await.unwrap();
    let mut ranks = live.query(items().select(|i| i.rank)).await.unwrap();
    let mut people = live.query(owners()).await.unwrap();

    stage.psql("alter table items drop column note");
    ends(&mut all, "note").await;
    ends(&mut three, "note").await;
    let Err(refused) = live.query(items()).await else { panic!("it was answered") };
    assert!(refused.chain().to_string().contains("note"), "{}", refused.chain());
    // The oracle's triggers write what is gone.
    stage.psql(
        "drop trigger a_first on items; update items set rank = rank + 1; \
         update owners set score = score + 1",
    );
    compare("ranks", &mut ranks, items().select(|i| i.rank), &stage.repo).await;
    compare("people", &mut people, owners(), &stage.repo).await;

    // Everything is as it was before.
    stage.psql("alter table items add column note text");
    let mut again = live.query(items()).await.unwrap();
    stage.psql("update items set note = 'again'");
    compare("again", &mut again, items(), &stage.repo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_dropped_or_renamed_ends_those_who_ask_for_it() {
    let stage = Stage::new().await;
    let live = live(&stage).await;
    let mut people = live.query(owners()).await.unwrap();
    let mut all = live.query(items()).await.unwrap();
    let mut tallies = live.query(from::<super::super::world::Tally>()).await.unwrap();

    stage.psql("alter table tallies rename to counts");
    ends(&mut tallies, "tallies").await;
    stage.psql(
        "alter table counts rename to tallies; insert into items (rank, flag) values (1, true)",
    );
    compare("items", &mut all, items(), &stage.repo).await;
    stage.psql("drop table items");
    ends(&mut all, "items").await;
    stage.psql("update owners set score = score + 1");
    compare("people", &mut people, owners(), &stage.repo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_end_do_not_hold_up_the_others() {
    let stage = Stage::new().await;
    let live = live(&stage).await;
    let mut people = live.query(owners()).await.unwrap();
    let mut many = Vec::new();
    for rank in 0..40 {
        many.push(live.query(items().filter(|i| i.rank.gt(rank))).await.unwrap());
    }
    stage.psql("alter table items drop column note; update owners set score = 77");
    let began = Instant::now();
    compare("people", &mut people, owners(), &stage.repo).await;
    for query in &mut many {
        ends(query, "note").await;
    }
    // One after the other with a pause for each would take half a minute.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_the_changes_of_a_table_that_changed_holds_nobody_up() {
    let stage = Stage::new().await;
    let live = live(&stage).await;
    let mut people = live.query(owners()).await.unwrap();
    let mut changes = live.changes::<Item>().unwrap();
    stage.psql("drop trigger a_first on items; alter table items drop column note");
    compare("people", &mut people, owners(), &stage.repo).await;
    stage.psql("update items set rank = rank + 1; update owners set score = score + 1");
    compare("people", &mut people, owners(), &stage.repo).await;
    // Once for the table, once for the row that cannot be read.
    for _ in 0..2 {
        let missed = within("word of the change", BOUND, changes.next()).await.unwrap_err();
        assert_eq!(missed.kind(), ErrorKind::Stale, "{}", missed.chain());
    }

    stage.psql("alter table items add column note text; update items set rank = 7 where id = 7");
    let put = async {
        loop {
            match changes.next().await {
                Ok(Some(RowChange::Put(item))) => return item,
                Ok(other) => panic!("{other:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Stale, "{}", error.chain()),
            }
        }
    };
    stage.psql("update items set rank = 8 where id = 8");
    assert_eq!(within("a row", BOUND, put).await.rank, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_holds_up_only_who_asks_for_it_anew() {
    let stage = Stage::new().await;
    let live = live(&stage).await;
    let mut people = live.query(owners()).await.unwrap();
    let mut all = live.query(items()).await.unwrap();
    let locked: Result<(), Error> = stage
        .repo
        .transact(async |repo| {
            repo.execute_sql("lock table items in access exclusive mode", []).await?;
            stage.psql("update owners set score = score + 1");
            compare("people", &mut people, owners(), &stage.repo).await;
            repo.execute_sql("update items set rank = rank + 1", []).await?;
            stage.psql("update owners set score = score + 1");
            compare("people", &mut people, owners(), &stage.repo).await;
            Ok(())
        })
        .await;
    locked.unwrap();
    compare("items", &mut all, items(), &stage.repo).await;
}
