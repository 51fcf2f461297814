//! Opening the data folder, by the user it belongs to.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::catalogue::{self, Catalogue};

/// Looks into the list of locks before a missing one is believed.
const LOOKS: usize = 5;

/// The catalogue's name in the data folder.
const CATALOGUE: &str = "catalogue.sqlite";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there.
    #[error("there is no data folder `{0}`; make it with `reunite --data {0} init`, or name another with --data", path.display())]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// Something that is no data folder lies there.
    #[error("`{}` is not a data folder of reunite; name the right one with --data, or make one with `init`", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// It belongs to another user, who could not write any more what this one would make in it.
    #[error("the data folder `{}` belongs to the user {owner}; run `sudo -u {owner} reunite --data {} ...`", path.display(), path.display())]
    OtherOwner {
        /// The folder.
        path: PathBuf,
        /// The owner as `sudo -u` takes it.
        owner: String,
    },
    /// The system refuses.
    #[error("cannot open the data folder `{}`: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The catalogue in it cannot be opened.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
}

/// Opens the catalogue of the data folder `data`, for a command that brings something in: a folder that is not there is
/// made, closed for other users, because customers' pictures, password hashes and keys lie in it.
///
/// # Errors
/// As [`open`], and when the folder cannot be made.
pub fn open_or_make(data: &Path) -> Result<Catalogue, Error> {
    if !data.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
        made.map_err(|source| Error::Io { path: data.to_owned(), source })?;
        eprintln!("made the data folder `{}`", data.display());
    }
    open(data)
}

/// Whether a server works on the data folder; nothing where the system does not tell. Its lock is looked up in the list of
/// locks, not tried, since a try would stand in the way of a server that starts at that moment. The list changes while it
/// is read, and may then lack a line, so only several looks in a row say no.
pub fn is_served(data: &Path) -> Option<bool> {
    let Ok(lock) = fs::metadata(data.join("serve.lock")) else { return Some(false) };
    let inode = format!(":{}", lock.ino());
    for _ in 0..LOOKS {
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let is_ours = |line: &str| line.split_whitespace().any(|word| word.ends_with(&inode));
        if locks.lines().any(|line| line.contains("FLOCK") && is_ours(line)) {
            return Some(true);
        }
    }
    Some(false)
}

/// At which address the server that works on the data folder shows its pages; nothing where none does, or it did not say.
pub fn pages_at(data: &Path) -> Option<String> {
    let said = fs::read_to_string(data.join("serve.lock")).ok()?;
    (is_served(data) == Some(true) && !said.is_empty()).then_some(said)
}

/// Opens the catalogue of the data folder `data`.
///
/// # Errors
/// When there is no such folder, it is not one of ours, or belongs to another user.
pub fn open(data: &Path) -> Result<Catalogue, Error> {
    check(data)?;
    Ok(Catalogue::open(&data.join(CATALOGUE))?)
}

/// Makes sure that `data` is a data folder, or an empty folder that may become one, and belongs to whoever runs this.
///
/// # Errors
/// As [`open`].
pub fn check(data: &Path) -> Result<(), Error> {
    let io = |source| Error::Io { path: data.to_owned(), source };
    let found = match fs::metadata(data) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::Absent { path: data.to_owned() }),
        Err(error) => return Err(io(error)),
    };
    if !found.is_dir() {
        return Err(Error::Foreign { path: data.to_owned() });
    }
    check_owner(data, &found, rustix::process::geteuid().as_raw())?;
    let ours = data.join(CATALOGUE).exists() || data.join("reunite.toml").exists();
    if !ours && fs::read_dir(data).map_err(io)?.next().is_some() {
        return Err(Error::Foreign { path: data.to_owned() });
    }
    Ok(())
}

fn check_owner(data: &Path, found: &Metadata, user: u32) -> Result<(), Error> {
    if found.uid() == user {
        return Ok(());
    }
    Err(Error::OtherOwner { path: data.to_owned(), owner: user_name(found.uid()) })
}

/// The user's name, or `#number`, which sudo takes as well. Only the local list is asked: it needs no call into the C
/// library's name service, and the number serves where it does not know.
fn user_name(user: u32) -> String {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut names = list.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == user.to_string()).then(|| name.to_owned())
    });
    names.next().unwrap_or_else(|| format!("'#{user}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_users_folder_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let found = fs::metadata(folder.path()).unwrap();
        assert!(check_owner(folder.path(), &found, found.uid()).is_ok());
        let error = check_owner(folder.path(), &found, found.uid() + 1).unwrap_err().to_string();
        assert!(error.contains(&format!("sudo -u {}", user_name(found.uid()))), "{error}");
    }

    #[test]
    fn a_folder_of_other_things_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path()).is_ok(), "an empty folder may become one");
        fs::write(folder.path().join("thesis.tex"), "").unwrap();
        assert!(matches!(check(folder.path()), Err(Error::Foreign { .. })));
        fs::write(folder.path().join("reunite.toml"), "").unwrap();
        assert!(check(folder.path()).is_ok());
        assert!(matches!(check(&folder.path().join("absent")), Err(Error::Absent { .. })));
    }

    #[test]
    fn a_server_is_seen_by_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(is_served(folder.path()), Some(false));
        let lock = fs::File::create(folder.path().join("serve.lock")).unwrap();
        assert_eq!(is_served(folder.path()), Some(false));
        lock.lock().unwrap();
        assert_eq!(is_served(folder.path()), Some(true));
    }

    #[test]
    fn a_user_without_a_name_is_a_number() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_000_001), "'#4000000001'");
    }
}
