//! The watched folder: what lies in `inbox/<customer>/` is received as if that customer had uploaded it.
//!
//! Owns the watching and the pauses; [`inbox`] owns what a pass over the folder does. What the system tells of changes
//! only shortens the wait: everything is found by passes, so nothing is missed where watching is impossible.

mod inbox;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind, RenameMode};
use notify::{RecursiveMode, Watcher};
use tokio::sync::watch;

use super::accept::is_set;
use crate::catalogue::Catalogue;
use crate::spool::Spool;
use inbox::Inbox;

/// How long news of changes are gathered before the next pass, so that a busy folder is not walked for each of them.
const GATHER: Duration = Duration::from_millis(200);

/// The longest pause between passes while a file waits to be quiet.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What the watched folder works on and with.
#[derive(Clone)]
pub struct InboxContext {
    /// The folder with one folder for each customer; made if absent.
    pub folder: PathBuf,
    /// Knows the customers.
    pub catalogue: Arc<Catalogue>,
    /// Receives the files.
    pub spool: Arc<Spool>,
    /// A file counts once it did not change for so long, or was renamed into place.
    pub quiet: Duration,
    /// The longest time between two passes.
    pub rescan: Duration,
}

/// What wakes the worker.
enum Wake {
    Changed,
    RenamedTo(PathBuf),
    Stop,
}

/// Receives what comes into the folder until `shutdown` turns true; a file that is being received then is completed.
pub async fn serve(context: InboxContext, mut shutdown: watch::Receiver<bool>) {
    let (wake, woken) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let worker = {
        let (wake, stop) = (wake.clone(), stop.clone());
        tokio::task::spawn_blocking(move || run(context, wake, &woken, &stop))
    };
    is_set(&mut shutdown).await;
    stop.store(true, Ordering::Relaxed);
    // Nobody listens when the worker has already ended.
    let _already_ended = wake.send(Wake::Stop).is_err();
    if let Err(error) = worker.await {
        tracing::error!("the watched folder's worker ended badly: {error}");
    }
}

fn run(context: InboxContext, wake: Sender<Wake>, woken: &Receiver<Wake>, stop: &AtomicBool) {
    if let Err(error) = std::fs::create_dir_all(&context.folder) {
        tracing::error!("cannot make the inbox `{}`: {error}", context.folder.display());
    }
    // Lives as long as the worker: dropping it ends the watching.
    let _watcher = watcher(&context, wake);
    let (quiet, rescan) = (context.quiet, context.rescan);
    let mut inbox = Inbox::new(context);
    while !stop.load(Ordering::Relaxed) {
        let waiting = inbox.pass(Instant::now(), stop);
        let pause = if waiting { quiet.clamp(GATHER, PAUSE_MAX) } else { rescan };
        match woken.recv_timeout(pause) {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(first) => {
                std::thread::sleep(GATHER);
                for news in std::iter::once(first).chain(woken.try_iter()) {
                    match news {
                        Wake::Stop => return,
                        Wake::RenamedTo(path) => inbox.renamed_to(path),
                        Wake::Changed => {}
                    }
                }
            }
        }
    }
}

fn watcher(context: &InboxContext, wake: Sender<Wake>) -> Option<notify::RecommendedWatcher> {
    let on_event = move |event: notify::Result<notify::Event>| {
        let news = match event {
            Ok(event) => match event.kind {
                EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => {
                    event.paths.last().cloned().map_or(Wake::Changed, Wake::RenamedTo)
                }
                // Looking at files, which we do ourselves, is no change.
                EventKind::Access(_) => return,
                _ => Wake::Changed,
            },
            // An overflow, for example; the next pass sees everything anyway.
            Err(_) => Wake::Changed,
        };
        // Nobody listens when the worker has already ended.
        let _already_ended = wake.send(news).is_err();
    };
    let watching = notify::recommended_watcher(on_event).and_then(|mut watcher| {
        watcher.watch(&context.folder, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    watching
        .inspect_err(|error| {
            let seconds = context.rescan.as_secs();
            tracing::warn!("cannot watch the inbox, it is looked at every {seconds} s instead: {error}");
        })
        .ok() // Told above; passes find everything without it.
}
