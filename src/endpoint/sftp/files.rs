//! The open files of one session, and the order in which its requests are served.
//!
//! Runs on blocking threads, a batch of requests at a time. Requests are served one after the other, so what belongs to
//! one file keeps its order. Only the end of a received file, which waits for the disk, goes on beside the others: its
//! answer comes when it is durable, and a request that could see the difference waits until then.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::failure::Failure;
use super::intake::Intake;
use super::protocol::{CheckFile, Checked, Extended, Malformed, Reply, Request, StatusCode};
use super::transfer::Transfer;
use crate::spool::Spool;
use crate::tree::{Entry, Tree, TreePath};

/// Bytes of answers that are collected before they are sent together.
const ANSWERS_BYTES: usize = 512 << 10;

/// What a handle stands for.
pub(super) enum Open {
    /// A listing: the names that have not been told yet.
    Listing(std::vec::IntoIter<Entry>),
    /// A file being read.
    Reading { file: std::fs::File, entry: Entry },
    /// A file being written.
    Writing(Box<Transfer>),
}

/// A received file whose end is to be made durable.
pub(super) struct Finishing {
    /// The CLOSE that waits for it.
    pub id: u32,
    pub path: TreePath,
    transfer: Box<Transfer>,
    tree: Tree,
}

/// Why serving pauses.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// No request is left.
    Empty,
    /// Enough answers to be sent.
    Full,
    /// The next request must wait for the end of a file.
    Waiting,
    /// What came is not SFTP.
    Malformed(Malformed),
}

/// The files of one session.
pub(super) struct Files {
    pub tree: Tree,
    pub spool: Arc<Spool>,
    pub handles_max: usize,
    pub open: HashMap<u32, Open>,
    /// Handles are never used again within a session, so that a late request cannot meet another file.
    pub next_handle: u32,
    /// Files whose end is on its way to the disk.
    finishing: Vec<TreePath>,
    greeted: bool,
    stop: watch::Receiver<bool>,
}

impl Files {
    /// No open files yet. Once `stop` is true, no new file is received.
    pub fn new(tree: Tree, spool: Arc<Spool>, handles_max: usize, stop: watch::Receiver<bool>) -> Self {
        Files {
            tree,
            spool,
            handles_max,
            open: HashMap::new(),
            next_handle: 0,
            finishing: Vec::new(),
            greeted: false,
            stop,
        }
    }

    /// Serves waiting requests until a reason to pause comes. Answers go to `answers`, ends of files to `finishing`.
    pub fn serve(&mut self, intake: &Intake, answers: &mut Vec<u8>, finishing: &mut Vec<Finishing>) -> Pause {
        while answers.len() < ANSWERS_BYTES {
            let Some(packet) = intake.pop() else { return Pause::Empty };
            match Request::decode(&packet) {
                Ok((_, request)) if self.must_wait(&request) => {
                    intake.put_back(packet);
                    return Pause::Waiting;
                }
                Ok((_, Request::Init { .. })) if !self.greeted => {
                    self.greeted = true;
                    greet(answers);
                }
                Ok((_, Request::Init { .. })) => return Pause::Malformed(Malformed::Order),
                Ok(_) | Err(_) if !self.greeted => return Pause::Malformed(Malformed::Order),
                Ok((id, Request::Close { handle })) => match self.close(id, handle) {
                    Ok(Some(end)) => finishing.push(end),
                    Ok(None) => done(id, answers),
                    Err(failure) => failure.encode(id, answers),
                },
                Ok((id, request)) => {
                    if let Err(failure) = self.answer(id, request, answers) {
                        failure.encode(id, answers);
                    }
                }
                Err((Some(id), fault)) => refuse(id, fault, answers),
                Err((None, fault)) => return Pause::Malformed(fault),
            }
        }
        Pause::Full
    }

    /// Takes note that the end of the file at `path` is decided.
    pub fn finished(&mut self, path: &TreePath) {
        if let Some(at) = self.finishing.iter().position(|other| other == path) {
            self.finishing.swap_remove(at);
        }
    }

    /// Whether a file is being received.
    pub fn is_receiving(&self) -> bool {
        !self.finishing.is_empty() || self.open.values().any(|open| matches!(open, Open::Writing(_)))
    }

