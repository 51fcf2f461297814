//! The page to read: what happens to a file, from top to bottom.
//!
//!     receive -> spool -> (226) -> identify -> store -> decode -> fingerprint -> match -> reattach -> report
//!
//! [`follow`] takes one received upload along this way up to what was measured; [`settle`](settle::settle) lets the rule
//! speak over everything that is known about a customer and puts originals back. In between lies only the catalogue, so a
//! restart continues by itself and running anything twice changes nothing.
//!
//! Deliberately not here: receiving (it has ended when a file comes here), decoding (the children do it) and SQL.

mod backlog;
mod book;
mod digests;
mod explain;
mod known;
mod measure;
mod original;
mod recipes;
mod run;
mod settle;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use crate::catalogue::{self, Blob, Catalogue, Examined, NewImage, ReceivedUpload, Work};
use crate::children::{Examination, Pool};
use crate::config::Mode;
use crate::decode::Unreadable;
use crate::domain::{Digest, ImageId, UploadId};
use crate::fingerprint::Fingerprint;
use crate::identify::{Kind, SNIFF_BYTES};
use crate::matcher::facts::Storage;
use crate::matcher::verdict::Tier;
use crate::reattach;
use crate::store::{self, Blobs, Originals};

use book::Books;
use measure::measure;

pub use explain::{Explanation, explain, picture_of, pictures, shown_thumbnail, shown_upload};
pub use original::{Original, original};
pub use run::{Running, run_until_nothing_is_left, start};
pub use settle::settle;

/// Everything that a file meets on its way.
pub struct Pipeline {
    /// What is known.
    pub catalogue: Arc<Catalogue>,
    /// Where received files lie until they are stored.
    pub spool_folder: PathBuf,
    /// Where they are stored.
    pub blobs: Blobs,
    /// Where originals are put back.
    pub originals: Originals,
    /// Who reads them.
    pub children: Pool,
    /// Whether proven originals are put back without asking.
    pub mode: Mode,
    /// Whether proven copies are put back, too.
    pub copies: bool,
    /// The tiers of the rule that may attach.
    pub tiers: Vec<Tier>,
    /// How many files are on their way at once.
    pub threads: usize,
    books: Books,
}

/// Why a file could not go on now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The decode children cannot work now; this says nothing about the file.
    #[error("cannot read pictures now: {0}")]
    Children(Unreadable),
}

impl From<reattach::Error> for Error {
    fn from(error: reattach::Error) -> Self {
        match error {
            reattach::Error::Catalogue(error) => Error::Catalogue(error),
            reattach::Error::Store(error) => Error::Store(error),
        }
    }
}

impl Error {
    /// Whether the same work may succeed when it is tried again later.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Catalogue(error) => error.is_transient(),
            Error::Store(error) => error.is_transient(),
            Error::Children(_) => true,
        }
    }
}

impl Pipeline {
    /// A pipeline over these parts.
    pub fn new(
        catalogue: Arc<Catalogue>,
        spool_folder: PathBuf,
        blobs: Blobs,
        originals: Originals,
        children: Pool,
        config: &crate::config::Config,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Pipeline {
            catalogue,
            spool_folder,
            blobs,
            originals,
            children,
            mode: config.attach.mode,
            copies: config.attach.copies,
            tiers: config.attach.tiers.clone(),
            threads: if config.decode.threads == 0 { cores } else { config.decode.threads },
            books: Books::default(),
        }
    }

    fn bench(&self) -> reattach::Bench<'_> {
        reattach::Bench { catalogue: &self.catalogue, blobs: &self.blobs, originals: &self.originals }
    }
}

/// Does one piece of work.
///
/// # Errors
/// When the catalogue, a store or the children fail; what was done stays done.
pub fn work(pipeline: &Pipeline, work: Work) -> Result<(), Error> {
    match work {
        Work::Thumbnail(thumbnail) => read_thumbnail(&pipeline.catalogue, &pipeline.children, thumbnail),
        Work::Upload(upload) => follow(pipeline, upload),
        Work::Image(image) => match_image(pipeline, image),
    }
}

/// Takes one received upload along its way: stored, examined, matched.
fn follow(pipeline: &Pipeline, upload: UploadId) -> Result<(), Error> {
    let Some(upload) = pipeline.catalogue.read(|tx| tx.received_upload(upload))? else { return Ok(()) };
    let customer = upload.customer;
    let blob = store(pipeline, upload)?;
    let images = examine(pipeline, blob)?;
    for image in images {
        match_image(pipeline, image)?;
    }
    Ok(pipeline.catalogue.write_redoable(move |tx| tx.customer_dirty(customer))?)
}

/// Moves an upload's bytes from the spool into the blob store, under the digest taken while they streamed by.
fn store(pipeline: &Pipeline, upload: ReceivedUpload) -> Result<Blob, Error> {
    if let Some(spooled) = &upload.spool_file {
        pipeline.blobs.take(upload.customer, upload.digest, &pipeline.spool_folder.join(spooled))?;
    }
    Ok(pipeline.catalogue.write_redoable::<_, catalogue::Error>(move |tx| {
        let id = tx.blob_of(upload.customer, upload.digest, upload.size)?;
        tx.upload_stored(upload.id, id)?;
        tx.blob(id)?.ok_or_else(|| catalogue::Error::Damaged(format!("blob {id} was made and is not there")))
    })?)
}

