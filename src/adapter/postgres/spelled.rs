//! Types of PostgreSQL that have no kind of their own here, as numbers or as the text that
//! PostgreSQL itself would print.
//!
//! They come up in raw SQL only; a schema has columns of known kinds.

use std::fmt::Write;

use tokio_postgres::types::Type;

use super::decode::fixed;
use crate::error::Error;
use crate::error::Result;
use crate::value::Value;

/// Reads one value of type `ty`.
pub(super) fn decode(ty: &Type, bytes: &[u8]) -> Result<Value> {
    match ty.name() {
        "oid" | "xid" | "cid" | "regclass" | "regtype" | "regproc" | "regprocedure"
        | "regnamespace" | "regrole" => Ok(Value::Int(u32::from_be_bytes(fixed(bytes)?).into())),
        "xid8" => {
            let number = u64::from_be_bytes(fixed(bytes)?);
            i64::try_from(number)
                .map(Value::Int)
                .map_err(|_| Error::invalid(format!("transaction {number} is beyond 63 bits")))
        }
        "char" => Ok(Value::text(String::from_utf8_lossy(bytes))),
        "pg_lsn" => {
            let place = u64::from_be_bytes(fixed(bytes)?);
            Ok(Value::text(format!("{:X}/{:X}", place >> 32, place & 0xFFFF_FFFF)))
        }
        "pg_snapshot" | "txid_snapshot" => snapshot(bytes).map(Value::text),
        "interval" => interval(bytes).map(Value::text),
        name => Err(Error::invalid(format!(
            "PostgreSQL's type `{name}` has no value here: cast it to text in the statement"
        ))),
    }
}

/// `xmin:xmax:xip,xip`.
fn snapshot(bytes: &[u8]) -> Result<String> {
    let (count, rest) = bytes.split_at_checked(4).unwrap_or_default();
    let count = u32::from_be_bytes(fixed(count)?);
    let (numbers, odd) = rest.as_chunks::<8>();
    let expected = usize::try_from(count).ok().and_then(|count| count.checked_add(2));
    if !odd.is_empty() || Some(numbers.len()) != expected {
        return Err(Error::invalid("PostgreSQL sent a snapshot that cannot be read"));
    }
    let mut numbers = numbers.iter().map(|&bytes| u64::from_be_bytes(bytes));
    let (least, next) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let running: Vec<String> = numbers.map(|number| number.to_string()).collect();
    Ok(format!("{least}:{next}:{}", running.join(",")))
}

/// As PostgreSQL prints it with `IntervalStyle` `postgres`.
fn interval(bytes: &[u8]) -> Result<String> {
    let bytes: [u8; 16] = fixed(bytes)?;
    let micros = i64::from_be_bytes(fixed(&bytes[..8])?);
    let days = i64::from(i32::from_be_bytes(fixed(&bytes[8..12])?));
    let months = i64::from(i32::from_be_bytes(fixed(&bytes[12..])?));
    let mut text = String::new();
    let mut before_was_negative = false;
    for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count == 0 {
            continue;
        }
        let space = if text.is_empty() { "" } else { " " };
        let plus = if before_was_negative && 0 < count { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        write!(text, "{space}{plus}{count} {unit}{plural}").expect("writing to a `String`");
        before_was_negative = count < 0;
    }
    if micros != 0 || text.is_empty() {
        let space = if text.is_empty() { "" } else { " " };
        let sign = match micros {
            ..0 => "-",
            _ if before_was_negative => "+",
            _ => "",
        };
        let (seconds, fraction) =
            (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(text, "{space}{sign}{hours:02}:{minutes:02}:{seconds:02}")
            .expect("writing to a `String`");
        if fraction != 0 {
            let fraction = format!(".{fraction:06}");
            text.push_str(fraction.trim_end_matches('0'));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(months: i32, days: i32, micros: i64) -> String {
        let mut bytes = Vec::new();
        bytes.extend(micros.to_be_bytes());
        bytes.extend(days.to_be_bytes());
        bytes.extend(months.to_be_bytes());
        interval(&bytes).unwrap()
    }

    #[test]
    fn intervals_read_as_postgresql_prints_them() {
        assert_eq!(check(0, 0, 0), "00:00:00");
        assert_eq!(check(14, 3, 4_005_006), "1 year 2 mons 3 days 00:00:04.005006");
        assert_eq!(check(-14, 3, -3_600_000_000), "-1 years -2 mons +3 days -01:00:00");
        assert_eq!(check(0, -1, 1_500_000), "-1 days +00:00:01.5");
    }

    #[test]
    fn snapshots_read_as_postgresql_prints_them() {
        let mut bytes = vec![0, 0, 0, 2];
        for number in [10_u64, 20, 11, 15] {
            bytes.extend(number.to_be_bytes());
        }
        assert_eq!(snapshot(&bytes).unwrap(), "10:20:11,15");
        assert!(snapshot(&bytes[..20]).is_err());
        assert!(snapshot(&[]).is_err());
    }
}
