//! What people without an account may use of this machine, and what is kept free for the team: one place for all of it.
//!
//! Sizes follow from the machine. Each address has a share of everything, so that one alone never uses it up: an IPv4 address, an IPv6 /64, and,
//! since one customer may hold a /48, that as well. Who is signed in, or has an API key, has room of their own ([`Share::of_the_team`]).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::machine;

/// Bytes of a body that belong to its connection: they are counted nowhere else, and never refused.
pub const SMALL: usize = 16 << 10;
const MB: usize = 1 << 20;
/// An address may have this part of the room for bodies…
const PARTS: usize = 8;
/// …and never less than this: the largest form with files.
const LEAST_SHARE: usize = 12 * MB;
/// An IPv6 /48 has the shares of so many addresses.
pub(crate) const NETWORK_SHARES: usize = 2;

/// Who pays: an IPv4 address, or an IPv6 /64, and the /48 around that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// An IPv4 address, or the first address of an IPv6 /64.
    Address(IpAddr),
    /// An IPv6 /48.
    Wide([u16; 3]),
}

impl Network {
    /// The networks of an address, from the narrow to the wide.
    pub fn of(address: IpAddr) -> impl Iterator<Item = Self> {
        let (address, wide) = match address.to_canonical() {
            IpAddr::V4(v4) => (IpAddr::V4(v4), None),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                (IpAddr::from([a, b, c, d, 0, 0, 0, 0]), Some(Self::Wide([a, b, c])))
            }
        };
        [Some(Self::Address(address)), wide].into_iter().flatten()
    }

    /// How many shares of an address it has.
    pub(crate) fn shares(self) -> usize {
        if matches!(self, Self::Wide(_)) { NETWORK_SHARES } else { 1 }
    }
}

/// The budget that was used up when something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct What {
    what: &'static str,
}

/// How often each budget refused something.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Family<What, Counter>);

impl Refusals {
    /// Counts a refusal; `what` is one of a few fixed words.
    pub fn count(&self, what: &'static str) {
        self.0.get_or_create(&What { what }).inc();
    }

    /// The counters, for `/metrics`.
    #[must_use]
    pub fn family(&self) -> Family<What, Counter> {
        self.0.clone()
    }
}

/// The budgets of this process.
#[derive(Debug)]
pub struct Budget {
    /// Bodies of requests by people without an account.
    strangers: Room,
    /// Bodies of requests by the team and its programs.
    team: Room,
    /// What was refused.
    pub refusals: Refusals,
}

impl Budget {
    /// Budgets for the machine that this process runs on.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self::for_memory(machine::memory())
    }

    /// Budgets for so many bytes of memory; `None` where nothing says how much there is.
    #[must_use]
    pub fn for_memory(memory: Option<u64>) -> Self {
        let memory = memory.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let bodies = (memory / 16).clamp(3 * LEAST_SHARE, PARTS * LEAST_SHARE);
        let share = (bodies / PARTS).max(LEAST_SHARE);
        Self {
            strangers: Room::new(bodies, Some(share)),
            // A network's address is no measure of a team: all of an office may have the same.
            team: Room::new(bodies, None),
            refusals: Refusals::default(),
        }
    }

    /// Bytes of bodies in memory, and how many there may be: of strangers, then of the team.
    #[must_use]
    pub fn bodies(&self) -> [(usize, usize); 2] {
        [&self.strangers, &self.team].map(|room| (room.lock().all, room.most))
    }
}

/// Bytes of memory that requests share.
#[derive(Debug)]
struct Room {
    most: usize,
    /// The most for one address; `None`: no measure.
    share: Option<usize>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Network, usize>,
}

