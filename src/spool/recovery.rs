//! Bringing folder and catalogue back into agreement at start, and turning old partials into truncated uploads.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Spool;
use super::hashing::Hashing;
use super::incoming::Received;
use super::journal::{self, Record};
use super::open::Open;
use crate::catalogue::{self, EntryFile, NewUpload, Partial};
use crate::domain::{Digest, Micros, PartialId, UploadId};
use crate::tree::{TreeError, TreePath, place};

/// What a start found in the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Files that nobody was told of, of transfers that a crash ended; they were removed.
    pub orphans: usize,
    /// Unfinished transfers that can be resumed.
    pub partials: usize,
    /// Unfinished transfers whose file was gone or empty; they were forgotten.
    pub partials_lost: usize,
    /// Uploads that wait in the spool.
    pub uploads: usize,
    /// Acknowledged uploads whose bytes are neither in the spool nor in the blob store. This never happens unless somebody
    /// removed files; a backup is needed.
    pub uploads_lost: Vec<UploadId>,
}

impl Spool {
    /// Makes good what a loss of power took: the files of the journal's records, whose content may be anything, and the rows of
    /// those behind `applied`. Then the journal is empty.
    pub(super) fn replay(&self, records: Vec<Record>, applied: u64) -> Result<(), TreeError> {
        let emptying = |source| TreeError::io("empty the journal of", &self.folder, source);
        let Some(last) = records.last().map(|record| record.number) else {
            return journal::remove_all(&self.folder).map_err(emptying);
        };
        let mut again = 0;
        for Record { number, facts, content } in records {
            let upload = self.catalogue.read(|tx| tx.upload_in_spool(&facts.spool_file))?;
            let at = self.folder.join(&facts.spool_file);
            if number <= applied {
                // What is no longer in the spool was synced as it was moved.
                let was_moved = !at.exists() && self.blobs.path(facts.customer, Digest(facts.sha256)).exists();
                if upload.is_some() && !was_moved {
                    self.put_back(&at, &content)?;
                }
                continue;
            }
            self.put_back(&at, &content)?;
            let received = Received::again(self, &facts, content.len() as u64)?;
            match self.catalogue.write(move |tx| received.commit_recorded(tx, number)) {
                Ok(_) => again += 1,
                Err(error) if error.is_transient() => return Err(error),
                // Nobody was told that it is kept: it was refused before, for the same reason.
                Err(error) => tracing::info!("a file of the spool's journal is not kept: {error}"),
            }
        }
        self.sync_folder()?;
        let node = self.settings.node.clone();
        self.catalogue.write::<_, catalogue::Error>(move |tx| tx.journal_apply(&node, last))?;
        if again > 0 {
            tracing::info!("{again} small files got their rows from the spool's journal");
        }
        journal::remove_all(&self.folder).map_err(emptying)
    }

    /// Writes a file of the spool anew, onto the disk: what the system has of it in memory says nothing about that.
    fn put_back(&self, at: &Path, content: &[u8]) -> Result<(), TreeError> {
        let aside = at.with_extension("again");
        let written =
            File::options().create(true).truncate(true).write(true).mode(0o600).open(&aside).and_then(|mut file| {
                file.write_all(content)?;
                file.sync_all()?;
                std::fs::rename(&aside, at)
            });
        written.map_err(|source| TreeError::io("write again", at, source))
    }

    /// Removes files without a row, forgets partials without a file, and says loudly which uploads have lost their bytes.
    pub(super) fn recover(&self) -> Result<Recovered, TreeError> {
        let mut recovered = Recovered::default();
        let node = &self.settings.node;
        let (uploads, partials) = self
            .catalogue
            .read(|tx| -> Result<_, TreeError> { Ok((tx.uploads_in_spool_of(node)?, tx.partials_of_node(node)?)) })?;
        let mut known = HashSet::new();
        for upload in uploads {
            let Some(name) = upload.spool_file else { continue };
            let blob = self.blobs.path(upload.customer, upload.sha256);
            if self.folder.join(&name).exists() || blob.exists() {
                recovered.uploads += 1;
            } else {
                let path = TreePath::shown_bytes(&upload.path);
                tracing::error!(
                    "the bytes of upload {} (`{path}`) are gone from the spool folder `{}`; restore them from a backup",
                    upload.id,
                    self.folder.display()
                );
                recovered.uploads_lost.push(upload.id);
            }
            known.insert(name);
        }
        for partial in partials {
            if self.length_of(&partial.spool_file) == 0 {
                let path = TreePath::shown_bytes(&partial.path);
                tracing::warn!("the unfinished transfer to `{path}` has no bytes and is forgotten");
                let id = partial.id;
                self.catalogue.write(move |tx| tx.partial_remove(id))?;
                recovered.partials_lost += 1;
            } else {
                recovered.partials += 1;
                known.insert(partial.spool_file);
            }
        }
        recovered.orphans = self.remove_unknown(&known)?;
        Ok(recovered)
    }

