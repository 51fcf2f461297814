//! Records that were given up: nothing is looked for any more, and nothing is lost by it, since each can be looked for again.

use super::pages::{RECORD, THUMBNAIL, shown_record};
use super::{Error, ShownRecord, Tx};
use crate::domain::{CustomerId, Micros, RecordId};

/// A record that was given up, as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedPicture {
    /// What the next page begins behind.
    pub id: i64,
    /// The record.
    pub record: ShownRecord,
    /// Why it was given up, in words; empty without a reason.
    pub why: String,
}

impl Tx<'_> {
    /// Gives records of a customer up. Returns those that it changed: what is back, is another's or was given up before stays
    /// as it is.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retire(
        &self,
        customer: CustomerId,
        records: &[RecordId],
        who: &str,
        why: &str,
    ) -> Result<Vec<RecordId>, Error> {
        self.each(customer, records, ("retire", who, why), |record, now| {
            self.execute(
                "UPDATE records SET retired_at = ?3, retired_why = ?4 WHERE id = ?1 AND customer = ?2 AND retired_at IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.record = ?1 AND a.state IN ('standing', 'placing'))",
                (record.0, customer.0, now.0, why),
            )
        })
    }

    /// Looks for records again that were given up. Returns those that it changed.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn restore(&self, customer: CustomerId, records: &[RecordId], who: &str) -> Result<Vec<RecordId>, Error> {
        self.each(customer, records, ("restore", who, ""), |record, _| {
            self.execute(
                "UPDATE records SET retired_at = NULL, retired_why = NULL \
                 WHERE id = ?1 AND customer = ?2 AND retired_at IS NOT NULL",
                (record.0, customer.0),
            )
        })
    }

    /// Changes records one by one, and sees to history and matching where something changed.
    fn each(
        &self,
        customer: CustomerId,
        records: &[RecordId],
        (kind, who, why): (&str, &str, &str),
        change: impl Fn(RecordId, Micros) -> Result<usize, Error>,
    ) -> Result<Vec<RecordId>, Error> {
        let (now, mut changed) = (Micros::now(), Vec::new());
        for &record in records {
            if change(record, now)? == 0 {
                continue;
            }
            self.record_changed(record, self.change_seq()?)?;
            let what = if kind == "retire" { "no longer looked for" } else { "looked for again" };
            let because = if why.is_empty() { String::new() } else { format!(": {why}") };
            self.event(kind, Some(customer), Some(record), None, who, &format!("{what}{because}"))?;
            changed.push(record);
        }
        Ok(changed)
    }

    /// A customer's records that were given up, behind a record.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_removed(&self, id: CustomerId, after: i64, limit: i64) -> Result<Vec<RemovedPicture>, Error> {
        self.rows(
            &format!(
                "SELECT {RECORD}, r.id, coalesce(r.retired_why, '') FROM records r {THUMBNAIL} \
                 WHERE r.customer = ?1 AND r.id > ?2 AND r.retired_at IS NOT NULL ORDER BY r.id LIMIT ?3"
            ),
            (id.0, after, limit),
            |row| Ok(RemovedPicture { record: shown_record(&row)?, id: row.get(9)?, why: row.get(10)? }),
        )
    }
}
