//! The journal of small files: what several transfers brought goes to the disk in one piece, with one sync for all of them.
//!
//! Each small file is written to the spool folder and gets its row as any other, but without a sync of either: its record here,
//! with its content, is what outlives a loss of power. Records lie in segments of a fixed length. A full segment is written anew
//! once all its files and rows are on the disk themselves. A start reads what the segments hold, makes files and rows of what
//! was lost, and removes the segments.
//!
//! It is never in the way: where it cannot be (a small or full disk, a file system without it), or is behind, each file is synced
//! itself.

mod record;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};

pub(super) use record::{Facts, Record};

use super::make_private_folder;
use super::space::Space;
use crate::catalogue::{self, Catalogue};
use record::PAGE_BYTES;

/// Length of a segment.
const SEGMENT_BYTES: u64 = 32 << 20;

/// Segments at most: one is written, others are being settled.
const SEGMENTS_MAX: usize = 4;

/// A disk with fewer free bytes, beyond those that must stay free, is not asked for a segment.
const FREE_BYTES_MIN: u64 = 2 * SEGMENTS_MAX as u64 * SEGMENT_BYTES;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; PAGE_BYTES]);

/// Memory that a disk can read, filled from the front.
#[derive(Default)]
struct Pages {
    pages: Vec<Page>,
    filled: usize,
}

impl Pages {
    fn push(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        self.pages.resize(end.div_ceil(PAGE_BYTES), Page([0; PAGE_BYTES]));
        let from = self.filled;
        self.all()[from..end].copy_from_slice(bytes);
        self.filled = end;
    }

    /// What follows begins a new page.
    fn end_page(&mut self) {
        self.filled = self.filled.next_multiple_of(PAGE_BYTES);
    }

    fn clear(&mut self) {
        self.pages.clear();
        self.filled = 0;
    }

    fn all(&mut self) -> &mut [u8] {
        let length = self.pages.len() * PAGE_BYTES;
        // SAFETY: the pages lie side by side, initialised, and have no bytes between them; the borrow is that of the vector.
        unsafe { std::slice::from_raw_parts_mut(self.pages.as_mut_ptr().cast(), length) }
    }
}

/// A file of fixed length.
struct Segment {
    file: File,
    /// Where the next record begins.
    at: u64,
    /// The number of the last record.
    last: u64,
}

/// The journal, open for writing.
pub(super) struct Journal {
    folder: PathBuf,
    /// The spool's.
    spool_folder: Arc<File>,
    /// It ends with the spool, of which the thread that writes here learns a moment later.
    catalogue: Weak<Catalogue>,
    node: String,
    min_free: Option<u64>,
    /// The number of the next record.
    next: u64,
    pages: Pages,
    current: Option<Segment>,
    /// How many segments there are, those being settled included.
    segments: usize,
    settled: Receiver<Segment>,
    settle: Sender<Segment>,
}

impl Journal {
    /// An empty journal in the spool folder `spool`, whose records begin with number `next`.
    pub(super) fn begin(
        spool: &Path,
        spool_folder: File,
        catalogue: &Arc<Catalogue>,
        node: &str,
        min_free: Option<u64>,
        next: u64,
    ) -> Self {
        let (settle, settled) = channel();
        Journal {
            folder: folder_in(spool),
            spool_folder: Arc::new(spool_folder),
            catalogue: Arc::downgrade(catalogue),
            node: node.to_owned(),
            min_free,
            next,
            pages: Pages::default(),
            current: None,
            segments: 0,
            settled,
            settle,
        }
    }

