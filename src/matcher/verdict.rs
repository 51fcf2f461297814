//! THE RULE: what happens with each pair of an upload and a record.
//!
//! A wrong attachment is the one fault that is not forgiven, so an automatic one needs proof, and resemblance is none:
//!
//! 1. **digest**: a recorded digest is the file's: SHA-256, MD5 or the ETag of an S3 store.
//! 2. **bytes**: recorded length and size are the file's, and neither the pixels nor its name contradict. Length
//!    proves little for short files, so there the pixels must agree closely, and less for uncompressed formats, which
//!    need the recorded name as well; a name that says another shot of the same camera, or what an editor made of the
//!    shot, contradicts, as does a recorded time of taking that is not the file's; and two files that both claim to
//!    be the one leave the question open unless the name settles it, or tier 4 does.
//! 3. **name**: the recorded name is unique, informative and the file's, size or proportions agree, and the pixels
//!    agree closely *without* any correction of colour: an edited copy keeps its name and size. Nor is another time
//!    recorded.
//!
//! 4. **recipe**: the shop's recipe, learned from other pairs, makes the very thumbnail from the file, to within what
//!    its coding cannot tell; no other content does, neither its name nor its time of taking says another shot of the
//!    same camera, and the file does not make, nor nearly make, another record's thumbnail (nearly counts for less
//!    where it makes this one to the last bit), unless that record says that it lost the same original; where that
//!    one's recipe is not known, resembling it is enough to leave the question open, unless that record's own
//!    original is certain. A file that leaves something of the thumbnail unexplained has lost something, and may be a
//!    copy of what another record lost, if it comes as close to that one's thumbnail as copies do; nor may its tone
//!    have changed all over. Where siblings are about, frames or cards that resemble either, the file has to make it
//!    as an original does, not as a copy, unless its recorded name tells it from them. Where the recorded name (as in
//!    tier 3) and size are the file's, contents and records whose names say another shot of the same camera are no
//!    rivals; where length and size are, records of which another length is recorded. A file that was recorded, by
//!    length or name, needs to make the thumbnail only as closely as a copy that has lost much ([`supported`]).
//!
//! Everything else that resembles is **review**, ranked; the rest is **none**. A truncated file is never attached unless
//! its digest was recorded. A person's answer stands whatever the rule thinks, and settles what follows from it ([`answers`]).
//! One record gets at most one attachment: a lower tier yields to a higher, then the best upload wins ([`preference`]).
//!
//! The outcome is a function of the set of facts: nothing depends on order, on ids or on what was decided before.
//!
//! A mark that the shop burned into its thumbnails is left out of what a recipe compares, and of the residual that people are
//! shown and that tiers 3 and 4 look at. Tiers 1 and 2, which teach recipes, know nothing of marks.
//!
//! Deliberately absent: "it resembles, and no rival is in sight". A sibling frame whose right picture was never sent
//! passes that test, and a better file that comes later makes it wrong.

mod answers;
mod counted;
mod pair;
mod reason;
mod review;
mod rivals;
mod supported;
#[cfg(test)]
mod tests;
mod tier;

pub use answers::{Contradiction, contradictions};
pub use counted::{Counted, counted};
pub use review::{REVIEW_MAX, resembles};
pub use rivals::rivals;
pub use tier::{Method, Tier};

use std::cmp::{Ordering, Reverse};

use serde::{Deserialize, Serialize};

use pair::{Pair, by_record};
use reason::reason;
use review::{shown_first, worth_a_look};
use supported::proven_with_record;

use super::facts::{Facts, ImageFacts, Storage};
use super::metadata::Agreement;
use super::verify::Residual;
use crate::domain::{Grade, ImageId, RecordId, Verdict};

