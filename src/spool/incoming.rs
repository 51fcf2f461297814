//! One transfer, from its first byte to its row in the catalogue.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use super::hashing::Hashing;
use super::open::Open;
use super::{BLOCK_BYTES, Endpoint, Spool};
use crate::catalogue::{EntryFile, NewPartial, NewUpload, Tx};
use crate::domain::{CustomerId, Digest, Micros, PartialId, UploadId};
use crate::tree::{TreeError, TreePath, place};

/// A transfer that has passed this many bytes gets a row, so that it can be resumed even after a crash of the server.
/// Smaller ones are quicker sent again than two commits are made.
const ROW_FROM_BYTES: u64 = 1 << 20;

/// The disk is asked for its free space each time this many bytes have come.
const SPACE_CHECK_BYTES: u64 = 64 << 20;

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

/// A file being received. Blocking: async callers move it through `spawn_blocking` with blocks of 256 KiB to 1 MiB.
/// Dropping it without [`Incoming::finish`] is [`Incoming::interrupt`].
pub struct Incoming {
    spool: Arc<Spool>,
    /// What others see of it, under this number in the spool.
    open: Arc<Open>,
    number: u64,
    customer: CustomerId,
    endpoint: Endpoint,
    started_at: Micros,
    file: File,
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
    /// Whether the disk was full: what is kept then stands in the way of everybody else.
    no_space: bool,
    ended: bool,
}

impl Incoming {
    pub(super) fn begin(
        spool: &Arc<Spool>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
        start: Start,
    ) -> Result<Incoming, TreeError> {
        let entry = spool.catalogue.read(|tx| place::can_receive(tx, customer, path))?;
        if !spool.space()?.is_enough() {
            return Err(TreeError::NoSpace);
        }
        let partial = entry.as_ref().and_then(|entry| entry.partial.clone());
        let current = entry.as_ref().and_then(|entry| entry.upload);
        let here = partial.as_ref().map_or(entry.as_ref().map_or(0, |e| e.size), |(_, file)| spool.length_of(file));
        let at = match start {
            Start::New => 0,
            Start::Append => here,
            Start::At(at) if at > here => return Err(TreeError::BeyondEnd { path: path.clone(), at, size: here }),
            Start::At(at) => at,
        };
        let wants_all = start == Start::Append || at == here;
        match (partial, current) {
            (Some((id, file)), _) if wants_all && start != Start::New && start != Start::At(0) => {
                Incoming::resume(spool, customer, path, endpoint, id, file)
            }
            (partial, current) => {
                let mut incoming = Incoming::create(spool, customer, path, endpoint)?;
                let source = match (at, partial, current) {
                    (0, _, _) => None,
                    (_, Some((_, file)), _) => Some(incoming.open_partial(&file)?),
                    (_, None, Some(upload)) => Some(spool.open_upload(upload)?.0),
                    (_, None, None) => None,
                };
                if let Some(source) = source {
                    incoming.copy_prefix(&source, at)?;
                }
                Ok(incoming)
            }
        }
    }

