//! Which thumbnails may have been made by one recipe: told by what their files say, before any picture is compared.
//!
//! Quantisation tables, format and long side separate what different software and settings made. Sampling, density and
//! comments do not: some engines copy them from the source. Several recipes may still stand behind equal headers; then a
//! partition learns several.

use serde::{Deserialize, Serialize};

use crate::decode::{Limits, Unreadable, jpeg_tables, read_header};
use crate::identify::Kind;

use super::webp;

/// How a thumbnail's file is coded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coding {
    /// A JPEG with these quantisation tables, luma first, in natural order.
    Jpeg {
        /// One table for each component that has its own.
        tables: Vec<Vec<u16>>,
    },
    /// PNG, BMP, TIFF or lossless WebP.
    Lossless,
    /// GIF.
    Palette,
    /// Lossy WebP. Its steps differ from picture to picture at one quality, so they tell no encoder's settings.
    Lossy,
}

impl Coding {
    /// The coding of a file that has been found readable.
    pub fn of(bytes: &[u8]) -> Coding {
        match Kind::of(bytes) {
            Kind::Jpeg => {
                let mut tables = jpeg_tables(bytes).map_or_else(Vec::new, |tables| tables.quantisation);
                // A grey file has no chroma table; it may still be of the same shop.
                tables.dedup();
                Coding::Jpeg { tables }
            }
            Kind::Gif => Coding::Palette,
            Kind::Webp if webp::is_lossy(bytes) => Coding::Lossy,
            _ => Coding::Lossless,
        }
    }

    /// Whether the file leaves so little open that what explains it is evidence of how it was made.
    pub fn is_exact(&self) -> bool {
        !matches!(self, Coding::Palette)
    }

    /// Whether one encoder at one setting may have written both. A grey JPEG lacks the chroma table of its brothers.
    pub fn agrees(&self, other: &Coding) -> bool {
        match (self, other) {
            (Coding::Jpeg { tables: ours }, Coding::Jpeg { tables: theirs }) => {
                ours.iter().zip(theirs).all(|(a, b)| a == b) && !ours.is_empty() && !theirs.is_empty()
            }
            _ => self == other,
        }
    }
}

/// The key under which pairs are gathered to learn from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// How the files are coded.
    pub coding: Coding,
    /// The longer side, in pixels.
    pub long_side_px: u32,
}

impl Partition {
    /// Where a thumbnail belongs.
    ///
    /// # Errors
    /// What [`read_header`] refuses.
    pub fn of(thumbnail: &[u8]) -> Result<Partition, Unreadable> {
        let header = read_header(thumbnail, &Limits::default())?;
        Ok(Partition { coding: Coding::of(thumbnail), long_side_px: header.width.max(header.height) })
    }

    /// Whether a recipe learned in this partition may have made thumbnails of the other: originals that are smaller than
    /// the long side keep their size.
    pub fn may_explain(&self, other: &Partition) -> bool {
        other.long_side_px <= self.long_side_px && self.coding.agrees(&other.coding)
    }
}
