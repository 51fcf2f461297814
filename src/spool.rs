//! Durable receive: the one way in for every endpoint.
//!
//! A transfer is a file named by us. When it ends, its bytes and its name in the folder are brought to the disk, then one
//! unit of work notes upload, tree entry and event, and only then may the endpoint acknowledge. A crash before that
//! leaves nothing but a file that the next start removes, or, of a large one, a partial that can be resumed. A crash
//! after that loses nothing. Of a small file, bytes, name and row are on the disk as a record of the journal first.
//!
//! Owns the spool folder, open transfers, partials and recovery. Does not look into files and does not empty itself:
//! the pipeline moves each upload to the blob store. One process at a time may have a spool open.

mod folder_sync;
mod hashing;
mod incoming;
mod journal;
mod open;
mod quota;
mod recovery;
#[cfg(test)]
pub(crate) mod scratch;
mod space;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use hashing::digest_of;
use incoming::{Arrivals, Places};
pub use incoming::{Incoming, Start};
pub use open::Open;
pub use quota::Quota;
pub use recovery::Recovered;
pub use space::Space;

use crate::catalogue::Catalogue;
use crate::domain::{CustomerId, Micros, UnknownWord, UploadId};
use crate::store::Blobs;
use crate::tree::{TreeError, TreePath, is_temporary};
use folder_sync::FolderSync;
use journal::Journal;
use quota::Usages;

/// Bytes that are copied at a time. Larger blocks are slower: they leave the processor's cache before they are digested, and
/// Linux takes large pages for them, which a virtual machine may have to fetch from its host.
const BLOCK_BYTES: usize = 128 << 10;

/// The way a file came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// FTP without TLS.
    Ftp,
    /// FTP with TLS.
    Ftps,
    /// SFTP.
    Sftp,
    /// scp's own protocol.
    Scp,
    /// The command `scan`.
    Scan,
    /// The watched folder.
    Inbox,
    /// The browser.
    Web,
}

impl Endpoint {
    /// The word for this in schema, reports and pages.
    pub fn word(self) -> &'static str {
        match self {
            Endpoint::Ftp => "ftp",
            Endpoint::Ftps => "ftps",
            Endpoint::Sftp => "sftp",
            Endpoint::Scp => "scp",
            Endpoint::Scan => "scan",
            Endpoint::Inbox => "inbox",
            Endpoint::Web => "web",
        }
    }
}

impl FromStr for Endpoint {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        use Endpoint::*;
        let all = [Ftp, Ftps, Sftp, Scp, Scan, Inbox, Web];
        all.into_iter().find(|endpoint| endpoint.word() == word).ok_or_else(|| UnknownWord(word.to_owned()))
    }
}

/// What an operator may set about receiving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Below this many free bytes no transfer begins; nothing = the smaller of 5 % of the disk and 10 GiB.
    pub min_free: Option<u64>,
    /// The largest file accepted, in bytes.
    pub file_bytes_max: u64,
    /// What each customer may keep for whom nothing else is said.
    pub quota: Quota,
    /// Whether customers find their report in their tree.
    pub report: bool,
    /// How long a file with a client's temporary name waits for its rename, in seconds.
    pub held_seconds: i64,
    /// How long an unfinished transfer can be resumed, in seconds; then it counts as a truncated upload.
    pub partial_seconds: i64,
    /// The name of this machine among several.
    pub node: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            min_free: None,
            file_bytes_max: 64 << 30,
            quota: Quota::default(),
            report: true,
            held_seconds: 15 * 60,
            partial_seconds: 7 * 24 * 3600,
            node: "local".to_owned(),
        }
    }
}

/// The spool folder of a data folder, open for receiving. Shared by reference between connections.
pub struct Spool {
    folder: PathBuf,
    /// Brings its names to the disk.
    names: FolderSync,
    catalogue: Arc<Catalogue>,
    blobs: Blobs,
    settings: Settings,
    /// Running transfers, by numbers that grow.
    running: Mutex<HashMap<u64, Arc<Open>>>,
    next_number: AtomicU64,
    /// What customers have, for their quotas.
    usages: Usages,
    /// For those that write past the page cache.
    places: Places,
    /// To the thread that brings small files to the disk.
    arrivals: Arrivals,
}

