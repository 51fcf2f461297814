//! Records that were given up: nothing is looked for any more, and nothing is lost by it, since each can be looked for again.

use super::decisions::because;
use super::pages::{RECORD, THUMBNAIL, shown_record};
use super::{Error, ShownRecord, Tx};
use crate::domain::{CustomerId, Micros, RecordId};

/// A record that was given up, as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredPicture {
    /// What the next page begins behind.
    pub id: i64,
    /// The record.
    pub record: ShownRecord,
    /// Why it was given up, in words; empty without a reason.
    pub why: String,
}

impl Tx<'_> {
    /// Gives records of a customer up. Returns those that it changed: what is back, is another's or was given up before stays
    /// as it is. All of one call bear one moment, `at`, by which they can be looked for again together.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retire(
        &self,
        customer: CustomerId,
        records: &[RecordId],
        who: &str,
        why: &str,
        at: Micros,
    ) -> Result<Vec<RecordId>, Error> {
        let mut changed = Vec::new();
        for &record in records {
            let rows = self.execute(
                "UPDATE records SET retired_at = ?3, retired_why = ?4, retire_at = NULL, retire_mailed = 0 \
                 WHERE id = ?1 AND customer = ?2 AND retired_at IS NULL AND NOT EXISTS (SELECT 1 FROM attachments a \
                 WHERE a.record = ?1 AND a.state IN ('standing', 'placing'))",
                (record.0, customer.0, at.0, why),
            )?;
            if rows > 0 {
                self.record_changed(record, self.change_seq()?)?;
                let text = format!("no longer looked for{}", because(why));
                self.event("retire", Some(customer), Some(record), None, who, &text)?;
                changed.push(record);
            }
        }
        Ok(changed)
    }

    /// Looks for records again that were given up. Returns those that it changed.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn restore(&self, customer: CustomerId, records: &[RecordId], who: &str) -> Result<Vec<RecordId>, Error> {
        let mut changed = Vec::new();
        for &record in records {
            let rows = self.execute(
                "UPDATE records SET retired_at = NULL, retired_why = NULL, retired_by_time = 0, wanted_since = ?3 \
                 WHERE id = ?1 AND customer = ?2 AND retired_at IS NOT NULL",
                (record.0, customer.0, Micros::now().0),
            )?;
            if rows > 0 {
                self.record_changed(record, self.change_seq()?)?;
                self.event("restore", Some(customer), Some(record), None, who, "looked for again")?;
                changed.push(record);
            }
        }
        Ok(changed)
    }

    /// The records of a customer that were given up at one moment, see [`Tx::retire`].
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retired_at(&self, customer: CustomerId, at: Micros) -> Result<Vec<RecordId>, Error> {
        let sql = "SELECT id FROM records WHERE customer = ?1 AND retired_at = ?2 ORDER BY id";
        self.rows(sql, (customer.0, at.0), |row| Ok(RecordId(row.get(0)?)))
    }

    /// A customer's records that were given up, behind a record.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_retired(&self, id: CustomerId, after: i64, limit: i64) -> Result<Vec<RetiredPicture>, Error> {
        self.rows(
            &format!(
                "SELECT {RECORD}, r.id, coalesce(r.retired_why, '') FROM records r {THUMBNAIL} \
                 WHERE r.customer = ?1 AND r.id > ?2 AND r.retired_at IS NOT NULL ORDER BY r.id LIMIT ?3"
            ),
            (id.0, after, limit),
            |row| Ok(RetiredPicture { record: shown_record(&row)?, id: row.get(9)?, why: row.get(10)? }),
        )
    }
}
