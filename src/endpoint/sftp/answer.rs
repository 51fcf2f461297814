//! What each request does: one function per kind, over the tree and the open files.
//!
//! CLOSE and INIT are the session's own business and stand with it in `files`.

use std::os::unix::fs::FileExt as _;

use super::failure::Failure;
use super::files::{Files, Open, done};
use super::protocol::{
    Attributes, DATA_MAX, Extended, Name, OpenFlags, PACKET_MAX, Reply, Request, StatusCode, Statvfs, put_data,
};
use super::transfer::Transfer;
use crate::domain::Micros;
use crate::endpoint::ls;
use crate::tree::{Entry, NAME_BYTES_MAX, TreeError, TreePath};

/// Bytes of names in one answer: what every client takes, by section 3 of the draft.
const NAMES_BYTES: usize = 32_000;

/// `S_IFREG` with rw-r--r--.
const FILE_MODE: u32 = 0o100_644;

/// `S_IFDIR` with rwxr-xr-x.
const DIRECTORY_MODE: u32 = 0o40_755;

impl Files {
    /// Serves one request, appending its answer.
    pub(super) fn answer(&mut self, id: u32, request: Request<'_>, answers: &mut Vec<u8>) -> Result<(), Failure> {
        match request {
            Request::Open { path, flags, attributes } => return self.open(id, path, flags, attributes, answers),
            Request::Read { handle, offset, length } => return self.read(id, handle, offset, length, answers),
            Request::Opendir { path } => return self.opendir(id, path, answers),
            Request::Readdir { handle } => return self.readdir(id, handle, answers),
            Request::Stat { path } | Request::Lstat { path } => {
                let entry = self.tree.stat(&self.path(path)?)?;
                Reply::Attributes(attributes_of(&entry)).encode(id, answers);
                return Ok(());
            }
            Request::Fstat { handle } => {
                Reply::Attributes(self.fstat(handle)?).encode(id, answers);
                return Ok(());
            }
            Request::Realpath { path } => {
                Reply::Names(vec![absolute(&self.path(path)?)]).encode(id, answers);
                return Ok(());
            }
            Request::Extended(Extended::Limits) => {
                let limits = [PACKET_MAX, DATA_MAX, DATA_MAX, self.handles_max].map(|limit| limit as u64);
                Reply::Limits(limits).encode(id, answers);
                return Ok(());
            }
            Request::Extended(Extended::Statvfs { path }) => {
                // The path must be one; the space is the same everywhere.
                self.path(path)?;
                Reply::Statvfs(self.space()?).encode(id, answers);
                return Ok(());
            }
            Request::Extended(Extended::Fstatvfs { handle }) => {
                self.find(handle)?;
                Reply::Statvfs(self.space()?).encode(id, answers);
                return Ok(());
            }
            Request::Extended(Extended::ExpandPath { path }) => {
                Reply::Names(vec![absolute(&self.path(without_tilde(path))?)]).encode(id, answers);
                return Ok(());
            }
            Request::Extended(Extended::HomeDirectory) => {
                Reply::Names(vec![absolute(&TreePath::root())]).encode(id, answers);
                return Ok(());
            }
            Request::Extended(Extended::CheckFile(check)) => return self.check_file(id, check, answers),
            Request::Write { handle, offset, data } => self.write(handle, offset, data)?,
            Request::Setstat { path, attributes } | Request::Extended(Extended::Lsetstat { path, attributes }) => {
                self.setstat(path, attributes)?
            }
            Request::Fsetstat { handle, attributes } => self.fsetstat(handle, attributes)?,
            Request::Remove { path } => self.tree.remove_file(&self.path(path)?)?,
            Request::Mkdir { path, .. } => self.tree.make_dir(&self.path(path)?)?,
            Request::Rmdir { path } => self.tree.remove_dir(&self.path(path)?)?,
            Request::Rename { from, to } => self.rename(from, to, false)?,
            Request::Extended(Extended::PosixRename { from, to }) => self.rename(from, to, true)?,
            Request::Extended(Extended::Fsync { handle }) => self.fsync(handle)?,
            Request::Extended(Extended::CopyData(copy)) => self.copy_data(copy)?,
            Request::Readlink { .. } | Request::Symlink { .. } | Request::Extended(Extended::Hardlink) => {
                return Err(Failure::unsupported("there are no links here; upload the file itself"));
            }
            Request::Extended(Extended::Other { name }) => {
                return Err(Failure::unsupported(format!("`{}` is not offered here", name.escape_ascii())));
            }
            // Served before this is reached.
            Request::Init { .. } | Request::Close { .. } => {}
        }
        done(id, answers);
        Ok(())
    }

