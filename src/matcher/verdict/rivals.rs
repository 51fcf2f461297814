//! Which images have to be compared closely before the rule can decide.

use std::collections::BTreeSet;

use super::super::content::ImageKey;
use super::super::facts::Facts;
use super::pair::{Pair, by_record, key_of};
use super::{accepted, beaten, open, proven_by_bytes, resembles, undisputed};

/// Images that stand in each other's way and were not compared yet: whether they show one picture decides something.
pub fn rivals(facts: &Facts) -> BTreeSet<(ImageKey, ImageKey)> {
    let known: BTreeSet<_> = facts.compared.iter().flat_map(|pair| [(pair.a, pair.b), (pair.b, pair.a)]).collect();
    let mut asked = BTreeSet::new();
    for pairs in by_record(facts).values() {
        let open = open(pairs);
        if accepted(pairs).is_some() || open.iter().any(|&at| pairs[at].agreement.digest) {
            continue;
        }
        let mut ask = |a: usize, b: usize| {
            let (a, b) = (key_of(pairs[a].image), key_of(pairs[b].image));
            if !known.contains(&(a, b)) {
                asked.insert((a.min(b), a.max(b)));
            }
        };
        for &at in open.iter().filter(|&&at| proven_by_bytes(&pairs[at]) && !undisputed(pairs, at)) {
            let mine = pairs[at].residual.map_or(f32::INFINITY, |residual| residual.z());
            for &other in open.iter().filter(|&&other| pairs[other].image.digest != pairs[at].image.digest) {
                let theirs = pairs[other].residual.map_or(f32::INFINITY, |residual| residual.z());
                if !pairs[other].image.truncated && !beaten(mine, theirs) {
                    ask(at, other);
                }
            }
        }
        // What was refused is refused in every copy.
        for at in (0..pairs.len()).filter(|&at| pairs[at].answer == Some(false) && !pairs[at].is_implied) {
            for &other in
                open.iter().filter(|&&other| pairs[other].telling.is_some_and(|residual| resembles(&residual)))
            {
                ask(at, other);
            }
        }
        let makes_it = |pair: &Pair| {
            let claimed = pair.agreement.bytes || pair.agreement.name;
            pair.reproduces == Some(true) || claimed && pair.close.is_some()
        };
        let made: Vec<usize> = open.into_iter().filter(|&at| makes_it(&pairs[at])).collect();
        for (nth, &a) in made.iter().enumerate() {
            for &b in &made[nth + 1..] {
                ask(a, b);
            }
        }
    }
    asked
}
