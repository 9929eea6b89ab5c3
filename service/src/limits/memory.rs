//! In-memory token buckets, for a single process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{
    DomainError as Refusal, Timestamp,
    accounts::throttle::{RateLimit, TokenBucket},
};

use super::{LimitKey, RateLimitStatus, refusal};

/// Maximum buckets; beyond it, the least used ones are dropped.
const KEPT: usize = 50_000;

/// Buckets by key, each with the limit it was created for.
#[derive(Debug, Default)]
pub(super) struct MemoryBuckets(Mutex<HashMap<LimitKey, (TokenBucket, RateLimit)>>);

impl MemoryBuckets {
    fn lock(&self) -> MutexGuard<'_, HashMap<LimitKey, (TokenBucket, RateLimit)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one token from a bucket.
    pub(super) fn take(&self, key: LimitKey, limit: RateLimit, now: Timestamp) -> Result<RateLimitStatus, Refusal> {
        let mut buckets = self.lock();
        make_room(&mut buckets, now);
        let (bucket, _) = buckets.entry(key).or_insert_with(|| (TokenBucket::full(limit, now), limit));
        bucket.take(limit, now).map_err(refusal)?;
        Ok(RateLimitStatus { limit: limit.burst, remaining: bucket.left(), reset: bucket.seconds_until_full(limit, now) })
    }

    /// Takes one token from each of several buckets, or none from any.
    pub(super) fn take_all(&self, keys: &[(LimitKey, RateLimit)], now: Timestamp) -> Result<(), Refusal> {
        let mut buckets = self.lock();
        let waits = keys.iter().filter_map(|(key, limit)| buckets.get_mut(key)?.0.check(*limit, now).err());
        if let Some(wait) = waits.max() {
            return Err(refusal(wait));
        }
        make_room(&mut buckets, now);
        for (key, limit) in keys {
            // Checked above: a token is available.
            let _taken = buckets.entry(key.clone()).or_insert_with(|| (TokenBucket::full(*limit, now), *limit)).0.take(*limit, now);
        }
        Ok(())
    }

    /// Takes `count` tokens from each of several buckets, or none from any.
    pub(super) fn take_exactly(&self, keys: &[(LimitKey, RateLimit)], count: u32, now: Timestamp) -> Result<(), Refusal> {
        let mut buckets = self.lock();
        make_room(&mut buckets, now);
        let wait = keys.iter().filter_map(|(key, limit)| {
            let mut bucket = buckets.get(key).map_or_else(|| TokenBucket::full(*limit, now), |(bucket, _)| *bucket);
            bucket.take_exactly(count, *limit, now).err()
        });
        if let Some(wait) = wait.max() {
            return Err(refusal(wait));
        }
        for (key, limit) in keys {
            // Checked above: enough tokens are available.
            let bucket = buckets.entry(key.clone()).or_insert_with(|| (TokenBucket::full(*limit, now), *limit));
            let _taken = bucket.0.take_exactly(count, *limit, now);
        }
        Ok(())
    }

    /// Charges actual usage, up to the tokens available.
    pub(super) fn take_after_all(&self, key: LimitKey, limit: RateLimit, count: u32, now: Timestamp) {
        let mut buckets = self.lock();
        make_room(&mut buckets, now);
        buckets.entry(key).or_insert_with(|| (TokenBucket::full(limit, now), limit)).0.charge(count, limit, now);
    }

    pub(super) fn give_back(&self, keys: &[(LimitKey, RateLimit)]) {
        let mut buckets = self.lock();
        for (key, limit) in keys {
            if let Some((bucket, _)) = buckets.get_mut(key) {
                bucket.return_tokens(*limit);
            }
        }
    }
}

