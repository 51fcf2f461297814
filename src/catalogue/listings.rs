//! Lists for programs: one page at a time, from one id on, of one customer or of all.

use super::pages::{counts, counts_of};
use super::reports::{ASKED, ATTACHED, FILE, file_row, match_row};
use super::{CustomerCounts, Error, FileRow, MatchRow, Row, Tx};
use crate::domain::{CustomerId, Digest, Micros, RecordId, RecordState};

/// Which rows a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Only this customer's.
    pub customer: Option<CustomerId>,
    /// Behind the row with this id.
    pub after: i64,
    /// At most so many.
    pub limit: i64,
}

/// Which records are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Records {
    /// All of them.
    All,
    /// Those in a state.
    In(RecordState),
    /// Those whose original is still wanted: nothing came back, or only a copy.
    Wanted,
}

/// A record with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRecord {
    /// What the next page begins behind.
    pub id: RecordId,
    /// The shop's own identifier.
    pub record: String,
    /// Whose it is.
    pub customer: String,
    /// What became of it.
    pub state: RecordState,
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
    /// The import's other columns, a JSON object as text.
    pub extra: String,
    /// Why it was given up.
    pub retired_why: Option<String>,
    /// When it is going to be given up, where that is announced.
    pub retire_at: Option<Micros>,
    /// What stands on it.
    pub standing: Option<Standing>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its key in the originals store.
    pub key: String,
    /// Of its bytes.
    pub sha256: Digest,
    /// original or copy.
    pub grade: String,
    /// Which tier of the rule spoke, or `person`.
    pub method: String,
    /// `rule`, or who decided.
    pub decided_by: String,
    /// When it was put back.
    pub placed_at: Option<Micros>,
    /// The path of the upload that it came with.
    pub path: Vec<u8>,
    /// That upload.
    pub upload: i64,
}

/// A line of a record's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryLine {
    /// When.
    pub at: Micros,
    /// One word for programs.
    pub kind: String,
    /// A person, a program, or the part that acted.
    pub who: String,
    /// A sentence.
    pub text: String,
    /// The upload that it is about.
    pub upload: Option<i64>,
}

/// Lines of history that are given out at most, the newest.
const HISTORY_MAX: i64 = 1_000;

const RECORD: &str = "SELECT r.id, r.name, (SELECT c.name FROM customers c WHERE c.id = r.customer), r.filename, r.width, \
     r.height, r.bytes, r.taken_at, r.extra, r.retired_at IS NOT NULL, r.retired_why, a.object_key, a.digest, a.grade, \
     a.method, a.decided_by, a.placed_at, a.upload, (SELECT u.path FROM uploads u WHERE u.id = a.upload), r.retire_at \
     FROM records r LEFT JOIN attachments a ON a.record = r.id AND a.state = 'standing'";

fn listed(row: Row<'_>) -> Result<ListedRecord, Error> {
    let standing = match row.get::<Option<String>>(11)? {
        None => None,
        Some(key) => Some(Standing {
            key,
            sha256: Digest(row.get(12)?),
            grade: row.get(13)?,
            method: row.get(14)?,
            decided_by: row.get(15)?,
            placed_at: row.get::<Option<i64>>(16)?.map(Micros),
            upload: row.get(17)?,
            path: row.get(18)?,
        }),
    };
    let state = match (row.get::<bool>(9)?, &standing) {
        (true, _) => RecordState::Retired,
        (false, Some(_)) => RecordState::Recovered,
        (false, None) => RecordState::Missing,
    };
    Ok(ListedRecord {
        id: RecordId(row.get(0)?),
        record: row.get(1)?,
        customer: row.get(2)?,
        state,
        filename: row.get(3)?,
        width: row.get(4)?,
        height: row.get(5)?,
        bytes: row.get(6)?,
        taken_at: row.get(7)?,
        extra: row.get(8)?,
        retired_why: row.get(10)?,
        retire_at: row.get::<Option<i64>>(19)?.map(Micros),
        standing,
    })
}

impl Page {
    /// The condition that the customer's column meets. Two statements, so that each has its own plan.
    fn of(&self, column: &str) -> String {
        match self.customer {
            Some(_) => format!("{column} = ?1"),
            None => "?1 IS NULL".to_owned(),
        }
    }

    fn values(&self) -> (Option<i64>, i64, i64) {
        (self.customer.map(|customer| customer.0), self.after, self.limit)
    }
}

impl Tx<'_> {
    /// Records, by id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn list_records(&self, page: &Page, which: Records) -> Result<Vec<ListedRecord>, Error> {
        let which = match which {
            Records::All => "1",
            Records::In(RecordState::Missing) => "r.retired_at IS NULL AND a.id IS NULL",
            Records::In(RecordState::Recovered) => "r.retired_at IS NULL AND a.id IS NOT NULL",
            Records::In(RecordState::Retired) => "r.retired_at IS NOT NULL",
            Records::Wanted => "r.retired_at IS NULL AND (a.id IS NULL OR a.grade = 'copy')",
        };
        let of = page.of("r.customer");
        let sql = format!("{RECORD} WHERE {of} AND r.id > ?2 AND {which} ORDER BY r.id LIMIT ?3");
        self.rows(&sql, page.values(), listed)
    }

    /// The record that the shop calls `name`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn listed_record(&self, name: &str) -> Result<Option<ListedRecord>, Error> {
        self.first(&format!("{RECORD} WHERE r.name = ?1"), [name], listed)
    }

    /// What happened to a record, oldest first.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn history_of(&self, record: RecordId) -> Result<Vec<HistoryLine>, Error> {
        let sql = "SELECT at, kind, who, text, upload FROM events WHERE record = ?1 ORDER BY id DESC LIMIT ?2";
        let mut lines = self.rows(sql, (record.0, HISTORY_MAX), |row| {
            Ok(HistoryLine {
                at: Micros(row.get(0)?),
                kind: row.get(1)?,
                who: row.get(2)?,
                text: row.get(3)?,
                upload: row.get(4)?,
            })
        })?;
        lines.reverse();
        Ok(lines)
    }

    /// Customers in numbers, by id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn list_customers(&self, after: i64, limit: i64) -> Result<Vec<CustomerCounts>, Error> {
        self.rows(&counts_of("WHERE c.id > ?1 ORDER BY c.id LIMIT ?2"), (after, limit), counts)
    }

    /// Standing attachments, by id, each with its id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn list_attached(&self, page: &Page) -> Result<Vec<(i64, MatchRow)>, Error> {
        let of = page.of("a.customer");
        let sql = format!("{ATTACHED} AND {of} AND a.id > ?2 ORDER BY a.id LIMIT ?3");
        self.rows(&sql, page.values(), |row| Ok((row.get(17)?, match_row(row)?)))
    }

    /// Candidates that a person is asked about, by id, each with its id and how often people have said something about its
    /// record.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn list_asked(&self, page: &Page) -> Result<Vec<(i64, i64, MatchRow)>, Error> {
        let of = page.of("k.customer");
        let sql = format!("{ASKED} AND {of} AND k.id > ?2 ORDER BY k.id LIMIT ?3");
        self.rows(&sql, page.values(), |row| Ok((row.get(17)?, row.get(18)?, match_row(row)?)))
    }

    /// Everything that was received, by id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn list_files(&self, page: &Page) -> Result<Vec<FileRow>, Error> {
        let of = page.of("u.customer");
        self.rows(&format!("{FILE} WHERE {of} AND u.id > ?2 ORDER BY u.id LIMIT ?3"), page.values(), file_row)
    }
}
