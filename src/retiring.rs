//! Gives up what stays missing: after settings' time without a file of its customer, announced long enough before, and called off
//! by whatever happens meanwhile.
//!
//! The page says the day from the announcement on; whoever is sent mail is told by mail, and then the time runs from that mail. Days on which
//! the server did not run, or that a clock jumped over, do not count, since nobody could read it then. Nothing is given up
//! while a store is away. Each record can be looked for again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::catalogue::{self, Catalogue};
use crate::config::Retire;
use crate::domain::{CustomerId, Micros, RecordId};
use crate::pipeline::Pipeline;
use crate::report::text::count;

const DAY_SECONDS: i64 = 24 * 3600;

/// How often it is looked whether something was called off, and how often for everything else.
const LOOK: Duration = Duration::from_secs(60);
const PASS: Duration = Duration::from_secs(3600);

/// Longer than this between two passes, and the server was away, or its clock jumped.
const AWAY_SECONDS: i64 = DAY_SECONDS;

/// Records that one unit of work gives up, so that no acknowledgement waits for long behind it.
const BATCH: i64 = 200;

/// When a customer to whom it is told at `now` may lose what is missing: at noon (UTC) of the first day after settings' notice. By then that
/// day, as pages and mail name it, has begun wherever they are read, so nothing is given up before it.
pub fn not_before(now: Micros, settings: &Retire) -> Micros {
    let day = now.seconds().div_euclid(DAY_SECONDS) + 1 + settings.notice_days as i64;
    Micros::from_seconds(day * DAY_SECONDS + DAY_SECONDS / 2)
}

/// The moment since which nothing came of whom something is announced to at `now`; none where nothing is given up.
fn quiet_since(now: Micros, settings: &Retire) -> Option<Micros> {
    (settings.after_days > 0).then(|| now.plus_seconds(-DAY_SECONDS * settings.after_days as i64))
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Records that it announced something about.
    pub announced: usize,
    /// Records that it gave up.
    pub retired: usize,
}

/// Looks once at everything: calls off, announces, and gives up what is due. `by_mail` says that mail is sent, so that who wants it is
/// told by it first; `may_retire` is false while a store is away.
///
/// # Errors
/// When the catalogue fails.
pub fn pass(
    catalogue: &Catalogue,
    settings: &Retire,
    by_mail: bool,
    may_retire: bool,
    now: Micros,
) -> Result<Passed, catalogue::Error> {
    let Some(quiet) = quiet_since(now, settings) else {
        catalogue.write(|tx| tx.retiring_call_off(None))?;
        return Ok(Passed::default());
    };
    let before = catalogue.read(|tx| tx.retiring_done_at())?;
    let away = before.map_or(0, |before| now.seconds() - before.seconds());
    // In whole days, so that it stays noon.
    let put_off = if away > AWAY_SECONDS { (away + DAY_SECONDS - 1) / DAY_SECONDS * DAY_SECONDS } else { 0 };
    let at = not_before(now, settings);
    let announced = catalogue.write(move |tx| -> Result<usize, catalogue::Error> {
        tx.retiring_done(now, put_off)?;
        tx.retiring_call_off(Some(quiet))?;
        tx.retiring_announce(quiet, at)
    })?;
    let mut passed = Passed { announced, retired: 0 };
    if !may_retire {
        return Ok(passed);
    }
    let today = catalogue.read(|tx| tx.retired_by_time_since(now.plus_seconds(-DAY_SECONDS)))?;
    let mut room = (settings.records_per_day as i64).saturating_sub(today);
    let why = format!("nothing was sent for {}, as announced", count(settings.after_days, "day"));
    while room > 0 {
        let (limit, why) = (room.min(BATCH), why.clone());
        let retired = catalogue.write(move |tx| -> Result<usize, catalogue::Error> {
            let due = tx.retiring_due(quiet, now, by_mail, limit)?;
            let mut retired = 0;
            for of_one in due.chunk_by(|a, b| a.0 == b.0) {
                let records: Vec<RecordId> = of_one.iter().map(|(_, record)| *record).collect();
                let customer: CustomerId = of_one[0].0;
                retired += tx.retire_by_time(customer, &records, &why, now)?.len();
            }
            Ok(retired)
        })?;
        if retired == 0 {
            break;
        }
        passed.retired += retired;
        room -= retired as i64;
    }
    Ok(passed)
}

/// Passes now and then until the server stops, and calls off at once.
pub async fn watch(
    catalogue: Arc<Catalogue>,
    pipeline: Arc<Pipeline>,
    settings: Retire,
    by_mail: bool,
    mut stopping: watch::Receiver<bool>,
) {
    let (mut passed_at, mut version) = (None::<Instant>, 0);
    loop {
        let (catalogue, pipeline, settings) = (Arc::clone(&catalogue), Arc::clone(&pipeline), settings.clone());
        let looked = tokio::task::spawn_blocking(move || -> Result<_, catalogue::Error> {
            let now = Micros::now();
            if passed_at.is_none_or(|at| at.elapsed() >= PASS) {
                let may_retire = pipeline.blobs.require().is_ok() && pipeline.originals.require().is_ok();
                let passed = pass(&catalogue, &settings, by_mail, may_retire, now)?;
                if passed != Passed::default() {
                    let (announced, retired) = (passed.announced, passed.retired);
                    tracing::info!(announced, retired, "records that stay missing");
                }
                return Ok((Some(Instant::now()), catalogue.data_version()?));
            }
            let seen = catalogue.data_version()?;
            if seen != version {
                let quiet = quiet_since(now, &settings);
                catalogue.write(move |tx| tx.retiring_call_off(quiet))?;
            }
            Ok((passed_at, seen))
        });
        match looked.await {
            Ok(Ok(looked)) => (passed_at, version) = looked,
            Ok(Err(error)) => tracing::error!("what stays missing cannot be looked for: {error}"),
            Err(error) => tracing::error!("looking for what stays missing failed: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

#[cfg(test)]
mod tests;
