//! One pass over the inbox: which files are ready, receiving them, and removing what was received.
//!
//! A file is removed only after its commit and only if it is still the one that was read: same inode, size, times. One
//! file that cannot be received is told once and stops no other.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::InboxContext;
use crate::domain::{CustomerId, Micros};
use crate::spool::Endpoint;
use crate::tree::{TreeError, TreePath, is_temporary, place, shown};

/// What the watched folder remembers between passes.
pub(super) struct Inbox {
    context: InboxContext,
    /// The files that wait, each with its stamp and since when it has had it.
    waiting: HashMap<PathBuf, (Stamp, Instant)>,
    /// Files that were renamed into place and so need not wait.
    renamed: HashSet<PathBuf>,
    /// What was told already.
    told: HashSet<(PathBuf, String)>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn mtime(&self) -> Micros {
        Micros(Micros::from_seconds(self.modified.0).0.saturating_add(self.modified.1 / 1000))
    }
}

/// A file found in a customer's folder.
struct Found {
    file: PathBuf,
    customer: CustomerId,
    place: TreePath,
    stamp: Stamp,
}

impl Inbox {
    pub(super) fn new(context: InboxContext) -> Self {
        Inbox { context, waiting: HashMap::new(), renamed: HashSet::new(), told: HashSet::new() }
    }

    /// A file came to `path` by being renamed, so it is complete.
    pub(super) fn renamed_to(&mut self, path: PathBuf) {
        self.renamed.insert(path);
    }

    /// Receives what is ready `now`; says whether something still waits to be quiet.
    pub(super) fn pass(&mut self, now: Instant, stop: &AtomicBool) -> bool {
        let mut waiting = HashMap::new();
        for found in self.find() {
            if stop.load(Ordering::Relaxed) {
                return true;
            }
            let since = match self.waiting.get(&found.file) {
                Some((stamp, since)) if *stamp == found.stamp => *since,
                _ => now,
            };
            if self.is_ready(&found, now.saturating_duration_since(since)) {
                match self.receive(&found) {
                    Ok(()) => continue,
                    Err(error) => self.tell(&found.file, &error.to_string()),
                }
            }
            waiting.insert(found.file, (found.stamp, since));
        }
        self.waiting = waiting;
        self.renamed.clear();
        !self.waiting.is_empty()
    }

    fn is_ready(&self, found: &Found, quiet: Duration) -> bool {
        if found.place.name().is_some_and(is_temporary) {
            // Taking it away would make its writer's rename fail, so it gets as long as over any other way in.
            let held_seconds = self.context.spool.settings().held_seconds;
            return quiet >= Duration::from_secs(u64::try_from(held_seconds).unwrap_or(0));
        }
        quiet >= self.context.quiet || self.renamed.contains(&found.file)
    }

    /// All files of known customers, in the order of their paths. Symbolic links are not followed, and nothing but files and
    /// folders is looked at.
    fn find(&mut self) -> Vec<Found> {
        let mut all = Vec::new();
        for (path, metadata) in self.items(&self.context.folder.clone()) {
            let name = path.file_name().unwrap_or_default();
            if !metadata.is_dir() {
                let sentence = "it lies in no customer's folder; move it to the folder named like its customer";
                self.tell(&path, sentence);
            } else if let Some(customer) = self.customer(name, &path) {
                self.find_below(&path, customer, &TreePath::root(), &mut all);
            }
        }
        all
    }

    fn find_below(&mut self, folder: &Path, customer: CustomerId, place: &TreePath, all: &mut Vec<Found>) {
        for (path, metadata) in self.items(folder) {
            let name = path.file_name().unwrap_or_default();
            match TreePath::resolve(place, name.as_bytes()) {
                Err(error) => self.tell(&path, &error.to_string()),
                Ok(place) if metadata.is_dir() => self.find_below(&path, customer, &place, all),
                Ok(place) if metadata.is_file() => {
                    all.push(Found { file: path, customer, place, stamp: Stamp::of(&metadata) });
                }
                Ok(_) => self.tell(&path, "it is neither a file nor a folder; links are not followed"),
            }
        }
    }

