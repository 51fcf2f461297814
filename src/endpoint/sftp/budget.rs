//! The memory that all sessions together may fill with bytes in flight.
//!
//! One number for the whole server, shared evenly: a session alone gets as much as a fast line needs, a hundred at once
//! get less each. Flow control does the rest: a client that has filled its window waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest window: what keeps a line of 1 Gbit/s and 60 ms full.
const WINDOW_MAX: u64 = 8 << 20;

/// The smallest window; below it a transfer crawls.
const WINDOW_MIN: u64 = 256 << 10;

/// Bytes in one SSH packet as common clients send them.
const PACKET_BYTES: u32 = 32 << 10;

/// The budget and those who share it.
pub(super) struct Budget {
    bytes: u64,
    sharers: AtomicUsize,
}

/// One session's part; given back when dropped.
pub(super) struct Share(Arc<Budget>);

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Budget { bytes, sharers: AtomicUsize::new(0) })
    }

    /// Bytes that each of the present sessions, or the one about to begin, may have in flight.
    pub fn window(&self) -> u32 {
        let sharers = self.sharers.load(Ordering::Relaxed).max(1) as u64;
        // At most 8 MiB, so it fits.
        (self.bytes / sharers).clamp(WINDOW_MIN, WINDOW_MAX) as u32
    }

    /// A part for one more session.
    pub fn share(self: &Arc<Self>) -> Share {
        self.sharers.fetch_add(1, Ordering::Relaxed);
        Share(Arc::clone(self))
    }
}

impl Share {
    /// Bytes that this session may have in flight now.
    pub fn window(&self) -> u32 {
        self.0.window()
    }

    /// How many SSH packets may wait between the line and the session, so that a full queue is about one window.
    pub fn queue_packets(&self) -> usize {
        (self.window() / PACKET_BYTES).max(16) as usize
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.sharers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_share_what_there_is() {
        let budget = Budget::new(128 << 20);
        let first = budget.share();
        assert_eq!((first.window(), first.queue_packets()), (8 << 20, 256));
        let others: Vec<Share> = (0..63).map(|_| budget.share()).collect();
        assert_eq!(first.window(), 2 << 20);
        let more: Vec<Share> = (0..10_000).map(|_| budget.share()).collect();
        assert_eq!((first.window(), first.queue_packets()), (256 << 10, 16));
        drop((others, more));
        assert_eq!(first.window(), 8 << 20);
    }
}