    /// A new file in the spool, which nothing but the registry of open transfers knows yet.
    fn create(
        spool: &Arc<Spool>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
    ) -> Result<Incoming, TreeError> {
        let number = spool.number();
        let started_at = Micros::now();
        let spool_file = format!("{:015x}-{number:x}", started_at.0);
        let at = spool.folder.join(&spool_file);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&at);
        let file = file.map_err(|source| TreeError::io("make", at, source))?;
        let open = Arc::new(Open::new(customer, path.clone(), None, None));
        spool.running().insert(number, open.clone());
        Ok(Incoming {
            spool: spool.clone(),
            open,
            number,
            customer,
            endpoint,
            started_at,
            file,
            spool_file,
            hashing: Hashing::new(),
            size: 0,
            position: 0,
            in_order: true,
            resumed: false,
            name_is_durable: false,
            space_check_at: SPACE_CHECK_BYTES,
            no_space: false,
            ended: false,
        })
    }

    /// Goes on with a partial, unless another transfer does.
    fn resume(
        spool: &Arc<Spool>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
        id: PartialId,
        spool_file: String,
    ) -> Result<Incoming, TreeError> {
        let number = spool.number();
        let open = Arc::new(Open::new(customer, path.clone(), None, Some(id)));
        {
            let mut running = spool.running();
            if running.values().any(|other| other.partial() == Some(id)) {
                return Err(TreeError::Busy(path.clone()));
            }
            running.insert(number, open.clone());
        }
        let opened = Incoming::open_to_resume(spool, id, &spool_file, path);
        let (file, size, started_at) = opened.inspect_err(|_| {
            spool.running().remove(&number);
        })?;
        open.set_size(size);
        Ok(Incoming {
            spool: spool.clone(),
            open,
            number,
            customer,
            endpoint,
            started_at,
            file,
            spool_file,
            hashing: Hashing::new(),
            size,
            position: size,
            in_order: true,
            resumed: true,
            name_is_durable: true,
            space_check_at: size + SPACE_CHECK_BYTES,
            no_space: false,
            ended: false,
        })
    }

    /// The partial's file, its length, and when its first transfer began.
    fn open_to_resume(
        spool: &Spool,
        id: PartialId,
        spool_file: &str,
        path: &TreePath,
    ) -> Result<(File, u64, Micros), TreeError> {
        // It was free a moment ago, and may since have been finished by the transfer that held it.
        let row = spool.catalogue.read(|tx| tx.partial(id))?.ok_or_else(|| TreeError::Busy(path.clone()))?;
        let at = spool.folder.join(spool_file);
        let file = File::options().read(true).write(true).open(&at);
        let file = file.map_err(|source| TreeError::io("open", &at, source))?;
        let size = file.metadata().map_err(|source| TreeError::io("look at", &at, source))?.len();
        Ok((file, size, row.started_at))
    }

    fn open_partial(&self, spool_file: &str) -> Result<File, TreeError> {
        let at = self.spool.folder.join(spool_file);
        File::open(&at).map_err(|source| TreeError::io("open", at, source))
    }

    /// Begins as a copy of the first `length` bytes of `source`.
    fn copy_prefix(&mut self, source: &File, length: u64) -> Result<(), TreeError> {
        let mut block = vec![0; BLOCK_BYTES];
        while self.position < length {
            let wanted = block.len().min(usize::try_from(length - self.position).unwrap_or(usize::MAX));
            match source.read_at(&mut block[..wanted], self.position) {
                Ok(0) => {
                    let (path, size) = (self.open.path(), self.position);
                    return Err(TreeError::BeyondEnd { path, at: length, size });
                }
                Ok(read) => self.write(&block[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(TreeError::io("read for", self.file_path(), source)),
            }
        }
        Ok(())
    }

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
        self.no_space |= matches!(written, Err(TreeError::NoSpace));
        written
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<(), TreeError> {
        let end = offset.saturating_add(bytes.len() as u64);
        self.check_size(end)?;
        if end >= self.space_check_at {
            self.check_space(end)?;
        }
        self.file.write_all_at(bytes, offset).map_err(|source| TreeError::io("write", self.file_path(), source))?;
        self.in_order &= offset == self.size;
        self.hashing.wrote(offset, bytes);
        self.grown(self.size.max(end));
        if self.in_order {
            let limit = CATCH_UP_FACTOR * bytes.len() as u64;
            let caught_up = self.hashing.catch_up(&self.file, self.size, limit);
            caught_up.map_err(|source| TreeError::io("read back", self.file_path(), source))?;
        }
        if self.size >= ROW_FROM_BYTES && self.open.partial().is_none() {
            self.add_row()?;
        }
        Ok(())
    }

    /// Cuts or extends the file to `size` bytes; what is added is zero.
    ///
    /// # Errors
    /// As [`Incoming::write`].
    pub fn set_size(&mut self, size: u64) -> Result<(), TreeError> {
        self.check_size(size)?;
        self.file.set_len(size).map_err(|source| TreeError::io("resize", self.file_path(), source))?;
        self.hashing.resized(size);
        self.in_order &= size == self.size;
        self.position = self.position.min(size);
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

    /// Where the file goes.
    pub fn path(&self) -> TreePath {
        self.open.path()
    }

    /// Reads back what was written, as a client may that has opened a file for both.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, TreeError> {
        self.file.read_at(into, offset).map_err(|source| TreeError::io("read back", self.file_path(), source))
    }

    /// Brings the bytes so far to the disk. Only [`Incoming::finish`] makes them an upload.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&mut self) -> Result<(), TreeError> {
        self.file.sync_data().map_err(|source| TreeError::io("sync", self.file_path(), source))
    }

    /// Completes the transfer. When this returns, bytes, name, customer, size and digest are on the disk, and the endpoint
    /// may acknowledge.
    ///
    /// # Errors
    /// When disk or catalogue fail, or a directory has taken the name meanwhile. Nothing was acknowledged then, and nothing
    /// half is left: of a resumed partial what it was, of any other transfer nothing.
    pub fn finish(mut self) -> Result<UploadId, TreeError> {
        let outcome = self.complete();
        self.ended = true;
        match outcome {
            Ok(upload) => Ok(upload),
            Err(error) => self.after_failed_finish(error),
        }
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
        let digest = self.hashing.digest(&self.file, self.size);
        let digest = digest.map_err(|source| TreeError::io("read back", self.file_path(), source))?;
        let received = Received {
            customer: self.customer,
            path: self.open.path(),
            size: self.size,
            digest,
            mtime: self.open.mtime(),
            endpoint: self.endpoint.word(),
            started_at: self.started_at,
            spool_file: self.spool_file.clone(),
            node: self.spool.settings.node.clone(),
            partial: self.open.partial(),
            held_seconds: self.spool.settings.held_seconds,
        };
        self.spool.catalogue.write(move |tx| received.commit(tx))
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
        let node = self.spool.settings.node.clone();
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
            place::show(tx, customer, &path, EntryFile::Partial(partial), mtime.unwrap_or(started_at))?;
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
            None => self.add_row(),
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
        let at = self.file_path();
        std::fs::remove_file(&at).map_err(|source| TreeError::io("remove", at, source))
    }

    fn grown(&mut self, size: u64) {
        self.size = size;
        self.open.set_size(size);
    }

    fn check_size(&self, size: u64) -> Result<(), TreeError> {
        let bytes_max = self.spool.settings.file_bytes_max;
        if size > bytes_max { Err(TreeError::TooLarge { path: self.open.path(), bytes_max }) } else { Ok(()) }
    }

    fn check_space(&mut self, end: u64) -> Result<(), TreeError> {
        self.space_check_at = end.saturating_add(SPACE_CHECK_BYTES);
        if self.spool.space()?.is_enough() { Ok(()) } else { Err(TreeError::NoSpace) }
    }

    pub(super) fn file_path(&self) -> PathBuf {
        self.spool.folder.join(&self.spool_file)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.ended
            && let Err(error) = self.keep_partial()
        {
            tracing::error!("an interrupted transfer to `{}` could not be kept: {error}", self.path());
        }
        self.spool.running().remove(&self.number);
    }
}

