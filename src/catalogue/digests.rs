//! Digests of blobs beside the SHA-256 that names them; taken only where some record carries one of their kind.

use std::collections::BTreeMap;

use super::{Error, ImageToMatch, Tx};
use crate::domain::{CustomerId, ETag, ImageId};
use crate::matcher::facts::ImageFacts;

/// The ETag of a file of so many bytes that was sent in parts of `length`, the MD5 over whose MD5s this is.
fn etag_of(bytes: u64, length: u64, md5: [u8; 16]) -> ETag {
    // More parts than an ETag can name are as good as the most: no record asks for them.
    ETag { md5, parts: u32::try_from(bytes.div_ceil(length.max(1)).max(1)).unwrap_or(u32::MAX) }
}

impl ImageToMatch {
    /// Adds digests over the parts of its file, by the length of a part.
    pub fn learn_parts(&mut self, parts: BTreeMap<u64, [u8; 16]>) {
        let bytes = self.facts.bytes;
        self.facts.etags.extend(parts.iter().map(|(&length, &md5)| etag_of(bytes, length, md5)));
        self.parts.extend(parts);
    }
}

impl Tx<'_> {
    /// Notes digests of an image's file: its MD5, and those over its parts by the length of a part.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn image_digests(
        &self,
        image: ImageId,
        md5: Option<[u8; 16]>,
        parts: &BTreeMap<u64, [u8; 16]>,
    ) -> Result<(), Error> {
        if let Some(md5) = md5 {
            self.execute(
                "UPDATE blobs SET md5 = ?2 WHERE id = (SELECT blob FROM images WHERE id = ?1)",
                (image.0, md5.as_slice()),
            )?;
        }
        for (&length, md5) in parts {
            self.execute(
                "INSERT INTO part_digests (blob, part_bytes, md5) SELECT blob, ?2, ?3 FROM images WHERE id = ?1 \
                 ON CONFLICT (blob, part_bytes) DO NOTHING",
                (image.0, length as i64, md5.as_slice()),
            )?;
        }
        Ok(())
    }

    /// The digests over the parts of an image's file that were taken, by the length of a part.
    pub(super) fn parts_of(&self, image: ImageId) -> Result<BTreeMap<u64, [u8; 16]>, Error> {
        let rows = self.rows(
            "SELECT p.part_bytes, p.md5 FROM part_digests p JOIN images i ON i.blob = p.blob WHERE i.id = ?1",
            [image.0],
            |row| Ok((row.get::<i64>(0)? as u64, row.get(1)?)),
        )?;
        Ok(rows.into_iter().collect())
    }

    /// Adds what is known of the parts of a customer's files to their facts, which are in the order of their ids.
    pub(super) fn etags_into(&self, customer: CustomerId, images: &mut [ImageFacts]) -> Result<(), Error> {
        let rows = self.rows(
            "SELECT i.id, p.part_bytes, p.md5 FROM images i JOIN part_digests p ON p.blob = i.blob \
             WHERE i.customer = ?1 ORDER BY i.id, p.part_bytes",
            [customer.0],
            |row| Ok((ImageId(row.get(0)?), row.get::<i64>(1)? as u64, row.get(2)?)),
        )?;
        for (id, length, md5) in rows {
            if let Ok(at) = images.binary_search_by_key(&id, |image| image.id) {
                let etag = etag_of(images[at].bytes, length, md5);
                images[at].etags.push(etag);
            }
        }
        Ok(())
    }
}
