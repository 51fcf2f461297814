//! Attachments: the committed links record <- image, and the states in between.

use super::{Error, Tx};
use crate::domain::{AttachmentId, CustomerId, Digest, Grade, ImageId, Micros, RecordId, UploadId};

/// A link that is to be made or stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Whose it is.
    pub customer: CustomerId,
    /// The record.
    pub record: RecordId,
    /// The image.
    pub image: ImageId,
    /// The upload that is named as its source.
    pub upload: UploadId,
    /// The digest of the bytes that are put under the key.
    pub digest: Digest,
    /// How good it is.
    pub grade: Grade,
    /// Which tier of the rule spoke, or `person`.
    pub method: String,
    /// In words.
    pub evidence: String,
    /// `rule`, or the person's name.
    pub decided_by: String,
}

/// An attachment with its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// What it links.
    pub link: Link,
    /// placing, standing, conflict, removing or ended.
    pub state: String,
    /// Where its bytes lie in the originals store.
    pub key: String,
    /// The attachment whose place it takes.
    pub replaces: Option<AttachmentId>,
}

const COLUMNS: &str = "id, customer, record, image, upload, digest, grade, method, evidence, decided_by, state, \
     object_key, replaces";

fn attachment(row: super::Row<'_>) -> Result<Attachment, Error> {
    let grade: String = row.get(6)?;
    Ok(Attachment {
        id: AttachmentId(row.get(0)?),
        link: Link {
            customer: CustomerId(row.get(1)?),
            record: RecordId(row.get(2)?),
            image: ImageId(row.get(3)?),
            upload: UploadId(row.get(4)?),
            digest: Digest(row.get(5)?),
            grade: if grade == Grade::Original.word() { Grade::Original } else { Grade::Copy },
            method: row.get(7)?,
            evidence: row.get(8)?,
            decided_by: row.get(9)?,
        },
        state: row.get(10)?,
        key: row.get(11)?,
        replaces: row.get::<Option<i64>>(12)?.map(AttachmentId),
    })
}

