//! What those who work for the shop look through: received files, a search over everything, what was given up, what people decided.

use super::pages::{PROBLEM, RECORD, THUMBNAIL, WRONG, contains, may_be_problem, shown_record};
use super::{Error, Row, ShownRecord, Subject, Tx};
use crate::domain::{CustomerId, Digest, Micros, RecordId, UploadId};

/// What became of a received file, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is being looked at.
    Waiting,
    /// A picture of it is back on a record.
    Back,
    /// A person is asked about it.
    Asked,
    /// It cannot be used.
    Problem,
    /// It belongs to no record, as far as is known.
    Unmatched,
}

impl Fate {
    /// Each of them.
    pub const ALL: [Fate; 5] = [Fate::Waiting, Fate::Back, Fate::Asked, Fate::Problem, Fate::Unmatched];

    /// The word for it in addresses and statements.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Waiting => "waiting",
            Fate::Back => "back",
            Fate::Asked => "asked",
            Fate::Problem => "problem",
            Fate::Unmatched => "unmatched",
        }
    }

    /// The one with this word.
    pub fn of(word: &str) -> Option<Self> {
        Fate::ALL.into_iter().find(|fate| fate.word() == word)
    }
}

/// Which received files are asked for; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileFilter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// Part of the path, in capitals or not.
    pub words: Option<String>,
    /// With this fate.
    pub fate: Option<Fate>,
}

/// A received file on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFile {
    /// The upload; what the next page begins behind.
    pub id: UploadId,
    /// Whose it is.
    pub customer: CustomerId,
    /// What they are called.
    pub customer_name: String,
    /// Its path.
    pub path: Vec<u8>,
    /// Its size in bytes.
    pub bytes: i64,
    /// Its digest.
    pub sha256: Digest,
    /// How it came.
    pub endpoint: String,
    /// When.
    pub received_at: Micros,
    /// What became of it.
    pub fate: Fate,
    /// The record that has a picture of it.
    pub record: Option<(RecordId, String)>,
    /// Why it cannot be used, or what is wrong with it all the same, in words.
    pub problem: Option<String>,
    /// Whether its transfer broke off.
    pub truncated: bool,
}

/// A record that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRecord {
    /// The record.
    pub id: RecordId,
    /// How it is shown.
    pub record: ShownRecord,
    /// What its customer is called.
    pub customer_name: String,
    /// Whether its picture came back.
    pub back: bool,
    /// Whether it was given up.
    pub retired: bool,
}

/// A record that was given up, wherever it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The record.
    pub id: RecordId,
    /// How it is shown.
    pub record: ShownRecord,
    /// Whose it is.
    pub customer: CustomerId,
    /// What they are called.
    pub customer_name: String,
    /// Why, in words; empty without a reason.
    pub why: String,
    /// Who gave it up.
    pub who: String,
    /// When; what the next page begins behind, together with the record.
    pub at: Micros,
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The decision; what the next page begins behind.
    pub id: i64,
    /// When.
    pub at: Micros,
    /// Who.
    pub who: String,
    /// What: a word of [`super::Act`].
    pub act: String,
    /// Why, in words; empty without a reason.
    pub why: String,
    /// The record.
    pub record: RecordId,
    /// What it is called.
    pub record_name: String,
    /// Whose it is.
    pub customer_name: String,
    /// A path under which the file came.
    pub path: Option<Vec<u8>>,
    /// When it was taken back.
    pub withdrawn_at: Option<Micros>,
    /// Whether it is the last word on its pair, so that it can be taken back.
    pub stands_last: bool,
}

/// A line of the history of a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Micros,
    /// A person, or the part of the program that acted.
    pub who: String,
    /// What, as a sentence.
    pub text: String,
    /// The record that it is about, with the shop's identifier.
    pub record: Option<(RecordId, String)>,
    /// The upload that it is about, with its path.
    pub upload: Option<(UploadId, Vec<u8>)>,
}

