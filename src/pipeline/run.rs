//! The threads that carry work along: some follow files, one lets the rule speak, one learns recipes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::catalogue::Work;
use crate::domain::CustomerId;

use super::backlog::Backlog;
use super::{Error, Pipeline, recipes, settle, work};

/// How often the catalogue is asked whether another process changed it.
const POLL: Duration = Duration::from_millis(250);

/// While a customer still has work, the rule speaks again only after so many times the time it took last.
const SETTLE_PAUSE_FACTOR: u32 = 10;

/// The pause after the rule could not speak for a customer, because a store is away for instance; it doubles each time...
const SETTLE_RETRY_FIRST: Duration = Duration::from_secs(1);

/// ... up to this.
const SETTLE_RETRY_MAX: Duration = Duration::from_secs(30);

/// Times that work is tried on which the program itself fails, before its upload is put aside as failed.
const ATTEMPTS_MAX: i64 = 5;

/// The pause before the next try doubles up to this many times, from 2 s to about a minute.
const PAUSE_DOUBLINGS_MAX: i64 = 6;

/// A pipeline that runs until it is stopped.
pub struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    pipeline: Arc<Pipeline>,
    backlog: Mutex<Backlog>,
    changed: Condvar,
    stop: AtomicBool,
    /// End by yourself once nothing is left.
    until_idle: bool,
}

/// Finishes what a crash left in between, then starts the threads of `pipeline`. A store that is away is waited for
/// by the threads, not here.
///
/// # Errors
/// When the catalogue fails.
pub fn start(pipeline: Arc<Pipeline>) -> Result<Running, Error> {
    finish_placing(&pipeline)?;
    recipes::begin(&pipeline)?;
    Ok(begin(pipeline, false))
}

fn finish_placing(pipeline: &Pipeline) -> Result<(), Error> {
    match crate::reattach::finish(&pipeline.bench()) {
        Err(crate::reattach::Error::Store(error)) => {
            tracing::error!("originals that were being put back wait for the store: {error}");
            Ok(())
        }
        finished => Ok(finished?),
    }
}

/// Works until nothing received is undecided.
///
/// # Errors
/// When what a crash left in between cannot be finished.
pub fn run_until_nothing_is_left(pipeline: Arc<Pipeline>) -> Result<(), Error> {
    finish_placing(&pipeline)?;
    recipes::begin(&pipeline)?;
    begin(pipeline, true).join();
    Ok(())
}

fn begin(pipeline: Arc<Pipeline>, until_idle: bool) -> Running {
    let threads = pipeline.threads;
    let shared = Arc::new(Shared {
        pipeline,
        backlog: Mutex::default(),
        changed: Condvar::new(),
        stop: AtomicBool::new(false),
        until_idle,
    });
    let spawn = |name: String, run: fn(&Shared)| {
        let shared = shared.clone();
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            crate::priority::step_back();
            run(&shared);
        });
        // A process that cannot start a thread now could not have come this far; there is nothing to fall back to.
        thread.expect("cannot start a thread of the pipeline")
    };
    let mut threads: Vec<_> = (0..threads).map(|n| spawn(format!("follow-{n}"), follow_files)).collect();
    threads.push(spawn("settle".into(), settle_customers));
    threads.push(spawn("learn".into(), learn_recipes));
    Running { shared, threads }
}

impl Running {
    /// Stops after the work that is under way; the rest is done after the next start.
    pub fn stop(self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        self.join();
    }

    fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the pipeline panicked");
            }
        }
    }
}

impl Shared {
    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn pause(&self) {
        drop(self.changed.wait_timeout(self.backlog(), POLL).unwrap_or_else(PoisonError::into_inner));
    }
}

fn follow_files(shared: &Shared) {
    while !shared.stopping() {
        let taken = shared.backlog().take(&shared.pipeline.catalogue);
        match taken {
            Ok(Some((customer, piece))) => {
                let began = Instant::now();
                follow_one(shared, piece);
                shared.backlog().done((customer, piece));
                shared.changed.notify_all();
                crate::priority::rest_in_a_rush(began.elapsed());
            }
            Ok(None) => shared.pause(),
            Err(error) => {
                tracing::error!("cannot look for work: {error}");
                shared.pause();
            }
        }
    }
}

/// Does one piece of work; a failure is noted on its row and nothing else stops.
fn follow_one(shared: &Shared, piece: Work) {
    let failure = match catch_unwind(AssertUnwindSafe(|| work(&shared.pipeline, piece))) {
        Ok(Ok(())) => return,
        Ok(Err(error)) if error.is_transient() => Failure::Later(error.to_string()),
        Ok(Err(error)) => Failure::Final(error.to_string()),
        Err(_) => Failure::Ours,
    };
    tracing::warn!(?piece, "{}", failure.why());
    if let Err(error) = note_failure(shared, piece, failure) {
        tracing::error!(?piece, "cannot note the failure: {error}");
        shared.pause();
    }
}

