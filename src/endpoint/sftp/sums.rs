//! `md5sum`, `sha256sum` and their like, as clients run them to verify what they sent.
//!
//! Looks like the programs of GNU and of the BSDs: rclone tries both. Digests of standard input, too, since that is how
//! rclone finds out which of them there are. Reads a customer's own files alone, and runs no program.

use std::io::{self, Read};

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc;

use super::session::{Outcome, Patience, note_panic, say_goodbye};
use super::words::words;
use crate::domain::hex;
use crate::endpoint::digests::Algorithm;
use crate::tree::{Tree, TreeError, TreePath};

/// Pieces that wait between the channel and the thread.
const PIECES: usize = 16;

/// How a line of the answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `DIGEST  NAME`, a name with a line break escaped; GNU's.
    Gnu,
    /// `DIGEST *NAME`; GNU's with `-b`.
    GnuBinary,
    /// `DIGEST NAME`; the BSDs' with `-r`.
    Reversed,
    /// `MD5 (NAME) = DIGEST`; the BSDs', and GNU's with `--tag`.
    Tagged,
    /// `DIGEST` alone; the BSDs' with `-q`.
    Quiet,
}

/// A parsed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    program: String,
    algorithm: Algorithm,
    style: Style,
    /// Names of files; `-` and no name at all are standard input.
    files: Vec<Vec<u8>>,
}

impl Command {
    /// The command in `line`, if it takes digests.
    pub fn parse(line: &[u8]) -> Option<Command> {
        let mut words = words(line)?.into_iter();
        let first = words.next()?;
        let program = str::from_utf8(first.rsplit(|byte| *byte == b'/').next()?).ok()?.to_owned();
        let gnu = program.strip_suffix("sum").and_then(|name| Algorithm::named(name.as_bytes()));
        let bsd = Algorithm::named(program.as_bytes());
        let (algorithm, mut style) = match (gnu, bsd) {
            (Some(algorithm), _) => (algorithm, Style::Gnu),
            (None, Some(algorithm)) => (algorithm, Style::Tagged),
            (None, None) => return None,
        };
        let (mut files, mut options) = (Vec::new(), true);
        for word in words {
            match word.as_slice() {
                b"--" if options => options = false,
                b"-b" | b"--binary" if options && gnu.is_some() => style = Style::GnuBinary,
                b"-t" | b"--text" if options && gnu.is_some() => style = Style::Gnu,
                b"--tag" if options && gnu.is_some() => style = Style::Tagged,
                b"-r" if options && gnu.is_none() => style = Style::Reversed,
                b"-q" if options && gnu.is_none() => style = Style::Quiet,
                [b'-', _, ..] if options => return None,
                _ => {
                    // The BSDs take no options behind a name, GNU's do; a name with a dash in front comes after `--`.
                    options &= gnu.is_some();
                    files.push(word);
                }
            }
        }
        Some(Command { program, algorithm, style, files })
    }

    /// The line for one file.
    fn line(&self, digest: &[u8], name: &[u8]) -> Vec<u8> {
        let digest = hex(digest).into_bytes();
        let upper = self.algorithm.name().to_ascii_uppercase();
        let mut line = match self.style {
            Style::Gnu | Style::GnuBinary => {
                let (mark, name) = escaped(name);
                let between: &[u8] = if self.style == Style::Gnu { b"  " } else { b" *" };
                [mark, &digest, between, &name].concat()
            }
            Style::Reversed => [&digest, &b" "[..], name].concat(),
            Style::Tagged => {
                let (mark, name) = escaped(name);
                [mark, upper.as_bytes(), b" (", &name, b") = ", &digest].concat()
            }
            Style::Quiet => digest,
        };
        line.push(b'\n');
        line
    }
}

/// A name on one line, and what GNU puts in front of a line whose name had to be escaped.
fn escaped(name: &[u8]) -> (&'static [u8], Vec<u8>) {
    let mut line = Vec::with_capacity(name.len());
    for byte in name {
        match byte {
            b'\\' => line.extend(br"\\"),
            b'\n' => line.extend(br"\n"),
            b'\r' => line.extend(br"\r"),
            other => line.push(*other),
        }
    }
    (if line.len() == name.len() { b"" } else { b"\\" }, line)
}

/// What the thread has to say.
enum Said {
    Out(Vec<u8>),
    Error(String),
}

/// Serves one command to its end.
pub(super) async fn run(channel: Channel<Msg>, command: Command, tree: Tree, patience: Patience) {
    let (read, write) = channel.split();
    let (pieces, incoming) = mpsc::channel(PIECES);
    let (outgoing, said) = mpsc::channel(PIECES);
    let reader = tokio::spawn(take_in(read, pieces, patience));
    let digesting = tokio::task::spawn_blocking(move || sum_all(&command, &tree, incoming, &outgoing));
    give_out(&write, said, patience).await;
    // Whatever happened, the thread finds its input ended and comes back.
    reader.abort();
    let failed = note_panic(digesting.await).unwrap_or(true);
    say_goodbye(&write, Outcome { status: u32::from(failed), sentence: None }).await;
}

