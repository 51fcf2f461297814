//! A file opened for writing: from the open flags to the durable upload.
//!
//! A file that is opened to be written anew begins at once. A file that is opened to be changed or continued begins with
//! its first write: what is there is then taken as the beginning, so that a client can resume, or write in any place, and
//! a client that only opens and closes makes no second upload of the same bytes. After a write has failed nothing more is
//! taken and the end is a failure: a file with a hole must never look whole.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::failure::Failure;
use super::protocol::OpenFlags;
use crate::domain::{CustomerId, Micros};
use crate::spool::{Endpoint, Incoming, Spool, Start};
use crate::tree::{Entry, Tree, TreeError, TreePath};

/// What happens to the bytes that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// They stay with the upload before them; this one begins empty.
    Anew,
    /// They are kept, and writes go where they say.
    Keep,
    /// They are kept, and writes go to the end.
    Append,
}

/// One file being written.
pub(super) struct Transfer {
    path: TreePath,
    customer: CustomerId,
    mode: Mode,
    incoming: Option<Incoming>,
    /// What was there at the opening.
    before: Option<Entry>,
    /// Given before the first write, for when there is something to give it to.
    mtime: Option<Micros>,
    fault: Option<Failure>,
    /// For clients that read the file which they are about to change.
    reading: Option<File>,
}

impl Transfer {
    /// Opens `path` as `flags` say.
    ///
    /// # Errors
    /// When the file is absent and not to be made, present and to be new, a directory, or cannot be received.
    pub fn open(spool: &Arc<Spool>, tree: &Tree, path: TreePath, flags: OpenFlags) -> Result<Self, Failure> {
        let before = match tree.stat(&path) {
            Ok(entry) if entry.directory => return Err(TreeError::IsDirectory(path).into()),
            Ok(_) if flags.has(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => {
                return Err(TreeError::Exists(path).into());
            }
            Ok(entry) => Some(entry),
            Err(TreeError::NotFound(_)) if flags.has(OpenFlags::CREATE) => None,
            Err(fault) => return Err(fault.into()),
        };
        let mode = match before {
            Some(_) if flags.has(OpenFlags::TRUNCATE) => Mode::Anew,
            Some(_) if flags.has(OpenFlags::APPEND) => Mode::Append,
            Some(_) => Mode::Keep,
            None => Mode::Anew,
        };
        let customer = tree.customer();
        let mut transfer =
            Transfer { path, customer, mode, incoming: None, before, mtime: None, fault: None, reading: None };
        if mode == Mode::Anew {
            transfer.begin(spool)?;
        }
        Ok(transfer)
    }

    /// Where the file is to appear.
    pub fn path(&self) -> TreePath {
        self.incoming.as_ref().map_or_else(|| self.path.clone(), Incoming::path)
    }

    /// Follows a rename of the file or of a directory above it. A transfer that has begun is renamed by the spool.
    pub fn renamed(&mut self, from: &TreePath, to: &TreePath) {
        if let Some(path) = self.path.moved(from, to) {
            self.path = path;
        }
    }

    /// What the file holds by now, in bytes.
    pub fn len(&self) -> u64 {
        match &self.incoming {
            Some(incoming) => incoming.size(),
            None => self.before.as_ref().map_or(0, |entry| entry.size),
        }
    }

    /// The time shown for it.
    pub fn mtime(&self) -> Micros {
        self.mtime.or(self.before.as_ref().map(|entry| entry.mtime)).unwrap_or_else(Micros::now)
    }

    /// Takes bytes in.
    ///
    /// # Errors
    /// When they cannot be kept; every later write and the end then fail the same way.
    pub fn write(&mut self, spool: &Arc<Spool>, offset: u64, data: &[u8]) -> Result<(), Failure> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        self.try_write(spool, offset, data).inspect_err(|fault| self.fault = Some(fault.clone()))
    }

    fn try_write(&mut self, spool: &Arc<Spool>, offset: u64, data: &[u8]) -> Result<(), Failure> {
        let mode = self.mode;
        let incoming = self.begin(spool)?;
        if mode == Mode::Append || offset == incoming.size() {
            incoming.write(data)?;
        } else {
            incoming.write_at(offset, data)?;
        }
        Ok(())
    }

    /// Reads what the file holds by now, for clients that open it for both; returns how many bytes were read.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_at(&mut self, tree: &Tree, offset: u64, buffer: &mut [u8]) -> Result<usize, Failure> {
        if let Some(incoming) = &mut self.incoming {
            return Ok(incoming.read_at(offset, buffer)?);
        }
        let file = match self.reading {
            Some(ref file) => file,
            None => self.reading.insert(tree.open_read(&self.path)?.0),
        };
        file.read_at(buffer, offset).map_err(Failure::reading)
    }

    /// Sets the time that the file is to have.
    pub fn set_mtime(&mut self, mtime: Micros) {
        self.mtime = Some(mtime);
        if let Some(incoming) = &mut self.incoming {
            incoming.set_mtime(mtime);
        }
    }

    /// Cuts or extends the file; what is added is zero.
    ///
    /// # Errors
    /// As [`Transfer::write`].
    pub fn set_size(&mut self, spool: &Arc<Spool>, size: u64) -> Result<(), Failure> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if size == self.len() {
            return Ok(());
        }
        if size == 0 && self.incoming.is_none() {
            // Nothing of what was there is wanted, so nothing is copied.
            self.mode = Mode::Anew;
        }
        let resized = self.begin(spool).and_then(|incoming| Ok(incoming.set_size(size)?));
        resized.inspect_err(|fault| self.fault = Some(fault.clone()))
    }

    /// What was written is on disk when this returns. It is not yet an upload.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&mut self) -> Result<(), Failure> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if let Some(incoming) = &mut self.incoming {
            incoming.sync()?;
        }
        Ok(())
    }

    /// Ends the transfer. The upload is durable when this returns.
    ///
    /// # Errors
    /// When a write has failed before, or the upload cannot be made durable.
    pub fn finish(self, tree: &Tree) -> Result<(), Failure> {
        match (self.incoming, self.fault) {
            (incoming, Some(fault)) => {
                if let Some(incoming) = incoming {
                    keep_for_resuming(incoming, &self.path);
                }
                Err(fault)
            }
            (Some(incoming), None) => {
                incoming.finish()?;
                Ok(())
            }
            (None, None) => match self.mtime {
                Some(mtime) => Ok(tree.set_mtime(&self.path, mtime)?),
                None => Ok(()),
            },
        }
    }

    /// The connection is gone: what came stays, so that the client can resume.
    pub fn interrupt(self) {
        if let Some(incoming) = self.incoming {
            keep_for_resuming(incoming, &self.path);
        }
    }

    fn begin(&mut self, spool: &Arc<Spool>) -> Result<&mut Incoming, Failure> {
        if let Some(ref mut incoming) = self.incoming {
            return Ok(incoming);
        }
        let start = match self.mode {
            Mode::Anew => Start::New,
            Mode::Keep | Mode::Append => Start::Append,
        };
        let mut incoming = spool.begin(self.customer, &self.path, Endpoint::Sftp, start)?;
        if let Some(mtime) = self.mtime {
            incoming.set_mtime(mtime);
        }
        Ok(self.incoming.insert(incoming))
    }
}

fn keep_for_resuming(incoming: Incoming, path: &TreePath) {
    if let Err(fault) = incoming.interrupt() {
        tracing::error!(%path, "a transfer that broke off could not be kept for resuming: {fault}");
    }
}
