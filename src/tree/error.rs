//! What can go wrong with a customer's tree and with receiving into it, in sentences a client may be shown.

use std::io;
use std::path::PathBuf;

use super::path::{BadPath, TreePath};
use crate::catalogue;

/// Why the tree or the spool refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Nothing has this name.
    #[error("`{0}` does not exist")]
    NotFound(TreePath),
    /// A file was meant, a directory is there.
    #[error("`{0}` is a directory")]
    IsDirectory(TreePath),
    /// A directory was meant, a file is there.
    #[error("`{0}` is a file, not a directory")]
    NotDirectory(TreePath),
    /// The name is taken.
    #[error("`{0}` exists already")]
    Exists(TreePath),
    /// Only an empty directory can be removed.
    #[error("the directory `{0}` is not empty")]
    NotEmpty(TreePath),
    /// A directory cannot move into itself.
    #[error("`{0}` cannot be moved into itself")]
    IntoItself(TreePath),
    /// The root can be neither renamed nor removed nor written.
    #[error("that is not possible with the root directory")]
    Root,
    /// The report is written by us alone.
    #[error("`{0}` is or would be part of the report, which can only be read")]
    ReadOnly(TreePath),
    /// Another transfer continues the same unfinished file.
    #[error("`{0}` is being received by another transfer; try again when that one has ended")]
    Busy(TreePath),
    /// Nothing but an unfinished transfer is there, so there is nothing to read yet.
    #[error("`{0}` has not been received to its end; resume or repeat its upload")]
    Unfinished(TreePath),
    /// A transfer was to continue beyond what is there.
    #[error("cannot continue `{path}` at byte {at}, only {size} are here; ask for its size and resume there")]
    BeyondEnd {
        /// The file.
        path: TreePath,
        /// The offset that was asked for, in bytes.
        at: u64,
        /// What is there, in bytes.
        size: u64,
    },
    /// One file would be larger than the server accepts.
    #[error("`{path}` is too large, at most {bytes_max} bytes are accepted")]
    TooLarge {
        /// The file.
        path: TreePath,
        /// The limit, in bytes.
        bytes_max: u64,
    },
    /// The name breaks a rule.
    #[error(transparent)]
    BadName(#[from] BadPath),
    /// The server's disk is too full to take more.
    #[error("the server has no space for more files; it needs more space before the upload can be repeated")]
    NoSpace,
    /// The customer's own room is used up.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// The catalogue failed, so nothing was acknowledged.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// The disk failed.
    #[error("cannot {action} `{file}`: {source}")]
    Io {
        /// What was tried, a verb.
        action: &'static str,
        /// The file on the server; not for customers, see [`TreeError::for_customer`].
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Which of a customer's quotas is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    /// That of bytes; how many there may be.
    #[error(
        "this account may keep {0} bytes, every version of a file counted, and this would be more; ask for more room"
    )]
    Bytes(u64),
    /// That of files; how many there may be.
    #[error("this account may keep {0} files, every version counted, and has them; ask for more room")]
    Files(u64),
}

impl TreeError {
    /// Whether the same request may succeed later without the client changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            TreeError::Busy(_)
                | TreeError::Unfinished(_)
                | TreeError::NoSpace
                | TreeError::Catalogue(_)
                | TreeError::Io { .. }
        )
    }

    /// The sentence for the other end of the line: faults of the server are told without its paths and engines, which
    /// belong into its log.
    pub fn for_customer(&self) -> String {
        match self {
            TreeError::Catalogue(_) | TreeError::Io { .. } => {
                "the server could not keep the file; nothing of it was accepted, please try again".to_owned()
            }
            other => other.to_string(),
        }
    }

    /// A failure of the disk; a full one becomes [`TreeError::NoSpace`].
    pub(crate) fn io(action: &'static str, file: impl Into<PathBuf>, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TreeError::NoSpace,
            _ => TreeError::Io { action, file: file.into(), source },
        }
    }
}
