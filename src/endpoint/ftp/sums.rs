//! Digests on request: HASH with OPTS HASH, and the older XCRC, XMD5, XSHA1, XSHA256 and XSHA512.
//!
//! Owns which there are in FTP and under which names. Reads the file back from wherever it lies now, so that a client learns
//! what is kept and not what passed by. Bounded: a few at a time for the whole server, the others wait.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use tokio::sync::Semaphore;

use super::reply::Reply;
use super::session::Session;
use crate::domain::hex;
use crate::endpoint::digests::Algorithm;
use crate::tree::TreeError;

/// Files that are read back for a digest at the same time: receiving must not wait for those who verify.
static READERS: Semaphore = Semaphore::const_new(4);

/// A sum that clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// The CRC-32 of Ethernet and ZIP.
    Crc32,
    /// A digest.
    Digest(Algorithm),
}

/// How a sum was asked for, since the replies differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// HASH, with the algorithm that OPTS HASH chose.
    Hash,
    /// XMD5 and the like, from one offset up to another.
    Plain { sum: Sum, from: u64, to: Option<u64> },
}

impl Sum {
    /// All, the one that counts before OPTS HASH first.
    pub(super) const ALL: [Sum; 5] = [
        Sum::Digest(Algorithm::Sha256),
        Sum::Digest(Algorithm::Sha512),
        Sum::Digest(Algorithm::Sha1),
        Sum::Digest(Algorithm::Md5),
        Sum::Crc32,
    ];

    /// Its name in FEAT, OPTS HASH and the reply to HASH, as draft-bryan-ftp-hash has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Sum::Crc32 => "CRC32",
            Sum::Digest(Algorithm::Md5) => "MD5",
            Sum::Digest(Algorithm::Sha1) => "SHA-1",
            Sum::Digest(Algorithm::Sha224) => "SHA-224",
            Sum::Digest(Algorithm::Sha256) => "SHA-256",
            Sum::Digest(Algorithm::Sha384) => "SHA-384",
            Sum::Digest(Algorithm::Sha512) => "SHA-512",
        }
    }

    /// The sum of that name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|sum| sum.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// `HASH SHA-256*;SHA-512;...`, the chosen one starred.
    pub(super) fn feature(chosen: Sum) -> String {
        let names = Self::ALL.map(|sum| format!("{}{}", sum.name(), if sum == chosen { "*" } else { "" }));
        format!("HASH {}", names.join(";"))
    }

    /// The sum of everything that `source` yields, in hexadecimal.
    fn of(self, source: &mut dyn Read) -> io::Result<String> {
        match self {
            Sum::Crc32 => crc32(source).map(|sum| format!("{sum:08x}")),
            Sum::Digest(algorithm) => algorithm.digest(source).map(|digest| hex(&digest)),
        }
    }
}

impl Session {
    pub(super) async fn sum(&self, asked: Asked, name: &[u8]) -> Reply {
        let (sum, from, to) = match asked {
            Asked::Hash => (self.hash, 0, None),
            Asked::Plain { sum, from, to } => (sum, from, to),
        };
        let summed = async {
            let path = self.resolve(name)?;
            // The semaphore lives as long as the program and is never closed.
            let _reader = READERS.acquire().await;
            self.with_tree(move |tree| {
                let (file, size) = tree.open_read(&path)?;
                let to = to.unwrap_or(size);
                if to > size || from > to {
                    return Err(TreeError::BeyondEnd { path, at: to.max(from), size });
                }
                let sum = piece(file, from, to - from).and_then(|mut piece| sum.of(&mut piece));
                Ok((size, sum.map_err(|source| TreeError::io("read", "a received file", source))?))
            })
            .await
        };
        match (summed.await, asked) {
            (Ok((size, text)), Asked::Hash) => {
                let mut reply = format!("{} 0-{} {text} ", sum.name(), size.saturating_sub(1)).into_bytes();
                reply.extend_from_slice(name);
                Reply::new(213, reply)
            }
            (Ok((_, text)), Asked::Plain { .. }) => Reply::new(250, text),
            (Err(refusal), _) => refusal,
        }
    }
}

fn piece(mut file: File, from: u64, length: u64) -> io::Result<impl Read> {
    file.seek(SeekFrom::Start(from))?;
    Ok(file.take(length))
}

/// The CRC-32 of ISO 3309 (reflected polynomial 0xEDB88320), by a table of 256 steps.
fn crc32(source: &mut dyn Read) -> io::Result<u32> {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let (mut value, mut bit) = (at as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    let (mut sum, mut block) = (u32::MAX, vec![0; 64 << 10]);
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok(!sum),
            Ok(count) => {
                for byte in &block[..count] {
                    sum = TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8);
                }
            }
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_of_the_nine_digits_is_the_known_check_value() {
        assert_eq!(Sum::Crc32.of(&mut &b"123456789"[..]).unwrap(), "cbf43926");
        assert_eq!(Sum::Crc32.of(&mut &b""[..]).unwrap(), "00000000");
    }

    #[test]
    fn sums_are_found_by_their_names_and_the_chosen_one_is_starred() {
        for sum in Sum::ALL {
            assert_eq!(Sum::named(sum.name().to_lowercase().as_bytes()), Some(sum));
        }
        assert_eq!(Sum::named(b"SHA"), None);
        assert_eq!(Sum::feature(Sum::Crc32), "HASH SHA-256;SHA-512;SHA-1;MD5;CRC32*");
    }
}
