//! What recorded metadata says about a pair: digests, lengths, sizes, names, times.
//!
//! Names compare as [`super::names`] says. One informs only if it tells pictures apart at all and no other record of the
//! customer has it; "logo" and "image" say nothing.
//!
//! Deliberately absent: ids of original documents (XMP), which all cards made from one template share; EXIF thumbnails, which
//! show the picture as it was before it was edited; serial and shot numbers of cameras, which no database of a shop holds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use super::facts::{ImageFacts, RecordFacts};
use super::names::Name;
use super::taken::Taken;
use crate::domain::{Digest, ETag, RecordId};

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
    /// That name is informative, and of the customer's records only those have it that lost one original. Where the recorded
    /// size is this picture's, records of that name with another size do not count.
    pub name_informs: bool,
    /// The same of any name, whether it is informative or not.
    pub name_is_only: bool,
    /// Every name of the file says that it is another picture than the recorded one's: another shot of the same camera, or
    /// what was made of it.
    pub name_differs: bool,
    /// What the recorded time of taking and the file's say, where both are known.
    pub taken: Option<Taken>,
}

impl Agreement {
    /// The recorded time of taking is another one than the file's: another shot.
    pub fn taken_differs(&self) -> bool {
        self.taken == Some(Taken::Other)
    }
}

/// One customer's records by what is recorded of them, each named by its place among them.
#[derive(Clone, Debug, Default)]
pub struct Register {
    by_sha256: HashMap<Digest, Vec<usize>>,
    by_md5: HashMap<[u8; 16], Vec<usize>>,
    by_etag: HashMap<ETag, Vec<usize>>,
    by_bytes: HashMap<u64, Vec<usize>>,
    by_stem: HashMap<String, Vec<(usize, Name)>>,
}

impl Register {
    /// The register of these records.
    pub fn of(records: &[RecordFacts]) -> Self {
        fn enter<K: Eq + Hash>(map: &mut HashMap<K, Vec<usize>>, key: Option<K>, at: usize) {
            if let Some(key) = key {
                map.entry(key).or_default().push(at);
            }
        }
        let mut register = Register::default();
        for (at, record) in records.iter().enumerate() {
            enter(&mut register.by_sha256, record.sha256, at);
            enter(&mut register.by_md5, record.md5, at);
            enter(&mut register.by_etag, record.etag, at);
            enter(&mut register.by_bytes, record.bytes, at);
            if let Some(name) = record.filename.as_deref().map(Name::of) {
                register.by_stem.entry(name.stem().to_owned()).or_default().push((at, name));
            }
        }
        register
    }

    /// Records that must be considered for an image even when their fingerprints lie far apart: the recorded digest, the
    /// recorded length with the recorded size (or none), an informative name, or any name of few records with the recorded
    /// proportions: plain pictures, which no fingerprint finds, are found so. `records` are those of the register.
    pub fn agreeing(&self, records: &[RecordFacts], image: &ImageFacts) -> BTreeSet<RecordId> {
        let whole = image.md5.map(|md5| ETag { md5, parts: 0 });
        let mut alike: BTreeSet<usize> = [
            self.by_sha256.get(&image.digest),
            image.md5.and_then(|md5| self.by_md5.get(&md5)),
            self.by_bytes.get(&image.bytes),
        ]
        .into_iter()
        .chain(image.etags.iter().copied().chain(whole).map(|etag| self.by_etag.get(&etag)))
        .flatten()
        .flatten()
        .copied()
        .collect();
        for name in image.paths.iter().map(|path| Name::of_path(path)).collect::<HashSet<_>>() {
            let same_stem = self.by_stem.get(name.stem()).map(Vec::as_slice).unwrap_or_default();
            if name.tells() || same_stem.len() <= RARE_MAX {
                alike.extend(same_stem.iter().filter(|(_, other)| other.is_same(&name)).map(|(at, _)| at));
            }
        }
        let agrees = |record: &&RecordFacts| {
            let agreement = agreement(record, image, self, records);
            let by_length = agreement.bytes && (agreement.size || !agreement.size_known);
            let by_name = agreement.name && agreement.aspect && self.is_rare(record);
            agreement.digest || by_length || agreement.name_informs || by_name
        };
        alike.into_iter().map(|at| &records[at]).filter(agrees).map(|record| record.id).collect()
    }

    /// True when few of the customer's records have this record's name.
    fn is_rare(&self, record: &RecordFacts) -> bool {
        let same = record.filename.as_deref().and_then(|name| self.by_stem.get(Name::of(name).stem()));
        same.is_some_and(|same| same.len() <= RARE_MAX)
    }

    /// True when a file's name is worth something as evidence: it tells pictures apart, and is the only one.
    fn informs(&self, records: &[RecordFacts], name: &Name, size: Option<(u32, u32)>) -> bool {
        name.tells() && self.is_only(records, name, size)
    }