impl Spool {
    /// Opens the spool in `folder`, which is made if absent, and first brings folder and catalogue back into agreement: see
    /// [`Recovered`]. To be called before any endpoint listens, by the one process that holds the data folder.
    ///
    /// # Errors
    /// When folder or catalogue cannot be read or written.
    pub fn open(
        folder: &Path,
        catalogue: Arc<Catalogue>,
        blobs: Blobs,
        settings: Settings,
    ) -> Result<(Arc<Spool>, Recovered), TreeError> {
        make_private_folder(folder).map_err(|source| TreeError::io("make the spool folder", folder, source))?;
        let handle = File::open(folder).map_err(|source| TreeError::io("open the spool folder", folder, source))?;
        let reading = |source| TreeError::io("read the journal of", folder, source);
        let records = journal::read_all(folder).map_err(reading)?;
        let applied = catalogue.read(|tx| tx.journal_applied(&settings.node))?;
        let next = records.last().map_or(0, |record| record.number).max(applied) + 1;
        let own_handle = handle.try_clone().map_err(reading)?;
        let journal = Journal::begin(folder, own_handle, &catalogue, &settings.node, settings.min_free, next);
        let arrivals =
            Arrivals::start(journal).map_err(|source| TreeError::io("start a thread for", folder, source))?;
        let spool = Spool {
            folder: folder.to_owned(),
            names: FolderSync::new(handle),
            catalogue,
            blobs,
            settings,
            running: Mutex::new(HashMap::new()),
            next_number: AtomicU64::new(1),
            usages: Usages::default(),
            places: Places::default(),
            arrivals,
        };
        spool.replay(records, applied)?;
        let recovered = spool.recover()?;
        Ok((Arc::new(spool), recovered))
    }

    /// Begins to receive a file; [`Start`] says from where.
    ///
    /// # Errors
    /// When the name cannot be a file, the disk is too full, another transfer continues the same partial, or the start
    /// lies beyond what is here.
    pub fn begin(
        self: &Arc<Self>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
        start: Start,
    ) -> Result<Incoming, TreeError> {
        Incoming::begin(self, customer, path, endpoint, start)
    }

    /// [`Spool::begin`] of a new file, for threads that must not wait; nothing where that could take long.
    pub fn begin_at_once(
        self: &Arc<Self>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
    ) -> Option<Result<Incoming, TreeError>> {
        Incoming::begin_at_once(self, customer, path, endpoint)
    }

    /// Goes on with the partial whose bytes lie in `spool_file`, wherever the tree shows it by now; nothing if `customer` has no
    /// such partial.
    ///
    /// # Errors
    /// When another transfer continues it, or there is no room for more.
    pub fn resume(
        self: &Arc<Self>,
        customer: CustomerId,
        spool_file: &str,
        endpoint: Endpoint,
    ) -> Result<Option<Incoming>, TreeError> {
        Incoming::resume_file(self, customer, spool_file, endpoint)
    }