/// What became of the upload `u` with the blob `b`.
fn fate() -> String {
    format!(
        "CASE WHEN u.state IN ('received', 'stored') THEN 'waiting' \
         WHEN EXISTS (SELECT 1 FROM images i JOIN attachments a ON a.image = i.id AND a.state = 'standing' \
                      WHERE i.blob = u.blob) THEN 'back' \
         WHEN EXISTS (SELECT 1 FROM images i JOIN candidates k ON k.image = i.id AND k.verdict = 'review' \
                      JOIN records r ON r.id = k.record AND r.retired_at IS NULL WHERE i.blob = u.blob) THEN 'asked' \
         WHEN {PROBLEM} THEN 'problem' ELSE 'unmatched' END"
    )
}

/// A condition that is met by all uploads `u` with a fate, and by few others; nothing where they may be most.
fn among(fate: Fate, of_customer: bool) -> Option<String> {
    let of = if of_customer { "= ?1" } else { "IS NOT NULL" };
    match fate {
        Fate::Waiting => Some("u.state IN ('received', 'stored')".to_owned()),
        Fate::Problem => Some(may_be_problem(of)),
        Fate::Asked => Some(format!(
            "u.id IN (SELECT o.id FROM candidates k JOIN images i ON i.id = k.image JOIN uploads o ON o.blob = i.blob \
             WHERE k.verdict = 'review' AND k.customer {of})"
        )),
        Fate::Back | Fate::Unmatched => None,
    }
}

/// The record that has a picture of the blob of `u`: its `column`.
fn record_of_upload(column: &str) -> String {
    format!(
        "(SELECT {column} FROM images i JOIN attachments a ON a.image = i.id AND a.state = 'standing' \
         JOIN records r ON r.id = a.record WHERE i.blob = u.blob ORDER BY r.id LIMIT 1)"
    )
}

fn received_file(row: Row<'_>) -> Result<ReceivedFile, Error> {
    let word: String = row.get(8)?;
    Ok(ReceivedFile {
        id: UploadId(row.get(0)?),
        customer: CustomerId(row.get(1)?),
        customer_name: row.get(2)?,
        path: row.get(3)?,
        bytes: row.get(4)?,
        sha256: Digest(row.get(5)?),
        endpoint: row.get(6)?,
        received_at: Micros(row.get(7)?),
        fate: Fate::of(&word).ok_or_else(|| Error::Damaged(format!("`{word}` is nothing that becomes of a file")))?,
        record: row.get::<Option<i64>>(9)?.map(RecordId).zip(row.get(10)?),
        problem: row.get(11)?,
        truncated: row.get(12)?,
    })
}

