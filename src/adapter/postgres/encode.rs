//! Values as the bytes of a parameter.
//!
//! The server says what type it inferred for a parameter; here the value becomes that type, or an
//! error that names both.
//!
//! **Invariant:** a value is sent whole or not at all: nothing is cut, wrapped or rounded, except a
//! double for a column of 32-bit floats, which has the precision the column asked for.

use std::error::Error as StdError;
use std::fmt;

use bytes::BytesMut;
use postgres_protocol::types;
use tokio_postgres::types::Format;
use tokio_postgres::types::IsNull;
use tokio_postgres::types::Kind as PgKind;
use tokio_postgres::types::ToSql;
use tokio_postgres::types::Type;
use tokio_postgres::types::to_sql_checked;

use super::numeric;
use crate::error::Error;
use crate::error::Result;
use crate::value::Date;
use crate::value::Time;
use crate::value::Timestamp;
use crate::value::Value;

/// Microseconds from 1970 to 2000, where PostgreSQL starts to count.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Days from 1970 to 2000.
pub(super) const EPOCH_DAYS: i32 = 10_957;

/// A parameter, encoded.
pub(super) struct Param {
    bytes: Option<Vec<u8>>,
    is_text: bool,
}

impl fmt::Debug for Param {
    /// The driver logs parameters by this; values stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bytes {
            Some(bytes) => write!(f, "{} bytes", bytes.len()),
            None => f.write_str("null"),
        }
    }
}

impl ToSql for Param {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Some(bytes) = &self.bytes else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if self.is_text { Format::Text } else { Format::Binary }
    }

    to_sql_checked!();
}

/// Encodes `value` for a parameter of type `ty`.
pub(super) fn encode(value: &Value, ty: &Type) -> Result<Param> {
    if value.is_null() {
        return Ok(Param { bytes: None, is_text: false });
    }
    let mut bytes = Vec::new();
    if binary(value, ty, &mut bytes)? {
        return Ok(Param { bytes: Some(bytes), is_text: false });
    }
    // Any type can be read from text; this is how enums, intervals and addresses travel.
    let Value::Text(text) = value else { return Err(mismatch(value, ty)) };
    bytes.extend_from_slice(checked(text)?.as_bytes());
    Ok(Param { bytes: Some(bytes), is_text: true })
}

