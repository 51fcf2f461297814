//! The history of everything, in words.

use super::{Error, Tx};
use crate::domain::{CustomerId, Micros, RecordId, UploadId};

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
}