async fn take_in(mut read: ChannelReadHalf, pieces: mpsc::Sender<Vec<u8>>, patience: Patience) {
    while let Ok(Some(message)) = tokio::time::timeout(patience.idle, read.wait()).await {
        match message {
            ChannelMsg::Data { data } => match pieces.send(data.into()).await {
                Ok(()) => {}
                // Nobody reads standard input.
                Err(_) => return,
            },
            ChannelMsg::Eof | ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Sends what the thread says, until it has no more or the client takes none.
async fn give_out(write: &ChannelWriteHalf<Msg>, mut said: mpsc::Receiver<Said>, patience: Patience) {
    while let Some(said) = said.recv().await {
        let sending = async {
            match said {
                Said::Out(line) => write.data_bytes(line).await,
                Said::Error(line) => write.extended_data_bytes(1, line.into_bytes()).await,
            }
        };
        if !matches!(tokio::time::timeout(patience.stall, sending).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Takes every digest; whether one failed. Ends early once nobody listens.
fn sum_all(command: &Command, tree: &Tree, incoming: mpsc::Receiver<Vec<u8>>, said: &mpsc::Sender<Said>) -> bool {
    let mut input = Input { incoming, piece: Vec::new(), at: 0 };
    let stdin = [b"-".to_vec()];
    let files = if command.files.is_empty() { &stdin[..] } else { &command.files[..] };
    let mut failed = false;
    for name in files {
        let digest = match name.as_slice() {
            b"-" => {
                command.algorithm.digest(&mut input).map_err(|fault| TreeError::io("read", "standard input", fault))
            }
            _ => sum(command.algorithm, tree, name),
        };
        let line = match digest {
            Ok(digest) => Said::Out(command.line(&digest, name)),
            Err(fault) => {
                if matches!(fault, TreeError::Catalogue(_) | TreeError::Io { .. }) {
                    tracing::error!("{}: {fault}", command.program);
                }
                failed = true;
                Said::Error(format!("{}: {}\n", command.program, fault.for_customer()))
            }
        };
        if said.blocking_send(line).is_err() {
            return true;
        }
    }
    failed
}

fn sum(algorithm: Algorithm, tree: &Tree, name: &[u8]) -> Result<Vec<u8>, TreeError> {
    let path = TreePath::resolve(&TreePath::root(), name)?;
    if algorithm == Algorithm::Sha256 {
        return Ok(tree.sha256(&path)?.0.to_vec());
    }
    let (mut file, _) = tree.open_read(&path)?;
    algorithm.digest(&mut file).map_err(|fault| TreeError::io("read", "a received file", fault))
}

/// What the client sends, as something to read.
struct Input {
    incoming: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.incoming.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.piece.len() - self.at);
        into[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &[u8], name: &[u8]) -> String {
        let line = Command::parse(command).unwrap().line(&[0xab, 0xcd], name);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn what_clients_send() {
        // Written as rclone escapes names.
        let command = Command::parse(br"md5sum /in/a\ b\(1\)'").is_none();
        assert!(command, "a quote that is not closed");
        let command = Command::parse(b"/usr/bin/sha1sum -b -- /in/a\\ b '-x'").unwrap();
        assert_eq!((command.algorithm, command.style), (Algorithm::Sha1, Style::GnuBinary));
        assert_eq!(command.files, [b"/in/a b".to_vec(), b"-x".to_vec()]);
        assert_eq!(Command::parse(b"md5 -r").unwrap().style, Style::Reversed);
        for other in [&b"crc32 a"[..], b"md5sum -c list", b"sum a", b"", b"md5sum --status a", b"sh -c md5sum"] {
            assert_eq!(Command::parse(other), None, "{}", other.escape_ascii());
        }
    }

    #[test]
    fn lines_are_those_of_the_programs_named() {
        assert_eq!(line(b"md5sum", b"a b"), "abcd  a b\n");
        assert_eq!(line(b"md5sum -b", b"-"), "abcd *-\n");
        assert_eq!(line(b"sha512sum", b"a\nb\\c"), "\\abcd  a\\nb\\\\c\n");
        assert_eq!(line(b"sha256sum --tag", b"a"), "SHA256 (a) = abcd\n");
        assert_eq!(line(b"md5", b"a"), "MD5 (a) = abcd\n");
        assert_eq!(line(b"sha1 -r", b"a"), "abcd a\n");
        assert_eq!(line(b"sha1 -q", b"a"), "abcd\n");
    }
}
