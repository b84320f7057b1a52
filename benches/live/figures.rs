//! Clocks and figures.

use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// Microseconds since 1970: the one clock that the processes of a machine share.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(since.as_micros()).expect("it is earlier than the year 290000")
}

/// A duration in nanoseconds.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).expect("it took less than an age")
}

/// Durations of one unit, in order.
#[derive(Debug)]
pub(crate) struct Spread(Vec<i64>);

impl Spread {
    pub(crate) fn of(durations: impl IntoIterator<Item = i64>) -> Self {
        let mut sorted: Vec<i64> = durations.into_iter().collect();
        sorted.sort_unstable();
        Self(sorted)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The duration that so many hundredths do not exceed.
    #[expect(clippy::cast_precision_loss, reason = "no measurement lasts for centuries")]
    pub(crate) fn at(&self, hundredths: usize) -> f64 {
        let rank = (self.0.len() * hundredths).div_ceil(100).saturating_sub(1);
        self.0.get(rank).map_or(f64::NAN, |duration| *duration as f64)
    }

    /// The same of microseconds, in milliseconds.
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        self.at(hundredths) / 1000.0
    }
}

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The one in the middle.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A number that looks random and is the same in every run; `number` is below `below`.
pub(crate) fn scatter(number: u64, below: i64) -> i64 {
    // SplitMix64's finalizer.
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 33).cast_signed() % below
}
