//! How many connections there may be, and from whom: in all, per host, per customer; allowed and denied networks.
//!
//! Owns when a connection may begin, and which one makes room. A connection on which nobody has signed in yet, or, of the
//! pages, one on which nothing is asked, gives way to a newer one when a cap is reached, so that connections that only wait
//! cannot keep customers out. Does not accept connections, which `accept` does, nor know what is spoken on them.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::domain::CustomerId;
use crate::networks::{Networks, host_of};

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct Caps {
    /// In all, over every way in.
    pub total: usize,
    /// From one address; the /64 of an IPv6 address counts as one.
    pub per_address: usize,
    /// Signed in as one customer.
    pub per_customer: usize,
    /// How old a connection must be, on which nobody has signed in, before it gives way to a newer one.
    pub half_open: Duration,
    /// Addresses behind which many clients are, such as proxies': the cap by address does not hold for them.
    pub shared: Networks,
}

impl Default for Caps {
    fn default() -> Self {
        let half_open = Duration::from_secs(3);
        Caps { total: 512, per_address: 64, per_customer: 64, half_open, shared: Networks::default() }
    }
}

/// Where connections may come from.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// If it is not empty, nobody else may connect.
    pub allow: Networks,
    /// Who may not, even if allowed.
    pub deny: Networks,
}

impl Access {
    /// Whether `peer` may connect.
    pub fn admits(&self, peer: IpAddr) -> bool {
        !self.deny.contains(peer) && (self.allow.is_empty() || self.allow.contains(peer))
    }
}

/// Why a connection gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// A cap is reached, and no older connection gives way.
    Full,
    /// The address may not connect.
    Denied,
}

/// The connections that are open now, over every way in.
pub struct Connections {
    caps: Caps,
    access: Access,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    hosts: HashMap<IpAddr, usize>,
    customers: HashMap<CustomerId, usize>,
    /// Those on which nobody has signed in, or nothing is asked; the oldest first.
    half_open: BTreeMap<u64, HalfOpen>,
    next: u64,
}

struct HalfOpen {
    host: IpAddr,
    since: Instant,
    cut: Arc<Notify>,
}

impl Connections {
    /// No connections yet, which may come from anywhere.
    pub fn new(caps: Caps) -> Arc<Self> {
        Connections::within(caps, Access::default())
    }

    /// No connections yet.
    pub fn within(caps: Caps, access: Access) -> Arc<Self> {
        Arc::new(Connections { caps, access, counts: Mutex::default() })
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.lock().total
    }

    /// A place for a connection from `peer`. Where a cap is reached, an older connection without a sign-in gives way.
    ///
    /// # Errors
    /// When a cap is reached all the same, or `peer` may not connect.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<Place, Turned> {
        let peer = peer.to_canonical();
        if !self.access.admits(peer) {
            return Err(Turned::Denied);
        }
        let host = host_of(peer);
        let mut counts = self.lock();
        let capped = !self.caps.shared.contains(peer);
        let host_is_full = |counts: &Counts| capped && counts.hosts.get(&host) >= Some(&self.caps.per_address);
        if host_is_full(&counts) {
            counts.make_room(self.caps.half_open, host, Some(host));
        } else if counts.total >= self.caps.total {
            counts.make_room(self.caps.half_open, host, None);
        }
        if counts.total >= self.caps.total || host_is_full(&counts) {
            return Err(Turned::Full);
        }
        counts.total += 1;
        *counts.hosts.entry(host).or_default() += 1;
        let cut = Arc::new(Notify::new());
        let number = counts.wait(host, &cut);
        Ok(Place { connections: Arc::clone(self), number, peer, customer: None, kept: false, cut })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // A panic while the lock was held leaves nothing half-done that matters: counts are single steps.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Puts a connection from `host` behind those that give way before it; tells its number among them.
    fn wait(&mut self, host: IpAddr, cut: &Arc<Notify>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.half_open.insert(number, HalfOpen { host, since: Instant::now(), cut: Arc::clone(cut) });
        number
    }

    /// Takes the place of a connection without a sign-in that is at least `age` old, for one from `newcomer`: the oldest from
    /// `host`, or of the host that has most of them. Where that one has more than the newcomer would have, its oldest goes
    /// however young: those who open connections faster than that would else keep everybody out.
    fn make_room(&mut self, mut age: Duration, newcomer: IpAddr, host: Option<IpAddr>) {
        let host = host.or_else(|| {
            let mut waiting: HashMap<IpAddr, usize> = HashMap::new();
            for half in self.half_open.values() {
                *waiting.entry(half.host).or_default() += 1;
            }
            let most = waiting.values().copied().max()?;
            if most > waiting.get(&newcomer).copied().unwrap_or(0) + 1 {
                age = Duration::ZERO;
            }
            // Among equals, whose connection has waited longest.
            self.half_open.values().map(|half| half.host).find(|host| waiting.get(host) == Some(&most))
        });
        let oldest = self.half_open.iter().find(|(_, half)| Some(half.host) == host && half.since.elapsed() >= age);
        if let Some((&number, _)) = oldest
            && let Some(half) = self.half_open.remove(&number)
        {
            self.total -= 1;
            take_one(&mut self.hosts, half.host);
            half.cut.notify_one();
        }
    }
}

