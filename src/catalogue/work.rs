//! What is to be done: received and not decided is work, so a restart continues by itself.
//!
//! Work is not a list of its own. It is read off the rows that it will change: uploads not yet stored or decided,
//! thumbnails not yet examined, images older than the newest record, customers marked dirty.

use super::{Error, Tx};
use crate::domain::{BlobId, CustomerId, Digest, ImageId, Micros, UploadId};

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// Read a thumbnail and take its fingerprint.
    Thumbnail(Digest),
    /// Store an upload, examine its blob, match its images.
    Upload(UploadId),
    /// Match an image against records that came or changed after it.
    Image(ImageId),
}

/// An upload as the pipeline needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedUpload {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub customer: CustomerId,
    /// The digest taken while its bytes streamed by.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Its name in the spool folder; nothing once it is stored.
    pub spool_file: Option<String>,
    /// Its blob, once it is stored.
    pub blob: Option<BlobId>,
}

/// How much is not yet decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undecided {
    /// Uploads received and not decided, held ones left out.
    pub uploads: u64,
    /// Uploads under a client's temporary name.
    pub held: u64,
    /// When the last of the held ones counts under the name it has.
    pub held_until: Option<Micros>,
    /// Thumbnails not yet read.
    pub thumbnails: u64,
    /// Images to be matched against newer records.
    pub images: u64,
    /// Customers who sent something and for whom the rule has not run since something changed.
    pub customers: u64,
    /// 1 while the certain pairs are to be looked at for what they teach of recipes.
    pub recipes: u64,
}

impl Undecided {
    /// Nothing that was received is undecided; held uploads do not count.
    pub fn is_nothing(&self) -> bool {
        self.recipes == 0 && self.only_recipes_are_left()
    }

    /// Everything received is decided by what is known of recipes, which may be more once it is looked for.
    pub fn only_recipes_are_left(&self) -> bool {
        self.uploads + self.thumbnails + self.images + self.customers == 0
    }
}

