//! What the shop's software reads: each original under its record's own key.
//!
//! A key that holds bytes which we did not write is never overwritten and never removed; the caller says which digests
//! are ours.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::durable::{copy_verified, digest_of, make_folder, sync_folder};
use super::{Error, at, presence};
use crate::domain::{AttachmentId, Digest};

/// Prefix of files that are being written; no key may begin a name with it.
const TEMPORARY: &str = ".reunite-";

/// Longest key in bytes; the limit of S3-compatible stores, so that a key can move there.
const KEY_BYTES_MAX: usize = 1024;

/// Where an original lies, relative to the originals store: slash-separated names, none of them special.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// Why a text cannot be a key of the originals store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` cannot be a key in the originals store: {fault}")]
pub struct BadKey {
    key: String,
    fault: &'static str,
}

impl ObjectKey {
    /// Checks a key that the shop gave.
    ///
    /// # Errors
    /// When the key is empty, absolute, too long, or has a part that a file system would take for something else.
    pub fn parse(key: &str) -> Result<Self, BadKey> {
        let bad = |fault| Err(BadKey { key: key.to_owned(), fault });
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return bad("it must have 1 to 1024 bytes");
        }
        for part in key.split('/') {
            match part {
                "" | "." | ".." => return bad("no part of it may be empty, `.` or `..`"),
                _ if part.len() > 255 => return bad("no part of it may be longer than 255 bytes"),
                _ if part.starts_with(TEMPORARY) => return bad("no part of it may begin with `.reunite-`"),
                _ if part.contains(char::is_control) => return bad("it must not have control characters"),
                _ => {}
            }
        }
        Ok(ObjectKey(key.to_owned()))
    }

    /// The key of a record that the import gave none: customer/record, with the upload's extension.
    pub fn default_for(customer: &str, record: &str, extension: Option<&str>) -> Self {
        let dot = if extension.is_some() { "." } else { "" };
        ObjectKey(format!("{}/{}{dot}{}", part(customer), part(record), extension.unwrap_or_default()))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `name` as one part of a key: letters, digits and `-_. ` stay, every other byte becomes `%XX`, so that two names never
/// become one and none is special. A name too long for a file is cut and told apart by its digest.
fn part(name: &str) -> String {
    let mut part = String::new();
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'.' if at == 0 => part.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => part.push(byte as char),
            _ => part.push_str(&format!("%{byte:02X}")),
        }
    }
    if part.len() > 200 {
        part.truncate(160);
        part.push('~');
        part.push_str(&Digest::of(name.as_bytes()).to_string()[..32]);
    }
    part
}

/// What lies under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Nothing.
    Nothing,
    /// Bytes with this digest.
    Bytes(Digest),
    /// Something that is no plain file: a folder, a link, a device. Never ours.
    Strange,
}

/// The originals store: a folder that the shop's software reads.
#[derive(Clone, Debug)]
pub struct Originals {
    folder: PathBuf,
    file_mode: u32,
    folder_mode: u32,
}

impl Originals {
    /// The originals store in `folder`; files and folders that it makes get the modes given.
    pub fn new(folder: PathBuf, file_mode: u32, folder_mode: u32) -> Self {
        Originals { folder, file_mode, folder_mode }
    }

