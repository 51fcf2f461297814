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

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (0i64..20, fingerprint());
    prop::collection::vec(entry, 0..40).prop_map(|all| {
        let entry = |(record, fingerprint)| Entry { name: format!("R{record}"), record: RecordId(record), fingerprint };
        all.into_iter().map(entry).collect()
    })
}

proptest! {
    #[test]
    fn the_index_equals_brute_force(
        entries in entries(), views in prop::collection::vec(fingerprint(), 0..5), radius in 0u16..100, most in 1usize..8,
    ) {
        let mut best = std::collections::BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.fingerprint.speaks()) {
            for view in views.iter().filter(|view| view.speaks()) {
                let distance = view.hash.distance(&entry.fingerprint.hash);
                let least = best.entry((entry.name.clone(), entry.record)).or_insert(u16::MAX);
                *least = distance.min(*least);
            }
        }
        let mut all: Vec<_> = best.into_iter().filter(|&(_, d)| d <= radius).map(|((n, r), d)| (d, n, r)).collect();
        all.sort();
        let expected: Vec<Near> =
            all.into_iter().take(most).map(|(distance, _, record)| Near { record, distance }).collect();
        let views = Views(views);
        let index = Index::new(entries.clone());
        prop_assert_eq!(index.nearest(&views, radius, most), expected);
        let mut shuffled = entries;
        shuffled.reverse();
        prop_assert_eq!(Index::new(shuffled).nearest(&views, radius, most), index.nearest(&views, radius, most));
    }

    #[test]
    fn many_questions_are_answered_like_one(entries in entries(), view in fingerprint()) {
        let (index, views, none) = (Index::new(entries), Views(vec![view]), Views::default());
        let all = index.nearest_all(&[&views, &none], RADIUS, NEAREST_MAX);
        prop_assert_eq!(all, vec![index.nearest(&views, RADIUS, NEAREST_MAX), vec![]]);
    }
}
