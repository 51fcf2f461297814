//! One transfer, from its first byte to its row in the catalogue.

mod arrivals;
mod begin;
mod body;
mod commit;
mod past_cache;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use super::hashing::Hashing;
use super::open::Open;
use super::{BLOCK_BYTES, Endpoint, Registered, Spool};
use crate::catalogue::{self, EntryFile, NewPartial};
use crate::domain::{CustomerId, Digest, Micros, PartialId, UploadId};
use crate::tree::{TreeError, TreePath, place};
pub(super) use arrivals::Arrivals;
pub(super) use body::Body;
pub(super) use commit::Received;
use commit::is_superseded;
use past_cache::PastCache;
pub(super) use past_cache::Places;

/// Up to this length a file that comes in order has no file of ours before it is whole: it is held in memory, and several that
/// end together are brought to the disk together.
const SMALL_BYTES: u64 = 256 << 10;

/// A transfer that has passed this many bytes gets a row, so that it can be resumed even after a crash of the server.
/// Smaller ones are quicker sent again than two commits are made.
const ROW_FROM_BYTES: u64 = 1 << 20;

/// The disk is asked for its free space each time this many bytes have come.
const SPACE_CHECK_BYTES: u64 = 64 << 20;

/// Each time this many bytes have come, the disk begins to write them, so that the end of a long transfer need not wait for
/// all of them.
const WRITE_OUT_BYTES: u64 = 8 << 20;

/// From here on a file is written past the page cache. A picture is shorter: it is read again in a moment, and better found there.
pub(super) const PAST_CACHE_FROM_BYTES: u64 = 32 << 20;

/// A transfer is held against its customer's quota at least each time this many bytes have come. Nearer to the end of the room,
/// after a quarter of what is left, so that several at once do not go far beyond it together.
const QUOTA_CHECK_BYTES: u64 = 8 << 20;

/// After a resume, each block that comes lets the digest catch up by this many times its length, so that the end of the
/// transfer need not wait for the whole prefix to be read.
const CATCH_UP_FACTOR: u64 = 4;

/// From where a transfer begins. Nothing that is here already is changed by any of them, except that a partial grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A new file.
    New,
    /// FTP's REST and STOR: the first bytes are those that are here, writing goes on at this offset. At the end of a partial
    /// it continues that partial; anywhere before the end it is a new file whose beginning is a copy of the partial, or,
    /// without one, of the current upload. 0 is a new file.
    At(u64),
    /// FTP's APPE, and SFTP's opening without truncation: continues the partial; without one it is a new file that begins
    /// as a copy of the whole current upload. [`Incoming::write`] goes on at the end.
    Append,
}

/// A file being received. Blocking, except where [`Incoming::is_small_with`] says otherwise: async callers move it through
/// `spawn_blocking` with blocks of 256 KiB to 1 MiB.
/// Dropping it without [`Incoming::finish`] is [`Incoming::interrupt`].
pub struct Incoming {
    spool: Arc<Spool>,
    /// What others see of it.
    open: Arc<Open>,
    /// Taken back when everything else is done.
    registered: Registered,
    customer: CustomerId,
    endpoint: Endpoint,
    started_at: Micros,
    /// Where its bytes are.
    pub(super) body: Body,
    /// What writes a long file; then its last bytes are not in `file` yet.
    past_cache: Option<PastCache>,
    /// How long the file must be before that is tried (again).
    past_cache_from: u64,
    spool_file: String,
    hashing: Hashing,
    size: u64,
    /// Where [`Incoming::write`] goes on.
    position: u64,
    /// Whether everything came one after the other.
    in_order: bool,
    /// Whether it continues a partial of an earlier transfer, which outlives a failure of this one.
    resumed: bool,
    /// Whether the file's name in the folder is on the disk.
    name_is_durable: bool,
    space_check_at: u64,
    /// Up to where the disk was told to begin writing.
    written_out: u64,
    /// How long the file may become before it is held against the quota again.
    quota_until: u64,
    /// Whether the disk or the quota was full: what is kept then stands in the way of everything else.
    no_space: bool,
    ended: bool,
}

