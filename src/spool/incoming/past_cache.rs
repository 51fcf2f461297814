//! The bulk of a long file, written past the page cache (`O_DIRECT`) by a thread of its own.
//!
//! A gigabyte that goes through the cache takes its pages from everything else there, and each of them has to be found, copied
//! into and given back: more work than its digest. Past it, the disk takes the bytes from where they are, while the next come in.
//! What is short, comes out of order or is read back goes through the cache; so does everything on file systems that know
//! nothing else. The file is the same either way. Nothing here is a promise: [`super::Incoming::sync`] follows.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Where such writing may begin and end: what every disk of today can do.
pub(super) const ALIGNMENT: u64 = 4096;

/// Bytes that go to the disk at once.
const BLOCK_BYTES: usize = 1 << 20;

/// Blocks of one transfer: one is filled, one is written, two wait for either.
const BLOCKS: usize = 4;

/// Transfers that may do this at the same time, so that their blocks stay within 32 MiB. The others use the cache.
const AT_ONCE_MAX: usize = 8;

/// The places for transfers that write past the cache.
#[derive(Clone, Debug, Default)]
pub(in crate::spool) struct Places(Arc<AtomicUsize>);

impl Places {
    fn take(&self) -> Option<Place> {
        let free = |taken| (taken < AT_ONCE_MAX).then_some(taken + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok().map(|_| Place(self.clone()))
    }
}

/// One of them, until dropped.
struct Place(Places);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone)]
#[repr(C, align(4096))]
struct Page(
    // Read as a part of `Block::bytes`, of which the compiler knows nothing.
    #[allow(dead_code)] [u8; ALIGNMENT as usize],
);

/// Memory that a disk can read.
struct Block(Vec<Page>);

impl Block {
    fn new() -> Self {
        Block(vec![Page([0; ALIGNMENT as usize]); BLOCK_BYTES / size_of::<Page>()])
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the pages lie side by side, initialised, and have no bytes between them; the borrow is that of the vector.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), BLOCK_BYTES) }
    }
}

/// A file that is being written past the cache, from one offset on and in order.
pub(super) struct PastCache {
    block: Block,
    filled: usize,
    /// Where in the file the block begins.
    at: u64,
    /// To the thread; nothing once it has ended.
    full: Option<SyncSender<(u64, Block)>>,
    /// From the thread. Nothing is ever locked here; a transfer is passed from thread to thread, and a bare receiver may not be.
    empty: Mutex<Receiver<Block>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    _place: Place,
}

impl PastCache {
    /// Begins at `at`, a multiple of [`ALIGNMENT`], in `file`, which lies at `path`. Nothing when all places are taken, or the
    /// system cannot do it there.
    pub(super) fn begin(places: &Places, file: &File, path: &Path, at: u64) -> Option<Self> {
        let place = places.take()?;
        let opened = File::options().write(true).custom_flags(libc::O_DIRECT).open(path);
        let begun = opened.and_then(|direct| Self::over(place, direct, file.try_clone()?, at));
        begun.inspect_err(|error| tracing::debug!("`{}` goes through the page cache: {error}", path.display())).ok()
    }

    fn over(place: Place, direct: File, cached: File, at: u64) -> io::Result<Self> {
        let (full, to_write) = sync_channel(BLOCKS);
        let (written, empty) = sync_channel(BLOCKS);
        for _ in 1..BLOCKS {
            // There is room for all of them, and the other end is here.
            written.try_send(Block::new()).map_err(io::Error::other)?;
        }
        let write_all = move || write_blocks(&direct, &cached, &to_write, &written);
        let thread = std::thread::Builder::new().name("past-cache".into()).spawn(write_all)?;
        Ok(PastCache {
            block: Block::new(),
            filled: 0,
            at,
            full: Some(full),
            empty: Mutex::new(empty),
            thread: Some(thread),
            _place: place,
        })
    }

    /// Writes on.
    ///
    /// # Errors
    /// When the disk failed, on these bytes or on earlier ones.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = bytes.len().min(BLOCK_BYTES - self.filled);
            self.block.bytes()[self.filled..][..count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            bytes = &bytes[count..];
            if self.filled == BLOCK_BYTES {
                self.pass_on()?;
            }
        }
        Ok(())
    }

    /// Gives the full block to the thread, and takes one that was written.
    fn pass_on(&mut self) -> io::Result<()> {
        let empty = self.empty.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Ok(next) = empty.recv() else { return Err(self.failure()) };
        let full = std::mem::replace(&mut self.block, next);
        let at = self.at;
        self.at += BLOCK_BYTES as u64;
        self.filled = 0;
        match self.full.as_ref().map(|thread| thread.send((at, full))) {
            Some(Ok(())) => Ok(()),
            _ => Err(self.failure()),
        }
    }

    /// Why the thread ended although it had more to do.
    fn failure(&mut self) -> io::Error {
        self.join().err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    /// Ends: when this returns, all that was written is in `file`, the last bytes of it in the page cache.
    ///
    /// # Errors
    /// As [`PastCache::write`].
    pub(super) fn finish(mut self, file: &File) -> io::Result<()> {
        self.join()?;
        let (at, filled) = (self.at, self.filled);
        file.write_all_at(&self.block.bytes()[..filled], at)
    }

    fn join(&mut self) -> io::Result<()> {
        self.full = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(wrote)) => wrote,
            Some(Err(_)) => Err(io::Error::other("the thread that writes past the page cache panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for PastCache {
    /// Nothing may write to the file behind the back of whoever resumes it.
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::debug!("a transfer that ended had failed on its disk: {error}");
        }
    }
}

