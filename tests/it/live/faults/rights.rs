//! Rights: writers that may not touch the log, and an engine that is no superuser.

use recto::prelude::*;
use tokio::task::block_in_place;

use super::super::world;
use super::Scene;
use super::Stage;
use super::rows::ROWS;
use crate::support::cluster::Cluster;

/// A role that may write the tables, and nothing else.
pub(super) fn writer(stage: &Stage<'_>) -> String {
    // Roles belong to the cluster, databases have names of their own.
    let role = stage.psql("select 'writer_of_' || current_database()");
    stage.psql(&format!(
        "create role {role};
         grant select, insert, update, delete, truncate on items, owners, tallies to {role}"
    ));
    role
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_without_rights_on_the_log() {
    let stage = Stage::new().await;
    stage.psql(ROWS);
    let mut scene = Scene::on(&stage.repo).await;
    let role = writer(&stage);
    assert_eq!(
        stage.psql(
            "select has_schema_privilege(oid, 'recto', 'usage') from pg_roles \
        where rolname = 'writer_of_' || current_database()"
        ),
        "f"
    );
    for script in [
        "insert into items (owner_id, rank, flag, note) values (1, 5, true, 'unprivileged')",
        "update items set rank = rank + 1 where id < 9",
        "update items set id = id + 1000 where id = 5",
        "delete from owners where id = 2",
        "delete from items",
    ] {
        stage.psql(&format!("set role {role}; {script}"));
        scene.is_true().await;
    }
    // A path of its own leads nobody astray.
    stage.psql(&format!(
        "create schema trap; create table trap.changes (tab text, op text, key text);
         create function trap.jsonb_build_array(bigint) returns text language sql
            as 'select ''wrong''';
         grant usage on schema trap to {role}; set role {role};
         set search_path = trap, public, recto, pg_catalog;
         insert into items (rank, flag, note) values (5, true, 'misled')"
    ));
    scene.is_true().await;
    assert_eq!(scene.items.rows().len(), 1);
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_without_the_rights_of_a_superuser() {
    let cluster = Cluster::shared();
    let database = cluster.create_database();
    let role = format!("owner_of_{}", database.name());
    let psql = |url: &str, sql: &str| block_in_place(|| cluster.psql(url, sql));
    psql(
        database.url(),
        &format!("create role {role} login; alter database {} owner to {role}", database.name()),
    );
    let url = database.url().replace("postgres://postgres@", &format!("postgres://{role}@"));
    let repo = Repo::connect(&url).await.unwrap();
    world::create(&repo).await;
    let mut scene = Scene::on(&repo).await;
    psql(&url, ROWS);
    scene.is_true().await;
    // Once more as crash recovery leaves it.
    psql(database.url(), "begin; delete from recto.epoch; delete from recto.changes; commit");
    psql(database.url(), "update items set rank = rank + 1");
    scene.finish().await;
}
