//! What the rule may know about one customer: plain data, gathered by the caller.
//!
//! Ids only join the parts; no decision depends on their order, because they are given in order of arrival.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::content::Compared;
use super::taken::{Moment, Taken};
use super::verify::Residual;
use crate::domain::{Digest, ETag, ImageId, RecordId};
use crate::identify::Kind;
use crate::recipe::{Fit, Mark};

/// Everything about one customer that a decision may rest on.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The customer's records, retired ones left out.
    pub records: Vec<RecordFacts>,
    /// The customer's images.
    pub images: Vec<ImageFacts>,
    /// Pairs that were measured. Pairs that agree by metadata need not stand here to be considered.
    pub candidates: Vec<CandidateFacts>,
    /// What people decided; it stands whatever else is known.
    pub answers: Vec<Answer>,
    /// Images that stood in each other's way, seen closely.
    pub compared: Vec<Compared>,
}

/// What the shop's database still says about a lost original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFacts {
    /// Joins records with candidates and decisions.
    pub id: RecordId,
    /// Recorded digest of the original.
    pub sha256: Option<Digest>,
    /// Recorded MD5 of the original, from older databases.
    pub md5: Option<[u8; 16]>,
    /// The ETag that an S3 store gave the original. One that is not the file's says nothing: the store may have encrypted.
    pub etag: Option<ETag>,
    /// Recorded length of the original in bytes.
    pub bytes: Option<u64>,
    /// Recorded width and height in pixels; either may stand for the other where the shop ignored orientation.
    pub size: Option<(u32, u32)>,
    /// When the picture was taken, where that was recorded to the minute or better.
    pub taken: Option<Moment>,
    /// Recorded file name, with or without folders.
    pub filename: Option<String>,
}

/// One decodable picture that the customer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// Joins images with candidates and decisions.
    pub id: ImageId,
    /// Digest of the file that holds it.
    pub digest: Digest,
    /// MD5 of that file, where some record carries one.
    pub md5: Option<[u8; 16]>,
    /// ETags that a store may have given that file if it was sent in parts, as far as some record asks for them.
    pub etags: Vec<ETag>,
    /// Length of that file in bytes.
    pub bytes: u64,
    /// Page or frame in that file; 1 for a plain file. Recorded digest and length speak of page 1 only.
    pub page: u32,
    /// Width and height in pixels as a person should see it; nothing where it could not be read.
    pub size: Option<(u32, u32)>,
    /// When it was taken, as the file says.
    pub taken: Option<Moment>,
    /// Every path at which the customer sent it, as bytes.
    pub paths: Vec<Vec<u8>>,
    /// The file ends before its picture does.
    pub truncated: bool,
    /// How the file stores its pixels.
    pub storage: Storage,
}

/// How a file stores its pixels: what its length proves, and how much it lost. Ordered from least loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// Length follows from the size alone (BMP, many a TIFF), so equal lengths prove little.
    Uncompressed,
    /// Compressed without loss (PNG, the other TIFFs).
    Lossless,
    /// Compressed with loss (JPEG, WebP), or reduced to a palette (GIF).
    Lossy,
}

/// Endings of names whose files' lengths tell one picture from another.
const COMPRESSED: [&str; 10] = ["jpg", "jpeg", "jpe", "jfif", "png", "gif", "webp", "heic", "heif", "avif"];

impl RecordFacts {
    /// A record of which the shop knows nothing but its thumbnail.
    #[cfg(test)]
    pub fn of_nothing_recorded(id: RecordId) -> Self {
        RecordFacts { id, sha256: None, md5: None, etag: None, bytes: None, size: None, taken: None, filename: None }
    }

    /// Whether this record and another say that they lost the same original: a picture that was ordered twice. What only one
    /// of them says contradicts nothing. Length and name say so of compressed files alone: scans of one page size are all as
    /// long, and scanners number every folder from one.
    pub fn lost_the_same(&self, other: &RecordFacts) -> bool {
        fn both<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> Option<bool> {
            a.as_ref().zip(b.as_ref()).map(|(a, b)| a == b)
        }
        let digests = [both(&self.sha256, &other.sha256), both(&self.md5, &other.md5), both(&self.etag, &other.etag)];
        let taken = self.taken.zip(other.taken).and_then(|(a, b)| a.compare(b));
        let compressed = self.filename.as_ref().is_some_and(|name| {
            name.rsplit_once('.').is_some_and(|(_, ending)| COMPRESSED.contains(&&*ending.to_ascii_lowercase()))
        });
        let described = both(&self.bytes, &other.bytes) == Some(true)
            && both(&self.filename, &other.filename) == Some(true)
            && compressed
            && both(&self.size, &other.size) != Some(false)
            && taken != Some(Taken::Other);
        // The ETags of one file may differ.
        let contradicted = digests[..2].contains(&Some(false));
        (digests.contains(&Some(true)) || described) && !contradicted
    }