    /// What lies in a folder, by the bytes of the names.
    fn items(&mut self, folder: &Path) -> Vec<(PathBuf, Metadata)> {
        let mut items = Vec::new();
        match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.tell(folder, &error.to_string()),
            Ok(entries) => {
                for entry in entries {
                    // Of an entry, this is the metadata of a link itself. What vanishes while we look is gone.
                    match entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) {
                        Ok(item) => items.push(item),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => self.tell(folder, &error.to_string()),
                    }
                }
            }
        }
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items
    }

    fn customer(&mut self, name: &OsStr, folder: &Path) -> Option<CustomerId> {
        let known = name.to_str().map_or(Ok(None), |name| self.context.catalogue.read(|tx| tx.customer_named(name)));
        match known {
            Ok(Some(customer)) => Some(customer.id),
            Ok(None) => {
                let sentence = "no customer has this name; rename the folder, or make the customer with \
                                `reunite customer add` or an import";
                self.tell(folder, sentence);
                None
            }
            Err(error) => {
                self.tell(folder, &error.to_string());
                None
            }
        }
    }

    /// Receives one file and removes it; a file that changed meanwhile stays and waits again.
    fn receive(&self, found: &Found) -> Result<(), TreeError> {
        let failed = |action| move |source| TreeError::io(action, &found.file, source);
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = File::options().read(true).custom_flags(flags).open(&found.file).map_err(failed("open"))?;
        let mut source = Source { file, stamp: found.stamp };
        source.check().map_err(failed("receive"))?;
        if !self.is_received(found)? {
            let (customer, mtime) = (found.customer, Some(found.stamp.mtime()));
            self.context.spool.receive_from(customer, &found.place, Endpoint::Inbox, &mut source, mtime)?;
        }
        // Somebody may have put another file into its place while it was read.
        let now_there = std::fs::symlink_metadata(&found.file).map_err(failed("look at"))?;
        if Stamp::of(&now_there) == found.stamp {
            std::fs::remove_file(&found.file).map_err(failed("remove"))?;
        }
        Ok(())
    }

    /// Whether a crash came between the commit and the removal.
    fn is_received(&self, found: &Found) -> Result<bool, TreeError> {
        let (customer, place) = (found.customer, &found.place);
        let current = self.context.catalogue.read(|tx| -> Result<_, TreeError> {
            let entry = place::find(tx, customer, place)?;
            Ok(entry.and_then(|entry| entry.upload).map_or(Ok(None), |upload| tx.upload(upload))?)
        })?;
        let Some(current) = current.filter(|upload| {
            let same = upload.size == found.stamp.size && upload.mtime == Some(found.stamp.mtime());
            same && upload.endpoint == Endpoint::Inbox.word()
        }) else {
            return Ok(false);
        };
        let read = |source| TreeError::io("read", &found.file, source);
        Ok(crate::spool::digest_of(&File::open(&found.file).map_err(read)?).map_err(read)? == current.sha256)
    }

    /// Tells an operator, once for each place and reason.
    fn tell(&mut self, path: &Path, reason: &str) {
        if self.told.insert((path.to_owned(), reason.to_owned())) {
            let path = shown(path.as_os_str().as_bytes());
            tracing::warn!("`{path}` in the inbox is not received: {reason}");
            let text = format!("`{path}` in the inbox was not received: {reason}");
            let told = self.context.catalogue.write(move |tx| tx.event("inbox", None, None, None, "inbox", &text));
            if let Err(error) = told {
                tracing::error!("the history could not be written: {error}");
            }
        }
    }
}

/// A file that must stay as it was while it is read: at its end it is looked at once more.
struct Source {
    file: File,
    stamp: Stamp,
}

impl Source {
    fn check(&self) -> io::Result<()> {
        let same = Stamp::of(&self.file.metadata()?) == self.stamp;
        if same { Ok(()) } else { Err(io::Error::other("it changed while it was read, and waits to be quiet again")) }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(into)?;
        if length == 0 && !into.is_empty() {
            self.check()?;
        }
        Ok(length)
    }
}
