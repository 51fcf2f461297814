//! Digests of a file that are taken because some record of the customer carries one of their kind; SHA-256 is taken of
//! every file while it is received.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use md5::{Digest as _, Md5};

use super::{Error, Pipeline};
use crate::catalogue::{self, ImageToMatch};
use crate::store;

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 1 << 20;

/// What is wanted of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The MD5 of all of it.
    pub md5: bool,
    /// The MD5 over the MD5s of its parts, for each of these lengths of a part in bytes; none of them 0.
    pub part_lengths: BTreeSet<u64>,
}

impl Wanted {
    /// Whether there is nothing to be done.
    pub fn is_nothing(&self) -> bool {
        !self.md5 && self.part_lengths.is_empty()
    }
}

/// What was wanted, as far as it was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Digests {
    pub md5: Option<[u8; 16]>,
    /// By the length of a part.
    pub parts: BTreeMap<u64, [u8; 16]>,
}

/// Takes what is wanted, reading `file` once from where it stands to its end.
pub(super) fn take(mut file: impl Read, wanted: &Wanted) -> io::Result<Digests> {
    let mut whole = wanted.md5.then(Md5::new);
    let mut parted: Vec<Parted> = wanted.part_lengths.iter().map(|&length| Parted::new(length)).collect();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let read = match file.read(&mut block)? {
            0 => break,
            read => &block[..read],
        };
        if let Some(whole) = &mut whole {
            whole.update(read);
        }
        parted.iter_mut().for_each(|parted| parted.update(read));
    }
    Ok(Digests {
        md5: whole.map(|whole| whole.finalize().into()),
        parts: parted.into_iter().map(|parted| (parted.length, parted.finish())).collect(),
    })
}

/// Adds to an image's facts what the records ask for and is not known of it yet, and notes it.
pub(super) fn complete(pipeline: &Pipeline, image: &mut ImageToMatch, wanted: Wanted) -> Result<(), Error> {
    let missing = Wanted {
        md5: wanted.md5 && image.facts.md5.is_none(),
        part_lengths: wanted.part_lengths.into_iter().filter(|length| !image.parts.contains_key(length)).collect(),
    };
    if missing.is_nothing() {
        return Ok(());
    }
    let file = pipeline.blobs.open(image.customer, image.facts.digest)?;
    let taken = take(file, &missing).map_err(|source| store::Error::Io {
        doing: "read the blob",
        path: pipeline.blobs.path(image.customer, image.facts.digest),
        source,
    })?;
    image.facts.md5 = image.facts.md5.or(taken.md5);
    image.learn_parts(taken.parts.clone());
    let id = image.facts.id;
    pipeline.catalogue.write::<_, catalogue::Error>(move |tx| tx.image_digests(id, taken.md5, &taken.parts))?;
    Ok(())
}

/// A file as parts of one length.
struct Parted {
    length: u64,
    /// Bytes of the current part so far.
    filled: u64,
    part: Md5,
    parts: Md5,
    any: bool,
}

impl Parted {
    fn new(length: u64) -> Self {
        Parted { length, filled: 0, part: Md5::new(), parts: Md5::new(), any: false }
    }

    fn update(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = usize::try_from(self.length - self.filled).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(rest.len().min(room));
            self.part.update(now);
            self.filled += now.len() as u64;
            if self.filled == self.length {
                self.end_part();
            }
            rest = later;
        }
    }

    fn end_part(&mut self) {
        let part = std::mem::replace(&mut self.part, Md5::new()).finalize();
        self.parts.update(part);
        (self.filled, self.any) = (0, true);
    }

    fn finish(mut self) -> [u8; 16] {
        // An empty file is one empty part.
        if self.filled > 0 || !self.any {
            self.end_part();
        }
        self.parts.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn md5(bytes: &[u8]) -> [u8; 16] {
        Md5::digest(bytes).into()
    }

    #[test]
    fn parts_end_where_they_should() {
        let bytes: Vec<u8> = (0..BLOCK_BYTES * 2 + 77).map(|at| (at % 251) as u8).collect();
        let lengths = [1000, BLOCK_BYTES, BLOCK_BYTES + 1, bytes.len(), bytes.len() + 1];
        let wanted = Wanted { md5: true, part_lengths: lengths.iter().map(|&length| length as u64).collect() };
        let taken = take(bytes.as_slice(), &wanted).unwrap();
        assert_eq!(taken.md5, Some(md5(&bytes)));
        for length in lengths {
            let parts: Vec<u8> = bytes.chunks(length).flat_map(md5).collect();
            assert_eq!(taken.parts[&(length as u64)], md5(&parts), "{length}");
        }
    }

    #[test]
    fn an_empty_file_is_one_empty_part() {
        let taken = take(&[][..], &Wanted { md5: false, part_lengths: BTreeSet::from([5]) }).unwrap();
        assert_eq!(taken, Digests { md5: None, parts: BTreeMap::from([(5, md5(&md5(b"")))]) });
    }
}
