//! What a customer sees: names, sizes, times; over the catalogue.
//!
//! A tree is rows, not a folder: there is no path to escape from, no name that the disk cannot hold, and a file stays
//! visible after its bytes went on their way. Owns what each operation on names means. Does not receive bytes, which is
//! [`crate::spool`]'s business, and never removes any: a removed or replaced name leaves the upload it stood for alone.

mod error;
mod names;
mod path;
pub(crate) mod place;
pub(crate) mod report_folder;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::Arc;

pub use error::{OverQuota, TreeError};
pub use names::is_temporary;
pub use path::{BadPath, DEPTH_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, TreePath, shown};

use crate::catalogue::{self, Catalogue, Tx};
use crate::domain::{CustomerId, Digest, EntryId, Micros, UploadId};
use crate::spool::{Quota, Spool};

/// One name in a customer's tree, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id; 0 for the root and for a file whose transfer has only begun.
    pub id: EntryId,
    /// Its name, raw bytes; empty for the root.
    pub name: Vec<u8>,
    /// Whether it is a directory.
    pub directory: bool,
    /// In bytes: of the unfinished transfer if there is one, so that a client can resume it, else of the current upload.
    pub size: u64,
    /// The time shown: what the client gave, else when the file came.
    pub mtime: Micros,
    /// The current upload of a file.
    pub upload: Option<UploadId>,
    /// Whether `size` is that of an unfinished transfer.
    pub partial: bool,
}

/// One customer's tree. Cheap to clone; every method blocks on the catalogue.
#[derive(Clone)]
pub struct Tree {
    catalogue: Arc<Catalogue>,
    spool: Arc<Spool>,
    customer: CustomerId,
}

impl Tree {
    /// The tree of `customer`.
    pub fn new(catalogue: Arc<Catalogue>, spool: Arc<Spool>, customer: CustomerId) -> Self {
        Tree { catalogue, spool, customer }
    }

    /// Whose tree it is.
    pub fn customer(&self) -> CustomerId {
        self.customer
    }

    /// What is at `path`. A file whose transfer has only begun is there too, so that a client that has opened it can ask.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], or the catalogue's failure.
    pub fn stat(&self, path: &TreePath) -> Result<Entry, TreeError> {
        let Some(name) = path.name() else {
            return Ok(self.root());
        };
        if report_folder::is_in(path) {
            return self.report_stat(path);
        }
        match self.catalogue.read(|tx| place::find(tx, self.customer, path))? {
            Some(row) => Ok(self.shown(row)),
            None => self.spool.open_at(self.customer, path).map_or_else(
                || Err(TreeError::NotFound(path.clone())),
                |open| {
                    Ok(Entry {
                        id: EntryId(0),
                        name: name.to_owned(),
                        directory: false,
                        size: open.size(),
                        mtime: open.mtime().unwrap_or_else(Micros::now),
                        upload: None,
                        partial: true,
                    })
                },
            ),
        }
    }