    fn open(
        &mut self,
        id: u32,
        path: &[u8],
        flags: OpenFlags,
        attributes: Attributes,
        answers: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let path = self.path(path)?;
        self.make_room()?;
        // Append, create and truncate mean nothing without writing, but some clients leave the flag out.
        let writes = OpenFlags::WRITE | OpenFlags::APPEND | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let open = if flags.0 & writes == 0 {
            let (file, size) = self.tree.open_read(&path)?;
            let entry = Entry { size, ..self.tree.stat(&path)? };
            Open::Reading { file, entry }
        } else {
            if self.is_stopping() {
                return Err(Failure::new("the server is about to stop; try again in a minute"));
            }
            let mut transfer = Transfer::open(&self.spool, &self.tree, path, flags)?;
            if let Some((_, changed)) = attributes.times {
                transfer.set_mtime(Micros::from_seconds(i64::from(changed)));
            }
            Open::Writing(Box::new(transfer))
        };
        self.add(id, open, answers);
        Ok(())
    }

    fn read(&mut self, id: u32, handle: &[u8], offset: u64, length: u32, answers: &mut Vec<u8>) -> Result<(), Failure> {
        let tree = self.tree.clone();
        let open = self.find(handle)?;
        let length = (length as usize).min(DATA_MAX);
        let count = put_data(answers, id, length, |buffer| match open {
            Open::Reading { file, .. } => {
                fill(offset, buffer, |at, into| file.read_at(into, at).map_err(Failure::reading))
            }
            Open::Writing(transfer) => fill(offset, buffer, |at, into| transfer.read_at(&tree, at, into)),
            Open::Listing(_) => Err(Failure::new("a directory is listed, not read")),
        })?;
        match count {
            0 if length > 0 => Err(Failure { code: StatusCode::Eof, message: "end of file".into() }),
            0 => {
                Reply::Data(&[]).encode(id, answers);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, handle: &[u8], offset: u64, data: &[u8]) -> Result<(), Failure> {
        let spool = self.spool.clone();
        match self.find(handle)? {
            Open::Writing(_) if data.is_empty() => Ok(()),
            Open::Writing(transfer) => transfer.write(&spool, offset, data),
            _ => Err(not_writing()),
        }
    }

    fn opendir(&mut self, id: u32, path: &[u8], answers: &mut Vec<u8>) -> Result<(), Failure> {
        let path = self.path(path)?;
        self.make_room()?;
        if !self.tree.stat(&path)?.directory {
            return Err(TreeError::NotDirectory(path).into());
        }
        let entries = self.tree.list(&path)?;
        self.add(id, Open::Listing(entries.into_iter()), answers);
        Ok(())
    }

    fn readdir(&mut self, id: u32, handle: &[u8], answers: &mut Vec<u8>) -> Result<(), Failure> {
        let Open::Listing(entries) = self.find(handle)? else {
            return Err(Failure::new("this handle is a file, not a directory"));
        };
        let (mut names, mut bytes, now) = (Vec::new(), 0, Micros::now());
        while bytes < NAMES_BYTES {
            let Some(entry) = entries.next() else { break };
            let mut longname = ls::line(entry.directory, entry.size, entry.mtime, now).into_bytes();
            longname.extend_from_slice(&entry.name);
            let name = Name { attributes: attributes_of(&entry), name: entry.name, longname };
            bytes += name.wire_len();
            names.push(name);
        }
        if names.is_empty() {
            return Err(Failure { code: StatusCode::Eof, message: "end of listing".into() });
        }
        Reply::Names(names).encode(id, answers);
        Ok(())
    }

    fn fstat(&mut self, handle: &[u8]) -> Result<Attributes, Failure> {
        Ok(match self.find(handle)? {
            Open::Listing(_) => Attributes { permissions: Some(DIRECTORY_MODE), ..Attributes::default() },
            Open::Reading { entry, .. } => attributes_of(entry),
            Open::Writing(transfer) => attributes(false, transfer.len(), transfer.mtime()),
        })
    }

    /// Only the time of an entry can be set. Owner and permissions are accepted without effect, since nearly every client
    /// sends them after an upload and would report the upload as failed.
    fn setstat(&mut self, path: &[u8], attributes: Attributes) -> Result<(), Failure> {
        let path = self.path(path)?;
        let entry = self.tree.stat(&path)?;
        if attributes.size.is_some_and(|size| size != entry.size) {
            return Err(Failure::unsupported("a file's length cannot be set; upload the file again"));
        }
        if let Some((_, changed)) = attributes.times {
            self.tree.set_mtime(&path, Micros::from_seconds(i64::from(changed)))?;
        }
        Ok(())
    }

    fn fsetstat(&mut self, handle: &[u8], attributes: Attributes) -> Result<(), Failure> {
        let spool = self.spool.clone();
        let Open::Writing(transfer) = self.find(handle)? else {
            return Err(not_writing());
        };
        if let Some(size) = attributes.size {
            transfer.set_size(&spool, size)?;
        }
        if let Some((_, changed)) = attributes.times {
            transfer.set_mtime(Micros::from_seconds(i64::from(changed)));
        }
        Ok(())
    }

    /// Version 3 says that the new name must not exist; `posix-rename` lets a file take another's place.
    fn rename(&mut self, from: &[u8], to: &[u8], replace: bool) -> Result<(), Failure> {
        let (from, to) = (self.path(from)?, self.path(to)?);
        if !replace && from != to {
            match self.tree.stat(&to) {
                Err(TreeError::NotFound(_)) => {}
                Ok(_) => return Err(TreeError::Exists(to).into()),
                Err(fault) => return Err(fault.into()),
            }
        }
        self.tree.rename(&from, &to)?;
        for open in self.open.values_mut() {
            if let Open::Writing(transfer) = open {
                transfer.renamed(&from, &to);
            }
        }
        Ok(())
    }

    fn fsync(&mut self, handle: &[u8]) -> Result<(), Failure> {
        match self.find(handle)? {
            Open::Writing(transfer) => transfer.sync(),
            _ => Ok(()),
        }
    }

    fn space(&self) -> Result<Statvfs, Failure> {
        const BLOCK_BYTES: u64 = 4096;
        let space = self.spool.space()?;
        let free = space.available.saturating_sub(space.min_free);
        // A customer with a quota sees what is left of that.
        let free = self.tree.room()?.bytes.map_or(free, |room| room.min(free)) / BLOCK_BYTES;
        Ok(Statvfs {
            block_size: BLOCK_BYTES,
            blocks: space.total / BLOCK_BYTES,
            free,
            available: free,
            name_max: NAME_BYTES_MAX as u64,
        })
    }

    fn make_room(&self) -> Result<(), Failure> {
        if self.open.len() < self.handles_max {
            return Ok(());
        }
        Err(Failure::new(format!("{} files are open in this session, which is the limit; close some", self.open.len())))
    }
}

/// Reads until `buffer` is full or the file ends: clients take a short answer for the end, or ask again for the rest.
fn fill(
    offset: u64,
    buffer: &mut [u8],
    mut read: impl FnMut(u64, &mut [u8]) -> Result<usize, Failure>,
) -> Result<usize, Failure> {
    let mut count = 0;
    while count < buffer.len() {
        // Beyond what a file can have there is nothing to read.
        let Some(at) = offset.checked_add(count as u64).filter(|at| i64::try_from(*at).is_ok()) else { break };
        match read(at, &mut buffer[count..])? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

/// `~` and `~anyone` are the root: everybody sees their own tree alone.
fn without_tilde(path: &[u8]) -> &[u8] {
    if path.first() != Some(&b'~') {
        return path;
    }
    path.iter().position(|byte| *byte == b'/').map_or(b"/", |slash| &path[slash..])
}

fn absolute(path: &TreePath) -> Name {
    let name = [b"/", path.to_bytes().as_slice()].concat();
    Name { longname: name.clone(), name, attributes: Attributes::default() }
}

fn attributes_of(entry: &Entry) -> Attributes {
    attributes(entry.directory, entry.size, entry.mtime)
}

fn attributes(directory: bool, size: u64, mtime: Micros) -> Attributes {
    // Seconds of 32 bits without sign are all that version 3 has.
    let seconds = u32::try_from(mtime.seconds().max(0)).unwrap_or(u32::MAX);
    Attributes {
        size: Some(size),
        owner: None,
        permissions: Some(if directory { DIRECTORY_MODE } else { FILE_MODE }),
        times: Some((seconds, seconds)),
    }
}

fn not_writing() -> Failure {
    Failure::new("this handle is not open for writing")
}
