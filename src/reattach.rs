//! Puts originals back, and takes them away again, in two transactions around one durable write.
//!
//! 1. The link is written as `placing`, with key, digest and the link it replaces.
//! 2. The bytes are copied under a temporary name, read back and published, if the key is free or holds bytes that we
//!    wrote; then the link is `standing`.
//!
//! A crash in between leaves a `placing` or `removing` link, which [`finish`] completes or undoes before anything else
//! happens. A key that holds bytes we did not write is a conflict for a person: never overwritten, never deleted. What is
//! to stand is decided elsewhere; here the originals store is only brought to it.

use std::collections::BTreeMap;

use crate::catalogue::{self, Attachment, Catalogue, Link};
use crate::domain::{CustomerId, RecordId};
use crate::store::{self, Blobs, Holds, ObjectKey, Originals, Put};

/// Why an original could not be put back or taken away now; what was begun is finished later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// What originals are put back with.
pub struct Bench<'a> {
    /// Where links are written.
    pub catalogue: &'a Catalogue,
    /// Where their bytes come from.
    pub blobs: &'a Blobs,
    /// Where they go.
    pub originals: &'a Originals,
}

/// Brings a customer's originals to what is `wanted`, at most one link for each record. Doing it again changes nothing.
///
/// # Errors
/// When the catalogue or a store fails; the rest is done the next time.
pub fn bring_to(bench: &Bench<'_>, customer: CustomerId, wanted: Vec<Link>) -> Result<(), Error> {
    for state in ["placing", "removing"] {
        let unfinished = bench.catalogue.read(|tx| tx.attachments_of(customer, state))?;
        unfinished.iter().try_for_each(|attachment| go_on(bench, attachment))?;
    }
    let standing = bench.catalogue.read(|tx| tx.attachments_of(customer, "standing"))?;
    let conflicts = bench.catalogue.read(|tx| tx.attachments_of(customer, "conflict"))?;
    let mut standing: BTreeMap<RecordId, Attachment> =
        standing.into_iter().map(|attachment| (attachment.link.record, attachment)).collect();
    for link in &wanted {
        match standing.remove(&link.record) {
            Some(stands) if stands.link.digest == link.digest && stands.link.image == link.image => {
                restate(bench, &stands, link)?;
            }
            stands => place(bench, link, stands.as_ref(), &conflicts)?,
        }
    }
    for stale in standing.into_values() {
        detach(bench, &stale)?;
    }
    let still_wanted = |conflict: &Attachment| {
        wanted.iter().any(|link| link.record == conflict.link.record && link.digest == conflict.link.digest)
    };
    for conflict in conflicts.iter().filter(|conflict| !still_wanted(conflict)) {
        let id = conflict.id;
        bench.catalogue.write(move |tx| tx.attachment_ended(id, None))?;
    }
    Ok(())
}

/// Finishes what a crash or a store that was away left in between: every `placing` and `removing` link.
///
/// # Errors
/// When the catalogue or a store fails.
pub fn finish(bench: &Bench<'_>) -> Result<(), Error> {
    let unfinished = bench.catalogue.read(|tx| tx.attachments_unfinished())?;
    unfinished.iter().try_for_each(|attachment| go_on(bench, attachment))
}

fn go_on(bench: &Bench<'_>, unfinished: &Attachment) -> Result<(), Error> {
    match unfinished.state.as_str() {
        "placing" => publish(bench, unfinished),
        _ => remove(bench, unfinished),
    }
}

fn restate(bench: &Bench<'_>, stands: &Attachment, link: &Link) -> Result<(), Error> {
    if stands.link == *link {
        return Ok(());
    }
    let (id, link) = (stands.id, link.clone());
    Ok(bench.catalogue.write(move |tx| tx.attachment_restated(id, &link))?)
}

fn place(bench: &Bench<'_>, link: &Link, stands: Option<&Attachment>, conflicts: &[Attachment]) -> Result<(), Error> {
    let key = key_of(bench, link)?;
    let known =
        conflicts.iter().find(|conflict| conflict.link.record == link.record && conflict.key == key.to_string());
    if known.is_some_and(|conflict| conflict.link.digest == link.digest) && !is_free(bench, &key, stands)? {
        return Ok(());
    }
    let resolved = known.map(|conflict| conflict.id);
    let (to_place, spelled, replaces) = (link.clone(), key.to_string(), stands.map(|stands| stands.id));
    let placing = bench.catalogue.write::<_, catalogue::Error>(move |tx| {
        if let Some(conflict) = resolved {
            tx.attachment_ended(conflict, None)?;
        }
        let id = tx.attachment_placing(&to_place, &spelled, replaces)?;
        Ok(Attachment { id, link: to_place, state: "placing".into(), key: spelled, replaces })
    })?;
    publish(bench, &placing)
}

