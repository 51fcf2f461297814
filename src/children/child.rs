//! The child's side: confines itself, then does jobs until its parent closes the socket.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

use super::kept::{Identity, Kept};
use super::wire::{Answer, Asked, Frames, Job, Orders, Report, Request, send};
use super::{Examination, ThumbnailExamination};
use crate::decode::{Limits, Pixels, Scale, Unreadable, decode, panic_text};
use crate::fingerprint;
use crate::identify::{Kind, SNIFF_BYTES};
use crate::matcher::content::{self, Detail};
use crate::matcher::verify::{Coding, MASTER_SIDE, Master, Residual, Thumbnail, Verifier};
use crate::placeholder;
use crate::recipe::{Cells, Excess, Fit, Map, Mark, Partition, Recipe, Reproducer, Upload};

/// Uploads that are kept as content comparisons see them, about a megabyte each.
const DETAILS_KEPT: usize = 24;

/// The EXIF orientation of a picture that lies as it should.
const UPRIGHT: u8 = 1;

/// Works as a child until the parent is gone, then ends the process. Standard input has to be the socket to the parent;
/// started by hand it says so and fails.
///
/// To be called before the process opens anything: every descriptor but the standard ones is closed.
pub fn run_child() -> ! {
    let status = match work() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("reunite: this command is for the program's own use: {error}");
            2
        }
    };
    std::process::exit(status)
}

fn work() -> io::Result<()> {
    close_inherited()?;
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut frames = Frames::new(stream.try_clone()?);
    let Some((orders, _)) = frames.next::<Orders>()? else { return Ok(()) };
    confine(&orders)?;
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(orders.threads)
        .thread_name(|at| format!("decode {at}"))
        .build()
        .map_err(io::Error::other)?;
    send(&stream, &Report::Ready, &[], &[])?;
    let replies = Arc::new(Mutex::new(stream));
    let orders = Arc::new(orders);
    let details = Arc::new(Kept::new(DETAILS_KEPT));
    while let Some((job, bytes)) = frames.next::<Job>()? {
        let files = (0..job.files).filter_map(|_| frames.take_file()).collect();
        let (replies, orders, details) = (Arc::clone(&replies), Arc::clone(&orders), Arc::clone(&details));
        workers.spawn(move || {
            let answer = catch_unwind(AssertUnwindSafe(|| answer(&job.request, files, &bytes, &orders, &details)))
                .unwrap_or_else(|panic| {
                    let detail = format!("the decoder panicked: {}", panic_text(panic.as_ref()));
                    Answer::Failed(Unreadable::Corrupt { kind: Kind::Unknown, detail })
                });
            let replies = replies.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if send(&replies, &Report::Done { id: job.id, answer }, &[], &[]).is_err() {
                // The parent is gone, and with it every reason to go on.
                std::process::exit(0);
            }
        });
    }
    // Jobs still running have nobody to report to.
    std::process::exit(0)
}

/// Gives up what a decoder does not need. Every further fence (Landlock, seccomp) belongs here, before the first job.
fn confine(orders: &Orders) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let exactly = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::Core, exactly(0))?;
    setrlimit(Resource::As, exactly(orders.address_space_max))?;
    // Panics are reported through the answer; printing them would let a file write into the log.
    std::panic::set_hook(Box::new(|_| {}));
    Ok(())
}

/// Closes descriptors beside the standard ones, which were inherited by accident.
fn close_inherited() -> io::Result<()> {
    // SAFETY: closing descriptors touches no memory, and nothing in this process owns one yet: this is the first thing
    // that it does.
    let result = unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    match result {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            // Kernels before 5.9 do not know the call; everything of ours is closed on exec anyway.
            error if error.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
            error => Err(error),
        },
    }
}

