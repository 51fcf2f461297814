//! Learns how the shop made its thumbnails, from the pairs that are certain for other reasons; where these are too few, also
//! from those of which the pixels leave little doubt. A wrong one among the latter only teaches nothing: no recipe explains
//! it to the rounding.
//!
//! What is learned is a function of the set of certain pairs: they are taken in an order of their own, never in that of
//! arrival, and looked at again whenever the set has changed and nothing else is to be done. Pairs that stand because
//! of a recipe teach nothing, nor do those that stand by their name, which a recipe may overtake: there is no circle. A
//! change makes the records concerned be matched anew.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::catalogue::{self, CertainPair, MeasuredPair, PartitionRecipes};
use crate::decode::Unreadable;
use crate::domain::{CustomerId, Digest, RecordId};
use crate::matcher::verify::Residual;
use crate::recipe::{Excess, Learned, Map, PAIRS_MIN, Partition, Recipe, Refusal, last, learn, learn_engines};

use super::known::is_told;
use super::{Error, Pipeline};

/// Pairs that one partition is learned from at most; more teach little and cost a decoded original each.
const PAIRS_MAX: usize = 24;

/// Of those, so many are the last by the shop's numbering, where there are more: what the shop changed is learned with what
/// it did before.
const LAST_MAX: usize = PAIRS_MAX / 2;

/// Pairs of all partitions that engines are learned from at most: what one shop used at all is more than what made one size.
const POOL_MAX: usize = 72;

/// Counts up with each change by which more may be learned of the same pairs, so that what an older program found in them,
/// or did not, is looked at again.
const LEARNING: u8 = 1;

/// Why recipes prove nothing any more.
const DRIFTED: &str = "too few of the last certain pairs are explained, so it proves nothing any more";

/// What is said of a pair that nothing but its pixels speaks for.
const LIKELY: &str = "likely";
/// What is said of one whose pixels are alike but for something that stands out: where a mark hides so much of every
/// thumbnail that none is likely.
const RESEMBLING: &str = "resembling";
/// A resembling pair correlates at least so much...
const RESEMBLING_MIN: f32 = 0.8;
/// ...and no other upload correlates with the thumbnail more than this.
const RESEMBLING_RIVAL_MAX: f32 = 0.6;
/// A likely pair fits at least this well, as a residual...
const LIKELY_Z_MAX: f32 = 2.5;
/// ...no other upload fits the thumbnail better than this...
const LIKELY_RIVAL_Z_MIN: f32 = 6.0;
/// ...and there is so much to see on it, in levels of contrast.
const LIKELY_DETAIL_MIN: f32 = 20.0;

/// Asks for the certain pairs to be looked at, since another version may learn more of them.
///
/// # Errors
/// When the catalogue fails.
pub fn begin(pipeline: &Pipeline) -> Result<(), Error> {
    Ok(pipeline.catalogue.write(|tx| tx.learning_wanted())?)
}

/// Looks at the certain pairs if that was asked for and everything received is decided. True when something was done.
///
/// # Errors
/// When the catalogue, a store or the children fail; it is then done later.
pub fn learn_due(pipeline: &Pipeline) -> Result<bool, Error> {
    let (mark, undecided) = pipeline
        .catalogue
        .read(|tx| -> Result<_, catalogue::Error> { Ok((tx.learning_due()?, tx.undecided(None)?)) })?;
    let Some(mark) = mark.filter(|_| undecided.only_recipes_are_left()) else { return Ok(false) };
    let (certain, measured, partitions, mut known) = pipeline.catalogue.read(|tx| -> Result<_, catalogue::Error> {
        Ok((tx.certain_pairs()?, tx.measured_pairs()?, tx.partitions()?, tx.recipes()?))
    })?;
    let resembling = resembling(&measured, &partitions);
    let pairs = completed(certain, likely(&measured, &partitions));
    for (partition, pairs) in completed(pairs.clone(), resembling) {
        let (partition, pairs) = (&partition, with_the_last(pairs));
        learn_from(pipeline, Some(partition), &pairs, &partitions, &known)?;
    }
    // What the partitions' own pairs leave in the dark, the engines that the shop uses at all may explain.
    known = pipeline.catalogue.read(|tx| tx.recipes())?;
    let untold = pairs.into_iter().filter(|(partition, _)| !is_told(partition, &known) && partition.coding.is_exact());
    let pairs = chosen(untold.flat_map(|(_, pairs)| pairs).collect(), POOL_MAX);
    learn_from(pipeline, None, &pairs, &partitions, &known)?;
    watch(pipeline)?;
    pipeline.catalogue.write(move |tx| tx.learning_done(mark))?;
    Ok(true)
}