fn write_blocks(
    direct: &File,
    cached: &File,
    to_write: &Receiver<(u64, Block)>,
    written: &SyncSender<Block>,
) -> io::Result<()> {
    for (at, mut block) in to_write {
        match direct.write_all_at(block.bytes(), at) {
            // Some file systems open a file like this and then want another alignment, or cannot do it after all.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => cached.write_all_at(block.bytes(), at)?,
            wrote => wrote?,
        }
        if written.send(block).is_err() {
            // The transfer has ended, and what it had not passed on is no longer wanted.
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::incoming::PAST_CACHE_FROM_BYTES;
    use crate::spool::scratch::{Scratch, path};
    use crate::spool::{Incoming, Start};
    use crate::tree::TreeError;

    const FROM: usize = PAST_CACHE_FROM_BYTES as usize;

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
    }

    /// A transfer of `bytes` in pieces as they may come, long enough to be written past the cache.
    fn send(scratch: &Scratch, start: Start, bytes: &[u8]) -> Incoming {
        let mut incoming = scratch.begin("film.mov", start).unwrap();
        for (number, piece) in bytes.chunks(300_001).enumerate() {
            let (first, second) = piece.split_at(piece.len().min(number * 977));
            incoming.write(first).unwrap();
            incoming.write(second).unwrap();
        }
        assert!(incoming.past_cache.is_some(), "the tests' folder lies where nothing is written past the cache");
        incoming
    }

    #[test]
    fn a_long_file_is_whole_however_its_pieces_fall() {
        let scratch = Scratch::new();
        let upload = send(&scratch, Start::New, &noise(FROM + 7_654_321)).finish().unwrap();
        assert_eq!(scratch.upload(upload).size, FROM as u64 + 7_654_321);
    }

    #[test]
    fn what_broke_off_is_resumed_at_its_last_byte() {
        let (scratch, whole) = (Scratch::new(), noise(2 * FROM + 5_000_001));
        let half = FROM + 4_000_003;
        send(&scratch, Start::New, &whole[..half]).interrupt().unwrap();
        assert_eq!(scratch.tree().stat(&path("film.mov")).unwrap().size, half as u64);
        let upload = send(&scratch, Start::At(half as u64), &whole[half..]).finish().unwrap();
        assert!(scratch.get("film.mov") == whole);
        scratch.upload(upload);
    }

    #[test]
    fn what_is_read_back_resized_or_out_of_order_is_all_there() {
        let (scratch, mut whole) = (Scratch::new(), noise(FROM + 2_000_003));
        let mut incoming = send(&scratch, Start::New, &whole);
        let mut end = [0; 1000];
        incoming.read_at(whole.len() as u64 - 1000, &mut end).unwrap();
        assert!(end == whole[whole.len() - 1000..]);
        incoming.write(b"more").unwrap();
        assert!(incoming.past_cache.is_none(), "it does not go to and fro");
        whole.extend(b"more");
        incoming.write_at(5, b"other").unwrap();
        whole[5..10].copy_from_slice(b"other");
        incoming.set_size(whole.len() as u64 + 9).unwrap();
        whole.extend([0; 9]);
        let upload = incoming.finish().unwrap();
        assert!(scratch.get("film.mov") == whole);
        scratch.upload(upload);
    }

    #[test]
    fn a_full_disk_ends_the_transfer_and_leaves_nothing() {
        let scratch = Scratch::new();
        let whole = noise(FROM + 2_000_003);
        let mut incoming = send(&scratch, Start::New, &whole);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let cached = incoming.file_of_all().unwrap().try_clone().unwrap();
        let at = incoming.size().next_multiple_of(ALIGNMENT);
        incoming.past_cache = Some(PastCache::over(Places::default().take().unwrap(), full, cached, at).unwrap());
        let block = vec![1; BLOCK_BYTES];
        let failed = (0..2 * BLOCKS).find_map(|_| incoming.write(&block).err()).expect("a write must fail");
        assert!(matches!(failed, TreeError::NoSpace), "{failed}");
        drop(incoming);
        assert_eq!((scratch.count("uploads"), scratch.count("entries"), scratch.spool_files().len()), (0, 0, 0));
    }

    #[test]
    fn where_the_disk_wants_another_alignment_the_cache_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("file");
        let cached = File::create_new(&at).unwrap();
        let direct = File::options().write(true).custom_flags(libc::O_DIRECT).open(&at).unwrap();
        let mut past =
            PastCache::over(Places::default().take().unwrap(), direct, cached.try_clone().unwrap(), 7).unwrap();
        past.write(&noise(3 * BLOCK_BYTES + 5)).unwrap();
        past.finish(&cached).unwrap();
        let written = std::fs::read(&at).unwrap();
        assert!(written[..7] == [0; 7] && written[7..] == noise(3 * BLOCK_BYTES + 5));
    }

    #[test]
    fn places_are_given_back() {
        let places = Places::default();
        let taken: Vec<_> = std::iter::from_fn(|| places.take()).collect();
        assert_eq!(taken.len(), AT_ONCE_MAX);
        drop(taken);
        assert!(places.take().is_some());
    }
}
