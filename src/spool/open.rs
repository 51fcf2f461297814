//! What others may know of a running transfer, and the two things they may change: where it goes and its time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::{CustomerId, Micros, PartialId};
use crate::tree::TreePath;

/// A running transfer as the tree sees it.
pub struct Open {
    customer: CustomerId,
    length: AtomicU64,
    state: Mutex<State>,
}

struct State {
    path: TreePath,
    mtime: Option<Micros>,
    partial: Option<PartialId>,
}

impl Open {
    pub(super) fn new(customer: CustomerId, path: TreePath, mtime: Option<Micros>, partial: Option<PartialId>) -> Self {
        Open { customer, length: AtomicU64::new(0), state: Mutex::new(State { path, mtime, partial }) }
    }

    /// Whose transfer it is.
    pub fn customer(&self) -> CustomerId {
        self.customer
    }

    /// Where it goes.
    pub fn path(&self) -> TreePath {
        self.state().path.clone()
    }

    /// The bytes there so far.
    pub fn size(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }

    /// The time its client gave.
    pub fn mtime(&self) -> Option<Micros> {
        self.state().mtime
    }

    /// Sets the time that the file will have.
    pub fn set_mtime(&self, mtime: Micros) {
        self.state().mtime = Some(mtime);
    }

    /// The partial that it continues or has become.
    pub(super) fn partial(&self) -> Option<PartialId> {
        self.state().partial
    }

    pub(super) fn set_partial(&self, partial: PartialId) {
        self.state().partial = Some(partial);
    }

    pub(super) fn set_size(&self, size: u64) {
        self.length.store(size, Ordering::Relaxed);
    }

    /// Follows a rename; says whether it concerned this transfer.
    pub(super) fn rename(&self, from: &TreePath, to: &TreePath) -> bool {
        let mut state = self.state();
        match state.path.moved(from, to) {
            Some(moved) => {
                state.path = moved;
                true
            }
            None => false,
        }
    }

    /// Each change under this lock is one assignment, so a panic elsewhere leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
