//! Thumbnails: the surviving small renditions of records' originals. Bytes stand once under their digest in
//! `thumbnail_files`; `thumbnails` says which record shows which, and what was found in it.

use std::fmt;

use super::{Error, Row, Tx};
use crate::domain::{Digest, RecordId, ThumbnailId};
use crate::recipe::Partition;

/// Which rendition of a record's original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The small one that lists show.
    Thumbnail,
    /// A larger one, where the shop made it.
    Preview,
}

impl Role {
    /// The word for this in the schema and in the import.
    pub fn word(self) -> &'static str {
        match self {
            Role::Thumbnail => "thumbnail",
            Role::Preview => "preview",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A thumbnail of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// The thumbnail.
    pub id: ThumbnailId,
    /// Whose rendition it is.
    pub record: RecordId,
    /// Which rendition.
    pub role: Role,
    /// The path in the import, or `data:`; empty when the import named none.
    pub source: String,
    /// The digest of its bytes; none when there are no bytes.
    pub digest: Option<Digest>,
    /// Its width in pixels, once examined.
    pub width: Option<i64>,
    /// Its height in pixels, once examined.
    pub height: Option<i64>,
    /// The hashes of its plausible views, once examined.
    pub fingerprint: Option<Vec<u8>>,
    /// Why it cannot be used, in words.
    pub problem: Option<String>,
}

/// What the examination of a thumbnail's bytes found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// A picture.
    Picture {
        /// Pixels across.
        width: i64,
        /// Pixels down.
        height: i64,
        /// The hashes of its plausible views.
        fingerprint: Vec<u8>,
        /// What its file tells of how it was made.
        partition: Partition,
    },
    /// Nothing that can be used, and why.
    Problem(String),
}

const THUMBNAIL: &str = "SELECT id, record, role, source, digest, width, height, fingerprint, problem FROM thumbnails";

fn thumbnail(row: Row<'_>) -> Result<Thumbnail, Error> {
    let role: String = row.get(2)?;
    let digest: Option<Vec<u8>> = row.get(4)?;
    Ok(Thumbnail {
        id: ThumbnailId(row.get(0)?),
        record: RecordId(row.get(1)?),
        role: if role == Role::Preview.word() { Role::Preview } else { Role::Thumbnail },
        source: row.get(3)?,
        digest: digest.as_deref().and_then(Digest::from_slice),
        width: row.get(5)?,
        height: row.get(6)?,
        fingerprint: row.get(7)?,
        problem: row.get(8)?,
    })
}

