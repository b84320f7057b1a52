//! Values that databases and programs like to disagree about, few of each kind, so that they meet.

use std::sync::Arc;

use recto::prelude::*;
use recto::schema::Column;
use recto::schema::FilledBy;
use recto::schema::RowReader;
use recto::schema::Table;
use recto::value::Kind;
use recto::value::Row;
use serde_json::json;

use super::dice::Dice;

/// What a database can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// Everything.
    Postgres,
    /// Neither `NaN` nor years beyond four digits.
    Sqlite,
}

impl Backend {
    pub(crate) fn of(repo: &Repo) -> Self {
        if repo.database() == "PostgreSQL" { Self::Postgres } else { Self::Sqlite }
    }
}

/// Texts of every length but long.
pub(crate) const TEXTS: [&str; 14] = [
    "",
    "a",
    "A",
    "ä",
    "Ä",
    "b%_\\",
    "🦀 ünïcødé",
    "zz",
    " a",
    "a\tb",
    "e\u{301}",
    "é",
    "'\"",
    "seven",
];

/// Patterns that match some of them.
pub(crate) const PATTERNS: [&str; 12] =
    ["%", "a%", "%ä%", "_", "A_", "b\\%%", "", "%\\_%", "n%", "N_", "%é", "owner _"];

/// What may stand in `column` of `table`: never `NULL`.
pub(crate) fn value(table: &Table, column: &Column, backend: Backend, dice: &mut Dice) -> Value {
    let of_i32 = |number: i64| Value::Int(number);
    match (table.name, column.name) {
        ("items", "id") => Value::Int(1 + dice.small(600)),
        (_, "owner_id") | ("owners", "id") => Value::Int(1 + dice.small(5)),
        ("owners", "name") => Value::text(format!("owner {}", 1 + dice.roll(5))),
        (_, "rank") => of_i32(dice.small(100)),
        (_, "score") => of_i32(dice.small(12)),
        (_, "n") => Value::Int(dice.small(20)),
        (_, "position") => of_i32(dice.small(8)),
        (_, "length") => of_i32(dice.small(6)),
        (_, "price") => Value::Decimal(Decimal::new(dice.small(3000), 2)),
        (_, "weight") => Value::Float(weight(backend, dice)),
        (_, "note") => Value::text(note(dice)),
        (_, "label") => Value::text(*dice.any(&TEXTS[..6])),
        (_, "code" | "specimen_code") => Value::text(code(dice)),
        _ => of_kind(column.kind, backend, dice),
    }
}

/// A note as the writers write them.
pub(crate) fn note(dice: &mut Dice) -> String {
    match dice.roll(3) {
        0 => String::new(),
        1 => format!("ä{}", dice.roll(9)),
        _ => format!("n{}", dice.roll(9)),
    }
}

fn code(dice: &mut Dice) -> String {
    format!("{}{}", dice.any(&TEXTS), dice.roll(3))
}

fn weight(backend: Backend, dice: &mut Dice) -> f64 {
    match dice.roll(12) {
        0 => f64::INFINITY,
        1 if backend == Backend::Postgres => f64::NAN,
        2 => 1_048_576.0,
        _ => f64::from(i32::try_from(dice.roll(64)).unwrap()) / 4.0 - 5.0,
    }
}

