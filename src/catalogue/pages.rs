//! What the pages show: counts by customer, and one page at a time of missing pictures, of those that came back, and of
//! files that could not be used.
//!
//! A page of a list begins behind the last thing of the page before, named by its id, so that every page costs the same and
//! none moves while others grow. What is missing and what could not be used goes by import and arrival, what came back
//! newest first.

use super::{Error, Row, Tx};
use crate::domain::{CustomerId, Digest, Micros, RecordId, ThumbnailId};

/// A customer in numbers. A record counts as back when an attachment stands, as missing when none does and it was not
/// given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerCounts {
    /// The customer.
    pub id: i64,
    /// The name they sign in with.
    pub name: String,
    /// Records that were not given up.
    pub records: i64,
    /// Records whose picture came back, as original or as copy.
    pub returned: i64,
    /// Of those, the ones that came back as a copy: the original is still wanted.
    pub copies: i64,
    /// Missing records for which a file was found that a person has to look at.
    pub asked: i64,
    /// Uploads, each version counted.
    pub received: i64,
    /// Their bytes together.
    pub received_bytes: i64,
    /// Uploads that have not been decided yet.
    pub undecided: i64,
    /// Uploads that could not be used, for whatever reason.
    pub problems: i64,
    /// Records that were given up.
    pub retired: i64,
    /// Missing records that are announced to be given up.
    pub retiring: i64,
    /// When the first of them is.
    pub retire_at: Option<Micros>,
    /// Whether names of lost files say in which folders they were.
    pub has_folders: bool,
    /// When the last upload came.
    pub last_upload: Option<Micros>,
    /// When the oldest upload came that has not been decided yet.
    pub oldest_undecided: Option<Micros>,
}

impl CustomerCounts {
    /// Records that are still missing.
    pub fn missing(&self) -> i64 {
        self.records - self.returned
    }

    /// The counts of both together, without a name.
    pub fn plus(&self, other: &Self) -> Self {
        CustomerCounts {
            id: 0,
            name: String::new(),
            records: self.records + other.records,
            returned: self.returned + other.returned,
            copies: self.copies + other.copies,
            asked: self.asked + other.asked,
            received: self.received + other.received,
            received_bytes: self.received_bytes + other.received_bytes,
            undecided: self.undecided + other.undecided,
            problems: self.problems + other.problems,
            retired: self.retired + other.retired,
            retiring: self.retiring + other.retiring,
            has_folders: self.has_folders || other.has_folders,
            retire_at: [self.retire_at, other.retire_at].into_iter().flatten().min(),
            last_upload: self.last_upload.max(other.last_upload),
            oldest_undecided: [self.oldest_undecided, other.oldest_undecided].into_iter().flatten().min(),
        }
    }
}

/// A thumbnail that a page can show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownThumbnail {
    /// Its id.
    pub id: ThumbnailId,
    /// Of its file, so that a changed file gets a new address.
    pub digest: Digest,
    /// Its width in pixels, where it could be read.
    pub width: Option<i64>,
    /// Its height in pixels, where it could be read.
    pub height: Option<i64>,
}

/// A record on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRecord {
    /// The shop's own identifier.
    pub record: String,
    /// The name the original had.
    pub filename: Option<String>,
    /// The width of the lost original in pixels.
    pub width: Option<i64>,
    /// The height of the lost original in pixels.
    pub height: Option<i64>,
    /// When the picture was taken, as the shop wrote it.
    pub taken_at: Option<String>,
    /// What survived of it.
    pub thumbnail: Option<ShownThumbnail>,
}

/// Which missing pictures are asked for; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MissingFilter {
    /// Part of the file's name or of the record's, in capitals or not.
    pub words: Option<String>,
    /// Part of the folder that the file's name says, in capitals or not.
    pub folder: Option<String>,
    /// Taken on this day or later, as `2018-06-30`.
    pub from: Option<String>,
    /// Taken on this day or earlier.
    pub to: Option<String>,
    /// Recorded with at least so many pixels.
    pub pixels_min: Option<i64>,
    /// Recorded with fewer pixels.
    pub pixels_below: Option<i64>,
}

/// A record whose original is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPicture {
    /// What the next page begins behind.
    pub id: i64,
    /// The record.
    pub record: ShownRecord,
    /// Files that may be it and wait for a person.
    pub asked: i64,
}

/// A record whose picture came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnedPicture {
    /// What the next page begins behind.
    pub id: i64,
    /// The record.
    pub record: ShownRecord,
    /// The path under which the file came.
    pub path: Vec<u8>,
    /// Its size in bytes.
    pub bytes: i64,
    /// Whether it is a copy, so that the original is still wanted.
    pub copy: bool,
    /// Whether a person decided it.
    pub by_person: bool,
    /// Where it lies in the originals store.
    pub key: String,
}

