//! The unit of work that turns a transfer into an upload.

use std::sync::Arc;

use crate::catalogue::{EntryFile, NewUpload, Tx};
use crate::domain::{CustomerId, Digest, Micros, UnknownWord, UploadId};
use crate::spool::journal::Facts;
use crate::spool::open::Open;
use crate::spool::{Endpoint, Spool};
use crate::tree::{TreeError, TreePath, place};

/// Whether the name stands for something newer than a transfer begun at `started_at`: the connection of that one hung, and
/// its client has long sent the file again.
pub(super) fn is_superseded(
    tx: &Tx<'_>,
    customer: CustomerId,
    path: &TreePath,
    started_at: Micros,
) -> Result<bool, TreeError> {
    let Some(entry) = place::find(tx, customer, path)? else { return Ok(false) };
    let upload = entry.upload.map_or(Ok(None), |upload| tx.upload(upload))?;
    let partial = entry.partial.map_or(Ok(None), |(partial, _)| tx.partial(partial))?;
    Ok(upload.is_some_and(|upload| upload.received_at >= started_at)
        || partial.is_some_and(|partial| partial.started_at >= started_at))
}

/// What the unit of work that completes a transfer needs to know.
pub(in crate::spool) struct Received {
    pub(super) customer: CustomerId,
    pub(super) path: TreePath,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) mtime: Option<Micros>,
    pub(super) endpoint: &'static str,
    pub(super) started_at: Micros,
    pub(super) spool_file: String,
    pub(super) node: String,
    pub(super) open: Arc<Open>,
    pub(super) held_seconds: i64,
}

impl Received {
    /// What the journal is to know of it.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            customer: self.customer,
            path: self.path.to_bytes(),
            sha256: self.digest.0,
            mtime: self.mtime.map(|mtime| mtime.0),
            endpoint: self.endpoint.to_owned(),
            started_at: self.started_at.0,
            spool_file: self.spool_file.clone(),
            nameless: self.open.is_nameless(),
        }
    }

    /// What the journal knows of a file of `size` bytes, for its row to be made after a loss of power.
    pub(in crate::spool) fn again(spool: &Spool, facts: &Facts, size: u64) -> Result<Received, TreeError> {
        let path = TreePath::resolve(&TreePath::root(), &facts.path)?;
        let mtime = facts.mtime.map(Micros);
        let open = Open::new(facts.customer, path.clone(), mtime, None);
        if facts.nameless {
            open.lose_name(&path);
        }
        let endpoint: Endpoint = facts.endpoint.parse().map_err(|word: UnknownWord| {
            TreeError::io("read the journal of", &spool.folder, std::io::Error::other(word.to_string()))
        })?;
        Ok(Received {
            customer: facts.customer,
            path,
            size,
            digest: Digest(facts.sha256),
            mtime,
            endpoint: endpoint.word(),
            started_at: facts.started_at(),
            spool_file: facts.spool_file.clone(),
            node: spool.settings.node.clone(),
            open: Arc::new(open),
            held_seconds: spool.settings.held_seconds,
        })
    }

    /// [`Received::commit`] for a file with the record `number` in the journal.
    pub(in crate::spool) fn commit_recorded(self, tx: &Tx<'_>, number: u64) -> Result<UploadId, TreeError> {
        let node = self.node.clone();
        let upload = self.commit(tx)?;
        tx.journal_apply(&node, number)?;
        Ok(upload)
    }

    /// Notes the upload, lets the tree show it, and forgets the partial that it was.
    pub(super) fn commit(mut self, tx: &Tx<'_>) -> Result<UploadId, TreeError> {
        let partial = self.open.partial();
        if let Some(partial) = partial {
            // Whoever renamed the entry meanwhile renamed this transfer.
            if let Some(entry) = tx.entry_of_partial(partial)? {
                self.path = TreePath::from_parts(tx.entry_names(&entry)?);
            }
        }
        // What lies on this machine already is not being written under a client's temporary name.
        let lay_here = [Endpoint::Scan, Endpoint::Inbox].map(Endpoint::word).contains(&self.endpoint);
        let temporary = !lay_here && self.path.name().is_some_and(crate::tree::is_temporary);
        let held_until = temporary.then(|| Micros::now().plus_seconds(self.held_seconds));
        let upload = tx.upload_add(&NewUpload {
            customer: self.customer,
            path: &self.path.to_bytes(),
            size: self.size,
            sha256: self.digest,
            mtime: self.mtime,
            endpoint: self.endpoint,
            started_at: self.started_at,
            truncated: false,
            held_until,
            spool_file: &self.spool_file,
            node: &self.node,
        })?;
        if !self.open.is_nameless() {
            let file = EntryFile::Upload(upload, self.size);
            place::show(tx, self.customer, &self.path, file, self.mtime.unwrap_or_else(Micros::now))?;
        }
        if let Some(partial) = partial {
            tx.partial_remove(partial)?;
        }
        let text = format!("`{}` was received over {}, {} bytes", self.path, self.endpoint, self.size);
        tx.event("received", Some(self.customer), None, Some(upload), "customer", &text)?;
        Ok(upload)
    }
}
