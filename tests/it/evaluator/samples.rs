//! Rows with a column of every kind, filled with what databases and programs disagree about.

use recto::prelude::*;
use recto::query::Col;
use recto::query::Row;
use recto::value::FromValue;
use recto::value::ToValue;

use crate::live::dice::Dice;

#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "samples")]
pub(crate) struct Sample {
    pub(crate) id: i64,
    pub(crate) yes: Option<bool>,
    pub(crate) no: Option<bool>,
    pub(crate) small: Option<i16>,
    pub(crate) middle: Option<i32>,
    pub(crate) large: Option<i64>,
    pub(crate) larger: Option<i64>,
    pub(crate) narrow: Option<f32>,
    pub(crate) wide: Option<f64>,
    pub(crate) wider: Option<f64>,
    pub(crate) exact: Option<Decimal>,
    pub(crate) exacter: Option<Decimal>,
    pub(crate) text: Option<String>,
    pub(crate) words: Option<String>,
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) tag: Option<Uuid>,
    pub(crate) day: Option<Date>,
    pub(crate) hour: Option<Time>,
    pub(crate) instant: Option<Timestamp>,
    pub(crate) extra: Option<Json>,
}

pub(crate) const POSTGRES: &str = "
create table samples (
    id bigint primary key, yes boolean, no boolean, small smallint, middle integer, large bigint,
    larger bigint, narrow real, wide double precision, wider double precision, exact numeric,
    exacter numeric, text text, words text, raw bytea, tag uuid, day date, hour time,
    instant timestamptz, extra jsonb
)";

pub(crate) const SQLITE: &str = "
create table samples (
    id integer primary key, yes integer, no integer, small integer, middle integer, large integer,
    larger integer, narrow real, wide real, wider real, exact text, exacter text, text text,
    words text, raw blob, tag text, day text, hour text, instant text, extra text
)";

/// What a database can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Postgres,
    /// No `NaN`.
    Sqlite,
}

/// A type that columns of the samples have.
pub(crate) trait Sampled: FromValue<Inner = Self> + ToValue + Clone + 'static {
    /// Its columns.
    fn columns(row: Row<'_, Sample>) -> Vec<Col<'_, Option<Self>>>;

    /// A value, not too seldom one that was there before.
    fn throw(dice: &mut Dice, backend: Backend) -> Self;
}

fn parsed<T: std::str::FromStr>(text: &str) -> T {
    let Ok(value) = text.parse() else { panic!("`{text}` cannot be read") };
    value
}

