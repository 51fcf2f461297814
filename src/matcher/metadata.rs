//! What recorded metadata says about a pair: digests, lengths, sizes, names.
//!
//! Names compare by their stem without case, without what copying adds ("Kopie von", " (1)") and without what a
//! collision adds in front ("12_"). A name informs only if it is unique among the customer's records and carries a
//! number of three digits, as cameras and databases write it; "logo" and "image" say nothing.

use std::collections::{BTreeSet, HashMap};

use super::facts::{ImageFacts, RecordFacts};
use crate::domain::{ETag, ImageId, RecordId};

/// A name that more records carry proposes no pair.
const RARE_MAX: usize = 8;

/// How an image agrees with a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// A recorded digest is this file's.
    pub digest: bool,
    /// A recorded digest is not this file's.
    pub digest_differs: bool,
    /// The recorded length is this file's.
    pub bytes: bool,
    /// A length is recorded and is not this file's.
    pub bytes_differ: bool,
    /// The recorded size is this picture's, possibly turned.
    pub size: bool,
    /// A size is recorded.
    pub size_known: bool,
    /// The picture has fewer pixels on its longer side than recorded.
    pub smaller: bool,
    /// The recorded size has this picture's proportions, possibly turned, or none is recorded.
    pub aspect: bool,
    /// Some path of the file has the recorded name.
    pub name: bool,
    /// That name is informative and unique among the customer's records.
    pub name_informs: bool,
    /// Every name of the file is of the recorded one's series and says another number: another shot of the same camera.
    pub name_differs: bool,
}

/// The names of one customer's records, counted.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<String, usize>);

impl Names {
    /// The names of these records.
    pub fn of(records: &[RecordFacts]) -> Self {
        let mut counts = HashMap::new();
        for stem in records.iter().filter_map(|record| record.filename.as_deref()).map(stem_of_name) {
            *counts.entry(stem).or_insert(0) += 1;
        }
        Names(counts)
    }

    /// True when few of the customer's records have this record's name.
    fn is_rare(&self, record: &RecordFacts) -> bool {
        let count = record.filename.as_deref().and_then(|name| self.0.get(&stem_of_name(name)));
        count.is_some_and(|&count| count <= RARE_MAX)
    }

    /// True when a record's stem is worth something as evidence.
    fn informs(&self, stem: &str) -> bool {
        self.0.get(stem).copied().unwrap_or(0) <= 1 && has_number(stem)
    }
}

/// How `image` agrees with `record`.
pub fn agreement(record: &RecordFacts, image: &ImageFacts, names: &Names) -> Agreement {
    let plain = image.page == 1;
    let sha256 = record.sha256.map(|digest| plain && digest == image.digest);
    let md5 = record.md5.zip(image.md5).map(|(recorded, ours)| plain && recorded == ours);
    let etag = record.etag.is_some_and(|etag| plain && image.has_etag(etag));
    let digest_differs = sha256 == Some(false) || md5 == Some(false);
    let bytes = record.bytes.map(|bytes| plain && bytes == image.bytes);
    let (size, smaller, aspect) = match (record.size, image.size) {
        (Some(recorded), Some(ours)) => compare_sizes(recorded, ours),
        (Some(_), None) => (false, false, false),
        (None, _) => (false, false, true),
    };
    let stem = record.filename.as_deref().map(stem_of_name).filter(|stem| !stem.is_empty());
    let name = stem.as_ref().is_some_and(|stem| image.paths.iter().any(|path| stem_of_path(path) == *stem));
    Agreement {
        digest: sha256 == Some(true) || (sha256.is_none() && md5 == Some(true)) || (etag && !digest_differs),
        digest_differs,
        bytes: bytes == Some(true),
        bytes_differ: bytes == Some(false),
        size,
        size_known: record.size.is_some(),
        smaller,
        aspect,
        name,
        name_informs: name && stem.as_ref().is_some_and(|stem| names.informs(stem)),
        name_differs: stem.is_some_and(|stem| {
            !image.paths.is_empty()
                && image.paths.iter().all(|path| is_another_of_its_series(&stem, &stem_of_path(path)))
        }),
    }
}

