//! What a file would match, and why; changes nothing.

use std::collections::BTreeMap;
use std::fs::File;

use crate::decode::{Pixels, Unreadable};
use crate::domain::{CustomerId, Digest, ImageId, RecordId};
use crate::matcher::facts::{CandidateFacts, Facts, ImageFacts, Measured};
use crate::matcher::taken::Moment;
use crate::matcher::verdict::{Decision, RIVAL_Z_MAX, decide};
use crate::store;

use super::digests::{Digests, take};
use super::{Error, Pipeline, first_image, identify, look, measure};
use crate::catalogue::{ImageToMatch, Subject};

/// The image that stands for the file in question; no row ever has this id.
const IN_QUESTION: ImageId = ImageId(i64::MAX);

/// What is known of a file and what the rule would make of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Its digest.
    pub digest: Digest,
    /// Its kind, in words.
    pub kind: String,
    /// Pixels as a person should see it.
    pub size: Option<(u32, u32)>,
    /// Why no picture could be read from it.
    pub problem: Option<String>,
    /// What the rule would make of it beside everything that was received, best first.
    pub decisions: Vec<Decision>,
    /// What was measured for each record that a decision names.
    pub measured: BTreeMap<RecordId, Measurement>,
    /// The records' names, as the shop spells them.
    pub names: BTreeMap<RecordId, String>,
}

/// What was measured of the file and a record's thumbnail, and what else was sent for that record; in words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurement {
    /// How the file lies in the thumbnail, where its pixels could be compared.
    pub geometry: Option<String>,
    /// What the shop's recipe makes of the file, where one is known.
    pub recipe: Option<String>,
    /// Other uploads that resemble the record's thumbnail, the nearest first.
    pub rivals: Vec<String>,
}

/// Rivals that are named at most.
const RIVALS_MAX: usize = 3;

/// For each record that a decision names: its first thumbnail, the file in its place and their difference, side by side.
/// Records whose thumbnail cannot be compared with the file are left out.
///
/// # Errors
/// When the catalogue or the children fail, or `file` cannot be read.
pub fn pictures(
    pipeline: &Pipeline,
    customer: CustomerId,
    file: &File,
    decisions: &[Decision],
) -> Result<BTreeMap<RecordId, Pixels>, Error> {
    let book = pipeline.books.of(&pipeline.catalogue, customer)?;
    let mut pictures = BTreeMap::new();
    for record in decisions.iter().map(|decision| decision.record) {
        let Some(&digest) = book.thumbnails(record).first() else { continue };
        let Some(thumbnail) = pipeline.catalogue.read(|tx| tx.thumbnail_file(digest))? else { continue };
        // The child reads what it is told to by position; a second descriptor is all it needs.
        let again = file.try_clone().map_err(|error| Error::Children(Unreadable::Unavailable(error.to_string())))?;
        match pipeline.children.picture(again, thumbnail) {
            Err(unreadable) if unreadable.is_transient() => return Err(Error::Children(unreadable)),
            // The decision's reason says already that the pixels could not be compared.
            Err(_) | Ok(None) => {}
            Ok(Some(pixels)) => {
                pictures.insert(record, pixels);
            }
        }
    }
    Ok(pictures)
}

/// A record and a file as [`pictures`] shows them; nothing where the two cannot be compared.
///
/// # Errors
/// When the catalogue, the blob store or the children fail.
pub fn picture_of(pipeline: &Pipeline, subject: &Subject) -> Result<Option<Pixels>, Error> {
    let thumbnail =
        pipeline.books.of(&pipeline.catalogue, subject.customer)?.thumbnails(subject.record).first().copied();
    let Some(thumbnail) = thumbnail else { return Ok(None) };
    let Some(bytes) = pipeline.catalogue.read(|tx| tx.thumbnail_file(thumbnail))? else { return Ok(None) };
    match pipeline.children.picture(pipeline.blobs.open(subject.customer, subject.digest)?, bytes) {
        Err(unreadable) if unreadable.is_transient() => Err(Error::Children(unreadable)),
        Err(_) => Ok(None),
        Ok(pixels) => Ok(pixels),
    }
}

/// A thumbnail's file made anew for people to look at; nothing where no picture can be read from it.
///
/// # Errors
/// When the decoders cannot be asked.
pub fn shown_thumbnail(pipeline: &Pipeline, bytes: Vec<u8>, side: u32) -> Result<Option<Vec<u8>>, Error> {
    shown(pipeline.children.show_thumbnail(bytes, side))
}

/// A received file made anew for people to look at; nothing where no picture can be read from it.
///
/// # Errors
/// When the blob store or the decoders cannot be asked.
pub fn shown_upload(
    pipeline: &Pipeline,
    customer: CustomerId,
    digest: Digest,
    side: u32,
) -> Result<Option<Vec<u8>>, Error> {
    shown(pipeline.children.show_upload(pipeline.blobs.open(customer, digest)?, side))
}