fn answer(request: &Request, files: Vec<File>, bytes: &[u8], orders: &Orders, details: &Kept<Detail>) -> Answer {
    let mut files = files.into_iter();
    let file = files.next();
    match request {
        Request::Examine => Answer::Examined(upload(file, orders).and_then(|bytes| examine(&bytes, orders))),
        Request::ExamineThumbnail => Answer::ExaminedThumbnail(examine_thumbnail(bytes, orders)),
        Request::Verify { lengths, marks } => Answer::Verified(
            upload(file, orders).and_then(|upload| residuals(&upload, (lengths, marks), bytes, orders)),
        ),
        Request::Placeholder => Answer::Shown(placeholder_of(bytes, orders)),
        Request::Picture => Answer::Pictured(upload(file, orders).and_then(|upload| picture(&upload, bytes, orders))),
        Request::Excesses { recipes } => {
            Answer::Excesses(upload(file, orders).and_then(|upload| excesses(&upload, bytes, recipes, orders)))
        }
        Request::Map { recipe } => {
            Answer::Mapped(upload(file, orders).and_then(|upload| map(&upload, bytes, recipe, orders)))
        }
        Request::Show { side } => Answer::Shown(match file {
            Some(file) => upload(Some(file), orders).and_then(|bytes| show(&bytes, *side, &orders.limits)),
            None => show(bytes, *side, &orders.thumbnail_limits),
        }),
        Request::Compare => Answer::Compared(detail_of(file, orders, details).and_then(|a| {
            let b = detail_of(files.next(), orders, details)?;
            Ok(content::compare(&a, &b))
        })),
        Request::Reproduce { asked } => {
            Answer::Reproduced(upload(file, orders).and_then(|upload| fits(&upload, bytes, asked, orders)))
        }
    }
}

/// The bytes of an upload of a readable kind. Others are told by their beginning and never read whole.
fn upload(file: Option<File>, orders: &Orders) -> Result<Vec<u8>, Unreadable> {
    let unavailable = |error: io::Error| Unreadable::Unavailable(error.to_string());
    let file = file.ok_or_else(|| Unreadable::Unavailable("no file came with the job".to_owned()))?;
    let length = file.metadata().map_err(unavailable)?.len();
    let start = read_at(&file, length.min(SNIFF_BYTES as u64)).map_err(unavailable)?;
    match Kind::of(&start) {
        Kind::Empty => Err(Unreadable::Empty),
        kind if !kind.is_readable() => Err(Unreadable::NotReadable(kind)),
        _ if length > orders.file_bytes_max => {
            Err(Unreadable::TooMuchMemory { bytes: length, bytes_max: orders.file_bytes_max })
        }
        _ => read_at(&file, length).map_err(unavailable),
    }
}

