//! What is measured of an image and the thumbnails within its reach: residuals, residuals beside the shop's marks, and how well
//! the shop's recipe makes the thumbnail of it.
//!
//! Each figure is taken once for a pair of files, in a child, and again only when more is known of the thumbnail than when
//! it was taken. Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use crate::catalogue::{self, ImageToMatch};
use crate::children::Reproduction;
use crate::domain::{Digest, RecordId};
use crate::matcher::facts::{Beside, CandidateFacts, Measured};
use crate::matcher::verdict::resembles;
use crate::matcher::verify::Residual;
use crate::recipe::{Fit, Mark};

use super::book::Book;
use super::{Error, Pipeline};

/// The candidates of an image with what was measured. What is `known` of a pair of files is not measured again, unless
/// more is known of the thumbnail's recipe by now.
pub(super) fn measure(
    pipeline: &Pipeline,
    book: &Book,
    image: &ImageToMatch,
    file: impl Fn() -> Result<File, Error>,
    reach: BTreeMap<RecordId, Option<u16>>,
    known: BTreeMap<RecordId, CandidateFacts>,
) -> Result<Vec<CandidateFacts>, Error> {
    let wanted: BTreeSet<Digest> = reach.keys().flat_map(|&record| book.thumbnails(record).iter().copied()).collect();
    let claimed = reach.keys().filter(|&&record| book.is_claimed(record, &image.facts));
    let claimed: BTreeSet<Digest> = claimed.flat_map(|&record| book.thumbnails(record).iter().copied()).collect();
    let known = known.into_values().flat_map(|candidate| candidate.measured);
    let mut measured: BTreeMap<Digest, Measured> = known.map(|measured| (measured.thumbnail, measured)).collect();
    if image.facts.size.is_some() {
        compare(pipeline, image, &file, &wanted, &mut measured)?;
        compare_beside_marks(pipeline, book, image, &file, &wanted, &mut measured)?;
        reproduce(pipeline, book, image, &file, (&wanted, &claimed), &mut measured)?;
    }
    let found = reach.into_iter().map(|(record, distance)| CandidateFacts {
        image: image.facts.id,
        record,
        distance,
        measured: book.thumbnails(record).iter().filter_map(|digest| measured.get(digest).cloned()).collect(),
    });
    Ok(found.collect())
}

/// The files of these thumbnails.
fn thumbnail_files(pipeline: &Pipeline, digests: &[Digest]) -> Result<Vec<Vec<u8>>, Error> {
    Ok(pipeline.catalogue.read::<_, catalogue::Error>(|tx| {
        digests.iter().map(|&digest| Ok(tx.thumbnail_file(digest)?.unwrap_or_default())).collect()
    })?)
}

