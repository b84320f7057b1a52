//! What SQLite learns from us: exact decimals and floats.
//!
//! **Invariant:** every function is deterministic and touches nothing, so that it may stand in an
//! index, a trigger or a view.

use std::cmp::Ordering;

use rusqlite::Connection;
use rusqlite::functions::Aggregate;
use rusqlite::functions::Context;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;

use crate::value::Decimal;
use crate::value::decimal_mean;

/// Teaches one connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_collation("recto_decimal", compare)?;
    connection.create_scalar_function("recto_float", 1, flags, float)?;
    connection.create_scalar_function("recto_integer", 2, flags, integer)?;
    connection.create_scalar_function("recto_decimal", 3, flags, decimal)?;
    connection.create_aggregate_function(
        "recto_decimal_sum",
        1,
        flags,
        Fold(|(sum, _)| Some(sum)),
    )?;
    let mean = Fold(|(sum, count)| decimal_mean(sum, count));
    connection.create_aggregate_function("recto_decimal_avg", 1, flags, mean)
}

/// Decimals by value; what is none comes after all that are.
fn compare(left: &str, right: &str) -> Ordering {
    match (Decimal::from_str_exact(left), Decimal::from_str_exact(right)) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

/// The double that a text names; SQLite's own reading may be off by the last bit.
fn float(context: &Context<'_>) -> rusqlite::Result<Option<f64>> {
    let text = context.get_raw(0).as_str_or_null().map_err(|error| failed(error.to_string()))?;
    let read = |text: &str| text.parse().map_err(|_| failed(format!("`{text}` is not a number")));
    text.map(read).transpose()
}

/// An integer that has so many bits; SQLite's own arithmetic makes a float of what has more than 64.
fn integer(context: &Context<'_>) -> rusqlite::Result<Option<i64>> {
    let bits: u32 = context.get(1)?;
    match context.get_raw(0) {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) if number >> (bits - 1) == number >> 63 => Ok(Some(number)),
        ValueRef::Integer(_) | ValueRef::Real(_) => {
            Err(failed(format!("a number does not fit {bits} bits")))
        }
        ValueRef::Text(_) | ValueRef::Blob(_) => Err(failed("that is not an integer".to_owned())),
    }
}

/// `left`, the sign of an operator, and `right`: exactly, or not at all.
fn decimal(context: &Context<'_>) -> rusqlite::Result<Option<String>> {
    let sign: String = context.get(1)?;
    let (Some(left), Some(right)) = (number(context.get_raw(0))?, number(context.get_raw(2))?)
    else {
        return Ok(None);
    };
    let result = match sign.as_str() {
        "+" => exact_sum(left, right),
        "-" => exact_sum(left, -right),
        "*" => exact_product(left, right),
        other => return Err(failed(format!("`{other}` is no operator"))),
    };
    let result = result.ok_or_else(|| failed("a decimal has more than 28 digits".to_owned()))?;
    Ok(Some(result.normalize().to_string()))
}

/// An addition that has too many digits rounds; taking the value away again tells.
fn exact_sum(left: Decimal, right: Decimal) -> Option<Decimal> {
    let sum = left.checked_add(right)?;
    (sum.checked_sub(right) == Some(left) && sum.checked_sub(left) == Some(right)).then_some(sum)
}

fn exact_product(left: Decimal, right: Decimal) -> Option<Decimal> {
    let (left, right) = (left.normalize(), right.normalize());
    let scale = left.scale() + right.scale();
    let mantissa = left.mantissa().checked_mul(right.mantissa())?;
    Decimal::try_from_i128_with_scale(mantissa, scale).ok()
}

fn number(value: ValueRef<'_>) -> rusqlite::Result<Option<Decimal>> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) => Ok(Some(Decimal::from(number))),
        ValueRef::Text(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let read = Decimal::from_str_exact(&text);
            read.map(Some).map_err(|_| failed(format!("`{text}` is not a decimal")))
        }
        ValueRef::Real(number) => Err(failed(format!("{number} is not exact"))),
        ValueRef::Blob(_) => Err(failed("bytes are not a decimal".to_owned())),
    }
}

fn failed(what: String) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(what.into())
}

/// A sum so far, and of how many values.
type Total = (Decimal, u32);

/// An aggregate over decimals; what differs is the last step.
struct Fold(fn(Total) -> Option<Decimal>);