fn shown(picture: Result<Vec<u8>, Unreadable>) -> Result<Option<Vec<u8>>, Error> {
    match picture {
        Err(unreadable) if unreadable.is_transient() => Err(Error::Children(unreadable)),
        picture => Ok(picture.ok()),
    }
}

/// Explains what `file`, uploaded by `customer` under `path`, would match.
///
/// # Errors
/// When the catalogue, a store or the children fail, or `file` cannot be read.
pub fn explain(pipeline: &Pipeline, customer: CustomerId, path: &[u8], file: &File) -> Result<Explanation, Error> {
    let reading = |source| store::Error::Io {
        doing: "read",
        path: std::path::PathBuf::from(String::from_utf8_lossy(path).into_owned()),
        source,
    };
    let again = || file.try_clone().map_err(reading);
    let (digest, bytes) = store::digest_of(rewound(again()?).map_err(reading)?).map_err(reading)?;
    let kind = identify(file).map_err(reading)?;
    let seen = look(pipeline, again()?)?;
    let found = first_image(kind, seen.as_ref().ok());
    let book = pipeline.books.of(&pipeline.catalogue, customer)?;
    let taken = match book.digests_wanted(bytes) {
        nothing if nothing.is_nothing() => Digests::default(),
        wanted => take(rewound(again()?).map_err(reading)?, &wanted).map_err(reading)?,
    };
    let mut image = ImageToMatch {
        customer,
        facts: ImageFacts {
            id: IN_QUESTION,
            digest,
            md5: taken.md5,
            etags: Vec::new(),
            bytes,
            page: 1,
            size: found.size,
            taken: found.taken_at.as_deref().and_then(Moment::of),
            paths: vec![path.to_vec()],
            truncated: found.truncated,
            storage: found.storage,
        },
        parts: BTreeMap::new(),
        views: seen.as_ref().map(|seen| seen.views.clone()).unwrap_or_default(),
        matched_seq: 0,
    };
    image.learn_parts(taken.parts);
    let reach = book.reach(&image);
    let candidates = measure(pipeline, &book, &image, || Ok(again()?), reach, BTreeMap::new())?;
    let (mut facts, names) = pipeline.catalogue.read::<_, crate::catalogue::Error>(|tx| {
        Ok((tx.customer_facts(customer)?.facts, tx.record_names(customer)?))
    })?;
    facts.images.push(image.facts);
    facts.candidates.extend(candidates);
    let mut decisions: Vec<_> =
        decide(&facts, &pipeline.tiers).into_iter().filter(|decision| decision.image == IN_QUESTION).collect();
    decisions.sort_by(|a, b| {
        let residual = |decision: &Decision| decision.residual.unwrap_or(f32::INFINITY);
        a.verdict.cmp(&b.verdict).then(a.method.cmp(&b.method)).then(residual(a).total_cmp(&residual(b)))
    });
    let measured = decisions.iter().map(|decision| (decision.record, measurement(&facts, decision.record))).collect();
    Ok(Explanation {
        digest,
        kind: kind.plain().to_owned(),
        size: found.size,
        problem: seen.err().map(|problem| problem.to_string()),
        decisions,
        measured,
        names: names.into_iter().collect(),
    })
}

/// What was measured of the file in question and a record.
fn measurement(facts: &Facts, record: RecordId) -> Measurement {
    let of_record = || facts.candidates.iter().filter(|candidate| candidate.record == record);
    let ours = of_record().find(|candidate| candidate.image == IN_QUESTION);
    let measured = || ours.into_iter().flat_map(|candidate| &candidate.measured);
    let worst = |candidate: &CandidateFacts| candidate.telling().map(|residual| residual.z()).max_by(f32::total_cmp);
    let mut rivals: Vec<(f32, &ImageFacts)> = of_record()
        .filter_map(|candidate| {
            Some((worst(candidate)?, facts.images.iter().find(|image| image.id == candidate.image)?))
        })
        .filter(|(residual, image)| image.id != IN_QUESTION && *residual < RIVAL_Z_MAX)
        .collect();
    rivals.sort_by(|(a, a_image), (b, b_image)| a.total_cmp(b).then(a_image.paths.cmp(&b_image.paths)));
    let named = |(residual, image): &(f32, &ImageFacts)| {
        let path = image.paths.first().map(|path| String::from_utf8_lossy(path)).unwrap_or_default();
        format!("{path} (residual {residual:.1})")
    };
    Measurement {
        geometry: measured().find_map(Measured::telling).map(|residual| residual.geometry()),
        recipe: measured().find_map(|measured| measured.fit).map(|fit| fit.to_string()),
        rivals: rivals.iter().take(RIVALS_MAX).map(named).collect(),
    }
}

fn rewound(mut file: File) -> std::io::Result<File> {
    std::io::Seek::rewind(&mut file)?;
    Ok(file)
}
