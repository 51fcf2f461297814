//! The durable write, each step with its reason.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::{Error, at};
use crate::domain::{Digest, Hasher};

/// Bytes read at a time: enough that a system call costs little beside the copying, and few enough to stay in a processor's
/// cache until they are digested.
const BLOCK_BYTES: usize = 128 << 10;

/// The digest and the length of what `from` still has to give.
///
/// # Errors
/// When reading fails.
pub fn digest_of(mut from: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut length = 0;
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok((hasher.finish(), length)),
            Ok(read) => {
                hasher.update(&block[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the names in `folder` durable: a rename is on disk only once its folder is.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes `folder` and what is missing above it, each made durable in its parent, with `mode`.
pub(super) fn make_folder(folder: &Path, mode: u32) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_folder(parent, mode)?;
    }
    match std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), mode).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(at("make the folder", folder)(error)),
        _ => match folder.parent() {
            Some(parent) => sync_folder(parent).map_err(at("sync the folder", parent)),
            None => Ok(()),
        },
    }
}

/// Copies `from` to the new file `to`, sharing blocks where the file system can, and returns once its bytes are on disk
/// and have been read back as `expected`.
pub(super) fn copy_verified(from: &File, to: &Path, mode: u32, expected: Digest) -> Result<(), Error> {
    let mut copy = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(to)
        .map_err(at("create", to))?;
    if rustix::fs::ioctl_ficlone(&copy, from).is_err() {
        // No shared blocks on this file system: a plain copy is the same thing, slower.
        copy_bytes(from, &mut copy).map_err(at("write", to))?;
    }
    copy.sync_all().map_err(at("sync", to))?;
    let (found, _) = digest_of(ReadFromStart { file: &copy, offset: 0 }).map_err(at("read back", to))?;
    if found != expected {
        return Err(Error::Damaged { path: to.to_owned(), expected, found });
    }
    Ok(())
}

fn copy_bytes(from: &File, to: &mut File) -> io::Result<()> {
    let mut from = ReadFromStart { file: from, offset: 0 };
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            read => to.write_all(&block[..read])?,
        }
    }
}

/// Reads a file from its beginning without moving the position that its other holders share.
struct ReadFromStart<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for ReadFromStart<'_> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(block, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
