//! Statements: prepared, sent together, outdated, given up.

use std::time::Duration;

use recto::ErrorKind;
use recto::Value;
use recto::adapter::Connection;
use recto::adapter::Statement;

use super::Scene;
use super::check;
use super::reading;
use super::refusal;
use super::statement;
use crate::support::wait::eventually;

#[tokio::test]
async fn answers_come_in_the_order_of_the_statements() {
    let mut scene = Scene::new().await;
    let many: Vec<Statement> = (0..500)
        .map(|n| Statement { params: vec![Value::Int(n)], ..reading("select $1::int8") })
        .collect();
    let answers = scene.connection.run(many).await.unwrap();
    let numbers: Vec<Value> =
        answers.iter().map(|answer| answer.rows[0].values()[0].clone()).collect();
    assert_eq!(numbers, (0..500).map(Value::Int).collect::<Vec<_>>());
}

#[tokio::test]
async fn counts_are_of_writes() {
    let mut scene = Scene::new().await;
    assert_eq!(
        check(
            &mut scene.connection,
            &[
                "create table t (a int)",
                "insert into t values (1), (2)",
                "select * from t where a = 3",
                "update t set a = 3 returning a",
                "delete from t"
            ]
        )
        .await,
        "0 changed; 2 changed; 0 changed; [3] [3]; 2 changed"
    );
}

#[tokio::test]
async fn outside_a_transaction_the_first_failure_stops_the_rest() {
    let mut scene = Scene::new().await;
    let connection = &mut scene.connection;
    check(connection, &["create table t (a int unique)"]).await;
    let insert = "insert into t values (1)";
    let error = check(connection, &[insert, insert, "insert into t values (2)"]).await;
    assert!(error.contains("duplicate key"), "{error}");
    assert_eq!(check(connection, &["select a from t"]).await, "[1]");
}

#[tokio::test]
async fn inside_a_transaction_all_or_nothing() {
    let mut scene = Scene::new().await;
    let connection = &mut scene.connection;
    check(connection, &["create table t (a int unique)"]).await;
    let insert = "insert into t values (1)";
    let error = check(connection, &["begin", insert, insert, "commit"]).await;
    assert!(error.contains("duplicate key"), "{error}");
    assert_eq!(check(connection, &["select count(*) from t"]).await, "[0]");
    assert_eq!(
        check(connection, &["begin", insert, "commit", "select a from t"]).await,
        "0 changed; 1 changed; 0 changed; [1]"
    );
}

#[tokio::test]
async fn a_commit_of_a_failed_transaction_is_no_success() {
    let mut scene = Scene::new().await;
    let connection = &mut scene.connection;
    check(connection, &["create table t (a int)", "begin", "insert into t values (1)"]).await;
    check(connection, &["select 1 / 0"]).await;
    assert_eq!(
        check(connection, &["commit"]).await,
        "invalid: could not commit: a statement of the transaction failed, so it was rolled back"
    );
    assert_eq!(check(connection, &["select count(*) from t"]).await, "[0]");
}

#[tokio::test]
async fn a_savepoint_saves_the_transaction() {
    let mut scene = Scene::new().await;
    let connection = &mut scene.connection;
    check(connection, &["create table t (a int)", "begin", "insert into t values (1)"]).await;
    check(connection, &["savepoint s1", "select 1 / 0"]).await;
    assert_eq!(
        check(connection, &["rollback to s1", "insert into t values (2)", "commit"]).await,
        "0 changed; 1 changed; 0 changed"
    );
    assert_eq!(check(connection, &["select count(*) from t"]).await, "[2]");
}

#[tokio::test]
async fn a_definition_is_there_for_the_statement_after_it() {
    let mut scene = Scene::new().await;
    assert_eq!(
        check(
            &mut scene.connection,
            &[
                "begin",
                "create table t (a int)",
                "insert into t values (1)",
                "drop table t",
                "commit"
            ]
        )
        .await,
        "0 changed; 0 changed; 1 changed; 0 changed; 0 changed"
    );
}