/// Takes from recipes that explain too few of the last certain pairs what they may prove, and gives it back to those that do
/// again.
fn watch(pipeline: &Pipeline) -> Result<(), Error> {
    let (recipes, watches) =
        pipeline.catalogue.read(|tx| -> Result<_, catalogue::Error> { Ok((tx.recipes()?, tx.watches()?)) })?;
    for known in recipes.into_iter().filter(|known| !known.learned.is_empty()) {
        let is_withheld = known.is_withheld();
        let Some(partition) = known.partition else { continue };
        let watch = watches.get(&partition).copied().unwrap_or_default();
        if watch.has_drifted() == is_withheld {
            continue;
        }
        tracing::warn!(?partition, ?watch, "whether recipes hold has changed");
        let reason = watch.has_drifted().then_some(DRIFTED);
        pipeline.catalogue.write(move |tx| tx.recipes_withheld(&partition, reason))?;
    }
    Ok(())
}

/// Learns from these pairs of a partition, or of any, unless that was done or they are too few to begin with.
fn learn_from(
    pipeline: &Pipeline,
    partition: Option<&Partition>,
    pairs: &[CertainPair],
    partitions: &BTreeMap<Digest, Partition>,
    known: &[PartitionRecipes],
) -> Result<(), Error> {
    let digest = digest_of(pairs);
    let known = known.iter().find(|known| known.partition.as_ref() == partition);
    if known.is_some_and(|known| known.pairs == digest) || known.is_none() && pairs.len() < PAIRS_MIN {
        return Ok(());
    }
    let outcome = learned(pipeline, partition, pairs, partitions)?;
    match &outcome {
        Ok(learned) => tracing::info!(?partition, recipes = learned.len(), "learned how thumbnails were made"),
        Err(refusal) => tracing::info!(?partition, "thumbnails keep their secret: {refusal}"),
    }
    let partition = partition.cloned();
    pipeline.catalogue.write(move |tx| tx.recipes_learned(partition.as_ref(), digest, &outcome))?;
    Ok(())
}

/// The pairs of which the pixels leave little doubt, by the partition of their thumbnail: a thumbnail with plenty to see on
/// it, an upload that fits it, and no other that comes near. What was decided about them plays no part.
fn likely(
    measured: &[MeasuredPair],
    partitions: &BTreeMap<Digest, Partition>,
) -> BTreeMap<Partition, Vec<CertainPair>> {
    let fits = |best: &Residual| best.z() <= LIKELY_Z_MAX && best.detail >= LIKELY_DETAIL_MIN;
    let comes_near = |second: &Residual| second.z() < LIKELY_RIVAL_Z_MIN;
    standing_out(measured, partitions, LIKELY, |a, b| a.z().total_cmp(&b.z()), fits, comes_near)
}

/// The pairs that are alike but for something that stands out on the thumbnail.
fn resembling(
    measured: &[MeasuredPair],
    partitions: &BTreeMap<Digest, Partition>,
) -> BTreeMap<Partition, Vec<CertainPair>> {
    let fits = |best: &Residual| best.zncc >= RESEMBLING_MIN && best.detail >= LIKELY_DETAIL_MIN;
    let comes_near = |second: &Residual| second.zncc > RESEMBLING_RIVAL_MAX;
    standing_out(measured, partitions, RESEMBLING, |a, b| b.zncc.total_cmp(&a.zncc), fits, comes_near)
}

