use proptest::prelude::*;

use super::*;
use crate::fingerprint::Hash;

/// Fingerprints that lie near one another, some of them too plain to speak.
fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    (prop::collection::vec(0u8..=255, 0..60), 0u8..100).prop_map(|(flips, quality)| {
        let mut hash = [0u64; 4];
        flips.into_iter().for_each(|bit| hash[usize::from(bit / 64)] ^= 1 << (bit % 64));
        Fingerprint { hash: Hash(hash), quality }
    })
}

/// Views of which some are mirror images of each other, but for a few bits, as those of real pictures are.
fn views() -> impl Strategy<Value = Views> {
    let columns = 0xaaaa_aaaa_aaaa_aaaa;
    let rows = 0xffff_0000_ffff_0000;
    let flips = prop::sample::select(vec![0, columns, rows, columns ^ rows]);
    let view = (0usize..2, flips, prop::collection::vec(0u8..=255, 0..20), 0u8..100);
    (prop::collection::vec(fingerprint(), 2), prop::collection::vec(view, 0..6)).prop_map(|(pictures, views)| {
        let view = |(picture, flip, noise, quality): (usize, u64, Vec<u8>, u8)| {
            let mut hash = pictures[picture].hash.0.map(|word| word ^ flip);
            noise.into_iter().for_each(|bit| hash[usize::from(bit / 64)] ^= 1 << (bit % 64));
            Fingerprint { hash: Hash(hash), quality }
        };
        Views(views.into_iter().map(view).collect())
    })
}

/// Thumbnails as name, record and fingerprint.
type Thumbnails = Vec<(String, i64, Fingerprint)>;

fn thumbnails() -> impl Strategy<Value = Thumbnails> {
    let thumbnail = (0i64..20, fingerprint());
    prop::collection::vec(thumbnail, 0..40).prop_map(|all| {
        all.into_iter().map(|(record, fingerprint)| (format!("R{record}"), record, fingerprint)).collect()
    })
}

fn index<'a>(thumbnails: impl IntoIterator<Item = &'a (String, i64, Fingerprint)>) -> Index {
    Index::new(thumbnails.into_iter().map(|(name, record, fingerprint)| Entry {
        name,
        record: RecordId(*record),
        fingerprint: *fingerprint,
    }))
}

/// What the search is to find, as one would write it down first.
fn brute_force(thumbnails: &Thumbnails, views: &Views, radius: u16, most: usize) -> Vec<Near> {
    let mut best = std::collections::BTreeMap::new();
    for (name, record, fingerprint) in thumbnails {
        if let Some(distance) = views.distance(std::slice::from_ref(fingerprint)) {
            let least = best.entry((name, record)).or_insert(u16::MAX);
            *least = distance.min(*least);
        }
    }
    let mut all: Vec<_> = best.into_iter().filter(|&(_, d)| d <= radius).map(|((n, r), d)| (d, n, r)).collect();
    all.sort();
    all.into_iter().take(most).map(|(distance, _, record)| Near { record: RecordId(*record), distance }).collect()
}

proptest! {
    #[test]
    fn the_index_equals_brute_force(
        thumbnails in thumbnails(), views in views(), radius in 0u16..160, most in 0usize..8,
    ) {
        let found = index(&thumbnails).nearest(&views, radius, most);
        prop_assert_eq!(&found, &brute_force(&thumbnails, &views, radius, most));
        prop_assert_eq!(index(thumbnails.iter().rev()).nearest(&views, radius, most), found);
    }

    #[test]
    fn many_questions_are_answered_like_one(thumbnails in thumbnails(), views in views()) {
        let (index, none) = (index(&thumbnails), Views::default());
        let all = index.nearest_all(&[&views, &none], RADIUS, NEAREST_MAX);
        prop_assert_eq!(all, vec![index.nearest(&views, RADIUS, NEAREST_MAX), vec![]]);
    }
}

/// More than one block, and more within reach than is kept at once, so that the bound comes down on the way.
#[test]
fn the_nearest_of_thousands_are_those_of_brute_force() {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut hash = |bits: u64| {
        let mut hash = [0u64; 4];
        (0..bits).for_each(|_| hash[(random() % 4) as usize] |= 1 << (random() % 64));
        Fingerprint { hash: Hash(hash), quality: 50 }
    };
    let thumbnails: Thumbnails =
        (0..3_000).map(|at| (format!("R{:04}", at * 7 % 2_900), at * 7 % 2_900, hash(60))).collect();
    let views = Views((0..5).map(|_| hash(40)).collect());
    let expected = brute_force(&thumbnails, &views, RADIUS, NEAREST_MAX);
    assert_eq!(expected.len(), NEAREST_MAX);
    assert_eq!(index(&thumbnails).nearest(&views, RADIUS, NEAREST_MAX), expected);
}
