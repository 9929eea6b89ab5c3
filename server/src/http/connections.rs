//! Limits on simultaneous connections: the maximum per address, and which connection is closed when there are too many.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use service::limits::budget::ClientNetwork;
use tokio::sync::Notify;

/// The connections of this process.
#[derive(Debug)]
pub struct ConnectionLimiter {
    /// Maximum per address; `None` if all connections come through a proxy.
    each: Option<usize>,
    table: Mutex<ConnectionTable>,
}

#[derive(Debug, Default)]
struct ConnectionTable {
    next: u64,
    /// In order of arrival.
    open: BTreeMap<u64, Arc<ConnectionEntry>>,
    /// Connections that count toward their address's limit.
    by: HashMap<ClientNetwork, BTreeMap<u64, Arc<ConnectionEntry>>>,
}

#[derive(Debug)]
struct ConnectionEntry {
    number: u64,
    address: IpAddr,
    /// Whether it has sent the head of a request.
    was_heard: AtomicBool,
    /// Whether a signed-in person or an API key uses it.
    of_the_team: AtomicBool,
    eviction: Notify,
}

/// An open connection; counted until dropped.
#[derive(Debug)]
pub struct ConnectionGuard {
    limiter: Arc<ConnectionLimiter>,
    entry: Arc<ConnectionEntry>,
}

impl ConnectionLimiter {
    /// With a maximum number of connections per address, or without a limit.
    #[must_use]
    pub fn new(each: Option<usize>) -> Arc<Self> {
        Arc::new(Self { each, table: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connection; `None` if its address has too many. Closes one of its connections that never sent a request first, if there is
    /// one.
    pub fn accept_connection(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionGuard> {
        let mut table = self.lock();
        if let Some(each) = self.each {
            for network in ClientNetwork::of(address) {
                let Some(own) = table.by.get(&network).filter(|own| own.len() >= each * network.shares()) else { continue };
                let silent = Arc::clone(silent(own)?);
                table.evict(&silent);
            }
        }
        let number = table.next;
        table.next += 1;
        let flags = || AtomicBool::new(false);
        let entry = Arc::new(ConnectionEntry { number, address, was_heard: flags(), of_the_team: flags(), eviction: Notify::new() });
        table.open.insert(number, Arc::clone(&entry));
        if self.each.is_some() {
            for network in ClientNetwork::of(address) {
                table.by.entry(network).or_default().insert(number, Arc::clone(&entry));
            }
        }
        drop(table);
        Some(ConnectionGuard { limiter: Arc::clone(self), entry })
    }

    /// Closes the oldest connection that never sent a request, if there is one.
    pub fn evict_idle(&self) {
        let mut table = self.lock();
        if let Some(silent) = silent(&table.open).cloned() {
            table.evict(&silent);
        }
    }

    /// Number of open connections.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().open.len()
    }
}

fn silent(entries: &BTreeMap<u64, Arc<ConnectionEntry>>) -> Option<&Arc<ConnectionEntry>> {
    entries.values().find(|entry| !entry.was_heard.load(Ordering::Relaxed))
}

impl ConnectionTable {
    fn evict(&mut self, entry: &ConnectionEntry) {
        self.forget(entry);
        entry.eviction.notify_one();
    }

    fn forget(&mut self, entry: &ConnectionEntry) {
        self.open.remove(&entry.number);
        self.uncount(entry);
    }

    fn uncount(&mut self, entry: &ConnectionEntry) {
        for network in ClientNetwork::of(entry.address) {
            if let Some(own) = self.by.get_mut(&network) {
                own.remove(&entry.number);
                if own.is_empty() {
                    self.by.remove(&network);
                }
            }
        }
    }
}

impl ConnectionGuard {
    /// Marks that the connection has sent the head of a request.
    pub fn mark_active(&self) {
        self.entry.was_heard.store(true, Ordering::Relaxed);
    }

    /// Marks that the team uses the connection: it no longer counts toward its address's limit, since a whole office may share
    /// one.
    pub fn of_the_team(&self) {
        if !self.entry.of_the_team.swap(true, Ordering::Relaxed) {
            self.limiter.lock().uncount(&self.entry);
        }
    }

    /// Resolves when the connection must close to make room.
    pub async fn evicted(&self) {
        self.entry.eviction.notified().await;
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.limiter.lock().forget(&self.entry);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn must_leave(visit: &ConnectionGuard) -> bool {
        futures_util::FutureExt::now_or_never(visit.evicted()).is_some()
    }

    #[test]
    fn one_address_has_so_many_and_its_silent_ones_go_first() {
        let limiter = ConnectionLimiter::new(Some(3));
        let visits: Vec<ConnectionGuard> = (0..3).map(|_| limiter.accept_connection(ONE).unwrap()).collect();
        visits[0].mark_active();
        let fourth = limiter.accept_connection(ONE).unwrap();
        assert_eq!(visits.iter().map(must_leave).collect::<Vec<_>>(), [false, true, false]);
        visits[2].mark_active();
        fourth.mark_active();
        assert!(limiter.accept_connection(ONE).is_none(), "all that are left have said something");
        let other = limiter.accept_connection(OTHER).unwrap();
        // Connections of the team do not count.
        visits[0].of_the_team();
        visits[0].of_the_team();
        let fifth = limiter.accept_connection(ONE).unwrap();
        fifth.mark_active();
        assert!(limiter.accept_connection(ONE).is_none());
        assert_eq!(limiter.count(), 5);
        drop((visits, fourth, fifth, other));
        assert_eq!(limiter.count(), 0);
        assert!(limiter.lock().by.is_empty());
    }

    #[test]
    fn a_customer_with_many_networks_has_two_shares() {
        let limiter = ConnectionLimiter::new(Some(3));
        let address = |subnet: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, subnet, 0, 0, 0, 1));
        let visits: Vec<Option<ConnectionGuard>> =
            (0..20).map(|subnet| limiter.accept_connection(address(subnet)).inspect(ConnectionGuard::mark_active)).collect();
        assert_eq!(visits.iter().flatten().count(), 6);
        assert!(limiter.accept_connection(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1))).is_some());
    }

    #[test]
    fn behind_a_proxy_addresses_are_not_limited_and_the_silent_make_place() {
        let limiter = ConnectionLimiter::new(None);
        let visits: Vec<ConnectionGuard> = (0..100).map(|_| limiter.accept_connection(ONE).unwrap()).collect();
        visits[0].mark_active();
        limiter.evict_idle();
        assert_eq!(visits.iter().position(must_leave), Some(1));
        assert_eq!(limiter.count(), 99);
    }
}
