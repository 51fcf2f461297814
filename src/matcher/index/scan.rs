//! The inner loop of the search: a block of thumbnails against one view and its mirror images.

use super::mirrors::FLIPPED;

/// For each thumbnail, the least it can be away from the views of a group: the distance to a mirror image of the `leader`
/// less the `slack` of that image, the smallest of the four.
pub(super) fn least(words: [&[u64]; 4], leader: &[u64; 4], slack: &[i16; 4], least: &mut [i16]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
    {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { least_avx512(words, leader, slack, least) };
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has what the function was compiled for.
        return unsafe { least_avx2(words, leader, slack, least) };
    }
    least_plainly(words, leader, slack, least);
}

/// The same compiled for processors that count the bits of eight words with one instruction.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vpopcntdq,avx512bw,avx512vl,popcnt")]
fn least_avx512(words: [&[u64]; 4], leader: &[u64; 4], slack: &[i16; 4], least: &mut [i16]) {
    least_plainly(words, leader, slack, least);
}

/// The same compiled for those that count the bits of several words at once.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn least_avx2(words: [&[u64]; 4], leader: &[u64; 4], slack: &[i16; 4], least: &mut [i16]) {
    least_plainly(words, leader, slack, least);
}

/// Written so that compilers turn it into vector instructions: slices of one length, no branches, 16-bit counts.
#[inline(always)]
fn least_plainly(words: [&[u64]; 4], leader: &[u64; 4], slack: &[i16; 4], least: &mut [i16]) {
    let words = words.map(|words| &words[..least.len()]);
    // A flipped word counts 64 less what differs: the sign here, the sum of the 64s into what is added.
    let added: [i16; 4] = std::array::from_fn(|image| {
        64 * FLIPPED[image].iter().filter(|&&flipped| flipped).count() as i16 - slack[image]
    });
    for (at, least) in least.iter_mut().enumerate() {
        let [a, b, c, d]: [i16; 4] = std::array::from_fn(|word| (words[word][at] ^ leader[word]).count_ones() as i16);
        let upright = (a + d + (b + c) + added[0]).min(a + d - (b + c) + added[1]);
        let mirrored = (d - a + (b - c) + added[2]).min(d - a - (b - c) + added[3]);
        *least = upright.min(mirrored);
    }
}

/// Calls `take` with every place at which `least` is within `bound`.
pub(super) fn each_within(least: &[i16], bound: u16, mut take: impl FnMut(usize)) {
    // Few are, so several are asked at once.
    const ASKED: usize = 16;
    let bound = bound.min(i16::MAX as u16) as i16;
    for (group, least) in least.chunks(ASKED).enumerate() {
        if least.iter().fold(i16::MAX, |a, &b| a.min(b)) <= bound {
            let within = least.iter().enumerate().filter(|&(_, &least)| least <= bound);
            within.for_each(|(at, _)| take(group * ASKED + at));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mirror_image_is_measured(thumbnails in prop::collection::vec(any::<[u64; 4]>(), 0..70), leader: [u64; 4]) {
            let words: [Vec<u64>; 4] = std::array::from_fn(|word| thumbnails.iter().map(|words| words[word]).collect());
            let words = words.each_ref().map(Vec::as_slice);
            let mut found = vec![0; thumbnails.len()];
            let slack = [3, 0, -20, 7];
            least(words, &leader, &slack, &mut found);
            let mut plain = vec![0; thumbnails.len()];
            least_plainly(words, &leader, &slack, &mut plain);
            for (at, thumbnail) in thumbnails.iter().enumerate() {
                let image = |image: usize| -> i16 {
                    let differ = |word: usize| {
                        let flip = if FLIPPED[image][word] { u64::MAX } else { 0 };
                        (thumbnail[word] ^ leader[word] ^ flip).count_ones() as i16
                    };
                    (0..4).map(differ).sum::<i16>() - slack[image]
                };
                prop_assert_eq!(found[at], (0..4).map(image).min().unwrap());
                prop_assert_eq!(plain[at], found[at]);
            }
            let mut within = Vec::new();
            each_within(&found, 100, |at| within.push(at));
            let expected: Vec<usize> = (0..found.len()).filter(|&at| found[at] <= 100).collect();
            prop_assert_eq!(within, expected);
        }
    }
}
