//! Everything known about each pair of an image and a record, gathered from the facts.

use std::collections::{BTreeMap, HashMap};

use super::super::content::{Compared, ImageKey, Likeness, groups};
use super::super::facts::{CandidateFacts, Facts, ImageFacts, Measured, RecordFacts, Storage};
use super::super::metadata::{Agreement, Register, agreement, name_differs};
use super::super::names::Name;
use super::super::taken::{Moment, Taken};
use super::super::verify::Residual;
use super::{EXACT_HZ_MAX, RIVAL_Z_MAX, answers, certain, resembles};
use crate::domain::{ImageId, RecordId};
use crate::recipe::Fit;

/// Of 1,813 originals, stripped or losslessly converted ones included, 1,776 made their thumbnails by a known recipe to within this
/// [`Fit::d`], in grey levels; of 334 re-saved, resized or turned copies that made them at all, 56 (counted over twelve cases of real
/// pictures).
const WHOLLY_D_MAX: f32 = 0.01;
/// What makes one thumbnail wholly, as an original does, is hardly the original of another thumbnail that it does not make to within this
/// [`Fit::d`], in grey levels: of 3,254 originals 3,115 make their own that well, and of the others, as of 1,064 copies that do not, none makes a neighbour's
/// wholly.
const AS_WELL_D_MAX: f32 = 0.5;

/// One pair with everything known about it.
pub(super) struct Pair<'a> {
    pub record: &'a RecordFacts,
    pub image: &'a ImageFacts,
    pub agreement: Agreement,
    /// Images with the same number show one picture.
    pub content: usize,
    pub distance: Option<u16>,
    /// The worst of the record's thumbnails: all of them were made from the original.
    pub residual: Option<Residual>,
    /// The same beside the shop's marks, where such are known: for people and for what a recipe proves. What stands without a
    /// recipe stands without its marks.
    pub telling: Option<Residual>,
    /// Whether the recipe known makes each of the record's thumbnails from the file; nothing where none is known.
    pub reproduces: Option<bool>,
    /// Whether each of them is made as an original makes it, and not only as a copy does.
    pub reproduces_exactly: bool,
    /// Whether nothing of them is left to explain, as by the very pixels of an original.
    pub reproduces_wholly: bool,
    /// The image resembles the thumbnail of another record, which did not lose the same original: a burst, a film, a template.
    pub has_siblings: bool,
    /// The fit of the thumbnail that it is made worst, if the recipe known makes each of them as closely as from a copy.
    pub close: Option<Fit>,
    /// The contrast of the record's thumbnails where the picture lies on them, in levels: of the residual, or where the generic
    /// prediction does not see how it lies, of the recipe.
    pub detail: f32,
    /// Another record may have lost this file, too: nothing says that it lost the same original, nor do names or lengths tell
    /// them apart.
    pub reproduces_another: bool,
    /// The image makes the thumbnail of another such record as closely as a copy does that has lost much.
    pub resembles_anothers_copy: bool,
    pub answer: Option<bool>,
    /// The answer was given for a copy, or for a record that lost the same original.
    pub is_implied: bool,
}

impl Pair<'_> {
    /// Of pictures that hardly differ, name and size, or the proportions of a smaller copy, tell which one this is.
    pub fn told_by_name(&self) -> bool {
        let Agreement { name_informs, size, size_known, smaller, aspect, bytes, .. } = self.agreement;
        let of_the_size = if size_known { size || smaller && aspect } else { bytes };
        name_informs && of_the_size
    }

    /// What is the one's by name, or by length and size, and is not the other's, is not in doubt.
    fn is_told_from(&self, other: &RecordFacts) -> bool {
        let by_name = self.told_by_name() && name_differs(other, self.image);
        let Agreement { bytes, size, digest_differs, .. } = self.agreement;
        let is_this_file = bytes && size && !digest_differs && self.image.storage != Storage::Uncompressed;
        by_name || is_this_file && other.bytes.is_some_and(|recorded| recorded != self.image.bytes)
    }
}

/// All pairs worth a thought, by record, with what answers settle.
pub(super) fn by_record(facts: &Facts) -> BTreeMap<RecordId, Vec<Pair<'_>>> {
    let mut pairs = pairs_of(facts);
    answers::extend(&mut pairs);
    mark_those_that_others_may_have_lost(&mut pairs, facts);
    pairs
}

