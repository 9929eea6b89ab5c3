//! Resource budgets for people without an account, and the reserve for the team.
//!
//! Sizes depend on the machine. Each address has a share of everything, so that one alone never exhausts it: an IPv4 address, an IPv6 /64,
//! and, since one customer may hold a /48, that too. Signed-in people and API keys have a separate budget ([`MemoryLease::exempt_team`]).

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domain::{Timestamp, accounts::throttle::RateLimit, ids::ProjectId};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::{LimitKey, memory::MemoryBuckets};
use crate::system_resources;

/// Bytes of a body that belong to its connection: not counted here, and never refused.
pub const FREE_BODY_BYTES: usize = 16 << 10;
const MB: usize = 1 << 20;
/// An address may use this fraction of the memory for bodies…
const PARTS: usize = 8;
/// …and never less than this: the size of the largest form with files.
const LEAST_SHARE: usize = 12 * MB;
/// Milliseconds of processor time for one address's images: ten large ones at once, and a sixth of a processor on average.
const PICTURES: RateLimit = RateLimit { burst: 20_000, window_ms: 120_000 };
/// How long a count of stored file bytes is reused.
const STORED_MS: i64 = 60_000;
/// Maximum bytes of files held for strangers' forms to be resubmitted.
const HELD: i64 = 200 << 20;
/// Number of address shares that an IPv6 /48 has.
pub(crate) const NETWORK_SHARES: usize = 2;

/// The network that usage is charged to: an IPv4 address, or an IPv6 /64, and the /48 around that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientNetwork {
    /// An IPv4 address, or the first address of an IPv6 /64.
    Address(IpAddr),
    /// An IPv6 /48.
    Wide([u16; 3]),
}

impl ClientNetwork {
    /// Returns the networks of an address, narrowest first.
    pub fn of(address: IpAddr) -> impl Iterator<Item = Self> {
        [Some(Self::Address(narrow(address))), wide(address).map(Self::Wide)].into_iter().flatten()
    }

    /// Returns the largest network that one customer may hold: an IPv4 address, or an IPv6 /48.
    pub fn widest(address: IpAddr) -> Self {
        wide(address).map_or_else(|| Self::Address(narrow(address)), Self::Wide)
    }

    /// Number of address shares it has.
    #[must_use]
    pub fn shares(self) -> usize {
        if matches!(self, Self::Wide(_)) { NETWORK_SHARES } else { 1 }
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Wide([a, b, c]) => write!(f, "{a:x}:{b:x}:{c:x}::/48"),
        }
    }
}

/// Returns the address to count by: an IPv4 address, or the first address of an IPv6 /64, since a household or server has at least that.
#[must_use]
pub fn narrow(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Returns the /48 of an IPv6 address.
pub(super) fn wide(address: IpAddr) -> Option<[u16; 3]> {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Some([a, b, c])
        }
        IpAddr::V4(_) => None,
    }
}

/// The party whose quota is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaOwner {
    /// Someone without an account, by address (see [`narrow`]).
    Stranger(IpAddr),
    /// A team member.
    Team,
}

impl QuotaOwner {
    /// Returns the address of a stranger.
    #[must_use]
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Stranger(address) => Some(address),
            Self::Team => None,
        }
    }
}

/// The budget that was exhausted when something was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BudgetKind {
    what: &'static str,
}

/// Number of rejections per budget.
#[derive(Debug, Clone, Default)]
pub struct RejectionCounters(Family<BudgetKind, Counter>);

impl RejectionCounters {
    /// Counts a rejection; `what` is one of a few fixed words.
    pub fn count(&self, what: &'static str) {
        self.0.get_or_create(&BudgetKind { what }).inc();
    }

    /// The counters, for `/metrics`.
    #[must_use]
    pub fn family(&self) -> Family<BudgetKind, Counter> {
        self.0.clone()
    }
}

/// Time of the last file count, and the bytes per project.
type Counted = (Timestamp, Arc<HashMap<ProjectId, u64>>);