/// Pairs that must be considered even when their fingerprints lie far apart: the recorded digest, the recorded length
/// with the recorded size (or none), an informative name, or any name of few records with the recorded proportions: plain
/// pictures, which no fingerprint finds, are found so. Sorted, without repetition.
pub fn agreeing_pairs(records: &[RecordFacts], images: &[ImageFacts]) -> Vec<(ImageId, RecordId)> {
    let names = Names::of(records);
    let mut by_digest: HashMap<_, Vec<&ImageFacts>> = HashMap::new();
    let mut by_md5: HashMap<_, Vec<&ImageFacts>> = HashMap::new();
    let mut by_etag: HashMap<_, Vec<&ImageFacts>> = HashMap::new();
    let mut by_bytes: HashMap<_, Vec<&ImageFacts>> = HashMap::new();
    let mut by_stem: HashMap<_, Vec<&ImageFacts>> = HashMap::new();
    for image in images {
        by_digest.entry(image.digest).or_default().push(image);
        by_bytes.entry(image.bytes).or_default().push(image);
        if let Some(md5) = image.md5 {
            by_md5.entry(md5).or_default().push(image);
            by_etag.entry(ETag { md5, parts: 0 }).or_default().push(image);
        }
        for &etag in &image.etags {
            by_etag.entry(etag).or_default().push(image);
        }
        for stem in image.paths.iter().map(|path| stem_of_path(path)).collect::<BTreeSet<_>>() {
            by_stem.entry(stem).or_default().push(image);
        }
    }
    let mut pairs = BTreeSet::new();
    for record in records {
        let stem = record.filename.as_deref().map(stem_of_name);
        let alike = [
            record.sha256.and_then(|digest| by_digest.get(&digest)),
            record.md5.and_then(|md5| by_md5.get(&md5)),
            record.etag.and_then(|etag| by_etag.get(&etag)),
            record.bytes.and_then(|bytes| by_bytes.get(&bytes)),
            stem.and_then(|stem| by_stem.get(&stem)),
        ];
        for image in alike.into_iter().flatten().flatten() {
            let agreement = agreement(record, image, &names);
            let by_length = agreement.bytes && (agreement.size || !agreement.size_known);
            let by_name = agreement.name && agreement.aspect && names.is_rare(record);
            if agreement.digest || by_length || agreement.name_informs || by_name {
                pairs.insert((image.id, record.id));
            }
        }
    }
    pairs.into_iter().collect()
}

/// Whether two sizes are equal, whether ours is smaller, whether the proportions agree; each possibly turned.
fn compare_sizes(recorded: (u32, u32), ours: (u32, u32)) -> (bool, bool, bool) {
    let sorted = |(a, b): (u32, u32)| (f64::from(a.max(b)), f64::from(a.min(b)));
    let ((recorded_long, recorded_short), (long, short)) = (sorted(recorded), sorted(ours));
    if short < 1.0 || recorded_short < 1.0 {
        return (false, false, false);
    }
    let aspects = (recorded_long / recorded_short) / (long / short);
    let equal = recorded_long == long && recorded_short == short;
    (equal, long < recorded_long, (aspects - 1.0).abs() < 0.01 + 1.5 / short)
}

/// The comparable part of a recorded file name.
pub fn stem_of_name(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = match file.rfind('.') {
        Some(dot) if dot > 0 => &file[..dot],
        _ => file,
    };
    let lower = stem.trim().to_lowercase();
    let bare = lower.strip_prefix("kopie von ").or_else(|| lower.strip_prefix("copy of ")).unwrap_or(&lower);
    let bare = without_copy_number(bare);
    let digits = bare.len() - bare.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match bare[digits..].strip_prefix('_') {
        Some(rest) if (1..=5).contains(&digits) && !rest.is_empty() => rest.to_owned(),
        _ => bare.to_owned(),
    }
}

/// The comparable part of a path's file name; archive members stand after `!/`.
pub fn stem_of_path(path: &[u8]) -> String {
    stem_of_name(&String::from_utf8_lossy(path))
}

/// A stem without a trailing " (12)".
fn without_copy_number(stem: &str) -> &str {
    let Some((front, number)) = stem.strip_suffix(')').and_then(|stem| stem.rsplit_once(" (")) else { return stem };
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) { stem } else { front }
}

/// True for two names that differ in their numbers alone, such as `img_2549` and `img_2598`.
fn is_another_of_its_series(a: &str, b: &str) -> bool {
    let series = |stem: &str| stem.replace(|c: char| c.is_ascii_digit(), "#");
    a != b && has_number(a) && series(a) == series(b)
}

/// True for at least three digits in a row.
fn has_number(stem: &str) -> bool {
    stem.as_bytes().windows(3).any(|run| run.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_forget_what_copying_adds() {
        for name in ["IMG_0042.JPG", "Kopie von img_0042.jpg", "img_0042 (1).png", "12_IMG_0042.jpg", "a/b\\IMG_0042"] {
            assert_eq!(stem_of_name(name), "img_0042", "{name}");
        }
        assert_eq!(stem_of_name("20180512_101500.jpg"), "20180512_101500", "a date is not a collision number");
        assert_eq!(stem_of_name(".jpg"), ".jpg");
        assert_eq!(stem_of_name("Motiv (neu).png"), "motiv (neu)");
        assert_eq!(stem_of_path(b"scan.zip!/DSC00017.JPG"), "dsc00017");
    }

    #[test]
    fn sizes_compare_turned() {
        assert_eq!(compare_sizes((4000, 3000), (3000, 4000)), (true, false, true));
        assert_eq!(compare_sizes((4000, 3000), (2000, 1500)), (false, true, true));
        assert_eq!(compare_sizes((4000, 3000), (4000, 2000)), (false, false, false));
    }

    #[test]
    fn a_series_goes_on() {
        assert!(is_another_of_its_series("img_2549", "img_2598"));
        for (a, b) in
            [("img_2549", "img_2549"), ("img_2549", "img_25498"), ("img_2549", "dsc_2598"), ("vk_12", "vk_13")]
        {
            assert!(!is_another_of_its_series(a, b), "{a} {b}");
        }
    }

    #[test]
    fn only_numbered_names_inform() {
        assert!(has_number("img_0042") && has_number("p0000017"));
        assert!(!has_number("logo_neu") && !has_number("card_12"));
    }
}
