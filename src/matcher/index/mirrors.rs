//! Mirror images measured together.
//!
//! Mirroring a picture changes the sign of its odd frequencies along one axis, so it flips half of the bits of its hash:
//! those of odd columns, of odd rows, or of both. With the bits sorted into four words by the parity of column and row,
//! the four words of one difference, counted, give the distances to all four mirror images: a flipped word of 64 bits
//! that differs in `n` differs in `64 - n`.
//!
//! Nearly: a hash compares frequencies with their median, which is not quite zero and moves with the signs, so a few bits
//! near it are otherwise. How many is known for each view once and for all ([`Group::slack`]); whatever comes within the
//! bound plus that many is measured exactly. Nothing is missed, whatever the views are; views that are no mirror images
//! of each other only cost more.

use crate::fingerprint::{Hash, Views};

/// Words that each mirror image flips.
pub(super) const FLIPPED: [[bool; 4]; 4] =
    [[false, false, false, false], [false, true, true, false], [true, false, true, false], [true, true, false, false]];

/// A view further than this from the mirror images of another is measured for itself. Views of one picture stay below
/// 40 nearly always; beyond, so many thumbnails would have to be measured twice that nothing is gained.
const SLACK_MAX: u32 = 40;

/// Stands for a mirror image that no view is: puts it out of every bound.
const NOBODY: i16 = -1_000;

/// Views that are nearly mirror images of one of them.
#[derive(Debug)]
pub(super) struct Group {
    /// That one, its bits sorted.
    pub leader: [u64; 4],
    /// For each mirror image of the leader, by how many bits the views that are nearly it may be nearer than it.
    pub slack: [i16; 4],
    /// All of them, the leader too, their bits sorted.
    members: Vec<[u64; 4]>,
}

impl Group {
    /// The distance from the nearest view of the group.
    pub fn distance(&self, thumbnail: &[u64; 4]) -> u16 {
        self.members.iter().map(|member| distance(member, thumbnail)).min().unwrap_or(u32::MAX).min(256) as u16
    }
}

/// The views that speak, in groups.
pub(super) fn groups(views: &Views) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for view in views.0.iter().filter(|view| view.speaks()) {
        let member = sorted_bits(&view.hash);
        let joined = groups.iter_mut().find_map(|group| {
            let slack = |image: usize| (distance(&mirrored(&group.leader, image), &member), image);
            let (slack, image) = (0..4).map(slack).min()?;
            (slack <= SLACK_MAX).then_some((group, slack as i16, image))
        });
        match joined {
            Some((group, slack, image)) => {
                group.slack[image] = group.slack[image].max(slack);
                group.members.push(member);
            }
            None => groups.push(Group { leader: member, slack: [0, NOBODY, NOBODY, NOBODY], members: vec![member] }),
        }
    }
    groups
}

fn distance(a: &[u64; 4], b: &[u64; 4]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum()
}

fn mirrored(words: &[u64; 4], image: usize) -> [u64; 4] {
    std::array::from_fn(|word| if FLIPPED[image][word] { !words[word] } else { words[word] })
}

/// The bits of a hash by the parity of their frequency's column (counts 1) and row (counts 2).
pub(super) fn sorted_bits(hash: &Hash) -> [u64; 4] {
    // A word of a hash holds four rows of sixteen columns; this is every second column of every second row.
    const EVEN: u64 = 0xaaaa_0000_aaaa_0000;
    let [a, b, c, d] = hash.0;
    std::array::from_fn(|parity| {
        let shift = (parity & 1) + 16 * (parity >> 1);
        let of = |word: u64| (word << shift) & EVEN;
        of(a) | of(b) >> 1 | of(c) >> 16 | of(d) >> 17
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Limits, Scale, decode};
    use crate::fingerprint::{SKETCH_PX, of_upload};

    #[test]
    fn sorting_bits_loses_none() {
        let all: Vec<[u64; 4]> = (0..256)
            .map(|bit| {
                let mut hash = [0; 4];
                hash[bit / 64] = 1 << (bit % 64);
                sorted_bits(&Hash(hash))
            })
            .collect();
        assert!(all.iter().all(|sorted| sorted.iter().map(|word| word.count_ones()).sum::<u32>() == 1));
        let together = all.iter().fold([0u64; 4], |a, b| std::array::from_fn(|word| a[word] | b[word]));
        assert_eq!(together, [u64::MAX; 4]);
    }

    #[test]
    fn a_picture_and_its_mirror_images_are_one_group() {
        for name in ["harbour", "lemons", "card-1", "smile-1"] {
            let path = format!("{}/fixtures/originals/{name}.jpg", env!("CARGO_MANIFEST_DIR"));
            let picture = decode(&std::fs::read(path).unwrap(), Scale::Sketch(SKETCH_PX), &Limits::default()).unwrap();
            let views = of_upload(&picture.renderings);
            assert!(views.0.len() >= 24, "{name}");
            let groups = groups(&views);
            // Each of the squares, upright and turned by a quarter.
            assert_eq!(groups.len() * 4, views.0.len(), "{name}: {groups:?}");
            assert!(groups.iter().all(|group| group.members.len() == 4), "{name}: {groups:?}");
        }
    }
}