/// Tier 2: pixels above this contradict recorded length and size, unless [`BYTES_LIKENESS`] says otherwise.
const BYTES_Z_MAX: f32 = 8.0;
/// Tier 2: a correlation above this carries a thumbnail with a shop's badge on it, whose corner no upload explains.
const BYTES_LIKENESS: f32 = 0.95;
/// Tier 2: frames of a burst that are shorter than this, in bytes, may well be equally long; a file without the recorded
/// name then has to agree as closely as one whose size is not recorded.
const BYTES_TELL_MIN: u64 = 64 << 10;
/// Tier 2 for uncompressed formats, whose length follows from their size, for the frames of a burst as well: the name has to be the
/// recorded one, and the pixels must agree this closely.
const UNCOMPRESSED_Z_MAX: f32 = 2.5;
/// Tier 2 where no size is recorded: the pixels must agree this closely, unless an informative name agrees too.
const BYTES_ALONE_Z_MAX: f32 = 3.0;
/// Tier 2 where length, size and an informative name agree: a correlation above this does.
const BYTES_NAMED_LIKENESS: f32 = 0.8;
/// Tier 2: a thumbnail with less contrast than this, in levels, agrees with nothing.
const BYTES_DETAIL_MIN: f32 = 8.0;
/// Tier 2: another file that fits the record this well is a rival.
pub const RIVAL_Z_MAX: f32 = 6.0;
/// Tier 2: a rival is dismissed when the candidate fits better by this factor.
const RIVAL_FACTOR: f32 = 0.8;
/// Tier 3: largest coarse residual, colours as they are.
const NAME_Z_MAX: f32 = 3.0;
/// Tier 3: largest fine residual, colours as they are.
const NAME_FINE_Z_MAX: f32 = 4.0;
/// Tier 3: largest change of colour that would improve the fit, in mean levels.
const NAME_COLOUR_MAX: f32 = 1.5;
/// Tier 3: colourfulness and contrast may differ by this share; an edit changes them, a re-save does not.
const NAME_SATURATION_MAX: f32 = 0.08;
/// Tier 3: see [`NAME_SATURATION_MAX`].
const NAME_CONTRAST_MAX: f32 = 0.03;
/// Tier 3: a fit that wants a larger shift, in thumbnail pixels, is of another cut.
const NAME_SHIFT_MAX: f32 = 0.6;
/// Tier 3: a thumbnail with less contrast than this, in levels, confirms nothing.
const NAME_DETAIL_MIN: f32 = 8.0;
/// Tier 3: an upload must be this much larger than the compared part of the thumbnail; else it may *be* the thumbnail.
const NAME_ENLARGED_MIN: f64 = 1.25;
/// Tier 4: a thumbnail with less contrast than this, in levels, is made by too many pictures.
const RECIPE_DETAIL_MIN: f32 = 8.0;
/// Tier 4 among siblings: an original leaves less than this of the gradient unexplained, where the shop's engine is emulated well;
/// where it is not, frames that hardly moved cannot be told apart, and people decide. One that was attached wrongly left 0.17.
const EXACT_HZ_MAX: f32 = 0.1;

/// What is to happen with one pair, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The image.
    pub image: ImageId,
    /// The record.
    pub record: RecordId,
    /// What is to happen.
    pub verdict: Verdict,
    /// How good the attachment is; also said of a review row, as what it would become.
    pub grade: Grade,
    /// What speaks for the pair most.
    pub method: Method,
    /// Place in the record's review list, from 1; 1 for an attachment; nothing for a verdict of none.
    pub rank: Option<u32>,
    /// Fingerprint distance, where the fingerprint proposed the pair.
    pub distance: Option<u16>,
    /// The residual that counted, where the pair was measured.
    pub residual: Option<f32>,
    /// How much better it fits than the best other content offered for the record; negative when worse.
    pub margin: Option<f32>,
    /// The reason in words, for a person.
    pub reason: String,
}

/// Decides every pair that was measured, agrees by metadata or was answered by a person. Sorted by record, then verdict,
/// rank, image.
///
/// `tiers` are those that may attach. The others speak all the same: what only they prove has a verdict of `attach` and
/// their method, and whoever carries decisions out leaves it to a person; nothing weaker overtakes it.
pub fn decide(facts: &Facts, tiers: &[Tier]) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for pairs in by_record(facts).values() {
        decisions.extend(decide_record(pairs, tiers));
    }
    decisions.sort_by_key(|d| (d.record, d.verdict, d.rank, d.image));
    decisions
}

