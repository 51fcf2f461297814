//! The questions that reports ask. Rows come in no promised order; reports put them in theirs.

use super::{Error, Row, Tx};
use crate::domain::{CustomerId, Digest, Micros, RecordId};

/// A record whose original is still wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingRow {
    /// The shop's identifier.
    pub record: String,
    /// Whose it is.
    pub customer: String,
    /// The name the original had.
    pub filename: Option<String>,
    /// Its width in pixels.
    pub width: Option<i64>,
    /// Its height in pixels.
    pub height: Option<i64>,
    /// Its size in bytes.
    pub bytes: Option<i64>,
    /// When the picture was taken, as the shop wrote it.
    pub taken_at: Option<String>,
    /// `copy` when a copy came back, nothing when nothing did.
    pub grade: Option<String>,
    /// Why the record has no thumbnail that can be used.
    pub thumbnail_problem: Option<String>,
    /// Why its original could not be put back although it was found.
    pub conflict: Option<String>,
    /// The import's other columns, a JSON object as text.
    pub extra: String,
}

/// A standing attachment, or a candidate that a person is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchRow {
    /// The record.
    pub record_id: RecordId,
    /// The shop's identifier of the record.
    pub record: String,
    /// Whose it is.
    pub customer: String,
    /// The path of the upload, as the customer gave it.
    pub path: Vec<u8>,
    /// The page or frame in it, from 1.
    pub image: i64,
    /// The digest of the file.
    pub sha256: Digest,
    /// original or copy.
    pub grade: Option<String>,
    /// Place in the record's review list, from 1.
    pub rank: Option<i64>,
    /// What spoke for the pair most.
    pub method: Option<String>,
    /// Fingerprint distance, in bits of 256.
    pub distance: Option<i64>,
    /// How far the pixels are from the thumbnail's.
    pub residual: Option<f64>,
    /// How much better it fits than the best other picture.
    pub margin: Option<f64>,
    /// The reason in words.
    pub reason: Option<String>,
    /// `rule`, or the person who decided; nothing while a person is asked.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Micros>,
    /// The upload.
    pub upload: i64,
    /// The candidate; nothing when a person joined a pair that matching had not proposed.
    pub candidate: Option<i64>,
}

/// What became of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Whose it is.
    pub customer: String,
    /// Its path, as the customer gave it.
    pub path: Vec<u8>,
    /// Its size.
    pub bytes: i64,
    /// Its digest.
    pub sha256: Digest,
    /// What it is, by content; nothing while it waits.
    pub kind: Option<String>,
    /// Where it is on its way.
    pub state: String,
    /// It waits for the rename from a temporary name until then.
    pub held_until: Option<Micros>,
    /// Why it could not be worked on.
    pub last_error: Option<String>,
    /// Why no picture could be read from it.
    pub problem: Option<String>,
    /// What is wrong with it although a picture could be read from it.
    pub damage: Option<String>,
    /// The transfer never completed.
    pub truncated: bool,
    /// A picture of it stands on a record.
    pub attached: bool,
    /// A person is asked about a picture of it.
    pub in_review: bool,
    /// How it came.
    pub endpoint: String,
    /// When it came.
    pub received_at: Micros,
    /// The upload.
    pub upload: i64,
    /// Pixels across of its first picture.
    pub width: Option<i64>,
    /// Pixels down of its first picture.
    pub height: Option<i64>,
}

/// A customer in counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerRow {
    /// The customer.
    pub id: i64,
    /// The name.
    pub name: String,
    /// May not sign in.
    pub disabled: bool,
    /// Records that are not retired.
    pub records: i64,
    /// Of these, with an original or a copy.
    pub recovered: i64,
    /// Of these, with a copy.
    pub copies: i64,
    /// Retired records.
    pub retired: i64,
    /// Missing records about which a person is asked.
    pub review: i64,
    /// Records without a thumbnail that can be used.
    pub without_thumbnail: i64,
    /// Found originals that could not be put back, because something else lies there.
    pub conflicts: i64,
    /// Uploads, each version counted.
    pub uploads: i64,
    /// Uploads not yet decided.
    pub undecided: i64,
    /// Uploads that failed, or from which no picture could be read.
    pub unreadable: i64,
    /// Transfers that broke off and can be resumed.
    pub partials: i64,
    /// Bytes received.
    pub bytes: i64,
    /// When the last upload came.
    pub last_upload: Option<Micros>,
}

