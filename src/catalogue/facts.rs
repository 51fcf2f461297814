//! What the rule may know about a customer, read from and written back to the catalogue; and the steps of matching
//! that lead there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::records::etag;
use super::{Error, Tx};
use crate::domain::{CandidateId, CustomerId, Digest, ImageId, Micros, RecordId, UploadId};
use crate::fingerprint::{Fingerprint, Views};
use crate::matcher::facts::{Answer, CandidateFacts, Facts, ImageFacts, Measured, RecordFacts, Storage};
use crate::matcher::taken::Moment;
use crate::recipe::Partition;

/// A customer's facts, with what joins them to rows.
#[derive(Clone, Debug, Default)]
pub struct CustomerFacts {
    /// What the rule sees.
    pub facts: Facts,
    /// For each image the uploads that carry it, first the one to name, by path bytes.
    pub uploads: BTreeMap<ImageId, Vec<(Vec<u8>, UploadId)>>,
    /// Uploads that are decided once the rule has run over these facts.
    pub settled: Vec<UploadId>,
}

/// A record's thumbnail as the candidate search needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexedThumbnail {
    /// The record.
    pub record: RecordId,
    /// What is compared.
    pub fingerprints: Vec<Fingerprint>,
    /// The thumbnail file.
    pub digest: Digest,
    /// What the file tells of how it was made.
    pub partition: Option<Partition>,
}

/// An image as the candidate search needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageToMatch {
    /// Whose it is.
    pub customer: CustomerId,
    /// What the rule will see.
    pub facts: ImageFacts,
    /// MD5s over the MD5s of its file's parts, as far as they were taken, by the length of a part in bytes.
    pub parts: BTreeMap<u64, [u8; 16]>,
    /// Its views; none when it could not be read or shows nothing.
    pub views: Views,
    /// Records whose changed_seq is at most this were compared before.
    pub matched_seq: i64,
}

const IMAGE_COLUMNS: &str = "i.id, b.digest, b.md5, b.size, i.number, i.width, i.height, i.truncated, i.storage, \
     i.customer, i.matched_seq, i.taken_at";

/// The schema's word for how a file stores its pixels.
pub(super) fn storage_word(storage: Storage) -> &'static str {
    match storage {
        Storage::Uncompressed => "uncompressed",
        Storage::Lossless => "lossless",
        Storage::Lossy => "lossy",
    }
}

fn image_facts(row: &super::Row<'_>) -> Result<ImageFacts, Error> {
    let size = (row.get::<Option<u32>>(5)?, row.get::<Option<u32>>(6)?);
    Ok(ImageFacts {
        id: ImageId(row.get(0)?),
        digest: Digest(row.get(1)?),
        md5: row.get(2)?,
        etags: Vec::new(),
        bytes: row.get::<i64>(3)? as u64,
        page: row.get(4)?,
        size: size.0.zip(size.1),
        taken: row.get::<Option<String>>(11)?.and_then(|text| Moment::of(&text)),
        paths: Vec::new(),
        truncated: row.get(7)?,
        storage: match row.get::<String>(8)?.as_str() {
            "uncompressed" => Storage::Uncompressed,
            "lossless" => Storage::Lossless,
            _ => Storage::Lossy,
        },
    })
}

/// A candidate as it was measured. Evidence that cannot be read counts as none, so that it proves nothing.
pub(super) fn candidate_facts(row: super::Row<'_>) -> Result<CandidateFacts, Error> {
    let (image, record) = (ImageId(row.get(0)?), RecordId(row.get(1)?));
    let measured = serde_json::from_str::<Vec<Measured>>(&row.get::<String>(3)?).unwrap_or_else(|error| {
        tracing::error!(%image, %record, "the evidence of this candidate cannot be read and counts as none: {error}");
        Vec::new()
    });
    Ok(CandidateFacts { image, record, distance: row.get(2)?, measured })
}

