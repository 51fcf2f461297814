//! One record of the journal as bytes: what makes a received file an upload, and its content.
//!
//! A record begins and ends at a multiple of [`PAGE_BYTES`]: a head of fixed length, the facts as JSON, the content, zeros.

use serde::{Deserialize, Serialize};

use crate::domain::{CustomerId, Digest, Micros};

/// What a disk can write without its cache, and where records begin.
pub(super) const PAGE_BYTES: usize = 4096;

/// Begins every record; the last digits tell this form of it from later ones.
const MAGIC: &[u8; 8] = b"RUJRNL01";

/// Magic, number, lengths of facts and content, digest over these and the facts.
const HEAD_BYTES: usize = 8 + 8 + 4 + 4 + 32;

/// What is known of a file whose content follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::spool) struct Facts {
    pub(in crate::spool) customer: CustomerId,
    /// See the column `uploads.path`.
    pub(in crate::spool) path: Vec<u8>,
    /// Of the content.
    pub(in crate::spool) sha256: [u8; 32],
    pub(in crate::spool) mtime: Option<i64>,
    pub(in crate::spool) endpoint: String,
    pub(in crate::spool) started_at: i64,
    pub(in crate::spool) spool_file: String,
    /// Whether its name was removed while it came.
    pub(in crate::spool) nameless: bool,
}

impl Facts {
    pub(in crate::spool) fn started_at(&self) -> Micros {
        Micros(self.started_at)
    }
}

/// A record that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::spool) struct Record {
    /// Records have rising numbers, which no two of a node share.
    pub(in crate::spool) number: u64,
    pub(in crate::spool) facts: Facts,
    pub(in crate::spool) content: Vec<u8>,
}

/// The bytes before the content.
pub(super) fn head(number: u64, facts: &Facts, content: usize) -> Result<Vec<u8>, serde_json::Error> {
    let facts = serde_json::to_vec(facts)?;
    let mut bytes = Vec::with_capacity(HEAD_BYTES + facts.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&number.to_le_bytes());
    // Both are far below 4 GiB: a path has a limit, and so has what is held in memory.
    bytes.extend_from_slice(&(facts.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(content as u32).to_le_bytes());
    let sealed = Digest::of(&[&bytes[..], &facts[..]].concat());
    bytes.extend_from_slice(&sealed.0);
    bytes.extend_from_slice(&facts);
    Ok(bytes)
}

/// The record at the beginning of `bytes`, and how many of them it takes. Nothing where none was written whole.
pub(super) fn read(bytes: &[u8]) -> Option<(Record, usize)> {
    let head = bytes.get(..HEAD_BYTES)?;
    let number = u64::from_le_bytes(head[8..16].try_into().ok()?);
    let facts_length = u32::from_le_bytes(head[16..20].try_into().ok()?) as usize;
    let content_length = u32::from_le_bytes(head[20..24].try_into().ok()?) as usize;
    let facts = bytes.get(HEAD_BYTES..)?.get(..facts_length)?;
    let content = bytes.get(HEAD_BYTES + facts_length..)?.get(..content_length)?;
    if &head[..8] != MAGIC || Digest::of(&[&head[..24], facts].concat()).0[..] != head[24..] {
        return None;
    }
    let facts: Facts = serde_json::from_slice(facts).ok()?;
    if Digest::of(content).0 != facts.sha256 {
        return None;
    }
    let length = (HEAD_BYTES + facts_length + content_length).next_multiple_of(PAGE_BYTES);
    Some((Record { number, facts, content: content.to_vec() }, length))
}