/// Standing attachments, as [`match_row`] reads them, and their ids.
pub(super) const ATTACHED: &str = "SELECT r.name, c.name, u.path, i.number, a.digest, a.grade, k.rank, a.method, k.distance, \
     k.residual, k.margin, a.evidence, a.upload, k.id, a.decided_by, a.decided_at, r.id, a.id \
     FROM attachments a JOIN records r ON r.id = a.record JOIN customers c ON c.id = a.customer \
     JOIN uploads u ON u.id = a.upload JOIN images i ON i.id = a.image \
     LEFT JOIN candidates k ON k.image = a.image AND k.record = a.record \
     WHERE a.state = 'standing'";

/// Candidates that a person is asked about, as [`match_row`] reads them, their ids, and how often people have said something
/// about their records.
pub(super) const ASKED: &str = "SELECT r.name, c.name, u.path, i.number, b.digest, k.grade, k.rank, k.method, k.distance, \
     k.residual, k.margin, k.reason, u.id, k.id, NULL, NULL, r.id, k.id, \
     (SELECT count(*) + count(d.withdrawn_at) FROM decisions d WHERE d.record = r.id) \
     FROM candidates k JOIN records r ON r.id = k.record JOIN customers c ON c.id = k.customer \
     JOIN images i ON i.id = k.image JOIN blobs b ON b.id = i.blob \
     JOIN uploads u ON u.id = (SELECT v.id FROM uploads v WHERE v.blob = b.id ORDER BY v.path, v.id LIMIT 1) \
     WHERE k.verdict = 'review' AND r.retired_at IS NULL";

/// What was received, as [`file_row`] reads it.
pub(super) const FILE: &str = "SELECT c.name, u.path, u.size, u.sha256, b.kind, u.state, u.held_until, u.last_error, b.problem, \
     u.truncated, \
     EXISTS (SELECT 1 FROM images i JOIN attachments a ON a.image = i.id AND a.state = 'standing' WHERE i.blob = b.id), \
     EXISTS (SELECT 1 FROM images i JOIN candidates k ON k.image = i.id AND k.verdict = 'review' WHERE i.blob = b.id), \
     u.endpoint, u.received_at, u.id, f.width, f.height, b.damage \
     FROM uploads u JOIN customers c ON c.id = u.customer LEFT JOIN blobs b ON b.id = u.blob \
     LEFT JOIN images f ON f.blob = b.id AND f.number = 1";

pub(super) fn match_row(row: Row<'_>) -> Result<MatchRow, Error> {
    Ok(MatchRow {
        record: row.get(0)?,
        customer: row.get(1)?,
        path: row.get(2)?,
        image: row.get(3)?,
        sha256: Digest(row.get(4)?),
        grade: row.get(5)?,
        rank: row.get(6)?,
        method: row.get(7)?,
        distance: row.get(8)?,
        residual: row.get(9)?,
        margin: row.get(10)?,
        reason: row.get(11)?,
        upload: row.get(12)?,
        candidate: row.get(13)?,
        decided_by: row.get(14)?,
        decided_at: row.get::<Option<i64>>(15)?.map(Micros),
        record_id: RecordId(row.get(16)?),
    })
}

pub(super) fn file_row(row: Row<'_>) -> Result<FileRow, Error> {
    Ok(FileRow {
        customer: row.get(0)?,
        path: row.get(1)?,
        bytes: row.get(2)?,
        sha256: Digest(row.get(3)?),
        kind: row.get(4)?,
        state: row.get(5)?,
        held_until: row.get::<Option<i64>>(6)?.map(Micros),
        last_error: row.get(7)?,
        problem: row.get(8)?,
        truncated: row.get(9)?,
        attached: row.get(10)?,
        in_review: row.get(11)?,
        endpoint: row.get(12)?,
        received_at: Micros(row.get(13)?),
        upload: row.get(14)?,
        width: row.get(15)?,
        height: row.get(16)?,
        damage: row.get(17)?,
    })
}