impl Tx<'_> {
    /// The highest changed_seq among a customer's records; 0 when it has none.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn records_seq(&self, customer: CustomerId) -> Result<i64, Error> {
        self.one("SELECT coalesce(max(changed_seq), 0) FROM records WHERE customer = ?1", [customer.0], |row| {
            row.get(0)
        })
    }

    /// A customer's records that changed after `seq`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn record_facts(&self, customer: CustomerId, after: i64) -> Result<Vec<(i64, RecordFacts)>, Error> {
        self.rows(
            "SELECT id, sha256, md5, bytes, width, height, filename, changed_seq, etag, taken_at FROM records \
             WHERE customer = ?1 AND changed_seq > ?2 AND retired_at IS NULL ORDER BY id",
            (customer.0, after),
            |row| {
                let size = (row.get::<Option<u32>>(4)?, row.get::<Option<u32>>(5)?);
                let facts = RecordFacts {
                    id: RecordId(row.get(0)?),
                    sha256: row.get::<Option<[u8; 32]>>(1)?.map(Digest),
                    md5: row.get(2)?,
                    etag: etag(row.get(8)?),
                    bytes: row.get::<Option<i64>>(3)?.map(|bytes| bytes as u64),
                    size: size.0.zip(size.1),
                    taken: row.get::<Option<String>>(9)?.and_then(|text| Moment::of(&text)),
                    filename: row.get(6)?,
                };
                Ok((row.get(7)?, facts))
            },
        )
    }

    /// A customer's thumbnails that have a fingerprint.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn indexed_thumbnails(&self, customer: CustomerId) -> Result<Vec<IndexedThumbnail>, Error> {
        let rows = self.rows(
            "SELECT t.record, t.fingerprint, t.digest, t.partition FROM thumbnails t JOIN records r ON r.id = t.record \
             WHERE r.customer = ?1 AND t.fingerprint IS NOT NULL AND r.retired_at IS NULL ORDER BY t.record, t.role",
            [customer.0],
            |row| {
                let partition = row.get::<Option<String>>(3)?.and_then(|text| serde_json::from_str(&text).ok());
                Ok((RecordId(row.get(0)?), row.get::<Vec<u8>>(1)?, Digest(row.get(2)?), partition))
            },
        )?;
        // A fingerprint in an older layout is as good as none; it is taken again when its layout changes.
        Ok(rows
            .into_iter()
            .filter_map(|(record, stored, digest, partition)| {
                let fingerprints = Fingerprint::all_from_bytes(&stored)?;
                Some(IndexedThumbnail { record, fingerprints, digest, partition })
            })
            .collect())
    }

    /// An image, with its views and the paths under which it came.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn image_to_match(&self, id: ImageId) -> Result<Option<ImageToMatch>, Error> {
        let found = self.first(
            &format!(
                "SELECT {IMAGE_COLUMNS}, f.views, i.blob FROM images i JOIN blobs b ON b.id = i.blob \
                 LEFT JOIN fingerprints f ON f.image = i.id WHERE i.id = ?1"
            ),
            [id.0],
            |row| {
                // Views in an older layout are as good as none; they are taken again when their layout changes.
                let views = row.get::<Option<Vec<u8>>>(12)?.and_then(|stored| Views::from_bytes(&stored));
                let image = ImageToMatch {
                    customer: CustomerId(row.get(9)?),
                    facts: image_facts(&row)?,
                    parts: BTreeMap::new(),
                    views: views.unwrap_or_default(),
                    matched_seq: row.get(10)?,
                };
                Ok((image, row.get::<i64>(13)?))
            },
        )?;
        let Some((mut image, blob)) = found else { return Ok(None) };
        image.learn_parts(self.parts_of(id)?);
        image.facts.paths =
            self.rows("SELECT DISTINCT path FROM uploads WHERE blob = ?1 ORDER BY path", [blob], |row| row.get(0))?;
        Ok(Some(image))
    }

    /// The names of a customer's records, as the shop spells them.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn record_names(&self, customer: CustomerId) -> Result<HashMap<RecordId, String>, Error> {
        let names = self.rows("SELECT id, name FROM records WHERE customer = ?1", [customer.0], |row| {
            Ok((RecordId(row.get(0)?), row.get(1)?))
        })?;
        Ok(names.into_iter().collect())
    }

    /// What was measured of an image before.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn measured(&self, image: ImageId) -> Result<BTreeMap<RecordId, CandidateFacts>, Error> {
        let rows = self.rows(
            "SELECT image, record, distance, evidence FROM candidates WHERE image = ?1 ORDER BY record",
            [image.0],
            candidate_facts,
        )?;
        Ok(rows.into_iter().map(|candidate| (candidate.record, candidate)).collect())
    }

    /// Notes what was measured between an image and records, and that the image was compared with every record up to
    /// `seq`. `found` is all that is within reach now: a pair that is not in it any more goes.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn image_matched(&self, image: &ImageToMatch, found: &[CandidateFacts], seq: i64) -> Result<(), Error> {
        for candidate in found {
            let evidence = super::text_of(&candidate.measured)?;
            let id = self.next_id("candidate")?;
            self.execute(
                "INSERT INTO candidates (id, customer, image, record, distance, evidence) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (image, record) DO UPDATE SET distance = excluded.distance, evidence = excluded.evidence",
                (
                    id,
                    image.customer.0,
                    candidate.image.0,
                    candidate.record.0,
                    candidate.distance,
                    evidence,
                ),
            )?;
        }
        let within: BTreeSet<RecordId> = found.iter().map(|candidate| candidate.record).collect();
        for record in self.measured(image.facts.id)?.into_keys().filter(|record| !within.contains(record)) {
            self.execute("DELETE FROM candidates WHERE image = ?1 AND record = ?2", (image.facts.id.0, record.0))?;
        }
        self.execute("UPDATE images SET matched_seq = ?2 WHERE id = ?1 AND matched_seq < ?2", (image.facts.id.0, seq))?;
        self.customer_dirty(image.customer)
    }

    /// Everything the rule may know about a customer.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_facts(&self, customer: CustomerId) -> Result<CustomerFacts, Error> {
        let mut all = CustomerFacts::default();
        all.facts.records = self.record_facts(customer, i64::MIN)?.into_iter().map(|(_, record)| record).collect();
        let mut images = self.rows(
            &format!(
                "SELECT {IMAGE_COLUMNS} FROM images i JOIN blobs b ON b.id = i.blob WHERE i.customer = ?1 ORDER BY i.id"
            ),
            [customer.0],
            |row| image_facts(&row),
        )?;
        self.paths_into(customer, &mut images, &mut all.uploads)?;
        self.etags_into(customer, &mut images)?;
        all.facts.images = images;
        all.facts.candidates = self.rows(
            "SELECT c.image, c.record, c.distance, c.evidence FROM candidates c JOIN records r ON r.id = c.record \
             WHERE c.customer = ?1 AND r.retired_at IS NULL ORDER BY c.id",
            [customer.0],
            candidate_facts,
        )?;
        all.facts.answers = self.answers(customer)?;
        all.facts.compared = self.comparisons(customer)?;
        all.settled = self.rows(
            "SELECT u.id FROM uploads u JOIN blobs b ON b.id = u.blob WHERE u.customer = ?1 AND u.state = 'stored' \
             AND b.examined_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM images i WHERE i.blob = b.id AND i.matched_seq < \
             (SELECT coalesce(max(changed_seq), 0) FROM records WHERE customer = ?1)) ORDER BY u.id",
            [customer.0],
            |row| Ok(UploadId(row.get(0)?)),
        )?;
        Ok(all)
    }

    fn paths_into(
        &self,
        customer: CustomerId,
        images: &mut [ImageFacts],
        uploads: &mut BTreeMap<ImageId, Vec<(Vec<u8>, UploadId)>>,
    ) -> Result<(), Error> {
        let rows = self.rows(
            "SELECT i.id, u.path, u.id FROM images i JOIN uploads u ON u.blob = i.blob \
             WHERE i.customer = ?1 ORDER BY i.id, u.path, u.id",
            [customer.0],
            |row| Ok((ImageId(row.get(0)?), row.get::<Vec<u8>>(1)?, UploadId(row.get(2)?))),
        )?;
        for (image, path, upload) in rows {
            uploads.entry(image).or_default().push((path, upload));
        }
        for image in images {
            if let Some(carriers) = uploads.get(&image.id) {
                image.paths = carriers.iter().map(|(path, _)| path.clone()).collect();
                image.paths.dedup();
            }
        }
        Ok(())
    }

    /// What people decided, the last word on each pair that was not taken back.
    fn answers(&self, customer: CustomerId) -> Result<Vec<Answer>, Error> {
        let rows = self.rows(
            "SELECT i.id, d.record, d.act FROM decisions d JOIN blobs b ON b.customer = d.customer AND b.digest = d.digest \
             JOIN images i ON i.blob = b.id AND i.number = d.number \
             WHERE d.customer = ?1 AND d.withdrawn_at IS NULL ORDER BY d.id",
            [customer.0],
            |row| Ok((ImageId(row.get(0)?), RecordId(row.get(1)?), row.get::<String>(2)?)),
        )?;
        let mut last = BTreeMap::new();
        for (image, record, act) in rows {
            let accepted = matches!(act.as_str(), "accept" | "attach");
            if accepted {
                // One record has one original: the newest yes takes the place of an older one.
                last.retain(|&(_, of), earlier: &mut bool| of != record || !*earlier);
            }
            last.insert((image, record), accepted);
        }
        Ok(last.into_iter().map(|((image, record), accepted)| Answer { image, record, accepted }).collect())
    }

    /// Marks uploads as decided.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn uploads_decided(&self, uploads: &[UploadId]) -> Result<(), Error> {
        for upload in uploads {
            self.execute("UPDATE uploads SET state = 'decided' WHERE id = ?1 AND state = 'stored'", [upload.0])?;
        }
        Ok(())
    }
}

