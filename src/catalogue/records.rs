//! Records: the shop's rows for pictures, which outlived their files.

use super::{Error, Row, Tx};
use crate::domain::{CustomerId, Digest, ETag, Micros, RecordId};

/// What the shop still knows of a lost original. Nothing means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordFacts {
    /// The name the original had.
    pub filename: Option<String>,
    /// Its width in pixels.
    pub width: Option<i64>,
    /// Its height in pixels.
    pub height: Option<i64>,
    /// Its size in bytes.
    pub bytes: Option<i64>,
    /// Its SHA-256.
    pub sha256: Option<Digest>,
    /// Its MD5.
    pub md5: Option<[u8; 16]>,
    /// The ETag that an S3 store gave it.
    pub etag: Option<ETag>,
    /// When the picture was taken, as the shop wrote it.
    pub taken_at: Option<String>,
    /// Its key in the originals store, where the shop gave one.
    pub original_key: Option<String>,
    /// The import's other columns: a JSON object as text.
    pub extra: String,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The record.
    pub id: RecordId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The shop's own identifier.
    pub name: String,
    /// What is known of its original.
    pub facts: RecordFacts,
    /// Grows with each change that matching must see.
    pub changed_seq: i64,
    /// Given up, by policy or on request.
    pub retired: bool,
}

const RECORD: &str = "SELECT id, customer, name, filename, width, height, bytes, sha256, md5, taken_at, original_key, \
     extra, changed_seq, retired_at IS NOT NULL, etag FROM records";

fn record(row: Row<'_>) -> Result<Record, Error> {
    let sha256: Option<Vec<u8>> = row.get(7)?;
    let md5: Option<Vec<u8>> = row.get(8)?;
    Ok(Record {
        id: RecordId(row.get(0)?),
        customer: CustomerId(row.get(1)?),
        name: row.get(2)?,
        facts: RecordFacts {
            filename: row.get(3)?,
            width: row.get(4)?,
            height: row.get(5)?,
            bytes: row.get(6)?,
            sha256: sha256.as_deref().and_then(Digest::from_slice),
            md5: md5.and_then(|md5| md5.try_into().ok()),
            taken_at: row.get(9)?,
            original_key: row.get(10)?,
            extra: row.get(11)?,
            etag: etag(row.get(14)?),
        },
        changed_seq: row.get(12)?,
        retired: row.get(13)?,
    })
}

/// A stored ETag. One that cannot be read counts as none, so that it proves nothing.
pub(super) fn etag(stored: Option<String>) -> Option<ETag> {
    stored.and_then(|text| text.parse().ok())
}

impl Tx<'_> {
    /// Whether the customer has any record.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn has_records(&self, customer: CustomerId) -> Result<bool, Error> {
        Ok(self.first("SELECT 1 FROM records WHERE customer = ?1 LIMIT 1", [customer.0], |_| Ok(()))?.is_some())
    }

    /// The next number of the sequence that every change takes which matching must see.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn change_seq(&self) -> Result<i64, Error> {
        self.next_id("change")
    }

    /// The record that the shop calls `name`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn record_named(&self, name: &str) -> Result<Option<Record>, Error> {
        self.first(&format!("{RECORD} WHERE name = ?1"), [name], record)
    }

    /// A record by its id.
    ///
    /// # Errors
    /// When there is none, or the catalogue fails.
    pub fn record(&self, id: RecordId) -> Result<Record, Error> {
        self.one(&format!("{RECORD} WHERE id = ?1"), [id.0], record)
    }

    /// All records of a customer, by id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn records_of(&self, customer: CustomerId) -> Result<Vec<Record>, Error> {
        self.rows(&format!("{RECORD} WHERE customer = ?1 ORDER BY id"), [customer.0], record)
    }

    /// Makes a record; `change` is its first number in the sequence of changes.
    ///
    /// # Errors
    /// When the name is taken or the catalogue fails.
    pub fn record_add(
        &self,
        customer: CustomerId,
        name: &str,
        facts: &RecordFacts,
        change: i64,
        now: Micros,
    ) -> Result<RecordId, Error> {
        let id = self.next_id("record")?;
        self.execute(
            "INSERT INTO records (id, customer, name, filename, width, height, bytes, sha256, md5, taken_at, original_key, \
             extra, imported_at, changed_seq, etag) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            (
                id,
                customer.0,
                name,
                &facts.filename,
                facts.width,
                facts.height,
                facts.bytes,
                facts.sha256.as_ref().map(|digest| digest.0.as_slice()),
                facts.md5.as_ref().map(<[u8; 16]>::as_slice),
                &facts.taken_at,
                &facts.original_key,
                &facts.extra,
                now.0,
                change,
                facts.etag.map(|etag| etag.to_string()),
            ),
        )?;
        Ok(RecordId(id))
    }

    /// Replaces what is known of a record's original.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn record_update(&self, id: RecordId, facts: &RecordFacts) -> Result<(), Error> {
        self.execute(
            "UPDATE records SET filename = ?2, width = ?3, height = ?4, bytes = ?5, sha256 = ?6, md5 = ?7, taken_at = ?8, \
             original_key = ?9, extra = ?10, etag = ?11 WHERE id = ?1",
            (
                id.0,
                &facts.filename,
                facts.width,
                facts.height,
                facts.bytes,
                facts.sha256.as_ref().map(|digest| digest.0.as_slice()),
                facts.md5.as_ref().map(<[u8; 16]>::as_slice),
                &facts.taken_at,
                &facts.original_key,
                &facts.extra,
                facts.etag.map(|etag| etag.to_string()),
            ),
        )?;
        Ok(())
    }

    /// Notes that a record changed in a way that matching must see, and that the rule has to look at its customer again.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn record_changed(&self, id: RecordId, change: i64) -> Result<(), Error> {
        self.execute("UPDATE records SET changed_seq = ?2 WHERE id = ?1", (id.0, change))?;
        self.execute(
            "UPDATE customers SET dirty = dirty + 1 WHERE id = (SELECT customer FROM records WHERE id = ?1)",
            [id.0],
        )?;
        Ok(())
    }
}
