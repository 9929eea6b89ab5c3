//! How often somebody may try to sign in. What is counted is the attempt, never whether the account exists.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
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
/// One IPv6 /48, which a single customer may hold: 65,536 times what counts as one address.
const NETWORK: Limit = Limit { burst: 500, window_ms: QUARTER_HOUR_MS };
/// Buckets kept; beyond it, those are forgotten of which least is spent.
const KEPT: usize = 50_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Pair(String, IpAddr),
    Address(IpAddr),
    Network([u16; 3]),
    Email(String),
}

impl Key {
    fn limit(&self) -> Limit {
        match self {
            Self::Pair(..) => PAIR,
            Self::Address(_) => ADDRESS,
            Self::Network(_) => NETWORK,
            Self::Email(_) => EMAIL,
        }
    }
}

/// The buckets of this process.
#[derive(Debug, Default)]
pub struct SignInThrottle(Mutex<HashMap<Key, Bucket>>);

/// An attempt that was let through; give it back when it was rightful.
#[derive(Debug)]
pub struct Attempt(Vec<Key>);

impl SignInThrottle {
    fn buckets(&self) -> MutexGuard<'_, HashMap<Key, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one attempt for an e-mail address (given as a hash) and a network address. One that is refused for any reason counts for
    /// nothing: who is refused by address must not use up the account's attempts.
    ///
    /// # Errors
    /// [`domain::Error::RateLimited`] with the seconds to wait.
    pub fn attempt(&self, email_hash: &str, address: IpAddr, now: Timestamp) -> Result<Attempt, domain::Error> {
        let mut keys = vec![Key::Pair(email_hash.into(), address), Key::Address(address), Key::Email(email_hash.into())];
        if let IpAddr::V6(v6) = address {
            keys.push(network(v6));
        }
        let mut buckets = self.buckets();
        let waits = keys.iter().filter_map(|key| buckets.get_mut(key)?.check(key.limit(), now).err());
        if let Some(wait) = waits.max() {
            return Err(domain::Error::RateLimited(wait));
        }
        make_room(&mut buckets, now);
        for key in &keys {
            let limit = key.limit();
            // There is one to take: that was looked at above.
            let _taken = buckets.entry(key.clone()).or_insert_with(|| Bucket::full(limit, now)).take(limit, now);
        }
        Ok(Attempt(keys))
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

fn network(address: Ipv6Addr) -> Key {
    let [a, b, c, ..] = address.segments();
    Key::Network([a, b, c])
}

/// Forgets buckets when there are too many: the full ones, and if that is not enough the half of which least is spent. What is nearly
/// used up stays, so that a flood of addresses does not wipe what it was meant to be stopped by.
fn make_room(buckets: &mut HashMap<Key, Bucket>, now: Timestamp) {
    if buckets.len() < KEPT {
        return;
    }
    buckets.retain(|key, bucket| !bucket.is_full(key.limit(), now));
    if buckets.len() < KEPT / 2 {
        return;
    }
    let mut spent: Vec<f64> = buckets.iter().map(|(key, bucket)| bucket.spent(key.limit(), now)).collect();
    let middle = spent.len() / 2;
    let (_, median, _) = spent.select_nth_unstable_by(middle, f64::total_cmp);
    let median = *median;
    let mut left = middle;
    buckets.retain(|key, bucket| {
        let goes = left > 0 && bucket.spent(key.limit(), now) <= median;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn v4(n: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    #[test]
    fn who_is_refused_by_address_locks_nobody_out() {
        let throttle = SignInThrottle::default();
        for _ in 0..1_000 {
            drop(throttle.attempt("owner", v4(1), NOW));
        }
        assert!(throttle.attempt("owner", v4(1), NOW).is_err());
        assert!(throttle.attempt("owner", v4(2), NOW).is_ok());
        assert!(throttle.attempt("somebody", v4(1), NOW).is_ok(), "others at that address may still mistype");
    }

    #[test]
    fn many_machines_share_the_attempts_at_one_account() {
        let throttle = SignInThrottle::default();
        let through = (0..400).filter(|n| throttle.attempt("owner", v4(*n), NOW).is_ok()).count();
        assert_eq!(through, 200);
    }

    #[test]
    fn a_flood_of_addresses_does_not_wipe_what_is_used_up() {
        let throttle = SignInThrottle::default();
        while throttle.attempt("owner", v4(1), NOW).is_ok() {}
        for n in 0..60_000 {
            drop(throttle.attempt(&n.to_string(), v4(100 + n), NOW));
        }
        assert!(throttle.attempt("owner", v4(1), NOW).is_err());
        assert!(throttle.buckets().len() <= KEPT + 3);
    }

    #[test]
    fn a_customer_with_many_networks_is_one() {
        let throttle = SignInThrottle::default();
        let address = |n: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 7, n, 0, 0, 0, 0));
        let through = (0..2_000).filter(|n| throttle.attempt(&n.to_string(), address(*n), NOW).is_ok()).count();
        assert_eq!(through, 500);
        assert!(throttle.attempt("x", IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 8, 0, 0, 0, 0, 0)), NOW).is_ok());
    }
}