impl Aggregate<Option<Total>, Option<String>> for Fold {
    fn init(&self, _context: &mut Context<'_>) -> rusqlite::Result<Option<Total>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, total: &mut Option<Total>) -> rusqlite::Result<()> {
        let Some(value) = number(context.get_raw(0))? else { return Ok(()) };
        let (sum, count) = total.unwrap_or_default();
        let next = exact_sum(sum, value);
        let next = next.ok_or_else(|| failed("the sum has more than 28 digits".to_owned()))?;
        *total = Some((next, count + 1));
        Ok(())
    }

    fn finalize(
        &self,
        _context: &mut Context<'_>,
        total: Option<Option<Total>>,
    ) -> rusqlite::Result<Option<String>> {
        let Some(total) = total.flatten() else { return Ok(None) };
        let result = (self.0)(total).ok_or_else(|| failed("the mean is too wide".to_owned()))?;
        Ok(Some(result.normalize().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str) -> String {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let text = |row: &rusqlite::Row<'_>| row.get::<_, Option<String>>(0);
        match connection.query_row(sql, [], text) {
            Ok(text) => text.unwrap_or_else(|| "null".to_owned()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn decimals_add_up_exactly() {
        let sum = |values: &str| {
            check(&format!("select recto_decimal_sum(column1) from (values {values})"))
        };
        assert_eq!(sum("('0.1'), ('0.2'), (null)"), "0.3");
        assert_eq!(sum("(null)"), "null");
        assert_eq!(sum("('79228162514264337593543950334'), (1)"), "79228162514264337593543950335");
        assert_eq!(
            sum("('79228162514264337593543950335'), ('0.5')"),
            "the sum has more than 28 digits"
        );
        assert_eq!(sum("(0.5)"), "0.5 is not exact");
        assert_eq!(check("select recto_decimal_sum(1) where false"), "null");
        assert_eq!(
            check("select recto_decimal_avg(column1) from (values ('1'), ('2'), ('2'))"),
            "1.6666666666666666666666666667"
        );
    }

    #[test]
    fn numbers_are_calculated_exactly_or_not_at_all() {
        let decimal = |expression: &str| check(&format!("select recto_decimal({expression})"));
        assert_eq!(decimal("'0.1', '+', '0.20'"), "0.3");
        assert_eq!(decimal("'1.5', '-', 2"), "-0.5");
        assert_eq!(decimal("'1.50', '*', '-2'"), "-3");
        assert_eq!(decimal("'0', '*', '-2'"), "0");
        assert_eq!(decimal("null, '+', '1'"), "null");
        assert_eq!(decimal("'1', '+', null"), "null");
        let wide = "a decimal has more than 28 digits";
        assert_eq!(decimal("'79228162514264337593543950335', '+', '0.5'"), wide);
        assert_eq!(decimal("'0.5', '-', '79228162514264337593543950335'"), wide);
        assert_eq!(decimal("'0.0000000000000000000000000001', '*', '0.1'"), wide);
        assert_eq!(decimal("'0.5', '+', 0.5"), "0.5 is not exact");

        let integer =
            |expression: &str| check(&format!("select recto_integer({expression}) || ''"));
        assert_eq!(integer("32767, 16"), "32767");
        assert_eq!(integer("-32768, 16"), "-32768");
        assert_eq!(integer("32767 + 1, 16"), "a number does not fit 16 bits");
        assert_eq!(integer("-2147483648 - 1, 32"), "a number does not fit 32 bits");
        assert_eq!(integer("9223372036854775807, 64"), "9223372036854775807");
        assert_eq!(integer("9223372036854775807 + 1, 64"), "a number does not fit 64 bits");
        assert_eq!(integer("null, 64"), "null");
    }

    #[test]
    fn decimals_sort_by_value() {
        let sorted = check(
            "select group_concat(column1, ' ') from \
             (select * from (values ('9'), ('10'), ('-1.5'), ('x'), ('0.9')) \
             order by column1 collate recto_decimal)",
        );
        assert_eq!(sorted, "-1.5 0.9 9 10 x");
    }

    #[test]
    fn floats_are_read_to_the_last_bit() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        for number in [0.1 + 0.2, f64::MAX, f64::MIN_POSITIVE, 5e-324, 1e23, f64::NEG_INFINITY] {
            let sql = "select recto_float(?1)";
            let back: f64 =
                connection.query_row(sql, [format!("{number:?}")], |row| row.get(0)).unwrap();
            assert_eq!(back.to_bits(), number.to_bits(), "{number:?}");
        }
        assert_eq!(check("select recto_float('much')"), "`much` is not a number");
    }
}
