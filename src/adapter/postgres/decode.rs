//! The bytes of a column as a value, and that value as the kind a schema promises.
//!
//! **Invariant:** a value is read whole or not at all, and never as another one that looks like it:
//! a `numeric` that no [`Decimal`](crate::value::Decimal) holds, a type we have no value for, an
//! array of more than one dimension are errors that say what to do.

use std::error::Error as StdError;
use std::sync::Arc;

use postgres_protocol::types;
use tokio_postgres::Row as PgRow;
use tokio_postgres::types::FromSql;
use tokio_postgres::types::Kind as PgKind;
use tokio_postgres::types::Type;

use super::encode::EPOCH_DAYS;
use super::encode::EPOCH_MICROS;
use super::encode::is_text;
use super::numeric;
use super::spelled;
use crate::error::Error;
use crate::error::Result;
use crate::value::Date;
use crate::value::Kind;
use crate::value::Row;
use crate::value::Time;
use crate::value::Timestamp;
use crate::value::Uuid;
use crate::value::Value;
use crate::value::mismatch;

/// Reads a row; columns beyond `kinds` come as the database has them.
pub(super) fn row(row: &PgRow, kinds: &[Kind]) -> Result<Row> {
    let columns = row.columns().iter().enumerate();
    columns
        .map(|(index, column)| {
            cell(row, index)
                .and_then(|value| match kinds.get(index) {
                    Some(&kind) => fit(value, kind),
                    None => Ok(value),
                })
                .map_err(|error| {
                    let what =
                        format!("could not read column `{}`: {}", column.name(), error.what());
                    Error::invalid(what)
                })
        })
        .collect()
}

/// A cell that keeps our own error, which the driver would wrap.
struct Cell(Result<Value>);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(decode(ty, bytes)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Ok(Value::Null)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn cell(row: &PgRow, index: usize) -> Result<Value> {
    match row.try_get::<_, Cell>(index) {
        Ok(Cell(value)) => value,
        Err(error) => Err(Error::invalid("the row is torn").caused_by(error)),
    }
}

/// Makes a value of one kind, where the database's type is another that holds the same.
fn fit(value: Value, kind: Kind) -> Result<Value> {
    match (kind, value) {
        (_, value) if kind.holds(&value) => Ok(value),
        (Kind::Decimal, Value::Int(number)) => Ok(Value::Decimal(number.into())),
        (Kind::F64, Value::Int(number)) if number.unsigned_abs() <= 1 << 53 => {
            #[expect(clippy::cast_precision_loss, reason = "a double holds all these exactly")]
            let float = number as f64;
            Ok(Value::Float(float))
        }
        (Kind::I16 | Kind::I32, Value::Int(number)) => {
            Err(Error::invalid(format!("{number} does not fit a {kind}")))
        }
        (kind, value) => Err(mismatch(kind, &value)),
    }
}

/// Reads one value of type `ty`.
pub(super) fn decode(ty: &Type, bytes: &[u8]) -> Result<Value> {
    if let PgKind::Domain(base) = ty.kind() {
        return decode(base, bytes);
    }
    if let PgKind::Array(item) = ty.kind() {
        return array(item, bytes);
    }
    if is_text(ty) {
        return text(bytes).map(Value::text);
    }
    Ok(match *ty {
        Type::BOOL => Value::Bool(fixed::<1>(bytes)? != [0]),
        Type::INT2 => Value::Int(i16::from_be_bytes(fixed(bytes)?).into()),
        Type::INT4 => Value::Int(i32::from_be_bytes(fixed(bytes)?).into()),
        Type::INT8 => Value::Int(i64::from_be_bytes(fixed(bytes)?)),
        Type::FLOAT4 => Value::Float(f32::from_be_bytes(fixed(bytes)?).into()),
        Type::FLOAT8 => Value::Float(f64::from_be_bytes(fixed(bytes)?)),
        Type::NUMERIC => Value::Decimal(numeric::decode(bytes)?),
        Type::BYTEA => Value::Bytes(bytes.into()),
        Type::UUID => Value::Uuid(Uuid::from_bytes(fixed(bytes)?)),
        Type::DATE => Value::Date(date(i32::from_be_bytes(fixed(bytes)?))?),
        Type::TIME => Value::Time(Time::from_micros(i64::from_be_bytes(fixed(bytes)?))),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            Value::Timestamp(timestamp(i64::from_be_bytes(fixed(bytes)?))?)
        }
        Type::JSON => json(bytes)?,
        // The first byte is the version of the format, which has been 1 since there is one.
        Type::JSONB => json(bytes.get(1..).unwrap_or_default())?,
        Type::VOID => Value::Null,
        _ => spelled::decode(ty, bytes)?,
    })
}

/// The bytes of a type of fixed size.
pub(super) fn fixed<const SIZE: usize>(bytes: &[u8]) -> Result<[u8; SIZE]> {
    bytes.try_into().map_err(|_| {
        Error::invalid(format!("PostgreSQL sent {} bytes instead of {SIZE}", bytes.len()))
    })
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes)
        .map_err(|error| Error::invalid("PostgreSQL sent text that is not UTF-8").caused_by(error))
}

fn json(bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map(|json| Value::Json(Arc::new(json))).map_err(|error| {
        Error::invalid(format!("PostgreSQL holds JSON that cannot be read: {error}"))
    })
}

fn date(days: i32) -> Result<Date> {
    if matches!(days, i32::MAX | i32::MIN) {
        return Ok(Date::from_days(days));
    }
    (days.checked_add(EPOCH_DAYS))
        .filter(|&days| days != i32::MAX)
        .map(Date::from_days)
        .ok_or_else(|| Error::invalid("the date is later than one can be here"))
}

fn timestamp(micros: i64) -> Result<Timestamp> {
    if matches!(micros, i64::MAX | i64::MIN) {
        return Ok(Timestamp::from_micros(micros));
    }
    (micros.checked_add(EPOCH_MICROS))
        .filter(|&micros| micros != i64::MAX)
        .map(Timestamp::from_micros)
        .ok_or_else(|| Error::invalid("the timestamp is later than one can be here"))
}

fn array(item: &Type, bytes: &[u8]) -> Result<Value> {
    use tokio_postgres::fallible_iterator::FallibleIterator;
    let torn = |error: Box<dyn StdError + Sync + Send>| {
        Error::invalid("PostgreSQL sent an array that cannot be read").caused_by(error)
    };
    let array = types::array_from_sql(bytes).map_err(torn)?;
    if 1 < array.dimensions().count().map_err(torn)? {
        return Err(Error::invalid("an array has one dimension here, and this one has more"));
    }
    let mut values = Vec::new();
    let mut items = array.values();
    while let Some(bytes) = items.next().map_err(torn)? {
        values.push(match bytes {
            Some(bytes) => decode(item, bytes)?,
            None => Value::Null,
        });
    }
    Ok(Value::Array(values.into()))
}