/// Of each thumbnail the best pair, by this order, if it fits and the second does not come near.
fn standing_out(
    measured: &[MeasuredPair],
    partitions: &BTreeMap<Digest, Partition>,
    method: &str,
    order: impl Fn(&Residual, &Residual) -> std::cmp::Ordering,
    fits: impl Fn(&Residual) -> bool,
    comes_near: impl Fn(&Residual) -> bool,
) -> BTreeMap<Partition, Vec<CertainPair>> {
    let mut by_thumbnail: BTreeMap<(RecordId, Digest), Vec<&MeasuredPair>> = BTreeMap::new();
    for pair in measured {
        by_thumbnail.entry((pair.record, pair.thumbnail)).or_default().push(pair);
    }
    let mut found: BTreeMap<Partition, Vec<CertainPair>> = BTreeMap::new();
    for mut pairs in by_thumbnail.into_values() {
        pairs.sort_by(|a, b| order(&a.residual, &b.residual));
        let alone = pairs.get(1).is_none_or(|second| !comes_near(&second.residual));
        let best = pairs[0];
        if let Some(partition) = partitions.get(&best.thumbnail).filter(|_| fits(&best.residual) && alone) {
            let MeasuredPair { customer, original, thumbnail, .. } = *best;
            let (record, method) = (best.name.clone(), method.to_owned());
            let pair = CertainPair { customer, original, thumbnail, record, method };
            found.entry(partition.clone()).or_default().push(pair);
        }
    }
    found
}

/// The pairs, and where they are too few to learn from, these others as well.
fn completed(
    pairs: BTreeMap<Partition, Vec<CertainPair>>,
    others: BTreeMap<Partition, Vec<CertainPair>>,
) -> BTreeMap<Partition, Vec<CertainPair>> {
    let mut all = pairs;
    for (partition, others) in others {
        let pairs = all.entry(partition).or_default();
        if pairs.len() < PAIRS_MIN {
            pairs.extend(others);
        }
    }
    all
}

/// The pairs to learn a partition from: where there are more than are needed, the last ones among them.
fn with_the_last(pairs: Vec<CertainPair>) -> Vec<CertainPair> {
    if pairs.len() <= PAIRS_MAX {
        return chosen(pairs, PAIRS_MAX);
    }
    let mut taken = chosen(last(pairs.clone(), LAST_MAX, |pair| &pair.record), LAST_MAX);
    for pair in chosen(pairs, PAIRS_MAX) {
        let known = taken.iter().any(|one| one.thumbnail == pair.thumbnail || one.original == pair.original);
        if !known && taken.len() < PAIRS_MAX {
            taken.push(pair);
        }
    }
    taken
}

/// Where a pair stands among those to learn from: how sure it is, then by what it is.
type Place = (usize, Digest);

/// The pairs to learn from: the surest first, customers in turn, each picture once.
fn chosen(pairs: Vec<CertainPair>, most: usize) -> Vec<CertainPair> {
    let mut customers: BTreeMap<CustomerId, Vec<(Place, CertainPair)>> = BTreeMap::new();
    for pair in pairs {
        let surest = ["digest", "bytes", "person", LIKELY, RESEMBLING].iter().position(|method| *method == pair.method);
        let key = Digest::of(&[pair.thumbnail.0, pair.original.0].concat());
        customers.entry(pair.customer).or_default().push(((surest.unwrap_or(usize::MAX), key), pair));
    }
    let mut hands: Vec<_> = customers.into_values().collect();
    for hand in &mut hands {
        hand.sort_by(|(a, _), (b, _)| b.cmp(a));
    }
    // Customers come in the order of their surest pair, not of their ids, which tell of arrival.
    hands.sort_by(|a, b| a.last().map(|(key, _)| *key).cmp(&b.last().map(|(key, _)| *key)));
    let mut chosen: Vec<CertainPair> = Vec::new();
    while chosen.len() < most && hands.iter().any(|hand| !hand.is_empty()) {
        for (_, pair) in hands.iter_mut().filter_map(Vec::pop) {
            let known = chosen.iter().any(|c| c.thumbnail == pair.thumbnail || c.original == pair.original);
            if !known && chosen.len() < most {
                chosen.push(pair);
            }
        }
    }
    chosen
}

/// What was learned from: these pairs, by this way of learning.
fn digest_of(pairs: &[CertainPair]) -> Digest {
    let pairs = pairs.iter().flat_map(|pair| [pair.thumbnail.0, pair.original.0]).flatten();
    Digest::of(&std::iter::once(LEARNING).chain(pairs).collect::<Vec<u8>>())
}