impl Room {
    fn new(most: usize, share: Option<usize>) -> Self {
        Self { most, share, taken: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all of it, or nothing.
    fn take(&self, address: IpAddr, bytes: usize) -> bool {
        let mut taken = self.lock();
        if taken.all + bytes > self.most {
            return false;
        }
        if let Some(share) = self.share {
            let has = |network: &Network| taken.by.get(network).copied().unwrap_or_default();
            if Network::of(address).any(|network| has(&network) + bytes > share * network.shares()) {
                return false;
            }
            for network in Network::of(address) {
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
        for network in Network::of(address) {
            if let Some(has) = taken.by.get_mut(&network) {
                *has = has.saturating_sub(bytes);
                if *has == 0 {
                    taken.by.remove(&network);
                }
            }
        }
    }
}

/// What one request has in memory of its body. Gives everything back when the last of its clones is dropped.
#[derive(Debug, Clone)]
pub struct Share(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    budget: Arc<Budget>,
    address: IpAddr,
    has: Mutex<Has>,
    /// Whether the reader of the body says itself what it keeps.
    by_hand: AtomicBool,
    refused: AtomicBool,
}

#[derive(Debug, Default)]
struct Has {
    bytes: usize,
    reserved: usize,
    team: bool,
}

impl Share {
    /// Nothing yet, for a request from an address.
    #[must_use]
    pub fn new(budget: &Arc<Budget>, address: IpAddr) -> Self {
        Self(Arc::new(Inside {
            budget: Arc::clone(budget),
            address,
            has: Mutex::default(),
            by_hand: AtomicBool::new(false),
            refused: AtomicBool::new(false),
        }))
    }

    /// Takes room for more bytes; `false` when there is none.
    #[must_use]
    pub fn take(&self, bytes: usize) -> bool {
        let mut has = self.0.lock();
        let more = (has.bytes + bytes).saturating_sub(SMALL).saturating_sub(has.reserved);
        let taken = more == 0 || self.0.room(has.team).take(self.0.address, more);
        if taken {
            has.bytes += bytes;
            has.reserved += more;
        } else if !self.0.refused.swap(true, Ordering::Relaxed) {
            self.0.budget.refusals.count("bodies");
        }
        taken
    }

    /// Gives room back for bytes that are not kept any more.
    pub fn give_back(&self, bytes: usize) {
        let mut has = self.0.lock();
        has.bytes = has.bytes.saturating_sub(bytes);
        let less = has.reserved - has.bytes.saturating_sub(SMALL).min(has.reserved);
        has.reserved -= less;
        if less > 0 {
            self.0.room(has.team).give_back(self.0.address, less);
        }
    }

    /// From now on it is not counted what comes, but what [`Share::take`] is asked for: the reader keeps only a part.
    pub fn by_hand(&self) {
        self.0.by_hand.store(true, Ordering::Relaxed);
    }

    /// Whether the reader says what it keeps.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        self.0.by_hand.load(Ordering::Relaxed)
    }

    /// Whether there was no room at some time.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// The sender turned out to be one of the team, or a program of theirs: strangers are not in their way.
    pub fn of_the_team(&self) {
        let mut has = self.0.lock();
        if !has.team && self.0.room(true).take(self.0.address, has.reserved) {
            self.0.room(false).give_back(self.0.address, has.reserved);
            has.team = true;
        }
    }
}

impl Inside {
    fn lock(&self) -> MutexGuard<'_, Has> {
        self.has.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self, team: bool) -> &Room {
        if team { &self.budget.team } else { &self.budget.strangers }
    }
}

impl Drop for Inside {
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

    fn budget() -> Arc<Budget> {
        Arc::new(Budget::for_memory(None))
    }

    #[test]
    fn one_address_takes_its_share_and_no_more() {
        let budget = budget();
        let mut held = Vec::new();
        let full = |address: IpAddr, held: &mut Vec<Share>| {
            let mut taken = 0;
            loop {
                let share = Share::new(&budget, address);
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
        // All together have an end as well.
        let small = Share::new(&budget, v4(9));
        assert!(!small.take(2 * MB));
        assert!(small.was_refused());
        // A small body is never refused, and neither is the team.
        assert!(Share::new(&budget, v4(9)).take(SMALL));
        let team = Share::new(&budget, v4(1));
        team.of_the_team();
        assert!(team.take(20 * MB));
        drop(held);
        assert_eq!(budget.bodies().map(|(taken, _)| taken), [0, 20 * MB - SMALL]);
        drop(team);
        assert!(budget.strangers.lock().by.is_empty());
        assert_eq!(budget.bodies().map(|(taken, _)| taken), [0, 0]);
    }

    #[test]
    fn what_is_let_go_is_free_again() {
        let budget = budget();
        let share = Share::new(&budget, v4(1));
        assert!(share.take(12 * MB) && !share.take(MB));
        share.give_back(2 * MB);
        assert!(share.take(MB));
        share.of_the_team();
        assert_eq!(budget.bodies().map(|(taken, _)| taken), [0, 11 * MB - SMALL]);
        share.give_back(11 * MB);
        assert_eq!(budget.bodies().map(|(taken, _)| taken), [0, 0]);
    }

    #[test]
    fn little_memory_makes_little_room_and_a_form_fits_always() {
        let of = |memory: u64| Budget::for_memory(Some(memory)).strangers;
        assert_eq!((of(256 << 20).most, of(256 << 20).share), (36 * MB, Some(12 * MB)));
        assert_eq!((of(1 << 30).most, of(1 << 30).share), (64 * MB, Some(12 * MB)));
        assert_eq!((of(64 << 30).most, of(64 << 30).share), (96 * MB, Some(12 * MB)));
    }
}
