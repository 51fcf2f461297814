//! What people decided: who, when, why. The pair is (record, digest, image number), so that a decision outlives a
//! re-import and a re-upload.

use std::collections::BTreeMap;

use super::{Error, Tx};
use crate::domain::{CandidateId, CustomerId, Digest, Micros, RecordId, UploadId};

/// What a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Said that a proposed picture is the one.
    Accept,
    /// Said that a proposed picture is not the one.
    Reject,
    /// Named an upload for a record by hand.
    Attach,
    /// Took an attachment away.
    Detach,
}

impl Act {
    /// The word for this in the schema.
    pub fn word(self) -> &'static str {
        match self {
            Act::Accept => "accept",
            Act::Reject => "reject",
            Act::Attach => "attach",
            Act::Detach => "detach",
        }
    }

    /// What the history says of whoever did it; which file it was stands beside it.
    fn said(self) -> &'static str {
        match self {
            Act::Accept => "said that the file is the picture",
            Act::Reject => "said that the file is not the picture",
            Act::Attach => "put the file on the record by hand",
            Act::Detach => "said that the file is not the picture, and took it off the record",
        }
    }
}

/// The pair that a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Whose it is.
    pub customer: CustomerId,
    /// The record.
    pub record: RecordId,
    /// The digest of the blob that holds the image.
    pub digest: Digest,
    /// The page or frame in it, from 1.
    pub number: u32,
    /// An upload that carried it, for the history.
    pub upload: Option<UploadId>,
}