/// Decides the pairs of one record.
fn decide_record(pairs: &[Pair], tiers: &[Tier]) -> Vec<Decision> {
    let by_rule = || proven(pairs).map(|(at, method)| (at, by_a_tier_that_may(pairs, at, method, tiers)));
    let winner = accepted(pairs).or_else(by_rule);
    let mut review: Vec<usize> = Vec::new();
    if winner.is_none() {
        review = open(pairs).into_iter().filter(|&at| worth_a_look(&pairs[at])).collect();
        review.sort_by(|&a, &b| shown_first(&pairs[a], &pairs[b]));
        review.truncate(REVIEW_MAX);
    }
    (0..pairs.len())
        .map(|at| {
            let place = review.iter().position(|&shown| shown == at);
            let (verdict, rank) = match (winner, place) {
                (Some((winner, _)), _) if winner == at => (Verdict::Attach, Some(1)),
                (_, Some(place)) => (Verdict::Review, Some(place as u32 + 1)),
                _ => (Verdict::None, None),
            };
            let method = winner.filter(|&(winner, _)| winner == at).map_or_else(|| claim(&pairs[at]), |(_, m)| m);
            decision(pairs, at, verdict, rank, method)
        })
        .collect()
}

/// The pair that a person accepted; of several the best.
fn accepted(pairs: &[Pair]) -> Option<(usize, Method)> {
    let all = (0..pairs.len()).filter(|&at| pairs[at].answer == Some(true));
    best(pairs, all).map(|at| (at, Method::Person))
}

/// The pairs that no person answered.
fn open(pairs: &[Pair]) -> Vec<usize> {
    (0..pairs.len()).filter(|&at| pairs[at].answer.is_none()).collect()
}

/// The best of these pairs.
fn best(pairs: &[Pair], all: impl IntoIterator<Item = usize>) -> Option<usize> {
    all.into_iter().min_by(|&a, &b| preference(&pairs[a], &pairs[b]))
}

/// The pair that the rule proves, if it proves one.
fn proven(pairs: &[Pair]) -> Option<(usize, Method)> {
    let open = open(pairs);
    let recorded = recorded(pairs, &open);
    if let Recorded::Speaks(Some(winner)) = recorded {
        return Some(winner);
    }
    // Files may dispute which one was recorded, and yet only one of them makes the thumbnail.
    if let Some(at) = proven_by_recipe(pairs, &open).or_else(|| proven_with_record(pairs, &open)) {
        return Some((at, Method::Recipe));
    }
    if let Recorded::Speaks(None) = recorded {
        return None;
    }
    // A file with the recorded length and size is there but unproven: a name must not overtake it.
    if open.iter().any(|&at| pairs[at].agreement.bytes && pairs[at].agreement.size) {
        let only = |at: &usize| pairs[*at].agreement.bytes && proven_by_name(&pairs[*at]);
        return best(pairs, open.iter().copied().filter(only)).map(|at| (at, Method::Name));
    }
    best(pairs, open.into_iter().filter(|&at| proven_by_name(&pairs[at]))).map(|at| (at, Method::Name))
}

/// The method by which a proven pair is attached: that of the strongest tier that may, if one proves this very pair.
fn by_a_tier_that_may(pairs: &[Pair], at: usize, method: Method, tiers: &[Tier]) -> Method {
    let proves = |tier: Tier| match tier {
        Tier::Digest => pairs[at].agreement.digest,
        Tier::Bytes => proven_by_bytes(&pairs[at]) && undisputed(pairs, at),
        Tier::Name => proven_by_name(&pairs[at]),
        Tier::Recipe => {
            let open = open(pairs);
            proven_by_recipe(pairs, &open).or_else(|| proven_with_record(pairs, &open)) == Some(at)
        }
    };
    let may = |method: Method| tiers.iter().any(|tier| tier.method() == method);
    if may(method) {
        return method;
    }
    let others = tiers.iter().filter(|&&tier| tier.method() > method && proves(tier));
    others.map(|tier| tier.method()).min().unwrap_or(method)
}

