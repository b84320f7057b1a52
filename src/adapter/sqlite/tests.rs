//! One connection to SQLite, and several to one database.

use std::path::PathBuf;

use super::*;
use crate::adapter::Pool;
use crate::adapter::PoolConfig;
use crate::error::Rule;
use crate::value::Date;
use crate::value::Decimal;
use crate::value::Kind;
use crate::value::Time;
use crate::value::Timestamp;
use crate::value::Uuid;
use crate::value::Value;

fn statement(sql: &str, params: &[Value]) -> Statement {
    of_kinds(sql, params, &[])
}

fn of_kinds(sql: &str, params: &[Value], kinds: &[Kind]) -> Statement {
    Statement { sql: sql.into(), params: params.into(), kinds: kinds.into(), effect: Effect::Keeps }
}

/// A file that is gone with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let file = format!("recto-{name}-{}.db", std::process::id());
        Self(std::env::temp_dir().join(file))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(ending);
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn memory() -> SqliteConnection {
    Sqlite::open(":memory:").connect(Access::Write).await.unwrap()
}

/// Runs one statement and shows what came back.
async fn check(connection: &mut SqliteConnection, sql: &str) -> String {
    match connection.run(vec![statement(sql, &[])]).await {
        Ok(answers) => {
            let rows = answers[0].rows.iter().map(|row| {
                let mut text = String::new();
                Value::Array(row.values().into()).write_json(&mut text);
                text
            });
            let rows: Vec<String> = rows.collect();
            if rows.is_empty() {
                format!("{} changed", answers[0].affected)
            } else {
                rows.join(" ")
            }
        }
        Err(error) => error.chain().to_string(),
    }
}

async fn round_trip(connection: &mut SqliteConnection, kind: Kind, value: &Value) -> Result<Value> {
    let sql = "insert into kinds (value) values (?1) returning value";
    let mut answers =
        connection.run(vec![of_kinds(sql, std::slice::from_ref(value), &[kind])]).await?;
    Ok(answers.remove(0).rows.remove(0).values()[0].clone())
}

fn hostile() -> Vec<(Kind, Vec<Value>)> {
    let text = |text: &str| Value::text(text);
    vec![
        (Kind::Bool, vec![Value::Bool(true), Value::Bool(false), Value::Null]),
        (Kind::I16, vec![Value::Int(i16::MIN.into()), Value::Int(i16::MAX.into())]),
        (Kind::I32, vec![Value::Int(i32::MIN.into()), Value::Int(i32::MAX.into())]),
        (Kind::I64, vec![Value::Int(i64::MIN), Value::Int(i64::MAX), Value::Int(0)]),
        (Kind::F32, vec![Value::Float(f32::MAX.into()), Value::Float(f64::from(0.1_f32))]),
        (
            Kind::F64,
            [f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0, f64::INFINITY, f64::NEG_INFINITY, 1e300]
                .map(Value::Float)
                .into(),
        ),
        (Kind::Text, vec![text(""), text("ünïcødé 🦀 \"'%_\\"), text(&"x".repeat(1 << 20))]),
        (Kind::Bytes, vec![Value::Bytes([].into()), Value::Bytes([0, 255, 39].into())]),
        (Kind::Uuid, vec![Value::Uuid(Uuid::nil()), Value::Uuid(Uuid::max())]),
        (
            Kind::Decimal,
            [Decimal::MAX, Decimal::MIN, Decimal::ZERO, Decimal::new(150, 2), Decimal::new(-1, 28)]
                .map(Value::Decimal)
                .into(),
        ),
        (
            Kind::Date,
            [
                Date::INFINITY,
                Date::NEG_INFINITY,
                Date::from_days(-719_528),
                Date::from_days(2_932_896),
            ]
            .map(Value::Date)
            .into(),
        ),
        (Kind::Time, [0, 1, 86_400_000_000].map(Time::from_micros).map(Value::Time).into()),
        (
            Kind::Timestamp,
            [i64::MAX, i64::MIN, 0, -1, 1_700_000_000_000_001]
                .map(Timestamp::from_micros)
                .map(Value::Timestamp)
                .into(),
        ),
        (
            Kind::Json,
            [
                serde_json::json!(null),
                serde_json::json!({"a": [1, "é", 1.5e300]}),
                serde_json::json!(""),
            ]
            .map(|json| Value::Json(Arc::new(json)))
            .into(),
        ),
    ]
}

