//! `scp -t`: files come in.

use std::sync::Arc;

use super::command::Command;
use super::line::{Answer, Gone, Line};
use crate::domain::Micros;
use crate::spool::{Endpoint, Incoming, Spool, Start};
use crate::tree::{Tree, TreeError, TreePath};

/// A line that announces a file or a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Announced<'a> {
    pub(super) directory: bool,
    size: u64,
    pub(super) name: &'a [u8],
}

/// A directory that the client is in, and the time it is to have once it is left.
struct Inside {
    path: TreePath,
    mtime: Option<Micros>,
}

struct Sink<'a> {
    line: &'a mut Line,
    tree: &'a Tree,
    spool: &'a Arc<Spool>,
    failed: bool,
}

/// Receives what the client sends until it ends; whether anything failed.
pub(super) fn receive(line: &mut Line, command: &Command, tree: &Tree, spool: &Arc<Spool>) -> Result<bool, Gone> {
    let mut sink = Sink { line, tree, spool, failed: false };
    // A command for receiving has exactly one path.
    let target = command.paths.first().map_or(&b"."[..], Vec::as_slice);
    let target = match TreePath::resolve(&TreePath::root(), target) {
        Ok(target) => target,
        Err(fault) => return sink.refuse(&fault.to_string()),
    };
    let is_directory = tree.stat(&target).is_ok_and(|entry| entry.directory);
    if command.directory && !is_directory {
        return sink.refuse(&TreeError::NotDirectory(target).to_string());
    }
    sink.line.send([0])?;
    let mut inside = Vec::new();
    let mut mtime = None;
    while let Some(text) = sink.line.line()? {
        match text.first() {
            Some(b'T') => match time(&text) {
                Some(time) => {
                    mtime = Some(time);
                    sink.line.send([0])?;
                }
                None => return sink.refuse("a line with times cannot be understood"),
            },
            Some(b'E') => sink.leave(inside.pop())?,
            // A failure on the client's side, which has told its user.
            Some(1) => sink.failed = true,
            _ => {
                let Some(announced) = announced(&text) else {
                    return sink.refuse("a line cannot be understood");
                };
                let path = match inside.last() {
                    Some(Inside { path, .. }) => TreePath::resolve(path, announced.name),
                    None if is_directory => TreePath::resolve(&target, announced.name),
                    None => Ok(target.clone()),
                };
                match path {
                    Err(fault) => sink.fail(&fault.to_string())?,
                    Ok(_) if announced.directory && !command.recursive => {
                        return sink.refuse("a directory comes without -r");
                    }
                    Ok(path) if announced.directory => {
                        if sink.enter(&path)? {
                            inside.push(Inside { path, mtime: mtime.take() });
                        }
                    }
                    Ok(path) => sink.file(&path, announced.size, mtime.take())?,
                }
                mtime = None;
            }
        }
    }
    Ok(sink.failed)
}

