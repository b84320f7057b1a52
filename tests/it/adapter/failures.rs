//! What can go wrong, and what the caller is told.

use std::time::Duration;

use recto::ErrorKind;
use recto::adapter::Access;
use recto::adapter::Adapter;
use recto::adapter::Connection;
use recto::adapter::Effect;
use recto::adapter::Statement;
use recto::adapter::postgres::Listener;
use recto::adapter::postgres::Postgres;
use recto::error::Rule;
use recto::error::Violation;

use super::Scene;
use super::check;
use super::reading;
use super::refusal;
use super::statement;
use crate::support::cluster::Cluster;
use crate::support::wait::eventually;

/// A bound for a loaded machine; what is waited for takes milliseconds.
const BOUND: Duration = Duration::from_secs(10);

#[tokio::test]
async fn broken_rules_are_named() {
    let mut scene = Scene::new().await;
    let connection = &mut scene.connection;
    connection
        .batch(
            "create table a (id int primary key, x text not null constraint short check (length(x) < 5)); \
             create table b (a int references a); insert into a values (1, 'x')",
        )
        .await
        .unwrap();
    let mut broken = async |sql: &str| {
        let error = refusal(connection, statement(sql, &[])).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.violation().cloned().unwrap()
    };
    let expected = |rule, name: Option<&str>, table: &str, columns: &[&str]| Violation {
        rule,
        name: name.map(str::to_owned),
        table: Some(table.to_owned()),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
    };
    assert_eq!(
        broken("insert into a values (1, 'x')").await,
        expected(Rule::Unique, Some("a_pkey"), "a", &[])
    );
    assert_eq!(
        broken("insert into a values (2, null)").await,
        expected(Rule::NotNull, None, "a", &["x"])
    );
    assert_eq!(
        broken("insert into a values (2, 'too long')").await,
        expected(Rule::Check, Some("short"), "a", &[])
    );
    assert_eq!(
        broken("insert into b values (7)").await,
        expected(Rule::ForeignKey, Some("b_a_fkey"), "b", &[])
    );
}

#[tokio::test]
async fn an_error_says_what_without_the_values() {
    let mut scene = Scene::new().await;
    check(&mut scene.connection, &["create table a (x text unique)"]).await;
    let sql = "insert into a values ('secret'), ('secret')";
    check(&mut scene.connection, &["select 1"]).await;
    let error = refusal(&mut scene.connection, statement(sql, &[])).await;
    assert_eq!(
        error.chain().to_string(),
        format!(
            "invalid: could not run `{sql}`: duplicate key value violates unique constraint \
             \"a_x_key\" (SQLSTATE 23505)"
        )
    );
}

#[tokio::test]
async fn waiting_too_long_has_names() {
    let mut scene = Scene::new().await;
    let mut other = scene.another().await;
    check(&mut other, &["create table t (a int)", "begin", "lock table t"]).await;
    let connection = &mut scene.connection;
    check(connection, &["set lock_timeout = 20"]).await;
    let error = refusal(connection, reading("select * from t")).await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    check(connection, &["set lock_timeout = 0", "set statement_timeout = 20"]).await;
    let error = refusal(connection, reading("select * from t")).await;
    assert!(matches!(error.kind(), ErrorKind::Timeout(_)), "{}", error.chain());
    check(&mut other, &["rollback"]).await;
    assert_eq!(check(connection, &["select count(*) from t"]).await, "[0]");
}

#[tokio::test]
async fn a_deadlock_is_a_conflict() {
    let mut scene = Scene::new().await;
    let mut other = scene.another().await;
    let setup = "create table t (a int); insert into t values (1), (2); set deadlock_timeout = 20";
    scene.connection.batch(setup).await.unwrap();
    check(&mut scene.connection, &["begin", "update t set a = a where a = 1"]).await;
    check(&mut other, &["begin", "update t set a = a where a = 2"]).await;
    let one = scene.connection.run(vec![reading("update t set a = a where a = 2")]);
    let two = other.run(vec![reading("update t set a = a where a = 1")]);
    let (one, two) = tokio::join!(one, two);
    let failed = [one.err(), two.err()];
    let kinds: Vec<ErrorKind> = failed.iter().flatten().map(recto::Error::kind).collect();
    assert_eq!(kinds, [ErrorKind::Conflict]);
}

