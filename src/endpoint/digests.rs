//! Digests that clients ask for to verify what they sent: MD5 and the SHA families, under the names of each protocol.
//!
//! Owns which there are and takes them of anything that can be read. Nothing of ours trusts MD5 or SHA-1; they are here
//! because clients compare with them. Does not know which file is meant.

use std::io::{self, Read};

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// Bytes read at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// A way to take a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256, which is also what uploads are known by.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 6] =
        [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha224, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];

    /// Its name in small letters, as SFTP's extensions and the commands `md5sum` and the like have it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha224 => "sha224",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// The algorithm of that name.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes() == name)
    }

    /// Length of its digests in bytes.
    pub fn digest_bytes(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha224 => 28,
            Algorithm::Sha256 => 32,
            Algorithm::Sha384 => 48,
            Algorithm::Sha512 => 64,
        }
    }

    /// The digest of everything that `source` yields.
    ///
    /// # Errors
    /// Those of `source`.
    pub fn digest(self, source: &mut dyn Read) -> io::Result<Vec<u8>> {
        match self {
            Algorithm::Md5 => digest_all::<Md5>(source),
            Algorithm::Sha1 => digest_all::<Sha1>(source),
            Algorithm::Sha224 => digest_all::<Sha224>(source),
            Algorithm::Sha256 => digest_all::<Sha256>(source),
            Algorithm::Sha384 => digest_all::<Sha384>(source),
            Algorithm::Sha512 => digest_all::<Sha512>(source),
        }
    }
}

fn digest_all<D: Digest>(source: &mut dyn Read) -> io::Result<Vec<u8>> {
    let (mut digest, mut block) = (D::new(), vec![0; BLOCK_BYTES]);
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok(digest.finalize().to_vec()),
            Ok(count) => digest.update(&block[..count]),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            Err(fault) => return Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hex;

    #[test]
    fn digests_of_abc_are_those_of_the_standards() {
        // FIPS 180-4's examples and RFC 1321's, cut to their beginnings.
        let known = ["90015098", "a9993e36", "23097d22", "ba7816bf", "cb00753f", "ddaf35a1"];
        for (algorithm, known) in Algorithm::ALL.into_iter().zip(known) {
            let digest = algorithm.digest(&mut &b"abc"[..]).unwrap();
            assert_eq!((digest.len(), &hex(&digest)[..8]), (algorithm.digest_bytes(), known), "{}", algorithm.name());
            assert_eq!(Algorithm::named(algorithm.name().as_bytes()), Some(algorithm));
        }
        assert_eq!(Algorithm::named(b"crc32"), None);
    }
}
