//! Why a file gave no picture: typed reasons, each with a sentence for people.

use serde::{Deserialize, Serialize};

use crate::identify::Kind;

/// Why a file gave no picture. An expected outcome, not a fault of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// It has no bytes.
    #[error("the file is empty; upload it again")]
    Empty,
    /// It is of a kind that cannot be read, or not yet.
    #[error("{} cannot be read yet", .0.plain())]
    NotReadable(Kind),
    /// It is of a readable kind, in a variant that cannot be read.
    #[error("{} of this variant cannot be read yet: {detail}", kind.plain())]
    Unsupported {
        /// What the file is.
        kind: Kind,
        /// Which variant.
        detail: String,
    },
    /// It ends before the first pixel.
    #[error("{} ends before its first pixel; upload it again", .0.plain())]
    TruncatedBeforePixels(Kind),
    /// It claims more pixels than allowed.
    #[error("the picture claims {width} x {height} pixels, more than the limit of {pixels_max}")]
    TooLarge {
        /// Claimed columns.
        width: u32,
        /// Claimed rows.
        height: u32,
        /// The limit, in pixels.
        pixels_max: u64,
    },
    /// Decoding it would take more memory than allowed.
    #[error("decoding the picture would take {bytes} bytes of memory, more than the limit of {bytes_max}")]
    TooMuchMemory {
        /// What it would take.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Its bytes make no sense.
    #[error("{} is damaged: {detail}", kind.plain())]
    Corrupt {
        /// What the file is.
        kind: Kind,
        /// What the decoder said.
        detail: String,
    },
    /// Reading the file's bytes failed.
    #[error("the file could not be read: {0}")]
    Unavailable(String),
    /// Two decoders died on it, one after the other.
    #[error("the decoder crashed on it twice ({0})")]
    CrashedTwice(String),
    /// It took longer than allowed.
    #[error("decoding it took longer than {0} seconds")]
    TooSlow(u64),
}

impl Unreadable {
    /// A stable word for reports and statistics.
    pub fn word(&self) -> &'static str {
        match self {
            Unreadable::Empty => "empty",
            Unreadable::NotReadable(_) => "not_readable",
            Unreadable::Unsupported { .. } => "unsupported",
            Unreadable::TruncatedBeforePixels(_) => "truncated",
            Unreadable::TooLarge { .. } => "too_large",
            Unreadable::TooMuchMemory { .. } => "too_much_memory",
            Unreadable::Corrupt { .. } => "corrupt",
            Unreadable::Unavailable(_) => "unavailable",
            Unreadable::CrashedTwice(_) => "crashed_twice",
            Unreadable::TooSlow(_) => "too_slow",
        }
    }

    /// Whether the same bytes may well be readable at another time: true only for faults of the machine.
    pub fn is_transient(&self) -> bool {
        matches!(self, Unreadable::Unavailable(_))
    }
}
