//! What people's answers settle beyond the pairs that they were given for, and where they contradict each other.
//!
//! An answer is about a picture, not about a file: what is not the picture of a record is not so in any copy, nor for
//! another record that lost the same original; and a picture accepted for a record is the picture of every record that lost
//! the same original. It settles no more than that. A thumbnail file that two records share does not make them one: frames of
//! a film may have identical thumbnails.

use std::collections::{BTreeMap, BTreeSet};

use super::super::facts::{Facts, RecordFacts};
use super::pair::{Pair, pairs_of};
use crate::domain::{ImageId, RecordId};

/// Answers of which at most one can be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contradiction {
    /// Two different pictures were accepted for one original.
    TwoPictures {
        /// The records that lost it, one or two.
        records: (RecordId, RecordId),
        /// The pictures.
        images: (ImageId, ImageId),
    },
    /// A picture was accepted and, as this file or a copy of it, refused for one original.
    AcceptedAndRefused {
        /// The record for which it was accepted, and the one for which it was refused.
        records: (RecordId, RecordId),
        /// What was accepted, and what was refused.
        images: (ImageId, ImageId),
    },
    /// One picture was accepted for records that lost different originals, as their recorded digests or proportions say.
    OnePictureForTwo {
        /// The records.
        records: (RecordId, RecordId),
        /// What was accepted for each.
        images: (ImageId, ImageId),
    },
}

/// An answer as a person gave it.
struct Given<'a> {
    record: &'a RecordFacts,
    image: ImageId,
    content: usize,
    accepted: bool,
}

fn given<'a>(pairs: &BTreeMap<RecordId, Vec<Pair<'a>>>) -> Vec<Given<'a>> {
    let answered = pairs.values().flatten().filter_map(|pair| Some((pair, pair.answer?)));
    answered
        .map(|(pair, accepted)| Given { record: pair.record, image: pair.image.id, content: pair.content, accepted })
        .collect()
}

/// Extends each answer to what it settles. Where that would contradict what a person said of the very pair, that stands;
/// what is settled both ways stays open.
pub(super) fn extend(pairs: &mut BTreeMap<RecordId, Vec<Pair>>) {
    let given = given(pairs);
    if given.is_empty() {
        return;
    }
    for (record, pairs) in pairs.iter_mut() {
        let of_this = |answer: &&Given| answer.record.id == *record || answer.record.lost_the_same(pairs[0].record);
        let answers: Vec<&Given> = given.iter().filter(of_this).collect();
        let is_accepted = pairs.iter().any(|pair| pair.answer == Some(true));
        for pair in pairs.iter_mut().filter(|pair| pair.answer.is_none()) {
            let said: BTreeSet<bool> =
                answers.iter().filter(|answer| answer.content == pair.content).map(|answer| answer.accepted).collect();
            pair.answer = match said.into_iter().collect::<Vec<_>>()[..] {
                [false] => Some(false),
                // The file that a person chose for this very record is not exchanged for a copy.
                [true] if !is_accepted => Some(true),
                _ => continue,
            };
            pair.is_implied = true;
        }
    }
}

/// Which answers contradict each other, in the order of records and images.
pub fn contradictions(facts: &Facts) -> Vec<Contradiction> {
    let given = given(&pairs_of(facts));
    let mut found = BTreeSet::new();
    for (nth, a) in given.iter().enumerate() {
        for b in &given[nth + 1..] {
            let one_original = a.record.id == b.record.id || a.record.lost_the_same(b.record);
            let one_picture = a.content == b.content;
            let ((records, images), both) =
                (((a.record.id, b.record.id), (a.image, b.image)), a.accepted && b.accepted);
            if both && one_original && !one_picture {
                found.insert(Contradiction::TwoPictures { records, images });
            } else if both && one_picture && differ(a.record, b.record) {
                found.insert(Contradiction::OnePictureForTwo { records, images });
            } else if a.accepted != b.accepted && one_original && one_picture {
                let (yes, no) = if a.accepted { (a, b) } else { (b, a) };
                let (records, images) = ((yes.record.id, no.record.id), (yes.image, no.image));
                found.insert(Contradiction::AcceptedAndRefused { records, images });
            }
        }
    }
    found.into_iter().collect()
}