/// Puts the bytes of a `placing` link under its key and makes it stand.
fn publish(bench: &Bench<'_>, placing: &Attachment) -> Result<(), Error> {
    let key = parsed(placing)?;
    let replaced = match placing.replaces {
        Some(id) => bench.catalogue.read(|tx| tx.attachment(id))?,
        None => None,
    };
    let ours = replaced.as_ref().filter(|replaced| replaced.key == placing.key).map(|replaced| replaced.link.digest);
    let blob = match bench.blobs.open(placing.link.customer, placing.link.digest) {
        Err(error) if error.is_not_found() => {
            let (id, problem) = (placing.id, error.to_string());
            return Ok(bench.catalogue.write(move |tx| tx.attachment_ended(id, Some(&problem)))?);
        }
        opened => opened?,
    };
    match owner_elsewhere(bench, placing)? {
        Some(problem) => return conflict(bench, placing, problem),
        None => match bench.originals.put(&key, &blob, placing.link.digest, ours, placing.id)? {
            Put::Published => {}
            Put::Occupied(holds) => return conflict(bench, placing, occupied(&key, holds)),
        },
    }
    let stands = placing.clone();
    bench.catalogue.write(move |tx| tx.attachment_standing(&stands))?;
    match replaced {
        Some(replaced) => remove(bench, &replaced),
        None => Ok(()),
    }
}

/// Two records with one key: the second one must not take the first one's place.
fn owner_elsewhere(bench: &Bench<'_>, placing: &Attachment) -> Result<Option<String>, Error> {
    let owner = bench.catalogue.read(|tx| tx.attachment_at(&placing.key))?;
    Ok(owner.filter(|owner| owner.link.record != placing.link.record).map(|_| {
        format!(
            "`{}` is the original of another record too; give one of them its own `original` and import again",
            placing.key
        )
    }))
}

fn conflict(bench: &Bench<'_>, placing: &Attachment, problem: String) -> Result<(), Error> {
    tracing::warn!(record = %placing.link.record, "{problem}");
    let placing = placing.clone();
    Ok(bench.catalogue.write(move |tx| tx.attachment_conflict(&placing, &problem))?)
}

fn occupied(key: &ObjectKey, holds: Holds) -> String {
    match holds {
        Holds::Bytes(digest) => format!(
            "`{key}` holds a file that reunite did not write (SHA-256 {digest}); move it away, and the original takes its place"
        ),
        _ => format!("`{key}` cannot hold an original, since something else lies there; move it away"),
    }
}

/// Whether a key that was a conflict may be tried again.
fn is_free(bench: &Bench<'_>, key: &ObjectKey, stands: Option<&Attachment>) -> Result<bool, Error> {
    let holds = bench.originals.holds(key)?;
    let ours = stands.is_some_and(|stands| stands.key == key.to_string() && holds == Holds::Bytes(stands.link.digest));
    Ok(holds == Holds::Nothing || ours)
}

/// Takes a link away whose evidence no longer holds, or which a person took away.
fn detach(bench: &Bench<'_>, stale: &Attachment) -> Result<(), Error> {
    let removing = stale.clone();
    bench.catalogue.write(move |tx| {
        tx.attachment_removing(&removing, "rule", "what spoke for it no longer holds, or a person decided otherwise")
    })?;
    remove(bench, stale)
}

/// Removes the bytes of a `removing` link, unless the link that took its place uses the same key; the blob stays.
fn remove(bench: &Bench<'_>, removing: &Attachment) -> Result<(), Error> {
    let successor = bench.catalogue.read(|tx| tx.attachment_at(&removing.key))?;
    let gone = successor.is_some() || bench.originals.remove(&parsed(removing)?, removing.link.digest)?;
    let problem = (!gone).then(|| {
        format!("`{}` was changed by another program since it was put back, so it was left there", removing.key)
    });
    let id = removing.id;
    Ok(bench.catalogue.write(move |tx| tx.attachment_ended(id, problem.as_deref()))?)
}

/// The key under which a link's bytes go: the import's, or customer/record with the upload's extension.
fn key_of(bench: &Bench<'_>, link: &Link) -> Result<ObjectKey, Error> {
    let record = link.record;
    let (customer, name, given) = bench.catalogue.read(|tx| tx.key_parts(record))?;
    let upload = link.upload;
    let path = bench.catalogue.read(|tx| tx.upload(upload))?.map(|upload| upload.path).unwrap_or_default();
    Ok(given
        .and_then(|key| ObjectKey::parse(&key).ok())
        .unwrap_or_else(|| ObjectKey::default_for(&customer, &name, extension(&path).as_deref())))
}

/// The extension of an upload's name, lower case, if it looks like one.
fn extension(path: &[u8]) -> Option<String> {
    let name = path.rsplit(|&byte| byte == b'/').next()?;
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&at| at > 0)?;
    let extension = &name[dot + 1..];
    let plain = (1..=8).contains(&extension.len()) && extension.iter().all(u8::is_ascii_alphanumeric);
    plain.then(|| String::from_utf8_lossy(extension).to_lowercase())
}

/// A key that we wrote ourselves, back from the catalogue.
fn parsed(attachment: &Attachment) -> Result<ObjectKey, Error> {
    ObjectKey::parse(&attachment.key).map_err(|bad| Error::Catalogue(catalogue::Error::Damaged(bad.to_string())))
}
