//! `scp -f`: files go out.

use std::io::Read as _;

use super::command::Command;
use super::line::{Answer, Gone, Line};
use crate::tree::{Entry, Tree, TreeError, TreePath};

/// Bytes sent at a time.
const PIECE_BYTES: usize = 128 << 10;

struct Source<'a> {
    line: &'a mut Line,
    tree: &'a Tree,
    command: &'a Command,
    failed: bool,
}

/// Sends what the client asked for; whether anything failed.
pub(super) fn send(line: &mut Line, command: &Command, tree: &Tree) -> Result<bool, Gone> {
    let mut source = Source { line, tree, command, failed: false };
    // Whether the client is ready is all that this tells.
    if matches!(source.line.answer()?, Answer::End) {
        return Err(Gone);
    }
    for path in &command.paths {
        let found = TreePath::resolve(&TreePath::root(), path)
            .map_err(TreeError::from)
            .and_then(|path| Ok((tree.stat(&path)?, path)));
        match found {
            Ok((entry, path)) => source.send(&entry, &path)?,
            Err(fault) => source.fail(&fault)?,
        }
    }
    Ok(source.failed)
}

impl Source<'_> {
    fn fail(&mut self, fault: &TreeError) -> Result<(), Gone> {
        if matches!(fault, TreeError::Catalogue(_) | TreeError::Io { .. }) {
            tracing::error!("scp: {fault}");
        }
        self.failed = true;
        self.line.send_failure(&fault.for_customer())
    }

    /// The depth of a tree is bounded, and with it this recursion.
    fn send(&mut self, entry: &Entry, path: &TreePath) -> Result<(), Gone> {
        if !self.is_sayable(entry)? {
            return Ok(());
        }
        match (entry.directory, self.command.recursive) {
            (false, _) => self.send_file(entry, path),
            (true, true) => self.send_directory(entry, path),
            (true, false) => self.fail(&TreeError::IsDirectory(path.clone())),
        }
    }

    /// The lines of scp cannot carry a name with a line feed.
    fn is_sayable(&mut self, entry: &Entry) -> Result<bool, Gone> {
        if !entry.name.contains(&b'\n') {
            return Ok(true);
        }
        self.failed = true;
        self.line.send_failure("a name with a line feed cannot be sent; use sftp")?;
        Ok(false)
    }

    fn send_file(&mut self, entry: &Entry, path: &TreePath) -> Result<(), Gone> {
        let (mut file, size) = match self.tree.open_read(path) {
            Ok(opened) => opened,
            Err(fault) => return self.fail(&fault),
        };
        if !self.announce(entry, b"C0644", size)? {
            return Ok(());
        }
        let (mut left, mut good) = (size, true);
        while left > 0 {
            let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX))];
            if good && let Err(fault) = file.read_exact(&mut piece) {
                // The length is announced, so the rest is sent as zeros and then declared bad.
                tracing::error!(%path, "scp: cannot read a file back: {fault}");
                good = false;
            }
            left -= piece.len() as u64;
            self.line.send(piece)?;
        }
        if good {
            self.line.send([0])?;
        } else {
            self.failed = true;
            self.line.send_failure("the server could not read the file; please try again")?;
        }
        self.heed()?;
        Ok(())
    }

    fn send_directory(&mut self, entry: &Entry, path: &TreePath) -> Result<(), Gone> {
        let children = match self.tree.list(path) {
            Ok(children) => children,
            Err(fault) => return self.fail(&fault),
        };
        if !self.announce(entry, b"D0755", 0)? {
            return Ok(());
        }
        for child in children {
            match TreePath::resolve(path, &child.name) {
                Ok(path) => self.send(&child, &path)?,
                Err(fault) => self.fail(&fault.into())?,
            }
        }
        self.line.send(&b"E\n"[..])?;
        self.heed()?;
        Ok(())
    }

    /// Says what comes next; whether the client wants it.
    fn announce(&mut self, entry: &Entry, kind: &[u8], size: u64) -> Result<bool, Gone> {
        if self.command.preserve {
            let seconds = entry.mtime.seconds().max(0);
            self.line.send(format!("T{seconds} 0 {seconds} 0\n"))?;
            if !self.heed()? {
                return Ok(false);
            }
        }
        let name = if entry.name.is_empty() { &b"reunite"[..] } else { &entry.name };
        self.line.send([kind, format!(" {size} ").as_bytes(), name, b"\n"].concat())?;
        self.heed()
    }

    /// The client's answer; a bad one counts.
    fn heed(&mut self) -> Result<bool, Gone> {
        let good = match self.line.answer()? {
            Answer::Good => true,
            Answer::Bad => false,
            Answer::End => return Err(Gone),
        };
        self.failed |= !good;
        Ok(good)
    }
}