impl Tx<'_> {
    /// How much is undecided, of one customer or of all.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn undecided(&self, customer: Option<CustomerId>) -> Result<Undecided, Error> {
        let of = customer.map(|customer| customer.0);
        let now = Micros::now().0;
        let count = |sql: &str| -> Result<u64, Error> { self.one(sql, [of], |row| Ok(row.get::<i64>(0)? as u64)) };
        let uploads = self.one(
            "SELECT count(*) FROM uploads WHERE state IN ('received', 'stored') \
             AND (held_until IS NULL OR held_until <= ?2) AND (?1 IS NULL OR customer = ?1)",
            (of, now),
            |row| row.get::<i64>(0),
        )?;
        let (held, held_until) = self.one(
            "SELECT count(*), max(held_until) FROM uploads WHERE state IN ('received', 'stored') \
             AND held_until > ?2 AND (?1 IS NULL OR customer = ?1)",
            (of, now),
            |row| Ok((row.get::<i64>(0)?, row.get::<Option<i64>>(1)?)),
        )?;
        Ok(Undecided {
            uploads: uploads as u64,
            held: held as u64,
            held_until: held_until.map(Micros),
            thumbnails: count(
                "SELECT count(*) FROM thumbnails t JOIN records r ON r.id = t.record WHERE t.digest IS NOT NULL \
                 AND t.fingerprint IS NULL AND t.problem IS NULL AND (?1 IS NULL OR r.customer = ?1)",
            )?,
            images: count(
                "SELECT count(*) FROM images i WHERE (?1 IS NULL OR i.customer = ?1) AND i.matched_seq < \
                 (SELECT coalesce(max(r.changed_seq), 0) FROM records r WHERE r.customer = i.customer)",
            )?,
            customers: count(
                "SELECT count(*) FROM customers c WHERE c.dirty > 0 AND (?1 IS NULL OR c.id = ?1) \
                 AND EXISTS (SELECT 1 FROM uploads u WHERE u.customer = c.id)",
            )?,
            recipes: u64::from(self.learning_due()?.is_some()),
        })
    }

    /// Customers with work that can start now, those with the least first: whoever sent little is not kept waiting by
    /// whoever sent much.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customers_with_work(&self) -> Result<Vec<CustomerId>, Error> {
        self.rows(
            "SELECT customer FROM ( \
               SELECT customer, count(*) AS n FROM uploads WHERE state IN ('received', 'stored') \
                 AND (held_until IS NULL OR held_until <= ?1) AND retry_at <= ?1 GROUP BY customer \
               UNION ALL \
               SELECT r.customer, count(*) FROM thumbnails t JOIN records r ON r.id = t.record \
                 WHERE t.digest IS NOT NULL AND t.fingerprint IS NULL AND t.problem IS NULL GROUP BY r.customer \
               UNION ALL \
               SELECT i.customer, count(*) FROM images i WHERE i.matched_seq < \
                 (SELECT coalesce(max(r.changed_seq), 0) FROM records r WHERE r.customer = i.customer) \
                 GROUP BY i.customer \
             ) AS open GROUP BY customer ORDER BY sum(n), customer",
            [Micros::now().0],
            |row| Ok(CustomerId(row.get(0)?)),
        )
    }

    /// The first `limit` things to do for a customer: thumbnails before uploads, since an upload is matched against
    /// them, and images again last.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn work_of(&self, customer: CustomerId, limit: usize) -> Result<Vec<Work>, Error> {
        let (now, limit) = (Micros::now().0, limit as i64);
        // The `+` keeps the database from going through all records of the customer, of which hardly ever one is left to do.
        let mut work = self.rows(
            "SELECT DISTINCT t.digest FROM thumbnails t JOIN records r ON r.id = t.record WHERE +r.customer = ?1 \
             AND t.digest IS NOT NULL AND t.fingerprint IS NULL AND t.problem IS NULL ORDER BY t.digest LIMIT ?2",
            (customer.0, limit),
            |row| Ok(Work::Thumbnail(Digest(row.get(0)?))),
        )?;
        if !work.is_empty() {
            return Ok(work);
        }
        // Each state by itself, so that the first few are read along `uploads_undecided`, whatever else there is.
        let first = |state: &str| {
            format!(
                "SELECT id FROM (SELECT id FROM uploads WHERE state IN ('received', 'stored') AND state = '{state}' \
                 AND customer = ?1 AND id > 0 AND (held_until IS NULL OR held_until <= ?2) AND retry_at <= ?2 ORDER BY id LIMIT ?3)"
            )
        };
        work.extend(self.rows(
            &format!("{} UNION ALL {} ORDER BY id LIMIT ?3", first("received"), first("stored")),
            (customer.0, now, limit),
            |row| Ok(Work::Upload(UploadId(row.get(0)?))),
        )?);
        work.extend(self.rows(
            "SELECT id FROM images WHERE customer = ?1 AND matched_seq < \
             (SELECT coalesce(max(changed_seq), 0) FROM records WHERE customer = ?1) ORDER BY id LIMIT ?2",
            (customer.0, limit),
            |row| Ok(Work::Image(ImageId(row.get(0)?))),
        )?);
        Ok(work)
    }

    /// An upload on its way.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn received_upload(&self, id: UploadId) -> Result<Option<ReceivedUpload>, Error> {
        self.first("SELECT customer, sha256, size, spool_file, blob FROM uploads WHERE id = ?1", [id.0], |row| {
            Ok(ReceivedUpload {
                id,
                customer: CustomerId(row.get(0)?),
                digest: Digest(row.get(1)?),
                size: row.get::<i64>(2)? as u64,
                spool_file: row.get(3)?,
                blob: row.get::<Option<i64>>(4)?.map(BlobId),
            })
        })
    }

    /// Notes that an upload's bytes are in the blob store.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_stored(&self, id: UploadId, blob: BlobId) -> Result<(), Error> {
        self.execute(
            "UPDATE uploads SET state = 'stored', blob = ?2, spool_file = NULL WHERE id = ?1 AND state = 'received'",
            (id.0, blob.0),
        )?;
        Ok(())
    }

    /// Notes that an upload cannot be worked on now; it is tried again after `pause_seconds`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_deferred(&self, id: UploadId, why: &str, pause_seconds: i64) -> Result<(), Error> {
        self.execute(
            "UPDATE uploads SET attempts = attempts + 1, last_error = ?2, retry_at = ?3 WHERE id = ?1",
            (id.0, why, Micros::now().plus_seconds(pause_seconds).0),
        )?;
        Ok(())
    }

    /// Notes that an upload cannot be used and will not be tried again; its bytes stay where they are.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_failed(&self, id: UploadId, why: &str) -> Result<(), Error> {
        self.execute(
            "UPDATE uploads SET state = 'failed', attempts = attempts + 1, last_error = ?2 WHERE id = ?1",
            (id.0, why),
        )?;
        Ok(())
    }

    /// How often an upload was tried without success.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn upload_attempts(&self, id: UploadId) -> Result<i64, Error> {
        self.one("SELECT attempts FROM uploads WHERE id = ?1", [id.0], |row| row.get(0))
    }

    /// Marks a customer as changed, so that the rule runs over its facts again.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_dirty(&self, customer: CustomerId) -> Result<(), Error> {
        self.execute("UPDATE customers SET dirty = dirty + 1 WHERE id = ?1", [customer.0])?;
        Ok(())
    }

    /// Customers for whom the rule must run, with the mark to give back to [`Tx::customer_clean`].
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn dirty_customers(&self) -> Result<Vec<(CustomerId, i64)>, Error> {
        self.rows("SELECT id, dirty FROM customers WHERE dirty > 0 ORDER BY id", [], |row| {
            Ok((CustomerId(row.get(0)?), row.get(1)?))
        })
    }

    /// Notes that the rule has run over everything up to `mark`; a change since then keeps the customer dirty.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_clean(&self, customer: CustomerId, mark: i64) -> Result<(), Error> {
        self.execute("UPDATE customers SET dirty = 0 WHERE id = ?1 AND dirty = ?2", (customer.0, mark))?;
        Ok(())
    }
}