impl Tx<'_> {
    /// Records whose original is still wanted, of one customer or all.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn report_missing(&self, customer: Option<CustomerId>) -> Result<Vec<MissingRow>, Error> {
        self.rows(
            "SELECT r.name, c.name, r.filename, r.width, r.height, r.bytes, r.taken_at, a.grade, t.problem, r.extra, \
             (SELECT max(x.problem) FROM attachments x WHERE x.record = r.id AND x.state = 'conflict') FROM records r JOIN customers c ON c.id = r.customer \
             LEFT JOIN attachments a ON a.record = r.id AND a.state = 'standing' \
             LEFT JOIN thumbnails t ON t.record = r.id AND t.role = 'thumbnail' \
             WHERE r.retired_at IS NULL AND (a.id IS NULL OR a.grade = 'copy') AND (?1 IS NULL OR r.customer = ?1)",
            [customer.map(|customer| customer.0)],
            |row| {
                Ok(MissingRow {
                    record: row.get(0)?,
                    customer: row.get(1)?,
                    filename: row.get(2)?,
                    width: row.get(3)?,
                    height: row.get(4)?,
                    bytes: row.get(5)?,
                    taken_at: row.get(6)?,
                    grade: row.get(7)?,
                    thumbnail_problem: row.get(8)?,
                    extra: row.get(9)?,
                    conflict: row.get(10)?,
                })
            },
        )
    }

    /// Standing attachments, of one customer or all.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn report_attached(&self, customer: Option<CustomerId>) -> Result<Vec<MatchRow>, Error> {
        self.rows(
            &format!("{ATTACHED} AND (?1 IS NULL OR a.customer = ?1)"),
            [customer.map(|customer| customer.0)],
            match_row,
        )
    }

    /// Candidates that a person is asked about, of one customer or all. Of several uploads with the same bytes, the one with
    /// the smallest path speaks.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn report_asked(&self, customer: Option<CustomerId>) -> Result<Vec<MatchRow>, Error> {
        self.rows(
            &format!("{ASKED} AND (?1 IS NULL OR k.customer = ?1)"),
            [customer.map(|customer| customer.0)],
            match_row,
        )
    }

    /// Everything that was received, of one customer or all.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn report_files(&self, customer: Option<CustomerId>) -> Result<Vec<FileRow>, Error> {
        self.rows(
            &format!("{FILE} WHERE ?1 IS NULL OR u.customer = ?1"),
            [customer.map(|customer| customer.0)],
            file_row,
        )
    }

    /// Customers in counts, one or all.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn report_customers(&self, customer: Option<CustomerId>) -> Result<Vec<CustomerRow>, Error> {
        self.rows(
            "SELECT c.id, c.name, c.disabled, \
             (SELECT count(*) FROM records r WHERE r.customer = c.id AND r.retired_at IS NULL), \
             (SELECT count(*) FROM attachments a JOIN records r ON r.id = a.record WHERE a.customer = c.id \
              AND a.state = 'standing' AND r.retired_at IS NULL), \
             (SELECT count(*) FROM attachments a JOIN records r ON r.id = a.record WHERE a.customer = c.id \
              AND a.state = 'standing' AND a.grade = 'copy' AND r.retired_at IS NULL), \
             (SELECT count(*) FROM records r WHERE r.customer = c.id AND r.retired_at IS NOT NULL), \
             (SELECT count(DISTINCT k.record) FROM candidates k JOIN records r ON r.id = k.record WHERE k.customer = c.id \
              AND k.verdict = 'review' AND r.retired_at IS NULL), \
             (SELECT count(*) FROM thumbnails t JOIN records r ON r.id = t.record WHERE r.customer = c.id \
              AND t.role = 'thumbnail' AND t.problem IS NOT NULL), \
             (SELECT count(*) FROM attachments a WHERE a.customer = c.id AND a.state = 'conflict'), \
             (SELECT count(*) FROM uploads u WHERE u.customer = c.id), \
             (SELECT count(*) FROM uploads u WHERE u.customer = c.id AND u.state IN ('received', 'stored')), \
             (SELECT count(*) FROM uploads u LEFT JOIN blobs b ON b.id = u.blob WHERE u.customer = c.id \
              AND (u.state = 'failed' OR b.problem IS NOT NULL)), \
             (SELECT count(*) FROM partials p WHERE p.customer = c.id), \
             (SELECT coalesce(sum(u.size), 0) FROM uploads u WHERE u.customer = c.id), \
             (SELECT max(u.received_at) FROM uploads u WHERE u.customer = c.id) \
             FROM customers c WHERE ?1 IS NULL OR c.id = ?1",
            [customer.map(|customer| customer.0)],
            |row| {
                Ok(CustomerRow {
                    id: row.get(0)?,
                    name: row.get(1)?,
                    disabled: row.get(2)?,
                    records: row.get(3)?,
                    recovered: row.get(4)?,
                    copies: row.get(5)?,
                    retired: row.get(6)?,
                    review: row.get(7)?,
                    without_thumbnail: row.get(8)?,
                    conflicts: row.get(9)?,
                    uploads: row.get(10)?,
                    undecided: row.get(11)?,
                    unreadable: row.get(12)?,
                    partials: row.get(13)?,
                    bytes: row.get(14)?,
                    last_upload: row.get::<Option<i64>>(15)?.map(Micros),
                })
            },
        )
    }
}
