//! What stands for a record's original: the original itself where it came back, else what survived of it.

use std::fs::File;

use crate::catalogue;
use crate::domain::{CustomerId, Digest, RecordId};
use crate::placeholder;

use super::{Error, Pipeline};

/// What stands for a record's original now.
pub enum Original {
    /// It came back. The bytes are those of the blob store, which nobody changes.
    Recovered {
        /// The bytes.
        file: File,
        /// Their digest.
        digest: Digest,
    },
    /// It is missing; what survived of it as JPEG, marked as not being it.
    Missing(Vec<u8>),
}

/// What stands for the original of `record`; `standing` is the digest of what came back to it.
///
/// # Errors
/// When the blob store is away, the catalogue fails, or no child can read pictures now. None of these says that an original
/// is missing.
pub fn original(
    pipeline: &Pipeline,
    customer: CustomerId,
    record: RecordId,
    standing: Option<Digest>,
) -> Result<Original, Error> {
    if let Some(digest) = standing {
        return Ok(Original::Recovered { file: pipeline.blobs.open(customer, digest)?, digest });
    }
    let survivor = pipeline.catalogue.read::<_, catalogue::Error>(|tx| tx.survivor(record))?;
    let Some(bytes) = survivor else { return Ok(Original::Missing(placeholder::empty())) };
    match pipeline.children.placeholder(bytes) {
        Err(unreadable) if unreadable.is_transient() => Err(Error::Children(unreadable)),
        // What survived cannot be read: the words alone stand for it.
        Err(_) => Ok(Original::Missing(placeholder::empty())),
        Ok(jpeg) => Ok(Original::Missing(jpeg)),
    }
}