    /// Takes the folder into use; for a data folder from which nothing was put back yet.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn adopt(&self) -> Result<(), Error> {
        presence::adopt(&self.folder, self.folder_mode)
    }

    /// Whether the store is there.
    ///
    /// # Errors
    /// [`Error::Away`] while it is not.
    pub fn require(&self) -> Result<(), Error> {
        presence::require(&self.folder)
    }

    /// The file under `key`.
    pub fn path(&self, key: &ObjectKey) -> PathBuf {
        self.folder.join(&key.0)
    }

    /// What lies under `key` now.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub fn holds(&self, key: &ObjectKey) -> Result<Holds, Error> {
        self.require()?;
        let path = self.path(key);
        match path.symlink_metadata() {
            Ok(found) if found.is_file() => {
                let file = File::open(&path).map_err(at("open", &path))?;
                Ok(Holds::Bytes(digest_of(file).map_err(at("read", &path))?.0))
            }
            Ok(_) => Ok(Holds::Strange),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Holds::Nothing),
            // A part of the key is a plain file, so nothing can lie below it and nothing of ours ever will.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Holds::Strange),
            Err(error) => Err(at("look at", &path)(error)),
        }
    }

    /// Copies `blob` to `key` and returns once it is durable there. `over` is the digest under the key that may be
    /// replaced because we wrote it; anything else there is left alone and reported as what it is.
    ///
    /// # Errors
    /// When the file system refuses or the copy does not read back as `digest`; the key is then as it was.
    pub fn put(
        &self,
        key: &ObjectKey,
        blob: &File,
        digest: Digest,
        over: Option<Digest>,
        attachment: AttachmentId,
    ) -> Result<Put, Error> {
        let path = self.path(key);
        let found = self.holds(key)?;
        let folder = path.parent().unwrap_or(&self.folder);
        let temporary = folder.join(format!("{TEMPORARY}{attachment}.tmp"));
        // What a crash in the middle of the copy left behind; whatever comes below, nobody would ask for it again.
        discard(&temporary)?;
        match found {
            Holds::Bytes(there) if there == digest => {
                // A crash or a failed sync may have come between the rename and the disk.
                File::open(&path).and_then(|file| file.sync_all()).map_err(at("sync", &path))?;
                sync_folder(folder).map_err(at("sync the folder", folder))?;
                return Ok(Put::Published);
            }
            Holds::Bytes(there) if Some(there) == over => {}
            Holds::Nothing => {}
            Holds::Bytes(_) | Holds::Strange => return Ok(Put::Occupied(found)),
        }
        make_folder(folder, self.folder_mode)?;
        let published = copy_verified(blob, &temporary, self.file_mode, digest)
            .and_then(|()| publish(&temporary, &path, found == Holds::Nothing));
        match published {
            Ok(true) => {
                sync_folder(folder).map_err(at("sync the folder", folder))?;
                Ok(Put::Published)
            }
            Ok(false) => {
                discard(&temporary)?;
                Ok(Put::Occupied(self.holds(key)?))
            }
            Err(error) => {
                discard(&temporary)?;
                Err(error)
            }
        }
    }

    /// Removes what lies under `key` if it has `digest`, which is ours; anything else stays. True when the key is free.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remove(&self, key: &ObjectKey, digest: Digest) -> Result<bool, Error> {
        match self.holds(key)? {
            Holds::Nothing => Ok(true),
            Holds::Bytes(there) if there == digest => {
                let path = self.path(key);
                std::fs::remove_file(&path).map_err(at("remove", &path))?;
                let folder = path.parent().unwrap_or(&self.folder);
                sync_folder(folder).map_err(at("sync the folder", folder))?;
                Ok(true)
            }
            Holds::Bytes(_) | Holds::Strange => Ok(false),
        }
    }
}

/// How an attempt to publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The key holds the bytes.
    Published,
    /// The key holds something that is not ours; nothing was changed.
    Occupied(Holds),
}

/// Moves the finished copy to its key; false when a key that was free is taken by now.
fn publish(temporary: &Path, path: &Path, fresh: bool) -> Result<bool, Error> {
    if !fresh {
        return std::fs::rename(temporary, path).map(|()| true).map_err(at("publish", path));
    }
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        // Some network file systems lack the flag: a link refuses to replace just as well.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => match std::fs::hard_link(temporary, path) {
            Ok(()) => discard(temporary).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(at("publish", path)(error)),
        },
        Err(error) => Err(at("publish", path)(error.into())),
    }
}