/// One record by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPage {
    /// Whose it is.
    pub customer: CustomerId,
    /// The record.
    pub record: ShownRecord,
    /// Whether it was given up.
    pub retired: bool,
    /// When it is announced to be given up.
    pub retire_at: Option<Micros>,
    /// Whether its picture came back.
    pub back: bool,
    /// Whether what came back is a copy.
    pub copy: bool,
}

/// An upload that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemFile {
    /// What the next page begins behind.
    pub id: i64,
    /// The path under which it came.
    pub path: Vec<u8>,
    /// Its size in bytes.
    pub bytes: i64,
    /// Why no picture could be read from it, or what is wrong with it all the same, in words; none for a transfer that only broke off.
    pub reason: Option<String>,
    /// Whether the transfer broke off.
    pub truncated: bool,
}

/// An upload that cannot be used: nothing could be read from it, it was given up, or its transfer broke off; or it is damaged, and
/// nobody is asked about what can be seen of it; and nothing was put back from it.
pub(super) const PROBLEM: &str = "(b.problem IS NOT NULL OR u.state = 'failed' OR u.truncated <> 0 OR b.damage IS NOT NULL \
       AND NOT EXISTS (SELECT 1 FROM images i JOIN candidates k ON k.image = i.id AND k.verdict = 'review' \
                       JOIN records r ON r.id = k.record AND r.retired_at IS NULL WHERE i.blob = u.blob)) \
     AND u.state NOT IN ('received', 'stored') \
     AND NOT EXISTS (SELECT 1 FROM images i JOIN attachments a ON a.image = i.id AND a.state = 'standing' \
                     WHERE i.blob = u.blob)";

const COUNTS: &str = "SELECT c.id, c.name, \
     (SELECT count(*) FROM records r WHERE r.customer = c.id AND r.retired_at IS NULL), \
     (SELECT count(*) FROM attachments a JOIN records r ON r.id = a.record \
       WHERE a.state = 'standing' AND r.customer = c.id AND r.retired_at IS NULL), \
     (SELECT count(*) FROM attachments a JOIN records r ON r.id = a.record \
       WHERE a.state = 'standing' AND a.grade = 'copy' AND r.customer = c.id AND r.retired_at IS NULL), \
     (SELECT count(DISTINCT k.record) FROM candidates k JOIN records r ON r.id = k.record \
       WHERE k.customer = c.id AND k.verdict = 'review' AND r.retired_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.record = k.record AND a.state = 'standing')), \
     (SELECT count(*) FROM uploads u WHERE u.customer = c.id), \
     (SELECT coalesce(sum(u.size), 0) FROM uploads u WHERE u.customer = c.id), \
     (SELECT count(*) FROM uploads u WHERE u.customer = c.id AND u.state IN ('received', 'stored')), \
     (SELECT count(*) FROM records r WHERE r.customer = c.id AND r.retired_at IS NOT NULL), \
     (SELECT u.received_at FROM uploads u WHERE u.customer = c.id ORDER BY u.id DESC LIMIT 1), \
     (SELECT min(u.received_at) FROM uploads u WHERE u.customer = c.id AND u.state IN ('received', 'stored')), \
     (SELECT count(*) FROM records r WHERE r.customer = c.id AND r.retire_at IS NOT NULL), \
     (SELECT min(r.retire_at) FROM records r WHERE r.customer = c.id AND r.retire_at IS NOT NULL), \
     EXISTS (SELECT 1 FROM records r WHERE r.customer = c.id AND (instr(r.filename, '/') > 0 OR instr(r.filename, '\\') > 0)), \
     (SELECT count(*) FROM uploads u LEFT JOIN blobs b ON b.id = u.blob WHERE u.customer = c.id AND ";

/// The statement for customers `c` in numbers, as [`counts`] reads them.
pub(super) fn counts_of(which: &str) -> String {
    format!("{COUNTS}{} AND {PROBLEM}) FROM customers c {which}", may_be_problem("= c.id"))
}

/// The few uploads `u` among which those that cannot be used are, of customers that are `of`: without looking at the many others.
pub(super) fn may_be_problem(of: &str) -> String {
    format!(
        "u.id IN (SELECT o.id FROM uploads o WHERE o.customer {of} AND (o.state = 'failed' OR o.truncated <> 0) \
         UNION ALL SELECT o.id FROM blobs p JOIN uploads o ON o.blob = p.id WHERE p.customer {of} AND p.problem IS NOT NULL \
         UNION ALL SELECT o.id FROM blobs p JOIN uploads o ON o.blob = p.id WHERE p.customer {of} AND p.damage IS NOT NULL)"
    )
}

