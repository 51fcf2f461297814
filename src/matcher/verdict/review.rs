//! What a person is shown of a record that the rule leaves open, and in which order.
//!
//! It proves nothing: whatever stands here was weighed by the rule and found open. Of 562 lists of real pictures with the right
//! file in them 554 have it first, and of 233 of a shop whose films hardly move, which was left out when the factors were
//! chosen, 225 (`benches/alone.rs` counts them).

use std::cmp::Ordering;

use super::super::taken::Taken;
use super::super::verify::Residual;
use super::pair::Pair;
use super::{BYTES_Z_MAX, Method, claim, is_unedited, preference};

/// A residual below this, or a correlation above [`REVIEW_LIKENESS`], is worth a person's look.
const REVIEW_Z_MAX: f32 = 10.0;
/// An edited copy is shown behind what nobody touched and is no further away than this many times as much.
const EDITED_FACTOR: f32 = 2.0;
/// See [`REVIEW_Z_MAX`].
const REVIEW_LIKENESS: f32 = 0.97;
/// With the recorded name, or the very time, a correlation above this is worth a look.
const REVIEW_NAMED_LIKENESS: f32 = 0.85;
/// Rows for one record at most; a person does not read further.
pub const REVIEW_MAX: usize = 8;

/// True when a person should see the pair.
pub(super) fn worth_a_look(pair: &Pair) -> bool {
    if pair.agreement.digest || claim(pair) == Method::Bytes {
        return true;
    }
    let Some(residual) = &pair.telling else { return pair.agreement.name_informs };
    let named = pair.agreement.name || pair.agreement.taken == Some(Taken::Same);
    let named = named && residual.zncc > REVIEW_NAMED_LIKENESS;
    // A copy of transparent art may lie on another ground than the thumbnail, and nothing of it is alike.
    let transparent = pair.record.filename.as_deref().is_some_and(may_be_transparent);
    resembles(residual) || named || (transparent && pair.agreement.name && pair.agreement.size)
}

/// True for the name of a picture that may be transparent, by its ending.
fn may_be_transparent(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    ["png", "gif", "webp", "tif", "tiff", "psd", "svg"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// True when the pixels alone are worth a closer look.
pub fn resembles(residual: &Residual) -> bool {
    residual.z() < REVIEW_Z_MAX || residual.zncc > REVIEW_LIKENESS
}

/// A file of which the shop's recipe makes another thumbnail counts as so many times as far; one of which it makes nearly this
/// one, as a little farther by what is left unexplained.
const MADE_ANOTHER_FACTOR: f32 = 2.0;

/// The order of a review list: claims by length first, unless something contradicts them, then by residual, which counts for less
/// where name or time of taking agree, and for more where proportions, name, time or the recipe contradict, or the colours say that
/// somebody edited it.
pub(super) fn shown_first(a: &Pair, b: &Pair) -> Ordering {
    let key = |pair: &Pair| {
        let z = pair.telling.map_or(f32::INFINITY, |residual| residual.z());
        let agreement = &pair.agreement;
        let is_edited = pair.telling.is_some_and(|residual| !is_unedited(&residual));
        let z = if is_edited { z * EDITED_FACTOR } else { z };
        // The file makes the very thumbnail, though others do as well or something contradicts.
        let z = if pair.reproduces == Some(true) { z * 0.3 } else { z };
        let z = match (pair.reproduces, pair.close) {
            (None, _) => z,
            (Some(_), Some(fit)) => z * (1.0 + fit.hz),
            (Some(_), None) => z * MADE_ANOTHER_FACTOR,
        };
        let z = if agreement.name { z * 0.6 } else { z };
        let z = if agreement.size_known && !agreement.aspect { z * 1.5 } else { z };
        let z = if agreement.name_differs { z * 1.5 } else { z };
        let z = match agreement.taken {
            Some(Taken::Same) => z * 0.6,
            Some(Taken::InAnotherZone) => z * 0.8,
            Some(Taken::Other) => z * 1.5,
            None => z,
        };
        let differs = pair.telling.is_some_and(|residual| residual.z() >= BYTES_Z_MAX);
        let contradicted = agreement.name_differs || agreement.taken_differs() || differs;
        (claim(pair) != Method::Bytes || contradicted, z)
    };
    let ((a_claim, a_z), (b_claim, b_z)) = (key(a), key(b));
    a_claim.cmp(&b_claim).then(a_z.total_cmp(&b_z)).then_with(|| preference(a, b))
}
