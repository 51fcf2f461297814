//! Group commit: one thread writes, and the units of work that wait together share one commit.
//!
//! Each unit runs inside a savepoint of its own, so its failure or panic undoes only itself. A unit's answer is handed
//! out after the commit, so whoever holds it may acknowledge. A commit in which no unit must last is not synced to the disk;
//! the next one that is takes it along, since both stand in the same write-ahead log.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::{Error, Tx, lock};

/// Units that one commit carries at most, so that no caller waits without end behind a crowd.
const UNITS_MAX: usize = 256;

/// Commits in a row that may go unsynced, so that neither the write-ahead log nor what a loss of power undoes grows without end.
const UNSYNCED_MAX: u32 = 256;

/// What a loss of power may do to a unit of work whose answer was handed out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Nothing: it is on the disk.
    Durable,
    /// Undo it, so that it is done again.
    Redoable,
}

/// A unit of work and how long it has to last.
struct Unit {
    lasting: Lasting,
    run: Run,
}

/// Work with its type erased: runs, or learns that no transaction could begin, and returns what hands its answer out once
/// the commit's fate is known.
type Run = Box<dyn FnOnce(Result<&Connection, Error>) -> Deliver + Send>;
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

    pub(super) fn run<T, E>(
        &self,
        lasting: Lasting,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (answer, answered) = sync_channel(1);
        self.post(lasting, work, move |outcome| {
            // The caller waits for this answer; when nobody receives it, the caller's thread is gone and nobody needs it.
            if answer.send(outcome).is_err() {
                tracing::debug!("a unit of work ended after its caller");
            }
        });
        match answered.recv().map_err(|_| Error::Closing)? {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// As [`Writer::run`], and does not wait: `done` learns on the writer's thread what it came to.
    pub(super) fn post<T, E>(
        &self,
        lasting: Lasting,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Outcome<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let run: Run = Box::new(move |connection| {
            let outcome = match connection {
                Ok(connection) => in_savepoint(connection, work),
                Err(error) => Ok(Err(error.into())),
            };
            Box::new(move |commit| deliver(done, commit, outcome))
        });
        let unit = Unit { lasting, run };
        let refused = match lock(&self.units).as_ref() {
            Some(units) => units.send(unit).err().map(|refused| refused.0),
            None => Some(unit),
        };
        if let Some(unit) = refused {
            (unit.run)(Err(Error::Closing))(Ok(()));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.units).take();
        // Who learned last of a unit's end may have held the catalogue last, and that is on the thread itself, which ends by itself.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the catalogue's writer panicked");
        }
    }
}

/// What a unit of work came to: its result, or the panic it ended with.
pub(super) type Outcome<T, E> = std::thread::Result<Result<T, E>>;

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

fn deliver<T, E: From<Error>>(done: impl FnOnce(Outcome<T, E>), commit: Result<(), String>, outcome: Outcome<T, E>) {
    done(match (commit, outcome) {
        (Err(message), Ok(Ok(_))) => Ok(Err(Error::Commit(message).into())),
        (_, outcome) => outcome,
    });
}

fn serve(connection: Connection, units: &Receiver<Unit>) {
    let mut log = Log { connection, synced: true, unsynced: 0, doubtful: false };
    while let Ok(first) = units.recv() {
        // How a transaction commits has to be said before it begins, so those that wait are counted first.
        let batch: Vec<Unit> = std::iter::once(first).chain(units.try_iter().take(UNITS_MAX - 1)).collect();
        let lasting = match batch.iter().all(|unit| unit.lasting == Lasting::Redoable) {
            true if log.unsynced < UNSYNCED_MAX => Lasting::Redoable,
            _ => Lasting::Durable,
        };
        if let Err(error) = log.begin(lasting) {
            let message = error.to_string();
            for unit in batch {
                (unit.run)(Err(Error::Commit(message.clone())))(Ok(()));
            }
            continue;
        }
        let delivers: Vec<Deliver> = batch.into_iter().map(|unit| (unit.run)(Ok(&log.connection))).collect();
        let committed = log.commit(lasting).map_err(|error| error.to_string());
        for deliver in delivers {
            deliver(committed.clone());
        }
    }
}

/// Pages of the write-ahead log from which on a synced commit brings them into the database: SQLite's own default.
const CHECKPOINT_PAGES: u32 = 1000;

/// The write-ahead log and what of it is on the disk.
struct Log {
    connection: Connection,
    /// Whether commits are synced, as the connection is set now.
    synced: bool,
    /// So many commits at its end were not synced.
    unsynced: u32,
    /// A sync failed while it held such commits. Linux tells of a block that it cannot write once, then takes it for written:
    /// what is appended behind such a hole would be lost with it.
    doubtful: bool,
}