impl Incoming {
    /// Writes on where the last [`Incoming::write`] ended.
    ///
    /// # Errors
    /// When the disk is full or fails, or the file grows beyond the limit. The transfer is then to be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), TreeError> {
        self.write_at(self.position, bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Writes at `offset`. Out of order is possible: holes are zero until they are filled, and the digest is then taken
    /// at the end.
    ///
    /// # Errors
    /// As [`Incoming::write`].
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), TreeError> {
        let written = self.put(offset, bytes);
        self.no_space |= matches!(written, Err(TreeError::NoSpace | TreeError::OverQuota(_)));
        written
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<(), TreeError> {
        let end = offset.saturating_add(bytes.len() as u64);
        self.check_size(end)?;
        if end >= self.space_check_at {
            self.check_space(end)?;
        }
        self.in_order &= offset == self.size;
        self.bring(offset, bytes).map_err(|source| TreeError::io("write", self.file_path(), source))?;
        self.hashing.wrote(offset, bytes);
        self.grown(self.size.max(end));
        if self.in_order
            && let Body::File(file) = &self.body
        {
            let file = Arc::clone(file);
            self.write_out(&file);
            let limit = CATCH_UP_FACTOR * bytes.len() as u64;
            let caught_up = self.hashing.catch_up(&file, self.size, limit);
            caught_up.map_err(|source| TreeError::io("read back", self.file_path(), source))?;
        }
        if self.size >= ROW_FROM_BYTES && self.open.partial().is_none() {
            self.add_row()?;
        }
        Ok(())
    }

    /// Brings bytes into the file, or on their way there.
    fn bring(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.in_order
            && self.is_small_with(bytes.len())
            && let Body::Memory(held) = &mut self.body
        {
            held.extend_from_slice(bytes);
            return Ok(());
        }
        let file = self.file_of_all()?;
        if !self.in_order {
            self.come_back()?;
        }
        if let Some(past_cache) = &mut self.past_cache {
            return past_cache.write(bytes);
        }
        // What the digest does not cover yet will be read, from the cache.
        let is_long = self.in_order && offset >= self.past_cache_from && self.hashing.covered() == offset;
        let from = offset.next_multiple_of(past_cache::ALIGNMENT);
        let (first, rest) = bytes.split_at(bytes.len().min((from - offset) as usize));
        let rest = if is_long && !rest.is_empty() {
            self.past_cache = PastCache::begin(&self.spool.places, &file, &self.file_path(), from);
            self.past_cache_from = from + PAST_CACHE_FROM_BYTES;
            rest
        } else {
            &[]
        };
        match &mut self.past_cache {
            Some(past_cache) => {
                file.write_all_at(first, offset)?;
                past_cache.write(rest)
            }
            None => write_in_pieces(&file, bytes, offset),
        }
    }

    /// Lets everything that was written be in the file.
    fn come_back(&mut self) -> io::Result<()> {
        let Some(past_cache) = self.past_cache.take() else { return Ok(()) };
        self.past_cache_from = self.size + PAST_CACHE_FROM_BYTES;
        let file = self.file_of_all()?;
        past_cache.finish(&file)
    }

    /// The file with everything that has come; made now if all of it was in memory.
    fn file_of_all(&mut self) -> io::Result<Arc<File>> {
        let path = self.file_path();
        self.body.file_of_all(&path)
    }

    /// Whether it is short enough, with so many bytes more, to stay in memory. Then neither [`Incoming::write`] nor
    /// [`Incoming::finish_then`] waits for the disk.
    pub fn is_small_with(&self, more: usize) -> bool {
        matches!(self.body, Body::Memory(_)) && self.size + more as u64 <= SMALL_BYTES
    }

    /// Lets the disk begin with what it can write by now, and does not wait for it. It is no promise, so its failure is none:
    /// [`Incoming::sync`] meets the same disk.
    fn write_out(&mut self, file: &File) {
        if self.past_cache.is_some() {
            self.written_out = self.size;
        }
        let waiting = self.size - self.written_out;
        if waiting >= WRITE_OUT_BYTES {
            begin_writing(file, self.written_out, waiting);
            self.written_out = self.size;
        }
    }

    /// Cuts or extends the file to `size` bytes; what is added is zero.
    ///
    /// # Errors
    /// As [`Incoming::write`].
    pub fn set_size(&mut self, size: u64) -> Result<(), TreeError> {
        self.check_size(size)?;
        self.come_back().map_err(|source| TreeError::io("write", self.file_path(), source))?;
        let resized = self.file_of_all().and_then(|file| file.set_len(size));
        resized.map_err(|source| TreeError::io("resize", self.file_path(), source))?;
        self.hashing.resized(size);
        self.in_order &= size == self.size;
        self.position = self.position.min(size);
        self.written_out = self.written_out.min(size);
        self.grown(size);
        Ok(())
    }

    /// The file's size so far, in bytes, what was there before a resume included.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The time that the file will have; without one it is the time at which it came.
    pub fn set_mtime(&mut self, mtime: Micros) {
        self.open.set_mtime(mtime);
    }

    /// The time given with [`Incoming::set_mtime`], or through the tree meanwhile.
    pub fn mtime(&self) -> Option<Micros> {
        self.open.mtime()
    }

    /// The name of its file in the spool folder, by which [`Spool::resume`] finds what is kept of it.
    pub fn spool_file(&self) -> &str {
        &self.spool_file
    }

    /// Where the file goes.
    pub fn path(&self) -> TreePath {
        self.open.path()
    }

    /// Reads back what was written, as a client may that has opened a file for both.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<usize, TreeError> {
        self.come_back().map_err(|source| TreeError::io("write", self.file_path(), source))?;
        self.body.read_at(into, offset).map_err(|source| TreeError::io("read back", self.file_path(), source))
    }