/// What tiers 1 and 2 say.
enum Recorded {
    /// A digest or a length is some file's: this pair is proven by it, or, where files dispute it, none.
    Speaks(Option<(usize, Method)>),
    /// Nothing recorded is any file's.
    IsSilent,
}

/// Tiers 1 and 2, over the pairs that no person answered.
fn recorded(pairs: &[Pair], open: &[usize]) -> Recorded {
    if let Some(at) = best(pairs, open.iter().copied().filter(|&at| pairs[at].agreement.digest)) {
        return Recorded::Speaks(Some((at, Method::Digest)));
    }
    let claimants: Vec<usize> = open.iter().copied().filter(|&at| proven_by_bytes(&pairs[at])).collect();
    if claimants.is_empty() {
        return Recorded::IsSilent;
    }
    let undisputed: Vec<usize> = claimants.into_iter().filter(|&at| undisputed(pairs, at)).collect();
    // Two files cannot both be the recorded one.
    let one_content = undisputed.windows(2).all(|two| pairs[two[0]].image.digest == pairs[two[1]].image.digest);
    let named: Vec<usize> = undisputed.iter().copied().filter(|&at| pairs[at].agreement.name).collect();
    let chosen = if one_content || named.len() != 1 { undisputed } else { named };
    let settled = one_content || chosen.len() == 1;
    Recorded::Speaks(best(pairs, chosen).filter(|_| settled).map(|at| (at, Method::Bytes)))
}

/// The pair that stands whatever pixels and recipes say: a person's, or one that tiers 1 and 2 prove.
fn certain(pairs: &[Pair]) -> Option<usize> {
    let open = open(pairs);
    let by_record = || match recorded(pairs, &open) {
        Recorded::Speaks(winner) => winner,
        Recorded::IsSilent => None,
    };
    accepted(pairs).or_else(by_record).map(|(at, _)| at)
}

/// Tier 2, for one pair.
fn proven_by_bytes(pair: &Pair) -> bool {
    let Agreement { bytes, size, size_known, digest_differs, name_differs, .. } = pair.agreement;
    let Some(residual) = &pair.residual else { return false };
    // Another shot of the same camera may be as long by chance.
    let contradicted = digest_differs || name_differs || pair.agreement.taken_differs();
    let claims = bytes && (size || !size_known) && !contradicted && !pair.image.truncated;
    let named = pair.agreement.name_informs;
    // Where the pixels have to speak, there must be something to see.
    let close = |z_max: f32| residual.z() <= z_max && residual.detail >= BYTES_DETAIL_MIN;
    let agrees = match pair.image.storage {
        Storage::Uncompressed => pair.agreement.name && close(UNCOMPRESSED_Z_MAX),
        _ if size && named => residual.z() < BYTES_Z_MAX || residual.zncc > BYTES_NAMED_LIKENESS,
        _ if !pair.agreement.name && pair.image.bytes < BYTES_TELL_MIN => close(BYTES_ALONE_Z_MAX),
        _ if size || named => residual.z() < BYTES_Z_MAX || residual.zncc > BYTES_LIKENESS,
        _ => close(BYTES_ALONE_Z_MAX),
    };
    claims && agrees
}

/// Tier 2: no other content fits the record about as well, or the name settles it.
fn undisputed(pairs: &[Pair], at: usize) -> bool {
    if pairs[at].agreement.name {
        return true;
    }
    let Some(rival) = best_other(pairs, at, |pair| pair.residual) else { return true };
    let mine = pairs[at].residual.map_or(f32::INFINITY, |residual| residual.z());
    beaten(mine, rival)
}

/// Tier 2: a rival with the second residual is none to a candidate with the first.
fn beaten(mine: f32, rival: f32) -> bool {
    rival >= RIVAL_Z_MAX || mine < RIVAL_FACTOR * rival
}

