//! The words of the project as types: ids, digests, evidence, verdicts. Plain data, no input or output.
//!
//! One word stands for one thing in code, schema, pages and messages; ARCHITECTURE.md lists them.

mod civil;
mod etag;
mod zone;

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use civil::Civil;
pub use etag::{ETag, NotAnETag};
pub use zone::Zone;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Who owns records and uploads; nothing ever crosses from one to another.
    CustomerId
}
id! {
    /// Somebody who works for the shop and signs in to the pages.
    UserId
}
id! {
    /// The shop's row for a picture; it outlived its file.
    RecordId
}
id! {
    /// A surviving small rendition of a record's original.
    ThumbnailId
}
id! {
    /// One file received from a customer, at one path, at one time; immutable.
    UploadId
}
id! {
    /// The bytes of uploads, stored once per customer under their digest.
    BlobId
}
id! {
    /// One decodable picture inside a blob.
    ImageId
}
id! {
    /// An (image, record) pair within reach.
    CandidateId
}
id! {
    /// The committed link record <- image.
    AttachmentId
}
id! {
    /// A transfer that broke off and can be resumed, or a large one that is running.
    PartialId
}
id! {
    /// A file that a browser is sending, in one request or in several.
    TransferId
}
id! {
    /// One customer's delivery: the uploads of one sitting.
    SubmissionId
}
id! {
    /// A name in a customer's tree: a directory or a file.
    EntryId
}

/// A moment: microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Micros(pub i64);

impl Micros {
    /// The wall clock's time.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Whole seconds since 1970-01-01 UTC, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This moment moved by `seconds`; negative moves it back.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Micros(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// A moment from whole seconds since 1970-01-01 UTC.
    pub fn from_seconds(seconds: i64) -> Self {
        Micros(seconds.saturating_mul(1_000_000))
    }
}

impl From<SystemTime> for Micros {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Micros(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => Micros(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX)),
        }
    }
}

/// SHA-256 of bytes: exact identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest whose 32 bytes these are, or nothing when there are not exactly 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Digest)
    }
}

/// A [`Digest`] that is taken while bytes come.
#[derive(Clone)]
pub struct Hasher(ring::digest::Context);

impl Hasher {
    /// The digest of nothing yet.
    pub fn new() -> Self {
        Hasher(ring::digest::Context::new(&ring::digest::SHA256))
    }

    /// Goes on with `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything so far.
    pub fn finish(self) -> Digest {
        let mut digest = Digest([0; 32]);
        digest.0.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Hasher::new()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for Digest {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        Digest::from_slice(&unhex(text)?).ok_or(NotHex)
    }
}

/// A text that should have been a digest in hexadecimal is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest in hexadecimal")]
pub struct NotHex;

/// `bytes` in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that `text` spells in hexadecimal, either case.
pub fn unhex(text: &str) -> Result<Vec<u8>, NotHex> {
    // The conversion below would take a sign.
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(NotHex);
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| NotHex)).collect()
}

/// How good an attached original is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// The recorded digest, or at least the recorded pixel size.
    Original,
    /// Proven the same picture, but smaller or lossier, or nothing recorded to compare with.
    Copy,
}

/// What is to happen with a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Proven: put the original back without asking.
    Attach,
    /// A person decides.
    Review,
    /// Not the picture, or not worth a person's time.
    None,
}

/// The state of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    /// Its original is lost.
    Missing,
    /// An upload brought the original back.
    Recovered,
    /// Given up, by policy or on request.
    Retired,
}

/// What somebody who works for the shop may do on the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StaffRole {
    /// Sees every customer, and decides what the program must not decide.
    Support,
    /// Also runs the server.
    Operator,
}

/// A language in which mail is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
}

/// What a program of the shop may ask for with its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// How things stand: customers, records, uploads, matches.
    Read,
    /// The bytes of originals.
    Originals,
    /// Answers to what a person is asked about.
    Decide,
    /// The numbers for monitoring.
    Metrics,
    /// Frames that show a customer's missing pictures.
    Embed,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 5] = [Scope::Read, Scope::Originals, Scope::Decide, Scope::Metrics, Scope::Embed];
}

macro_rules! words {
    ($type:ty { $($variant:path => $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word for this in schema, reports and pages.
            pub fn word(self) -> &'static str {
                match self { $($variant => $word),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok($variant),)+
                    _ => Err(UnknownWord(word.to_owned())),
                }
            }
        }
    };
}

words!(Grade { Grade::Original => "original", Grade::Copy => "copy" });
words!(Verdict { Verdict::Attach => "attach", Verdict::Review => "review", Verdict::None => "none" });
words!(StaffRole { StaffRole::Support => "support", StaffRole::Operator => "operator" });
words!(Language { Language::English => "en", Language::German => "de" });
words!(Scope {
    Scope::Read => "read",
    Scope::Originals => "originals",
    Scope::Decide => "decide",
    Scope::Metrics => "metrics",
    Scope::Embed => "embed",
});
words!(RecordState {
    RecordState::Missing => "missing",
    RecordState::Recovered => "recovered",
    RecordState::Retired => "retired",
});

/// A word that stands for nothing here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown word `{0}`")]
pub struct UnknownWord(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_its_text() {
        let digest = Digest::of(b"reunite");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("12".parse::<Digest>(), Err(NotHex));
        assert_eq!("é".parse::<Digest>(), Err(NotHex));
        assert_eq!("+1".repeat(32).parse::<Digest>(), Err(NotHex));
    }

    #[test]
    fn words_survive_their_text() {
        for verdict in [Verdict::Attach, Verdict::Review, Verdict::None] {
            assert_eq!(verdict.word().parse(), Ok(verdict));
        }
        assert!("perhaps".parse::<Verdict>().is_err());
    }

    #[test]
    fn moments_before_1970_round_down() {
        assert_eq!(Micros(-1).seconds(), -1);
    }
}
