//! Every SQL statement of the project, and the two ways to run one: [`Catalogue::write`] and [`Catalogue::read`].
//!
//! Owns the connection, the migrations, group commit and the translation of rows to plain data. Does not decide anything:
//! what a row means for a picture is the business of the modules above. The interface is synchronous and runs on its own
//! threads; async callers wrap it in `spawn_blocking`.
//!
//! Several processes may hold the same catalogue open (a running server and a command): every unit of work is one
//! immediate transaction, and ids come from the table `ids` inside it.

mod attachments;
mod blobs;
mod browser_transfers;
mod comparisons;
mod customer_limits;
mod customers;
mod decisions;
mod desk;
mod digests;
mod embed;
mod events;
mod facts;
mod incidents;
mod listings;
mod logins;
mod mail;
mod matches;
mod migrate;
mod orders;
mod pages;
mod partials;
mod recipes;
mod records;
mod reports;
mod retirements;
mod retiring;
mod review;
mod sessions;
mod spool_journal;
mod tallies;
mod thumbnails;
mod tokens;
mod tree;
mod tx;
mod uploads;
mod users;
mod webhooks;
mod work;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

pub use attachments::{Attachment, Link};
pub use blobs::{Blob, NewImage};
pub use browser_transfers::{BrowserTransfer, NewBrowserTransfer};
pub use customer_limits::{CustomerLimits, Kept};
pub use customers::{Belongings, Customer, CustomerKey};
pub use decisions::{Act, Subject};
pub use desk::{Decided, Fate, FileFilter, FoundRecord, GivenUp, Happened, ReceivedFile};
pub use events::LoggedEvent;
pub use facts::{CustomerFacts, ImageToMatch, IndexedThumbnail, Ruling};
pub use incidents::Incident;
pub use listings::{HistoryLine, ListedRecord, Page, Records, Standing};
pub use logins::LoginAccount;
pub use mail::{Mailing, Marks, News};
pub use matches::{MatchFilter, MatchPlace};
pub use migrate::SCHEMA_VERSION;
pub use orders::{OrderFilter, OrderItem};
pub use pages::{
    CustomerCounts, MissingFilter, MissingPicture, ProblemFile, RecordPage, ReturnedPicture, ShownRecord,
    ShownThumbnail,
};
pub use partials::{NewPartial, Partial};
pub use recipes::{CertainPair, MeasuredPair, PartitionRecipes};
pub use records::{Record, RecordFacts};
pub use reports::{CustomerRow, FileRow, MatchRow, MissingRow};
pub use retirements::RetiredPicture;
pub use retiring::{Announced, AnnouncedTo};
pub use review::{Answered, Proposal, Question};
pub use sessions::{Session, SessionOf};
pub use tallies::{Received, RecordTally};
pub use thumbnails::{Examined, Role, Thumbnail};
pub use tokens::Token;
pub(crate) use tree::ROOT;
#[cfg(test)]
pub(crate) use tree::listing_statement;
pub use tree::{Entry, EntryFile};
pub use tx::{Row, Tx};
pub use uploads::{NewUpload, Upload};
pub use users::User;
pub use webhooks::{Delivery, Webhook};
pub use work::{ReceivedUpload, Undecided, Work};

use writer::{Lasting, Writer};

/// How long a unit of work waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections kept for reading beside the writer.
const READERS: usize = 4;