#[tokio::test]
async fn a_table_may_change_under_a_prepared_statement() {
    let mut scene = Scene::new().await;
    let mut other = scene.another().await;
    let connection = &mut scene.connection;
    check(connection, &["create table t (a int)", "insert into t values (1)"]).await;
    assert_eq!(check(connection, &["select * from t"]).await, "[1]");
    other.batch("alter table t add column b text default 'x'").await.unwrap();
    assert_eq!(check(connection, &["select * from t"]).await, "[1,\"x\"]");

    // What was kept before is not done again.
    other.batch("alter table t drop column b").await.unwrap();
    let insert = statement("insert into t values (2)", &[]);
    let statements = vec![insert, reading("select count(*) from t"), reading("select * from t")];
    let answers = connection.run(statements).await.unwrap();
    assert_eq!(answers[1].rows[0].values(), [Value::Int(2)]);
    assert_eq!(answers[2].rows.len(), 2);
    other.batch("alter table t add column b text default 'x'").await.unwrap();
    assert_eq!(
        check(connection, &["begin", "insert into t values (3)", "select * from t", "commit"])
            .await,
        "0 changed; 1 changed; [1,\"x\"] [2,\"x\"] [3,\"x\"]; 0 changed"
    );

    // In a transaction that is already open nothing can be asked again; the next one succeeds.
    other.batch("alter table t drop column b").await.unwrap();
    check(connection, &["begin"]).await;
    let error = refusal(connection, statement("select * from t", &[])).await;
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    check(connection, &["rollback", "begin"]).await;
    assert_eq!(check(connection, &["select * from t"]).await, "[1] [2] [3]");
}

#[tokio::test]
async fn a_parameter_may_outgrow_its_column_of_yesterday() {
    let mut scene = Scene::new().await;
    let mut other = scene.another().await;
    let connection = &mut scene.connection;
    check(connection, &["create table t (a int)"]).await;
    let insert = |number| statement("insert into t values ($1)", &[Value::Int(number)]);
    connection.run(vec![insert(1)]).await.unwrap();
    let error = refusal(connection, insert(5_000_000_000)).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    other.batch("alter table t alter a type bigint").await.unwrap();
    connection.run(vec![insert(5_000_000_000)]).await.unwrap();
}

#[tokio::test]
async fn more_statements_than_are_kept_prepared() {
    let mut scene = Scene::new().await;
    for round in 0..2 {
        let many = (0..400).map(|n| reading(&format!("select {n}"))).collect();
        let answers = scene.connection.run(many).await.unwrap();
        assert_eq!(answers[399].rows[0].values(), [Value::Int(399)], "round {round}");
    }
    let prepared =
        check(&mut scene.connection, &["select count(*) from pg_prepared_statements"]).await;
    let count: usize = prepared.trim_matches(['[', ']']).parse().unwrap();
    assert!(count <= 260, "{count} statements are prepared");
}

#[tokio::test]
async fn an_abandoned_transaction_is_rolled_back() {
    let mut scene = Scene::new().await;
    let connection = &mut scene.connection;
    check(connection, &["create table t (a int)", "begin", "insert into t values (1)"]).await;
    connection.abandon();
    assert!(!connection.is_broken());
    assert_eq!(check(connection, &["select count(*) from t"]).await, "[0]");
}

#[tokio::test]
async fn an_abandoned_statement_is_stopped() {
    let mut scene = Scene::new().await;
    let mut other = scene.another().await;
    {
        let work = scene.connection.run(vec![statement("select pg_sleep(60)", &[])]);
        tokio::time::timeout(Duration::from_millis(100), work).await.unwrap_err();
    }
    scene.connection.abandon();
    assert!(scene.connection.is_broken());
    let sleeping = "select count(*) from pg_stat_activity \
                    where query like 'select pg_sleep%' and state = 'active' \
                    and datname = current_database()";
    let stopped = async || check(&mut other, &[sleeping]).await == "[0]";
    eventually("the server stops", Duration::from_secs(10), stopped).await;
}

#[tokio::test]
async fn parameters_are_counted() {
    let mut scene = Scene::new().await;
    let error = refusal(&mut scene.connection, statement("select $1::int", &[])).await;
    assert_eq!(error.what(), "`select $1::int` takes 1 parameters, and 0 were given");
}