/// One connection's place among the others; it is given back when this is dropped.
pub struct Place {
    connections: Arc<Connections>,
    number: u64,
    peer: IpAddr,
    customer: Option<CustomerId>,
    /// Whether nothing but its end takes the place away: somebody has signed in, or asks for something.
    kept: bool,
    cut: Arc<Notify>,
}

/// A customer has as many connections as one customer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many connections of this account; close some")]
pub struct TooMany;

impl Place {
    /// The address this connection comes from.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Told once the place was given to another connection; this one is then to be cut.
    pub fn given_away(&self) -> Arc<Notify> {
        Arc::clone(&self.cut)
    }

    /// Counts this connection for `customer`, and no longer for whom it was counted before.
    ///
    /// # Errors
    /// When the customer has reached their cap, or the place was given away a moment ago; the connection is then counted
    /// for nobody.
    pub fn sign_in(&mut self, customer: CustomerId) -> Result<(), TooMany> {
        let mut counts = self.connections.lock();
        if let Some(before) = self.customer.take() {
            take_one(&mut counts.customers, before);
        }
        let open = counts.customers.get(&customer).copied().unwrap_or(0);
        if open >= self.connections.caps.per_customer {
            return Err(TooMany);
        }
        if !self.kept {
            self.kept = counts.half_open.remove(&self.number).is_some();
            if !self.kept {
                return Err(TooMany);
            }
        }
        counts.customers.insert(customer, open + 1);
        self.customer = Some(customer);
        Ok(())
    }

    /// From now on nothing takes this place away, unless it was given away a moment ago.
    pub fn keep(&mut self) {
        if !self.kept {
            self.kept = self.connections.lock().half_open.remove(&self.number).is_some();
        }
    }

    /// From now on it may be given away again, as if its connection had just begun.
    pub fn rest(&mut self) {
        if self.kept {
            self.number = self.connections.lock().wait(host_of(self.peer), &self.cut);
            self.kept = false;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        // What was given away is counted for another connection by now.
        if self.kept || counts.half_open.remove(&self.number).is_some() {
            counts.total -= 1;
            take_one(&mut counts.hosts, host_of(self.peer));
        }
        if let Some(customer) = self.customer {
            take_one(&mut counts.customers, customer);
        }
    }
}

fn take_one<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn places_are_counted_and_given_back() {
        let connections = Connections::new(Caps { total: 3, per_address: 2, per_customer: 1, ..Caps::default() });
        let (mut first, mut second) = (connections.admit(HERE).unwrap(), connections.admit(HERE).unwrap());
        assert_eq!(connections.admit(HERE).err(), Some(Turned::Full), "two from one address");
        let _other = connections.admit(address(1)).unwrap();
        first.sign_in(CustomerId(1)).unwrap();
        assert_eq!(connections.admit(address(2)).err(), Some(Turned::Full), "three in all, of whom no host has more");

        first.sign_in(CustomerId(1)).unwrap();
        assert_eq!(second.sign_in(CustomerId(1)), Err(TooMany));
        drop(first);
        second.sign_in(CustomerId(1)).unwrap();
        drop(second);
        assert_eq!(connections.open(), 1);
        assert!(connections.lock().customers.is_empty());
    }

