//! Values of every kind, there and back.

use std::sync::Arc;

use recto::Date;
use recto::Decimal;
use recto::Time;
use recto::Timestamp;
use recto::Uuid;
use recto::Value;
use recto::adapter::Connection;
use recto::value::Kind;
use serde_json::json;

use super::Scene;
use super::check;
use super::of_kinds;
use super::refusal;
use super::statement;

/// What a column of each type must give back as it went in.
fn hostile() -> Vec<(&'static str, Kind, Vec<Value>)> {
    let text = |text: &str| Value::text(text);
    let mut all = vec![
        ("boolean", Kind::Bool, vec![Value::Bool(true), Value::Bool(false)]),
        ("smallint", Kind::I16, [i16::MIN, 0, i16::MAX].map(|n| Value::Int(n.into())).into()),
        ("integer", Kind::I32, [i32::MIN, -1, i32::MAX].map(|n| Value::Int(n.into())).into()),
        ("bigint", Kind::I64, [i64::MIN, -1, i64::MAX].map(Value::Int).into()),
        (
            "text",
            Kind::Text,
            vec![text(""), text("ünïcødé 🦀 \"'%_\\{},"), text(&"é".repeat(1 << 19))],
        ),
        ("varchar(9)", Kind::Text, vec![text("null"), text("NULL")]),
        (
            "bytea",
            Kind::Bytes,
            vec![Value::Bytes([].into()), Value::Bytes([0, 255, 39, 92].into())],
        ),
        ("uuid", Kind::Uuid, vec![Value::Uuid(Uuid::nil()), Value::Uuid(Uuid::max())]),
        (
            "jsonb",
            Kind::Json,
            vec![json(json!(null)), json(json!({"a": [1, "é", 1.5]})), json(json!(""))],
        ),
        ("json", Kind::Json, vec![json(json!([])), json(json!({"b": 1, "a": {"c": null}}))]),
    ];
    all.extend(numbers());
    all.extend(times());
    all
}

fn json(value: serde_json::Value) -> Value {
    Value::Json(Arc::new(value))
}

