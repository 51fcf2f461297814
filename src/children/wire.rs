//! What parent and child say to each other: frames on a stream socket, files by descriptor.
//!
//! A frame is two lengths, a message in JSON and bytes as they are. Lengths are bounded on both sides, because a child
//! that was taken over may say anything.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Examination, ThumbnailExamination};
use crate::decode::{Limits, Pixels, Unreadable};
use crate::identify::Kind;
use crate::matcher::content::Comparison;
use crate::matcher::verify::Residual;
use crate::recipe::{Excess, Fit, Learned, Map, Mark, Recipe};

/// Longest message.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Most bytes beside a message: the thumbnails of one job.
const BYTES_MAX: usize = 1 << 30;

/// The first thing a child is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    pub threads: usize,
    pub address_space_max: u64,
    pub limits: Limits,
    pub thumbnail_limits: Limits,
    pub file_bytes_max: u64,
}

/// A job for a child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub id: u64,
    pub request: Request,
    /// So many descriptors come with it.
    pub files: usize,
}

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Examine,
    ExamineThumbnail,
    Verify {
        /// Lengths of the thumbnails, which stand one after the other in the frame's bytes.
        lengths: Vec<usize>,
        /// The marks to leave out of each.
        marks: Vec<Vec<Mark>>,
    },
    /// The frame's bytes are a thumbnail.
    Picture,
    /// The frame's bytes are a thumbnail.
    Placeholder,
    /// The frame's bytes are a thumbnail.
    Excesses {
        /// What is tried.
        recipes: Vec<Recipe>,
    },
    /// The frame's bytes are a thumbnail.
    Map {
        /// What is tried.
        recipe: Recipe,
    },
    /// Two files come with it.
    Compare,
    /// The file that comes with it, or else the frame's bytes as a thumbnail, is made anew for people to look at.
    Show {
        /// The long side in pixels, at least; up to twice as much where the file has it.
        side: u32,
    },
    /// The frame's bytes are thumbnails, one after the other.
    Reproduce {
        /// One for each of them.
        asked: Vec<Asked>,
    },
}

/// One thumbnail to be reproduced.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Of its file, in bytes.
    pub length: usize,
    /// What is known of how it was made.
    pub learned: Vec<Learned>,
    /// The EXIF orientations in which the upload may lie in it.
    pub turns: Vec<u8>,
}

/// What a child says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It has taken its orders and waits for jobs.
    Ready,
    /// A job is done.
    Done { id: u64, answer: Answer },
}

/// The outcome of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Examined(Result<Examination, Unreadable>),
    ExaminedThumbnail(Result<ThumbnailExamination, Unreadable>),
    Verified(Result<Vec<Option<Residual>>, Unreadable>),
    Pictured(Result<Option<Pixels>, Unreadable>),
    Excesses(Result<Vec<Option<Excess>>, Unreadable>),
    Mapped(Result<Option<Map>, Unreadable>),
    Reproduced(Result<Vec<Option<Fit>>, Unreadable>),
    Compared(Result<Comparison, Unreadable>),
    Shown(Result<Vec<u8>, Unreadable>),
    /// The job came to nothing, whatever it was.
    Failed(Unreadable),
}

impl Answer {
    /// The reason in an answer that does not fit its question.
    pub fn out_of_place(self) -> Unreadable {
        match self {
            Answer::Failed(reason) => reason,
            _ => {
                Unreadable::Corrupt { kind: Kind::Unknown, detail: "the decoder answered another question".to_owned() }
            }
        }
    }
}

/// Most descriptors of one job.
const FILES_MAX: usize = 2;

/// Writes one frame. Its descriptors, at most two, travel with its first byte.
pub(super) fn send(stream: &UnixStream, message: &impl Serialize, bytes: &[u8], files: &[File]) -> io::Result<()> {
    let message = serde_json::to_vec(message)?;
    if message.len() > MESSAGE_BYTES_MAX || bytes.len() > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"));
    }
    let lengths = [(message.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
    let descriptors: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("there is no room for a descriptor"));
    }
    let sent = loop {
        match sendmsg(stream, &[IoSlice::new(&lengths)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    write_all(stream, &lengths[sent..])?;
    write_all(stream, &message)?;
    write_all(stream, bytes)
}

/// Like `Write::write_all`, without the signal that a vanished reader would bring.
fn write_all(stream: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::net::send(stream, rest, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            result => rest = &rest[result?..],
        }
    }
    Ok(())
}

/// Reads frames and the descriptors that come with them.
pub(super) struct Frames {
    stream: UnixStream,
    files: VecDeque<OwnedFd>,
}

impl Frames {
    pub fn new(stream: UnixStream) -> Self {
        Frames { stream, files: VecDeque::new() }
    }

    /// The next frame; nothing when the other side has closed.
    pub fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<u8>)>> {
        let mut lengths = [0; 8];
        if !self.read_lengths(&mut lengths)? {
            return Ok(None);
        }
        let [message, bytes] = [0, 4]
            .map(|at| u32::from_le_bytes([lengths[at], lengths[at + 1], lengths[at + 2], lengths[at + 3]]) as usize);
        if message > MESSAGE_BYTES_MAX || bytes > BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
        }
        let message = self.read_bytes(message)?;
        let bytes = self.read_bytes(bytes)?;
        Ok(Some((serde_json::from_slice(&message)?, bytes)))
    }

    /// The oldest descriptor that has come and was not taken yet.
    pub fn take_file(&mut self) -> Option<File> {
        self.files.pop_front().map(File::from)
    }

    /// Reads `length` bytes, growing as they come, so that a lie about the length costs nothing.
    fn read_bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&self.stream).take(length as u64).read_to_end(&mut bytes)?;
        if read < length { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    /// Reads the start of a frame, and the descriptor attached to it; false at the end of the stream.
    fn read_lengths(&mut self, lengths: &mut [u8; 8]) -> io::Result<bool> {
        let mut have = 0;
        while have < lengths.len() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut into = [IoSliceMut::new(&mut lengths[have..])];
            let received = match recvmsg(&self.stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(files) = message {
                    self.files.extend(files);
                }
            }
            match received.bytes {
                0 if have == 0 => return Ok(false),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                bytes => have += bytes,
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn frames_and_files_arrive_together_and_in_order() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut frames = Frames::new(there);
        let bytes = vec![7; 3 << 20];
        let file = |text: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.rewind().unwrap();
            file
        };
        let writer = std::thread::spawn(move || {
            for id in 0..3 {
                let job = Job { id, request: Request::Examine, files: id as usize };
                let files: Vec<File> = (0..id).map(|at| file(&format!("file {id}.{at}"))).collect();
                send(&here, &job, &bytes, &files).unwrap();
            }
        });
        for id in 0..3 {
            let (job, bytes) = frames.next::<Job>().unwrap().unwrap();
            assert_eq!((job.id, bytes.len()), (id, 3 << 20));
            let texts: Vec<String> =
                (0..job.files).map(|_| io::read_to_string(frames.take_file().unwrap()).unwrap()).collect();
            assert_eq!(texts, (0..id).map(|at| format!("file {id}.{at}")).collect::<Vec<_>>());
        }
        writer.join().unwrap();
        assert!(frames.next::<Job>().unwrap().is_none());
    }

    #[test]
    fn nonsense_is_an_error_and_costs_no_memory() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[0xff; 8]).unwrap();
        assert!(Frames::new(there).next::<Job>().is_err());
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[2, 0, 0, 0, 0, 0, 0, 0x20, b'{', b'}']).unwrap();
        drop(here);
        assert!(Frames::new(there).next::<Job>().is_err());
    }
}
