//! The review queue: records whose picture a person is asked about, one after the other.
//!
//! The rule speaks some moments after an answer; until then the answer itself keeps its candidate out of the queue.

use super::pages::{RECORD, THUMBNAIL, shown_record};
use super::{Error, ShownRecord, Tx, text_of};
use crate::domain::{CandidateId, CustomerId, Micros, RecordId, UploadId};

/// A record and what may be its picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The record.
    pub id: RecordId,
    /// How it is shown.
    pub record: ShownRecord,
    /// Whose it is.
    pub customer: CustomerId,
    /// What they are called.
    pub customer_name: String,
    /// [`Tx::times_decided`]. Who answers says it again, so that nobody answers over another.
    pub said: i64,
    /// The likeliest first.
    pub proposals: Vec<Proposal>,
}

/// A picture that may be a record's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The candidate.
    pub candidate: CandidateId,
    /// An upload that carries it.
    pub upload: UploadId,
    /// The path of that upload.
    pub path: Vec<u8>,
    /// The page or frame of the file, from 1.
    pub number: i64,
    /// The file's size.
    pub bytes: i64,
    /// Its width in pixels, upright, where it could be read.
    pub width: Option<i64>,
    /// Its height in pixels, upright.
    pub height: Option<i64>,
    /// Whether it would be put back as a copy.
    pub copy: bool,
    /// What speaks for it and against it, in words; empty while the rule has not spoken again after an answer was taken back.
    pub reason: String,
}

/// An answer that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Who.
    pub who: String,
    /// What: a word of [`super::Act`].
    pub act: String,
    /// When.
    pub at: Micros,
    /// A path under which the file came.
    pub path: Option<Vec<u8>>,
}

/// What the rule made of a candidate that a person is asked about.
#[derive(serde::Serialize, serde::Deserialize)]
struct Asked {
    image: i64,
    proven: i64,
    method: Option<String>,
    grade: Option<String>,
    rank: Option<i64>,
    residual: Option<f64>,
    margin: Option<f64>,
    reason: Option<String>,
    decided_at: Option<i64>,
}

/// Candidates (`k` of record `r`) that a person is asked about and has not answered, with the upload `u` that carries each.
const OPEN: &str = "candidates k JOIN customers c ON c.id = k.customer AND k.verdict = 'review' \
     JOIN records r ON r.id = k.record AND r.retired_at IS NULL \
     JOIN images i ON i.id = k.image JOIN blobs b ON b.id = i.blob \
     JOIN uploads u ON u.id = (SELECT v.id FROM uploads v WHERE v.blob = b.id ORDER BY v.path, v.id LIMIT 1) \
     WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.record = k.record AND d.withdrawn_at IS NULL \
       AND (d.digest = b.digest AND d.number = i.number \
         OR d.act IN ('accept', 'attach') AND d.at > coalesce(k.decided_at, 0)))";