/// Drops buckets when there are too many: the full ones, then if necessary the least used half. Nearly exhausted buckets
/// stay, so that a flood of addresses cannot erase the limits meant to stop it.
fn make_room(buckets: &mut HashMap<LimitKey, (TokenBucket, RateLimit)>, now: Timestamp) {
    if buckets.len() < KEPT {
        return;
    }
    buckets.retain(|_, (bucket, limit)| !bucket.is_full(*limit, now));
    if buckets.len() < KEPT / 2 {
        return;
    }
    let mut spent: Vec<f64> = buckets.values().map(|(bucket, limit)| bucket.spent(*limit, now)).collect();
    let middle = spent.len() / 2;
    let (_, median, _) = spent.select_nth_unstable_by(middle, f64::total_cmp);
    let median = *median;
    let mut left = middle;
    buckets.retain(|_, (bucket, limit)| {
        let goes = left > 0 && bucket.spent(*limit, now) <= median;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::{
        super::{ADDRESS, EMAIL, NETWORK, PAIR, wide},
        *,
    };

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn v4(n: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    fn attempt(buckets: &MemoryBuckets, email: &str, address: IpAddr) -> Result<(), Refusal> {
        let mut keys = vec![
            (LimitKey::SignInPair(email.into(), address), PAIR),
            (LimitKey::SignInAddress(address), ADDRESS),
            (LimitKey::SignInEmail(email.into()), EMAIL),
        ];
        if let Some(wide) = wide(address) {
            keys.push((LimitKey::SignInNetwork(wide), NETWORK));
        }
        buckets.take_all(&keys, NOW)
    }

    #[test]
    fn who_is_refused_by_address_locks_nobody_out() {
        let buckets = MemoryBuckets::default();
        for _ in 0..1_000 {
            drop(attempt(&buckets, "owner", v4(1)));
        }
        assert!(attempt(&buckets, "owner", v4(1)).is_err());
        assert!(attempt(&buckets, "owner", v4(2)).is_ok());
        assert!(attempt(&buckets, "somebody", v4(1)).is_ok(), "others at that address may still mistype");
    }

    #[test]
    fn many_machines_share_the_attempts_at_one_account() {
        let buckets = MemoryBuckets::default();
        let through = (0..400).filter(|n| attempt(&buckets, "owner", v4(*n)).is_ok()).count();
        assert_eq!(through, 200);
    }

    #[test]
    fn a_flood_of_addresses_does_not_wipe_what_is_used_up() {
        let buckets = MemoryBuckets::default();
        while attempt(&buckets, "owner", v4(1)).is_ok() {}
        for n in 0..60_000 {
            drop(attempt(&buckets, &n.to_string(), v4(100 + n)));
        }
        assert!(attempt(&buckets, "owner", v4(1)).is_err());
        assert!(buckets.lock().len() <= KEPT + 3);
    }

    #[test]
    fn a_customer_with_many_networks_is_one() {
        let buckets = MemoryBuckets::default();
        let address = |n: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 7, n, 0, 0, 0, 0));
        let through = (0..2_000).filter(|n| attempt(&buckets, &n.to_string(), address(*n)).is_ok()).count();
        assert_eq!(through, 100);
        assert!(attempt(&buckets, "x", IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 8, 0, 0, 0, 0, 0))).is_ok());
    }

    #[test]
    fn no_customer_uses_up_what_an_account_has() {
        let buckets = MemoryBuckets::default();
        let address = |n: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 7, n, 0, 0, 0, 0));
        for n in 0..2_000 {
            drop(attempt(&buckets, "owner", address(n)));
        }
        assert!(attempt(&buckets, "owner", v4(1)).is_ok());
    }

    #[test]
    fn what_is_left_is_told() {
        let buckets = MemoryBuckets::default();
        let limit = RateLimit { burst: 3, window_ms: 60_000 };
        let took = |now| buckets.take(LimitKey::Address(v4(1)), limit, now);
        assert_eq!(took(NOW), Ok(RateLimitStatus { limit: 3, remaining: 2, reset: 20 }));
        assert_eq!(took(NOW), Ok(RateLimitStatus { limit: 3, remaining: 1, reset: 40 }));
        assert_eq!(took(NOW), Ok(RateLimitStatus { limit: 3, remaining: 0, reset: 60 }));
        assert_eq!(took(NOW), Err(Refusal::RateLimited(20)));
        assert!(took(NOW.plus_ms(20_000)).is_ok());
    }
}
