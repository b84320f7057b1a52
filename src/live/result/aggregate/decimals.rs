//! Decimals added up exactly, and divided as the database divides them.
//!
//! **Invariant:** an answer is the database's, digits and scale, or there is none: where the
//! database may have cut digits off, or fail, the caller has to ask it.

use std::collections::BTreeMap;

use crate::query::eval::Arithmetic;
use crate::value::Decimal;
use crate::value::decimal_mean;

/// The greatest mantissa of a [`Decimal`].
const MOST: u128 = (1 << 96) - 1;

/// PostgreSQL's `NUMERIC_MIN_SIG_DIGITS`: so many digits of a quotient count.
const SIGNIFICANT: i64 = 16;

/// PostgreSQL's `DEC_DIGITS`: so many decimal digits make one of base 10,000.
const DIGITS: u32 = 4;

/// A sum of decimals, kept scale by scale so that any of them can be taken out again.
#[derive(Debug, Default)]
pub(super) struct Decimals {
    by_scale: BTreeMap<u32, Part>,
    count: u32,
    /// How many of them may have had more zeros at their end in the database than a [`Decimal`]
    /// keeps.
    cut: u32,
}

/// The decimals of one scale.
#[derive(Debug, Default)]
struct Part {
    count: u32,
    /// Of at most 2³⁰ mantissas of 96 bits, which 127 bits hold.
    sum: i128,
    /// The sum of their absolute values.
    magnitude: u128,
}

fn may_be_cut(value: Decimal) -> bool {
    value.scale() == Decimal::MAX_SCALE || MOST / 10 < value.mantissa().unsigned_abs()
}

impl Decimals {
    pub(super) fn add(&mut self, value: Decimal) {
        let part = self.by_scale.entry(value.scale()).or_default();
        part.count += 1;
        part.sum += value.mantissa();
        part.magnitude += value.mantissa().unsigned_abs();
        self.count += 1;
        self.cut += u32::from(may_be_cut(value));
    }

    /// Undoes [`Decimals::add`].
    pub(super) fn remove(&mut self, value: Decimal) {
        let Some(part) = self.by_scale.get_mut(&value.scale()) else { return };
        part.count -= 1;
        part.sum -= value.mantissa();
        part.magnitude -= value.mantissa().unsigned_abs();
        if part.count == 0 {
            self.by_scale.remove(&value.scale());
        }
        self.count -= 1;
        self.cut -= u32::from(may_be_cut(value));
    }

    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// The sum, which has the greatest scale of all values.
    pub(super) fn sum(&self, arithmetic: Arithmetic) -> Option<Decimal> {
        let (sum, scale) = self.total()?;
        match arithmetic {
            Arithmetic::Numeric if 0 < self.cut => None,
            Arithmetic::Numeric => signed(fit(sum.unsigned_abs(), scale)?, sum < 0),
            // Added one by one in an order that nobody knows, no sum on the way may be too wide.
            Arithmetic::Sqlite if MOST < self.magnitude(scale)? => None,
            Arithmetic::Sqlite => {
                Some(Decimal::try_from_i128_with_scale(sum, scale).ok()?.normalize())
            }
        }
    }

    /// The mean.
    pub(super) fn mean(&self, arithmetic: Arithmetic) -> Option<Decimal> {
        match arithmetic {
            Arithmetic::Numeric if 0 < self.cut => None,
            Arithmetic::Numeric => {
                let (sum, scale) = self.total()?;
                let (mean, scale) = quotient(sum.unsigned_abs(), scale, self.count.into())?;
                signed(fit(mean, scale)?, sum < 0)
            }
            Arithmetic::Sqlite => decimal_mean(self.sum(arithmetic)?, self.count),
        }
    }

    fn total(&self) -> Option<(i128, u32)> {
        let (&scale, _) = self.by_scale.last_key_value()?;
        let parts = self.by_scale.iter();
        let mut sums = parts.map(|(&at, part)| {
            let power = 10_i128.checked_pow(scale - at)?;
            part.sum.checked_mul(power)
        });
        let total = sums.try_fold(0_i128, |total, sum| total.checked_add(sum?))?;
        Some((total, scale))
    }

    fn magnitude(&self, scale: u32) -> Option<u128> {
        let parts = self.by_scale.iter();
        let mut all = parts.map(|(&at, part)| {
            let power = 10_u128.checked_pow(scale - at)?;
            part.magnitude.checked_mul(power)
        });
        all.try_fold(0_u128, |total, one| total.checked_add(one?))
    }
}

fn signed((mantissa, scale): (u128, u32), is_negative: bool) -> Option<Decimal> {
    let mantissa = i128::try_from(mantissa).ok()?;
    let mantissa = if is_negative { -mantissa } else { mantissa };
    Decimal::try_from_i128_with_scale(mantissa, scale).ok()
}

