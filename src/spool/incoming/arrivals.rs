//! Small files that are whole: those that end together are brought to the disk together, by a thread of its own.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::commit::Received;
use super::{Incoming, body};
use crate::catalogue;
use crate::domain::UploadId;
use crate::spool::Spool;
use crate::spool::journal::Journal;
use crate::spool::quota::Reserved;
use crate::tree::TreeError;

/// Files that are brought to the disk at once at most, so that none waits without end behind a crowd.
const TOGETHER_MAX: usize = 64;

/// After so long without an arrival the journal is settled, so that a start has nothing to read in it.
const SETTLE_AFTER: Duration = Duration::from_secs(2);

/// Who waits for the end of a transfer.
type Done = Box<dyn FnOnce(Result<UploadId, TreeError>) + Send>;

/// A file that is whole and in memory.
pub(in crate::spool) struct Arrival {
    incoming: Incoming,
    bytes: Vec<u8>,
    received: Received,
    reserved: Reserved,
    done: Done,
}

/// The way to the thread, which ends with it.
pub(in crate::spool) struct Arrivals(Sender<Arrival>);

impl Arrivals {
    pub(in crate::spool) fn start(journal: Journal) -> std::io::Result<Self> {
        let (sender, receiver) = channel();
        std::thread::Builder::new().name("arrivals".into()).spawn(move || serve(&receiver, journal))?;
        Ok(Arrivals(sender))
    }
}

/// Hands in a transfer whose bytes, all of them, are in memory.
pub(super) fn hand_in(mut incoming: Incoming, bytes: Vec<u8>, done: Done) {
    // Nothing of it is on the disk, and nothing of it is to stay if it fails.
    incoming.ended = true;
    let reserved = match incoming.spool.reserve(incoming.customer, incoming.endpoint, incoming.size) {
        Ok(reserved) => reserved,
        Err(refused) => return end(incoming, done, Err(refused)),
    };
    let received = incoming.received(incoming.hashing.so_far());
    let spool = incoming.spool.clone();
    let arrival = Arrival { incoming, bytes, received, reserved, done };
    if let Err(refused) = spool.arrivals.0.send(arrival) {
        let Arrival { incoming, done, .. } = refused.0;
        end(incoming, done, Err(catalogue::Error::Closing.into()));
    }
}

/// Nobody who learns of its end may find it among the running ones any more.
fn end(incoming: Incoming, done: Done, outcome: Result<UploadId, TreeError>) {
    drop(incoming);
    done(outcome);
}

fn serve(arrivals: &Receiver<Arrival>, mut journal: Journal) {
    loop {
        let first = if journal.is_empty() {
            arrivals.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            arrivals.recv_timeout(SETTLE_AFTER)
        };
        let first = match first {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                journal.settle();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let together = std::iter::once(first).chain(arrivals.try_iter().take(TOGETHER_MAX - 1)).collect();
        // Who waits for one of these learns from the loss of `done` that it failed.
        if catch_unwind(AssertUnwindSafe(|| keep(together, &mut journal))).is_err() {
            tracing::error!("the thread that brings small files to the disk panicked");
        }
    }
}

/// Brings files to the disk, and then their rows.
fn keep(together: Vec<Arrival>, journal: &mut Journal) {
    let mut written = Vec::with_capacity(together.len());
    for arrival in together {
        let path = arrival.incoming.file_path();
        match body::make_file(&path, &arrival.bytes) {
            Ok(file) => written.push((arrival, file)),
            Err(source) => arrival.fail(TreeError::io("write", path, source)),
        }
    }
    let Some((first, _)) = written.first() else { return };
    let spool = first.incoming.spool.clone();
    let records: Vec<_> = written.iter().map(|(arrival, _)| (arrival.received.facts(), &arrival.bytes[..])).collect();
    match journal.write(&records) {
        Ok(Some(numbers)) => {
            drop(records);
            for ((arrival, _), number) in written.into_iter().zip(numbers) {
                arrival.commit(&spool, Some(number));
            }
        }
        Ok(None) => keep_each(written, &spool),
        Err(source) => {
            drop(records);
            let why = source.to_string();
            for (arrival, _) in written {
                let source = std::io::Error::new(source.kind(), why.clone());
                arrival.fail(TreeError::io("write the journal of", spool.folder.clone(), source));
            }
        }
    }
}

/// Brings files to the disk without the journal, each for itself and all at the same time: they wait for the disk, not for us.
fn keep_each(written: Vec<(Arrival, File)>, spool: &Arc<Spool>) {
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let (last, others) = match written.split_last() {
            Some((last, others)) => (Some(last), others),
            None => (None, &[][..]),
        };
        let beside: Vec<_> = others.iter().map(|(_, file)| scope.spawn(|| file.sync_data())).collect();
        let last = last.map(|(_, file)| file.sync_data());
        let panicked = |_| Err(std::io::Error::other("a thread that synced a file panicked"));
        beside.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).chain(last).collect()
    });
    let mut synced = Vec::with_capacity(written.len());
    for ((arrival, _), outcome) in written.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => synced.push(arrival),
            Err(source) => {
                let path = arrival.incoming.file_path();
                arrival.fail(TreeError::io("sync", path, source));
            }
        }
    }
    let names = spool.names.sync();
    for arrival in synced {
        match &names {
            Ok(()) => arrival.commit(spool, None),
            Err(error) => {
                let source = std::io::Error::new(error.kind(), error.to_string());
                arrival.fail(TreeError::io("sync", &spool.folder, source));
            }
        }
    }
}

impl Arrival {
    /// Gives it its row. The record `number` of the journal stands for the row on the disk, so that it need not be there itself.
    fn commit(self, spool: &Spool, number: Option<u64>) {
        let Arrival { incoming, received, reserved, done, .. } = self;
        let told = move |outcome| match outcome {
            Ok(upload) => {
                reserved.became_upload();
                crate::priority::received();
                end(incoming, done, Ok(upload));
            }
            Err(error) => fail(incoming, done, error),
        };
        match number {
            Some(number) => spool.catalogue.write_redoable_then(move |tx| received.commit_recorded(tx, number), told),
            None => spool.catalogue.write_then(move |tx| received.commit(tx), told),
        }
    }

    fn fail(self, error: TreeError) {
        fail(self.incoming, self.done, error);
    }
}

/// The unit of work failed, or its answer was lost after the commit: the catalogue knows which.
fn fail(incoming: Incoming, done: Done, error: TreeError) {
    let outcome = match incoming.spool.catalogue.read(|tx| tx.upload_in_spool(&incoming.spool_file)) {
        Ok(Some(upload)) => Ok(upload),
        Ok(None) => {
            let path = incoming.file_path();
            match std::fs::remove_file(&path) {
                Err(second) if second.kind() != std::io::ErrorKind::NotFound => {
                    tracing::error!("cannot remove `{}`, of a transfer that failed: {second}", path.display());
                }
                _ => {}
            }
            Err(error)
        }
        // It may be an upload, so its file stays; the next start knows.
        Err(second) => {
            tracing::error!("what became of a transfer that failed is not known: {second}");
            Err(error)
        }
    };
    end(incoming, done, outcome);
}