impl Tx<'_> {
    /// Received files, the newest first: `limit` of them that came before the upload `before`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_files(&self, filter: &FileFilter, before: i64, limit: i64) -> Result<Vec<ReceivedFile>, Error> {
        // Several statements, so that each has its index. Where few are meant, `among` says which, and no other index is to serve.
        let (among, fate_wanted) = match filter.fate {
            None => (None, "?3 IS NULL".to_owned()),
            Some(wanted) => (among(wanted, filter.customer.is_some()), format!("{} = ?3", fate())),
        };
        let (few, among) = among.map_or(("", "1".to_owned()), |among| ("+", among));
        let whose = if filter.customer.is_some() { format!("{few}u.customer = ?1") } else { "?1 IS NULL".to_owned() };
        let sql = self.files(&format!(
            "{whose} AND {few}u.id < ?4 AND {among} AND (?2 IS NULL OR CAST(u.path AS TEXT) LIKE ?2 ESCAPE '\\') \
             AND {fate_wanted} ORDER BY u.id DESC LIMIT ?5"
        ));
        let words = filter.words.as_deref().map(contains);
        let customer = filter.customer.map(|customer| customer.0);
        self.rows(&sql, (customer, words, filter.fate.map(Fate::word), before, limit), received_file)
    }

    /// One received file.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_file(&self, id: UploadId) -> Result<Option<ReceivedFile>, Error> {
        self.first(&self.files("u.id = ?1"), [id.0], received_file)
    }

    fn files(&self, of: &str) -> String {
        format!(
            "SELECT u.id, u.customer, c.name, u.path, u.size, u.sha256, u.endpoint, u.received_at, {}, {}, {}, \
             {WRONG}, u.truncated \
             FROM uploads u JOIN customers c ON c.id = u.customer LEFT JOIN blobs b ON b.id = u.blob WHERE {of}",
            fate(),
            record_of_upload("r.id"),
            record_of_upload("r.name"),
        )
    }

    /// Customers in whose names `words` are, `limit` at most.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn search_customers(&self, words: &str, limit: i64) -> Result<Vec<(CustomerId, String)>, Error> {
        let sql = "SELECT id, name FROM customers WHERE name LIKE ?1 ESCAPE '\\' ORDER BY id LIMIT ?2";
        self.rows(sql, (contains(words), limit), |row| Ok((CustomerId(row.get(0)?), row.get(1)?)))
    }

    /// Records with `words` in their own name or the lost file's, or whose recorded digest begins with `digest`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn search_records(&self, words: &str, digest: Option<&[u8]>, limit: i64) -> Result<Vec<FoundRecord>, Error> {
        let sql = format!(
            "SELECT {RECORD}, r.id, c.name, r.retired_at IS NOT NULL, \
             EXISTS (SELECT 1 FROM attachments a WHERE a.record = r.id AND a.state = 'standing') \
             FROM records r JOIN customers c ON c.id = r.customer {THUMBNAIL} \
             WHERE r.name LIKE ?1 ESCAPE '\\' OR r.filename LIKE ?1 ESCAPE '\\' OR substr(r.sha256, 1, length(?2)) = ?2 \
             ORDER BY r.id LIMIT ?3"
        );
        self.rows(&sql, (contains(words), digest, limit), |row| {
            Ok(FoundRecord {
                record: shown_record(&row)?,
                id: RecordId(row.get(9)?),
                customer_name: row.get(10)?,
                retired: row.get(11)?,
                back: row.get(12)?,
            })
        })
    }

    /// Received files with `words` in their path, or whose digest begins with `digest`, the newest first.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn search_files(&self, words: &str, digest: Option<&[u8]>, limit: i64) -> Result<Vec<ReceivedFile>, Error> {
        let sql = self.files(
            "CAST(u.path AS TEXT) LIKE ?1 ESCAPE '\\' OR substr(u.sha256, 1, length(?2)) = ?2 ORDER BY u.id DESC LIMIT ?3",
        );
        self.rows(&sql, (contains(words), digest, limit), received_file)
    }

    /// Records of all customers that were given up, the last first: `limit` of them behind a moment and a record.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_given_up(&self, (at, id): (Micros, i64), limit: i64) -> Result<Vec<GivenUp>, Error> {
        let sql = format!(
            "SELECT {RECORD}, r.id, r.customer, c.name, coalesce(r.retired_why, ''), r.retired_at, \
             coalesce((SELECT e.who FROM events e WHERE e.record = r.id AND e.kind = 'retire' ORDER BY e.id DESC LIMIT 1), '') \
             FROM records r JOIN customers c ON c.id = r.customer {THUMBNAIL} \
             WHERE r.retired_at IS NOT NULL AND r.retired_at <= ?1 AND (r.retired_at < ?1 OR r.retired_at = ?1 AND r.id > ?2) \
             ORDER BY r.retired_at DESC, r.id LIMIT ?3"
        );
        self.rows(&sql, (at.0, id, limit), |row| {
            Ok(GivenUp {
                record: shown_record(&row)?,
                id: RecordId(row.get(9)?),
                customer: CustomerId(row.get(10)?),
                customer_name: row.get(11)?,
                why: row.get(12)?,
                at: Micros(row.get(13)?),
                who: row.get(14)?,
            })
        })
    }

    /// What people decided, the last first: `limit` decisions before the decision `before`, of one person or all.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_decisions(&self, who: Option<&str>, before: i64, limit: i64) -> Result<Vec<Decided>, Error> {
        let sql = "SELECT d.id, d.at, d.who, d.act, d.why, d.record, r.name, c.name, \
             (SELECT u.path FROM uploads u WHERE u.customer = d.customer AND u.sha256 = d.digest ORDER BY u.id LIMIT 1), \
             d.withdrawn_at, d.withdrawn_at IS NULL AND NOT EXISTS (SELECT 1 FROM decisions n WHERE n.record = d.record \
               AND n.digest = d.digest AND n.number = d.number AND n.id > d.id AND n.withdrawn_at IS NULL) \
             FROM decisions d JOIN records r ON r.id = d.record JOIN customers c ON c.id = d.customer \
             WHERE d.id < ?2 AND (?1 IS NULL OR d.who = ?1) ORDER BY d.id DESC LIMIT ?3";
        self.rows(sql, (who, before, limit), |row| {
            Ok(Decided {
                id: row.get(0)?,
                at: Micros(row.get(1)?),
                who: row.get(2)?,
                act: row.get(3)?,
                why: row.get(4)?,
                record: RecordId(row.get(5)?),
                record_name: row.get(6)?,
                customer_name: row.get(7)?,
                path: row.get(8)?,
                withdrawn_at: row.get::<Option<i64>>(9)?.map(Micros),
                stands_last: row.get(10)?,
            })
        })
    }

    /// The record that a person last put a received file on, or said that it is the picture of, where that stands.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn record_named_for(&self, file: &ReceivedFile) -> Result<Option<(RecordId, String)>, Error> {
        let sql = "SELECT r.id, r.name FROM decisions d JOIN records r ON r.id = d.record WHERE d.customer = ?1 \
             AND d.digest = ?2 AND d.withdrawn_at IS NULL AND d.act IN ('accept', 'attach') AND NOT EXISTS (\
               SELECT 1 FROM decisions n WHERE n.record = d.record AND n.digest = d.digest AND n.number = d.number \
                 AND n.id > d.id AND n.withdrawn_at IS NULL) ORDER BY d.id DESC LIMIT 1";
        self.first(sql, (file.customer.0, file.sha256.0.as_slice()), |row| Ok((RecordId(row.get(0)?), row.get(1)?)))
    }

    /// The pair that a decision is about, if the decision is the last word on it.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn decision_subject(&self, id: i64) -> Result<Option<Subject>, Error> {
        let sql = "SELECT d.customer, d.record, d.digest, d.number, \
             (SELECT min(u.id) FROM uploads u WHERE u.customer = d.customer AND u.sha256 = d.digest) \
             FROM decisions d WHERE d.id = ?1 AND d.id = (SELECT max(n.id) FROM decisions n WHERE n.record = d.record \
               AND n.digest = d.digest AND n.number = d.number AND n.withdrawn_at IS NULL)";
        self.first(sql, [id], super::decisions::subject)
    }

    /// To whom the record of a decision belongs.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn decision_customer(&self, id: i64) -> Result<Option<CustomerId>, Error> {
        self.first("SELECT customer FROM decisions WHERE id = ?1", [id], |row| Ok(CustomerId(row.get(0)?)))
    }

    /// What happened to a record, the last first, `limit` lines at most.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn history_of_record(&self, id: RecordId, limit: i64) -> Result<Vec<Happened>, Error> {
        self.rows(&format!("{HAPPENED} WHERE e.record = ?1 ORDER BY e.id DESC LIMIT ?2"), (id.0, limit), happened)
    }

    /// What happened to a received file, the last first, `limit` lines at most.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn history_of_upload(&self, id: UploadId, limit: i64) -> Result<Vec<Happened>, Error> {
        self.rows(&format!("{HAPPENED} WHERE e.upload = ?1 ORDER BY e.id DESC LIMIT ?2"), (id.0, limit), happened)
    }
}

const HAPPENED: &str = "SELECT e.at, e.who, e.text, r.id, r.name, u.id, u.path FROM events e \
     LEFT JOIN records r ON r.id = e.record LEFT JOIN uploads u ON u.id = e.upload";

fn happened(row: Row<'_>) -> Result<Happened, Error> {
    let (record, upload): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(5)?);
    Ok(Happened {
        at: Micros(row.get(0)?),
        who: row.get(1)?,
        text: row.get(2)?,
        record: record.map(RecordId).zip(row.get(4)?),
        upload: upload.map(UploadId).zip(row.get(6)?),
    })
}
