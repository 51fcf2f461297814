//! The decode children: long-lived processes of this same binary in which hostile bytes are read.
//!
//! A [`Pool`] starts them, hands them files by descriptor and bytes by socket, and gets back what was measured. They hold
//! no paths, no settings, no catalogue and no sockets but the one to their parent. Inside, several jobs run at once on a
//! rayon pool.
//!
//! One bad file stops nothing: a child that dies (by a fault of memory, for want of it, by a signal) or takes too long is
//! replaced, what it was working on is tried again, each job alone, and a job that kills its child a second time is given
//! up by name. This module decides nothing about pictures and stores nothing.

mod child;
mod kept;
mod supervisor;
mod wire;

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use child::run_child;

use crate::decode::{Header, Limits, Pixels, Unreadable};
use crate::fingerprint::{Fingerprint, Views};
use crate::identify::Kind;
use crate::matcher::content::Comparison;
use crate::matcher::verify::Residual;
use crate::recipe::{Excess, Fit, Learned, Map, Mark, Partition, Recipe};
use supervisor::{Event, Supervisor};
use wire::{Answer, Asked, Request};

/// The hidden subcommand under which the binary becomes a child; `main` then calls [`run_child`].
pub const SUBCOMMAND: &str = "decode-child";

/// How many children there are, how much each may do, and what one job may cost.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The binary to start; by default, this one.
    pub program: PathBuf,
    /// Processes. By default one for every four cores.
    pub children: NonZeroUsize,
    /// Jobs that one child works on at once. By default the number of cores, at most four.
    pub threads: NonZeroUsize,
    /// Address space of one child, in bytes; beyond it allocation fails and the child dies. By default 2 GiB.
    pub address_space_max: u64,
    /// Wall-clock time of one job, beyond which its child is killed. By default 60 seconds.
    pub job_time_max: Duration,
    /// Limits of one upload's picture.
    pub limits: Limits,
    /// Limits of one thumbnail.
    pub thumbnail_limits: Limits,
    /// Longest file that is read at all, in bytes. By default 512 MiB.
    pub file_bytes_max: u64,
}

impl Settings {
    /// The defaults for this machine.
    ///
    /// Fails where the running binary cannot be found, as after it was replaced.
    pub fn for_this_machine() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).get();
        let at_least_one = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Ok(Settings {
            program: std::env::current_exe()?,
            children: at_least_one(cores.div_ceil(4)),
            threads: at_least_one(cores.min(4)),
            address_space_max: 2 << 30,
            job_time_max: Duration::from_secs(60),
            limits: Limits::default(),
            thumbnail_limits: Limits { pixels_max: 64_000_000, bytes_max: 512 << 20 },
            file_bytes_max: 512 << 20,
        })
    }
}

/// What an upload turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// What the file says about itself.
    pub header: Header,
    /// Fingerprints of everything that a thumbnail of it might show.
    pub views: Views,
}

/// What a thumbnail turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThumbnailExamination {
    /// What the file says about itself.
    pub header: Header,
    /// Its fingerprints.
    pub fingerprints: Vec<Fingerprint>,
    /// What its file tells of how it was made.
    pub partition: Partition,
}

/// A thumbnail that an upload may reproduce.
#[derive(Clone, Debug)]
pub struct Reproduction<'a> {
    /// The thumbnail's file.
    pub thumbnail: &'a [u8],
    /// What is known of how it was made.
    pub learned: &'a [Learned],
    /// The EXIF orientations in which the upload may lie in it.
    pub turns: Vec<u8>,
}

/// A pool cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A thread could not be started.
    #[error("cannot start the thread that watches the decoders: {0}")]
    Thread(#[source] std::io::Error),
}

/// The children and the thread that watches them. Share it between threads; dropping it ends the children.
pub struct Pool {
    events: Sender<Event>,
    /// Tokens of the jobs that may be waiting or running; bounds memory and open files.
    admission: SyncSender<()>,
    admitted: Arc<Mutex<Receiver<()>>>,
    pids: Arc<Mutex<Vec<u32>>>,
    deaths: Arc<AtomicU64>,
    watcher: Option<JoinHandle<()>>,
}

