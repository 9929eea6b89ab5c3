//! How often one address and one project may submit. In memory, for this process; bounded, because idle counters are dropped.

use std::{
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use domain::{Error, ids::ProjectId};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

/// Idle counters are looked for once in so many submissions.
const SWEEP: u32 = 1024;

/// The counters.
pub struct Limits {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    keys: DefaultKeyedRateLimiter<ProjectId>,
    clock: DefaultClock,
    seen: AtomicU32,
}

impl Limits {
    /// Submissions per minute from one address and for one project.
    #[must_use]
    pub fn new(per_address: u32, per_key: u32) -> Self {
        let quota = |n| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        Self {
            addresses: RateLimiter::keyed(quota(per_address)),
            keys: RateLimiter::keyed(quota(per_key)),
            clock: DefaultClock::default(),
            seen: AtomicU32::new(0),
        }
    }

    /// Counts one submission from an address (see [`crate::http::address::ClientAddress::bucket`]).
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there were too many.
    pub fn address(&self, address: IpAddr) -> Result<(), Error> {
        if self.seen.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.addresses.retain_recent();
            self.addresses.shrink_to_fit();
            self.keys.retain_recent();
        }
        self.check(&self.addresses, &address)
    }

    /// Counts one submission for a project.
    ///
    /// # Errors
    /// As [`Limits::address`].
    pub fn project(&self, project: ProjectId) -> Result<(), Error> {
        self.check(&self.keys, &project)
    }

    fn check<K: Hash + Eq + Clone>(&self, limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), Error> {
        limiter.check_key(key).map_err(|until| Error::RateLimited(until.wait_time_from(self.clock.now()).as_secs() + 1))
    }
}