/// Whether two records say that they lost different originals: other digests, or other proportions than one picture has.
fn differ(a: &RecordFacts, b: &RecordFacts) -> bool {
    let digests = a.sha256.zip(b.sha256).is_some_and(|(a, b)| a != b) || a.md5.zip(b.md5).is_some_and(|(a, b)| a != b);
    let ratio = |(w, h): (u32, u32)| f64::from(w.max(h)) / f64::from(w.min(h).max(1));
    // A copy's own rounding moves its proportions by less than this.
    let proportions = a.size.zip(b.size).is_some_and(|(a, b)| (ratio(a) / ratio(b)).ln().abs() > 0.05);
    digests || proportions
}

#[cfg(test)]
mod tests {
    use super::super::tests::{attached, compared, image, measured, record};
    use super::super::{Tier, decide, rivals};
    use super::*;
    use crate::domain::Verdict;
    use crate::matcher::content::Likeness;
    use crate::matcher::facts::{Answer, ImageFacts};

    /// Records 1 and 2 lost the same original, record 3 another; images 1 and 2 show one picture, the former larger, image 3
    /// another one.
    fn shop(answers: &[(i64, i64, bool)]) -> Facts {
        let same =
            |id| RecordFacts { bytes: Some(5), size: Some((40, 30)), filename: Some("a.jpg".into()), ..record(id) };
        let pairs = (1..=3).flat_map(|record| (1..=3).map(move |image| measured(image, record, 2.0)));
        Facts {
            records: vec![same(1), same(2), RecordFacts { size: Some((30, 30)), ..record(3) }],
            images: vec![ImageFacts { size: Some((5000, 3750)), ..image(1) }, image(2), image(3)],
            candidates: pairs.collect(),
            answers: answers
                .iter()
                .map(|&(image, record, accepted)| Answer { image: ImageId(image), record: RecordId(record), accepted })
                .collect(),
            compared: vec![
                compared(1, 2, Likeness::Same),
                compared(1, 3, Likeness::Different),
                compared(2, 3, Likeness::Different),
            ],
        }
    }

    fn asked(facts: &Facts) -> Vec<(i64, i64)> {
        let asked = decide(facts, &Tier::ALL).into_iter().filter(|decision| decision.verdict == Verdict::Review);
        let mut asked: Vec<_> = asked.map(|decision| (decision.record.0, decision.image.0)).collect();
        asked.sort_unstable();
        asked
    }

    #[test]
    fn a_refusal_holds_for_copies_and_for_records_that_lost_the_same() {
        assert_eq!(asked(&shop(&[])).len(), 9);
        assert_eq!(asked(&shop(&[(1, 1, false)])), [(1, 3), (2, 3), (3, 1), (3, 2), (3, 3)]);
    }

    #[test]
    fn an_acceptance_holds_for_records_that_lost_the_same_and_for_no_other() {
        let facts = shop(&[(2, 1, true)]);
        let images: Vec<_> = attached(&facts).into_iter().map(|(image, record, _)| (record, image)).collect();
        // The chosen file for the record asked about; the best copy for the other one.
        assert_eq!(images, [(1, 2), (2, 1)]);
        assert_eq!(asked(&facts), [(3, 1), (3, 2), (3, 3)]);
    }

    #[test]
    fn what_a_person_said_of_the_very_pair_stands() {
        let facts = shop(&[(1, 1, false), (2, 1, true)]);
        assert!(attached(&facts).iter().any(|&(image, record, _)| (image, record) == (2, 1)));
        let records = (RecordId(1), RecordId(1));
        let images = (ImageId(2), ImageId(1));
        assert_eq!(contradictions(&facts), [Contradiction::AcceptedAndRefused { records, images }]);
        // For the other record both are said: it stays open.
        assert!(attached(&facts).iter().all(|&(_, record, _)| record != 2));
    }

    #[test]
    fn contradictions_are_found() {
        assert_eq!(contradictions(&shop(&[(1, 1, true), (2, 2, true), (3, 3, true), (3, 1, false)])), []);
        let two = contradictions(&shop(&[(1, 1, true), (3, 2, true)]));
        assert!(matches!(two[..], [Contradiction::TwoPictures { .. }]), "{two:?}");
        let one_for_two = contradictions(&shop(&[(1, 1, true), (2, 3, true)]));
        assert!(matches!(one_for_two[..], [Contradiction::OnePictureForTwo { .. }]), "{one_for_two:?}");
    }

    #[test]
    fn whether_a_refused_picture_has_copies_is_asked() {
        let mut facts = shop(&[(1, 3, false)]);
        facts.compared.clear();
        let asked: Vec<_> = rivals(&facts).into_iter().collect();
        assert_eq!(asked.len(), 2, "the refused one with each of the others: {asked:?}");
    }
}
