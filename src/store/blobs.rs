//! What was received, stored once per customer under its digest.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::durable::{digest_of, make_folder, sync_folder};
use super::{Error, at, presence};
use crate::domain::{CustomerId, Digest};

/// Nobody but the service reads what customers sent.
const FOLDER_MODE: u32 = 0o700;

/// The blob store: a folder with one file for each (customer, digest).
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// The blob store in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Blobs { folder }
    }

    /// Takes the folder into use; for a data folder that has no blob yet.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn adopt(&self) -> Result<(), Error> {
        presence::adopt(&self.folder, FOLDER_MODE)
    }

    /// Whether the store is there.
    ///
    /// # Errors
    /// [`Error::Away`] while it is not.
    pub fn require(&self) -> Result<(), Error> {
        presence::require(&self.folder)
    }

    /// Takes the finished file `spooled` over as a blob; a second file with the same bytes is dropped, since the first
    /// one is the same thing. Running it again after a crash in the middle does no harm.
    ///
    /// # Errors
    /// When the file system refuses, or the spooled bytes are no longer those that were received.
    pub fn take(&self, customer: CustomerId, digest: Digest, spooled: &Path) -> Result<(), Error> {
        self.require()?;
        let blob = self.path(customer, digest);
        let folder = blob.parent().unwrap_or(&self.folder);
        let file = match File::open(spooled) {
            // A crash or a failed sync after the rename, and before the catalogue heard of it: the blob is already there,
            // but its name may not be on disk, and the catalogue is about to forget the one in the spool.
            Err(error) if error.kind() == io::ErrorKind::NotFound && blob.exists() => {
                return sync_folder(folder).map_err(at("sync the folder", folder));
            }
            opened => opened.map_err(at("open", spooled))?,
        };
        let (found, length) = digest_of(&file).map_err(at("read", spooled))?;
        if found != digest {
            return Err(Error::Damaged { path: spooled.to_owned(), expected: digest, found });
        }
        if blob.metadata().is_ok_and(|known| known.len() == length) {
            return std::fs::remove_file(spooled).map_err(at("remove the second copy", spooled));
        }
        // Small files are on the disk in the spool's journal only, until they are moved.
        file.sync_data().map_err(at("sync", spooled))?;
        make_folder(folder, FOLDER_MODE)?;
        std::fs::rename(spooled, &blob).map_err(at("move into the blob store", spooled))?;
        sync_folder(folder).map_err(at("sync the folder", folder))
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// When it is absent or cannot be read.
    pub fn open(&self, customer: CustomerId, digest: Digest) -> Result<File, Error> {
        self.require()?;
        let path = self.path(customer, digest);
        File::open(&path).map_err(at("open the blob", &path))
    }

    /// Where a blob lies.
    pub fn path(&self, customer: CustomerId, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(customer.to_string()).join(&name[..2]).join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_twice_are_one_blob() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        blobs.adopt().unwrap();
        for name in ["first", "second"] {
            let spooled = folder.path().join(name);
            std::fs::write(&spooled, b"picture").unwrap();
            blobs.take(CustomerId(1), Digest::of(b"picture"), &spooled).unwrap();
            assert!(!spooled.exists());
        }
        let mut file = blobs.open(CustomerId(1), Digest::of(b"picture")).unwrap();
        assert_eq!(digest_of(&mut file).unwrap(), (Digest::of(b"picture"), 7));
        assert!(blobs.open(CustomerId(2), Digest::of(b"picture")).unwrap_err().is_not_found());
    }

    #[test]
    fn damaged_bytes_are_not_stored() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        blobs.adopt().unwrap();
        let spooled = folder.path().join("spooled");
        std::fs::write(&spooled, b"picturE").unwrap();
        let result = blobs.take(CustomerId(1), Digest::of(b"picture"), &spooled);
        assert!(matches!(result, Err(Error::Damaged { .. })));
        assert!(spooled.exists(), "what was received stays where it is");
    }

    #[test]
    fn a_move_that_was_not_noted_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        blobs.adopt().unwrap();
        let spooled = folder.path().join("spooled");
        std::fs::write(&spooled, b"picture").unwrap();
        blobs.take(CustomerId(1), Digest::of(b"picture"), &spooled).unwrap();
        blobs.take(CustomerId(1), Digest::of(b"picture"), &spooled).unwrap();
    }

    #[test]
    fn a_folder_without_its_marker_is_away_and_not_empty() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        blobs.adopt().unwrap();
        let spooled = folder.path().join("spooled");
        std::fs::write(&spooled, b"picture").unwrap();
        blobs.take(CustomerId(1), Digest::of(b"picture"), &spooled).unwrap();
        std::fs::rename(folder.path().join("blobs"), folder.path().join("unmounted")).unwrap();
        std::fs::create_dir(folder.path().join("blobs")).unwrap();

        let away = blobs.open(CustomerId(1), Digest::of(b"picture")).unwrap_err();
        assert!(matches!(away, Error::Away { .. }) && away.is_transient() && !away.is_not_found(), "{away}");
        std::fs::write(&spooled, b"another").unwrap();
        let away = blobs.take(CustomerId(1), Digest::of(b"another"), &spooled).unwrap_err();
        assert!(matches!(away, Error::Away { .. }), "{away}");
        assert!(spooled.exists(), "what was received stays where it is");
        assert_eq!(
            std::fs::read_dir(folder.path().join("blobs")).unwrap().count(),
            0,
            "nothing goes onto the wrong disk"
        );
    }
}
