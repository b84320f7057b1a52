//! How many mutations a socket may send: so many at once, so many a second.

use std::time::Duration;

/// Tokens that refill with time, up to a second's worth.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, tokens: per_second, at: Duration::ZERO }
    }

    /// Takes one token, or says how long until there is one.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let earned = now.saturating_sub(self.at).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + earned).min(self.per_second);
        self.at = now;
        if 1.0 <= self.tokens {
            self.tokens -= 1.0;
            return Ok(());
        }
        let missing = (1.0 - self.tokens) / self.per_second;
        // A rate of nothing never refills; a day is long enough to say so.
        Err(Duration::try_from_secs_f64(missing).unwrap_or(Duration::from_hours(24)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_a_second_long_and_then_it_trickles() {
        let mut bucket = Bucket::new(2);
        let mut take = |millis| bucket.take(Duration::from_millis(millis));
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(0), Err(Duration::from_millis(500)));
        assert_eq!(take(500), Ok(()));
        assert_eq!(take(600), Err(Duration::from_millis(400)));
        assert_eq!(take(60_000), Ok(()));
        assert_eq!(take(60_000), Ok(()));
        assert!(take(60_000).is_err());
    }

    #[test]
    fn a_rate_of_nothing_lets_nothing_through() {
        assert!(Bucket::new(0).take(Duration::from_secs(9)).is_err());
    }
}