#[tokio::test]
async fn every_kind_comes_back_as_it_went() {
    let mut connection = memory().await;
    connection.batch("create table kinds (value)").await.unwrap();
    for (kind, values) in hostile() {
        for value in values.into_iter().chain([Value::Null]) {
            let back = round_trip(&mut connection, kind, &value).await.unwrap();
            assert_eq!(back, value, "{kind}");
        }
    }
}

#[tokio::test]
async fn lists_find_what_was_stored() {
    let mut connection = memory().await;
    let dialect = SqliteDialect;
    for (kind, values) in hostile() {
        if matches!(kind, Kind::Json) {
            continue;
        }
        connection.batch("drop table if exists t; create table t (value)").await.unwrap();
        for value in &values {
            connection
                .run(vec![statement("insert into t values (?1)", std::slice::from_ref(value))])
                .await
                .unwrap();
        }
        let values: Vec<Value> = values.into_iter().filter(|value| !value.is_null()).collect();
        let count = i64::try_from(values.len()).unwrap();
        let list = [Value::Array(values.into())];
        let membership = dialect.membership(1, kind, false).unwrap();
        let sql = format!("select count(*) from t where value {membership}");
        let answers = connection.run(vec![statement(&sql, &list)]).await.unwrap();
        assert_eq!(answers[0].rows[0].values(), [Value::Int(count)], "{kind}");
    }
}

#[tokio::test]
async fn keys_of_several_parts_are_found() {
    let mut connection = memory().await;
    connection
        .batch("create table t (a, b); insert into t values (1, 'x'), (1, x'00ff'), (2, 'x')")
        .await
        .unwrap();
    let columns = [("a".to_owned(), Kind::I64), ("b".to_owned(), Kind::Bytes)];
    let sql =
        format!("select * from t where {}", SqliteDialect.key_membership(&columns, 1).unwrap());
    let key = Value::Array([Value::Int(1), Value::Bytes([0, 255].into())].into());
    let keys = Value::Array([key].into());
    let answers = connection.run(vec![statement(&sql, &[keys])]).await.unwrap();
    assert_eq!(answers[0].rows.len(), 1);
}

#[tokio::test]
async fn what_sqlite_cannot_keep_is_refused_by_name() {
    let mut connection = memory().await;
    let mut refusal = async |value: Value| {
        let error = connection.run(vec![statement("select ?1", &[value])]).await.unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refusal(Value::Float(f64::NAN)).await,
        "invalid: could not send parameter 1: SQLite would store `NaN` as `NULL`"
    );
    assert_eq!(
        refusal(Value::Date(Date::from_days(-719_529))).await,
        "invalid: could not send parameter 1: SQLite keeps the years 0000 to 9999, and \
         `-000001-12-31` is outside"
    );
    assert_eq!(
        refusal(Value::text("a\0b")).await,
        "invalid: could not send parameter 1: text must not hold the character NUL"
    );
}

#[tokio::test]
async fn loading_is_strict() {
    let mut connection = memory().await;
    let mut load = async |sql: &str, kind: Kind| {
        let statement = of_kinds(&format!("select {sql} as x"), &[], &[kind]);
        connection.run(vec![statement]).await.unwrap_err().what().to_owned()
    };
    assert_eq!(
        load("'2026-11-22 08:00:00'", Kind::Timestamp).await,
        "could not read column `x`: SQLite should hold a timestamp such as \
         `2026-11-22T08:00:00.000000Z`, and holds the text `2026-11-22 08:00:00`"
    );
    assert_eq!(
        load("'1.50'", Kind::Decimal).await,
        "could not read column `x`: SQLite should hold a decimal in text, without trailing zeros, \
         and holds the text `1.50`"
    );
    assert_eq!(
        load("1.5", Kind::Decimal).await,
        "could not read column `x`: SQLite should hold a decimal in text, without trailing zeros, \
         and holds the number 1.5"
    );
    for (sql, kind) in [
        ("2", Kind::Bool),
        ("40000", Kind::I16),
        ("1.5", Kind::I64),
        ("9007199254740993", Kind::F64),
        ("1", Kind::Text),
        ("'x'", Kind::Bytes),
        ("'6F9619FF-8B86-D011-B42D-00C04FC964FF'", Kind::Uuid),
        ("'2026-1-2'", Kind::Date),
        ("'08:00'", Kind::Time),
        ("'08:00:60.000000'", Kind::Time),
        ("'2026-11-22T08:00:00.000000+00:00'", Kind::Timestamp),
        ("'{'", Kind::Json),
        ("'[]'", Kind::Array(&Kind::Text)),
        ("x'61'", Kind::Text),
    ] {
        assert!(load(sql, kind).await.contains("SQLite should hold"), "{sql}");
    }
}

