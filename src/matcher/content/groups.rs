//! From compared pairs to contents.
//!
//! A content has a hub: one image that all its others were found the same as. And nobody in it is different from anybody.
//! So a chain of small steps from frame to frame never becomes one content, and a pair that was not compared, or that could
//! not be told, neither joins nor parts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Likeness};
use crate::domain::Digest;

/// What names an image whatever its id: the digest of its file, and its page.
pub type ImageKey = (Digest, u32);

/// A pair and what was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// One image.
    pub a: ImageKey,
    /// The other.
    pub b: ImageKey,
    /// What was found.
    pub comparison: Comparison,
}

/// Images of one content, in order; one alone is a content too.
pub type Group = Vec<ImageKey>;

/// The contents of one customer: every image in exactly one, in the order of their first images.
///
/// A function of the sets of images and pairs: neither their order nor which of a pair comes first matters. Pairs with an
/// image that is not among `images` are left out. Two findings about one pair should not be; the more cautious counts.
///
/// The closest pairs are joined first, so that where siblings and copies are tangled, the copies find each other.
pub fn groups(images: &[ImageKey], compared: &[Compared]) -> Vec<Group> {
    let keys: Vec<ImageKey> = images.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let found = findings(&keys, compared);
    let mut joins: Vec<(f32, usize, usize)> = found
        .iter()
        .filter(|(_, (likeness, _))| *likeness == Likeness::Same)
        .map(|(&(a, b), &(_, lz))| (lz, a, b))
        .collect();
    joins.sort_by(|x, y| x.0.total_cmp(&y.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let mut home: Vec<usize> = (0..keys.len()).collect();
    let mut members: Vec<Vec<usize>> = home.iter().map(|&at| vec![at]).collect();
    for (_, a, b) in joins {
        let (into, from) = (home[a].min(home[b]), home[a].max(home[b]));
        if into == from {
            continue;
        }
        let joined: Vec<usize> = members[into].iter().chain(&members[from]).copied().collect();
        if is_one_content(&joined, &found) {
            joined.iter().for_each(|&at| home[at] = into);
            members[from].clear();
            members[into] = joined;
        }
    }
    let mut out: Vec<Group> = members
        .into_iter()
        .filter(|group| !group.is_empty())
        .map(|mut group| {
            group.sort_unstable();
            group.into_iter().map(|at| keys[at]).collect()
        })
        .collect();
    out.sort_unstable();
    out
}

type Findings = BTreeMap<(usize, usize), (Likeness, f32)>;

/// What was found about each pair, by the places of its images.
fn findings(keys: &[ImageKey], compared: &[Compared]) -> Findings {
    let mut found = Findings::new();
    for pair in compared {
        let (Ok(a), Ok(b)) = (keys.binary_search(&pair.a), keys.binary_search(&pair.b)) else { continue };
        if a == b {
            continue;
        }
        let new = (pair.comparison.likeness, pair.comparison.lz);
        let old = found.entry((a.min(b), a.max(b))).or_insert(new);
        if new.0.cmp(&old.0).then(new.1.total_cmp(&old.1)).is_gt() {
            *old = new;
        }
    }
    found
}

/// True when one of the images is the same as all others, and no two are different.
fn is_one_content(images: &[usize], found: &Findings) -> bool {
    let likeness = |a: usize, b: usize| found.get(&(a.min(b), a.max(b))).map(|(likeness, _)| *likeness);
    let hub = |hub: &usize| images.iter().all(|other| other == hub || likeness(*hub, *other) == Some(Likeness::Same));
    let parted =
        |(at, &a): (usize, &usize)| images[at + 1..].iter().any(|&b| likeness(a, b) == Some(Likeness::Different));
    images.iter().any(hub) && !images.iter().enumerate().any(parted)
}