/// Measures an image against each of the `wanted` thumbnails that it was not compared with yet.
fn compare(
    pipeline: &Pipeline,
    image: &ImageToMatch,
    file: &impl Fn() -> Result<File, Error>,
    wanted: &BTreeSet<Digest>,
    measured: &mut BTreeMap<Digest, Measured>,
) -> Result<(), Error> {
    let new: Vec<Digest> = wanted.iter().copied().filter(|digest| !measured.contains_key(digest)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let residuals = residuals(pipeline, image, file, &new, &vec![Vec::new(); new.len()])?;
    let of_pair = |(thumbnail, residual)| Measured { thumbnail, residual, known: 0, fit: None, beside: None };
    measured.extend(new.into_iter().zip(residuals).map(|pair| (pair.0, of_pair(pair))));
    Ok(())
}

/// Measures an image again against those of the `wanted` thumbnails of whose marks more is known than when that was done
/// last, with the marks left out.
fn compare_beside_marks(
    pipeline: &Pipeline,
    book: &Book,
    image: &ImageToMatch,
    file: &impl Fn() -> Result<File, Error>,
    wanted: &BTreeSet<Digest>,
    measured: &mut BTreeMap<Digest, Measured>,
) -> Result<(), Error> {
    let mut asked = Vec::new();
    for digest in wanted {
        let (Some(known), Some(pair)) = (book.recipes(*digest), measured.get_mut(digest)) else { continue };
        let done = pair.beside.as_ref().map_or(&[][..], |beside| &beside.marks);
        if done != known.marks {
            pair.beside = None;
            asked.push((*digest, known.marks.clone()));
        }
    }
    let (digests, marks): (Vec<Digest>, Vec<Vec<Mark>>) =
        asked.into_iter().filter(|(_, marks)| !marks.is_empty()).unzip();
    if digests.is_empty() {
        return Ok(());
    }
    let residuals = residuals(pipeline, image, file, &digests, &marks)?;
    for ((digest, marks), residual) in digests.into_iter().zip(marks).zip(residuals) {
        if let Some(pair) = measured.get_mut(&digest) {
            pair.beside = Some(Beside { marks, residual });
        }
    }
    Ok(())
}

/// What an image leaves of each of these thumbnails, beside these marks.
fn residuals(
    pipeline: &Pipeline,
    image: &ImageToMatch,
    file: &impl Fn() -> Result<File, Error>,
    digests: &[Digest],
    marks: &[Vec<Mark>],
) -> Result<Vec<Option<Residual>>, Error> {
    match pipeline.children.verify_beside(file()?, &thumbnail_files(pipeline, digests)?, marks) {
        Err(unreadable) if unreadable.is_transient() => Err(Error::Children(unreadable)),
        // It could be read a moment ago and is too much now: nothing was measured, so nothing is proven by pixels.
        Err(unreadable) => {
            tracing::warn!(image = %image.facts.id, "its pixels could not be compared: {unreadable}");
            Ok(vec![None; digests.len()])
        }
        Ok(residuals) => Ok(residuals),
    }
}

/// A pair that may have a mark on it is worth reproducing from this correlation on.
const LIKENESS_WITH_MARK: f32 = 0.8;

/// Lets an image reproduce each of the `wanted` thumbnails that it resembles, or that are `claimed` for it by what was recorded,
/// and whose recipe is known better than when that was tried last.
fn reproduce(
    pipeline: &Pipeline,
    book: &Book,
    image: &ImageToMatch,
    file: &impl Fn() -> Result<File, Error>,
    (wanted, claimed): (&BTreeSet<Digest>, &BTreeSet<Digest>),
    measured: &mut BTreeMap<Digest, Measured>,
) -> Result<(), Error> {
    let mut tried = Vec::new();
    for digest in wanted {
        let (Some(known), Some(pair)) = (book.recipes(*digest), measured.get_mut(digest)) else { continue };
        let claimed = claimed.contains(digest);
        // What another import records may make a pair worth a try that was not.
        let stamp = known.stamp.wrapping_add(u64::from(claimed && known.stamp != 0));
        if pair.known == stamp {
            continue;
        }
        (pair.known, pair.fit) = (stamp, None);
        // A mark of which it is not certain that the thumbnail has it still stands in the way of what is seen.
        let marked = known.marks.is_empty() && known.learned.iter().any(|one| one.recipe.mark.is_some());
        let worth = |residual: &Residual| resembles(residual) || marked && residual.zncc > LIKENESS_WITH_MARK;
        if let Some(residual) = pair.telling().filter(|residual| known.stamp != 0 && (claimed || worth(residual))) {
            tried.push((*digest, known, residual.orientations()));
        }
    }
    if tried.is_empty() {
        return Ok(());
    }
    let digests: Vec<Digest> = tried.iter().map(|(digest, ..)| *digest).collect();
    let files = thumbnail_files(pipeline, &digests)?;
    let asked: Vec<_> = tried
        .into_iter()
        .zip(&files)
        .map(|((_, known, turns), thumbnail)| Reproduction { thumbnail, learned: &known.learned, turns })
        .collect();
    match pipeline.children.reproduce(file()?, &asked) {
        Err(unreadable) if unreadable.is_transient() => return Err(Error::Children(unreadable)),
        // As above: nothing was measured, so nothing is proven.
        Err(unreadable) => {
            tracing::warn!(image = %image.facts.id, "it could not be made into thumbnails: {unreadable}");
        }
        Ok(fits) => {
            for (digest, fit) in digests.iter().zip(fits) {
                // What does not hold any more proves nothing, and may still stand in the way.
                let holds = book.recipes(*digest).is_some_and(|known| !known.is_withheld);
                if let Some(pair) = measured.get_mut(digest) {
                    let holding = |fit: Fit| Fit {
                        within: fit.within && holds,
                        near: fit.near && holds,
                        close: fit.close && holds,
                        ..fit
                    };
                    pair.fit = fit.map(holding);
                }
            }
        }
    }
    Ok(())
}