fn discard(temporary: &Path) -> Result<(), Error> {
    match std::fs::remove_file(temporary) {
        // Nothing can lie below a part of the key that is a plain file.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(at("remove", temporary)(error)),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn scratch() -> (tempfile::TempDir, Originals, ObjectKey) {
        let folder = tempfile::tempdir().unwrap();
        let originals = Originals::new(folder.path().join("originals"), 0o640, 0o750);
        originals.adopt().unwrap();
        (folder, originals, ObjectKey::parse("C1/R1.jpg").unwrap())
    }

    fn blob(folder: &tempfile::TempDir, bytes: &[u8]) -> File {
        let path = folder.path().join("blob");
        std::fs::write(&path, bytes).unwrap();
        File::open(path).unwrap()
    }

    #[test]
    fn puts_replaces_its_own_and_removes_it() {
        let (folder, originals, key) = scratch();
        let put = |bytes: &[u8], over| {
            originals.put(&key, &blob(&folder, bytes), Digest::of(bytes), over, AttachmentId(1)).unwrap()
        };
        assert_eq!(put(b"one", None), Put::Published);
        assert_eq!(originals.path(&key).metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(put(b"one", None), Put::Published, "again is the same");
        assert_eq!(put(b"two", Some(Digest::of(b"one"))), Put::Published);
        assert!(!originals.remove(&key, Digest::of(b"one")).unwrap());
        assert!(originals.remove(&key, Digest::of(b"two")).unwrap());
        assert_eq!(originals.holds(&key).unwrap(), Holds::Nothing);
    }

    #[test]
    fn never_touches_what_it_did_not_write() {
        let (folder, originals, key) = scratch();
        let path = originals.path(&key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"theirs").unwrap();
        let put = originals.put(&key, &blob(&folder, b"ours"), Digest::of(b"ours"), None, AttachmentId(1)).unwrap();
        assert_eq!(put, Put::Occupied(Holds::Bytes(Digest::of(b"theirs"))));
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_folder_without_its_marker_is_away_and_not_empty() {
        let (folder, originals, key) = scratch();
        std::fs::remove_file(folder.path().join("originals").join(presence::MARKER)).unwrap();
        let put = originals.put(&key, &blob(&folder, b"ours"), Digest::of(b"ours"), None, AttachmentId(1));
        assert!(matches!(put, Err(Error::Away { .. })), "{put:?}");
        assert!(
            matches!(originals.remove(&key, Digest::of(b"ours")), Err(Error::Away { .. })),
            "gone is another thing"
        );
        assert_eq!(std::fs::read_dir(folder.path().join("originals")).unwrap().count(), 0);
        originals.adopt().unwrap();
        assert_eq!(originals.holds(&key).unwrap(), Holds::Nothing);
    }

    #[test]
    fn what_a_crash_left_of_a_copy_goes_however_the_key_is_found() {
        for (there, expected) in
            [(&b"ours"[..], Put::Published), (b"theirs", Put::Occupied(Holds::Bytes(Digest::of(b"theirs"))))]
        {
            let (folder, originals, key) = scratch();
            let path = originals.path(&key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, there).unwrap();
            let left = path.with_file_name(format!("{TEMPORARY}{}.tmp", AttachmentId(1)));
            std::fs::write(&left, b"ou").unwrap();
            let put = originals.put(&key, &blob(&folder, b"ours"), Digest::of(b"ours"), None, AttachmentId(1));
            assert_eq!(put.unwrap(), expected);
            assert_eq!(std::fs::read(&path).unwrap(), there);
            assert!(!left.exists(), "{expected:?}");
        }
    }

    #[test]
    fn a_copy_that_does_not_read_back_is_not_published() {
        let (folder, originals, key) = scratch();
        let result = originals.put(&key, &blob(&folder, b"other"), Digest::of(b"ours"), None, AttachmentId(1));
        assert!(matches!(result, Err(Error::Damaged { .. })));
        assert_eq!(originals.holds(&key).unwrap(), Holds::Nothing);
    }

    #[test]
    fn keys_never_leave_the_folder() {
        for bad in ["", "/etc/passwd", "a/../b", "a//b", "./a", "a/.reunite-1.tmp", "a\nb"] {
            assert!(ObjectKey::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ObjectKey::default_for("../x", "a/b", Some("jpg")).to_string(), "%2E.%2Fx/a%2Fb.jpg");
        assert_ne!(ObjectKey::default_for("a", "b c", None), ObjectKey::default_for("a", "b%20c", None));
        assert!(ObjectKey::default_for("a", &"x".repeat(900), None).to_string().len() < 255);
    }
}
