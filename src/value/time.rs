//! Days, times and instants as integers, the way databases keep them.
//!
//! Calendars belong to `jiff`, which stays out of every signature: it is not yet 1.0.
//!
//! **Invariant:** every `i64` is a [`Timestamp`], the two extremes being the infinities of
//! PostgreSQL; what the calendar cannot name is still ordered, stored and compared.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use jiff::civil;

use crate::error::Error;
use crate::error::Result;

/// An instant, to the microsecond, in UTC.
///
/// # Shape
///
/// Microseconds since 1970. Text is RFC 3339 with exactly six decimals, so that text sorts as time
/// does; the default is 1970.
///
/// # Examples
///
/// ```
/// use recto::Timestamp;
///
/// let instant: Timestamp = "2026-11-22T08:00:00.5Z".parse()?;
/// assert_eq!(instant.to_string(), "2026-11-22T08:00:00.500000Z");
/// assert!(instant < Timestamp::INFINITY);
/// # Ok::<(), recto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than every instant.
    pub const INFINITY: Self = Self(i64::MAX);
    /// Earlier than every instant.
    pub const NEG_INFINITY: Self = Self(i64::MIN);

    /// The clock of this machine.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// An instant by microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, jiff::Timestamp::from_microsecond(self.0)) {
            (Self::INFINITY, _) => f.write_str("infinity"),
            (Self::NEG_INFINITY, _) => f.write_str("-infinity"),
            (_, Ok(instant)) => write!(f, "{instant:.6}"),
            (_, Err(_)) => write!(f, "{} us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads RFC 3339, `infinity` or `-infinity`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for anything else.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "infinity" => Ok(Self::INFINITY),
            "-infinity" => Ok(Self::NEG_INFINITY),
            _ => jiff::Timestamp::from_str(text)
                .map(|instant| Self(instant.as_microsecond()))
                .map_err(|error| not(text, "a timestamp such as 2026-11-22T08:00:00Z", error)),
        }
    }
}

/// A day of the calendar.
///
/// # Shape
///
/// Days since 1970; text is `2026-11-22`. The extremes are the infinities of PostgreSQL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

/// The day that counting starts from.
const EPOCH: civil::Date = civil::date(1970, 1, 1);

impl Date {
    /// Later than every day.
    pub const INFINITY: Self = Self(i32::MAX);
    /// Earlier than every day.
    pub const NEG_INFINITY: Self = Self(i32::MIN);

    /// A day by days since 1970.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970.
    pub const fn as_days(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITY => f.write_str("infinity"),
            Self::NEG_INFINITY => f.write_str("-infinity"),
            Self(days) => {
                match EPOCH.checked_add(jiff::SignedDuration::from_hours(i64::from(days) * 24)) {
                    Ok(day) => write!(f, "{day}"),
                    Err(_) => write!(f, "{days} days"),
                }
            }
        }
    }
}

impl FromStr for Date {
    type Err = Error;

    /// Reads `2026-11-22`, `infinity` or `-infinity`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for anything else.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "infinity" => return Ok(Self::INFINITY),
            "-infinity" => return Ok(Self::NEG_INFINITY),
            _ => {}
        }
        let day = civil::Date::from_str(text)
            .map_err(|error| not(text, "a date such as 2026-11-22", error))?;
        let days = day.duration_since(EPOCH).as_hours() / 24;
        Ok(Self(i32::try_from(days).expect("the calendar has fewer than 2^31 days")))
    }
}

/// A time of day, to the microsecond.
///
/// # Shape
///
/// Microseconds since midnight, up to and including 24:00 as PostgreSQL has it; text is
/// `08:00:00.000000`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// A time by microseconds since midnight.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since midnight.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        write!(f, "{:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl FromStr for Time {
    type Err = Error;

    /// Reads `08:00`, `08:00:00` or `08:00:00.5`.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for anything else.
    fn from_str(text: &str) -> Result<Self> {
        if matches!(text, "24:00" | "24:00:00" | "24:00:00.000000") {
            return Ok(Self(24 * 3600 * 1_000_000));
        }
        let time = civil::Time::from_str(text)
            .map_err(|error| not(text, "a time such as 08:00:00", error))?;
        let since = time.duration_since(civil::Time::midnight());
        Ok(Self(i64::try_from(since.as_micros()).expect("a day has fewer than 2^63 microseconds")))
    }
}

fn not(text: &str, what: &str, error: jiff::Error) -> Error {
    Error::invalid(format!("`{}` is not {what}", text.escape_debug())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr<Err = Error> + fmt::Display>(text: &str) -> String {
        text.parse::<T>().map_or_else(|error| error.to_string(), |value| value.to_string())
    }

    #[test]
    fn text_goes_in_and_out() {
        assert_eq!(check::<Timestamp>("2026-11-22T08:00:00+01:00"), "2026-11-22T07:00:00.000000Z");
        assert_eq!(check::<Timestamp>("-infinity"), "-infinity");
        assert_eq!(check::<Date>("1969-12-31"), "1969-12-31");
        assert_eq!(check::<Date>("2026-11-22"), "2026-11-22");
        assert_eq!(check::<Time>("08:00"), "08:00:00.000000");
        assert_eq!(check::<Time>("24:00:00"), "24:00:00.000000");
        assert_eq!(check::<Date>("soon"), "invalid: `soon` is not a date such as 2026-11-22");
    }

    #[test]
    fn text_of_instants_sorts_as_time_does() {
        let times: Vec<_> = [0, 1, 999_999, 1_000_000, 1_700_000_000_000_001]
            .map(|micros| Timestamp::from_micros(micros).to_string())
            .into();
        assert!(times.is_sorted(), "{times:?}");
    }

    #[test]
    fn what_the_calendar_cannot_name_still_prints() {
        assert_eq!(Timestamp::from_micros(i64::MAX - 1).to_string(), "9223372036854775806 us");
        assert_eq!(Date::from_days(i32::MAX - 1).to_string(), "2147483646 days");
    }
}