/// Finds out what a blob is and what it shows. A blob that was examined before, under another name, is not read again.
fn examine(pipeline: &Pipeline, blob: Blob) -> Result<Vec<ImageId>, Error> {
    if !blob.examined {
        let file = pipeline.blobs.open(blob.customer, blob.digest)?;
        let kind = identify(&file).map_err(|source| store::Error::Io {
            doing: "read the blob",
            path: pipeline.blobs.path(blob.customer, blob.digest),
            source,
        })?;
        let seen = look(pipeline, file)?;
        let noted = blob.clone();
        pipeline.catalogue.write_redoable::<_, catalogue::Error>(move |tx| {
            let problem = seen.as_ref().err().map(Unreadable::to_string);
            let damage = seen.as_ref().ok().and_then(|seen| seen.header.damage());
            let images = [first_image(kind, seen.as_ref().ok())];
            tx.blob_examined(&noted, kind.word(), problem.as_deref(), damage, &images)
        })?;
    }
    Ok(pipeline.catalogue.read(|tx| tx.images_of_blob(blob.id))?)
}

/// What a file is, by its content.
fn identify(file: &File) -> std::io::Result<Kind> {
    use std::os::unix::fs::FileExt;
    let mut start = vec![0; SNIFF_BYTES];
    let mut filled = 0;
    loop {
        match file.read_at(&mut start[filled..], filled as u64)? {
            0 => return Ok(Kind::of(&start[..filled])),
            read => filled += read,
        }
    }
}

/// What a child sees in a file, or why it sees nothing. A fault of the machine is an error, not a word on the file.
fn look(pipeline: &Pipeline, file: File) -> Result<Result<Examination, Unreadable>, Error> {
    match pipeline.children.examine(file) {
        Err(unreadable) if unreadable.is_transient() => Err(Error::Children(unreadable)),
        seen => Ok(seen),
    }
}

/// The one image of a plain file. One that cannot be decoded has no size and no fingerprint; its digest can still speak.
fn first_image(kind: Kind, seen: Option<&Examination>) -> NewImage {
    NewImage {
        number: 1,
        size: seen.map(|seen| seen.header.upright_size()),
        storage: Storage::of(kind, seen.is_some_and(|seen| seen.header.compressed)),
        truncated: seen.is_none_or(|seen| seen.header.truncated),
        taken_at: seen.and_then(|seen| seen.header.taken_at.clone()),
        fingerprint: seen.map(|seen| (seen.views.quality(), seen.views.to_bytes())),
    }
}

/// Measures an image against every record within its reach, by fingerprint or by metadata.
fn match_image(pipeline: &Pipeline, image: ImageId) -> Result<(), Error> {
    let Some(mut image) = pipeline.catalogue.read(|tx| tx.image_to_match(image))? else { return Ok(()) };
    let book = pipeline.books.of(&pipeline.catalogue, image.customer)?;
    let wanted = book.digests_wanted(image.facts.bytes);
    digests::complete(pipeline, &mut image, wanted)?;
    let reach = book.reach(&image);
    let known = pipeline.catalogue.read(|tx| tx.measured(image.facts.id))?;
    let file = || Ok(pipeline.blobs.open(image.customer, image.facts.digest)?);
    let found = measure(pipeline, &book, &image, file, reach, known)?;
    let seq = book.seq;
    Ok(pipeline.catalogue.write_redoable(move |tx| tx.image_matched(&image, &found, seq))?)
}

/// Takes the fingerprint of a thumbnail that nobody has looked at yet.
///
/// # Errors
/// When the catalogue fails, or the children cannot work now; the thumbnail is then still to be looked at.
pub fn read_thumbnail(catalogue: &Catalogue, children: &Pool, digest: Digest) -> Result<(), Error> {
    let Some(bytes) = catalogue.read(|tx| tx.thumbnail_file(digest))? else { return Ok(()) };
    let examined = examine_thumbnail(children, bytes)?;
    Ok(catalogue.write_redoable(move |tx| tx.thumbnail_examined(digest, &examined))?)
}

/// What a child sees in a thumbnail.
///
/// # Errors
/// When the children cannot work now.
pub fn examine_thumbnail(children: &Pool, bytes: Vec<u8>) -> Result<Examined, Error> {
    match children.examine_thumbnail(bytes) {
        Err(unreadable) if unreadable.is_transient() => Err(Error::Children(unreadable)),
        Err(problem) => Ok(Examined::Problem(problem.to_string())),
        Ok(seen) => {
            let (width, height) = seen.header.upright_size();
            Ok(Examined::Picture {
                width: width.into(),
                height: height.into(),
                fingerprint: Fingerprint::all_to_bytes(&seen.fingerprints),
                partition: seen.partition,
            })
        }
    }
}