/// The recipes behind one partition, or the engines behind all, or why there are none to be sure of.
fn learned(
    pipeline: &Pipeline,
    partition: Option<&Partition>,
    pairs: &[CertainPair],
    partitions: &BTreeMap<Digest, Partition>,
) -> Result<Result<Vec<Learned>, Refusal>, Error> {
    let mut thumbnails = Vec::new();
    for pair in pairs {
        let digest = pair.thumbnail;
        thumbnails.push(pipeline.catalogue.read(|tx| tx.thumbnail_file(digest))?.unwrap_or_default());
    }
    let long_side = |pair: &CertainPair| partitions.get(&pair.thumbnail).map_or(0, |partition| partition.long_side_px);
    let long_sides: Vec<usize> = pairs.iter().map(|pair| long_side(pair) as usize).collect();
    let excesses = |at: usize, recipes: &[Recipe]| -> Result<Vec<Option<Excess>>, Error> {
        let pair = &pairs[at];
        let recipes: Vec<Recipe> = recipes.iter().map(|recipe| recipe.sized(long_side(pair))).collect();
        let file = pipeline.blobs.open(pair.customer, pair.original)?;
        let answered = pipeline.children.excesses(file, &thumbnails[at], &recipes);
        // A pair that cannot be read teaches nothing; the others may.
        answered_or(answered, || vec![None; recipes.len()])
    };
    let mapped = |at: usize, recipe: &Recipe| -> Result<Option<Map>, Error> {
        let file = pipeline.blobs.open(pairs[at].customer, pairs[at].original)?;
        answered_or(pipeline.children.map(file, &thumbnails[at], recipe), || None)
    };
    let failed = RefCell::new(None);
    // After a failure nothing more is asked.
    let all = |asked: &[usize]| if failed.borrow().is_some() { Vec::new() } else { asked.to_vec() };
    let mut measure = |asked: &[usize], recipes: &[Recipe]| -> Vec<Vec<Option<Excess>>> {
        let all = if recipes.is_empty() { Vec::new() } else { all(asked) };
        let measured: Result<Vec<_>, Error> = all.par_iter().map(|&at| excesses(at, recipes)).collect();
        let measured = measured.unwrap_or_else(|error| {
            failed.replace(Some(error));
            Vec::new()
        });
        if measured.is_empty() { vec![vec![None; recipes.len()]; asked.len()] } else { measured }
    };
    let mut maps = |asked: &[usize], recipe: &Recipe| -> Vec<Option<Map>> {
        let mapped: Result<Vec<_>, Error> = all(asked).par_iter().map(|&at| mapped(at, recipe)).collect();
        let mapped = mapped.unwrap_or_else(|error| {
            failed.replace(Some(error));
            Vec::new()
        });
        if mapped.is_empty() { vec![None; asked.len()] } else { mapped }
    };
    let outcome = match partition {
        Some(partition) => learn(partition.long_side_px, &long_sides, &mut measure, &mut maps),
        None => learn_engines(&long_sides, &mut measure),
    };
    failed.into_inner().map_or(Ok(outcome), Err)
}

