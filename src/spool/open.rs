//! What others may know of a running transfer, and what they may change: where it goes, its time, and whether a name is to
//! stand for it.

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
    /// Its name was removed; what came is kept, and nothing in the tree stands for it.
    nameless: bool,
}

impl Open {
    pub(super) fn new(customer: CustomerId, path: TreePath, mtime: Option<Micros>, partial: Option<PartialId>) -> Self {
        let state = State { path, mtime, partial, nameless: false };
        Open { customer, length: AtomicU64::new(0), state: Mutex::new(state) }
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

    /// Whether its name was removed.
    pub(super) fn is_nameless(&self) -> bool {
        self.state().nameless
    }

    /// Follows the removal of the file at `path`; says whether it concerned this transfer.
    pub(super) fn lose_name(&self, path: &TreePath) -> bool {
        let mut state = self.state();
        let concerned = !state.nameless && state.path == *path;
        state.nameless |= concerned;
        concerned
    }

    /// Follows a rename; says whether it concerned this transfer.
    pub(super) fn rename(&self, from: &TreePath, to: &TreePath) -> bool {
        let mut state = self.state();
        match state.path.moved(from, to) {
            Some(moved) if !state.nameless => {
                state.path = moved;
                true
            }
            _ => false,
        }
    }

    /// Each change under this lock is one assignment, so a panic elsewhere leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