    /// Brings the bytes so far to the disk. Only [`Incoming::finish`] makes them an upload.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&mut self) -> Result<(), TreeError> {
        let synced = self.come_back().and_then(|()| self.file_of_all()?.sync_data());
        synced.map_err(|source| TreeError::io("sync", self.file_path(), source))
    }

    /// Completes the transfer. When this returns, bytes, name, customer, size and digest are on the disk, and the endpoint
    /// may acknowledge.
    ///
    /// # Errors
    /// When disk or catalogue fail, or a directory has taken the name meanwhile. Nothing was acknowledged then, and nothing
    /// half is left: of a resumed partial what it was, of any other transfer nothing.
    pub fn finish(self) -> Result<UploadId, TreeError> {
        let (tell, told) = sync_channel(1);
        self.finish_then(move |outcome| {
            if tell.send(outcome).is_err() {
                tracing::debug!("a transfer ended after its thread");
            }
        });
        told.recv().map_err(|_| catalogue::Error::Closing)?
    }

    /// As [`Incoming::finish`], for whoever does not want to wait: `done` learns what it came to, on another thread if
    /// [`Incoming::is_small_with`] nothing more, and must not wait there.
    pub fn finish_then(mut self, done: impl FnOnce(Result<UploadId, TreeError>) + Send + 'static) {
        if let Body::Memory(bytes) = &mut self.body {
            let bytes = std::mem::take(bytes);
            return arrivals::hand_in(self, bytes, Box::new(done));
        }
        let outcome = self.complete();
        self.ended = true;
        let outcome = outcome.or_else(|error| self.after_failed_finish(error));
        // Nobody may find it among the running ones any more.
        drop(self);
        done(outcome);
    }

    /// Ends a transfer whose connection died: what came stays as a partial that can be resumed. Without a byte, nothing
    /// stays; nor does anything of a new transfer that ended because the disk was full.
    ///
    /// # Errors
    /// When disk or catalogue fail.
    pub fn interrupt(mut self) -> Result<(), TreeError> {
        self.ended = true;
        self.keep_partial()
    }

    /// Ends a transfer of which nothing is to stay, such as one whose data connection never came. A partial that it
    /// continued stays.
    ///
    /// # Errors
    /// When disk or catalogue fail.
    pub fn abandon(mut self) -> Result<(), TreeError> {
        self.ended = true;
        if self.resumed { self.keep_partial() } else { self.discard() }
    }

    fn complete(&mut self) -> Result<UploadId, TreeError> {
        self.sync()?;
        if !self.name_is_durable {
            self.spool.sync_folder()?;
            self.name_is_durable = true;
        }
        let digest = self.file_of_all().and_then(|file| self.hashing.digest(&file, self.size));
        let digest = digest.map_err(|source| TreeError::io("read back", self.file_path(), source))?;
        let received = self.received(digest);
        let reserved = self.spool.reserve(self.customer, self.endpoint, self.size)?;
        let upload = self.spool.catalogue.write(move |tx| received.commit(tx))?;
        reserved.became_upload();
        crate::priority::received();
        Ok(upload)
    }

    /// What the catalogue is to know of it.
    fn received(&self, digest: Digest) -> Received {
        Received {
            customer: self.customer,
            path: self.open.path(),
            size: self.size,
            digest,
            mtime: self.open.mtime(),
            endpoint: self.endpoint.word(),
            started_at: self.started_at,
            spool_file: self.spool_file.clone(),
            node: self.spool.settings.node.clone(),
            open: Arc::clone(&self.open),
            held_seconds: self.spool.settings.held_seconds,
        }
    }

    /// The unit of work failed, or its answer was lost after the commit: the catalogue knows which.
    fn after_failed_finish(&mut self, error: TreeError) -> Result<UploadId, TreeError> {
        if let Some(upload) = self.spool.catalogue.read(|tx| tx.upload_in_spool(&self.spool_file))? {
            return Ok(upload);
        }
        let kept = if self.resumed { self.keep_partial() } else { self.discard() };
        if let Err(second) = kept {
            tracing::error!(
                "after a transfer to `{}` failed, its file could not be put in order: {second}",
                self.path()
            );
        }
        Err(error)
    }

    /// Gives the transfer a row, and an entry that shows it.
    fn add_row(&mut self) -> Result<(), TreeError> {
        if !self.name_is_durable {
            self.spool.sync_folder()?;
            self.name_is_durable = true;
        }
        let (customer, path, mtime) = (self.customer, self.open.path(), self.open.mtime());
        let (spool_file, endpoint, started_at) = (self.spool_file.clone(), self.endpoint.word(), self.started_at);
        let (node, open) = (self.spool.settings.node.clone(), Arc::clone(&self.open));
        let partial = self.spool.catalogue.write(move |tx| -> Result<PartialId, TreeError> {
            let partial = tx.partial_add(&NewPartial {
                customer,
                path: &path.to_bytes(),
                spool_file: &spool_file,
                mtime,
                endpoint,
                node: &node,
                started_at,
            })?;
            if !open.is_nameless() && !is_superseded(tx, customer, &path, started_at)? {
                place::show(tx, customer, &path, EntryFile::Partial(partial), mtime.unwrap_or(started_at))?;
            }
            Ok(partial)
        })?;
        self.open.set_partial(partial);
        Ok(())
    }

    fn keep_partial(&mut self) -> Result<(), TreeError> {
        if self.size == 0 || (self.no_space && !self.resumed) {
            return self.discard();
        }
        self.sync()?;
        match self.open.partial() {
            None => self.add_row().inspect_err(|_| {
                // Without a row nobody will ever ask for the file. Should it stay, the next start removes it.
                if let Err(error) = std::fs::remove_file(self.file_path()) {
                    tracing::error!("cannot remove `{}`: {error}", self.file_path().display());
                }
            }),
            Some(partial) => {
                let mtime = self.open.mtime();
                Ok(self.spool.catalogue.write(move |tx| tx.partial_touch(partial, mtime))?)
            }
        }
    }

    /// Removes row and file, the row first: a file without a row is removed at the next start.
    fn discard(&mut self) -> Result<(), TreeError> {
        if let Some(partial) = self.open.partial() {
            self.spool.catalogue.write(move |tx| tx.partial_remove(partial))?;
        }
        if let Body::Memory(_) = self.body {
            return Ok(());
        }
        let at = self.file_path();
        std::fs::remove_file(&at).map_err(|source| TreeError::io("remove", at, source))
    }

    fn grown(&mut self, size: u64) {
        self.size = size;
        self.open.set_size(size);
    }

    fn check_size(&mut self, size: u64) -> Result<(), TreeError> {
        let bytes_max = self.spool.settings.file_bytes_max;
        if size > bytes_max {
            return Err(TreeError::TooLarge { path: self.open.path(), bytes_max });
        }
        if size > self.quota_until { self.check_quota(size) } else { Ok(()) }
    }

    fn check_quota(&mut self, size: u64) -> Result<(), TreeError> {
        let step = match self.spool.length_max(self.customer, self.endpoint, self.registered.number)? {
            None => QUOTA_CHECK_BYTES,
            Some((max, over)) if size > max => return Err(over.into()),
            Some((max, _)) => ((max - size) / 4).min(QUOTA_CHECK_BYTES),
        };
        self.quota_until = size.saturating_add(step);
        Ok(())
    }

    fn check_space(&mut self, end: u64) -> Result<(), TreeError> {
        self.space_check_at = end.saturating_add(SPACE_CHECK_BYTES);
        if self.spool.space()?.is_enough() { Ok(()) } else { Err(TreeError::NoSpace) }
    }

    pub(super) fn file_path(&self) -> PathBuf {
        self.spool.folder.join(&self.spool_file)
    }
}

/// Writes through the page cache. For larger pieces Linux takes large pages, see [`BLOCK_BYTES`].
fn write_in_pieces(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut at = offset;
    for piece in bytes.chunks(BLOCK_BYTES) {
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// Starts the writing of a range of dirty pages.
fn begin_writing(file: &File, from: u64, length: u64) {
    let (Ok(from), Ok(length)) = (from.try_into(), length.try_into()) else { return };
    // SAFETY: it takes the descriptor, which `file` keeps open, and numbers; no memory.
    unsafe { libc::sync_file_range(file.as_raw_fd(), from, length, libc::SYNC_FILE_RANGE_WRITE) };
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.ended
            && let Err(error) = self.keep_partial()
        {
            tracing::error!("an interrupted transfer to `{}` could not be kept: {error}", self.path());
        }
    }
}