/// Why the catalogue could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue file cannot be opened.
    #[error("cannot open the catalogue `{path}`: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        source: rusqlite::Error,
    },
    /// A newer reunite has written this catalogue.
    #[error("the catalogue `{path}` has schema {found}, this reunite knows up to {known}; install the newer reunite")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema found in it.
        found: u32,
        /// The newest schema this program knows.
        known: u32,
    },
    /// The copy made before a migration failed, so the migration was not begun.
    #[error("cannot copy the catalogue to `{path}` before its migration: {source}; free space or repair the folder")]
    Backup {
        /// Where the copy was to go.
        path: PathBuf,
        /// What the engine said.
        source: rusqlite::Error,
    },
    /// A statement failed.
    #[error("the catalogue failed: {0}")]
    Sql(#[from] rusqlite::Error),
    /// A row holds what it never should.
    #[error("the catalogue is damaged: {0}; restore it from a backup")]
    Damaged(String),
    /// A value of ours has no text in which it could be kept, which is a fault of ours.
    #[error("a value cannot be written to the catalogue: {0}")]
    Unwritable(serde_json::Error),
    /// The writer has stopped, since the program is shutting down.
    #[error("the catalogue is closing")]
    Closing,
    /// The commit that this unit of work shared with others failed; nothing of it is kept.
    #[error("the catalogue could not commit: {0}")]
    Commit(String),
}

/// The text in which plain data stands in a column; one text for one value.
fn text_of(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::Unwritable)
}

impl Error {
    /// Whether the same work may succeed when it is tried again later.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Sql(rusqlite::Error::SqliteFailure(failure, _)) => matches!(
                failure.code,
                rusqlite::ErrorCode::DatabaseBusy
                    | rusqlite::ErrorCode::DatabaseLocked
                    | rusqlite::ErrorCode::DiskFull
                    | rusqlite::ErrorCode::SystemIoFailure
            ),
            Error::Commit(_) | Error::Closing => true,
            _ => false,
        }
    }
}

/// The catalogue of one data folder, open for reading and writing. Shared by reference between threads.
pub struct Catalogue {
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    reader_free: Condvar,
    /// A connection that never writes, for the engine's data version counts only the commits of others.
    watch: Mutex<Connection>,
    path: PathBuf,
}

impl Catalogue {
    /// Opens `path`, making or migrating it as needed.
    ///
    /// # Errors
    /// When the file cannot be opened, was written by a newer reunite, or cannot be migrated.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut connection = connect(path)?;
        migrate::migrate(&mut connection, path)?;
        let readers = (0..READERS).map(|_| connect(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Catalogue {
            writer: Writer::start(connection),
            readers: Mutex::new(readers),
            reader_free: Condvar::new(),
            watch: Mutex::new(connect(path)?),
            path: path.to_owned(),
        })
    }

    /// A number that is another one after any commit, of this process or another one. Cheap enough to ask often.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn data_version(&self) -> Result<i64, Error> {
        Ok(lock(&self.watch).pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// The catalogue's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` and returns once what it wrote is on disk. An error of `work` undoes only what it did itself; units of
    /// several threads share one commit.
    ///
    /// # Errors
    /// Whatever `work` returns, or the catalogue's own failure to begin or commit.
    pub fn write<T, E>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writer.run(Lasting::Durable, work)
    }

    /// As [`Catalogue::write`], but returns before what was written is on the disk: a loss of power (not the end of this
    /// process) may undo it, together with everything written after it. For work that is done again when its row does not
    /// say that it was done, and for what nobody was promised to find again.
    ///
    /// # Errors
    /// Those of [`Catalogue::write`].
    pub fn write_redoable<T, E>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writer.run(Lasting::Redoable, work)
    }

    /// As [`Catalogue::write`], and does not wait: `done` learns on the writer's thread what it came to, so it must neither wait
    /// nor write. A panic of `work` is dropped with `done`.
    pub fn write_then<T, E>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writer.post(Lasting::Durable, work, told(done));
    }

    /// [`Catalogue::write_redoable`] in the way of [`Catalogue::write_then`].
    pub fn write_redoable_then<T, E>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, E>) + Send + 'static,
    ) where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writer.post(Lasting::Redoable, work, told(done));
    }

    /// Runs `work` over one consistent state of the catalogue.
    ///
    /// # Errors
    /// Whatever `work` returns, or the catalogue's own failure to begin.
    pub fn read<T, E: From<Error>>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut readers = lock(&self.readers);
        let mut connection = loop {
            match readers.pop() {
                Some(connection) => break connection,
                None => readers = self.reader_free.wait(readers).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(readers);
        let result = snapshot(&mut connection, work);
        self.give_back(connection);
        result
    }

    /// [`Catalogue::read`] if that need not wait for others who read; for a few rows, on threads that must not wait.
    pub fn glance<T, E: From<Error>>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Option<Result<T, E>> {
        let mut connection = lock(&self.readers).pop()?;
        let result = snapshot(&mut connection, work);
        self.give_back(connection);
        Some(result)
    }

    fn give_back(&self, reader: Connection) {
        lock(&self.readers).push(reader);
        self.reader_free.notify_one();
    }
}