#[tokio::test]
async fn counts_are_of_this_statement() {
    let mut connection = memory().await;
    assert_eq!(check(&mut connection, "create table t (a unique)").await, "0 changed");
    assert_eq!(check(&mut connection, "insert into t values (1), (2)").await, "2 changed");
    assert_eq!(check(&mut connection, "select * from t where a = 9").await, "0 changed");
    assert_eq!(
        check(&mut connection, "with x as (select 1) select * from x where 0").await,
        "0 changed"
    );
    assert_eq!(check(&mut connection, "create table u (a)").await, "0 changed");
    assert_eq!(check(&mut connection, "update t set a = a + 10 returning a").await, "[11] [12]");
    assert_eq!(
        check(&mut connection, "select \"nothing\" from t").await,
        "invalid: could not run `select \"nothing\" from t`: no such column: \"nothing\" - should \
         this be a string literal in single-quotes? (SQLite code 1)"
    );
    assert_eq!(
        check(&mut connection, "select 1; select 2").await,
        "invalid: could not run `select 1; select 2`: Multiple statements provided"
    );
}

#[tokio::test]
async fn the_first_failure_stops_the_rest() {
    let mut connection = memory().await;
    connection.batch("create table t (a unique)").await.unwrap();
    let insert = |number| statement("insert into t values (?1)", &[Value::Int(number)]);
    let error = connection.run(vec![insert(1), insert(1), insert(2)]).await.unwrap_err();
    assert_eq!(error.violation().map(|violation| violation.rule), Some(Rule::Unique));
    assert_eq!(check(&mut connection, "select * from t").await, "[1]");
}

#[tokio::test]
async fn an_abandoned_transaction_is_rolled_back() {
    let mut connection = memory().await;
    connection.batch("create table t (a)").await.unwrap();
    let texts = ["begin immediate", "insert into t values (1)"];
    connection.run(texts.map(|sql| statement(sql, &[])).into()).await.unwrap();
    connection.abandon();
    assert_eq!(check(&mut connection, "select count(*) from t").await, "[0]");
    assert!(!connection.is_broken());
}

#[tokio::test]
async fn an_abandoned_statement_is_interrupted() {
    let mut connection = memory().await;
    let endless =
        "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n";
    let work = connection.run(vec![statement(endless, &[])]);
    tokio::time::timeout(Duration::from_millis(50), work).await.unwrap_err();
    connection.abandon();
    let next = tokio::time::timeout(Duration::from_secs(5), check(&mut connection, "select 1"));
    assert_eq!(next.await.unwrap(), "[1]");
}

#[tokio::test]
async fn handles_to_one_database_in_memory_take_turns() {
    let sqlite = Sqlite::open(":memory:");
    let mut first = sqlite.connect(Access::Write).await.unwrap();
    let mut second = sqlite.connect(Access::Read).await.unwrap();
    first.batch("create table t (a); begin; insert into t values (1)").await.unwrap();
    {
        let mut waiting = Box::pin(check(&mut second, "select count(*) from t"));
        tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.unwrap_err();
        assert_eq!(check(&mut first, "rollback").await, "0 changed");
        assert_eq!(waiting.await, "[0]");
    }
    drop(first);
    drop(second);
    let mut third = sqlite.connect(Access::Read).await.unwrap();
    assert_eq!(check(&mut third, "select count(*) from t").await, "[0]");
}

#[tokio::test]
async fn a_file_has_readers_that_only_read() {
    let scratch = Scratch::new("readers");
    let sqlite = Sqlite::open(&scratch.0);
    let (writer, reader) =
        tokio::join!(sqlite.connect(Access::Write), sqlite.connect(Access::Read));
    let (mut writer, mut reader) = (writer.unwrap(), reader.unwrap());
    writer.batch("create table t (a)").await.unwrap();
    assert_eq!(check(&mut writer, "pragma journal_mode").await, "[\"wal\"]");
    assert_eq!(check(&mut writer, "pragma foreign_keys").await, "[1]");
    assert_eq!(
        check(&mut reader, "insert into t values (1)").await,
        "invalid: could not run `insert into t values (1)`: attempt to write a readonly database \
         (SQLite code 8)"
    );
    // A reader keeps its state while the writer goes on.
    assert_eq!(check(&mut reader, "begin").await, "0 changed");
    assert_eq!(check(&mut reader, "select count(*) from t").await, "[0]");
    assert_eq!(check(&mut writer, "insert into t values (1)").await, "1 changed");
    assert_eq!(check(&mut reader, "select count(*) from t").await, "[0]");
    assert_eq!(check(&mut reader, "rollback").await, "0 changed");
    assert_eq!(check(&mut reader, "select count(*) from t").await, "[1]");
}