    /// How many bytes the partial in `spool_file` has; nothing if `customer` has no such partial.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partial_size(&self, customer: CustomerId, spool_file: &str) -> Result<Option<u64>, TreeError> {
        let partial = self.catalogue.read(|tx| tx.partial_in_spool(spool_file))?;
        Ok(partial.filter(|partial| partial.customer == customer).map(|_| self.length_of(spool_file)))
    }

    /// Drops the partial in `spool_file`, which was never acknowledged, because its customer asks for that.
    ///
    /// # Errors
    /// [`TreeError::Busy`] while a transfer continues it, or when disk or catalogue fail.
    pub fn drop_partial(self: &Arc<Self>, customer: CustomerId, spool_file: &str) -> Result<(), TreeError> {
        let partial = self.catalogue.read(|tx| tx.partial_in_spool(spool_file))?;
        let Some(partial) = partial.filter(|partial| partial.customer == customer) else { return Ok(()) };
        let path = TreePath::resolve(&TreePath::root(), &partial.path)?;
        let open = Open::new(customer, TreePath::root(), None, Some(partial.id));
        let _registered = self.register(Arc::new(open)).ok_or(TreeError::Busy(path))?;
        // The row first: a file without a row is removed at the next start.
        let id = partial.id;
        self.catalogue.write(move |tx| tx.partial_remove(id))?;
        let at = self.folder.join(spool_file);
        std::fs::remove_file(&at).map_err(|source| TreeError::io("remove", at, source))
    }

    /// Receives what `source` yields as one file, with the promises of every endpoint.
    ///
    /// # Errors
    /// As [`Spool::begin`], and when `source` or the disk fails; then nothing was received.
    pub fn receive_from(
        self: &Arc<Self>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
        source: &mut dyn Read,
        mtime: Option<Micros>,
    ) -> Result<UploadId, TreeError> {
        let mut incoming = self.begin(customer, path, endpoint, Start::New)?;
        let copied = copy_all(source, &mut incoming);
        if let Err(error) = copied {
            incoming.abandon()?;
            return Err(error);
        }
        if let Some(mtime) = mtime {
            incoming.set_mtime(mtime);
        }
        incoming.finish()
    }

    /// Receives a copy of the file at `source` on this machine, its time included. Symbolic links are not followed.
    ///
    /// # Errors
    /// As [`Spool::receive_from`].
    pub fn receive_file(
        self: &Arc<Self>,
        customer: CustomerId,
        path: &TreePath,
        endpoint: Endpoint,
        source: &Path,
    ) -> Result<UploadId, TreeError> {
        let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(source);
        let mut file = opened.map_err(|error| TreeError::io("open", source, error))?;
        let metadata = file.metadata().map_err(|error| TreeError::io("look at", source, error))?;
        if !metadata.is_file() {
            let reason = std::io::Error::other("it is no plain file");
            return Err(TreeError::Io { action: "receive", file: source.to_owned(), source: reason });
        }
        // Without a time of its own it gets that of its arrival.
        let mtime = metadata.modified().ok().map(Micros::from);
        self.receive_from(customer, path, endpoint, &mut file, mtime)
    }

    /// Opens the bytes of an upload, wherever they are by now; also their length.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn open_upload(&self, upload: UploadId) -> Result<(File, u64), TreeError> {
        let row = self.catalogue.read(|tx| tx.upload(upload))?.ok_or_else(|| self.gone(upload))?;
        let open = |path: PathBuf| match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some).map_err(|source| TreeError::io("open", path, source)),
        };
        if let Some(name) = &row.spool_file
            && let Some(file) = open(self.folder.join(name))?
        {
            return Ok((file, row.size));
        }
        // The pipeline moves the file before it notes that, so what is no longer here is there.
        match open(self.blobs.path(row.customer, row.sha256))? {
            Some(file) => Ok((file, row.size)),
            None => Err(self.gone(upload)),
        }
    }

    /// A file on the spool's disk that has no name and is gone once it is closed.
    pub(crate) fn unnamed_file(&self) -> Result<File, TreeError> {
        let file = File::options().read(true).write(true).custom_flags(libc::O_TMPFILE).mode(0o600).open(&self.folder);
        file.map_err(|source| TreeError::io("make a file in", &self.folder, source))
    }

    /// The disk that the spool lies on.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn space(&self) -> Result<Space, TreeError> {
        Space::of(self.names.folder(), self.settings.min_free)
            .map_err(|source| TreeError::io("ask for the free space of", &self.folder, source))
    }

    /// What an operator has set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The running transfer to `path`, the newest if there are several.
    pub(crate) fn open_at(&self, customer: CustomerId, path: &TreePath) -> Option<Arc<Open>> {
        let running = self.running();
        let named = running.iter().filter(|(_, open)| open.customer() == customer && !open.is_nameless());
        let here = named.filter(|(_, open)| open.path() == *path);
        here.max_by_key(|(number, _)| **number).map(|(_, open)| open.clone())
    }

    /// Lets running transfers to `from` or below it end at `to`; returns how many.
    pub(crate) fn rename_open(&self, customer: CustomerId, from: &TreePath, to: &TreePath) -> usize {
        let running = self.running();
        running.values().filter(|open| open.customer() == customer && open.rename(from, to)).count()
    }

    /// Takes the name `path` from running transfers, whose bytes are then kept without one; returns how many.
    pub(crate) fn remove_open(&self, customer: CustomerId, path: &TreePath) -> usize {
        let running = self.running();
        running.values().filter(|open| open.customer() == customer && open.lose_name(path)).count()
    }

    /// Until when a file that comes to `path` now waits for its rename.
    pub(crate) fn held_until(&self, path: &TreePath) -> Option<Micros> {
        let temporary = path.name().is_some_and(is_temporary);
        temporary.then(|| Micros::now().plus_seconds(self.settings.held_seconds))
    }

    /// The length of a file in the spool; 0 when it is gone, which recovery reports.
    pub(crate) fn length_of(&self, spool_file: &str) -> u64 {
        std::fs::metadata(self.folder.join(spool_file)).map_or(0, |metadata| metadata.len())
    }

    /// Enters a transfer into the registry, unless another one already has its partial.
    fn register(self: &Arc<Self>, open: Arc<Open>) -> Option<Registered> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let mut running = self.running();
        let partial = open.partial();
        if partial.is_some() && running.values().any(|other| other.partial() == partial) {
            return None;
        }
        running.insert(number, open);
        Some(Registered { spool: self.clone(), number })
    }

    /// Nothing that is done under this lock can stop half-way, so a panic elsewhere leaves it usable.
    fn running(&self) -> MutexGuard<'_, HashMap<u64, Arc<Open>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sync_folder(&self) -> Result<(), TreeError> {
        self.names.sync().map_err(|source| TreeError::io("sync", &self.folder, source))
    }

    fn gone(&self, upload: UploadId) -> TreeError {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "neither in the spool nor in the blob store");
        TreeError::io("find the bytes of an upload for", self.folder.join(format!("upload {upload}")), source)
    }
}

/// A transfer's place in the registry, until dropped.
struct Registered {
    spool: Arc<Spool>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.spool.running().remove(&self.number);
    }
}

fn copy_all(source: &mut dyn Read, incoming: &mut Incoming) -> Result<(), TreeError> {
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(length) => incoming.write(&block[..length])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(TreeError::Io { action: "read for", file: incoming.file_path(), source }),
        }
    }
}

/// Makes a folder that only the service can enter.
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
