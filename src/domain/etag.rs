//! What an S3 store says of an object's content: its ETag. Pure.
//!
//! An object sent in one piece has the MD5 of its bytes. One sent in N parts has the MD5 over the MD5s of its parts, and
//! `-N` behind it; how long the parts were is not recorded, but clients use few lengths, and N bounds them. A store that
//! encrypts with keys of a customer makes ETags of another kind: one that agrees proves, one that does not says nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{hex, unhex};

const MIB: u64 = 1 << 20;

/// Lengths of a part, in MiB, that clients use unless told otherwise: 5 the SDKs for JavaScript and Go, rclone and minio-py,
/// 8 the AWS command line and boto3, 10 s3fs and Cyberduck, 15 s3cmd, 16 mc and the Java client, the others what guides and
/// gateways recommend.
const PART_MIB: [u64; 9] = [5, 8, 10, 15, 16, 25, 50, 64, 100];

/// Most parts that an object can have.
const PARTS_MAX: u32 = 10_000;

/// The ETag of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ETag {
    /// The MD5 that it spells.
    pub md5: [u8; 16],
    /// Parts in which the object was sent; 0 for one that was sent in one piece.
    pub parts: u32,
}

impl ETag {
    /// Lengths of a part, in bytes, that may have made so many parts of `bytes` bytes: those that clients use, and the
    /// shortest of whole MiB. Empty for an object sent in one piece, and where no length fits.
    pub fn part_lengths(self, bytes: u64) -> BTreeSet<u64> {
        if self.parts == 0 {
            return BTreeSet::new();
        }
        let parts = u64::from(self.parts);
        let shortest = bytes.div_ceil(parts).next_multiple_of(MIB).max(MIB);
        if parts == 1 {
            // Whatever the length, the only part is the whole.
            return BTreeSet::from([shortest]);
        }
        let used = PART_MIB.into_iter().map(|mib| mib * MIB);
        used.chain([shortest]).filter(|&length| bytes.div_ceil(length) == parts).collect()
    }
}

/// A text is not an ETag that tells of an object's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnETag {
    /// It begins with `W/`.
    #[error("it is a weak ETag, which does not tell of bytes; leave it empty")]
    Weak,
    /// It is something else.
    #[error(
        "it is not an ETag of an S3 store; write 32 hexadecimal digits, with `-` and the number of parts behind them where \
         there were parts, or leave it empty when it is not known"
    )]
    Malformed,
}

impl FromStr for ETag {
    type Err = NotAnETag;

    fn from_str(text: &str) -> Result<Self, NotAnETag> {
        let text = text.trim();
        if text.starts_with("W/") {
            return Err(NotAnETag::Weak);
        }
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let (digits, parts) = match bare.split_once('-') {
            Some((digits, parts)) => (digits, Some(parts)),
            None => (bare, None),
        };
        let number = |parts: &str| {
            let plain = parts.bytes().all(|byte| byte.is_ascii_digit());
            parts.parse().ok().filter(|number| plain && (1..=PARTS_MAX).contains(number))
        };
        let parts = parts.map_or(Some(0), number).ok_or(NotAnETag::Malformed)?;
        let md5 = unhex(digits).ok().and_then(|md5| md5.try_into().ok()).ok_or(NotAnETag::Malformed)?;
        Ok(ETag { md5, parts })
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.md5))?;
        if self.parts > 0 { write!(f, "-{}", self.parts) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "9bb58f26192e4ba00f01e2e7b136bbd8";

    #[test]
    fn texts_of_every_store() {
        for (text, parts) in [
            (DIGITS.to_owned(), 0),
            (format!("\"{DIGITS}\""), 0),
            (format!(" \"{}-38\" ", DIGITS.to_uppercase()), 38),
            (format!("{DIGITS}-1"), 1),
        ] {
            let etag: ETag = text.parse().unwrap();
            assert_eq!(etag.parts, parts, "{text}");
            assert_eq!(etag.to_string().parse(), Ok(etag));
        }
        assert_eq!(format!("W/\"{DIGITS}\"").parse::<ETag>(), Err(NotAnETag::Weak));
        for bad in ["", "\"", "abc", &format!("{DIGITS}-0"), &format!("{DIGITS}-10001"), &format!("{DIGITS}-+2")] {
            assert_eq!(bad.parse::<ETag>(), Err(NotAnETag::Malformed), "{bad}");
        }
    }

    #[test]
    fn lengths_of_parts_fit_their_number() {
        let lengths = |parts, bytes| -> Vec<u64> {
            ETag { md5: [0; 16], parts }.part_lengths(bytes).into_iter().map(|length| length / MIB).collect()
        };
        assert_eq!(lengths(0, 100 * MIB), [] as [u64; 0]);
        assert_eq!(lengths(1, 3 * MIB), [3], "one part is the whole");
        assert_eq!(lengths(1, 0), [1]);
        assert_eq!(lengths(2, 16 * MIB), [8, 10, 15]);
        assert_eq!(lengths(2, 16 * MIB + 1), [9, 10, 15, 16], "8 would make three of it");
        assert_eq!(lengths(3, 100 * MIB), [34], "no client's own length, but a whole one");
        assert_eq!(lengths(4, 2 * MIB), [] as [u64; 0], "parts of less than a MiB are not made");
    }

    proptest::proptest! {
        #[test]
        fn every_length_makes_as_many_parts(parts in 0u32..50, bytes in 0u64..(2 << 30)) {
            for length in (ETag { md5: [0; 16], parts }).part_lengths(bytes) {
                proptest::prop_assert_eq!(bytes.div_ceil(length).max(1), u64::from(parts));
            }
        }
    }
}