    /// True when records that lost one original may have this name, and no other, among those of this size, if one is given.
    fn is_only(&self, records: &[RecordFacts], name: &Name, size: Option<(u32, u32)>) -> bool {
        let of_the_size = |at: usize| match size.zip(records[at].size) {
            Some((ours, recorded)) => compare_sizes(recorded, ours).0,
            None => true,
        };
        let same_stem = self.by_stem.get(name.stem()).into_iter().flatten();
        let same = same_stem.filter(|&&(at, ref other)| other.is_same(name) && of_the_size(at));
        let same: Vec<usize> = same.map(|(at, _)| *at).collect();
        let one_original =
            |(at, &a): (usize, &usize)| same[..at].iter().all(|&b| records[a].lost_the_same(&records[b]));
        same.len() <= RARE_MAX && same.iter().enumerate().all(one_original)
    }
}

/// How `image` agrees with `record`, which is one of the `records` of the register.
pub fn agreement(record: &RecordFacts, image: &ImageFacts, register: &Register, records: &[RecordFacts]) -> Agreement {
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
    let recorded = record.filename.as_deref().map(Name::of);
    let names: Vec<Name> = image.paths.iter().map(|path| Name::of_path(path)).collect();
    let told_apart_by = image.size.filter(|_| size);
    let same = |name: &&Name| recorded.as_ref().is_some_and(|recorded| recorded.is_same(name));
    Agreement {
        digest: sha256 == Some(true) || (sha256.is_none() && md5 == Some(true)) || (etag && !digest_differs),
        digest_differs,
        bytes: bytes == Some(true),
        bytes_differ: bytes == Some(false),
        size,
        size_known: record.size.is_some(),
        smaller,
        aspect,
        name: names.iter().any(|name| same(&name)),
        name_informs: names.iter().filter(same).any(|name| register.informs(records, name, told_apart_by)),
        name_is_only: names.iter().filter(same).any(|name| register.is_only(records, name, told_apart_by)),
        name_differs: recorded.as_ref().is_some_and(|recorded| all_name_another(recorded, &names)),
        taken: record.taken.zip(image.taken).and_then(|(recorded, ours)| recorded.compare(ours)),
    }
}

/// Whether every name of a file says that it is another picture than the one that a record lost.
pub fn name_differs(record: &RecordFacts, image: &ImageFacts) -> bool {
    let names: Vec<Name> = image.paths.iter().map(|path| Name::of_path(path)).collect();
    record.filename.as_deref().is_some_and(|recorded| all_name_another(&Name::of(recorded), &names))
}

fn all_name_another(recorded: &Name, names: &[Name]) -> bool {
    !names.is_empty() && names.iter().all(|name| recorded.is_another_picture(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_compare_turned() {
        assert_eq!(compare_sizes((4000, 3000), (3000, 4000)), (true, false, true));
        assert_eq!(compare_sizes((4000, 3000), (2000, 1500)), (false, true, true));
        assert_eq!(compare_sizes((4000, 3000), (4000, 2000)), (false, false, false));
    }

    #[test]
    fn a_name_informs_if_no_other_record_may_have_it() {
        let record = |id: i64, name: &str| RecordFacts {
            filename: Some(name.to_owned()),
            ..RecordFacts::of_nothing_recorded(RecordId(id))
        };
        let informs = |records: &[&str], name: &str| {
            let records: Vec<_> = records.iter().enumerate().map(|(at, name)| record(at as i64, name)).collect();
            Register::of(&records).informs(&records, &Name::of(name), None)
        };
        assert!(informs(&["IMG_0042.JPG", "IMG_0043.JPG"], "img_0042 (1).jpg"));
        assert!(!informs(&["IMG_0042.JPG", "b/IMG_0042.JPG"], "IMG_0042.JPG"));
        assert!(!informs(&["IMG_0042.JPG", "IMG_0042 (1).JPG"], "IMG_0042 (1).JPG"), "either may have been copied");
        let renamed = ["Urlaub 2019 (1).jpg", "Urlaub 2019 (2).jpg"];
        assert!(informs(&renamed, "Urlaub 2019 (2).jpg"), "pictures that were renamed together");
        assert!(!informs(&renamed, "Urlaub 2019.jpg"));
        assert!(!informs(&["logo.png"], "logo.png"));
        let mut twice = [1, 2].map(|id| RecordFacts { bytes: Some(77), ..record(id, "IMG_0042.JPG") });
        let informs = |records: &[RecordFacts]| Register::of(records).informs(records, &Name::of("IMG_0042.JPG"), None);
        assert!(informs(&twice), "a picture that was ordered twice");
        twice[1].bytes = Some(78);
        assert!(!informs(&twice));
        let mut sizes =
            [(4000, 3000), (640, 480)].map(|size| RecordFacts { size: Some(size), ..record(1, "IMG_0042.JPG") });
        let of_size =
            |records: &[RecordFacts], size| Register::of(records).informs(records, &Name::of("IMG_0042.JPG"), size);
        assert!(of_size(&sizes, Some((480, 640))), "the size tells which");
        assert!(!of_size(&sizes, None));
        sizes[0].size = None;
        assert!(!of_size(&sizes, Some((640, 480))), "the other may have that size");
    }
}
