//! The tiers of the rule and the methods that decisions name, and their words. What each proves stands in the rule itself.

use serde::{Deserialize, Serialize};

/// What speaks for a pair most; ordered from the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A person said so.
    Person,
    /// A recorded digest.
    Digest,
    /// Recorded length and size.
    Bytes,
    /// The shop's recipe, which makes the very thumbnail from the file.
    Recipe,
    /// A recorded name.
    Name,
    /// The pixels alone.
    Pixels,
}

impl Method {
    /// The word for this in schema, reports and pages.
    pub fn word(self) -> &'static str {
        match self {
            Method::Person => "person",
            Method::Digest => "digest",
            Method::Bytes => "bytes",
            Method::Recipe => "recipe",
            Method::Name => "name",
            Method::Pixels => "pixels",
        }
    }
}

/// A tier of the rule that may attach without a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Tier 1.
    Digest,
    /// Tier 2.
    Bytes,
    /// Tier 3.
    Name,
    /// Tier 4.
    Recipe,
}

impl Tier {
    /// All of them, from the first.
    pub const ALL: [Tier; 4] = [Tier::Digest, Tier::Bytes, Tier::Name, Tier::Recipe];

    /// The word for what this tier says.
    pub fn method(self) -> Method {
        match self {
            Tier::Digest => Method::Digest,
            Tier::Bytes => Method::Bytes,
            Tier::Name => Method::Name,
            Tier::Recipe => Method::Recipe,
        }
    }
}