/// All pairs worth a thought, by record, with the answers as they were given.
pub(super) fn pairs_of(facts: &Facts) -> BTreeMap<RecordId, Vec<Pair<'_>>> {
    let records: HashMap<RecordId, &RecordFacts> = facts.records.iter().map(|record| (record.id, record)).collect();
    let images: HashMap<ImageId, &ImageFacts> = facts.images.iter().map(|image| (image.id, image)).collect();
    let measured: HashMap<(ImageId, RecordId), &CandidateFacts> =
        facts.candidates.iter().map(|candidate| ((candidate.image, candidate.record), candidate)).collect();
    let mut answers: HashMap<(ImageId, RecordId), bool> = HashMap::new();
    for answer in &facts.answers {
        // Two answers to one question should not be; if they are, the cautious one counts, whatever their order.
        let accepted = answers.entry((answer.image, answer.record)).or_insert(true);
        *accepted &= answer.accepted;
    }
    let register = Register::of(&facts.records);
    let mut keys: Vec<(ImageId, RecordId)> = measured.keys().copied().collect();
    for image in &facts.images {
        keys.extend(register.agreeing(&facts.records, image).into_iter().map(|record| (image.id, record)));
    }
    keys.extend(answers.keys());
    keys.sort_unstable();
    keys.dedup();
    let contents = contents(facts);
    let mut pairs: BTreeMap<RecordId, Vec<Pair>> = BTreeMap::new();
    for key in keys {
        let (Some(&image), Some(&record)) = (images.get(&key.0), records.get(&key.1)) else { continue };
        let candidate = measured.get(&key);
        pairs.entry(key.1).or_default().push(Pair {
            record,
            image,
            agreement: agreement(record, image, &register, &facts.records),
            content: contents.get(&key_of(image)).copied().unwrap_or(usize::MAX),
            distance: candidate.and_then(|candidate| candidate.distance),
            residual: candidate.and_then(|candidate| worst(candidate.residuals())),
            telling: candidate.and_then(|candidate| worst(candidate.telling())),
            reproduces: candidate.and_then(|candidate| of_every_fit(candidate, |fit| fit.near)),
            reproduces_exactly: candidate
                .and_then(|candidate| of_every_fit(candidate, |fit| fit.near && fit.within && fit.hz <= EXACT_HZ_MAX))
                .unwrap_or(false),
            reproduces_wholly: candidate
                .and_then(|candidate| of_every_fit(candidate, |fit| fit.near && fit.d <= WHOLLY_D_MAX))
                .unwrap_or(false),
            has_siblings: false,
            close: candidate.and_then(|candidate| worst_of_close_fits(candidate)),
            detail: candidate.map_or(0.0, |candidate| detail(candidate)),
            reproduces_another: false,
            resembles_anothers_copy: false,
            answer: answers.get(&key).copied(),
            is_implied: false,
        });
    }
    pairs
}

/// Whether two records of whose thumbnails one file makes both are of one picture that was ordered twice, as far as names and
/// sizes say.
fn are_twins(a: &RecordFacts, b: &RecordFacts) -> bool {
    let (Some(a_name), Some(b_name)) = (&a.filename, &b.filename) else { return false };
    let (a_name, b_name) = (Name::of(a_name), Name::of(b_name));
    let sizes = a.size.zip(b.size).map(|(a, b)| a == b);
    let contradicted = sizes == Some(false)
        || a.bytes.zip(b.bytes).is_some_and(|(a, b)| a != b)
        || a.sha256.zip(b.sha256).is_some_and(|(a, b)| a != b)
        || a.md5.zip(b.md5).is_some_and(|(a, b)| a != b)
        || a.taken.zip(b.taken).and_then(|(a, b)| a.compare(b)) == Some(Taken::Other);
    a_name.is_same(&b_name) && (a_name.tells() || sizes == Some(true)) && !contradicted
}

