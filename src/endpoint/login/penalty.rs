//! What failed sign-ins cost: a delay that grows, then a ban for some minutes, by address and by account.
//!
//! Names that do not exist are counted like those that do. An address from which an account has signed in before keeps its
//! access to that account through both kinds of ban, so that a guesser cannot lock the owner out. Nothing here is kept over a
//! restart, and every table is bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock;
use crate::networks::host_of;

/// Addresses, accounts and pairs remembered at most, each.
const ENTRIES_MAX: usize = 16_384;

/// What failures cost.
#[derive(Clone, Debug)]
pub struct PenaltySettings {
    /// How long the first failure's answer waits; each further one doubles it.
    pub delay: Duration,
    /// The longest such wait.
    pub delay_max: Duration,
    /// Failures from one address, within `window`, that ban it.
    pub address_max: u32,
    /// Failures for one account, within `window`, that ban it.
    pub account_max: u32,
    /// How long a failure counts, and how long a ban lasts after the last one.
    pub window: Duration,
}

impl Default for PenaltySettings {
    fn default() -> Self {
        PenaltySettings {
            delay: Duration::from_millis(500),
            delay_max: Duration::from_secs(4),
            address_max: 20,
            account_max: 50,
            window: Duration::from_secs(600),
        }
    }
}

/// The failures that still count.
pub(super) struct Penalties {
    settings: PenaltySettings,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    addresses: HashMap<IpAddr, Failures>,
    accounts: HashMap<Vec<u8>, Failures>,
    /// Where an account has signed in before, and when last.
    known: HashMap<(Vec<u8>, IpAddr), Instant>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Penalties {
    pub(super) fn new(settings: PenaltySettings) -> Self {
        Penalties { settings, tables: Mutex::default() }
    }

    /// Whether an attempt is refused without being looked at.
    pub(super) fn banned(&self, name: &[u8], peer: IpAddr) -> bool {
        let peer = host_of(peer);
        let tables = lock(&self.tables);
        if tables.known.contains_key(&(name.to_vec(), peer)) {
            return false;
        }
        self.count(tables.addresses.get(&peer)) >= self.settings.address_max
            || self.count(tables.accounts.get(name)) >= self.settings.account_max
    }

    /// Counts a failure; returns how long its answer is to wait.
    pub(super) fn failed(&self, name: &[u8], peer: IpAddr) -> Duration {
        let window = self.settings.window;
        let mut tables = lock(&self.tables);
        let by_address = add(&mut tables.addresses, host_of(peer), window);
        add(&mut tables.accounts, name.to_vec(), window);
        let doubled = self.settings.delay.saturating_mul(1 << (by_address - 1).min(16));
        doubled.min(self.settings.delay_max)
    }

    /// Remembers where an account's owner is.
    pub(super) fn succeeded(&self, name: &[u8], peer: IpAddr) {
        let mut tables = lock(&self.tables);
        make_room(&mut tables.known, |at| *at);
        tables.known.insert((name.to_vec(), host_of(peer)), Instant::now());
    }

    fn count(&self, failures: Option<&Failures>) -> u32 {
        failures.filter(|failures| failures.last.elapsed() < self.settings.window).map_or(0, |failures| failures.count)
    }
}

fn add<K: Hash + Eq + Clone>(table: &mut HashMap<K, Failures>, key: K, window: Duration) -> u32 {
    make_room(table, |failures| failures.last);
    let failures = table.entry(key).or_insert(Failures { count: 0, last: Instant::now() });
    if failures.last.elapsed() >= window {
        failures.count = 0;
    }
    failures.count = failures.count.saturating_add(1);
    failures.last = Instant::now();
    failures.count
}

/// Halves a full table, keeping its most recent entries.
fn make_room<K: Hash + Eq + Clone, V>(table: &mut HashMap<K, V>, at: impl Fn(&V) -> Instant) {
    if table.len() < ENTRIES_MAX {
        return;
    }
    let mut times: Vec<Instant> = table.values().map(&at).collect();
    let (_, middle, _) = times.select_nth_unstable(ENTRIES_MAX / 2);
    let middle = *middle;
    table.retain(|_, value| at(value) > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> PenaltySettings {
        PenaltySettings { address_max: 3, account_max: 5, ..PenaltySettings::default() }
    }

    #[test]
    fn delays_double_up_to_their_limit() {
        let penalties = Penalties::new(settings());
        let delays: Vec<u128> =
            (0..5).map(|_| penalties.failed(b"anna", IpAddr::from([192, 0, 2, 1])).as_millis()).collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 4000]);
    }

    #[test]
    fn an_address_is_banned_for_every_name_and_others_are_not() {
        let penalties = Penalties::new(settings());
        let guesser = "2001:db8::1".parse().unwrap();
        for name in [b"a", b"b", b"c"] {
            assert!(!penalties.banned(b"x", guesser));
            penalties.failed(name, guesser);
        }
        assert!(penalties.banned(b"x", guesser));
        assert!(penalties.banned(b"x", "2001:db8::2".parse().unwrap()), "the same /64 is the same place");
        assert!(!penalties.banned(b"x", "2001:db8:0:1::1".parse().unwrap()));
    }

    #[test]
    fn failures_stop_counting_after_their_time() {
        let penalties = Penalties::new(PenaltySettings { window: Duration::ZERO, ..settings() });
        for _ in 0..9 {
            penalties.failed(b"anna", IpAddr::from([192, 0, 2, 1]));
        }
        assert!(!penalties.banned(b"anna", IpAddr::from([192, 0, 2, 1])));
    }

    #[test]
    fn tables_stay_bounded() {
        let penalties = Penalties::new(settings());
        for host in 0..40_000_u32 {
            penalties.failed(&host.to_le_bytes(), IpAddr::from(host.to_be_bytes()));
        }
        let tables = lock(&penalties.tables);
        assert!(tables.addresses.len() <= ENTRIES_MAX && tables.accounts.len() <= ENTRIES_MAX);
        assert!(!tables.addresses.is_empty());
    }
}