/// What the unit of work that completes a transfer needs to know.
pub(super) struct Received {
    pub(super) customer: CustomerId,
    pub(super) path: TreePath,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) mtime: Option<Micros>,
    pub(super) endpoint: &'static str,
    pub(super) started_at: Micros,
    pub(super) spool_file: String,
    pub(super) node: String,
    pub(super) partial: Option<PartialId>,
    pub(super) held_seconds: i64,
}

impl Received {
    /// Notes the upload, lets the tree show it, and forgets the partial that it was.
    fn commit(mut self, tx: &Tx<'_>) -> Result<UploadId, TreeError> {
        if let Some(partial) = self.partial {
            // Whoever renamed the entry meanwhile renamed this transfer.
            if let Some(entry) = tx.entry_of_partial(partial)? {
                self.path = TreePath::from_parts(tx.entry_names(&entry)?);
            }
        }
        let temporary = self.path.name().is_some_and(crate::tree::is_temporary);
        let held_until = temporary.then(|| Micros::now().plus_seconds(self.held_seconds));
        let upload = tx.upload_add(&NewUpload {
            customer: self.customer,
            path: &self.path.to_bytes(),
            size: self.size,
            sha256: self.digest,
            mtime: self.mtime,
            endpoint: self.endpoint,
            started_at: self.started_at,
            truncated: false,
            held_until,
            spool_file: &self.spool_file,
            node: &self.node,
        })?;
        let file = EntryFile::Upload(upload, self.size);
        place::show(tx, self.customer, &self.path, file, self.mtime.unwrap_or_else(Micros::now))?;
        if let Some(partial) = self.partial {
            tx.partial_remove(partial)?;
        }
        let text = format!("`{}` was received over {}, {} bytes", self.path, self.endpoint, self.size);
        tx.event("received", Some(self.customer), None, Some(upload), "customer", &text)?;
        Ok(upload)
    }
}