/// Tier 4: the file that makes the record's thumbnail, if it alone does and makes no other.
fn proven_by_recipe(pairs: &[Pair], open: &[usize]) -> Option<usize> {
    let mut made: Vec<usize> = open.iter().copied().filter(|&at| pairs[at].reproduces == Some(true)).collect();
    if made.iter().any(|&at| pairs[at].told_by_name()) {
        made.retain(|&at| !pairs[at].agreement.name_differs);
    }
    let sound = |pair: &Pair| {
        let detailed = pair.detail >= RECIPE_DETAIL_MIN;
        let other_size = pair.telling.is_some_and(|residual| {
            // Some shops enlarge what is small; a file that is smaller than the thumbnail cannot be the thumbnail.
            enlarged(pair.image, &residual) || reduced(pair.image, &residual)
        });
        detailed
            && (pair.agreement.size || other_size)
            && !pair.image.truncated
            && !pair.agreement.name_differs
            && !pair.agreement.taken_differs()
            && !pair.reproduces_another
            // An edited file may come as near to a thumbnail of few tones as copies do.
            && (pair.reproduces_wholly || pair.close.is_some() || pair.telling.is_some_and(|residual| is_unedited(&residual)))
            && (pair.reproduces_wholly || pair.agreement.name && pair.agreement.size || !pair.resembles_anothers_copy)
            && (pair.reproduces_exactly || pair.told_by_name() || !has_family(pairs, pair))
    };
    let content = pairs[*made.first()?].content;
    let alone = made.iter().all(|&at| pairs[at].content == content);
    let contradicted = open.iter().any(|&at| pairs[at].content != content && contradicts(&pairs[at]));
    // What one copy has lost another may have kept.
    let best = best(pairs, made.into_iter().filter(|&at| sound(&pairs[at])));
    best.filter(|_| alone && !contradicted)
}

/// Whether frames of the same burst or film, or cards of one template, are about: another content resembles the record's
/// thumbnail, or the image that of another record. Then the right one may be a frame that was never sent, and frames that hardly moved
/// come as near as copies do, but seldom as near as originals.
fn has_family(pairs: &[Pair], pair: &Pair) -> bool {
    let is_sibling = |other: &Pair| {
        let resembles = other.telling.is_some_and(|residual| resembles(&residual));
        other.content != pair.content && resembles && !other.image.truncated
    };
    pair.has_siblings || pairs.iter().any(is_sibling)
}

/// A file with the recorded length and size speaks against every other content, whatever that makes, unless it plainly is
/// another picture, which has them by chance.
fn contradicts(pair: &Pair) -> bool {
    let (agreement, telling) = (&pair.agreement, &pair.telling);
    let resembles = telling.is_none_or(|residual| {
        residual.z() < BYTES_Z_MAX || residual.zncc > BYTES_LIKENESS || residual.detail < RECIPE_DETAIL_MIN
    });
    agreement.bytes && agreement.size && (agreement.name || resembles)
}

/// Tier 3, for one pair.
fn proven_by_name(pair: &Pair) -> bool {
    let agreement = &pair.agreement;
    let Some(residual) = &pair.telling else { return false };
    let claims = agreement.name_informs
        && agreement.aspect
        && (agreement.size || agreement.smaller || !agreement.size_known)
        && !agreement.taken_differs()
        && !pair.image.truncated;
    let close = residual.z_strict < NAME_Z_MAX
        && residual.z_fine < NAME_FINE_Z_MAX
        && is_unedited(residual)
        && residual.shift < NAME_SHIFT_MAX
        && residual.detail >= NAME_DETAIL_MIN
        && residual.turn < 4;
    claims && close && (agreement.size || enlarged(pair.image, residual))
}

/// True when no correction of colours would improve the fit: an edit changes them, a re-save does not.
fn is_unedited(residual: &Residual) -> bool {
    residual.colour_deviation < NAME_COLOUR_MAX
        && (residual.saturation - 1.0).abs() < NAME_SATURATION_MAX
        && (residual.contrast - 1.0).abs() < NAME_CONTRAST_MAX
}

/// True when the upload is clearly larger than the part of the thumbnail that shows it.
fn enlarged(image: &ImageFacts, residual: &Residual) -> bool {
    is_larger_by(NAME_ENLARGED_MIN, image, residual)
}