macro_rules! sampled {
    ($($type:ty: $($column:ident),+; |$dice:ident, $backend:ident| $throw:expr;)*) => {$(
        impl Sampled for $type {
            fn columns(row: Row<'_, Sample>) -> Vec<Col<'_, Option<Self>>> {
                vec![$(row.$column),+]
            }

            fn throw($dice: &mut Dice, $backend: Backend) -> Self {
                $throw
            }
        }
    )*};
}

sampled! {
    bool: yes, no; |dice, _backend| dice.once_in(2);
    i16: small; |dice, _backend| *dice.any(&[0, 1, -1, i16::MIN, i16::MAX]);
    i32: middle; |dice, _backend| *dice.any(&[0, 1, -1, i32::MIN, i32::MAX]);
    i64: large, larger; |dice, _backend| {
        *dice.any(&[0, 1, -1, i64::MIN, i64::MAX, i64::MAX - 1, 1 << 53, (1 << 53) + 1])
    };
    f32: narrow; |dice, backend| {
        let floats = [0.0, -0.0, 0.1, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, 1e-45, f32::NAN];
        finite(*dice.any(&floats), f32::is_nan, backend)
    };
    f64: wide, wider; |dice, backend| {
        let floats = [
            0.0, -0.0, 0.1, 0.300_000_000_000_000_04, 0.3, f64::MAX, f64::INFINITY, f64::NEG_INFINITY,
            5e-324, 9_007_199_254_740_993.0, f64::NAN,
        ];
        finite(*dice.any(&floats), f64::is_nan, backend)
    };
    Decimal: exact, exacter; |dice, _backend| parsed(dice.any::<&str>(&[
        "0", "-0", "0.00", "1", "1.0", "1.00", "-1", "10", "9", "0.1", "0.10",
        "0.0000000000000000000000000001", "79228162514264337593543950335",
        "-79228162514264337593543950335", "1000000000000000000000000000.5",
    ]));
    String: text, words; |dice, _backend| (*dice.any(TEXTS)).to_owned();
    Vec<u8>: raw; |dice, _backend| dice.any(&[&[][..], &[0], &[0, 0], &[255], &[65], &[0, 255]]).to_vec();
    Uuid: tag; |dice, _backend| {
        *dice.any(&[Uuid::nil(), Uuid::max(), Uuid::from_u128(1), Uuid::from_u128(1 << 127)])
    };
    Date: day; |dice, _backend| parsed(dice.any::<&str>(&[
        "infinity", "-infinity", "1970-01-01", "0001-01-01", "9999-12-31", "2024-02-29",
    ]));
    Time: hour; |dice, _backend| {
        parsed(dice.any::<&str>(&["00:00:00", "00:00:00.000001", "12:00:00", "23:59:59.999999"]))
    };
    Timestamp: instant; |dice, _backend| parsed(dice.any::<&str>(&[
        "infinity", "-infinity", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z", "9999-12-30T00:00:00.000001Z", "2026-11-22T08:00:00.5Z",
    ]));
    Json: extra; |dice, _backend| parsed(dice.any::<&str>(&["1", "{}", "[1, null]", "\"\""]));
}

/// A number that the database can keep.
fn finite<T: Copy + Default>(number: T, is_nan: fn(T) -> bool, backend: Backend) -> T {
    if backend == Backend::Sqlite && is_nan(number) { T::default() } else { number }
}

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "a ",
    " a",
    "b",
    "Z",
    "z",
    "é",
    "É",
    "e\u{301}",
    "ß",
    "ẞ",
    "ſ",
    "K",
    "k",
    "\u{212a}",
    "İ",
    "ı",
    "i",
    "a%b",
    "a_b",
    "a\\b",
    "%",
    "_",
    "\\",
    "10",
    "9",
    "日本",
    "🦀",
    "\u{ffff}",
    "aaaaaaaaab",
    "a\nb",
    "'",
    "null",
];

/// Patterns that match some of them.
pub(crate) const PATTERNS: &[&str] = &[
    "", "%", "_", "__", "%_", "_%", "a%", "A%", "%b", "%a%b", "a\\%b", "a\\_b", "a\\\\b", "a_b",
    "\\a", "é", "É", "%\u{301}", "k", "K", "ß", "i", "I", "_\\%_", "%%", "🦀", "a%a%b", "%\n%",
];

/// A row of thrown values, one in five of which is missing.
pub(crate) fn sample(id: i64, dice: &mut Dice, backend: Backend) -> Sample {
    fn some<T: Sampled>(dice: &mut Dice, backend: Backend) -> Option<T> {
        (!dice.once_in(5)).then(|| T::throw(dice, backend))
    }
    Sample {
        id,
        yes: some(dice, backend),
        no: some(dice, backend),
        small: some(dice, backend),
        middle: some(dice, backend),
        large: some(dice, backend),
        larger: some(dice, backend),
        narrow: some(dice, backend),
        wide: some(dice, backend),
        wider: some(dice, backend),
        exact: some(dice, backend),
        exacter: some(dice, backend),
        text: some(dice, backend),
        words: some(dice, backend),
        raw: some(dice, backend),
        tag: some(dice, backend),
        day: some(dice, backend),
        hour: some(dice, backend),
        instant: some(dice, backend),
        extra: some(dice, backend),
    }
}
