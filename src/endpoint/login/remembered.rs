//! Sign-ins that succeeded some minutes ago, so that a client's next connections need no argon2 run.
//!
//! Owns no password: what is kept is a keyed digest that is worthless outside this process. Does not check anything.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::lock;

/// Successes remembered at most; the oldest make room.
const REMEMBERED_MAX: usize = 4096;

/// Stands for one sign-in.
pub(super) type Mark = [u8; 32];

/// The successes of the last minutes.
pub(super) struct Remembered {
    /// Makes them worthless outside this process.
    secret: [u8; 32],
    /// How long a success counts.
    window: Duration,
    successes: Mutex<HashMap<Mark, Instant>>,
}

impl Remembered {
    pub(super) fn new(secret: [u8; 32], window: Duration) -> Self {
        Remembered { secret, window, successes: Mutex::default() }
    }

    /// Stands for one sign-in. The stored hash is part of it, so that a changed password ends what was remembered. Two keyed
    /// passes (NMAC), so that nothing about one mark can be learned from another.
    pub(super) fn mark(&self, name: &[u8], hash: &str, password: &[u8]) -> Mark {
        let mut inner = Sha256::new_with_prefix(self.secret);
        for part in [name, hash.as_bytes(), password] {
            inner.update((part.len() as u64).to_le_bytes());
            inner.update(part);
        }
        let mut outer = Sha256::new_with_prefix(b"outer");
        outer.update(self.secret);
        outer.update(inner.finalize());
        outer.finalize().into()
    }

    /// Whether it succeeded a little while ago.
    pub(super) fn holds(&self, mark: &Mark) -> bool {
        lock(&self.successes).get(mark).is_some_and(|at| at.elapsed() < self.window)
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.successes).len()
    }

    /// It has succeeded just now.
    pub(super) fn add(&self, mark: Mark) {
        let mut successes = lock(&self.successes);
        if successes.len() >= REMEMBERED_MAX {
            successes.retain(|_, at| at.elapsed() < self.window);
        }
        if successes.len() >= REMEMBERED_MAX
            && let Some(oldest) = successes.iter().min_by_key(|(_, at)| **at).map(|(mark, _)| *mark)
        {
            successes.remove(&oldest);
        }
        successes.insert(mark, Instant::now());
    }
}