/// The budgets of this process.
#[derive(Debug)]
pub struct ResourceBudget {
    /// Bodies of requests by people without an account.
    strangers: MemoryPool,
    /// Bodies of requests by the team and its programs.
    team: MemoryPool,
    /// Images: processor time by address.
    pictures: MemoryBuckets,
    /// Result of the last file count.
    stored: Mutex<Option<Counted>>,
    /// Maximum bytes of files held for strangers' forms.
    pub held_bytes: i64,
    /// Rejection counters.
    pub refusals: RejectionCounters,
}

impl ResourceBudget {
    /// Checks that an address has processor time left for another image.
    ///
    /// # Errors
    /// [`domain::DomainError::RateLimited`].
    pub fn may_decode(&self, address: IpAddr, now: Timestamp) -> Result<(), domain::DomainError> {
        let keys: Vec<(LimitKey, RateLimit)> = ClientNetwork::of(address).map(pictures_of).collect();
        self.pictures.take_exactly(&keys, 1, now)
    }

    /// Returns the file bytes of each project, if counted within the last minute.
    pub fn stored(&self, now: Timestamp) -> Option<Arc<HashMap<ProjectId, u64>>> {
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.as_ref().filter(|(at, _)| (0..STORED_MS).contains(&(now.0 - at.0))).map(|(_, bytes)| Arc::clone(bytes))
    }

    /// Stores a new count.
    pub fn keep_stored(&self, bytes: Vec<(ProjectId, i64)>, now: Timestamp) -> Arc<HashMap<ProjectId, u64>> {
        let bytes = bytes.into_iter().map(|(project, bytes)| (project, u64::try_from(bytes).unwrap_or_default())).collect();
        let bytes = Arc::new(bytes);
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&bytes)));
        bytes
    }

    /// Charges an address for the processor time of an image.
    pub fn decoded(&self, address: IpAddr, used: Duration, now: Timestamp) {
        let millis = u32::try_from(used.as_millis()).unwrap_or(u32::MAX);
        for (key, limit) in ClientNetwork::of(address).map(pictures_of) {
            self.pictures.take_after_all(key, limit, millis, now);
        }
    }

    /// Returns the budgets for the machine that this process runs on.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::for_memory(system_resources::memory())
    }

    /// Returns the budgets for this many bytes of memory; `None` if unknown.
    #[must_use]
    pub fn for_memory(memory: Option<u64>) -> Self {
        let memory = memory.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let bodies = (memory / 16).clamp(3 * LEAST_SHARE, PARTS * LEAST_SHARE);
        let share = (bodies / PARTS).max(LEAST_SHARE);
        Self {
            strangers: MemoryPool::new(bodies, Some(share)),
            // Team members are not limited by address: a whole office may share one.
            team: MemoryPool::new(bodies, None),
            pictures: MemoryBuckets::default(),
            stored: Mutex::default(),
            held_bytes: HELD,
            refusals: RejectionCounters::default(),
        }
    }

    /// Returns the bytes of bodies in memory and the maximum: for strangers, then for the team.
    #[must_use]
    pub fn bodies(&self) -> [(usize, usize); 2] {
        [&self.strangers, &self.team].map(|room| (room.lock().all, room.most))
    }
}

/// Returns the image processing quota of a network.
fn pictures_of(network: ClientNetwork) -> (LimitKey, RateLimit) {
    let shares = u32::try_from(network.shares()).unwrap_or(1);
    (LimitKey::Pictures(network), RateLimit { burst: PICTURES.burst * shares, ..PICTURES })
}

/// Memory shared by requests, in bytes.
#[derive(Debug)]
struct MemoryPool {
    most: usize,
    /// The maximum for one address; `None`: unlimited.
    share: Option<usize>,
    taken: Mutex<PoolUsage>,
}

#[derive(Debug, Default)]
struct PoolUsage {
    all: usize,
    by: HashMap<ClientNetwork, usize>,
}