impl Pool {
    /// Starts a pool. Children start with the first job that needs them.
    pub fn start(settings: Settings) -> Result<Pool, Fault> {
        let places = settings.children.get() * settings.threads.get() * 2;
        let (admission, admitted) = sync_channel(places);
        let (events, inbox) = channel();
        let pids = Arc::new(Mutex::new(Vec::new()));
        let deaths = Arc::new(AtomicU64::new(0));
        let supervisor = Supervisor::new(settings, events.clone(), inbox, Arc::clone(&pids), Arc::clone(&deaths));
        let watcher = std::thread::Builder::new()
            .name("decoders".to_owned())
            .spawn(move || supervisor.run())
            .map_err(Fault::Thread)?;
        Ok(Pool { events, admission, admitted: Arc::new(Mutex::new(admitted)), pids, deaths, watcher: Some(watcher) })
    }

    /// Identifies an upload, reads its header, decodes it at a small scale and takes its fingerprints. Waits for the
    /// answer; call it from as many threads as there are jobs to run at once.
    pub fn examine(&self, file: File) -> Result<Examination, Unreadable> {
        match self.ask(Request::Examine, vec![file], Vec::new()) {
            Answer::Examined(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// The same for a thumbnail, whose bytes are no less hostile.
    pub fn examine_thumbnail(&self, bytes: Vec<u8>) -> Result<ThumbnailExamination, Unreadable> {
        match self.ask(Request::ExamineThumbnail, Vec::new(), bytes) {
            Answer::ExaminedThumbnail(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// Measures an upload against thumbnails, decoding it once. One entry for each thumbnail, in their order; nothing
    /// where a thumbnail cannot be decoded or compared.
    pub fn verify(&self, file: File, thumbnails: &[Vec<u8>]) -> Result<Vec<Option<Residual>>, Unreadable> {
        self.verify_beside(file, thumbnails, &vec![Vec::new(); thumbnails.len()])
    }

    /// The same, for each thumbnail with these marks left out.
    pub fn verify_beside(
        &self,
        file: File,
        thumbnails: &[Vec<u8>],
        marks: &[Vec<Mark>],
    ) -> Result<Vec<Option<Residual>>, Unreadable> {
        let lengths = thumbnails.iter().map(Vec::len).collect();
        match self.ask(Request::Verify { lengths, marks: marks.to_vec() }, vec![file], thumbnails.concat()) {
            Answer::Verified(Ok(residuals)) if residuals.len() != thumbnails.len() => {
                Err(Answer::Verified(Ok(residuals)).out_of_place())
            }
            Answer::Verified(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// An upload beside a thumbnail, and their difference; nothing where the two cannot be compared.
    pub fn picture(&self, file: File, thumbnail: Vec<u8>) -> Result<Option<Pixels>, Unreadable> {
        let claimed = |pixels: &Pixels| u64::from(pixels.width) * u64::from(pixels.height) * 3;
        match self.ask(Request::Picture, vec![file], thumbnail) {
            Answer::Pictured(Ok(Some(pixels))) if pixels.rgb.len() as u64 != claimed(&pixels) => {
                Err(Answer::Pictured(Ok(Some(pixels))).out_of_place())
            }
            Answer::Pictured(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// What survived of a lost original as JPEG, with words burned in that say so.
    pub fn placeholder(&self, thumbnail: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
        self.shown(Request::Placeholder, Vec::new(), thumbnail)
    }

    /// A thumbnail made anew as JPEG or PNG, upright and without a word of its file beside the pixels; its long side has `side`
    /// pixels, or more up to twice as many, where it has so many.
    pub fn show_thumbnail(&self, bytes: Vec<u8>, side: u32) -> Result<Vec<u8>, Unreadable> {
        self.show(Vec::new(), bytes, side)
    }

    /// The same of an upload.
    pub fn show_upload(&self, file: File, side: u32) -> Result<Vec<u8>, Unreadable> {
        self.show(vec![file], Vec::new(), side)
    }

    fn show(&self, files: Vec<File>, bytes: Vec<u8>, side: u32) -> Result<Vec<u8>, Unreadable> {
        self.shown(Request::Show { side }, files, bytes)
    }

    fn shown(&self, request: Request, files: Vec<File>, bytes: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
        match self.ask(request, files, bytes) {
            // A child that was taken over may say anything; a browser is to get one of two kinds.
            Answer::Shown(Ok(bytes)) if !matches!(Kind::of(&bytes), Kind::Jpeg | Kind::Png) => {
                Err(Answer::Shown(Ok(bytes)).out_of_place())
            }
            Answer::Shown(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// What each of `recipes` leaves unexplained of a thumbnail when it is carried out on an upload, in their order; nothing
    /// where the upload cannot lie in the thumbnail so.
    pub fn excesses(
        &self,
        file: File,
        thumbnail: &[u8],
        recipes: &[Recipe],
    ) -> Result<Vec<Option<Excess>>, Unreadable> {
        match self.ask(Request::Excesses { recipes: recipes.to_vec() }, vec![file], thumbnail.to_vec()) {
            Answer::Excesses(Ok(excesses)) if excesses.len() != recipes.len() => {
                Err(Answer::Excesses(Ok(excesses)).out_of_place())
            }
            Answer::Excesses(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// Where a recipe carried out on an upload leaves something unexplained of a thumbnail, block by block; nothing where the
    /// upload cannot lie in it so.
    pub fn map(&self, file: File, thumbnail: &[u8], recipe: &Recipe) -> Result<Option<Map>, Unreadable> {
        match self.ask(Request::Map { recipe: *recipe }, vec![file], thumbnail.to_vec()) {
            Answer::Mapped(Ok(Some(map))) if !map.is_sound() => Err(Answer::Mapped(Ok(Some(map))).out_of_place()),
            Answer::Mapped(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// How well an upload reproduces thumbnails, each by the best of the recipes known of it; one entry for each, in their
    /// order, nothing where it cannot lie in it.
    pub fn reproduce(&self, file: File, wanted: &[Reproduction<'_>]) -> Result<Vec<Option<Fit>>, Unreadable> {
        let asked = wanted.iter().map(|wanted| Asked {
            length: wanted.thumbnail.len(),
            learned: wanted.learned.to_vec(),
            turns: wanted.turns.clone(),
        });
        let asked: Vec<_> = asked.collect();
        let bytes = wanted.iter().flat_map(|wanted| wanted.thumbnail).copied().collect();
        match self.ask(Request::Reproduce { asked }, vec![file], bytes) {
            Answer::Reproduced(Ok(fits)) if fits.len() != wanted.len() => {
                Err(Answer::Reproduced(Ok(fits)).out_of_place())
            }
            Answer::Reproduced(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// What two uploads are to each other, seen closely.
    pub fn compare(&self, a: File, b: File) -> Result<Comparison, Unreadable> {
        match self.ask(Request::Compare, vec![a, b], Vec::new()) {
            Answer::Compared(result) => result,
            other => Err(other.out_of_place()),
        }
    }

    /// Process ids of the children that are running now.
    pub fn pids(&self) -> Vec<u32> {
        self.pids.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Children that died or had to be killed since the pool began; each was replaced with the next job.
    pub fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::Relaxed)
    }

    /// Hands in a job, waiting for room first, and waits for its answer.
    fn ask(&self, request: Request, files: Vec<File>, bytes: Vec<u8>) -> Answer {
        let gone = || Answer::Failed(Unreadable::Unavailable("the decoders have been stopped".to_owned()));
        if self.admission.send(()).is_err() {
            return gone();
        }
        let (reply, answer) = channel();
        let sent = self.events.send(Event::Job { request, files, bytes, reply });
        // The supervisor answers every job, also when it stops; an answer that cannot come means that it is gone.
        let answer = sent.ok().and_then(|()| answer.recv().ok()).unwrap_or_else(gone);
        let admitted = self.admitted.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // Our own token, or another's of the same kind: one of them is certainly there.
        let _ = admitted.try_recv();
        answer
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Failing means that the supervisor has ended already.
        let _ = self.events.send(Event::Stop);
        if let Some(watcher) = self.watcher.take() {
            // A panic in it was reported when it happened.
            let _ = watcher.join();
        }
    }
}
