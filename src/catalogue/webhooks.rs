//! Programs that are told of what was put back and taken away, and what is still to be told them.
//!
//! A delivery is a row of the commit that it is about, so it is told exactly of what happened, however the server ends. It goes
//! when the other side has taken it; if the server ends in between it is told again, under the same number.

use serde_json::json;

use super::{Attachment, Error, Link, Row, Tx};
use crate::domain::{Civil, Micros, RecordId};

/// A program that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// What the shop calls it.
    pub name: String,
    /// Where it is told.
    pub url: String,
    /// What deliveries are signed with.
    pub secret: String,
    /// Attempts that failed in a row.
    pub attempts: i64,
    /// Nothing is sent before.
    pub retry_at: Micros,
    /// What the last attempt failed with; nothing if it went well.
    pub last_error: Option<String>,
    /// Deliveries that were taken.
    pub delivered: i64,
    /// The last of them.
    pub delivered_at: Option<Micros>,
    /// Deliveries that wait.
    pub waiting: i64,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<Micros>,
}

/// Something that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number, which the other side can know it again by.
    pub id: i64,
    /// The record that it is about.
    pub record: RecordId,
    /// One word.
    pub event: String,
    /// JSON, as it is sent.
    pub body: String,
    /// How often it was tried.
    pub attempts: i64,
}

const WEBHOOK: &str = "SELECT w.name, w.url, w.secret, w.attempts, w.retry_at, w.last_error, w.delivered, w.delivered_at, \
     (SELECT count(*) FROM outbox o WHERE o.webhook = w.name), (SELECT min(o.created_at) FROM outbox o WHERE o.webhook = w.name) \
     FROM webhooks w";

fn webhook(row: Row<'_>) -> Result<Webhook, Error> {
    Ok(Webhook {
        name: row.get(0)?,
        url: row.get(1)?,
        secret: row.get(2)?,
        attempts: row.get(3)?,
        retry_at: Micros(row.get(4)?),
        last_error: row.get(5)?,
        delivered: row.get(6)?,
        delivered_at: row.get::<Option<i64>>(7)?.map(Micros),
        waiting: row.get(8)?,
        waiting_since: row.get::<Option<i64>>(9)?.map(Micros),
    })
}

