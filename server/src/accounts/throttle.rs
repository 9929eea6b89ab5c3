//! How often somebody may try to sign in. What is counted is the attempt, never whether the account exists.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{
    Timestamp,
    accounts::throttle::{Bucket, Limit},
};

const QUARTER_HOUR_MS: i64 = 15 * 60_000;
/// One e-mail address from one network address: a person who mistypes.
const PAIR: Limit = Limit { burst: 10, window_ms: QUARTER_HOUR_MS };
/// One network address over all accounts: an office, or somebody trying one password on many accounts.
const ADDRESS: Limit = Limit { burst: 50, window_ms: QUARTER_HOUR_MS };
/// One e-mail address from everywhere: many machines guessing together. High, so that a stranger cannot easily lock somebody out.
const EMAIL: Limit = Limit { burst: 200, window_ms: QUARTER_HOUR_MS };
/// Buckets kept at most; full ones are forgotten first.
const KEPT: usize = 50_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Pair(String, IpAddr),
    Address(IpAddr),
    Email(String),
}

impl Key {
    fn limit(&self) -> Limit {
        match self {
            Self::Pair(..) => PAIR,
            Self::Address(_) => ADDRESS,
            Self::Email(_) => EMAIL,
        }
    }
}

/// The buckets of this process.
#[derive(Debug, Default)]
pub struct SignInThrottle(Mutex<HashMap<Key, Bucket>>);

/// An attempt that was let through; give it back when it was rightful.
#[derive(Debug)]
pub struct Attempt([Key; 3]);

impl SignInThrottle {
    fn buckets(&self) -> MutexGuard<'_, HashMap<Key, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one attempt for an e-mail address (given as a hash) and a network address.
    ///
    /// # Errors
    /// [`domain::Error::RateLimited`] with the seconds to wait.
    pub fn attempt(&self, email_hash: &str, address: IpAddr, now: Timestamp) -> Result<Attempt, domain::Error> {
        let keys = [Key::Pair(email_hash.into(), address), Key::Address(address), Key::Email(email_hash.into())];
        let mut buckets = self.buckets();
        if buckets.len() >= KEPT {
            buckets.retain(|key, bucket| !bucket.is_full(key.limit(), now));
            if buckets.len() >= KEPT {
                // Tens of thousands of addresses within minutes: keep counting those that are counted by address.
                buckets.retain(|key, _| matches!(key, Key::Address(_)));
            }
        }
        let mut wait = 0;
        for key in &keys {
            let limit = key.limit();
            let bucket = buckets.entry(key.clone()).or_insert_with(|| Bucket::full(limit, now));
            if let Err(seconds) = bucket.take(limit, now) {
                wait = wait.max(seconds);
            }
        }
        if wait == 0 { Ok(Attempt(keys)) } else { Err(domain::Error::RateLimited(wait)) }
    }

    /// A right password costs nothing.
    pub fn give_back(&self, attempt: &Attempt) {
        let mut buckets = self.buckets();
        for key in &attempt.0 {
            if let Some(bucket) = buckets.get_mut(key) {
                bucket.give_back(key.limit());
            }
        }
    }
}
