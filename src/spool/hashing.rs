//! The digest of a file that is being written: taken while its bytes stream by, and read from the disk only where they
//! did not come in order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::BLOCK_BYTES;
use crate::domain::{Digest, Hasher};

/// The digest of a whole file on the disk.
pub(crate) fn digest_of(file: &File) -> io::Result<Digest> {
    Hashing::new().digest(file, file.metadata()?.len())
}

/// A digest that covers the first `covered` bytes of a file.
pub(super) struct Hashing {
    hasher: Hasher,
    covered: u64,
}

impl Hashing {
    /// The digest of nothing yet.
    pub(super) fn new() -> Self {
        Hashing { hasher: Hasher::new(), covered: 0 }
    }

    /// How far it has come, in bytes.
    pub(super) fn covered(&self) -> u64 {
        self.covered
    }

    /// The digest of what it covers.
    pub(super) fn so_far(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// `bytes` were written at `offset`.
    pub(super) fn wrote(&mut self, offset: u64, bytes: &[u8]) {
        if offset == self.covered {
            self.hasher.update(bytes);
            self.covered += bytes.len() as u64;
        } else if offset < self.covered && !bytes.is_empty() {
            // What was hashed is no longer what is there.
            *self = Hashing::new();
        }
    }

    /// The file was cut or extended to `length`.
    pub(super) fn resized(&mut self, length: u64) {
        if length < self.covered {
            *self = Hashing::new();
        }
    }

    /// Reads what was not covered yet, up to `limit` bytes of it and not beyond `end`.
    pub(super) fn catch_up(&mut self, file: &File, end: u64, limit: u64) -> io::Result<()> {
        let end = end.min(self.covered.saturating_add(limit));
        if self.covered >= end {
            return Ok(());
        }
        let mut block = vec![0; BLOCK_BYTES.min((end - self.covered) as usize)];
        while self.covered < end {
            let wanted = block.len().min((end - self.covered) as usize);
            match file.read_at(&mut block[..wanted], self.covered) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.hasher.update(&block[..length]);
                    self.covered += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The digest of all `length` bytes of the file.
    pub(super) fn digest(&mut self, file: &File, length: u64) -> io::Result<Digest> {
        self.catch_up(file, length, u64::MAX)?;
        Ok(self.so_far())
    }
}