#[tokio::test]
async fn a_lock_that_cannot_be_had_is_a_conflict() {
    let scratch = Scratch::new("locked");
    let (one, two) = (Sqlite::open(&scratch.0), Sqlite::open(&scratch.0));
    let mut first = one.connect(Access::Write).await.unwrap();
    let mut second = two.connect(Access::Write).await.unwrap();
    assert_eq!(check(&mut second, "pragma busy_timeout = 10").await, "[10]");
    assert_eq!(check(&mut first, "begin immediate").await, "0 changed");
    let error = second.run(vec![statement("begin immediate", &[])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing_open() {
    let mut connection = memory().await;
    connection
        .batch(
            "create table a (id integer primary key); \
             create table b (a references a deferrable initially deferred);",
        )
        .await
        .unwrap();
    let texts = ["begin", "insert into b values (7)", "commit"];
    let error = connection.run(texts.map(|sql| statement(sql, &[])).into()).await.unwrap_err();
    assert_eq!(error.violation().map(|violation| violation.rule), Some(Rule::ForeignKey));
    assert!(connection.permit.is_none());
    assert_eq!(check(&mut connection, "rollback").await, "0 changed");
    assert_eq!(check(&mut connection, "select count(*) from b").await, "[0]");
}

#[tokio::test]
async fn a_transaction_that_sqlite_ended_lets_nothing_through() {
    let mut connection = memory().await;
    connection.batch("create table t (a unique); insert into t values (1)").await.unwrap();
    assert_eq!(check(&mut connection, "begin").await, "0 changed");
    check(&mut connection, "insert or rollback into t values (1)").await;
    assert_eq!(
        check(&mut connection, "insert into t values (2)").await,
        "conflict: SQLite rolled the transaction back: begin it anew"
    );
    assert_eq!(check(&mut connection, "rollback").await, "0 changed");
    assert_eq!(check(&mut connection, "insert into t values (2)").await, "1 changed");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error() {
    let sqlite = Sqlite::open("/nowhere/at/all.db");
    let error = sqlite.connect(Access::Read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.what(), "could not open the SQLite database `/nowhere/at/all.db`");
}

#[tokio::test]
async fn missing_parameters_are_counted() {
    let mut connection = memory().await;
    assert_eq!(
        check(&mut connection, "select ?1, ?2").await,
        "invalid: `select ?1, ?2` takes 2 parameters, and 0 were given"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gives_up_leaves_nothing_half_done() {
    let scratch = Scratch::new("give-up");
    let config = PoolConfig { max_size: 4, wait: Duration::from_secs(20) };
    let pool = Pool::new(Arc::new(Sqlite::open(&scratch.0)), &config);
    let setup = "create table t (id integer primary key, amount integer); \
                 insert into t values (1, 500), (2, 500)";
    pool.checkout(Access::Write).await.unwrap().batch(setup).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..4_u64 {
        let pool = pool.clone();
        workers.spawn(async move {
            for round in 0..60_u64 {
                let transfer = async {
                    let mut lease = pool.checkout(Access::Write).await?;
                    lease.pin();
                    lease.run(vec![statement("begin immediate", &[])]).await?;
                    let take = "update t set amount = amount - 1 where id = 1";
                    lease.run(vec![statement(take, &[])]).await?;
                    let put = "update t set amount = amount + 1 where id = 2";
                    lease.run(vec![statement(put, &[]), statement("commit", &[])]).await?;
                    lease.unpin();
                    Ok::<_, Error>(())
                };
                // From giving up at once to coming to the end.
                let patience = Duration::from_micros((worker * 61 + round * 37) % 700);
                if let Ok(result) = tokio::time::timeout(patience, transfer).await {
                    result.unwrap();
                }
                let mut lease = pool.checkout(Access::Read).await.unwrap();
                let ask = statement("select sum(amount) from t", &[]);
                let answers = lease.run(vec![ask]).await.unwrap();
                assert_eq!(answers[0].rows[0].values(), [Value::Int(1000)]);
            }
        });
    }
    while let Some(result) = workers.join_next().await {
        result.unwrap();
    }
}