/// As our decoder of `numeric` does it: as many zeros at the end as there is room for; `None` where
/// other digits would have to go.
fn fit(mut mantissa: u128, mut scale: u32) -> Option<(u128, u32)> {
    if mantissa == 0 {
        return Some((0, scale.min(Decimal::MAX_SCALE)));
    }
    while Decimal::MAX_SCALE < scale || MOST < mantissa {
        if scale == 0 || !mantissa.is_multiple_of(10) {
            return None;
        }
        mantissa /= 10;
        scale -= 1;
    }
    Some((mantissa, scale))
}

/// A quotient of `numeric`s as `numeric_div` has it: the mantissa and the scale.
///
/// Follows `select_div_scale` and the rounding of `div_var`, half away from zero; they are the same
/// in all versions of PostgreSQL from 14 on.
pub(super) fn quotient(dividend: u128, scale: u32, divisor: u128) -> Option<(u128, u32)> {
    let (first, weight) = first_digit(dividend, scale)?;
    let (first_below, weight_below) = first_digit(divisor, 0)?;
    let weight = weight - weight_below - i64::from(first <= first_below);
    let wanted = (SIGNIFICANT - weight * i64::from(DIGITS)).max(0);
    let wanted = u32::try_from(wanted).ok()?.max(scale);
    let dividend = dividend.checked_mul(10_u128.checked_pow(wanted - scale)?)?;
    let (whole, rest) = (dividend / divisor, dividend % divisor);
    Some((whole + u128::from(divisor <= rest * 2), wanted))
}

/// The first digit of base 10,000 and its weight; zero has neither.
fn first_digit(mantissa: u128, scale: u32) -> Option<(u128, i64)> {
    let fraction = scale.div_ceil(DIGITS);
    let mut rest = mantissa.checked_mul(10_u128.pow(fraction * DIGITS - scale))?;
    if rest == 0 {
        return Some((0, 0));
    }
    let mut weight = -i64::from(fraction);
    while 10_000 <= rest {
        rest /= 10_000;
        weight += 1;
    }
    Some((rest, weight))
}

/// A mean of integers as `avg(…)::float8` has it: a quotient of `numeric`s, read as a double.
pub(super) fn integer_mean(sum: i128, count: u32) -> Option<f64> {
    let (mean, scale) = quotient(sum.unsigned_abs(), 0, count.into())?;
    let sign = if sum < 0 { "-" } else { "" };
    format!("{sign}{mean}e-{scale}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &str) -> Decimals {
        let mut decimals = Decimals::default();
        values.split_whitespace().for_each(|value| decimals.add(value.parse().unwrap()));
        decimals
    }

    fn check(values: &str, arithmetic: Arithmetic) -> String {
        let decimals = of(values);
        let text = |value: Option<Decimal>| value.map_or("?".to_owned(), |value| value.to_string());
        format!("{} {}", text(decimals.sum(arithmetic)), text(decimals.mean(arithmetic)))
    }

    /// The right sides are what PostgreSQL 15 printed.
    #[test]
    fn sums_and_means_are_those_of_numeric() {
        let check = |values| check(values, Arithmetic::Numeric);
        assert_eq!(check("1 2 2"), "5 1.6666666666666667");
        assert_eq!(check("0"), "0 0.00000000000000000000");
        assert_eq!(check("0.00 0"), "0.00 0.00000000000000000000");
        assert_eq!(check("10.00 10.01 10.00"), "30.01 10.0033333333333333");
        assert_eq!(check("-1.5 2.25"), "0.75 0.37500000000000000000");
        assert_eq!(check("1 0 0"), "1 0.33333333333333333333");
        assert_eq!(check("123456789012 1"), "123456789013 61728394506.50000000");
        assert_eq!(check("0.00001 0.00002 0.1 0"), "0.10003 0.02500750000000000000");
        assert_eq!(check("99999999.99 1 1"), "100000001.99 33333333.996666666667");
        assert_eq!(check("79228162514264337593543950335"), "? ?");
    }

    #[test]
    fn sums_and_means_are_those_of_our_functions() {
        let check = |values| check(values, Arithmetic::Sqlite);
        assert_eq!(check("1 2 2"), "5 1.6666666666666666666666666667");
        assert_eq!(check("0.5 0.5"), "1 0.5");
        assert_eq!(check("79228162514264337593543950335 -1"), "? ?");
    }

    #[test]
    fn what_was_taken_out_is_gone() {
        let mut decimals = of("1.50 2 -3.125");
        decimals.remove("-3.125".parse().unwrap());
        assert_eq!(decimals.sum(Arithmetic::Numeric).unwrap().to_string(), "3.50");
    }
}