    /// Whether the server is about to stop.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// The session is over: what was not closed stays as it is, to be resumed.
    pub fn end(self) {
        for open in self.open.into_values() {
            if let Open::Writing(transfer) = open {
                transfer.interrupt();
            }
        }
    }

    /// The place in the tree that `path` means.
    pub fn path(&self, path: &[u8]) -> Result<TreePath, Failure> {
        TreePath::resolve(&TreePath::root(), path).map_err(|fault| Failure::new(fault.to_string()))
    }

    /// What `handle` stands for.
    pub fn find(&mut self, handle: &[u8]) -> Result<&mut Open, Failure> {
        number(handle).and_then(|number| self.open.get_mut(&number)).ok_or_else(unknown_handle)
    }

    /// A handle for `open`.
    pub fn add(&mut self, id: u32, open: Open, answers: &mut Vec<u8>) {
        let handle = self.next_handle;
        self.next_handle = self.next_handle.wrapping_add(1);
        self.open.insert(handle, open);
        Reply::Handle(&handle.to_be_bytes()).encode(id, answers);
    }

    fn close(&mut self, id: u32, handle: &[u8]) -> Result<Option<Finishing>, Failure> {
        match number(handle).and_then(|number| self.open.remove(&number)).ok_or_else(unknown_handle)? {
            Open::Listing(_) | Open::Reading { .. } => Ok(None),
            Open::Writing(transfer) => {
                let path = transfer.path();
                self.finishing.push(path.clone());
                Ok(Some(Finishing { id, path, transfer, tree: self.tree.clone() }))
            }
        }
    }

    /// Whether `request` could see that a file's end is not durable yet. A request for one place waits for that place;
    /// one that changes or lists many waits for all.
    fn must_wait(&self, request: &Request<'_>) -> bool {
        if self.finishing.is_empty() {
            return false;
        }
        match *request {
            Request::Open { path, .. }
            | Request::Stat { path }
            | Request::Lstat { path }
            | Request::Setstat { path, .. }
            | Request::Extended(Extended::Lsetstat { path, .. })
            | Request::Extended(Extended::CheckFile(CheckFile { file: Checked::Name(path), .. }))
            | Request::Mkdir { path, .. } => {
                // A path that cannot be resolved is refused at once.
                self.path(path).is_ok_and(|path| self.finishing.iter().any(|other| other.is_within(&path)))
            }
            Request::Opendir { .. }
            | Request::Remove { .. }
            | Request::Rmdir { .. }
            | Request::Rename { .. }
            | Request::Extended(Extended::PosixRename { .. }) => true,
            _ => false,
        }
    }
}

impl Finishing {
    /// Makes the file durable and appends the answer to its CLOSE.
    pub fn finish(self, answers: &mut Vec<u8>) {
        match self.transfer.finish(&self.tree) {
            Ok(()) => done(self.id, answers),
            Err(failure) => failure.encode(self.id, answers),
        }
    }
}

/// Appends the status that request `id` is done.
pub(super) fn done(id: u32, answers: &mut Vec<u8>) {
    Reply::Status { code: StatusCode::Ok, message: "done" }.encode(id, answers);
}

fn refuse(id: u32, fault: Malformed, answers: &mut Vec<u8>) {
    let code = match fault {
        Malformed::UnknownType(_) => StatusCode::Unsupported,
        _ => StatusCode::BadMessage,
    };
    Failure { code, message: fault.to_string() }.encode(id, answers);
}

fn greet(answers: &mut Vec<u8>) {
    let extensions: Vec<(&[u8], &[u8])> = vec![
        (b"posix-rename@openssh.com", b"1"),
        (b"statvfs@openssh.com", b"2"),
        (b"fsync@openssh.com", b"1"),
        (b"limits@openssh.com", b"1"),
        (b"fstatvfs@openssh.com", b"2"),
        (b"lsetstat@openssh.com", b"1"),
        (b"expand-path@openssh.com", b"1"),
        (b"home-directory", b"1"),
        (b"copy-data", b"1"),
        (b"check-file", b"1"),
    ];
    Reply::Version { version: super::protocol::VERSION, extensions }.encode(0, answers);
}

fn number(handle: &[u8]) -> Option<u32> {
    handle.try_into().ok().map(u32::from_be_bytes)
}

fn unknown_handle() -> Failure {
    Failure::new("this handle is not open")
}
