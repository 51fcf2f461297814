//! Blobs, their images and fingerprints.

use super::facts::storage_word;
use super::{Error, Tx};
use crate::domain::{BlobId, CustomerId, Digest, ImageId, Micros};
use crate::matcher::facts::Storage;

/// A blob as the pipeline needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its id.
    pub id: BlobId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Its name in the blob store.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Whether its images are known.
    pub examined: bool,
}

/// A picture found in a blob, before it has an id.
#[derive(Clone, Debug, PartialEq)]
pub struct NewImage {
    /// Page or frame, from 1.
    pub number: u32,
    /// Pixels as a person should see it; nothing when it could not be read.
    pub size: Option<(u32, u32)>,
    /// How its file stores its pixels.
    pub storage: Storage,
    /// The content has no proper end.
    pub truncated: bool,
    /// When it was taken, as the file says.
    pub taken_at: Option<String>,
    /// The quality and the stored views of its fingerprint, when it has one.
    pub fingerprint: Option<(u8, Vec<u8>)>,
}

impl Tx<'_> {
    /// The blob of `customer` with `digest`, made if it is new.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn blob_of(&self, customer: CustomerId, digest: Digest, size: u64) -> Result<BlobId, Error> {
        let known = self.first(
            "SELECT id FROM blobs WHERE customer = ?1 AND digest = ?2",
            (customer.0, digest.0.as_slice()),
            |row| row.get(0),
        )?;
        if let Some(id) = known {
            return Ok(BlobId(id));
        }
        let id = self.next_id("blob")?;
        self.execute(
            "INSERT INTO blobs (id, customer, digest, size) VALUES (?1, ?2, ?3, ?4)",
            (id, customer.0, digest.0.as_slice(), size as i64),
        )?;
        Ok(BlobId(id))
    }

    /// Whether any blob was ever stored.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn has_blobs(&self) -> Result<bool, Error> {
        Ok(self.first("SELECT 1 FROM blobs LIMIT 1", [], |_| Ok(()))?.is_some())
    }

    /// A blob by its id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn blob(&self, id: BlobId) -> Result<Option<Blob>, Error> {
        self.first("SELECT id, customer, digest, size, examined_at FROM blobs WHERE id = ?1", [id.0], |row| {
            Ok(Blob {
                id,
                customer: CustomerId(row.get(1)?),
                digest: Digest(row.get(2)?),
                size: row.get::<i64>(3)? as u64,
                examined: row.get::<Option<i64>>(4)?.is_some(),
            })
        })
    }

    /// Notes what was found in a blob: its kind, why nothing could be read from it or what is wrong with it all the same, and its
    /// images. Noted once; a second examination of the same bytes changes nothing.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn blob_examined(
        &self,
        blob: &Blob,
        kind: &str,
        problem: Option<&str>,
        damage: Option<&str>,
        images: &[NewImage],
    ) -> Result<(), Error> {
        let noted = self.execute(
            "UPDATE blobs SET kind = ?2, problem = ?3, damage = ?4, examined_at = ?5, last_error = NULL \
             WHERE id = ?1 AND examined_at IS NULL",
            (blob.id.0, kind, problem, damage, Micros::now().0),
        )?;
        if noted == 0 {
            return Ok(());
        }
        for image in images {
            let id = self.next_id("image")?;
            self.execute(
                "INSERT INTO images (id, customer, blob, number, width, height, storage, truncated, taken_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                (
                    id,
                    blob.customer.0,
                    blob.id.0,
                    image.number,
                    image.size.map(|(width, _)| width),
                    image.size.map(|(_, height)| height),
                    storage_word(image.storage),
                    image.truncated,
                    image.taken_at.as_deref(),
                ),
            )?;
            if let Some((quality, views)) = &image.fingerprint {
                self.execute(
                    "INSERT INTO fingerprints (image, quality, views) VALUES (?1, ?2, ?3)",
                    (id, quality, views.as_slice()),
                )?;
            }
        }
        Ok(())
    }

    /// The images of a blob, by number.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn images_of_blob(&self, blob: BlobId) -> Result<Vec<ImageId>, Error> {
        self.rows("SELECT id FROM images WHERE blob = ?1 ORDER BY number", [blob.0], |row| Ok(ImageId(row.get(0)?)))
    }
}