/// Any value of a kind, the extremes among them.
pub(crate) fn of_kind(kind: Kind, backend: Backend, dice: &mut Dice) -> Value {
    let is_sqlite = backend == Backend::Sqlite;
    match kind {
        Kind::Bool => Value::Bool(dice.once_in(2)),
        Kind::I16 => Value::Int((*dice.any(&[i16::MIN, -1, 0, 3, 3, 4, 7, i16::MAX])).into()),
        Kind::I32 => Value::Int((*dice.any(&[i32::MIN, -1, 0, 3, 30, 60, 7, i32::MAX])).into()),
        Kind::I64 => Value::Int(*dice.any(&[i64::MIN, -1, 0, 3, 1 << 53, (1 << 53) + 1, i64::MAX])),
        Kind::F32 | Kind::F64 => Value::Float(float(kind, is_sqlite, dice)),
        Kind::Text => Value::text(*dice.any(&TEXTS)),
        Kind::Bytes => {
            Value::Bytes((*dice.any(&[&[][..], &[0], &[0, 255], &[39, 92], &[128, 0, 1]])).into())
        }
        Kind::Uuid => Value::Uuid(*dice.any(&[
            Uuid::nil(),
            Uuid::max(),
            Uuid::from_u128(7),
            Uuid::from_u128(9 << 90),
        ])),
        Kind::Decimal => Value::Decimal(decimal(dice)),
        Kind::Date => {
            let days = [0, -1, 20_000, 2_932_896, -719_528, i32::MAX, i32::MIN, 2_145_031_948];
            let days = if is_sqlite { &days[..7] } else { &days };
            Value::Date(Date::from_days(*dice.any(days)))
        }
        Kind::Time => Value::Time(Time::from_micros(*dice.any(&[
            0,
            1,
            43_200_000_000,
            86_399_999_999,
            86_400_000_000,
        ]))),
        Kind::Timestamp => Value::Timestamp(Timestamp::from_micros(*dice.any(instants(is_sqlite)))),
        Kind::Json => Value::Json(Arc::new(document(dice))),
        Kind::Array(item) => {
            let length = dice.roll(4);
            Value::Array((0..length).map(|_| of_kind(*item, backend, dice)).collect())
        }
        _ => panic!("a kind the oracle does not know: {kind}"),
    }
}

fn float(kind: Kind, is_sqlite: bool, dice: &mut Dice) -> f64 {
    let narrow = [f32::MAX, 0.1, 1.5, -0.0, 0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
    let wide = [f64::MAX, 5e-324, 0.1, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    let most = if is_sqlite { 7 } else { 8 };
    if kind == Kind::F32 { f64::from(*dice.any(&narrow[..most])) } else { *dice.any(&wide[..most]) }
}

fn decimal(dice: &mut Dice) -> Decimal {
    let all = [
        Decimal::MAX,
        Decimal::MIN,
        Decimal::ZERO,
        Decimal::new(1, 28),
        Decimal::new(-150, 2),
        Decimal::new(-15, 1),
        Decimal::new(10_000_000_000, 0),
        Decimal::new(0, 3),
    ];
    *dice.any(&all)
}

fn instants(is_sqlite: bool) -> &'static [i64] {
    // The end of year 9999, then what only PostgreSQL can say, from 4713 BC on.
    const ALL: [i64; 8] = [
        i64::MIN,
        i64::MAX,
        0,
        -1,
        946_684_800_000_000,
        253_402_207_199_999_999,
        -210_866_803_200_000_000,
        9_223_371_331_199_999_999,
    ];
    if is_sqlite { &ALL[..5] } else { &ALL }
}

fn document(dice: &mut Dice) -> Json {
    match dice.roll(6) {
        0 => json!(null),
        1 => json!({"a": [1, "é", 1.5], "b": {"c": null}}),
        2 => json!(""),
        3 => json!([]),
        4 => json!({"a": dice.roll(3)}),
        _ => json!(-0.5),
    }
}

/// A whole row; columns that may be `NULL` are so once in five.
pub(crate) fn row<S: Schema>(backend: Backend, dice: &mut Dice) -> S {
    let table = S::table();
    let columns = table.columns.iter().map(|column| match column.filled_by {
        FilledBy::Database => Value::Int(0),
        _ if column.nullable && dice.once_in(5) => Value::Null,
        _ => value(table, column, backend, dice),
    });
    let row: Row = columns.collect();
    S::load(&mut RowReader::new(table, &row)).unwrap()
}
