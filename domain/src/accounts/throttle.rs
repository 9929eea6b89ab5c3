//! A token bucket over given times: how often something may be tried, without a clock of its own.

use crate::Timestamp;

/// `burst` attempts at once, and as many again over each `window_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The most attempts at once.
    pub burst: u32,
    /// In how many milliseconds an empty bucket is full again.
    pub window_ms: i64,
}

/// What is left of a [`RateLimit`] for one key.
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

    /// A bucket as it was kept.
    #[must_use]
    pub fn of(tokens: f64, at: Timestamp) -> Self {
        Self { tokens, at }
    }

    /// What to keep of it: what is left, and when that was so.
    #[must_use]
    pub fn parts(&self) -> (f64, Timestamp) {
        (self.tokens, self.at)
    }

    fn refill(&mut self, limit: RateLimit, now: Timestamp) {
        // A clock that was set back gives nothing and takes nothing.
        let passed = u32::try_from((now.0 - self.at.0).clamp(0, limit.window_ms)).unwrap_or(u32::MAX);
        let window = u32::try_from(limit.window_ms.max(1)).unwrap_or(u32::MAX);
        let burst = f64::from(limit.burst);
        self.tokens = (self.tokens + burst * f64::from(passed) / f64::from(window)).min(burst);
        // Whose clock is a little behind must not set the time back, else the next would refill the same time again. When the clock was set
        // back by more than a window, the time that was kept is the wrong one.
        if now > self.at || self.at.0 - now.0 > limit.window_ms {
            self.at = now;
        }
    }

    /// Takes one attempt.
    ///
    /// # Errors
    /// In how many seconds there is one again.
    pub fn take(&mut self, limit: RateLimit, now: Timestamp) -> Result<(), u64> {
        self.check(limit, now)?;
        self.tokens = (self.tokens - 1.0).max(0.0);
        Ok(())
    }

    /// Takes as many as there are, up to `most` (and at least one); gives how many.
    ///
    /// # Errors
    /// As [`TokenBucket::take`].
    pub fn take_up_to(&mut self, most: u32, limit: RateLimit, now: Timestamp) -> Result<u32, u64> {
        self.take(limit, now)?;
        let more = self.left().min(most.saturating_sub(1));
        self.tokens -= f64::from(more);
        Ok(1 + more)
    }

    /// Takes exactly so many, or none.
    ///
    /// # Errors
    /// In how many seconds there are so many; never, if the bucket does not hold them: then when it is full.
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

    /// Takes so many as were used after all, as far as there are any.
    pub fn charge(&mut self, count: u32, limit: RateLimit, now: Timestamp) {
        self.refill(limit, now);
        self.tokens = (self.tokens - f64::from(count)).max(0.0);
    }

    /// How many whole attempts were left when it was last looked at.
    #[must_use]
    pub fn left(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative, and saturating")]
        let left = (self.tokens + 1e-9).floor() as u32;
        left
    }

    /// In how many seconds it is full, if nothing is taken.
    #[must_use]
    pub fn seconds_until_full(&self, limit: RateLimit, now: Timestamp) -> u64 {
        let window = u32::try_from(limit.window_ms.max(0)).unwrap_or(u32::MAX);
        // A hair over a second is that second.
        let seconds = (self.spent(limit, now) * f64::from(window) / 1000.0 - 1e-6).ceil().max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and never negative")]
        let seconds = seconds as u64;
        seconds
    }

    /// Whether there is an attempt to take.
    ///
    /// # Errors
    /// In how many seconds there is one.
    pub fn check(&mut self, limit: RateLimit, now: Timestamp) -> Result<(), u64> {
        self.refill(limit, now);
        // A hair under one counts as one: refilling in parts must not cost an attempt to rounding.
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

    /// Gives one attempt back: it was a rightful one.
    pub fn return_tokens(&mut self, limit: RateLimit) {
        self.tokens = (self.tokens + 1.0).min(f64::from(limit.burst));
    }

    /// Whether forgetting this bucket changes nothing.
    #[must_use]
    pub fn is_full(&self, limit: RateLimit, now: Timestamp) -> bool {
        self.spent(limit, now) < 1e-9
    }

    /// Which share of its attempts is spent, 0 to 1.
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
