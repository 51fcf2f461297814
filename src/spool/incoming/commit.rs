//! The unit of work that turns a transfer into an upload.

use std::sync::Arc;

use crate::catalogue::{EntryFile, NewUpload, Tx};
use crate::domain::{CustomerId, Digest, Micros, UploadId};
use crate::spool::Endpoint;
use crate::spool::open::Open;
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
pub(super) struct Received {
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