    /// Whether the MD5 of files can tell anything about the record.
    pub fn asks_for_md5(&self) -> bool {
        self.md5.is_some() || self.etag.is_some_and(|etag| etag.parts == 0)
    }

    /// Lengths of a part that may have made the recorded ETag of a file of so many bytes.
    pub fn part_lengths(&self, bytes: u64) -> BTreeSet<u64> {
        let may_be = self.bytes.is_none_or(|recorded| recorded == bytes);
        self.etag.filter(|_| may_be).map(|etag| etag.part_lengths(bytes)).unwrap_or_default()
    }
}

impl ImageFacts {
    /// Whether a store would have given its file this ETag.
    pub fn has_etag(&self, etag: ETag) -> bool {
        if etag.parts == 0 { self.md5 == Some(etag.md5) } else { self.etags.contains(&etag) }
    }
}

impl Storage {
    /// How a file of a kind stores its pixels, `compressed` or not. WebP can do without loss, but as a rule does not; TIFF can
    /// lose, but as a rule does not.
    pub fn of(kind: Kind, compressed: bool) -> Self {
        match kind {
            Kind::Bmp | Kind::Tiff if !compressed => Storage::Uncompressed,
            Kind::Png | Kind::Tiff => Storage::Lossless,
            _ => Storage::Lossy,
        }
    }
}

/// A measured pair.
#[derive(Clone, Debug, PartialEq)]
pub struct CandidateFacts {
    /// The image.
    pub image: ImageId,
    /// The record.
    pub record: RecordId,
    /// Smallest fingerprint distance to any of the record's thumbnails; nothing when metadata alone proposed the pair.
    pub distance: Option<u16>,
    /// One for each of the record's thumbnails that it was compared with.
    pub measured: Vec<Measured>,
}

/// What was measured between an image and one thumbnail. It depends on both their bytes, and on what is known of recipes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The thumbnail's file.
    pub thumbnail: Digest,
    /// By the generic prediction; nothing where one of the two cannot be decoded.
    pub residual: Option<Residual>,
    /// What was known of this thumbnail's recipe when it was measured, as the pipeline's stamp; 0 for nothing.
    pub known: u64,
    /// By the recipe known, where one is and the pair is near enough to be worth it.
    pub fit: Option<Fit>,
    /// By the generic prediction, with the shop's marks left out; nothing where none are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
}

/// A residual beside marks that a shop burned into its thumbnails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// The marks that were left out.
    pub marks: Vec<Mark>,
    /// What was left; nothing where one of the two cannot be decoded.
    pub residual: Option<Residual>,
}

impl Measured {
    /// What shows best whether the pair resembles: beside the marks, where marks are known.
    pub fn telling(&self) -> Option<Residual> {
        self.beside.as_ref().map_or(self.residual, |beside| beside.residual)
    }
}

impl CandidateFacts {
    /// The residuals that could be measured, whatever is known of marks.
    pub fn residuals(&self) -> impl Iterator<Item = Residual> + '_ {
        self.measured.iter().filter_map(|measured| measured.residual)
    }

    /// The residuals that could be measured, beside the marks that are known.
    pub fn telling(&self) -> impl Iterator<Item = Residual> + '_ {
        self.measured.iter().filter_map(Measured::telling)
    }
}

/// What a person decided about a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Answer {
    /// The image.
    pub image: ImageId,
    /// The record.
    pub record: RecordId,
    /// True: it is the picture. False: it is not.
    pub accepted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_was_ordered_twice_has_one_name_and_one_length() {
        let lost = |id: i64, name: &str| RecordFacts {
            bytes: Some(77),
            filename: Some(name.to_owned()),
            ..RecordFacts::of_nothing_recorded(RecordId(id))
        };
        assert!(lost(1, "IMG_0042.JPG").lost_the_same(&lost(2, "IMG_0042.JPG")));
        assert!(!lost(1, "IMG_0042.JPG").lost_the_same(&lost(2, "IMG_0043.JPG")));
        assert!(!lost(1, "IMG_0042.JPG").lost_the_same(&RecordFacts { bytes: Some(78), ..lost(2, "IMG_0042.JPG") }));
        assert!(!lost(1, "Scan0001.tif").lost_the_same(&lost(2, "Scan0001.tif")), "all scans are as long");
        let sized = |id, size| RecordFacts { size, ..lost(id, "IMG_0042.JPG") };
        assert!(sized(1, Some((40, 30))).lost_the_same(&sized(2, None)), "what only one says contradicts nothing");
        assert!(!sized(1, Some((40, 30))).lost_the_same(&sized(2, Some((30, 30)))));
        let digested = |id, md5| RecordFacts { md5: Some([md5; 16]), ..lost(id, "IMG_0042.JPG") };
        assert!(!digested(1, 5).lost_the_same(&digested(2, 6)), "another digest is another file");
    }
}
