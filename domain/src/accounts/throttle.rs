//! A rate-limiting token bucket; callers pass the time in.

use crate::Timestamp;

/// `burst` attempts at once, refilled over each `window_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Most attempts at once.
    pub burst: u32,
    /// Milliseconds until an empty bucket is full again.
    pub window_ms: i64,
}

/// The remaining tokens of a [`RateLimit`] for one key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenBucket {
    tokens: f64,
    at: Timestamp,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn full(limit: RateLimit, now: Timestamp) -> Self {
        Self { tokens: f64::from(limit.burst), at: now }
    }

    /// Restores a bucket from its stored parts.
    #[must_use]
    pub fn of(tokens: f64, at: Timestamp) -> Self {
        Self { tokens, at }
    }

    /// The parts to store: the remaining tokens, and the time they were valid at.
    #[must_use]
    pub fn parts(&self) -> (f64, Timestamp) {
        (self.tokens, self.at)
    }

    fn refill(&mut self, limit: RateLimit, now: Timestamp) {
        // If the clock was set back, no tokens are added or removed.
        let passed = u32::try_from((now.0 - self.at.0).clamp(0, limit.window_ms)).unwrap_or(u32::MAX);
        let window = u32::try_from(limit.window_ms.max(1)).unwrap_or(u32::MAX);
        let burst = f64::from(limit.burst);
        self.tokens = (self.tokens + burst * f64::from(passed) / f64::from(window)).min(burst);
        // A clock that is slightly behind must not move the stored time back, or the next refill would count the same time again. If the
        // clock was set back by more than a window, the stored time is the wrong one.
        if now > self.at || self.at.0 - now.0 > limit.window_ms {
            self.at = now;
        }
    }

    /// Takes one attempt.
    ///
    /// # Errors
    /// The number of seconds until an attempt is available.
    pub fn take(&mut self, limit: RateLimit, now: Timestamp) -> Result<(), u64> {
        self.check(limit, now)?;
        self.tokens = (self.tokens - 1.0).max(0.0);
        Ok(())
    }

    /// Takes as many attempts as are left, up to `most` (and at least one); returns how many.
    ///
    /// # Errors
    /// As [`TokenBucket::take`].
    pub fn take_up_to(&mut self, most: u32, limit: RateLimit, now: Timestamp) -> Result<u32, u64> {
        self.take(limit, now)?;
        let more = self.left().min(most.saturating_sub(1));
        self.tokens -= f64::from(more);
        Ok(1 + more)
    }

    /// Takes exactly `count` attempts, or none.
    ///
    /// # Errors
    /// The number of seconds until `count` are available; if the bucket can never hold that many, until it is full.
    pub fn take_exactly(&mut self, count: u32, limit: RateLimit, now: Timestamp) -> Result<(), u64> {
        self.refill(limit, now);
        if self.tokens + 1e-9 >= f64::from(count) {
            self.tokens = (self.tokens - f64::from(count)).max(0.0);
            return Ok(());
        }
        let missing = f64::from(count.min(limit.burst)) - self.tokens;
        let window = u32::try_from(limit.window_ms.max(0)).unwrap_or(u32::MAX);
        let seconds = (missing / f64::from(limit.burst.max(1)) * f64::from(window) / 1000.0).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and never negative")]
        let seconds = seconds as u64;
        Err(seconds)
    }

    /// Charges `count` attempts afterwards, or as many as are left.
    pub fn charge(&mut self, count: u32, limit: RateLimit, now: Timestamp) {
        self.refill(limit, now);
        self.tokens = (self.tokens - f64::from(count)).max(0.0);
    }

    /// Whole attempts left at the last refill.
    #[must_use]
    pub fn left(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative, and saturating")]
        let left = (self.tokens + 1e-9).floor() as u32;
        left
    }

    /// Seconds until the bucket is full if nothing is taken.
    #[must_use]
    pub fn seconds_until_full(&self, limit: RateLimit, now: Timestamp) -> u64 {
        let window = u32::try_from(limit.window_ms.max(0)).unwrap_or(u32::MAX);
        // Rounding errors must not add a second.
        let seconds = (self.spent(limit, now) * f64::from(window) / 1000.0 - 1e-6).ceil().max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and never negative")]
        let seconds = seconds as u64;
        seconds
    }

    /// Checks that an attempt is left.
    ///
    /// # Errors
    /// The number of seconds until one is.
    pub fn check(&mut self, limit: RateLimit, now: Timestamp) -> Result<(), u64> {
        self.refill(limit, now);
        // Almost one counts as one: refilling in parts must not cost an attempt to rounding.
        if self.tokens >= 1.0 - 1e-9 {
            return Ok(());
        }
        let per_token = limit.window_ms.max(1).unsigned_abs() / u64::from(limit.burst.max(1));
        let missing = ((1.0 - self.tokens) * 1000.0).ceil().clamp(0.0, 1000.0);
        // `missing` is a whole number between 0 and 1000.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
        let wait_ms = per_token * (missing as u64) / 1000;
        Err(wait_ms.div_ceil(1000).max(1))
    }

    /// Returns one attempt: it was legitimate.
    pub fn return_tokens(&mut self, limit: RateLimit) {
        self.tokens = (self.tokens + 1.0).min(f64::from(limit.burst));
    }

    /// Returns whether the bucket is full, so that deleting it changes nothing.
    #[must_use]
    pub fn is_full(&self, limit: RateLimit, now: Timestamp) -> bool {
        self.spent(limit, now) < 1e-9
    }

    /// The share of attempts spent, 0 to 1.
    #[must_use]
    pub fn spent(&self, limit: RateLimit, now: Timestamp) -> f64 {
        let mut copy = *self;
        copy.refill(limit, now);
        1.0 - copy.tokens / f64::from(limit.burst.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { burst: 3, window_ms: 30_000 };

    #[test]
    fn a_bucket_empties_and_says_when_to_come_back() {
        let now = Timestamp(1_000_000);
        let mut bucket = TokenBucket::full(LIMIT, now);
        for _ in 0..3 {
            assert_eq!(bucket.take(LIMIT, now), Ok(()));
        }
        assert_eq!(bucket.take(LIMIT, now), Err(10));
        assert_eq!(bucket.take(LIMIT, now.plus_ms(4_000)), Err(6));
        assert_eq!(bucket.take(LIMIT, now.plus_ms(10_000)), Ok(()));
        assert_eq!(bucket.take(LIMIT, now.plus_ms(10_000)), Err(10));
    }

    #[test]
    fn many_are_taken_together_or_not_at_all() {
        let limit = RateLimit { burst: 100, window_ms: 100_000 };
        let now = Timestamp(1_000_000);
        let mut bucket = TokenBucket::full(limit, now);
        assert_eq!(bucket.take_exactly(60, limit, now), Ok(()));
        assert_eq!(bucket.take_exactly(60, limit, now), Err(20));
        assert_eq!(bucket.take_exactly(40, limit, now), Ok(()));
        assert_eq!(bucket.take_exactly(1, limit, now), Err(1));
        assert_eq!(bucket.take_exactly(500, limit, now), Err(100));
        assert_eq!(bucket.take_exactly(20, limit, now.plus_ms(20_000)), Ok(()));
        bucket.charge(500, limit, now.plus_ms(30_000));
        assert_eq!(bucket.take_exactly(1, limit, now.plus_ms(30_000)), Err(1));
    }

    #[test]
    fn it_never_holds_more_than_its_burst_and_survives_a_clock_set_back() {
        let now = Timestamp(1_000_000);
        let mut bucket = TokenBucket::full(LIMIT, now);
        bucket.return_tokens(LIMIT);
        assert!(bucket.is_full(LIMIT, now));
        for _ in 0..3 {
            assert!(bucket.take(LIMIT, now.plus_ms(500_000)).is_ok());
        }
        assert!(bucket.take(LIMIT, now).is_err());
        assert!(!bucket.is_full(LIMIT, now));
        assert!(bucket.is_full(LIMIT, now.plus_ms(30_000)));
    }

    #[test]
    fn clocks_that_differ_a_little_give_no_more() {
        let (here, there) = (Timestamp(1_000_000), Timestamp(1_010_000));
        let mut bucket = TokenBucket::full(LIMIT, here);
        let taken = [here, there].into_iter().cycle().take(40).filter(|now| bucket.take(LIMIT, *now).is_ok()).count();
        assert_eq!(taken, 4, "three, and one for the ten seconds");
    }
}