/// What the rule made of a candidate, as columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// The pair.
    pub image: ImageId,
    /// The pair.
    pub record: RecordId,
    /// attach, review or none.
    pub verdict: &'static str,
    /// Whether a person or the rule is sure of it; a proven pair that is not attached waits for a person, because of a setting.
    pub proven: bool,
    /// Which tier of the rule spoke.
    pub method: String,
    /// original or copy.
    pub grade: Option<&'static str>,
    /// Place in the review list of the record, from 1.
    pub rank: Option<u32>,
    /// The residual that the rule used.
    pub residual: Option<f64>,
    /// How much better it is than the next one.
    pub margin: Option<f64>,
    /// In words.
    pub reason: String,
}

impl Tx<'_> {
    /// Writes the rule's word on one candidate; a pair that only metadata brought together gets its row here. A ruling
    /// that says what stands already changes nothing, not even the time of the decision. True when something changed.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn candidate_ruled(&self, customer: CustomerId, ruling: &Ruling) -> Result<bool, Error> {
        let new = CandidateId(self.next_id("candidate")?);
        self.execute(
            "INSERT INTO candidates (id, customer, image, record, distance, evidence) VALUES (?1, ?2, ?3, ?4, NULL, '[]') \
             ON CONFLICT (image, record) DO NOTHING",
            (new.0, customer.0, ruling.image.0, ruling.record.0),
        )?;
        let changed = self.execute(
            "UPDATE candidates SET verdict = ?3, method = ?4, grade = ?5, rank = ?6, residual = ?7, margin = ?8, \
             reason = ?9, decided_at = ?10, proven = ?11 WHERE image = ?1 AND record = ?2 AND NOT (verdict = ?3 AND proven = ?11 AND method IS NOT DISTINCT FROM ?4 \
             AND grade IS NOT DISTINCT FROM ?5 AND rank IS NOT DISTINCT FROM ?6 AND residual IS NOT DISTINCT FROM ?7 \
             AND margin IS NOT DISTINCT FROM ?8 AND reason IS NOT DISTINCT FROM ?9)",
            (
                ruling.image.0,
                ruling.record.0,
                ruling.verdict,
                ruling.method.as_str(),
                ruling.grade,
                ruling.rank,
                ruling.residual,
                ruling.margin,
                ruling.reason.as_str(),
                Micros::now().0,
                ruling.proven,
            ),
        )?;
        Ok(changed > 0)
    }

    /// Takes back every ruling on a customer's candidates that is not among `kept`. True when there was one.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn candidates_unruled(
        &self,
        customer: CustomerId,
        kept: &BTreeSet<(ImageId, RecordId)>,
    ) -> Result<bool, Error> {
        let ruled = self.rows(
            "SELECT image, record FROM candidates WHERE customer = ?1 AND (verdict <> 'none' OR method IS NOT NULL)",
            [customer.0],
            |row| Ok((ImageId(row.get(0)?), RecordId(row.get(1)?))),
        )?;
        let mut changed = false;
        for (image, record) in ruled.into_iter().filter(|pair| !kept.contains(pair)) {
            changed = true;
            self.execute(
                "UPDATE candidates SET verdict = 'none', proven = 0, method = NULL, grade = NULL, rank = NULL, residual = NULL, \
                 margin = NULL, reason = NULL, decided_at = NULL WHERE image = ?1 AND record = ?2",
                (image.0, record.0),
            )?;
        }
        Ok(changed)
    }
}
