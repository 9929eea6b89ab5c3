//! The real clock and id source. Nothing else in the server reads the time or generates randomness.

use domain::{Clock, IdSource, Timestamp};
use rand::{TryRngCore, rngs::OsRng};
use uuid::Uuid;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl IdSource for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn random(&self, buffer: &mut [u8]) {
        // Without randomness this program cannot run safely.
        #[expect(clippy::expect_used, reason = "there is nothing safe to do without randomness")]
        OsRng.try_fill_bytes(buffer).expect("the operating system gives randomness");
    }
}