impl Log {
    fn begin(&mut self, lasting: Lasting) -> Result<(), rusqlite::Error> {
        if self.doubtful {
            // The pages go into the database itself, which is synced, and the log begins anew.
            let busy = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?;
            if busy {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    None,
                ));
            }
            (self.doubtful, self.unsynced) = (false, 0);
        }
        let synced = lasting == Lasting::Durable;
        if synced != self.synced {
            self.connection.pragma_update(None, "synchronous", if synced { "full" } else { "normal" })?;
            // A checkpoint syncs the log first, and SQLite keeps a failure of that to itself. Behind a synced commit there is
            // nothing left to sync, so only there may one begin.
            let pages = if synced { CHECKPOINT_PAGES } else { 0 };
            self.connection.pragma_update(None, "wal_autocheckpoint", pages)?;
            self.synced = synced;
        }
        self.connection.execute_batch("BEGIN IMMEDIATE")
    }

    fn commit(&mut self, lasting: Lasting) -> Result<(), rusqlite::Error> {
        match self.connection.execute_batch("COMMIT") {
            Ok(()) => {
                self.unsynced = if lasting == Lasting::Redoable { self.unsynced + 1 } else { 0 };
                Ok(())
            }
            Err(error) => {
                self.doubtful = self.unsynced > 0;
                if let Err(rollback) = self.connection.execute_batch("ROLLBACK") {
                    tracing::debug!("after a failed commit, the rollback said: {rollback}");
                }
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &std::path::Path) -> Log {
        let connection = Connection::open(folder.join("test.sqlite")).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
        connection.pragma_update(None, "synchronous", "full").unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER UNIQUE)").unwrap();
        Log { connection, synced: true, unsynced: 0, doubtful: false }
    }

    /// Inserts `n` and returns SQLite's word for how the commit was synced: 1 not, 2 at once.
    fn insert(log: &mut Log, lasting: Lasting, n: i64) -> i64 {
        log.begin(lasting).unwrap();
        log.connection.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
        let synced = log.connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap();
        log.commit(lasting).unwrap();
        synced
    }

    #[test]
    fn only_what_must_last_is_synced_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path());
        assert_eq!(insert(&mut log, Lasting::Durable, 1), 2);
        assert_eq!(log.unsynced, 0);
        assert_eq!(insert(&mut log, Lasting::Redoable, 2), 1);
        assert_eq!(insert(&mut log, Lasting::Redoable, 3), 1);
        assert_eq!(log.unsynced, 2);
        assert_eq!(insert(&mut log, Lasting::Durable, 4), 2);
        assert_eq!(log.unsynced, 0);
    }

    #[test]
    fn unsynced_commits_never_checkpoint_and_do_not_go_on_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.sqlite");
        let log = log(folder.path());
        let writer = Writer::start(log.connection);
        // From how many pages on the commit of each may checkpoint.
        let from: Vec<i64> = (0..=UNSYNCED_MAX)
            .map(|n| {
                let fill = move |tx: &Tx<'_>| {
                    tx.execute("INSERT INTO t VALUES (?1)", [n])?;
                    tx.one("PRAGMA wal_autocheckpoint", [], |row| row.get(0))
                };
                writer.run::<_, Error>(Lasting::Redoable, fill).unwrap()
            })
            .collect();
        let (last, others) = from.split_last().unwrap();
        assert!(others.iter().all(|pages| *pages == 0), "{from:?}");
        assert_eq!(*last, i64::from(CHECKPOINT_PAGES), "this one is synced");
        let rows: i64 =
            Connection::open(path).unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, i64::from(UNSYNCED_MAX) + 1);
    }

    #[test]
    fn after_a_failed_sync_behind_unsynced_commits_the_log_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path());
        insert(&mut log, Lasting::Redoable, 1);
        // A transaction that cannot commit stands for the sync that failed.
        log.begin(Lasting::Durable).unwrap();
        log.connection.execute_batch("COMMIT").unwrap();
        assert!(log.commit(Lasting::Durable).is_err());
        assert!(log.doubtful);
        let wal = folder.path().join("test.sqlite-wal");
        assert!(wal.metadata().unwrap().len() > 0);
        log.begin(Lasting::Durable).unwrap();
        assert_eq!(wal.metadata().unwrap().len(), 0, "all of it went into the database");
        log.commit(Lasting::Durable).unwrap();
        assert!(!log.doubtful);
        let rows: i64 = log.connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
    }
}