impl MemoryPool {
    fn new(most: usize, share: Option<usize>) -> Self {
        Self { most, share, taken: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, PoolUsage> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves all of it, or nothing.
    fn take(&self, address: IpAddr, bytes: usize) -> bool {
        let mut taken = self.lock();
        if taken.all + bytes > self.most {
            return false;
        }
        if let Some(share) = self.share {
            let has = |network: &ClientNetwork| taken.by.get(network).copied().unwrap_or_default();
            if ClientNetwork::of(address).any(|network| has(&network) + bytes > share * network.shares()) {
                return false;
            }
            for network in ClientNetwork::of(address) {
                *taken.by.entry(network).or_default() += bytes;
            }
        }
        taken.all += bytes;
        true
    }

    fn give_back(&self, address: IpAddr, bytes: usize) {
        let mut taken = self.lock();
        taken.all = taken.all.saturating_sub(bytes);
        if self.share.is_none() {
            return;
        }
        for network in ClientNetwork::of(address) {
            if let Some(has) = taken.by.get_mut(&network) {
                *has = has.saturating_sub(bytes);
                if *has == 0 {
                    taken.by.remove(&network);
                }
            }
        }
    }
}

/// The memory that one request's body uses. Released when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct MemoryLease(Arc<LeaseInner>);

#[derive(Debug)]
struct LeaseInner {
    budget: Arc<ResourceBudget>,
    address: IpAddr,
    has: Mutex<LeaseUsage>,
    /// Whether the body's reader accounts for the memory it keeps.
    by_hand: AtomicBool,
    refused: AtomicBool,
}

#[derive(Debug, Default)]
struct LeaseUsage {
    bytes: usize,
    reserved: usize,
    team: bool,
}

impl MemoryLease {
    /// Creates an empty lease for a request from an address.
    #[must_use]
    pub fn new(budget: &Arc<ResourceBudget>, address: IpAddr) -> Self {
        Self(Arc::new(LeaseInner {
            budget: Arc::clone(budget),
            address,
            has: Mutex::default(),
            by_hand: AtomicBool::new(false),
            refused: AtomicBool::new(false),
        }))
    }

    /// Reserves more bytes; `false` if there is no room.
    #[must_use]
    pub fn take(&self, bytes: usize) -> bool {
        let mut has = self.0.lock();
        let more = (has.bytes + bytes).saturating_sub(FREE_BODY_BYTES).saturating_sub(has.reserved);
        let taken = more == 0 || self.0.room(has.team).take(self.0.address, more);
        if taken {
            has.bytes += bytes;
            has.reserved += more;
        } else if !self.0.refused.swap(true, Ordering::Relaxed) {
            self.0.budget.refusals.count("bodies");
        }
        taken
    }

    /// Releases bytes that are no longer kept.
    pub fn give_back(&self, bytes: usize) {
        let mut has = self.0.lock();
        has.bytes = has.bytes.saturating_sub(bytes);
        let less = has.reserved - has.bytes.saturating_sub(FREE_BODY_BYTES).min(has.reserved);
        has.reserved -= less;
        if less > 0 {
            self.0.room(has.team).give_back(self.0.address, less);
        }
    }

    /// Switches to manual accounting: only calls to [`MemoryLease::take`] count, because the reader keeps only a part of the body.
    pub fn set_manual(&self) {
        self.0.by_hand.store(true, Ordering::Relaxed);
    }

    /// Whether the reader does its own accounting.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.0.by_hand.load(Ordering::Relaxed)
    }

    /// Whether any reservation was refused.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Moves the lease to the team's budget once the sender proves to be a team member or their program, unaffected by strangers.
    pub fn exempt_team(&self) {
        let mut has = self.0.lock();
        if !has.team && self.0.room(true).take(self.0.address, has.reserved) {
            self.0.room(false).give_back(self.0.address, has.reserved);
            has.team = true;
        }
    }
}

impl LeaseInner {
    fn lock(&self) -> MutexGuard<'_, LeaseUsage> {
        self.has.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self, team: bool) -> &MemoryPool {
        if team { &self.budget.team } else { &self.budget.strangers }
    }
}