/// Writes the binary form of `value` as a `ty`; false where there is none that we know.
fn binary(value: &Value, ty: &Type, out: &mut Vec<u8>) -> Result<bool> {
    if let PgKind::Domain(base) = ty.kind() {
        return binary(value, base, out);
    }
    if let PgKind::Array(item) = ty.kind() {
        return array(value, item, ty, out).map(|()| true);
    }
    match value {
        Value::Int(number) => integer(*number, ty, out)?,
        Value::Float(number) => float(*number, ty, out)?,
        Value::Text(text) if is_text(ty) => out.extend_from_slice(checked(text)?.as_bytes()),
        Value::Bool(flag) if *ty == Type::BOOL => out.push(u8::from(*flag)),
        Value::Bytes(bytes) if *ty == Type::BYTEA => out.extend_from_slice(bytes),
        Value::Uuid(uuid) if *ty == Type::UUID => out.extend_from_slice(uuid.as_bytes()),
        Value::Decimal(decimal) if *ty == Type::NUMERIC => numeric::encode(*decimal, out),
        Value::Date(day) if *ty == Type::DATE => out.extend(days(*day)?.to_be_bytes()),
        Value::Time(time) if *ty == Type::TIME => out.extend(micros_of_day(*time)?.to_be_bytes()),
        Value::Timestamp(instant) if matches!(*ty, Type::TIMESTAMPTZ | Type::TIMESTAMP) => {
            out.extend(micros(*instant)?.to_be_bytes());
        }
        Value::Json(json) if matches!(*ty, Type::JSON | Type::JSONB) => {
            if *ty == Type::JSONB {
                // The version of the format.
                out.push(1);
            }
            out.extend_from_slice(json.to_string().as_bytes());
        }
        Value::Text(_) => return Ok(false),
        Value::Null
        | Value::Bool(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Decimal(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::Json(_)
        | Value::Array(_) => return Err(mismatch(value, ty)),
    }
    Ok(true)
}

fn integer(number: i64, ty: &Type, out: &mut Vec<u8>) -> Result<()> {
    fn fit<T: TryFrom<i64>>(number: i64, ty: &Type) -> Result<T> {
        T::try_from(number)
            .map_err(|_| Error::invalid(format!("{number} does not fit PostgreSQL's `{ty}`")))
    }
    match *ty {
        Type::INT2 => out.extend(fit::<i16>(number, ty)?.to_be_bytes()),
        Type::INT4 => out.extend(fit::<i32>(number, ty)?.to_be_bytes()),
        Type::INT8 => out.extend(number.to_be_bytes()),
        Type::OID | Type::XID => out.extend(fit::<u32>(number, ty)?.to_be_bytes()),
        Type::NUMERIC => numeric::encode(number.into(), out),
        Type::FLOAT8 if number.unsigned_abs() <= 1 << 53 => {
            #[expect(clippy::cast_precision_loss, reason = "a double holds all these exactly")]
            out.extend((number as f64).to_be_bytes());
        }
        _ if ty.name() == "xid8" => out.extend(fit::<u64>(number, ty)?.to_be_bytes()),
        _ => return Err(mismatch(&Value::Int(number), ty)),
    }
    Ok(())
}

fn float(number: f64, ty: &Type, out: &mut Vec<u8>) -> Result<()> {
    match *ty {
        Type::FLOAT8 => out.extend(number.to_be_bytes()),
        Type::FLOAT4 => {
            #[expect(clippy::cast_possible_truncation, reason = "the column rounds all the same")]
            let narrow = number as f32;
            if narrow.is_infinite() && number.is_finite() {
                return Err(Error::invalid(format!("{number} does not fit PostgreSQL's `{ty}`")));
            }
            out.extend(narrow.to_be_bytes());
        }
        _ => return Err(mismatch(&Value::Float(number), ty)),
    }
    Ok(())
}

/// Types whose binary form is their text.
pub(super) fn is_text(ty: &Type) -> bool {
    let known =
        matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN);
    known || matches!(ty.kind(), PgKind::Enum(_)) || ty.name() == "citext"
}

fn checked(text: &str) -> Result<&str> {
    if text.contains('\0') {
        return Err(Error::invalid("text must not hold the character NUL"));
    }
    Ok(text)
}

/// The count of PostgreSQL for an instant; the infinities are the extremes there too.
fn micros(instant: Timestamp) -> Result<i64> {
    if matches!(instant, Timestamp::INFINITY | Timestamp::NEG_INFINITY) {
        return Ok(instant.as_micros());
    }
    (instant.as_micros().checked_sub(EPOCH_MICROS))
        .filter(|&micros| micros != i64::MIN)
        .ok_or_else(|| Error::invalid(format!("`{instant}` is before PostgreSQL's calendar")))
}

fn days(day: Date) -> Result<i32> {
    if matches!(day, Date::INFINITY | Date::NEG_INFINITY) {
        return Ok(day.as_days());
    }
    (day.as_days().checked_sub(EPOCH_DAYS))
        .filter(|&days| days != i32::MIN)
        .ok_or_else(|| Error::invalid(format!("`{day}` is before PostgreSQL's calendar")))
}

fn micros_of_day(time: Time) -> Result<i64> {
    let micros = time.as_micros();
    if (0..=24 * 3600 * 1_000_000).contains(&micros) {
        return Ok(micros);
    }
    Err(Error::invalid(format!("`{time}` is not a time of day")))
}

fn array(value: &Value, item: &Type, ty: &Type, out: &mut Vec<u8>) -> Result<()> {
    let Value::Array(items) = value else { return Err(mismatch(value, ty)) };
    let dimension = types::ArrayDimension {
        len: i32::try_from(items.len())
            .map_err(|_| Error::invalid("an array has too many items for PostgreSQL"))?,
        lower_bound: 1,
    };
    let mut bytes = BytesMut::new();
    let write = |item_value: &Value, out: &mut BytesMut| {
        if item_value.is_null() {
            return Ok(postgres_protocol::IsNull::Yes);
        }
        let mut one = Vec::new();
        if !binary(item_value, item, &mut one)? {
            return Err(mismatch(item_value, item).into());
        }
        out.extend_from_slice(&one);
        Ok(postgres_protocol::IsNull::No)
    };
    types::array_to_sql([dimension], item.oid(), items.iter(), write, &mut bytes).map_err(
        |error| match error.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(theirs) => Error::invalid("could not encode an array").caused_by(theirs),
        },
    )?;
    out.extend_from_slice(&bytes);
    Ok(())
}

fn mismatch(value: &Value, ty: &Type) -> Error {
    Error::invalid(format!("PostgreSQL expects `{ty}`, found {}", value.type_name()))
}