impl Tx<'_> {
    /// The first of the two transactions: the link is about to be placed under `key`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachment_placing(
        &self,
        link: &Link,
        key: &str,
        replaces: Option<AttachmentId>,
    ) -> Result<AttachmentId, Error> {
        let id = self.next_id("attachment")?;
        self.execute(
            "INSERT INTO attachments (id, customer, record, image, upload, state, object_key, digest, replaces, grade, \
             method, evidence, decided_by, decided_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, 'placing', ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            (
                id,
                link.customer.0,
                link.record.0,
                link.image.0,
                link.upload.0,
                key,
                link.digest.0.as_slice(),
                replaces.map(|id| id.0),
                link.grade.word(),
                link.method.as_str(),
                link.evidence.as_str(),
                link.decided_by.as_str(),
                Micros::now().0,
            ),
        )?;
        Ok(AttachmentId(id))
    }

    /// The second of the two transactions: the bytes are under the key. The link that it replaces begins to go.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachment_standing(&self, placed: &Attachment) -> Result<(), Error> {
        self.execute(
            "UPDATE attachments SET state = 'removing', problem = 'a better upload took its place' \
             WHERE record = ?1 AND state = 'standing'",
            [placed.link.record.0],
        )?;
        self.execute(
            "UPDATE attachments SET state = 'standing', placed_at = ?2, problem = NULL WHERE id = ?1",
            (placed.id.0, Micros::now().0),
        )?;
        let Link { customer, record, upload, decided_by, grade, method, .. } = &placed.link;
        let text = format!("put the file back as {}: {}", in_words(*grade), proof(method));
        self.event("attached", Some(*customer), Some(*record), Some(*upload), decided_by, &text)?;
        self.tell("reattached", placed, None)
    }

    /// The standing link of a record loses its reason; its bytes are to be removed next.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachment_removing(&self, standing: &Attachment, who: &str, why: &str) -> Result<(), Error> {
        self.execute(
            "UPDATE attachments SET state = 'removing', problem = ?2 WHERE id = ?1 AND state = 'standing'",
            (standing.id.0, why),
        )?;
        let Link { customer, record, upload, .. } = &standing.link;
        let text = format!("took the file off the record: {why}");
        self.event("detached", Some(*customer), Some(*record), Some(*upload), who, &text)?;
        self.tell("detached", standing, Some(why))
    }

    /// The link is history.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachment_ended(&self, id: AttachmentId, problem: Option<&str>) -> Result<(), Error> {
        self.execute(
            "UPDATE attachments SET state = 'ended', ended_at = ?2, problem = coalesce(?3, problem) WHERE id = ?1",
            (id.0, Micros::now().0, problem),
        )?;
        Ok(())
    }

    /// The key holds bytes that we did not write: a person has to look.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachment_conflict(&self, placing: &Attachment, problem: &str) -> Result<(), Error> {
        self.execute("UPDATE attachments SET state = 'conflict', problem = ?2 WHERE id = ?1", (placing.id.0, problem))?;
        let Link { customer, record, upload, .. } = &placing.link;
        self.event("conflict", Some(*customer), Some(*record), Some(*upload), "rule", problem)
    }

    /// The same bytes stand under another light: a new grade, tier or decider.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachment_restated(&self, id: AttachmentId, link: &Link) -> Result<(), Error> {
        self.execute(
            "UPDATE attachments SET grade = ?2, method = ?3, evidence = ?4, decided_by = ?5, upload = ?6 WHERE id = ?1",
            (
                id.0,
                link.grade.word(),
                link.method.as_str(),
                link.evidence.as_str(),
                link.decided_by.as_str(),
                link.upload.0,
            ),
        )?;
        Ok(())
    }

    /// A customer's links in one state, by record.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachments_of(&self, customer: CustomerId, state: &str) -> Result<Vec<Attachment>, Error> {
        self.rows(
            &format!("SELECT {COLUMNS} FROM attachments WHERE customer = ?1 AND state = ?2 ORDER BY record, id"),
            (customer.0, state),
            attachment,
        )
    }

    /// Every link that a crash or a store that was away left in between.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachments_unfinished(&self) -> Result<Vec<Attachment>, Error> {
        self.rows(
            &format!("SELECT {COLUMNS} FROM attachments WHERE state IN ('placing', 'removing') ORDER BY id"),
            [],
            attachment,
        )
    }

    /// Whether anything was ever put back, or was about to be.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn has_attachments(&self) -> Result<bool, Error> {
        Ok(self.first("SELECT 1 FROM attachments LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    /// One link.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachment(&self, id: AttachmentId) -> Result<Option<Attachment>, Error> {
        self.first(&format!("SELECT {COLUMNS} FROM attachments WHERE id = ?1"), [id.0], attachment)
    }

    /// The standing link that owns `key`, if there is one.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachment_at(&self, key: &str) -> Result<Option<Attachment>, Error> {
        self.first(
            &format!("SELECT {COLUMNS} FROM attachments WHERE object_key = ?1 AND state = 'standing'"),
            [key],
            attachment,
        )
    }

    /// What is needed to spell the key of a record: its customer's name, its own, and the key that the import gave.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn key_parts(&self, record: RecordId) -> Result<(String, String, Option<String>), Error> {
        self.one(
            "SELECT c.name, r.name, r.original_key FROM records r JOIN customers c ON c.id = r.customer WHERE r.id = ?1",
            [record.0],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
    }

    /// Who accepted a pair, last.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn accepted_by(&self, record: RecordId, digest: Digest) -> Result<Option<String>, Error> {
        self.first(
            "SELECT who FROM decisions WHERE record = ?1 AND digest = ?2 AND act IN ('accept', 'attach') AND withdrawn_at IS NULL \
             ORDER BY id DESC LIMIT 1",
            (record.0, digest.0.as_slice()),
            |row| row.get(0),
        )
    }
}

/// A grade as the history says it.
fn in_words(grade: Grade) -> &'static str {
    match grade {
        Grade::Original => "the original",
        Grade::Copy => "a copy",
    }
}

/// What a method has proven, as the history says it.
fn proof(method: &str) -> &str {
    match method {
        "digest" => "the recorded digest is its own",
        "bytes" => "the recorded length is its own, and the pixels agree",
        "name" => "the recorded name is its own, and the pixels agree",
        "recipe" => "the shop's thumbnail is made from it",
        "person" => "a person said so",
        other => other,
    }
}