/// What a failure says about trying again.
enum Failure {
    /// A store or the catalogue is away or full, which says nothing about the file: tried again for ever.
    Later(String),
    /// Trying again changes nothing.
    Final(String),
    /// A panic of ours: tried again a few times.
    Ours,
}

impl Failure {
    fn why(&self) -> &str {
        match self {
            Failure::Later(why) | Failure::Final(why) => why,
            Failure::Ours => "reunite failed on it, which is a fault of ours; the log says where",
        }
    }
}

fn note_failure(shared: &Shared, piece: Work, failure: Failure) -> Result<(), Error> {
    let Work::Upload(upload) = piece else {
        // Thumbnails and images have no row for failures; they are tried again with the next look.
        shared.pause();
        return Ok(());
    };
    Ok(shared.pipeline.catalogue.write::<_, crate::catalogue::Error>(move |tx| {
        let attempts = tx.upload_attempts(upload)? + 1;
        let pause_seconds = 1 << attempts.min(PAUSE_DOUBLINGS_MAX);
        match failure {
            Failure::Final(why) => tx.upload_failed(upload, &why),
            Failure::Ours if attempts >= ATTEMPTS_MAX => tx.upload_failed(upload, failure.why()),
            failure => tx.upload_deferred(upload, failure.why(), pause_seconds),
        }
    })?)
}

fn learn_recipes(shared: &Shared) {
    let mut not_before = Instant::now();
    while !shared.stopping() {
        if Instant::now() < not_before {
            shared.pause();
            continue;
        }
        match recipes::learn_due(&shared.pipeline) {
            Ok(true) => shared.changed.notify_all(),
            // Each piece of work wakes everybody; to learn is for when none is left, so it looks no more often than this.
            Ok(false) => not_before = Instant::now() + POLL,
            Err(error) => {
                tracing::error!("cannot learn recipes now: {error}");
                not_before = Instant::now() + SETTLE_RETRY_MAX;
            }
        }
    }
}

fn settle_customers(shared: &Shared) {
    let mut turns: HashMap<CustomerId, Turn> = HashMap::new();
    while !shared.stopping() {
        match settle_due(shared, &mut turns) {
            Ok(settled) if settled > 0 => shared.changed.notify_all(),
            Ok(_) if shared.until_idle && nothing_left(shared) => {
                shared.stop.store(true, Ordering::SeqCst);
                shared.changed.notify_all();
            }
            Ok(_) => shared.pause(),
            Err(error) => {
                tracing::error!("cannot decide: {error}");
                shared.pause();
            }
        }
    }
}

/// When the rule speaks for a customer again.
enum Turn {
    /// Not before this, unless nothing of the customer's is under way.
    Early(Instant),
    /// Not before this, since it failed; the next pause after one more failure.
    Failed(Instant, Duration),
}

/// Lets the rule speak for every customer whose turn it is; returns for how many. One whose originals cannot be put back
/// now keeps nobody else waiting.
fn settle_due(shared: &Shared, turns: &mut HashMap<CustomerId, Turn>) -> Result<usize, Error> {
    let mut settled = 0;
    for (customer, mark) in shared.pipeline.catalogue.read(|tx| tx.dirty_customers())? {
        let due = match turns.get(&customer) {
            Some(Turn::Early(at)) => Instant::now() >= *at || !shared.backlog().is_busy_with(customer),
            Some(Turn::Failed(at, _)) => Instant::now() >= *at,
            None => true,
        };
        if shared.stopping() || !due {
            continue;
        }
        let began = Instant::now();
        match settle(&shared.pipeline, customer, mark) {
            Ok(()) => {
                settled += 1;
                turns.insert(customer, Turn::Early(Instant::now() + (began.elapsed() * SETTLE_PAUSE_FACTOR).max(POLL)));
            }
            Err(error) => {
                tracing::error!(%customer, "cannot decide now: {error}");
                let pause = match turns.get(&customer) {
                    Some(Turn::Failed(_, pause)) => (*pause * 2).min(SETTLE_RETRY_MAX),
                    _ => SETTLE_RETRY_FIRST,
                };
                turns.insert(customer, Turn::Failed(Instant::now() + pause, pause));
            }
        }
    }
    Ok(settled)
}

fn nothing_left(shared: &Shared) -> bool {
    let undecided = shared.pipeline.catalogue.read(|tx| tx.undecided(None));
    shared.backlog().is_idle() && undecided.is_ok_and(|undecided| undecided.is_nothing())
}