impl Tx<'_> {
    /// Writes a decision and its event, and marks the customer so that it takes effect.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn decide(&self, subject: &Subject, act: Act, who: &str, why: &str) -> Result<(), Error> {
        let asked = self.asked_of(subject.record)?;
        self.execute(
            "INSERT INTO decisions (id, customer, record, digest, number, act, who, why, at, asked) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            (
                self.next_id("decision")?,
                subject.customer.0,
                subject.record.0,
                subject.digest.0.as_slice(),
                subject.number,
                act.word(),
                who,
                why,
                Micros::now().0,
                asked,
            ),
        )?;
        self.event(
            act.word(),
            Some(subject.customer),
            Some(subject.record),
            subject.upload,
            who,
            &format!("{}{}", act.said(), because(why)),
        )?;
        self.customer_dirty(subject.customer)
    }

    /// Takes the last standing decision about a pair back, as if it had never been made. Until the rule has spoken, what it asked
    /// when the decision was made is asked again, and so is the pair itself. False when none stands.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn withdraw(&self, subject: &Subject, who: &str, why: &str) -> Result<bool, Error> {
        let pair = (subject.record.0, subject.digest.0.as_slice(), subject.number);
        let last = self.first(
            "SELECT id, asked FROM decisions WHERE record = ?1 AND digest = ?2 AND number = ?3 AND withdrawn_at IS NULL \
             ORDER BY id DESC LIMIT 1",
            pair,
            |row| Ok((row.get::<i64>(0)?, row.get::<Option<String>>(1)?)),
        )?;
        let Some((decision, asked)) = last else { return Ok(false) };
        self.execute("UPDATE decisions SET withdrawn_at = ?2 WHERE id = ?1", (decision, Micros::now().0))?;
        // What the answer says of itself is no evidence.
        self.execute(
            "UPDATE candidates SET verdict = 'review', method = NULL, reason = NULL WHERE record = ?1 AND image IN \
             (SELECT i.id FROM images i JOIN blobs b ON b.id = i.blob WHERE b.customer = ?4 AND b.digest = ?2 AND i.number = ?3)",
            (pair.0, pair.1, pair.2, subject.customer.0),
        )?;
        self.ask_again(subject.record, asked.as_deref())?;
        let text = format!("took the last answer about the file back{}", because(why));
        self.event("withdraw", Some(subject.customer), Some(subject.record), subject.upload, who, &text)?;
        self.customer_dirty(subject.customer)?;
        Ok(true)
    }

    /// How often people have said something about a record, takings back included: another number after each.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn times_decided(&self, record: RecordId) -> Result<i64, Error> {
        self.one("SELECT count(*) + count(withdrawn_at) FROM decisions WHERE record = ?1", [record.0], |row| row.get(0))
    }

    /// The pair about which somebody said the last thing that stands about a record, and who it was.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn last_decided(&self, record: RecordId) -> Result<Option<(Digest, u32, String)>, Error> {
        self.first(
            "SELECT digest, number, who FROM decisions WHERE record = ?1 AND withdrawn_at IS NULL ORDER BY id DESC LIMIT 1",
            [record.0],
            |row| Ok((Digest(row.get(0)?), row.get(1)?, row.get(2)?)),
        )
    }

    /// Whether anything that a person decided about a customer's records stands.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn has_decisions(&self, customer: CustomerId) -> Result<bool, Error> {
        Ok(self
            .first(
                "SELECT 1 FROM decisions WHERE customer = ?1 AND withdrawn_at IS NULL LIMIT 1",
                [customer.0],
                |_| Ok(()),
            )?
            .is_some())
    }

    /// The pair of a candidate.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn candidate_subject(&self, candidate: CandidateId) -> Result<Option<Subject>, Error> {
        self.first(
            "SELECT c.customer, c.record, b.digest, i.number, (SELECT min(u.id) FROM uploads u WHERE u.blob = b.id) \
             FROM candidates c JOIN images i ON i.id = c.image JOIN blobs b ON b.id = i.blob WHERE c.id = ?1",
            [candidate.0],
            subject,
        )
    }

    /// The pairs that the rule finds proven and that wait for a person, because settings do not let it attach them.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn proven_subjects(&self, customer: Option<CustomerId>) -> Result<Vec<Subject>, Error> {
        self.rows(
            "SELECT c.customer, c.record, b.digest, i.number, (SELECT min(u.id) FROM uploads u WHERE u.blob = b.id) \
             FROM candidates c JOIN images i ON i.id = c.image JOIN blobs b ON b.id = i.blob \
             WHERE c.verdict = 'review' AND c.proven = 1 AND c.customer = coalesce(?1, c.customer) ORDER BY c.id",
            [customer.map(|customer| customer.0)],
            subject,
        )
    }

    /// By method: how many pairs that are proven stand, and how many wait for a person.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn proven_by_method(&self) -> Result<BTreeMap<String, (i64, i64)>, Error> {
        let counts = self.rows(
            "SELECT method, sum(verdict = 'attach'), sum(verdict = 'review') FROM candidates WHERE proven = 1 GROUP BY method",
            [],
            |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
        )?;
        Ok(counts.into_iter().collect())
    }

    /// The pair of a record and an upload of the same customer; nothing when the upload is not stored or another's.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_subject(&self, record: RecordId, upload: UploadId) -> Result<Option<Subject>, Error> {
        self.first(
            "SELECT u.customer, r.id, b.digest, 1, u.id FROM uploads u JOIN blobs b ON b.id = u.blob \
             JOIN records r ON r.customer = u.customer AND r.id = ?1 WHERE u.id = ?2",
            (record.0, upload.0),
            subject,
        )
    }

    /// The pair that a record's standing attachment joins.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn standing_subject(&self, record: RecordId) -> Result<Option<Subject>, Error> {
        self.first(
            "SELECT a.customer, a.record, a.digest, i.number, a.upload FROM attachments a JOIN images i ON i.id = a.image \
             WHERE a.record = ?1 AND a.state = 'standing'",
            [record.0],
            subject,
        )
    }
}

pub(super) fn subject(row: super::Row<'_>) -> Result<Subject, Error> {
    Ok(Subject {
        customer: CustomerId(row.get(0)?),
        record: RecordId(row.get(1)?),
        digest: Digest(row.get(2)?),
        number: row.get(3)?,
        upload: row.get::<Option<i64>>(4)?.map(UploadId),
    })
}

/// A reason behind a sentence; nothing for none.
pub(super) fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}