/// What is wrong with an upload `u` with the blob `b`, in words; nothing where its transfer broke off and that is all.
pub(super) const WRONG: &str = "coalesce(b.problem, u.last_error, CASE WHEN u.truncated = 0 THEN b.damage END)";

/// The columns that [`shown_record`] reads, from `records r LEFT JOIN thumbnails t`.
pub(super) const RECORD: &str = "r.name, r.filename, r.width, r.height, r.taken_at, t.id, t.digest, t.width, t.height";

/// The thumbnail of a record, if its file is here. A `preview` stands in where there is no `thumbnail`.
pub(super) const THUMBNAIL: &str = "LEFT JOIN thumbnails t ON t.id = (SELECT s.id FROM thumbnails s WHERE s.record = r.id \
     AND s.digest IS NOT NULL ORDER BY CASE s.role WHEN 'thumbnail' THEN 0 ELSE 1 END, s.id LIMIT 1)";

pub(super) fn counts(row: Row<'_>) -> Result<CustomerCounts, Error> {
    Ok(CustomerCounts {
        id: row.get(0)?,
        name: row.get(1)?,
        records: row.get(2)?,
        returned: row.get(3)?,
        copies: row.get(4)?,
        asked: row.get(5)?,
        received: row.get(6)?,
        received_bytes: row.get(7)?,
        undecided: row.get(8)?,
        retired: row.get(9)?,
        last_upload: row.get::<Option<i64>>(10)?.map(Micros),
        oldest_undecided: row.get::<Option<i64>>(11)?.map(Micros),
        retiring: row.get(12)?,
        retire_at: row.get::<Option<i64>>(13)?.map(Micros),
        has_folders: row.get(14)?,
        problems: row.get(15)?,
    })
}

pub(super) fn shown_record(row: &Row<'_>) -> Result<ShownRecord, Error> {
    let thumbnail = match (row.get::<Option<i64>>(5)?, row.get::<Option<[u8; 32]>>(6)?) {
        (Some(id), Some(digest)) => Some(ShownThumbnail {
            id: ThumbnailId(id),
            digest: Digest(digest),
            width: row.get(7)?,
            height: row.get(8)?,
        }),
        _ => None,
    };
    Ok(ShownRecord {
        record: row.get(0)?,
        filename: row.get(1)?,
        width: row.get(2)?,
        height: row.get(3)?,
        taken_at: row.get(4)?,
        thumbnail,
    })
}

/// The pattern of a text that has `words` in it; what is special in a pattern stands for itself.
pub(super) fn contains(words: &str) -> String {
    let plain = words.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{plain}%")
}

