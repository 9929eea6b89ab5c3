//! Database token buckets from which this node takes several tokens at a time.
//!
//! Tokens that a node has taken but not used are unavailable to the others until the bucket refills; all nodes together never exceed
//! the limit.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{DomainError as Refusal, Timestamp, accounts::throttle::RateLimit};
use store::Store;

use super::{LimitKey, RateLimitStatus, refusal};
use crate::error::{Error, Result};

/// A lease (the tokens taken at once) is this fraction of a full bucket.
const PARTS: u32 = 20;
/// Maximum lease size, so that a node that restarts repeatedly wastes little of a large bucket.
const MOST: u32 = 1000;
/// How long a lease is valid, in milliseconds.
const LOT_MS: i64 = 10_000;
/// Maximum keys; beyond it, expired leases are dropped, and then all.
const KEPT: usize = 50_000;
/// Concurrent database requests: for each key, one request queries the database and the others wait for its result.
const LANES: usize = 16;

/// This node's lease for a key.
#[derive(Debug, Clone, Copy)]
struct RateLimitLease {
    left: u32,
    until: Timestamp,
    /// The tokens still left in the bucket, and the seconds until it is full.
    beyond: u32,
    reset: u64,
    /// The bucket was empty; no tokens are available before then.
    empty_until: Option<Timestamp>,
}

/// This node's leases.
#[derive(Debug)]
pub(super) struct RateLimitLeases {
    leases: Mutex<HashMap<LimitKey, RateLimitLease>>,
    lanes: [tokio::sync::Mutex<()>; LANES],
    hasher: RandomState,
}

impl Default for RateLimitLeases {
    fn default() -> Self {
        Self { leases: Mutex::default(), lanes: std::array::from_fn(|_| tokio::sync::Mutex::default()), hasher: RandomState::new() }
    }
}

impl RateLimitLeases {
    fn lock(&self) -> MutexGuard<'_, HashMap<LimitKey, RateLimitLease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one token from the current lease, or from a new one.
    pub(super) async fn take(&self, store: &Store, key: LimitKey, limit: RateLimit, now: Timestamp) -> Result<RateLimitStatus> {
        if let Some(known) = self.at_hand(&key, limit, now) {
            return Ok(known?);
        }
        let lane = usize::try_from(self.hasher.hash_one(&key) % LANES as u64).unwrap_or_default();
        let _turn = self.lanes[lane].lock().await;
        if let Some(known) = self.at_hand(&key, limit, now) {
            return Ok(known?);
        }
        let (rows, want) = (vec![(key.to_string(), limit)], (limit.burst / PARTS).clamp(1, MOST));
        let taken = store.write(move |tx| Box::pin(async move { tx.take_from_buckets(&rows, want, now).await })).await;
        let nothing = RateLimitLease { left: 0, until: now, beyond: 0, reset: 0, empty_until: None };
        let lease = match taken.as_deref() {
            Ok([taken]) => {
                RateLimitLease { left: taken.count - 1, until: now.plus_ms(LOT_MS), beyond: taken.left, reset: taken.full_in, ..nothing }
            }
            Err(Error::Domain(Refusal::RateLimited(seconds))) => {
                let until = now.plus_ms(i64::try_from(*seconds).unwrap_or(1).saturating_mul(1000));
                RateLimitLease { empty_until: Some(until), ..nothing }
            }
            _ => return Err(taken.err().unwrap_or_else(|| Error::internal("limits", "not one bucket"))),
        };
        let mut leases = self.lock();
        if leases.len() >= KEPT {
            leases.retain(|_, lease| lease.until > now || lease.empty_until.is_some_and(|until| until > now));
            if leases.len() >= KEPT {
                leases.clear();
            }
        }
        leases.insert(key, lease);
        drop(leases);
        taken.map(|_| standing(lease, limit))
    }

    /// Returns an unused token.
    pub(super) fn give_back(&self, key: &LimitKey) {
        if let Some(lease) = self.lock().get_mut(key) {
            lease.left += 1;
            lease.empty_until = None;
        }
    }

    /// Answers from the local lease, if possible.
    fn at_hand(&self, key: &LimitKey, limit: RateLimit, now: Timestamp) -> Option<Result<RateLimitStatus, Refusal>> {
        let mut leases = self.lock();
        let lease = leases.get_mut(key)?;
        if let Some(until) = lease.empty_until.filter(|until| *until > now) {
            return Some(Err(refusal((until.0 - now.0).unsigned_abs().div_ceil(1000))));
        }
        if lease.left == 0 || lease.until <= now {
            return None;
        }
        lease.left -= 1;
        Some(Ok(standing(*lease, limit)))
    }
}

fn standing(lease: RateLimitLease, limit: RateLimit) -> RateLimitStatus {
    RateLimitStatus { limit: limit.burst, remaining: lease.left + lease.beyond, reset: lease.reset }
}
