//! Tier 4 where what was recorded says the same: a file that was recorded by length or name, and that makes the record's
//! thumbnail as closely as a copy does that has lost much.
//!
//! Alone, such closeness is no proof, since frames of a film come as near; with the recorded length, or with a name that no
//! other of the customer's records has, it leaves only what would have to be equally named *and* equally looking. An edited
//! file has both; what tells it is that its tone or its cut has changed all over ([`Fit::tone`], [`Fit::d`]).
//!
//! [`Fit::tone`]: crate::recipe::Fit::tone
//! [`Fit::d`]: crate::recipe::Fit::d

use super::super::facts::Storage;
use super::pair::Pair;
use super::{BYTES_DETAIL_MIN, BYTES_TELL_MIN, best, contradicts, is_larger_by};

/// A thumbnail with less contrast than this, in levels, confirms no name, however informative, of a smaller copy.
const DETAIL_MIN: f32 = 3.0;
/// A copy has to be so many times as large as what the thumbnail shows of it: else it may be the thumbnail.
const LARGER_MIN: f64 = 1.05;
/// A name that many pictures of this world have ("logo"): the thumbnail has to be made more closely, in levels...
const PLAIN_D_MAX: f32 = 3.0;
/// ...and relative to its gradients...
const PLAIN_HZ_MAX: f32 = 1.5;
/// ...and there must be something to see on it.
const PLAIN_DETAIL_MIN: f32 = 8.0;

/// What was recorded and is the file's; the strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// Length and size.
    Length,
    /// A name that tells pictures apart.
    Name,
    /// A name that does not, but that no other record of the customer has; and the size, or a smaller copy's proportions.
    PlainName,
}

/// The pair that recipe and record prove together, of those that no person answered.
pub(super) fn proven_with_record(pairs: &[Pair], open: &[usize]) -> Option<usize> {
    let claims = || open.iter().filter_map(|&at| Some((claim(&pairs[at])?, at)));
    let strongest = claims().map(|(claim, _)| claim).min()?;
    let claimants: Vec<usize> = claims().filter(|(claim, _)| *claim == strongest).map(|(_, at)| at).collect();
    let content = pairs[*claimants.first()?].content;
    // Of files that were recorded as this one only one can be it. What else makes the thumbnail is a rival of a name, unless
    // its own name says that it is another picture; against a length it says nothing.
    let rivals = |at: usize| {
        let other = &pairs[at];
        let makes_it = strongest != Claim::Length && other.reproduces == Some(true) && !other.agreement.name_differs;
        other.content != content && (claimants.contains(&at) || makes_it || contradicts(other))
    };
    let unrivalled = !open.iter().any(|&at| rivals(at));
    best(pairs, claimants).filter(|_| unrivalled)
}

/// What was recorded of this very file, if the recipe makes the thumbnail from it closely enough to believe that.
fn claim(pair: &Pair) -> Option<Claim> {
    let (agreement, fit, telling) = (&pair.agreement, pair.close?, pair.telling?);
    if pair.image.truncated || agreement.taken_differs() || pair.reproduces_another {
        return None;
    }
    let compressed = pair.image.storage != Storage::Uncompressed;
    let tells = agreement.name || pair.image.bytes >= BYTES_TELL_MIN || pair.detail >= BYTES_DETAIL_MIN;
    let whole = agreement.size || !agreement.size_known && agreement.name;
    if agreement.bytes && whole && !agreement.digest_differs && !agreement.name_differs && compressed && tells {
        return Some(Claim::Length);
    }
    let is_copy = agreement.smaller && agreement.aspect || !agreement.size_known;
    let of_the_size = agreement.size || is_copy && is_larger_by(LARGER_MIN, pair.image, &telling);
    // With the recorded size, an informative name tells even an empty page from all others.
    if agreement.name_informs && of_the_size && (pair.detail >= DETAIL_MIN || agreement.size) {
        return Some(Claim::Name);
    }
    let closely = fit.d <= PLAIN_D_MAX && fit.hz <= PLAIN_HZ_MAX && pair.detail >= PLAIN_DETAIL_MIN;
    (agreement.name_is_only && agreement.size_known && of_the_size && closely).then_some(Claim::PlainName)
}