    /// What lies in the directory `path`, by the bytes of the names; of a file, that file.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] before anything is answered, or the catalogue's failure.
    pub fn list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        if report_folder::is_in(path) {
            return self.report_list(path);
        }
        let rows = self.catalogue.read(|tx| -> Result<_, TreeError> {
            let directory = match place::find_directory(tx, self.customer, path)? {
                place::Found::Directory(id) => id,
                place::Found::File(row) => return Ok(vec![row]),
                place::Found::Nothing => return Err(TreeError::NotFound(path.clone())),
            };
            Ok(tx.entries_in(self.customer, directory)?)
        })?;
        let mut entries: Vec<Entry> = rows.into_iter().map(|row| self.shown(row)).collect();
        if path.is_root()
            && let Some(report) = self.report_entry()?
        {
            let at = entries.partition_point(|entry| entry.name < report.name);
            entries.insert(at, report);
        }
        Ok(entries)
    }

    /// Makes a directory, and those above it that are missing.
    ///
    /// # Errors
    /// [`TreeError::Exists`] when something has that name, [`TreeError::NotDirectory`] when a file is in the way.
    pub fn make_dir(&self, path: &TreePath) -> Result<(), TreeError> {
        self.write(path, |tx, customer, path| {
            if path.is_root() || place::find(tx, customer, &path)?.is_some() {
                return Err(TreeError::Exists(path));
            }
            place::make_directories(tx, customer, path.parts(), &path)?;
            Ok(())
        })
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`TreeError::NotEmpty`], [`TreeError::NotDirectory`], [`TreeError::NotFound`], [`TreeError::Root`].
    pub fn remove_dir(&self, path: &TreePath) -> Result<(), TreeError> {
        self.write(path, |tx, customer, path| match place::find_directory(tx, customer, &path)? {
            place::Found::Nothing => Err(TreeError::NotFound(path)),
            place::Found::File(_) => Err(TreeError::NotDirectory(path)),
            place::Found::Directory(_) if path.is_root() => Err(TreeError::Root),
            place::Found::Directory(id) if tx.entry_has_children(customer, id)? => Err(TreeError::NotEmpty(path)),
            place::Found::Directory(id) => Ok(tx.entry_remove(id)?),
        })
    }

    /// Takes a file's name out of the tree. What was received under it stays received; so does what a running transfer to
    /// it brings, for clients remove a file whose upload fails, some of them before they close it.
    ///
    /// # Errors
    /// [`TreeError::IsDirectory`], [`TreeError::NotFound`].
    pub fn remove_file(&self, path: &TreePath) -> Result<(), TreeError> {
        report_folder::refuse(path)?;
        let running = self.spool.remove_open(self.customer, path);
        let removed = self.write(path, |tx, customer, path| {
            let row = place::find_file(tx, customer, &path)?;
            tx.entry_remove(row.id)?;
            Ok(tx.event(
                "removed",
                Some(customer),
                None,
                row.upload,
                "customer",
                &format!("`{path}` was removed from the tree; what was received is kept"),
            )?)
        });
        match removed {
            // A transfer that has no row yet had a name all the same.
            Err(TreeError::NotFound(_)) if running > 0 => Ok(()),
            other => other,
        }
    }

    /// Gives a file or directory another name or place; missing directories above it are made. A file takes the place of
    /// a file, whose upload stays received. A file that was held because of its temporary name is complete by this.
    ///
    /// # Errors
    /// [`TreeError::NotFound`]; [`TreeError::Exists`] or [`TreeError::IsDirectory`] when a directory has the new name;
    /// [`TreeError::IntoItself`]; [`TreeError::BadName`] when something below would be named beyond the limits.
    pub fn rename(&self, from: &TreePath, to: &TreePath) -> Result<(), TreeError> {
        if from.is_root() || to.is_root() {
            return Err(TreeError::Root);
        }
        report_folder::refuse(from)?;
        report_folder::refuse(to)?;
        let (customer, held_until) = (self.customer, self.spool.held_until(to));
        let (source, target) = (from.clone(), to.clone());
        let renamed = self.catalogue.write(move |tx| place::rename(tx, customer, &source, &target, held_until));
        match renamed {
            // A transfer that has no row yet is renamed where it is known.
            Err(TreeError::NotFound(_)) if self.spool.rename_open(customer, from, to) > 0 => Ok(()),
            // Under the name of a complete file a running transfer is another one, which keeps its name.
            Ok(source) if source.directory || source.upload.is_none() => {
                self.spool.rename_open(customer, from, to);
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    /// Sets the time shown for a file or directory. Clients do this after each file, and no more is promised of it than that it
    /// outlives this process: a loss of power may undo what was set in the last moments.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], [`TreeError::Root`].
    pub fn set_mtime(&self, path: &TreePath, mtime: Micros) -> Result<(), TreeError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        self.set_mtime_then(path, mtime, move |set| drop(tell.send(set)));
        told.recv().map_err(|_| catalogue::Error::Closing)?
    }

    /// As [`Tree::set_mtime`], for whoever does not want to wait: `done` learns what it came to, and must not wait.
    pub fn set_mtime_then(
        &self,
        path: &TreePath,
        mtime: Micros,
        done: impl FnOnce(Result<(), TreeError>) + Send + 'static,
    ) {
        if let Some(open) = self.spool.open_at(self.customer, path) {
            open.set_mtime(mtime);
        }
        if let Err(refused) = report_folder::refuse(path) {
            return done(Err(refused));
        }
        let (customer, at, spool, path) = (self.customer, path.clone(), Arc::clone(&self.spool), path.clone());
        let set = move |tx: &Tx<'_>| match place::find_directory(tx, customer, &at)? {
            place::Found::Nothing => Err(TreeError::NotFound(at)),
            place::Found::Directory(_) if at.is_root() => Err(TreeError::Root),
            place::Found::Directory(id) => Ok(tx.entry_set_mtime(id, mtime)?),
            place::Found::File(row) => Ok(tx.entry_set_mtime(row.id, mtime)?),
        };
        self.catalogue.write_redoable_then(set, move |set| {
            done(match set {
                Err(TreeError::NotFound(_)) if spool.open_at(customer, &path).is_some() => Ok(()),
                other => other,
            });
        });
    }

    /// Opens the current upload of a file for reading; also its size in bytes.
    ///
    /// # Errors
    /// [`TreeError::NotFound`], [`TreeError::IsDirectory`], [`TreeError::Unfinished`], or a failure of disk or catalogue.
    pub fn open_read(&self, path: &TreePath) -> Result<(File, u64), TreeError> {
        if report_folder::is_in(path) {
            return self.report_open(path);
        }
        let row = self.catalogue.read(|tx| place::find_file(tx, self.customer, path))?;
        match row.upload {
            Some(upload) => self.spool.open_upload(upload),
            None => Err(TreeError::Unfinished(path.clone())),
        }
    }

    /// What may still be sent, by the customer's quota; nothing = as much as the disk takes.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn room(&self) -> Result<Quota, TreeError> {
        self.spool.room(self.customer)
    }

    /// The SHA-256 of a file's current upload, as it was taken while the bytes came in.
    ///
    /// # Errors
    /// As [`Tree::open_read`].
    pub fn sha256(&self, path: &TreePath) -> Result<Digest, TreeError> {
        if report_folder::is_in(path) {
            self.report_stat(path)?;
            return Ok(Digest::of(&self.report(path)?));
        }
        self.catalogue.read(|tx| {
            let row = place::find_file(tx, self.customer, path)?;
            let Some(upload) = row.upload else { return Err(TreeError::Unfinished(path.clone())) };
            let upload = tx.upload(upload)?.ok_or_else(|| TreeError::NotFound(path.clone()))?;
            Ok(upload.sha256)
        })
    }

    fn write(
        &self,
        path: &TreePath,
        work: impl FnOnce(&Tx<'_>, CustomerId, TreePath) -> Result<(), TreeError> + Send + 'static,
    ) -> Result<(), TreeError> {
        report_folder::refuse(path)?;
        let (customer, path) = (self.customer, path.clone());
        self.catalogue.write(move |tx| work(tx, customer, path))
    }

    fn root(&self) -> Entry {
        Entry {
            id: catalogue::ROOT,
            name: Vec::new(),
            directory: true,
            size: 0,
            mtime: Micros::now(),
            upload: None,
            partial: false,
        }
    }

    fn shown(&self, row: catalogue::Entry) -> Entry {
        let size = row.partial.as_ref().map_or(row.size, |(_, file)| self.spool.length_of(file));
        Entry {
            id: row.id,
            name: row.name,
            directory: row.directory,
            size,
            mtime: row.mtime,
            upload: row.upload,
            partial: row.partial.is_some(),
        }
    }
}