impl Tx<'_> {
    /// Has a program told from now on; false when there is one of that name.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn webhook_add(&self, name: &str, url: &str, secret: &str, now: Micros) -> Result<bool, Error> {
        let added = self.execute(
            "INSERT INTO webhooks (name, url, secret, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING",
            (name, url, secret, now.0),
        )?;
        Ok(added > 0)
    }

    /// Has a program told no more, not even what waits; false when there is none of that name.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn webhook_remove(&self, name: &str) -> Result<bool, Error> {
        self.execute("DELETE FROM outbox WHERE webhook = ?1", [name])?;
        Ok(self.execute("DELETE FROM webhooks WHERE name = ?1", [name])? > 0)
    }

    /// All programs that are told, by the bytes of their names.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        let mut all = self.rows(WEBHOOK, [], webhook)?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Has every program told of what happened to a link.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub(super) fn tell(&self, event: &str, attachment: &Attachment, why: Option<&str>) -> Result<(), Error> {
        let names = self.rows("SELECT name FROM webhooks ORDER BY name", [], |row| row.get::<String>(0))?;
        if names.is_empty() {
            return Ok(());
        }
        let Link { record, upload, digest, grade, method, decided_by, .. } = &attachment.link;
        let (customer, record_name, _) = self.key_parts(*record)?;
        // Nothing where the upload is no longer known: an empty path would be one.
        let path = self.upload(*upload)?.map(|upload| String::from_utf8_lossy(&upload.path).into_owned());
        let now = Micros::now();
        for name in names {
            let id = self.next_id("outbox")?;
            let body = json!({
                "delivery": id,
                "event": event,
                "at": Civil::from(now).to_string(),
                "record": record_name,
                "customer": customer,
                "original": attachment.key,
                "sha256": digest.to_string(),
                "grade": grade.word(),
                "method": method,
                "decided_by": decided_by,
                "upload": upload.0,
                "path": path,
                "why": why,
            });
            self.execute(
                "INSERT INTO outbox (id, webhook, record, event, body, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (id, name, record.0, event, body.to_string(), now.0),
            )?;
        }
        Ok(())
    }

    /// What a program can be told now, at most `limit` of it: of each record only the oldest that waits.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn deliveries_due(&self, webhook: &str, now: Micros, limit: i64) -> Result<Vec<Delivery>, Error> {
        self.rows(
            "SELECT o.id, o.record, o.event, o.body, o.attempts FROM outbox o WHERE o.webhook = ?1 AND o.retry_at <= ?2 \
             AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.webhook = o.webhook AND e.record = o.record AND e.id < o.id) \
             ORDER BY o.id LIMIT ?3",
            (webhook, now.0, limit),
            |row| {
                Ok(Delivery {
                    id: row.get(0)?,
                    record: RecordId(row.get(1)?),
                    event: row.get(2)?,
                    body: row.get(3)?,
                    attempts: row.get(4)?,
                })
            },
        )
    }

    /// The other side has taken a delivery.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn delivered(&self, webhook: &str, id: i64, now: Micros) -> Result<(), Error> {
        // It may have been removed with its program meanwhile.
        if self.execute("DELETE FROM outbox WHERE id = ?1", [id])? > 0 {
            self.execute(
                "UPDATE webhooks SET attempts = 0, retry_at = 0, last_error = NULL, delivered = delivered + 1, delivered_at = ?2 \
                 WHERE name = ?1",
                (webhook, now.0),
            )?;
        }
        Ok(())
    }

    /// The other side did not take a delivery, and nothing of its record is sent before `retry_at`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn delivery_refused(&self, webhook: &str, id: i64, why: &str, retry_at: Micros) -> Result<(), Error> {
        self.execute(
            "UPDATE outbox SET attempts = attempts + 1, retry_at = ?2, last_error = ?3 WHERE id = ?1",
            (id, retry_at.0, why),
        )?;
        self.execute("UPDATE webhooks SET last_error = ?2 WHERE name = ?1", (webhook, why))?;
        Ok(())
    }

    /// The other side is not there, and nothing is sent to it before `retry_at`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn webhook_away(&self, webhook: &str, why: &str, retry_at: Micros) -> Result<(), Error> {
        self.execute(
            "UPDATE webhooks SET attempts = attempts + 1, retry_at = ?2, last_error = ?3 WHERE name = ?1",
            (webhook, retry_at.0, why),
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::domain::{AttachmentId, CustomerId, Digest, Grade, ImageId, UploadId};

    #[test]
    fn of_an_upload_that_is_not_known_there_is_no_path() {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Catalogue::open(&folder.path().join("catalogue.sqlite")).unwrap();
        let direct = rusqlite::Connection::open(catalogue.path()).unwrap();
        let rows = "INSERT INTO customers (id, name, created_at) VALUES (1, 'anna', 0);
            INSERT INTO records (id, customer, name, imported_at, changed_seq) VALUES (1, 1, 'r1', 0, 1);";
        direct.execute_batch(rows).unwrap();
        let link = Link {
            customer: CustomerId(1),
            record: RecordId(1),
            image: ImageId(1),
            upload: UploadId(9),
            digest: Digest([7; 32]),
            grade: Grade::Original,
            method: "digest".to_owned(),
            evidence: String::new(),
            decided_by: "rule".to_owned(),
        };
        let (state, key) = ("standing".to_owned(), "anna/r1.jpg".to_owned());
        let attachment = Attachment { id: AttachmentId(1), link, state, key, replaces: None };
        let told = catalogue.write(move |tx| -> Result<(), Error> {
            tx.webhook_add("shop", "http://127.0.0.1:1/", "secret", Micros(0))?;
            tx.tell("detached", &attachment, None)
        });
        told.unwrap();
        let body: String = direct.query_row("SELECT body FROM outbox", [], |row| row.get(0)).unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["path"], &body["why"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert_eq!((&body["upload"], &body["original"]), (&9.into(), &"anna/r1.jpg".into()));
    }
}