/// Finds the images that resemble what another record lost, and of these the ones that it may have lost, too: those that nearly make its thumbnail, or resemble it where its
/// recipe is not known and its own original is not certain.
fn mark_those_that_others_may_have_lost(pairs: &mut BTreeMap<RecordId, Vec<Pair>>, facts: &Facts) {
    let records: HashMap<RecordId, &RecordFacts> = facts.records.iter().map(|record| (record.id, record)).collect();
    let certain: HashMap<RecordId, ImageId> =
        pairs.iter().filter_map(|(&record, pairs)| Some((record, pairs[certain(pairs)?].image.id))).collect();
    let mut closely: HashMap<ImageId, Vec<&RecordFacts>> = HashMap::new();
    let mut near: HashMap<ImageId, Vec<&RecordFacts>> = HashMap::new();
    let mut as_well: HashMap<ImageId, Vec<&RecordFacts>> = HashMap::new();
    let mut alike: HashMap<ImageId, Vec<&RecordFacts>> = HashMap::new();
    for candidate in &facts.candidates {
        if worst(candidate.telling()).is_some_and(|residual| resembles(&residual)) {
            alike.entry(candidate.image).or_default().extend(records.get(&candidate.record));
        }
        let taken = certain.get(&candidate.record).is_some_and(|&image| image != candidate.image);
        let may_be_its_own = match of_every_fit(candidate, |fit| fit.alike) {
            Some(nearly) => nearly,
            None => !taken && worst(candidate.telling()).is_some_and(|residual| residual.z() < RIVAL_Z_MAX),
        };
        if of_every_fit(candidate, |fit| fit.close) == Some(true) {
            closely.entry(candidate.image).or_default().extend(records.get(&candidate.record));
        }
        if may_be_its_own && of_every_fit(candidate, |fit| fit.d <= AS_WELL_D_MAX) != Some(false) {
            as_well.entry(candidate.image).or_default().extend(records.get(&candidate.record));
        }
        if may_be_its_own {
            near.entry(candidate.image).or_default().extend(records.get(&candidate.record));
        }
    }
    for pair in pairs.values_mut().flatten() {
        // Of what was found for the image, the records that lost something else.
        let others = |found: &HashMap<ImageId, Vec<&RecordFacts>>, is_one: &dyn Fn(&RecordFacts) -> bool| {
            let mut found = found.get(&pair.image.id).into_iter().flatten();
            found.any(|other| other.id != pair.record.id && !pair.record.lost_the_same(other) && is_one(other))
        };
        let has_siblings = others(&alike, &|other| !are_twins(pair.record, other));
        let is_twin = |other: &RecordFacts| pair.reproduces == Some(true) && are_twins(pair.record, other);
        let nearly = if pair.reproduces_wholly && pair.reproduces_exactly { &as_well } else { &near };
        let reproduces_another = others(nearly, &|other| !is_twin(other) && !pair.is_told_from(other));
        let resembles_anothers_copy = others(&closely, &|other| !is_twin(other) && !pair.is_told_from(other));
        (pair.has_siblings, pair.reproduces_another) = (has_siblings, reproduces_another);
        pair.resembles_anothers_copy = resembles_anothers_copy;
    }
}

/// The number of the content that each image shows. A file's only picture is one content under all its names.
fn contents(facts: &Facts) -> HashMap<ImageKey, usize> {
    // What breaks off is a copy of nothing.
    let whole: Vec<ImageKey> = facts.images.iter().filter(|image| !image.truncated).map(key_of).collect();
    let groups = groups(&whole, &parted_by_time(facts));
    let broken = facts.images.iter().filter(|image| image.truncated).map(|image| vec![key_of(image)]);
    let all = groups.into_iter().chain(broken).enumerate();
    all.flat_map(|(number, group)| group.into_iter().map(move |key| (key, number))).collect()
}

/// What was found about pairs of images, where two shots of different times are two pictures however alike they are.
fn parted_by_time(facts: &Facts) -> Vec<Compared> {
    let taken: HashMap<ImageKey, Moment> =
        facts.images.iter().filter_map(|image| Some((key_of(image), image.taken?))).collect();
    let parted = |pair: &Compared| {
        let times = taken.get(&pair.a).zip(taken.get(&pair.b));
        times.is_some_and(|(a, b)| a.compare(*b) == Some(Taken::Other))
    };
    let as_found = facts.compared.iter().copied();
    as_found
        .map(|mut pair| {
            if parted(&pair) {
                pair.comparison.likeness = Likeness::Different;
            }
            pair
        })
        .collect()
}

/// Whether this holds of every thumbnail of a record that the image was to make; nothing where no recipe is known.
fn of_every_fit(candidate: &CandidateFacts, holds: impl Fn(Fit) -> bool) -> Option<bool> {
    let mut fits = candidate.measured.iter().filter_map(|measured| measured.fit).peekable();
    fits.peek()?;
    Some(fits.all(holds))
}

/// The fit of the thumbnail that is made worst; nothing where not each is made closely.
fn worst_of_close_fits(candidate: &CandidateFacts) -> Option<Fit> {
    let fits = candidate.measured.iter().filter_map(|measured| measured.fit);
    let worst = fits.max_by(|a, b| a.d.total_cmp(&b.d).then(a.hz.total_cmp(&b.hz)));
    worst.filter(|_| of_every_fit(candidate, |fit| fit.close) == Some(true))
}

/// See [`Pair::detail`].
fn detail(candidate: &CandidateFacts) -> f32 {
    let of_residual = |measured: &Measured| measured.telling().map_or(0.0, |residual| residual.detail);
    let of_fit = |measured: &Measured| measured.fit.map_or(0.0, |fit| fit.detail);
    candidate.measured.iter().map(|one| of_residual(one).max(of_fit(one))).min_by(f32::total_cmp).unwrap_or(0.0)
}

/// The residual of the thumbnail that fits worst.
fn worst(residuals: impl Iterator<Item = Residual>) -> Option<Residual> {
    residuals.max_by(|a, b| a.z().total_cmp(&b.z()).then(a.z_strict.total_cmp(&b.z_strict)))
}

/// What names an image for comparisons.
pub(super) fn key_of(image: &ImageFacts) -> ImageKey {
    (image.digest, image.page)
}