impl Tx<'_> {
    /// All customers in numbers, by the bytes of their names.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_customers(&self) -> Result<Vec<CustomerCounts>, Error> {
        let mut all = self.rows(&counts_of(""), [], counts)?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// One customer in numbers.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_customer(&self, id: CustomerId) -> Result<Option<CustomerCounts>, Error> {
        self.first(&counts_of("WHERE c.id = ?1"), [id.0], counts)
    }

    /// A customer's missing pictures, the first `limit` of them behind the record `after`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_missing(
        &self,
        id: CustomerId,
        filter: &MissingFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<MissingPicture>, Error> {
        let sql = format!(
            "SELECT {RECORD}, (SELECT count(*) FROM candidates k WHERE k.record = r.id AND k.verdict = 'review'), r.id \
             FROM records r {THUMBNAIL} WHERE r.customer = ?1 AND r.id > ?2 AND r.retired_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.record = r.id AND a.state = 'standing') \
             AND (?4 IS NULL OR r.filename LIKE ?4 ESCAPE '\\' OR r.name LIKE ?4 ESCAPE '\\') \
             AND (?5 IS NULL OR substr(r.taken_at, 1, 10) >= ?5) AND (?6 IS NULL OR substr(r.taken_at, 1, 10) <= ?6) \
             AND (?7 IS NULL OR r.width * r.height >= ?7) AND (?8 IS NULL OR r.width * r.height < ?8) \
             AND (?9 IS NULL OR replace(r.filename, '\\', '/') LIKE ?9 ESCAPE '\\') \
             ORDER BY r.id LIMIT ?3"
        );
        let words = filter.words.as_deref().map(contains);
        let folder = filter.folder.as_deref().map(|folder| format!("{}/%", contains(folder)));
        let MissingFilter { from, to, pixels_min, pixels_below, .. } = filter;
        self.rows(&sql, (id.0, after, limit, words, from, to, pixels_min, pixels_below, folder), |row| {
            Ok(MissingPicture { record: shown_record(&row)?, asked: row.get(9)?, id: row.get(10)? })
        })
    }

    /// A customer's pictures that came back, newest first: the first `limit` of them older than the attachment `before`; with `words`
    /// those that have them in the record, the lost file's name or the path of the file that came.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_returned(
        &self,
        id: CustomerId,
        words: Option<&str>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<ReturnedPicture>, Error> {
        let sql = format!(
            "SELECT {RECORD}, u.path, u.size, a.grade, a.decided_by, a.object_key, a.id FROM attachments a \
             JOIN records r ON r.id = a.record JOIN uploads u ON u.id = a.upload {THUMBNAIL} \
             WHERE a.customer = ?1 AND a.id < ?2 AND r.retired_at IS NULL AND a.state = 'standing' \
             AND (?4 IS NULL OR r.filename LIKE ?4 ESCAPE '\\' OR r.name LIKE ?4 ESCAPE '\\' \
               OR CAST(u.path AS TEXT) LIKE ?4 ESCAPE '\\') ORDER BY a.id DESC LIMIT ?3"
        );
        self.rows(&sql, (id.0, before, limit, words.map(contains)), |row| {
            Ok(ReturnedPicture {
                record: shown_record(&row)?,
                path: row.get(9)?,
                bytes: row.get(10)?,
                copy: row.get::<String>(11)? == "copy",
                by_person: row.get::<String>(12)? != "rule",
                key: row.get(13)?,
                id: row.get(14)?,
            })
        })
    }

    /// A customer's files that could not be used, the first `limit` of them behind the upload `after`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_problems(&self, id: CustomerId, after: i64, limit: i64) -> Result<Vec<ProblemFile>, Error> {
        let sql = format!(
            "SELECT u.path, u.size, {WRONG}, u.truncated, u.id \
             FROM uploads u LEFT JOIN blobs b ON b.id = u.blob WHERE +u.customer = ?1 AND +u.id > ?2 AND {} AND {PROBLEM} \
             ORDER BY u.id LIMIT ?3",
            may_be_problem("= ?1")
        );
        self.rows(&sql, (id.0, after, limit), |row| {
            Ok(ProblemFile {
                path: row.get(0)?,
                bytes: row.get(1)?,
                reason: row.get(2)?,
                truncated: row.get::<i64>(3)? != 0,
                id: row.get(4)?,
            })
        })
    }

    /// To whom a record belongs.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn record_customer(&self, id: RecordId) -> Result<Option<CustomerId>, Error> {
        self.first("SELECT customer FROM records WHERE id = ?1", [id.0], |row| Ok(CustomerId(row.get(0)?)))
    }

    /// A record, and how it stands with it.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_record(&self, id: RecordId) -> Result<Option<RecordPage>, Error> {
        let sql = format!(
            "SELECT {RECORD}, r.customer, r.retired_at IS NOT NULL, \
             (SELECT a.grade FROM attachments a WHERE a.record = r.id AND a.state = 'standing'), r.retire_at \
             FROM records r {THUMBNAIL} WHERE r.id = ?1"
        );
        self.first(&sql, [id.0], |row| {
            let grade: Option<String> = row.get(11)?;
            Ok(RecordPage {
                customer: CustomerId(row.get(9)?),
                record: shown_record(&row)?,
                retired: row.get(10)?,
                retire_at: row.get::<Option<i64>>(12)?.map(Micros),
                back: grade.is_some(),
                copy: grade.as_deref() == Some("copy"),
            })
        })
    }

    /// To whom the record of a thumbnail belongs.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnail_customer(&self, id: ThumbnailId) -> Result<Option<CustomerId>, Error> {
        let sql = "SELECT r.customer FROM thumbnails t JOIN records r ON r.id = t.record WHERE t.id = ?1";
        self.first(sql, [id.0], |row| Ok(CustomerId(row.get(0)?)))
    }

    /// The file of one thumbnail, with its digest.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_thumbnail(&self, id: ThumbnailId) -> Result<Option<(Digest, Vec<u8>)>, Error> {
        self.first(
            "SELECT f.digest, f.bytes FROM thumbnails t JOIN thumbnail_files f ON f.digest = t.digest WHERE t.id = ?1",
            [id.0],
            |row| Ok((Digest(row.get(0)?), row.get(1)?)),
        )
    }
}
