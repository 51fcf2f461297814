//! Group commit: one thread writes, and the units of work that wait together share one commit.
//!
//! Each unit runs inside a savepoint of its own, so its failure or panic undoes only itself. A unit's answer is handed
//! out after the commit, so whoever holds it may acknowledge.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{Error, Tx, lock};

/// Units that one commit carries at most, so that no caller waits without end behind a crowd.
const UNITS_MAX: usize = 256;

/// A unit of work with its type erased: runs, or learns that no transaction could begin, and returns what hands its answer
/// out once the commit's fate is known.
type Unit = Box<dyn FnOnce(Result<&Connection, Error>) -> Deliver + Send>;
type Deliver = Box<dyn FnOnce(Result<(), String>)>;

pub(super) struct Writer {
    /// Taken away when the writer is dropped, which ends the thread.
    units: Mutex<Option<Sender<Unit>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("catalogue".into())
            .spawn(move || serve(connection, &receiver))
            .expect("a process that cannot start its first thread cannot run");
        Writer { units: Mutex::new(Some(sender)), thread: Some(thread) }
    }

    pub(super) fn run<T, E>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (answer, answered) = sync_channel(1);
        let unit: Unit = Box::new(move |connection| {
            let outcome = match connection {
                Ok(connection) => in_savepoint(connection, work),
                Err(error) => Ok(Err(error.into())),
            };
            Box::new(move |commit| deliver(&answer, commit, outcome))
        });
        let sender = lock(&self.units).clone().ok_or(Error::Closing)?;
        sender.send(unit).map_err(|_| Error::Closing)?;
        match answered.recv().map_err(|_| Error::Closing)? {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.units).take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the catalogue's writer panicked");
        }
    }
}

/// What a unit of work came to: its result, or the panic it ended with.
type Outcome<T, E> = std::thread::Result<Result<T, E>>;

fn in_savepoint<T, E: From<Error>>(
    connection: &Connection,
    work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
) -> Outcome<T, E> {
    if let Err(error) = connection.execute_batch("SAVEPOINT unit") {
        return Ok(Err(Error::from(error).into()));
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| work(&Tx::new(connection))));
    let close = if matches!(outcome, Ok(Ok(_))) { "RELEASE unit" } else { "ROLLBACK TO unit; RELEASE unit" };
    match connection.execute_batch(close) {
        Ok(()) => outcome,
        Err(error) => Ok(Err(Error::from(error).into())),
    }
}

fn deliver<T, E: From<Error>>(answer: &SyncSender<Outcome<T, E>>, commit: Result<(), String>, outcome: Outcome<T, E>) {
    let outcome = match (commit, outcome) {
        (Err(message), Ok(Ok(_))) => Ok(Err(Error::Commit(message).into())),
        (_, outcome) => outcome,
    };
    // The caller waits for this answer; when nobody receives it, the caller's thread is gone and nobody needs it.
    if answer.send(outcome).is_err() {
        tracing::debug!("a unit of work ended after its caller");
    }
}

fn serve(connection: Connection, units: &Receiver<Unit>) {
    while let Ok(first) = units.recv() {
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            first(Err(error.into()))(Ok(()));
            continue;
        }
        let mut delivers = vec![first(Ok(&connection))];
        while delivers.len() < UNITS_MAX
            && let Ok(unit) = units.try_recv()
        {
            delivers.push(unit(Ok(&connection)));
        }
        let committed = connection.execute_batch("COMMIT").map_err(|error| {
            if let Err(rollback) = connection.execute_batch("ROLLBACK") {
                tracing::debug!("after a failed commit, the rollback said: {rollback}");
            }
            error.to_string()
        });
        for deliver in delivers {
            deliver(committed.clone());
        }
    }
}