impl Drop for LeaseInner {
    fn drop(&mut self) {
        let has = self.has.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (reserved, team) = (std::mem::take(&mut has.reserved), has.team);
        if reserved > 0 {
            self.room(team).give_back(self.address, reserved);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(n: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, n).into()
    }

    fn v6(net: u16, subnet: u16) -> IpAddr {
        Ipv6Addr::new(0x2001, 0xdb8, net, subnet, 1, 2, 3, 4).into()
    }

    fn budget() -> Arc<ResourceBudget> {
        Arc::new(ResourceBudget::for_memory(None))
    }

    #[test]
    fn one_address_takes_its_share_and_no_more() {
        let budget = budget();
        let mut held = Vec::new();
        let full = |address: IpAddr, held: &mut Vec<MemoryLease>| {
            let mut taken = 0;
            loop {
                let share = MemoryLease::new(&budget, address);
                if !share.take(MB) {
                    return taken;
                }
                held.push(share);
                taken += 1;
            }
        };
        assert_eq!(full(v4(1), &mut held), 12);
        assert_eq!(full(v6(1, 1), &mut held), 12);
        assert_eq!(full(v6(1, 2), &mut held), 12);
        assert_eq!(full(v6(1, 3), &mut held), 0, "a /48 has two shares");
        assert_eq!(full(v6(2, 1), &mut held), 12);
        for n in 2..=5 {
            assert!(full(v4(n), &mut held) >= 12, "{n}");
        }
        // All addresses together are limited too.
        let small = MemoryLease::new(&budget, v4(9));
        assert!(!small.take(2 * MB));
        assert!(small.was_refused());
        // A small body is never refused, and neither is the team.
        assert!(MemoryLease::new(&budget, v4(9)).take(FREE_BODY_BYTES));
        let team = MemoryLease::new(&budget, v4(1));
        team.exempt_team();
        assert!(team.take(20 * MB));
        drop(held);
        assert_eq!(budget.bodies().map(|(taken, _)| taken), [0, 20 * MB - FREE_BODY_BYTES]);
        drop(team);
        assert!(budget.strangers.lock().by.is_empty());
        assert_eq!(budget.bodies().map(|(taken, _)| taken), [0, 0]);
    }

    #[test]
    fn what_is_let_go_is_free_again() {
        let budget = budget();
        let share = MemoryLease::new(&budget, v4(1));
        assert!(share.take(12 * MB) && !share.take(MB));
        share.give_back(2 * MB);
        assert!(share.take(MB));
        share.exempt_team();
        assert_eq!(budget.bodies().map(|(taken, _)| taken), [0, 11 * MB - FREE_BODY_BYTES]);
        share.give_back(11 * MB);
        assert_eq!(budget.bodies().map(|(taken, _)| taken), [0, 0]);
    }

    #[test]
    fn processor_time_is_counted_as_it_was_used() {
        let (budget, now) = (budget(), Timestamp(1_800_000_000_000));
        for n in 0..5 {
            assert_eq!(budget.may_decode(v6(1, n), now), Ok(()), "{n}");
            budget.decoded(v6(1, n), Duration::from_secs(8), now);
        }
        // The /48 has used its two shares; others are unaffected, and it recovers after a while.
        assert!(budget.may_decode(v6(1, 9), now).is_err());
        assert!(budget.may_decode(v6(2, 9), now).is_ok());
        assert!(budget.may_decode(v4(1), now).is_ok());
        assert!(budget.may_decode(v6(1, 9), now.plus_ms(10_000)).is_ok());
    }

    #[test]
    fn little_memory_makes_little_room_and_a_form_fits_always() {
        let of = |memory: u64| ResourceBudget::for_memory(Some(memory)).strangers;
        assert_eq!((of(256 << 20).most, of(256 << 20).share), (36 * MB, Some(12 * MB)));
        assert_eq!((of(1 << 30).most, of(1 << 30).share), (64 * MB, Some(12 * MB)));
        assert_eq!((of(64 << 30).most, of(64 << 30).share), (96 * MB, Some(12 * MB)));
    }
}
