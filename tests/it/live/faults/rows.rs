//! Every way in which PostgreSQL changes rows, by programs that know nothing of Recto.

use std::time::Duration;

use recto::prelude::*;

use super::super::world::Item;
use super::BOUND;
use super::Scene;
use super::Stage;
use super::rights::writer;
use super::scene::compare;
use super::scene::config;
use crate::support::wait::within;

pub(super) const ROWS: &str = "
    insert into owners (name, score) values ('ada', 3), ('bob', 5), ('eve', 1);
    insert into items (owner_id, rank, flag, note)
        select n % 3 + 1, n * 3, n % 2 = 0, 'n' || n from generate_series(1, 40) n;
";

/// Live results are those of plain queries after each of these scripts.
async fn follows(scripts: &[&str]) {
    let stage = Stage::new().await;
    stage.psql(ROWS);
    let mut scene = Scene::on(&stage.repo).await;
    for script in scripts {
        stage.psql(script);
        scene.is_true().await;
    }
    scene.finish().await;
}

/// Without the judge: who looks at an older state while a table is truncated sees it empty, and so
/// would he.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn truncate_is_heard_when_nothing_else_happens() {
    let stage = Stage::new().await;
    stage.psql(ROWS);
    let mut config = config();
    config.heartbeat = Duration::from_hours(1);
    let live = Live::start_with(&stage.repo, config).await.unwrap();
    let items = || from::<Item>().order_by(|i| i.id.asc());
    let mut all = live.query(items()).await.unwrap();
    let role = writer(&stage);
    for (before, truncate) in [
        (String::new(), "truncate items"),
        (String::new(), "truncate owners cascade"),
        ("set session_replication_role = replica;".to_owned(), "truncate items"),
        (format!("set role {role};"), "truncate items"),
    ] {
        if all.rows().is_empty() {
            stage.psql("insert into items (rank, flag) values (1, true)");
            within("the row", BOUND, all.next()).await.unwrap();
        }
        assert!(!all.rows().is_empty());
        stage.psql(&format!("{before} {truncate}"));
        within(truncate, BOUND, all.next()).await.unwrap();
        compare(truncate, &mut all, items(), &stage.repo).await;
        assert!(all.rows().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy() {
    follows(&[
        r"copy items (owner_id, rank, flag, note)
            from program 'printf ''1\t5\tt\tcopied\n2\t6\tf\t\\N\n''' ",
        r"copy owners (name, score) from program 'seq 1 200 | sed ''s/.*/&\t&/''' ",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cascades() {
    follows(&[
        "update owners set id = 77 where id = 1",
        "delete from owners where id = 77",
        "delete from owners",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_decide_between_insert_and_update() {
    follows(&[
        "insert into owners (id, name, score) values (1, 'ada', 9), (4, 'new', 7)
            on conflict (id) do update set score = excluded.score, name = owners.name || '!'",
        "insert into owners (id, name, score) values (1, 'x', 0) on conflict do nothing",
        "with gone as (delete from owners where id = 4 returning *)
            insert into owners (id, name, score) select id + 1, name, score from gone",
        "do $$ begin
            if current_setting('server_version_num')::int >= 150000 then
                execute 'merge into owners o using (values (1, 2), (9, 9)) v (id, score)
                    on o.id = v.id
                    when matched then update set score = v.score
                    when not matched then insert (id, name, score) values (v.id, ''m'', v.score)';
            end if;
        end $$",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_transactions() {
    let stage = Stage::new().await;
    // A trigger that writes other rows would wait for those that are prepared.
    stage.psql(&format!("{ROWS} drop trigger z_last on items"));
    let mut scene = Scene::on(&stage.repo).await;
    let prepare = |name: &str| {
        stage.psql(&format!(
            "set recto.notify = 'off'; begin; \
             update items set note = '{name}', flag = true where id % 3 = 0; \
             insert into items (rank, flag, note) values (2, true, '{name} too'); \
             prepare transaction '{name}'"
        ));
    };
    prepare("first");
    scene.is_true().await;
    stage.psql("commit prepared 'first'");
    scene.is_true().await;
    prepare("second");
    stage.psql("update items set rank = rank + 1 where id % 3 = 1");
    scene.is_true().await;
    stage.psql("rollback prepared 'second'");
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapped_and_shifted_keys() {
    follows(&[
        "update items set id = case id when 2 then 4 else 2 end where id in (2, 4)",
        "update items set id = id + 1",
        // Two rows with one key for a while.
        "begin; set constraints all deferred;
            update items set id = 6, note = 'was 8' where id = 8;
            update items set id = 8, note = 'was 6' where id = 6 and note <> 'was 8';
            commit",
        "begin; delete from items where id = 10; insert into items (id, rank, flag, note)
            values (10, 1, true, 'back'); commit",
        "begin; insert into items (id, rank, flag) values (5000, 1, true);
            update items set id = 5001 where id = 5000; delete from items where id = 5001; commit",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_in_the_role_of_a_replica() {
    follows(&[
        "set session_replication_role = replica; update items set rank = 1 where id = 3",
        "set session_replication_role = replica; delete from items where id % 4 = 0",
        "set session_replication_role = replica;
            insert into items (rank, flag, note) values (5, true, 'replicated')",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_megabytes() {
    follows(&[
        "update items set note = repeat('x', 3000000) where id = 2",
        "update items set rank = rank + 1 where id = 2",
        "update items set note = 'small' where id = 2",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_rows_at_once() {
    follows(&[
        // Which would write one row two thousand times.
        "drop trigger tally on items",
        "insert into items (owner_id, rank, flag) select 1, n % 100, n % 7 = 0
            from generate_series(1, 2000) n",
        "update items set rank = rank + 1 where id % 2 = 0",
        "delete from items where id % 5 <> 0",
    ])
    .await;
}