    fn remove_unknown(&self, known: &HashSet<String>) -> Result<usize, TreeError> {
        let failed = |source| TreeError::io("read the spool folder", &self.folder, source);
        let mut removed = 0;
        for item in std::fs::read_dir(&self.folder).map_err(failed)? {
            let item = item.map_err(failed)?;
            let ours = item.file_name().to_str().is_some_and(|name| known.contains(name));
            if !ours && item.file_type().map_err(failed)?.is_file() {
                let path = item.path();
                std::fs::remove_file(&path).map_err(|source| TreeError::io("remove", path, source))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Turns the partials that nobody has continued for the set time into uploads marked truncated; returns how many. To
    /// be called now and then. A partial whose bytes are the beginning of a later whole upload at its path is not worth
    /// an upload of its own and is forgotten.
    ///
    /// # Errors
    /// When disk or catalogue fail; what was not done is done the next time.
    pub fn give_up_old_partials(self: &Arc<Self>, now: Micros) -> Result<usize, TreeError> {
        let before = now.plus_seconds(-self.settings.partial_seconds);
        let partials = self.catalogue.read(|tx| tx.partials_of_node(&self.settings.node))?;
        let mut given_up = 0;
        for partial in partials.into_iter().take_while(|partial| partial.touched_at <= before) {
            // Nobody can continue it while this lasts, and nobody who continues it is disturbed.
            let open = Open::new(partial.customer, TreePath::root(), partial.mtime, Some(partial.id));
            if let Some(_registered) = self.register(Arc::new(open)) {
                given_up += usize::from(self.give_up(partial.id, before)?);
            }
        }
        Ok(given_up)
    }

    /// Says whether there was still something to give up.
    fn give_up(&self, partial: PartialId, before: Micros) -> Result<bool, TreeError> {
        let partial = self.catalogue.read(|tx| tx.partial(partial))?;
        let Some(partial) = partial.filter(|partial| partial.touched_at <= before) else { return Ok(false) };
        let at = self.folder.join(&partial.spool_file);
        let file = File::open(&at).map_err(|source| TreeError::io("open", &at, source))?;
        let size = file.metadata().map_err(|source| TreeError::io("look at", &at, source))?.len();
        if self.is_beginning_of_newer(&partial, &file, size)? {
            let id = partial.id;
            self.catalogue.write(move |tx| tx.partial_remove(id))?;
            std::fs::remove_file(&at).map_err(|source| TreeError::io("remove", at, source))?;
            return Ok(true);
        }
        let digest = Hashing::new().digest(&file, size).map_err(|source| TreeError::io("read", &at, source))?;
        file.sync_data().map_err(|source| TreeError::io("sync", &at, source))?;
        let node = self.settings.node.clone();
        self.catalogue.write(move |tx| {
            let entry = tx.entry_of_partial(partial.id)?;
            let path = match &entry {
                Some(entry) => TreePath::from_parts(tx.entry_names(entry)?),
                None => TreePath::resolve(&TreePath::root(), &partial.path)?,
            };
            let upload = tx.upload_add(&NewUpload {
                customer: partial.customer,
                path: &path.to_bytes(),
                size,
                sha256: digest,
                mtime: partial.mtime,
                endpoint: &partial.endpoint,
                started_at: partial.started_at,
                truncated: true,
                held_until: None,
                spool_file: &partial.spool_file,
                node: &node,
            })?;
            // A whole upload at the same name stays what the name stands for.
            if let Some(entry) = entry.filter(|entry| entry.upload.is_none()) {
                place::show(tx, partial.customer, &path, EntryFile::Upload(upload, size), entry.mtime)?;
            }
            tx.partial_remove(partial.id)?;
            let text = format!("the transfer of `{path}` never completed; its first {size} bytes are kept");
            tx.event("truncated", Some(partial.customer), None, Some(upload), "spool", &text)?;
            Ok(true)
        })
    }

    /// Whether a later upload at the partial's path begins with its bytes.
    fn is_beginning_of_newer(&self, partial: &Partial, file: &File, size: u64) -> Result<bool, TreeError> {
        let newest = self.catalogue.read(|tx| tx.upload_newest_at(partial.customer, &partial.path))?;
        let Some(newest) = newest.filter(|newest| newest.received_at >= partial.started_at && newest.size >= size)
        else {
            return Ok(false);
        };
        let (whole, _) = self.open_upload(newest.id)?;
        let digest = |file: &File, what: PathBuf| {
            Hashing::new().digest(file, size).map_err(|source| TreeError::io("read", what, source))
        };
        Ok(digest(file, self.folder.join(&partial.spool_file))? == digest(&whole, self.folder.clone())?)
    }
}
