//! Where the bytes of a transfer are: in memory while they are few and come in order, then in a file.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

/// The bytes of a transfer.
pub(in crate::spool) enum Body {
    /// All of them.
    Memory(Vec<u8>),
    /// All of them, but for those that are being written past the cache.
    File(Arc<File>),
}

impl Body {
    /// The file with all of them, made at `path` if it is not there yet.
    pub(super) fn file_of_all(&mut self, path: &Path) -> io::Result<Arc<File>> {
        let file = match self {
            Body::File(file) => return Ok(Arc::clone(file)),
            Body::Memory(bytes) => Arc::new(make_file(path, bytes)?),
        };
        *self = Body::File(Arc::clone(&file));
        Ok(file)
    }

    /// Reads some of them.
    pub(super) fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Body::File(file) => file.read_at(into, offset),
            Body::Memory(bytes) => {
                let from = usize::try_from(offset).map_or(bytes.len(), |offset| offset.min(bytes.len()));
                let count = into.len().min(bytes.len() - from);
                into[..count].copy_from_slice(&bytes[from..][..count]);
                Ok(count)
            }
        }
    }
}

/// A new file with these bytes, which may not be on the disk yet. Nothing is left of it when it could not be written.
pub(super) fn make_file(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    match file.write_all(bytes) {
        Ok(()) => Ok(file),
        Err(error) => {
            // Should it stay, the next start removes it.
            if let Err(second) = std::fs::remove_file(path) {
                tracing::error!("cannot remove `{}`: {second}", path.display());
            }
            Err(error)
        }
    }
}
