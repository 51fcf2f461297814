//! Having the decode children look at thumbnails right after they were imported, so that whoever imports learns at once
//! which of them cannot be used. What is left over when this is interrupted, the pipeline looks at later.

use std::sync::{Mutex, PoisonError};

use anyhow::Context;

use crate::catalogue::{self, Catalogue};
use crate::children::{Pool, Settings};
use crate::domain::Digest;
use crate::pipeline::{self, examine_thumbnail};

/// Thumbnails that are asked for at once.
const BATCH: i64 = 2_000;

/// Thumbnails whose findings are written at once: a commit of its own for each would take longer than looking at it, and
/// a running server never waits long for so few.
const WRITTEN: usize = 50;

/// Workers for each job that the children do at once, so that they find the next job waiting.
const WORKERS_PER_HAND: usize = 2;

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
        let queue = Mutex::new(batch.chunks(WRITTEN));
        let work = || -> Result<(), pipeline::Error> {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(digests) = next else { return Ok(()) };
                examine(catalogue, &pool, digests)?;
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..hands * WORKERS_PER_HAND).map(|_| scope.spawn(work)).collect();
            // A worker that panics takes the import with it: its rows are written, and the rest is looked at later.
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
        .context("the records are imported, but not every thumbnail could be looked at; the server does the rest")?;
    }
}

/// Looks at a few thumbnails and writes down what was found in them.
fn examine(catalogue: &Catalogue, pool: &Pool, digests: &[Digest]) -> Result<(), pipeline::Error> {
    let mut found = Vec::with_capacity(digests.len());
    for &digest in digests {
        if let Some(bytes) = catalogue.read(|tx| tx.thumbnail_file(digest))? {
            found.push((digest, examine_thumbnail(pool, bytes)?));
        }
    }
    Ok(catalogue.write::<_, catalogue::Error>(move |tx| {
        found.iter().try_for_each(|(digest, examined)| tx.thumbnail_examined(*digest, examined))
    })?)
}