impl Sink<'_> {
    /// Ends the conversation with a sentence.
    fn refuse(&mut self, message: &str) -> Result<bool, Gone> {
        self.line.send(format!("\x02scp: {message}\n"))?;
        Ok(true)
    }

    /// Tells that one file failed.
    fn fail(&mut self, message: &str) -> Result<(), Gone> {
        self.failed = true;
        self.line.send_failure(message)
    }

    fn fail_with(&mut self, fault: &TreeError) -> Result<(), Gone> {
        if matches!(fault, TreeError::Catalogue(_) | TreeError::Io { .. }) {
            tracing::error!("scp: {fault}");
        }
        self.fail(&fault.for_customer())
    }

    /// Goes into a directory, making it as needed; whether that worked. If not, the client leaves it out.
    fn enter(&mut self, path: &TreePath) -> Result<bool, Gone> {
        let made = match self.tree.stat(path) {
            Ok(entry) if entry.directory => Ok(()),
            Ok(_) => Err(TreeError::NotDirectory(path.clone())),
            Err(TreeError::NotFound(_)) => self.tree.make_dir(path),
            Err(fault) => Err(fault),
        };
        match made {
            Ok(()) => self.line.send([0]).map(|()| true),
            Err(fault) => self.fail_with(&fault).map(|()| false),
        }
    }

    fn leave(&mut self, inside: Option<Inside>) -> Result<(), Gone> {
        let Some(inside) = inside else { return Err(Gone) };
        match inside.mtime.map_or(Ok(()), |mtime| self.tree.set_mtime(&inside.path, mtime)) {
            Ok(()) => self.line.send([0]),
            Err(fault) => self.fail_with(&fault),
        }
    }

    fn file(&mut self, path: &TreePath, size: u64, mtime: Option<Micros>) -> Result<(), Gone> {
        let mut incoming = match self.spool.begin(self.tree.customer(), path, Endpoint::Scp, Start::New) {
            Ok(incoming) => incoming,
            // The client takes the failure and does not send the bytes.
            Err(fault) => return self.fail_with(&fault),
        };
        if let Some(mtime) = mtime {
            incoming.set_mtime(mtime);
        }
        self.line.send([0])?;
        let mut fault = None;
        let whole = self.line.bytes(size, |piece| {
            // After a failure the rest is read over, since the client sends it all the same.
            if fault.is_none() {
                fault = incoming.write(piece).err();
            }
        });
        let answer = whole.and_then(|()| self.line.answer());
        match (answer, fault) {
            // curl, and what else stands on libssh2, ends without the last byte. The announced length is there.
            (Ok(Answer::Good | Answer::End), None) => match incoming.finish() {
                Ok(_) => self.line.send([0]),
                Err(fault) => self.fail_with(&fault),
            },
            (Ok(Answer::Good | Answer::End), Some(fault)) => {
                keep(incoming, path);
                self.fail_with(&fault)
            }
            (Ok(Answer::Bad), _) => {
                // The client could not read its own file to the end and sent something in its place.
                keep(incoming, path);
                self.failed = true;
                self.line.send([0])
            }
            (Err(gone), _) => {
                keep(incoming, path);
                Err(gone)
            }
        }
    }
}

fn keep(incoming: Incoming, path: &TreePath) {
    if let Err(fault) = incoming.interrupt() {
        tracing::error!(%path, "a transfer that broke off could not be kept for resuming: {fault}");
    }
}

/// `T<mtime> <microseconds> <atime> <microseconds>`.
pub(super) fn time(line: &[u8]) -> Option<Micros> {
    let mut numbers = std::str::from_utf8(line.get(1..)?).ok()?.split(' ').map(str::parse::<i64>);
    let (seconds, micros) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Micros(seconds.checked_mul(1_000_000)?.checked_add(micros)?))
}

/// `C<mode> <size> <name>` or `D<mode> 0 <name>`. A name with a slash, `.` and `..` are refused: names stay where the
/// client said it goes.
pub(super) fn announced(line: &[u8]) -> Option<Announced<'_>> {
    let (kind, rest) = line.split_first()?;
    let directory = match kind {
        b'C' => false,
        b'D' => true,
        _ => return None,
    };
    let mut fields = rest.splitn(3, |byte| *byte == b' ');
    let (_mode, size, name) = (fields.next()?, fields.next()?, fields.next()?);
    let size = std::str::from_utf8(size).ok()?.parse().ok()?;
    let plain = !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/');
    plain.then_some(Announced { directory, size, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_scp() {
        assert_eq!(announced(b"C0644 12 a b.jpg"), Some(Announced { directory: false, size: 12, name: b"a b.jpg" }));
        assert_eq!(announced(b"D0755 0 d\xff"), Some(Announced { directory: true, size: 0, name: b"d\xff" }));
        for line in [&b"C0644 12 ../x"[..], b"C0644 12 ..", b"C0644 -1 x", b"C0644 12", b"X", b"", b"D0755 0 "] {
            assert_eq!(announced(line), None, "{}", line.escape_ascii());
        }
        assert_eq!(time(b"T1700000000 5 1700000001 0"), Some(Micros(1_700_000_000_000_005)));
        assert_eq!(time(b"T99999999999999999 0 0 0"), None);
    }
}
