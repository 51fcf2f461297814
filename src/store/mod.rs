//! Two places for bytes: [`Blobs`], what was received, by digest, per customer; and [`Originals`], what the shop's
//! software reads, under each record's own key. Both are local folders.
//!
//! Only this module spells object keys, and it writes in one way: a temporary name in the same folder, length checked,
//! fsync, read back, rename, fsync of the folder. It decides nothing about pictures.

mod blobs;
mod durable;
mod originals;
mod presence;

use std::io;
use std::path::PathBuf;

use crate::domain::Digest;

pub use blobs::Blobs;
pub use durable::{digest_of, sync_folder};
pub use originals::{BadKey, Holds, ObjectKey, Originals, Put};

/// Why a store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {doing} `{path}`: {source}")]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store's folder, or the marker in it, is not there.
    #[error(
        "the store `{folder}` is away ({source}); mount it again. If it is meant to begin anew, make the empty file `{marker}` in it"
    )]
    Away {
        /// The store's folder.
        folder: PathBuf,
        /// The file that tells it from a folder whose disk is not mounted.
        marker: &'static str,
        /// What the system said about the marker.
        source: io::Error,
    },
    /// Bytes came back from the disk other than they went there.
    #[error("`{path}` holds the bytes {found}, expected {expected}; check the disk")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        found: Digest,
    },
}

impl Error {
    /// Whether the same work may succeed when it is tried again later.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Io { source, .. } => source.kind() != io::ErrorKind::NotFound,
            Error::Away { .. } => true,
            Error::Damaged { .. } => false,
        }
    }

    /// Whether the bytes are simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Names what was done to which path when it fails.
fn at<'a>(doing: &'static str, path: &'a std::path::Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { doing, path: path.to_owned(), source }
}