fn numbers() -> Vec<(&'static str, Kind, Vec<Value>)> {
    let doubles =
        [f64::MAX, f64::MIN_POSITIVE, 5e-324, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let floats = [f32::MAX, 0.1, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let decimals = [
        Decimal::MAX,
        Decimal::MIN,
        Decimal::ZERO,
        Decimal::new(-150, 2),
        Decimal::new(1, 28),
        Decimal::new(10_000_000_000, 0),
    ];
    vec![
        ("double precision", Kind::F64, doubles.map(Value::Float).into()),
        ("real", Kind::F32, floats.map(|float| Value::Float(float.into())).into()),
        ("numeric", Kind::Decimal, decimals.map(Value::Decimal).into()),
        ("numeric(9, 4)", Kind::Decimal, vec![Value::Decimal(Decimal::new(-12_345, 4))]),
    ]
}

fn times() -> Vec<(&'static str, Kind, Vec<Value>)> {
    // From 4713 BC to the end of what PostgreSQL and 64 bits can both say.
    let days = [i32::MIN, i32::MAX, 0, -10_957, -2_440_587, 2_145_031_948];
    let micros = [i64::MIN, i64::MAX, 0, -1, 946_684_800_000_000, -210_866_803_200_000_000];
    let instants: Vec<Value> = micros.map(Timestamp::from_micros).map(Value::Timestamp).into();
    vec![
        ("date", Kind::Date, days.map(Date::from_days).map(Value::Date).into()),
        ("time", Kind::Time, [0, 1, 86_400_000_000].map(Time::from_micros).map(Value::Time).into()),
        ("timestamptz", Kind::Timestamp, instants.clone()),
        ("timestamp", Kind::Timestamp, instants),
    ]
}

#[tokio::test]
async fn every_kind_comes_back_as_it_went() {
    let mut scene = Scene::new().await;
    for (ty, kind, values) in hostile() {
        let sql = format!("create temp table t (value {ty}, list {ty}[]); select 1");
        scene.connection.batch(&sql).await.unwrap();
        let list: &'static Kind = Box::leak(Box::new(kind));
        let kinds = [kind, Kind::Array(list)];
        let all = Value::Array(values.iter().cloned().chain([Value::Null]).collect());
        let empty = Value::Array([].into());
        let mut cases: Vec<[Value; 2]> =
            values.iter().map(|value| [value.clone(), all.clone()]).collect();
        cases.push([Value::Null, empty]);
        cases.push([Value::Null, Value::Null]);
        for case in cases {
            let sql = "insert into t values ($1, $2) returning value, list";
            let answers = scene.connection.run(vec![of_kinds(sql, &case, &kinds)]).await;
            let answers = answers.unwrap_or_else(|error| panic!("{ty}: {}", error.chain()));
            assert_eq!(answers[0].rows[0].values(), case, "{ty}");
            // Equality takes `-0.0` for `0.0`, and decimals of another scale for the same.
            assert_eq!(format!("{:?}", answers[0].rows[0].values()), format!("{case:?}"), "{ty}");
        }
        scene.connection.batch("drop table t").await.unwrap();
    }
}

#[tokio::test]
async fn a_value_means_there_what_it_means_here() {
    let mut scene = Scene::new().await;
    let cases = [
        ("$1::numeric", Value::Decimal("-12345678.000100".parse().unwrap()), "-12345678.000100"),
        ("$1::numeric", Value::Decimal(Decimal::MAX), "79228162514264337593543950335"),
        ("$1::numeric", Value::Decimal(Decimal::new(1, 28)), "0.0000000000000000000000000001"),
        ("$1::numeric", Value::Int(10_000), "10000"),
        ("$1::date", Value::Date("2026-11-22".parse().unwrap()), "2026-11-22"),
        ("$1::date", Value::Date(Date::INFINITY), "infinity"),
        ("$1::date", Value::Date(Date::from_days(-719_529)), "0002-12-31 BC"),
        ("$1::time", Value::Time("08:00".parse().unwrap()), "08:00:00"),
        (
            "$1::timestamp",
            Value::Timestamp("2026-11-22T08:00:00.5Z".parse().unwrap()),
            "2026-11-22 08:00:00.5",
        ),
        ("$1::timestamptz", Value::Timestamp(Timestamp::NEG_INFINITY), "-infinity"),
        ("$1::float8", Value::Float(0.1), "0.1"),
        ("$1::float8", Value::Int(3), "3"),
        ("$1::real", Value::Float(0.1), "0.1"),
        ("$1::bytea", Value::Bytes([0, 255].into()), "\\x00ff"),
        ("$1::bigint[]", Value::Array([Value::Int(1), Value::Null].into()), "{1,NULL}"),
        ("$1::text[]", Value::Array([Value::text("a,\"b")].into()), "{\"a,\\\"b\"}"),
        ("$1::xid8", Value::Int(7), "7"),
        ("$1::oid", Value::Int(7), "7"),
        ("$1::interval", Value::text("1 day 2 hours"), "1 day 02:00:00"),
        ("$1::inet", Value::text("10.0.0.1/32"), "10.0.0.1/32"),
        ("$1::pg_snapshot", Value::text("10:20:11,15"), "10:20:11,15"),
        ("$1::int4range", Value::text("[1,5)"), "[1,5)"),
    ];
    for (cast, value, expected) in cases {
        let statement = statement(&format!("select ({cast})::text"), &[value]);
        let answers = scene.connection.run(vec![statement]).await;
        let answers = answers.unwrap_or_else(|error| panic!("{cast}: {}", error.chain()));
        assert_eq!(answers[0].rows[0].values(), [Value::text(expected)], "{cast}");
    }
}

#[tokio::test]
async fn types_of_the_user_are_text() {
    let mut scene = Scene::new().await;
    scene
        .connection
        .batch(
            "create type mood as enum ('sad', 'glad'); create domain small as int check (value < 10); \
             create table t (mood mood, moods mood[], small small)",
        )
        .await
        .unwrap();
    let moods = Value::Array([Value::text("glad"), Value::Null].into());
    let params = [Value::text("sad"), moods, Value::Int(3)];
    let sql = "insert into t values ($1, $2, $3) returning *";
    let answers = scene.connection.run(vec![statement(sql, &params)]).await.unwrap();
    assert_eq!(answers[0].rows[0].values(), params);
    let list = Value::Array([Value::text("sad")].into());
    let found = statement("select count(*) from t where mood = any($1)", &[list]);
    let answers = scene.connection.run(vec![found]).await.unwrap();
    assert_eq!(answers[0].rows[0].values(), [Value::Int(1)]);
}

#[tokio::test]
async fn types_without_a_kind_are_numbers_or_text() {
    let mut scene = Scene::new().await;
    let connection = &mut scene.connection;
    assert_eq!(
        check(
            connection,
            &["select interval '1 year -2 days 3.5 seconds', '7'::oid, '7'::xid8, \
               '16/B374D848'::pg_lsn, '10:20:11'::pg_snapshot, 'x'::\"char\", 'abc'::name, \
               pg_sleep(0), 'int'::regtype"]
        )
        .await,
        "[\"1 year -2 days +00:00:03.5\",7,7,\"16/B374D848\",\"10:20:11\",\"x\",\"abc\",null,23]"
    );
    assert_eq!(
        check(connection, &["select inet '10.0.0.1'"]).await,
        "invalid: could not read column `inet`: PostgreSQL's type `inet` has no value here: cast it \
         to text in the statement"
    );
    // A mistake in reading costs an answer, not the connection.
    assert_eq!(check(connection, &["select 1"]).await, "[1]");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name() {
    let mut scene = Scene::new().await;
    let mut send = async |cast: &str, value: Value| {
        let statement = statement(&format!("select $1::{cast}"), &[value]);
        refusal(&mut scene.connection, statement).await.what().to_owned()
    };
    let wide = "could not send parameter 1: 40000 does not fit PostgreSQL's `int2`";
    assert_eq!(send("smallint", Value::Int(40_000)).await, wide);
    assert_eq!(send("smallint[]", Value::Array([Value::Int(40_000)].into())).await, wide);
    assert_eq!(
        send("real", Value::Float(1e300)).await,
        format!(
            "could not send parameter 1: 1{} does not fit PostgreSQL's `float4`",
            "0".repeat(300)
        )
    );
    assert_eq!(
        send("text", Value::Int(1)).await,
        "could not send parameter 1: PostgreSQL expects `text`, found an integer"
    );
    assert_eq!(
        send("text", Value::text("a\0")).await,
        "could not send parameter 1: text must not hold the character NUL"
    );
    assert_eq!(
        send("date", Value::Date(Date::from_days(i32::MIN + 1))).await,
        "could not send parameter 1: `-2147483647 days` is before PostgreSQL's calendar"
    );
    let mut read = async |sql: &str, kind: Kind| {
        let statement = of_kinds(&format!("select {sql} as x"), &[], &[kind]);
        refusal(&mut scene.connection, statement).await.what().to_owned()
    };
    assert_eq!(
        read("'NaN'::numeric", Kind::Decimal).await,
        "could not read column `x`: a decimal cannot be `NaN`"
    );
    assert_eq!(
        read("1e40::numeric", Kind::Decimal).await,
        "could not read column `x`: a decimal holds at most 28 digits, and the number has more"
    );
    assert_eq!(
        read("40000", Kind::I16).await,
        "could not read column `x`: 40000 does not fit a 16-bit integer"
    );
    assert_eq!(
        read("1", Kind::Text).await,
        "could not read column `x`: expected text, found an integer"
    );
    assert_eq!(
        read("'{{1},{2}}'::int[]", Kind::Array(&Kind::I64)).await,
        "could not read column `x`: an array has one dimension here, and this one has more"
    );
    assert_eq!(
        read("'294276-12-31'::timestamp", Kind::Timestamp).await,
        "could not read column `x`: the timestamp is later than one can be here"
    );
}

#[tokio::test]
async fn numbers_of_the_database_are_read_digit_by_digit() {
    let mut scene = Scene::new().await;
    let texts = [
        "0",
        "0.00",
        "1",
        "-1",
        "10000",
        "9999.9999",
        "100000000000000000000",
        "0.0001",
        "0.00000000000000000000000001",
        "123456789.123456789",
        "-0.5",
        "1000.5000",
    ];
    for text in texts {
        let sql = format!("select '{text}'::numeric, '{text}'::numeric::text");
        let kinds = [Kind::Decimal, Kind::Text];
        let answers = scene.connection.run(vec![of_kinds(&sql, &[], &kinds)]).await.unwrap();
        let [Value::Decimal(number), Value::Text(said)] = answers[0].rows[0].values() else {
            panic!("the columns have these kinds")
        };
        assert_eq!(number.to_string(), said.as_ref());
    }
}