    #[test]
    fn an_ipv6_host_counts_with_its_neighbours_of_the_64() {
        let connections = Connections::new(Caps { per_address: 1, ..Caps::default() });
        let _first = connections.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(connections.admit("2001:db8::2".parse().unwrap()).is_err());
        assert!(connections.admit("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn who_only_waits_gives_way_and_who_signed_in_does_not() {
        let half_open = Duration::ZERO;
        let connections = Connections::new(Caps { total: 4, per_address: 3, half_open, ..Caps::default() });
        let mut customer = connections.admit(address(1)).unwrap();
        customer.sign_in(CustomerId(1)).unwrap();
        let mut waiting: Vec<Place> = (0..3).map(|_| connections.admit(address(2)).unwrap()).collect();
        let other = connections.admit(address(3)).unwrap();
        let cut: Vec<bool> = waiting.iter().chain([&customer]).map(is_cut).collect();
        assert_eq!(cut, [true, false, false, false], "the oldest of who has most");
        assert_eq!(connections.open(), 4);

        let _fourth = connections.admit(address(2)).unwrap();
        assert!(!is_cut(&other) && connections.open() == 4);
        let mut given_away = waiting.remove(0);
        assert_eq!(given_away.sign_in(CustomerId(2)), Err(TooMany));
        drop(given_away);
        assert_eq!(connections.open(), 4, "what was given away is not given back again");
        drop((customer, other));
        assert!(connections.lock().hosts.values().all(|count| *count > 0));
    }

    #[test]
    fn a_flood_of_waiting_connections_keeps_nobody_out() {
        let caps = Caps { total: 100, per_address: 10, half_open: Duration::ZERO, ..Caps::default() };
        let connections = Connections::new(caps);
        let flood: Vec<Place> =
            (0..5000u32).map(|n| connections.admit(IpAddr::from((n % 400).to_be_bytes())).unwrap()).collect();
        let mut customer = connections.admit(address(1)).unwrap();
        let more: Vec<Place> =
            (0..50u32).map(|n| connections.admit(IpAddr::from((n + 1000).to_be_bytes())).unwrap()).collect();
        customer.sign_in(CustomerId(1)).unwrap();
        assert_eq!(connections.open(), 100);
        drop((flood, more));
        assert_eq!(connections.open(), 1);
    }

    #[test]
    fn who_opens_connections_faster_than_they_age_keeps_nobody_out() {
        let caps = Caps { total: 6, per_address: 5, half_open: Duration::from_secs(3600), ..Caps::default() };
        let connections = Connections::new(caps);
        let flood: Vec<Place> = (0..6).map(|n| connections.admit(address(n % 2)).unwrap()).collect();
        assert_eq!(connections.admit(address(0)).err(), Some(Turned::Full), "who has as many gets no more");
        let mut customer = connections.admit(address(2)).unwrap();
        assert!(is_cut(&flood[0]));
        customer.sign_in(CustomerId(1)).unwrap();
        let _second = connections.admit(address(2)).unwrap();
        assert_eq!(connections.admit(address(2)).err(), Some(Turned::Full), "two of two each");
    }

    #[test]
    fn who_asks_for_something_keeps_the_place_until_that_is_answered() {
        let connections = Connections::new(Caps { per_address: 2, half_open: Duration::ZERO, ..Caps::default() });
        let (mut asking, mut idle) = (connections.admit(HERE).unwrap(), connections.admit(HERE).unwrap());
        asking.keep();
        let newer = connections.admit(HERE).unwrap();
        assert_eq!([is_cut(&asking), is_cut(&idle)], [false, true]);
        idle.keep();
        idle.rest();
        assert_eq!(connections.lock().half_open.len(), 1, "what was given away does not wait again");
        asking.rest();
        let _newest = connections.admit(HERE).unwrap();
        assert_eq!([is_cut(&asking), is_cut(&newer)], [false, true], "who has just been answered is the younger one");
        drop((asking, idle));
        assert_eq!(connections.open(), 1);
    }

    #[test]
    fn a_proxy_has_as_many_as_there_are() {
        let shared = Networks::new(vec!["192.0.2.1".parse().unwrap()]);
        let connections = Connections::new(Caps { total: 4, per_address: 1, shared, ..Caps::default() });
        let _by_proxy: Vec<Place> = (0..3).map(|_| connections.admit(address(1)).unwrap()).collect();
        let _other = connections.admit(address(2)).unwrap();
        assert_eq!(connections.admit(address(2)).err(), Some(Turned::Full));
    }

    #[test]
    fn networks_are_allowed_and_denied() {
        let networks = |text: &str| Networks::new(vec![text.parse().unwrap()]);
        let access = Access { allow: networks("192.0.2.0/24"), deny: networks("192.0.2.7") };
        let connections = Connections::within(Caps::default(), access);
        assert!(connections.admit(address(1)).is_ok());
        assert_eq!(connections.admit(address(7)).err(), Some(Turned::Denied));
        assert_eq!(connections.admit(HERE).err(), Some(Turned::Denied));
        let deny = Access { deny: networks("192.0.2.7"), ..Access::default() };
        assert!(deny.admits(HERE) && !deny.admits("::ffff:192.0.2.7".parse().unwrap()));
    }

    /// Whether the connection was told to end.
    fn is_cut(place: &Place) -> bool {
        use std::future::Future as _;
        let notify = place.given_away();
        let mut told = std::pin::pin!(notify.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        told.as_mut().poll(&mut context).is_ready()
    }
}
