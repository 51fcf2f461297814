//! How full the disk is, and when it is too full to begin a transfer.

use std::fs::File;
use std::io;

/// The default never asks for more free space than this.
const MIN_FREE_BYTES_MAX: u64 = 10 << 30;

/// The disk that a spool lies on, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What this process may still write.
    pub available: u64,
    /// What must stay free.
    pub min_free: u64,
}

impl Space {
    /// Asks the system about the disk that holds `folder`.
    pub(super) fn of(folder: &File, min_free: Option<u64>) -> io::Result<Self> {
        let disk = rustix::fs::fstatvfs(folder)?;
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let available = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(Space { total, available, min_free: min_free.unwrap_or((total / 20).min(MIN_FREE_BYTES_MAX)) })
    }

    /// Whether a new transfer may begin.
    pub fn is_enough(&self) -> bool {
        self.available >= self.min_free
    }
}
