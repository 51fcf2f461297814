//! The recall of the candidate stage alone: of the records that can be recovered, those of which a right upload is
//! among the pairs to measure. What it misses, nothing later can find.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use reunite::fingerprint::Views;
use serde::Deserialize;

use super::{Proposed, Result};

/// Relations of an upload to the lost original that make it its picture, as the scorer has them.
const GOOD: [&str; 6] = ["exact", "strip", "convert", "rotate", "resave", "resize"];

/// An upload, and the records (`;` between them) whose picture it is.
#[derive(Deserialize)]
struct Truth {
    upload: String,
    record_ids: String,
    relation: String,
}

/// What the picture of a record is, and how its thumbnail was made.
#[derive(Deserialize)]
struct Made {
    record_id: String,
    cls: String,
    best_relation: String,
    t_engine: String,
    t_side: String,
    t_fmt: String,
    t_frame: String,
}

/// Prints the recall with and without what was recorded, and each record that fingerprints alone miss.
pub fn print_recall(case: &Path, proposed: &[Proposed]) -> Result<()> {
    // The paths of a record's right uploads, below the customer's folder.
    let mut right: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for truth in csv::Reader::from_path(case.join("truth.csv"))?.deserialize() {
        let truth: Truth = truth?;
        let path = truth.upload.splitn(3, '/').nth(2).ok_or("an upload outside a customer's folder")?;
        for record in truth.record_ids.split(';').filter(|id| !id.is_empty() && GOOD.contains(&&*truth.relation)) {
            right.entry(record.to_owned()).or_default().insert(path.to_owned());
        }
    }
    let made =
        csv::Reader::from_path(case.join("best.csv"))?.deserialize().collect::<std::result::Result<Vec<Made>, _>>()?;
    let made: BTreeMap<&str, &Made> = made.iter().map(|made| (&*made.record_id, made)).collect();

    let (mut recoverable, mut by_fingerprint, mut by_either, mut pairs, mut near) = (0, 0, 0, 0, 0);
    let mut missed = Vec::new();
    for proposed in proposed {
        pairs += proposed.wanted.len();
        near += proposed.wanted.values().flatten().count();
        for (at, record) in proposed.customer.records.iter().enumerate() {
            let Some(paths) = right.get(&record.record_id) else { continue };
            recoverable += 1;
            let images = proposed.customer.images.iter().enumerate();
            let images: Vec<usize> =
                images.filter(|(_, image)| image.paths.iter().any(|p| paths.contains(p))).map(|(at, _)| at).collect();
            let wanted = images.iter().filter_map(|&image| proposed.wanted.get(&(image, at)));
            let distances: Vec<&Option<u16>> = wanted.collect();
            by_either += usize::from(!distances.is_empty());
            if distances.iter().any(|distance| distance.is_some()) {
                by_fingerprint += 1;
            } else {
                missed.push(why_missed(proposed, at, &images, made.get(&*record.record_id).copied()));
            }
        }
    }
    let share = |found: usize| found as f64 / recoverable.max(1) as f64;
    println!(
        "{}: of {recoverable} recoverable records {by_fingerprint} ({:.4}) have a right upload among {near} pairs by \
         fingerprint, {by_either} ({:.4}) among {pairs} with those by what was recorded",
        case.display(),
        share(by_fingerprint),
        share(by_either),
    );
    missed.iter().for_each(|line| println!("  missed by fingerprint: {line}"));
    Ok(())
}

/// A record whose right uploads (`images`) are out of reach: how far the nearest is, how many records are nearer to that
/// upload, and how much detail there was.
fn why_missed(proposed: &Proposed, record: usize, images: &[usize], made: Option<&Made>) -> String {
    let thumbnail = proposed.thumbnails[record].as_ref().map(|(fingerprints, _)| fingerprints);
    let raw = |views: &Views| {
        let shown = thumbnail?.iter();
        shown.flat_map(|one| views.0.iter().map(|view| view.hash.distance(&one.hash))).min()
    };
    let views = images.iter().filter_map(|&image| proposed.views[image].as_ref());
    let nearest = views.filter_map(|views| Some((raw(views)?, views))).min_by_key(|(distance, _)| *distance);
    let pixels = match (thumbnail, nearest) {
        (None, _) => "the thumbnail is not readable".to_owned(),
        (_, None) => "no right upload is readable".to_owned(),
        (Some(thumbnail), Some((distance, views))) => {
            let all = proposed.thumbnails.iter().flatten();
            let nearer = all.filter(|(other, _)| views.distance(other).is_some_and(|other| other < distance)).count();
            format!(
                "distance {distance}, {nearer} records nearer, quality of thumbnail {} and upload {}",
                thumbnail[0].quality,
                views.quality()
            )
        }
    };
    let made = made.map(|made| {
        let Made { cls, best_relation, t_engine, t_side, t_fmt, t_frame, .. } = made;
        format!(" ({cls}, {best_relation}; thumbnail {t_fmt} {t_side} {t_frame} by {t_engine})")
    });
    format!("{}{}: {pixels}", proposed.customer.records[record].record_id, made.unwrap_or_default())
}
