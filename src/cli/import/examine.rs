//! Having the decode children look at thumbnails right after they were imported, so that whoever imports learns at once
//! which of them cannot be used. What is left over when this is interrupted, the pipeline looks at later.

use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use crate::catalogue::Catalogue;
use crate::children::{Pool, Settings};
use crate::pipeline::{self, read_thumbnail};

/// Thumbnails that are asked for at once.
const BATCH: i64 = 2_000;

/// Looks at every thumbnail that nobody has looked at yet.
///
/// # Errors
/// When the catalogue fails or no child can be started.
pub(super) fn thumbnails(catalogue: &Catalogue) -> anyhow::Result<()> {
    let settings = Settings::for_this_machine().context("cannot find the program to read thumbnails with")?;
    let hands = settings.children.get() * settings.threads.get();
    let pool = Pool::start(settings)?;
    loop {
        let batch = catalogue.read(|tx| tx.thumbnails_unexamined(BATCH))?;
        if batch.is_empty() {
            return Ok(());
        }
        let queue = Mutex::new(batch.into_iter());
        let work = || -> Result<(), pipeline::Error> {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(digest) = next else { return Ok(()) };
                read_thumbnail(catalogue, &pool, digest)?;
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..hands).map(|_| scope.spawn(work)).collect();
            // A worker that panics takes the import with it: its rows are written, and the rest is looked at later.
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
        .context("the records are imported, but not every thumbnail could be looked at; the server does the rest")?;
    }
}