impl Tx<'_> {
    /// Records that a person is asked about, of one customer or all.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn questions(&self, customer: Option<CustomerId>) -> Result<i64, Error> {
        self.one(
            &format!("SELECT count(DISTINCT k.record) FROM {OPEN} AND (?1 IS NULL OR c.id = ?1)"),
            [customer.map(|customer| customer.0)],
            |row| row.get(0),
        )
    }

    /// The first question behind a record.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn question_behind(&self, customer: Option<CustomerId>, behind: i64) -> Result<Option<Question>, Error> {
        // Along `candidates_asked_by_record`, as far as the first that is open.
        let next = self.first(
            &format!(
                "SELECT k.record FROM {OPEN} AND (?1 IS NULL OR +k.customer = ?1) AND k.record > ?2 ORDER BY k.record LIMIT 1"
            ),
            (customer.map(|customer| customer.0), behind),
            |row| row.get(0),
        )?;
        next.map(|record| self.question(RecordId(record))).transpose()
    }

    /// The last thing that stands of what people said about the record of a candidate.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn last_answer(&self, candidate: CandidateId) -> Result<Option<Answered>, Error> {
        let sql = "SELECT d.who, d.act, d.at, (SELECT u.path FROM uploads u WHERE u.customer = d.customer AND u.sha256 = d.digest \
               ORDER BY u.path, u.id LIMIT 1) \
             FROM candidates k JOIN decisions d ON d.record = k.record AND d.withdrawn_at IS NULL WHERE k.id = ?1 \
             ORDER BY d.id DESC LIMIT 1";
        self.first(sql, [candidate.0], |row| {
            Ok(Answered { who: row.get(0)?, act: row.get(1)?, at: Micros(row.get(2)?), path: row.get(3)? })
        })
    }

    /// Files that a person is asked about for a record, the likeliest first, each with its path.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn asked_about(&self, id: RecordId) -> Result<Vec<(UploadId, Vec<u8>)>, Error> {
        let sql = format!("SELECT u.id, u.path FROM {OPEN} AND k.record = ?1 ORDER BY coalesce(k.rank, 9999), k.id");
        self.rows(&sql, [id.0], |row| Ok((UploadId(row.get(0)?), row.get(1)?)))
    }

    /// What a person is asked about a record now, as text to keep beside the answer; nothing where nothing is asked.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub(super) fn asked_of(&self, id: RecordId) -> Result<Option<String>, Error> {
        let asked = self.rows(
            "SELECT image, proven, method, grade, rank, residual, margin, reason, decided_at FROM candidates \
             WHERE record = ?1 AND verdict = 'review' ORDER BY image",
            [id.0],
            |row| {
                Ok(Asked {
                    image: row.get(0)?,
                    proven: row.get(1)?,
                    method: row.get(2)?,
                    grade: row.get(3)?,
                    rank: row.get(4)?,
                    residual: row.get(5)?,
                    margin: row.get(6)?,
                    reason: row.get(7)?,
                    decided_at: row.get(8)?,
                })
            },
        )?;
        if asked.is_empty() { Ok(None) } else { text_of(&asked).map(Some) }
    }

    /// Asks again what was asked about a record, as [`Tx::asked_of`] kept it, where no other answer settles it.
    ///
    /// # Errors
    /// When the catalogue fails, or the text is none of its own.
    pub(super) fn ask_again(&self, id: RecordId, asked: Option<&str>) -> Result<(), Error> {
        let broken = |error| Error::Damaged(format!("what was asked about record {id} cannot be read: {error}"));
        let asked: Vec<Asked> = asked.map(serde_json::from_str).transpose().map_err(broken)?.unwrap_or_default();
        for was in asked {
            self.execute(
                "UPDATE candidates SET verdict = 'review', proven = ?3, method = ?4, grade = ?5, rank = ?6, residual = ?7, \
                 margin = ?8, reason = ?9, decided_at = ?10 WHERE record = ?1 AND image = ?2 AND NOT EXISTS (\
                   SELECT 1 FROM decisions d JOIN images i ON i.id = candidates.image JOIN blobs b ON b.id = i.blob \
                   WHERE d.record = candidates.record AND d.withdrawn_at IS NULL \
                     AND (d.act IN ('accept', 'attach') OR d.digest = b.digest AND d.number = i.number))",
                (
                    id.0,
                    was.image,
                    was.proven,
                    was.method,
                    was.grade,
                    was.rank,
                    was.residual,
                    was.margin,
                    was.reason,
                    was.decided_at,
                ),
            )?;
        }
        Ok(())
    }

    fn question(&self, id: RecordId) -> Result<Question, Error> {
        let (record, customer, customer_name) = self.one(
            &format!(
                "SELECT {RECORD}, c.id, c.name FROM records r {THUMBNAIL} JOIN customers c ON c.id = r.customer WHERE r.id = ?1"
            ),
            [id.0],
            |row| Ok((shown_record(&row)?, CustomerId(row.get(9)?), row.get(10)?)),
        )?;
        let proposals = self.rows(
            &format!(
                "SELECT k.id, u.path, i.number, b.size, i.width, i.height, coalesce(k.grade = 'copy', 0), \
                 coalesce(k.reason, ''), u.id FROM {OPEN} AND k.record = ?1 AND +k.customer = ?2 ORDER BY coalesce(k.rank, 9999), k.id"
            ),
            (id.0, customer.0),
            |row| {
                Ok(Proposal {
                    candidate: CandidateId(row.get(0)?),
                    path: row.get(1)?,
                    number: row.get(2)?,
                    bytes: row.get(3)?,
                    width: row.get(4)?,
                    height: row.get(5)?,
                    copy: row.get(6)?,
                    reason: row.get(7)?,
                    upload: UploadId(row.get(8)?),
                })
            },
        )?;
        let said = self.times_decided(id)?;
        Ok(Question { id, record, customer, customer_name, said, proposals })
    }
}