/// What the children answered, or `nothing` where a picture cannot be read. A fault of the machine is an error.
fn answered_or<T>(answered: Result<T, Unreadable>, nothing: impl FnOnce() -> T) -> Result<T, Error> {
    match answered {
        Err(unreadable) if unreadable.is_transient() => Err(Error::Children(unreadable)),
        Err(_) => Ok(nothing()),
        Ok(answer) => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(customer: i64, picture: u8, method: &str) -> CertainPair {
        CertainPair {
            customer: CustomerId(customer),
            original: Digest([picture; 32]),
            thumbnail: Digest([picture ^ 0x80; 32]),
            record: format!("R-{picture}"),
            method: method.to_owned(),
        }
    }

    #[test]
    fn pairs_are_chosen_by_what_they_are_and_not_by_when_they_came() {
        let pairs: Vec<_> =
            (0..60).map(|n| pair(i64::from(n % 4), n, ["digest", "person"][usize::from(n % 7 > 2)])).collect();
        let mut reversed = pairs.clone();
        reversed.reverse();
        let chosen = chosen(pairs, PAIRS_MAX);
        assert_eq!(chosen.len(), PAIRS_MAX);
        assert_eq!(chosen, super::chosen(reversed, PAIRS_MAX));
        let of = |customer| chosen.iter().filter(|pair| pair.customer == CustomerId(customer)).count();
        assert!((0..4).all(|customer| of(customer) == PAIRS_MAX / 4), "customers take turns");
        assert!(chosen.iter().filter(|pair| pair.method == "digest").count() >= 20, "the surest first");
    }

    #[test]
    fn the_last_records_are_among_those_to_learn_from() {
        let pairs: Vec<_> = (0..100).map(|n| pair(1, n, "digest")).collect();
        let mut reversed = pairs.clone();
        reversed.reverse();
        let taken = with_the_last(pairs);
        assert_eq!(taken.len(), PAIRS_MAX);
        assert!((88..100).all(|n| taken.contains(&pair(1, n, "digest"))));
        assert_eq!(taken, with_the_last(reversed));
    }

    #[test]
    fn one_picture_teaches_once() {
        let pairs = vec![pair(1, 1, "bytes"), pair(2, 1, "digest"), pair(1, 1, "person")];
        assert_eq!(chosen(pairs, PAIRS_MAX).len(), 1);
    }

    #[test]
    fn likely_pairs_teach_only_where_certain_ones_are_too_few() {
        let partition = |long_side_px| Partition { coding: crate::recipe::Coding::Lossless, long_side_px };
        let of = |count: u8, method: &str| (0..count).map(|n| pair(1, n, method)).collect::<Vec<_>>();
        let enough = PAIRS_MIN as u8;
        let certain = BTreeMap::from([(partition(100), of(enough, "digest")), (partition(200), of(3, "digest"))]);
        let likely = [100, 200, 300].map(|side| (partition(side), of(20, LIKELY))).into();
        let counts: Vec<_> = completed(certain, likely).into_values().map(|pairs| pairs.len()).collect();
        assert_eq!(counts, [usize::from(enough), 23, 20]);
    }

    fn measured(record: i64, picture: u8, z: f32, detail: f32) -> MeasuredPair {
        let residual = crate::matcher::verify::Residual {
            z_strict: z,
            z_colour: z,
            z_fine: z,
            chroma: 0.0,
            zncc: 1.0,
            colour_deviation: 0.0,
            saturation: 1.0,
            contrast: 1.0,
            shift: 0.0,
            rms: z,
            detail,
            side: 100,
            frame: crate::matcher::geometry::Frame::Fit,
            turn: 0,
            rendering: 0,
        };
        let (original, thumbnail) = (Digest([picture; 32]), Digest([record as u8; 32]));
        let name = format!("R-{record}");
        MeasuredPair { customer: CustomerId(1), record: RecordId(record), name, original, thumbnail, residual }
    }

    #[test]
    fn a_pair_is_likely_when_it_fits_and_nothing_else_comes_near() {
        let partition = Partition { coding: crate::recipe::Coding::Lossless, long_side_px: 100 };
        let partitions = (1..6).map(|record| (Digest([record; 32]), partition.clone())).collect();
        let pairs = vec![
            measured(1, 11, 1.0, 40.0),
            measured(1, 12, 9.0, 40.0),
            // A sibling beside it.
            measured(2, 21, 1.0, 40.0),
            measured(2, 22, 3.0, 40.0),
            // Hardly anything to see.
            measured(3, 31, 1.0, 9.0),
            // Not the picture.
            measured(4, 41, 5.0, 40.0),
            // A thumbnail that cannot be read any more is of no partition.
            measured(9, 91, 1.0, 40.0),
        ];
        let mut reversed = pairs.clone();
        reversed.reverse();
        let found = likely(&pairs, &partitions);
        let originals: Vec<_> = found[&partition].iter().map(|pair| pair.original).collect();
        assert_eq!((found.len(), originals), (1, vec![Digest([11; 32])]));
        assert_eq!(found, likely(&reversed, &partitions));
    }
}