/// Cuts a connection while it works, and tells what it says of it.
async fn cut(effect: Effect) -> ErrorKind {
    let mut scene = Scene::new().await;
    let mut other = scene.another().await;
    let work = Statement { effect, ..reading("select pg_sleep(60) as cut_me") };
    let run = scene.connection.run(vec![work]);
    let terminate = async {
        let sql = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                   where query like '%cut_me%' and state = 'active' \
                   and pid <> pg_backend_pid() and datname = current_database()";
        let found = async || check(&mut other, &[sql]).await != "[0]";
        eventually("the statement is found and cut", BOUND, found).await;
    };
    let (result, ()) = tokio::join!(run, terminate);
    let kind = result.unwrap_err().kind();
    // Whatever comes next was never sent, so that nothing can be in doubt.
    let error = refusal(&mut scene.connection, statement("select 1", &[])).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(scene.connection.is_broken());
    kind
}

#[tokio::test]
async fn a_lost_connection_leaves_doubt_about_writes_only() {
    assert_eq!(cut(Effect::None).await, ErrorKind::Unavailable);
    assert_eq!(cut(Effect::Keeps).await, ErrorKind::InDoubt);
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let postgres = Postgres::new("postgres://postgres:secret@127.0.0.1:1/x").unwrap();
    let error = postgres.connect(Access::Read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.what(), "could not connect to PostgreSQL at `127.0.0.1:1/x`");
}

#[tokio::test]
async fn a_database_that_is_not_there() {
    let postgres = Postgres::new(&Cluster::shared().url("nowhere")).unwrap();
    let error = postgres.connect(Access::Read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_bell_is_heard_by_those_who_listen() {
    let mut scene = Scene::new().await;
    let mut listener = scene.postgres.listener("Bell \"1\"").await.unwrap();
    let other = Listener::connect(scene.database.url(), "Bell \"1\"").await.unwrap();
    for _ in 0..100 {
        other.notify().await.unwrap();
    }
    let heard = listener.recv().await.unwrap();
    assert_eq!(heard.from_pid, other.pid());
    listener.notify().await.unwrap();
    // Rings that came late may still be there.
    while listener.recv().await.unwrap().from_pid != listener.pid() {}

    let sql = format!("select pg_terminate_backend({})", listener.pid());
    check(&mut scene.connection, &[&sql]).await;
    let error = loop {
        match listener.recv().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(listener.notify().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_collation_decides_about_the_order_of_text() {
    let scene = Scene::new().await;
    assert!(scene.connection.semantics().text_by_bytes);
    let cluster = Cluster::shared();
    cluster.psql(
        &cluster.url("postgres"),
        "create database linguistic template template0 locale_provider icu icu_locale 'en-US'",
    );
    let postgres = Postgres::new(&cluster.url("linguistic")).unwrap();
    let connection = postgres.connect(Access::Read).await.unwrap();
    assert!(!connection.semantics().text_by_bytes);
}

#[tokio::test]
async fn whoever_gives_up_leaves_nothing_half_done() {
    let scene = Scene::new().await;
    let mut watcher = scene.another().await;
    let setup = "create table t (id int primary key, amount int); \
                 insert into t values (1, 500), (2, 500)";
    watcher.batch(setup).await.unwrap();
    let mut connection = scene.another().await;
    for round in 0..150 {
        let transfer = async {
            let take = "update t set amount = amount - 1 where id = 1";
            connection.run(vec![reading("begin"), reading(take)]).await?;
            let put = "update t set amount = amount + 1 where id = 2";
            connection.run(vec![reading(put), statement("commit", &[])]).await
        };
        // From giving up at once to coming to the end.
        let patience = Duration::from_micros(round * 37 % 3000);
        if let Ok(result) = tokio::time::timeout(patience, transfer).await {
            result.unwrap();
        }
        connection.abandon();
        if connection.is_broken() {
            connection = scene.another().await;
        }
        assert_eq!(check(&mut watcher, &["select sum(amount) from t"]).await, "[1000]");
    }
}