/// Tells `done` of a result. The thread that waited for a unit meets its panic; here nobody waits, and `done` is dropped.
fn told<T, E>(done: impl FnOnce(Result<T, E>)) -> impl FnOnce(writer::Outcome<T, E>) {
    move |outcome| match outcome {
        Ok(result) => done(result),
        Err(_) => tracing::error!("a unit of work panicked, and nobody waited for it"),
    }
}

fn snapshot<T, E: From<Error>>(
    connection: &mut Connection,
    work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let transaction = connection.transaction().map_err(Error::from)?;
    work(&Tx::new(&transaction))
    // Dropping the transaction rolls it back, which for a reader only ends its snapshot.
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let open = || -> Result<Connection, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // FULL: a commit returns only once the write-ahead log is on disk. The acknowledgement to a customer rests on it.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What a savepoint may have to undo, and what a sort spills, would otherwise be files that are made and deleted again.
        connection.pragma_update(None, "temp_store", "memory")?;
        // Plans do not depend on the values bound, so statements kept prepared are not prepared again for each new value.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(connection)
    };
    open().map_err(|source| Error::Open { path: path.to_owned(), source })
}

/// A panic while a lock was held leaves nothing half-done in what these locks guard, so its mark is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Catalogue) {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::open(&folder.path().join("catalogue.sqlite")).unwrap();
        (folder, catalogue)
    }

    #[test]
    fn a_failed_unit_does_not_undo_its_neighbours() {
        let (_folder, catalogue) = scratch();
        std::thread::scope(|scope| {
            for n in 0..50 {
                let catalogue = &catalogue;
                scope.spawn(move || {
                    let result: Result<i64, Error> = catalogue.write(move |tx| {
                        let id = tx.next_id("test")?;
                        if n % 2 == 0 { Err(Error::Commit("on purpose".into())) } else { Ok(id) }
                    });
                    assert_eq!(result.is_ok(), n % 2 == 1);
                });
            }
        });
        let next: i64 = catalogue.write(|tx| tx.next_id("test")).unwrap();
        assert_eq!(next, 26, "the 25 units that failed gave their ids back");
    }

    #[test]
    fn two_processes_never_take_the_same_id() {
        let (folder, first) = scratch();
        let second = Catalogue::open(&folder.path().join("catalogue.sqlite")).unwrap();
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(first.write::<i64, Error>(|tx| tx.next_id("test")).unwrap());
            ids.push(second.write::<i64, Error>(|tx| tx.next_id("test")).unwrap());
        }
        ids.dedup();
        assert_eq!(ids, (1..=40).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_in_one_unit_harms_no_other() {
        let (_folder, catalogue) = scratch();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            catalogue.write::<(), Error>(|_| panic!("on purpose"))
        }));
        assert!(outcome.is_err() || outcome.is_ok_and(|result| result.is_err()));
        assert_eq!(catalogue.write::<i64, Error>(|tx| tx.next_id("test")).unwrap(), 1);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let (folder, catalogue) = scratch();
        let path = folder.path().join("catalogue.sqlite");
        drop(catalogue);
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
        drop(connection);
        assert!(matches!(Catalogue::open(&path), Err(Error::Newer { .. })));
    }
}
