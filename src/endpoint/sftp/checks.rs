//! Digests of files for clients that verify, and copies from one open file into another.
//!
//! The rest of what requests do stands in `answer`. A digest that is known already is not taken again.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use super::failure::Failure;
use super::files::{Files, Open};
use super::protocol::{CHECK_FILE, CheckFile, Checked, CopyData, PACKET_MAX, Reply, put_string};
use crate::endpoint::digests::Algorithm;

/// The smallest block of which a digest is given, by the draft.
const BLOCK_BYTES_MIN: u32 = 256;

/// Bytes of digests in one answer.
const DIGESTS_BYTES_MAX: u64 = (PACKET_MAX - 1024) as u64;

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

impl Files {
    /// Answers with the digest of a file or of each of its blocks.
    pub(super) fn check_file(&mut self, id: u32, check: CheckFile<'_>, answers: &mut Vec<u8>) -> Result<(), Failure> {
        let mut offered = check.algorithms.split(|byte| *byte == b',');
        let algorithm = offered.find_map(Algorithm::named).ok_or_else(|| {
            let names = Algorithm::ALL.map(Algorithm::name).join(", ");
            Failure::unsupported(format!("none of these digests is offered here; choose from {names}"))
        })?;
        if check.block_size != 0 && check.block_size < BLOCK_BYTES_MIN {
            return Err(Failure::new(format!("digests are given of blocks of at least {BLOCK_BYTES_MIN} bytes")));
        }
        let digests = match (check.file, algorithm) {
            (Checked::Name(path), Algorithm::Sha256) if is_whole(&check) => {
                self.tree.sha256(&self.path(path)?)?.0.to_vec()
            }
            (Checked::Name(path), _) => {
                let (file, size) = self.tree.open_read(&self.path(path)?)?;
                digests(&file, size, &check, algorithm)?
            }
            (Checked::Handle(handle) | Checked::Paramiko(handle), _) => {
                let (file, size) = self.readable(handle)?;
                digests(file, size, &check, algorithm)?
            }
        };
        let mut bytes = Vec::new();
        if matches!(check.file, Checked::Paramiko(_)) {
            put_string(&mut bytes, CHECK_FILE);
        }
        put_string(&mut bytes, algorithm.name().as_bytes());
        bytes.extend_from_slice(&digests);
        Reply::Extended(&bytes).encode(id, answers);
        Ok(())
    }

    /// Copies bytes of a file that is open for reading into one that is open for writing.
    pub(super) fn copy_data(&mut self, copy: CopyData<'_>) -> Result<(), Failure> {
        let (file, size) = self.readable(copy.from)?;
        let file = file.try_clone().map_err(Failure::reading)?;
        let spool = self.spool.clone();
        let Open::Writing(transfer) = self.find(copy.to)? else {
            return Err(Failure::new("the second handle is not open for writing"));
        };
        let there = size.saturating_sub(copy.from_offset);
        let length = if copy.length == 0 { there } else { copy.length.min(there) };
        if copy.to_offset.checked_add(length).is_none() {
            return Err(Failure::new("a file cannot be that long"));
        }
        let mut block = vec![0; COPY_BYTES.min(usize::try_from(length).unwrap_or(COPY_BYTES))];
        let mut done = 0;
        while done < length {
            let wanted = block.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
            match file.read_at(&mut block[..wanted], copy.from_offset + done).map_err(Failure::reading)? {
                0 => return Err(Failure::reading(io::ErrorKind::UnexpectedEof.into())),
                count => {
                    transfer.write(&spool, copy.to_offset + done, &block[..count])?;
                    done += count as u64;
                }
            }
        }
        Ok(())
    }

    /// The file behind a handle that was opened for reading, and its length.
    fn readable(&mut self, handle: &[u8]) -> Result<(&File, u64), Failure> {
        match self.find(handle)? {
            Open::Reading { file, entry } => Ok((file, entry.size)),
            _ => Err(Failure::new("the handle is not open for reading alone")),
        }
    }
}

/// Whether one digest of the whole file is wanted.
fn is_whole(check: &CheckFile<'_>) -> bool {
    (check.offset, check.length, check.block_size) == (0, 0, 0)
}

fn digests(file: &File, size: u64, check: &CheckFile<'_>, algorithm: Algorithm) -> Result<Vec<u8>, Failure> {
    if check.offset > size {
        return Err(Failure::new(format!("the file has only {size} bytes")));
    }
    let there = size - check.offset;
    let length = if check.length == 0 { there } else { check.length.min(there) };
    let block = if check.block_size == 0 { length } else { u64::from(check.block_size) };
    // An empty file has one digest, of nothing.
    let blocks = if length == 0 { 1 } else { length.div_ceil(block) };
    if blocks.saturating_mul(algorithm.digest_bytes() as u64) > DIGESTS_BYTES_MAX {
        return Err(Failure::new(format!(
            "{blocks} digests do not fit into one answer; ask for larger blocks or for parts"
        )));
    }
    let mut digests = Vec::new();
    for number in 0..blocks {
        let begin = number * block;
        let mut part = Part { file, at: check.offset + begin, left: block.min(length - begin) };
        digests.extend(algorithm.digest(&mut part).map_err(Failure::reading)?);
    }
    Ok(digests)
}

/// A stretch of a file.
struct Part<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut into[..wanted], self.at)?;
        if count == 0 && wanted > 0 {
            // What was received never shrinks, so a digest of less would be a lie.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