impl Tx<'_> {
    /// The largest rendition of a record's original that survived and could be read: its preview, else its thumbnail.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn survivor(&self, record: RecordId) -> Result<Option<Vec<u8>>, Error> {
        self.first(
            "SELECT f.bytes FROM thumbnails t JOIN thumbnail_files f ON f.digest = t.digest \
             WHERE t.record = ?1 AND t.problem IS NULL \
             ORDER BY coalesce(t.width, 0) * coalesce(t.height, 0) DESC, t.role LIMIT 1",
            [record.0],
            |row| row.get(0),
        )
    }

    /// Keeps a thumbnail's bytes under their digest, once.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnail_file_add(&self, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
        self.execute(
            "INSERT INTO thumbnail_files (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            (digest.0.as_slice(), bytes),
        )?;
        Ok(())
    }

    /// The bytes of a thumbnail.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnail_file(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        self.first("SELECT bytes FROM thumbnail_files WHERE digest = ?1", [digest.0.as_slice()], |row| row.get(0))
    }

    /// Drops the bytes that no record shows any more; returns how many files that were.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnail_files_sweep(&self) -> Result<usize, Error> {
        self.execute(
            "DELETE FROM thumbnail_files WHERE NOT EXISTS (SELECT 1 FROM thumbnails t WHERE t.digest = thumbnail_files.digest)",
            [],
        )
    }

    /// The thumbnails of a record, the thumbnail before the preview.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnails_of(&self, record: RecordId) -> Result<Vec<Thumbnail>, Error> {
        let mut all = self.rows(&format!("{THUMBNAIL} WHERE record = ?1"), [record.0], thumbnail)?;
        all.sort_by_key(|thumbnail| thumbnail.role);
        Ok(all)
    }

    /// Gives a record a thumbnail that is still to be examined, or, with a problem instead of a digest, the reason why it
    /// has none. What was there in that role goes.
    ///
    /// # Errors
    /// When the bytes of `digest` are not kept here, or the catalogue fails.
    pub fn thumbnail_set(
        &self,
        record: RecordId,
        role: Role,
        source: &str,
        file: &Result<Digest, String>,
    ) -> Result<(), Error> {
        let id = self.next_id("thumbnail")?;
        let digest = file.as_ref().ok().map(|digest| digest.0.as_slice());
        let problem = file.as_ref().err();
        self.execute(
            "INSERT INTO thumbnails (id, record, role, source, digest, problem) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (record, role) DO UPDATE SET source = excluded.source, digest = excluded.digest, \
             problem = excluded.problem, width = NULL, height = NULL, fingerprint = NULL, partition = NULL",
            (id, record.0, role.word(), source, digest, problem),
        )?;
        Ok(())
    }

    /// Notes under which path the import finds a thumbnail whose bytes stayed the same.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnail_moved(&self, id: ThumbnailId, source: &str) -> Result<(), Error> {
        self.execute("UPDATE thumbnails SET source = ?2 WHERE id = ?1", (id.0, source))?;
        Ok(())
    }

    /// Every thumbnail that cannot be used: the record's name, the thumbnail, the reason.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnail_problems(&self) -> Result<Vec<(String, Thumbnail, String)>, Error> {
        let columns = "t.id, t.record, t.role, t.source, t.digest, t.width, t.height, t.fingerprint, t.problem, r.name";
        self.rows(
            &format!(
                "SELECT {columns} FROM thumbnails t JOIN records r ON r.id = t.record WHERE t.problem IS NOT NULL ORDER BY t.id"
            ),
            [],
            |row| {
                let (name, problem) = (row.get(9)?, row.get(8)?);
                Ok((name, thumbnail(row)?, problem))
            },
        )
    }

    /// Digests of thumbnails that nobody has looked at yet, at most `limit`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnails_unexamined(&self, limit: i64) -> Result<Vec<Digest>, Error> {
        let digests: Vec<Vec<u8>> = self.rows(
            "SELECT DISTINCT digest FROM thumbnails WHERE digest IS NOT NULL AND fingerprint IS NULL AND problem IS NULL \
             ORDER BY digest LIMIT ?1",
            [limit],
            |row| row.get(0),
        )?;
        Ok(digests.iter().filter_map(|digest| Digest::from_slice(digest)).collect())
    }

    /// Notes what was found in the bytes of `digest`, for every thumbnail that has them; their records have changed for
    /// matching.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn thumbnail_examined(&self, digest: Digest, found: &Examined) -> Result<(), Error> {
        let waiting = "digest = ?1 AND fingerprint IS NULL AND problem IS NULL";
        let digest = digest.0.as_slice();
        let records: Vec<i64> =
            self.rows(&format!("SELECT record FROM thumbnails WHERE {waiting}"), [digest], |row| row.get(0))?;
        match found {
            Examined::Picture { width, height, fingerprint, partition } => self.execute(
                &format!(
                    "UPDATE thumbnails SET width = ?2, height = ?3, fingerprint = ?4, partition = ?5 WHERE {waiting}"
                ),
                (digest, width, height, fingerprint, super::text_of(partition)?),
            )?,
            Examined::Problem(problem) => {
                self.execute(&format!("UPDATE thumbnails SET problem = ?2 WHERE {waiting}"), (digest, problem))?
            }
        };
        if !records.is_empty() {
            let change = self.change_seq()?;
            for record in records {
                self.record_changed(RecordId(record), change)?;
            }
        }
        Ok(())
    }
}
