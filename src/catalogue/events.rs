//! The history of everything, in words.

use super::{Error, Tx};
use crate::domain::{CustomerId, Micros, RecordId, UploadId};

/// A line of the history with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The line.
    pub id: i64,
    /// When.
    pub at: Micros,
    /// A person's name or the part that acted.
    pub who: String,
    /// A sentence.
    pub text: String,
    /// Whose it is.
    pub customer: Option<(CustomerId, String)>,
    /// The record, with the shop's identifier.
    pub record: Option<(RecordId, String)>,
    /// The upload, with its path.
    pub upload: Option<(UploadId, Vec<u8>)>,
}

impl Tx<'_> {
    /// Adds a line to the history. `kind` is one word for programs, `who` a person's name or the part that acted, `text`
    /// a sentence for people.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn event(
        &self,
        kind: &str,
        customer: Option<CustomerId>,
        record: Option<RecordId>,
        upload: Option<UploadId>,
        who: &str,
        text: &str,
    ) -> Result<(), Error> {
        let id = self.next_id("events")?;
        self.execute(
            "INSERT INTO events (id, at, customer, kind, record, upload, who, text) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (id, Micros::now().0, customer.map(|c| c.0), kind, record.map(|r| r.0), upload.map(|u| u.0), who, text),
        )?;
        Ok(())
    }

    /// The history of everything, the last first: `limit` lines before the line `before`, of one who acted or of all, and of one
    /// customer or of all.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_events(
        &self,
        who: Option<&str>,
        customer: Option<&str>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<LoggedEvent>, Error> {
        self.rows(
            "SELECT e.id, e.at, e.who, e.text, c.id, c.name, r.id, r.name, u.id, u.path FROM events e \
             LEFT JOIN customers c ON c.id = e.customer LEFT JOIN records r ON r.id = e.record \
             LEFT JOIN uploads u ON u.id = e.upload \
             WHERE e.id < ?1 AND (?2 IS NULL OR e.who = ?2) AND (?3 IS NULL OR c.name = ?3) ORDER BY e.id DESC LIMIT ?4",
            (before, who, customer, limit),
            |row| {
                let (customer, record, upload): (Option<i64>, Option<i64>, Option<i64>) =
                    (row.get(4)?, row.get(6)?, row.get(8)?);
                Ok(LoggedEvent {
                    id: row.get(0)?,
                    at: Micros(row.get(1)?),
                    who: row.get(2)?,
                    text: row.get(3)?,
                    customer: customer.map(|id| Ok::<_, Error>((CustomerId(id), row.get(5)?))).transpose()?,
                    record: record.map(|id| Ok::<_, Error>((RecordId(id), row.get(7)?))).transpose()?,
                    upload: upload.map(|id| Ok::<_, Error>((UploadId(id), row.get(9)?))).transpose()?,
                })
            },
        )
    }
}
