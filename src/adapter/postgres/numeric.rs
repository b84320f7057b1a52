//! The binary form of `numeric`: digits of base 10,000 around a decimal point.
//!
//! **Invariant:** exact or refused: a number that a [`Decimal`] cannot hold is an error that says
//! so, never a rounded one. Zeros at the end of the fraction are kept as far as there is room.

use crate::error::Error;
use crate::error::Result;
use crate::value::Decimal;

/// The greatest mantissa of a [`Decimal`].
const MOST: u128 = (1 << 96) - 1;
/// The most digits behind the point of a [`Decimal`].
const MOST_SCALE: u32 = Decimal::MAX_SCALE;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEG_INFINITY: u16 = 0xF000;

/// Writes `value` onto `out`.
pub(super) fn encode(value: Decimal, out: &mut Vec<u8>) {
    let scale = value.scale();
    let fraction_count = scale.div_ceil(4);
    let padding = 10_u128.pow(fraction_count * 4 - scale);
    let mut rest = value.mantissa().unsigned_abs() * padding;
    let mut digits: Vec<u16> = Vec::new();
    while rest != 0 {
        digits.push(u16::try_from(rest % 10_000).expect("a remainder of 10,000 fits 16 bits"));
        rest /= 10_000;
    }
    let weight = short(digits.len()) - short(fraction_count as usize) - 1;
    // Zeros at the end are not sent; the scale says that they are there.
    let zeros = digits.iter().take_while(|&&digit| digit == 0).count();
    digits.drain(..zeros);

    let is_negative = value.is_sign_negative() && !digits.is_empty();
    let sign = if is_negative { NEGATIVE } else { 0 };
    out.extend(short(digits.len()).to_be_bytes());
    out.extend((if digits.is_empty() { 0 } else { weight }).to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend(short(scale as usize).to_be_bytes());
    for digit in digits.iter().rev() {
        out.extend(digit.to_be_bytes());
    }
}

fn short(number: usize) -> i16 {
    i16::try_from(number).expect("a decimal has fewer than 2^15 digits")
}

/// Reads a number.
pub(super) fn decode(bytes: &[u8]) -> Result<Decimal> {
    let (header, digits) = bytes.split_at_checked(8).ok_or_else(torn)?;
    let word = |index: usize| [header[index * 2], header[index * 2 + 1]];
    let weight = i64::from(i16::from_be_bytes(word(1)));
    let sign = u16::from_be_bytes(word(2));
    let scale = u32::from(u16::from_be_bytes(word(3)));
    match sign {
        0 | NEGATIVE => {}
        NAN => return Err(cannot("`NaN`")),
        INFINITY => return Err(cannot("`Infinity`")),
        NEG_INFINITY => return Err(cannot("`-Infinity`")),
        _ => return Err(torn()),
    }
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() || pairs.len() != usize::from(u16::from_be_bytes(word(0))) {
        return Err(torn());
    }
    let digits = pairs.iter().map(|&pair| u16::from_be_bytes(pair));
    let (mantissa, scale) = number(digits, weight, scale).ok_or_else(too_wide)?;
    let mantissa = i128::try_from(mantissa).expect("96 bits fit 127");
    let mut decimal = Decimal::try_from_i128_with_scale(mantissa, scale)
        .map_err(|error| too_wide().caused_by(error))?;
    decimal.set_sign_negative(sign == NEGATIVE && mantissa != 0);
    Ok(decimal)
}

/// The mantissa and the scale of a number, or nothing where it is too wide.
fn number(
    digits: impl ExactSizeIterator<Item = u16>,
    weight: i64,
    wanted: u32,
) -> Option<(u128, u32)> {
    let count = i64::try_from(digits.len()).ok()?;
    let mut mantissa: u128 = 0;
    for digit in digits {
        mantissa = mantissa.checked_mul(10_000)?.checked_add(u128::from(digit))?;
    }
    if mantissa == 0 {
        return Some((0, wanted.min(MOST_SCALE)));
    }
    let fraction_count = count - 1 - weight;
    let mut scale = 0;
    if fraction_count < 0 {
        let power = u32::try_from(fraction_count.checked_neg()?.checked_mul(4)?).ok()?;
        mantissa = mantissa.checked_mul(10_u128.checked_pow(power)?)?;
    } else {
        scale = u32::try_from(fraction_count.checked_mul(4)?).ok()?;
    }
    // Base 10,000 may have brought zeros along; the scale says which of them are meant.
    while wanted.min(MOST_SCALE) < scale || MOST < mantissa {
        if scale == 0 || !mantissa.is_multiple_of(10) {
            // A fraction that is longer than it says is no reason to lose digits of it.
            return (scale <= MOST_SCALE && mantissa <= MOST).then_some((mantissa, scale));
        }
        mantissa /= 10;
        scale -= 1;
    }
    while scale < wanted.min(MOST_SCALE) && mantissa <= MOST / 10 {
        mantissa *= 10;
        scale += 1;
    }
    Some((mantissa, scale))
}

fn cannot(what: &str) -> Error {
    Error::invalid(format!("a decimal cannot be {what}"))
}

fn too_wide() -> Error {
    Error::invalid("a decimal holds at most 28 digits, and the number has more")
}

fn torn() -> Error {
    Error::invalid("PostgreSQL sent a `numeric` that ends too early or too late")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(value: Decimal) -> Decimal {
        let mut bytes = Vec::new();
        encode(value, &mut bytes);
        decode(&bytes).unwrap()
    }

    #[test]
    fn digits_and_scale_survive() {
        for text in [
            "0",
            "0.00",
            "-1.50",
            "10000",
            "0.0001",
            "-0.00010",
            "12345.6789",
            "100000000",
            "79228162514264337593543950335",
            "-7.9228162514264337593543950335",
            "0.0000000000000000000000000001",
        ] {
            let value: Decimal = text.parse().unwrap();
            assert_eq!(round_trip(value).to_string(), text);
        }
    }

    fn check(digits: &[u16], weight: i16, sign: u16, scale: u16) -> String {
        let mut bytes = Vec::new();
        bytes.extend(u16::try_from(digits.len()).unwrap().to_be_bytes());
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        bytes.extend(digits.iter().flat_map(|digit| digit.to_be_bytes()));
        decode(&bytes).map_or_else(|error| error.to_string(), |value| value.to_string())
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let wide = "invalid: a decimal holds at most 28 digits, and the number has more";
        assert_eq!(check(&[], 0, NAN, 0), "invalid: a decimal cannot be `NaN`");
        assert_eq!(check(&[], 0, NEG_INFINITY, 0), "invalid: a decimal cannot be `-Infinity`");
        assert_eq!(check(&[1], 25, 0, 0), wide);
        assert_eq!(check(&[1], i16::MAX, 0, 0), wide);
        assert_eq!(check(&[1], i16::MIN, 0, u16::MAX), wide);
        assert_eq!(check(&[9999; 12], 0, 0, 44), wide);
        assert_eq!(check(&[], 0, 0, 400), "0.0000000000000000000000000000");
        // 1.5 with forty zeros behind it is still 1.5.
        assert_eq!(check(&[1, 5000], 0, 0, 40), "1.5000000000000000000000000000");
    }

    proptest! {
        #[test]
        fn encoding_then_decoding_gives_the_number(
            low: u32, middle: u32, high: u32, negative: bool, scale in 0..=28_u32,
        ) {
            let value = Decimal::from_parts(low, middle, high, negative, scale);
            let back = round_trip(value);
            prop_assert_eq!(back, value);
            prop_assert_eq!(back.scale(), value.scale());
        }

        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