/// True when the upload is so many times as large as the part of the thumbnail that shows it.
fn is_larger_by(times: f64, image: &ImageFacts, residual: &Residual) -> bool {
    image.size.is_some_and(|(w, h)| f64::from(w.min(h)) >= times * f64::from(residual.side))
}

/// True when the upload is clearly smaller than the part of the thumbnail that shows it.
fn reduced(image: &ImageFacts, residual: &Residual) -> bool {
    image.size.is_some_and(|(w, h)| f64::from(w.min(h)) * NAME_ENLARGED_MIN <= f64::from(residual.side))
}

/// The smallest residual of any other content that was offered for the record and not refused by a person.
fn best_other(pairs: &[Pair], at: usize, residual: fn(&Pair) -> Option<Residual>) -> Option<f32> {
    let others = pairs.iter().filter(|other| other.content != pairs[at].content);
    let open = others.filter(|other| other.answer != Some(false) && !other.image.truncated);
    open.filter_map(|other| residual(other).map(|residual| residual.z())).min_by(f32::total_cmp)
}

/// The better of two right uploads first: recorded digest, recorded size, most pixels, least loss; then the smallest
/// digest and the smallest path, so that nothing depends on order of arrival.
pub fn preference_of(a: (&ImageFacts, &Agreement), b: (&ImageFacts, &Agreement)) -> Ordering {
    let key = |(image, agreement): (&ImageFacts, &Agreement)| {
        let pixels = image.size.map_or(0, |(w, h)| u64::from(w) * u64::from(h));
        (!agreement.digest, !(agreement.bytes && agreement.size), !agreement.size, Reverse(pixels), image.storage)
    };
    key(a).cmp(&key(b)).then_with(|| canonical(a.0).cmp(&canonical(b.0)))
}

fn preference(a: &Pair, b: &Pair) -> Ordering {
    preference_of((a.image, &a.agreement), (b.image, &b.agreement))
}

/// What names an image whatever its id: digest, page, smallest path.
fn canonical(image: &ImageFacts) -> (crate::domain::Digest, u32, Option<&Vec<u8>>) {
    (image.digest, image.page, image.paths.iter().min())
}

/// What speaks for a pair most, proven or not.
fn claim(pair: &Pair) -> Method {
    let agreement = &pair.agreement;
    match pair.answer {
        Some(_) => Method::Person,
        None if agreement.digest => Method::Digest,
        None if agreement.bytes && (agreement.size || !agreement.size_known) => Method::Bytes,
        None if agreement.name => Method::Name,
        None => Method::Pixels,
    }
}

/// The grade that an attachment of the pair has.
fn grade(pair: &Pair) -> Grade {
    let agreement = &pair.agreement;
    let at_least = pair.record.size.zip(pair.image.size).is_some_and(|(recorded, ours)| {
        ours.0.max(ours.1) >= recorded.0.max(recorded.1) && ours.0.min(ours.1) >= recorded.0.min(recorded.1)
    });
    let whole = at_least && !agreement.digest_differs && !pair.image.truncated;
    if agreement.digest || whole { Grade::Original } else { Grade::Copy }
}

/// Whether the recipe makes the record's thumbnail from another content than this one's, too.
fn another_makes_it(pairs: &[Pair], at: usize) -> bool {
    pairs.iter().any(|other| other.reproduces == Some(true) && other.content != pairs[at].content)
}

fn decision(pairs: &[Pair], at: usize, verdict: Verdict, rank: Option<u32>, method: Method) -> Decision {
    let pair = &pairs[at];
    let residual = pair.telling.map(|residual| residual.z()).filter(|z| z.is_finite());
    let margin = residual.zip(best_other(pairs, at, |pair| pair.telling)).map(|(mine, other)| other - mine);
    Decision {
        image: pair.image.id,
        record: pair.record.id,
        verdict,
        grade: grade(pair),
        method,
        rank,
        distance: pair.distance,
        residual,
        margin,
        reason: reason(pair, verdict, method, another_makes_it(pairs, at)),
    }
}