    /// Brings the records of these files to the disk, all or none; returns their numbers in order. Nothing where the journal
    /// cannot take them now; then each is to be synced itself.
    ///
    /// # Errors
    /// When the disk failed. The files are not kept then.
    pub(super) fn write(&mut self, files: &[(Facts, &[u8])]) -> io::Result<Option<Vec<u64>>> {
        self.pages.clear();
        let mut numbers = Vec::with_capacity(files.len());
        for (facts, content) in files {
            let head = record::head(self.next, facts, content.len())?;
            numbers.push(self.next);
            self.next += 1;
            self.pages.push(&head);
            self.pages.push(content);
            self.pages.end_page();
        }
        let length = self.pages.filled as u64;
        if !self.has_room(length) {
            return Ok(None);
        }
        let Some(segment) = &mut self.current else { return Ok(None) };
        match segment.file.write_all_at(self.pages.all(), segment.at) {
            // Some disks open a file like this and then want a larger alignment.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                (self.current, self.segments) = (None, SEGMENTS_MAX);
                return Ok(None);
            }
            wrote => wrote?,
        }
        segment.file.sync_data()?;
        segment.at += length;
        segment.last = numbers.last().copied().unwrap_or(segment.last);
        Ok(Some(numbers))
    }

    /// Whether anything waits for [`Journal::settle`].
    pub(super) fn is_empty(&self) -> bool {
        self.current.as_ref().is_none_or(|segment| segment.at == 0)
    }

    /// Lets the current segment be settled beside, so that it need not be read again at a start.
    pub(super) fn settle(&mut self) {
        let Some(segment) = self.current.take() else { return };
        let Some(catalogue) = self.catalogue.upgrade() else { return };
        let (folder, node) = (Arc::clone(&self.spool_folder), self.node.clone());
        let (last, settled) = (segment.last, self.settle.clone());
        let settle = move || match bring_to_disk(&folder, &catalogue, &node, last) {
            Ok(()) => drop(settled.send(Segment { at: 0, ..segment })),
            // It is never written again, and the next start makes good what the disk may have lost.
            Err(error) => tracing::error!("the files of a journal segment could not be brought to the disk: {error}"),
        };
        if let Err(error) = std::thread::Builder::new().name("settle journal".into()).spawn(settle) {
            tracing::error!("there is no thread to settle the journal: {error}");
        }
    }

    /// Makes sure that the current segment has so much room, if it is possible now.
    fn has_room(&mut self, length: u64) -> bool {
        if self.current.as_ref().is_some_and(|segment| segment.at + length > SEGMENT_BYTES) {
            self.settle();
        }
        if self.current.is_none() {
            self.current = self.settled.try_recv().ok();
        }
        if self.current.is_none() && self.segments < SEGMENTS_MAX {
            match self.new_segment() {
                Ok(segment) => self.current = segment,
                Err(error) => {
                    tracing::info!(
                        "there can be no journal of small files, so each is synced itself, which is slower: {error}"
                    );
                    self.segments = SEGMENTS_MAX;
                }
            }
            self.segments += usize::from(self.current.is_some());
        }
        self.current.as_ref().is_some_and(|segment| segment.at + length <= SEGMENT_BYTES)
    }

    fn new_segment(&self) -> io::Result<Option<Segment>> {
        let space = Space::of(&self.spool_folder, self.min_free)?;
        if space.available < space.min_free.saturating_add(FREE_BYTES_MIN) {
            return Ok(None);
        }
        make_private_folder(&self.folder)?;
        let path = self.folder.join(format!("{:x}", self.next));
        let file = File::options().write(true).create_new(true).mode(0o600).custom_flags(libc::O_DIRECT).open(&path)?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, SEGMENT_BYTES)?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        self.spool_folder.sync_all()?;
        Ok(Some(Segment { file, at: 0, last: 0 }))
    }
}

/// Brings everything on the spool's disk to it, then the rows up to the record `last`, which have all been handed in: this unit of
/// work comes after them, and its sync is theirs.
fn bring_to_disk(spool_folder: &File, catalogue: &Catalogue, node: &str, last: u64) -> io::Result<()> {
    rustix::fs::syncfs(spool_folder)?;
    let node = node.to_owned();
    let applied = catalogue.write::<_, catalogue::Error>(move |tx| tx.journal_apply(&node, last));
    applied.map_err(io::Error::other)
}

/// The records that the journal of a spool holds, by their numbers.
pub(super) fn read_all(spool: &Path) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for path in segments_in(spool)? {
        let bytes = std::fs::read(&path)?;
        let mut rest = &bytes[..];
        while let Some((record, length)) = record::read(rest) {
            records.push(record);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    records.sort_by_key(|record| record.number);
    Ok(records)
}

/// Removes all segments, whose files and rows are on the disk.
pub(super) fn remove_all(spool: &Path) -> io::Result<()> {
    segments_in(spool)?.into_iter().try_for_each(std::fs::remove_file)
}

fn segments_in(spool: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder_in(spool)) {
        Ok(items) => items.map(|item| item.map(|item| item.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn folder_in(spool: &Path) -> PathBuf {
    spool.join("journal")
}

#[cfg(test)]
mod tests;
