//! What was received: one row for each file, at one path, at one time. A row's first half never changes.

use super::{Error, Row, Tx};
use crate::domain::{CustomerId, Digest, Micros, SubmissionId, UploadId};

/// A submission ends after this many seconds without a transfer.
const SUBMISSION_QUIET_SECONDS: i64 = 30 * 60;

/// One received file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// Who sent it.
    pub customer: CustomerId,
    /// The delivery it belongs to.
    pub submission: SubmissionId,
    /// Its path when it was complete, names joined by `/`, without a leading one.
    pub path: Vec<u8>,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its time as the client gave it.
    pub mtime: Option<Micros>,
    /// The way in, a word of [`crate::spool::Endpoint`].
    pub endpoint: String,
    /// When it was complete.
    pub received_at: Micros,
    /// Whether the transfer never completed.
    pub truncated: bool,
    /// A client's temporary name: waits for its rename until then.
    pub held_until: Option<Micros>,
    /// received, stored, decided or failed.
    pub state: String,
    /// The name of its file in the spool folder, while it lies there.
    pub spool_file: Option<String>,
}

/// What an upload's row begins with.
#[derive(Clone, Debug)]
pub struct NewUpload<'a> {
    /// Who sent it.
    pub customer: CustomerId,
    /// Its path, see [`Upload::path`].
    pub path: &'a [u8],
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its time as the client gave it.
    pub mtime: Option<Micros>,
    /// The way in.
    pub endpoint: &'a str,
    /// When its transfer began, which decides the submission it belongs to.
    pub started_at: Micros,
    /// Whether the transfer never completed.
    pub truncated: bool,
    /// Waits for its rename until then.
    pub held_until: Option<Micros>,
    /// The name of its file in the spool folder.
    pub spool_file: &'a str,
    /// The machine whose spool holds it.
    pub node: &'a str,
}

const COLUMNS: &str = "SELECT id, customer, submission, path, size, sha256, mtime, endpoint, received_at, truncated, \
                       held_until, state, spool_file FROM uploads";

fn upload(row: Row<'_>) -> Result<Upload, Error> {
    Ok(Upload {
        id: UploadId(row.get(0)?),
        customer: CustomerId(row.get(1)?),
        submission: SubmissionId(row.get(2)?),
        path: row.get(3)?,
        size: row.get::<i64>(4)?.unsigned_abs(),
        sha256: Digest(row.get(5)?),
        mtime: row.get::<Option<i64>>(6)?.map(Micros),
        endpoint: row.get(7)?,
        received_at: Micros(row.get(8)?),
        truncated: row.get::<i64>(9)? != 0,
        held_until: row.get::<Option<i64>>(10)?.map(Micros),
        state: row.get(11)?,
        spool_file: row.get(12)?,
    })
}

impl Tx<'_> {
    /// Notes a received file, in the customer's running submission or a new one.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_add(&self, new: &NewUpload<'_>) -> Result<UploadId, Error> {
        let now = Micros::now();
        let submission = self.submission_for(new.customer, new.started_at.min(now), now)?;
        let id = self.next_id("uploads")?;
        self.execute(
            "INSERT INTO uploads (id, customer, submission, path, size, sha256, mtime, endpoint, received_at, \
             truncated, held_until, state, spool_file, node) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'received', ?12, ?13)",
            (
                id,
                new.customer.0,
                submission.0,
                new.path,
                i64::try_from(new.size).unwrap_or(i64::MAX),
                new.sha256.0.as_slice(),
                new.mtime.map(|m| m.0),
                new.endpoint,
                now.0,
                i64::from(new.truncated),
                new.held_until.map(|h| h.0),
                new.spool_file,
                new.node,
            ),
        )?;
        Ok(UploadId(id))
    }

    /// The customer's submission that a transfer begun at `started_at` and ended `now` belongs to.
    fn submission_for(&self, customer: CustomerId, started_at: Micros, now: Micros) -> Result<SubmissionId, Error> {
        let since = started_at.plus_seconds(-SUBMISSION_QUIET_SECONDS);
        let running = self.first(
            "SELECT id FROM submissions WHERE customer = ?1 AND last_at >= ?2 ORDER BY last_at DESC, id DESC LIMIT 1",
            (customer.0, since.0),
            |row| row.get(0),
        )?;
        if let Some(id) = running {
            self.execute("UPDATE submissions SET last_at = ?2 WHERE id = ?1 AND last_at < ?2", (id, now.0))?;
            return Ok(SubmissionId(id));
        }
        let id = self.next_id("submissions")?;
        self.execute(
            "INSERT INTO submissions (id, customer, started_at, last_at) VALUES (?1, ?2, ?3, ?4)",
            (id, customer.0, started_at.0, now.0),
        )?;
        Ok(SubmissionId(id))
    }

    /// The upload with this id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload(&self, id: UploadId) -> Result<Option<Upload>, Error> {
        self.first(&[COLUMNS, " WHERE id = ?1"].concat(), [id.0], upload)
    }

    /// The upload whose bytes lie in this file of the spool.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_in_spool(&self, spool_file: &str) -> Result<Option<UploadId>, Error> {
        self.first("SELECT id FROM uploads WHERE spool_file = ?1", [spool_file], |row| Ok(UploadId(row.get(0)?)))
    }

    /// The uploads whose bytes lie in the spool of `node`, in order of their arrival.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn uploads_in_spool_of(&self, node: &str) -> Result<Vec<Upload>, Error> {
        let sql = [COLUMNS, " WHERE node = ?1 AND spool_file IS NOT NULL ORDER BY id"].concat();
        self.rows(&sql, [node], upload)
    }

    /// The newest whole upload of a customer at a path.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_newest_at(&self, customer: CustomerId, path: &[u8]) -> Result<Option<Upload>, Error> {
        let sql = [COLUMNS, " WHERE customer = ?1 AND path = ?2 AND truncated = 0 ORDER BY id DESC LIMIT 1"].concat();
        self.first(&sql, (customer.0, path), upload)
    }

    /// The uploads that wait at `now` for their clients to rename them, the one that waits longest first.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn uploads_held(&self, customer: Option<CustomerId>, now: Micros) -> Result<Vec<Upload>, Error> {
        let sql = [
            COLUMNS,
            " WHERE state IN ('received', 'stored') AND held_until > ?1 AND (?2 IS NULL OR customer = ?2) \
             ORDER BY received_at, id",
        ]
        .concat();
        self.rows(&sql, (now.0, customer.map(|c| c.0)), upload)
    }

    /// Completes a held upload by its rename; with another temporary name it goes on waiting. Nothing happens to an
    /// upload that no longer waits: it counts under the name it had.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_renamed(
        &self,
        id: UploadId,
        path: &[u8],
        held_until: Option<Micros>,
        now: Micros,
    ) -> Result<bool, Error> {
        let changed = self.execute(
            "UPDATE uploads SET path = ?2, held_until = ?3 WHERE id = ?1 AND held_until > ?4",
            (id.0, path, held_until.map(|h| h.0), now.0),
        )?;
        Ok(changed == 1)
    }
}