/// The first `length` bytes. Its position is shared with the parent, so it is neither used nor moved.
fn read_at(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn examine(bytes: &[u8], orders: &Orders) -> Result<Examination, Unreadable> {
    let decoded = decode(bytes, Scale::Sketch(fingerprint::SKETCH_PX), &orders.limits)?;
    Ok(Examination { header: decoded.header, views: fingerprint::of_upload(&decoded.renderings) })
}

fn examine_thumbnail(bytes: &[u8], orders: &Orders) -> Result<ThumbnailExamination, Unreadable> {
    let decoded = decode(bytes, Scale::Full, &orders.thumbnail_limits)?;
    Ok(ThumbnailExamination {
        partition: Partition::of(bytes)?,
        fingerprints: fingerprint::of_thumbnail(&decoded.renderings[0]),
        header: decoded.header,
    })
}

fn residuals(
    upload: &[u8],
    (lengths, marks): (&[usize], &[Vec<Mark>]),
    bytes: &[u8],
    orders: &Orders,
) -> Result<Vec<Option<Residual>>, Unreadable> {
    let mut rest = bytes;
    let thumbnails: Vec<_> = lengths
        .iter()
        .zip(marks)
        .map(|(&length, marks)| {
            let (bytes, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            // A thumbnail that cannot be decoded was reported when it was imported; here it compares with nothing.
            Some(thumbnail_of(bytes, orders).ok()?.beside(marks))
        })
        .collect();
    let master = master_of(upload, orders)?;
    let verifier = Verifier::new(&master);
    Ok(thumbnails.iter().map(|thumbnail| verifier.residual(thumbnail.as_ref()?)).collect())
}

/// An upload beside a thumbnail, for a person to look at.
fn picture(upload: &[u8], thumbnail: &[u8], orders: &Orders) -> Result<Option<Pixels>, Unreadable> {
    let thumbnail = thumbnail_of(thumbnail, orders)?;
    let master = master_of(upload, orders)?;
    Ok(Verifier::new(&master).picture(&thumbnail))
}

/// A picture made anew, for people to look at.
fn show(bytes: &[u8], side: u32, limits: &Limits) -> Result<Vec<u8>, Unreadable> {
    let decoded = decode(bytes, Scale::AtLeast(side), limits)?;
    let made = decoded.renderings[0].to_picture();
    made.map_err(|error| Unreadable::Corrupt { kind: decoded.header.kind, detail: error.to_string() })
}

/// What survived of a lost original, marked as not being it.
fn placeholder_of(bytes: &[u8], orders: &Orders) -> Result<Vec<u8>, Unreadable> {
    let decoded = decode(bytes, Scale::Full, &orders.thumbnail_limits)?;
    let made = placeholder::marked(&decoded.renderings[0]).to_picture();
    made.map_err(|error| Unreadable::Corrupt { kind: decoded.header.kind, detail: error.to_string() })
}

fn thumbnail_of(bytes: &[u8], orders: &Orders) -> Result<Thumbnail, Unreadable> {
    let decoded = decode(bytes, Scale::Full, &orders.thumbnail_limits)?;
    Ok(Thumbnail::new(&decoded.renderings[0], Coding::of(bytes)))
}

fn master_of(upload: &[u8], orders: &Orders) -> Result<Master, Unreadable> {
    let decoded = decode(upload, Scale::AtLeast(MASTER_SIDE), &orders.limits)?;
    Ok(Master::new(&decoded.renderings, decoded.header.upright_size()))
}

/// What each recipe leaves unexplained of a thumbnail when it is carried out on the upload.
fn excesses(
    upload: &[u8],
    thumbnail: &[u8],
    recipes: &[Recipe],
    orders: &Orders,
) -> Result<Vec<Option<Excess>>, Unreadable> {
    let cells = Cells::read(thumbnail)?;
    let upload = Upload::read(upload, &orders.limits)?;
    let reproducer = Reproducer::new(&upload);
    Ok(recipes.iter().map(|recipe| reproducer.excess(recipe, &cells, UPRIGHT)).collect())
}

/// Where a recipe carried out on the upload leaves something unexplained of a thumbnail.
fn map(upload: &[u8], thumbnail: &[u8], recipe: &Recipe, orders: &Orders) -> Result<Option<Map>, Unreadable> {
    let cells = Cells::read(thumbnail)?;
    let upload = Upload::read(upload, &orders.limits)?;
    Ok(Reproducer::new(&upload).map(recipe, &cells, UPRIGHT))
}

/// How well the upload reproduces each thumbnail by the best of the recipes known.
fn fits(upload: &[u8], bytes: &[u8], asked: &[Asked], orders: &Orders) -> Result<Vec<Option<Fit>>, Unreadable> {
    let upload = Upload::read(upload, &orders.limits)?;
    let reproducer = Reproducer::new(&upload);
    let mut rest = bytes;
    let fit = |asked: &Asked| {
        let (thumbnail, after) = rest.split_at(asked.length.min(rest.len()));
        rest = after;
        // A thumbnail that cannot be read was reported when it was imported; here it is reproduced by nothing.
        let cells = Cells::read(thumbnail).ok()?;
        let fits = asked.learned.iter().filter_map(|learned| reproducer.fit(learned, &cells, &asked.turns));
        fits.min_by(|a, b| b.near.cmp(&a.near).then(a.loss.total_cmp(&b.loss)))
    };
    Ok(asked.iter().map(fit).collect())
}

/// An upload as it is compared with others, made now or a moment ago.
fn detail_of(file: Option<File>, orders: &Orders, details: &Kept<Detail>) -> Result<Arc<Detail>, Unreadable> {
    let identity = file.as_ref().map(Identity::of).transpose();
    let identity = identity.map_err(|error| Unreadable::Unavailable(error.to_string()))?;
    let make = || detail(&upload(file, orders)?, orders);
    match identity {
        Some(identity) => details.get(identity, make),
        None => make().map(Arc::new),
    }
}

/// An upload as it is compared with others, small enough to be held beside another.
fn detail(upload: &[u8], orders: &Orders) -> Result<Detail, Unreadable> {
    // Twice the side that is compared: a JPEG decoded at a reduced scale differs too much from its like at full scale.
    let decoded = decode(upload, Scale::AtLeast(2 * content::DETAIL_SIDE), &orders.limits)?;
    let detail = Detail::new(&decoded.renderings, decoded.header.upright_size());
    detail.ok_or_else(|| Unreadable::Corrupt { kind: Kind::Unknown, detail: "there are no pixels".to_owned() })
}
