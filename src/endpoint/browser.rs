//! The browser as a way in: tus 1.0, which goes on where a cut connection, a reload or a restart left off, and plain forms.
//!
//! A file is a row of `browser_transfers` from the first word about it, its bytes are a transfer of the spool like those of any
//! other endpoint, and the request that brings the last of them is answered 204 only when the upload is durable. Requests come
//! here with the customer already known: who asks, and whether the page that asks is ours, is the business of `web`.

mod forms;
mod protocol;
mod running;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::sync::watch;

use super::blocking;
use crate::catalogue::{self, BrowserTransfer, Catalogue, NewBrowserTransfer};
use crate::domain::{CustomerId, Micros, TransferId, UploadId};
use crate::spool::{Endpoint, Incoming, Spool, Start};
use crate::tree::{OverQuota, Tree, TreeError, TreePath};
pub use forms::FormFault;
use protocol::{Checksum, Refusal};
use running::{Claim, Running};
use stream::{Ended, Limits};

/// Transfers that one customer may have begun and not ended; a browser has a few at a time.
const OPEN_MAX: i64 = 10_000;

/// How long what became of a file can still be asked for.
const ENDED_SECONDS: i64 = 24 * 3600;

/// What an operator may set about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a request may bring nothing.
    pub stall_max: Duration,
    /// How long a request may go on once the server stops; what came by then is kept, and the page goes on with it later.
    pub drain_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { stall_max: Duration::from_secs(120), drain_max: Duration::from_secs(3) }
    }
}

/// Receives what browsers send.
pub struct Browser {
    catalogue: Arc<Catalogue>,
    spool: Arc<Spool>,
    settings: Settings,
    running: Running,
    stopping: watch::Receiver<bool>,
}

impl Browser {
    /// Over these, until `stopping` says true.
    pub fn new(
        catalogue: Arc<Catalogue>,
        spool: Arc<Spool>,
        settings: Settings,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Browser { catalogue, spool, settings, running: Running::default(), stopping })
    }

    /// OPTIONS: what is spoken here.
    pub fn options(&self) -> Response {
        protocol::options(self.spool.settings().file_bytes_max)
    }

    /// POST: a customer's browser is about to send a file. With the key `resume` in its metadata, what is here of the same file (by
    /// path, length and time) is gone on with, or is it already if it is whole; its offset stands in the answer. `address` makes
    /// the place at which the transfer is then spoken to.
    pub async fn begin(
        self: &Arc<Self>,
        customer: CustomerId,
        headers: &HeaderMap,
        address: impl FnOnce(TransferId) -> String,
    ) -> Response {
        let begun = async {
            protocol::version(headers)?;
            let length = protocol::length(headers)?;
            let (metadata, about) = protocol::metadata(headers)?;
            let path = TreePath::resolve(&TreePath::root(), &about.path).map_err(TreeError::from)?;
            let (this, mtime, resume) = (Arc::clone(self), about.mtime, about.resume);
            blocking(move || this.begin_now(customer, &path, length, mtime, &metadata, resume)).await
        };
        match begun.await {
            Ok((id, offset)) => protocol::begun(&address(id), offset, self.expires()),
            Err(refusal) => refusal.answer(),
        }
    }

    fn begin_now(
        self: &Arc<Self>,
        customer: CustomerId,
        path: &TreePath,
        length: u64,
        mtime: Option<Micros>,
        metadata: &str,
        resume: bool,
    ) -> Result<(TransferId, u64), Refusal> {
        if path.is_root() {
            return Err(Refusal::asked("a file needs a name: `filename` in Upload-Metadata"));
        }
        let (spool, bytes) = (&self.spool, path.to_bytes());
        let bytes_max = spool.settings().file_bytes_max;
        if length > bytes_max {
            return Err(TreeError::TooLarge { path: path.clone(), bytes_max }.into());
        }
        let new = NewBrowserTransfer { customer, path: &bytes, length, mtime, metadata };
        if resume && let Some(before) = self.catalogue.read(|tx| tx.browser_transfer_of(&new))? {
            let offset = self.offset(&before)?;
            return Ok((before.id, offset));
        }
        let whole = if resume { self.whole_at(customer, path, length, mtime)? } else { None };
        if whole.is_none() {
            self.require_room(customer, length)?;
        }
        let (owned, metadata) = (bytes.clone(), metadata.to_owned());
        let id = self.catalogue.write_redoable(move |tx| -> Result<_, Refusal> {
            if tx.browser_transfers_open(customer)? >= OPEN_MAX {
                return Err(Refusal::too_many());
            }
            let new = NewBrowserTransfer { customer, path: &owned, length, mtime, metadata: &metadata };
            let id = tx.browser_transfer_add(&new)?;
            if let Some(upload) = whole {
                tx.browser_transfer_done(id, upload)?;
            }
            Ok(id)
        })?;
        if whole.is_none() && length == 0 {
            // There is nothing to wait for.
            let mut incoming = self.spool.begin(customer, path, Endpoint::Web, Start::New)?;
            mtime.into_iter().for_each(|mtime| incoming.set_mtime(mtime));
            let upload = incoming.finish()?;
            self.catalogue.write_redoable(move |tx| tx.browser_transfer_done(id, upload))?;
        }
        Ok((id, if whole.is_some() { length } else { 0 }))
    }

    /// The upload that is this very file: the same path, length and time. Times that were sent over FTP have whole seconds.
    fn whole_at(
        &self,
        customer: CustomerId,
        path: &TreePath,
        length: u64,
        mtime: Option<Micros>,
    ) -> Result<Option<UploadId>, Refusal> {
        let tree = Tree::new(Arc::clone(&self.catalogue), Arc::clone(&self.spool), customer);
        let entry = match tree.stat(path) {
            Ok(entry) => entry,
            Err(TreeError::NotFound(_)) => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        let same =
            !entry.partial && entry.size == length && mtime.is_some_and(|m| m.seconds() == entry.mtime.seconds());
        Ok(entry.upload.filter(|_| same))
    }

    /// Refuses what its owner has no room for before it is sent.
    fn require_room(&self, customer: CustomerId, length: u64) -> Result<(), Refusal> {
        let room = self.spool.room(customer)?;
        match (room.bytes, room.files) {
            (_, Some(0)) => Err(TreeError::from(OverQuota::Files(0)).into()),
            (Some(bytes), _) if length > bytes => Err(Refusal::no_room(bytes)),
            _ => Ok(()),
        }
    }

    /// HEAD: how much of a file is here. A request that is bringing it ends by this: whoever asks wants to go on.
    pub async fn offset_of(self: &Arc<Self>, id: TransferId, headers: &HeaderMap) -> Response {
        let asked = async {
            protocol::version(headers)?;
            let _claim = self.running.claim(id).await?;
            let this = Arc::clone(self);
            blocking(move || {
                let transfer = this.transfer(id)?;
                let offset = this.offset(&transfer)?;
                Ok::<_, Refusal>((transfer, offset))
            })
            .await
        };
        match asked.await {
            Ok((transfer, offset)) => protocol::offset_of(&transfer, offset, self.expires()),
            Err(refusal) => refusal.answer(),
        }
    }

    /// PATCH: bytes of a file, from an offset on. 204 when all that the request brought is on the disk; with the last byte of the
    /// file it says that the upload is received and kept.
    pub async fn receive(self: &Arc<Self>, id: TransferId, headers: &HeaderMap, body: Body) -> Response {
        let (this, headers) = (Arc::clone(self), headers.clone());
        // In a task of its own: when the connection breaks, whoever asked is dropped, and what came is to be kept all the same.
        let received = tokio::spawn(async move { this.receive_now(id, &headers, body).await });
        match super::joined(received).await {
            Ok(offset) => protocol::received(offset, self.expires()),
            Err(refusal) => refusal.answer(),
        }
    }

    async fn receive_now(self: &Arc<Self>, id: TransferId, headers: &HeaderMap, body: Body) -> Result<u64, Refusal> {
        protocol::version(headers)?;
        if headers.get(CONTENT_TYPE).is_none_or(|kind| kind != protocol::OFFSET_STREAM) {
            return Err(Refusal::media_type());
        }
        let (offset, checksum) = (protocol::offset(headers)?, Checksum::asked(headers)?);
        let mut claim = self.running.claim(id).await?;
        let this = Arc::clone(self);
        let opened = blocking(move || this.open(id, offset)).await?;
        let Some((transfer, incoming)) = opened else { return Ok(offset) };
        let left = transfer.length - offset;
        let announced = headers.get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > left) {
            blocking(move || keep(incoming, offset)).await?;
            return Err(Refusal::too_long(transfer.length));
        }
        let limits = Limits { left, stall_max: self.settings.stall_max, whole: Some(left), checksum };
        let ended = stream::receive(incoming, body.into_data_stream(), limits, self.leave(&mut claim)).await;
        match ended? {
            Ended::Whole(upload) => {
                let catalogue = Arc::clone(&self.catalogue);
                // The upload itself is durable; without this row it would be found by path, length and time.
                let noted = blocking(move || catalogue.write_redoable(move |tx| tx.browser_transfer_done(id, upload)));
                if let Err(error) = noted.await {
                    tracing::error!(
                        "upload {upload} is kept, but its browser's transfer {id} could not be ended: {error}"
                    );
                }
                Ok(transfer.length)
            }
            Ended::Part(offset) => Ok(offset),
            Ended::TooLong => Err(Refusal::too_long(transfer.length)),
            Ended::Mismatch => Err(Refusal::mismatch()),
            Ended::Broken(text) => Err(Refusal::broken(&text)),
            Ended::Stalled => Err(Refusal::stalled(self.settings.stall_max)),
            Ended::Left => Err(Refusal::busy()),
        }
    }

    /// Resolves when a running request has to end: another one wants to go on with the same file, or the server stops.
    async fn leave(&self, claim: &mut Claim<'_>) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = claim.wanted() => {}
            () = async {
                // A sender that is gone means the same as one that says it.
                let _ = stopping.wait_for(|stop| *stop).await;
                tokio::time::sleep(self.settings.drain_max).await;
            } => {}
        }
    }

    /// The spool's end of a transfer, standing at `offset`; nothing if the file is whole there.
    fn open(&self, id: TransferId, offset: u64) -> Result<Option<(BrowserTransfer, Incoming)>, Refusal> {
        let transfer = self.transfer(id)?;
        let here = self.offset(&transfer)?;
        if here != offset {
            return Err(Refusal::other_offset(here));
        }
        if transfer.upload.is_some() {
            return Ok(None);
        }
        let resumed = match &transfer.spool_file {
            Some(file) => self.spool.resume(transfer.customer, file, Endpoint::Web)?,
            None => None,
        };
        let mut incoming = match resumed {
            Some(incoming) => incoming,
            None => {
                let path = TreePath::resolve(&TreePath::root(), &transfer.path).map_err(TreeError::from)?;
                self.spool.begin(transfer.customer, &path, Endpoint::Web, Start::New)?
            }
        };
        if incoming.size() != offset {
            let here = incoming.size();
            keep(incoming, here)?;
            return Err(Refusal::other_offset(here));
        }
        if let Some(mtime) = transfer.mtime {
            incoming.set_mtime(mtime);
        }
        let file = incoming.spool_file().to_owned();
        self.catalogue.write_redoable(move |tx| tx.browser_transfer_goes_on(id, &file))?;
        Ok(Some((transfer, incoming)))
    }

    /// DELETE: what came of a file is not wanted. A file that was received whole is kept all the same.
    pub async fn end(self: &Arc<Self>, id: TransferId, headers: &HeaderMap) -> Response {
        let ended = async {
            protocol::version(headers)?;
            let _claim = self.running.claim(id).await?;
            let this = Arc::clone(self);
            blocking(move || {
                let transfer = this.transfer(id)?;
                if let Some(file) = transfer.spool_file.as_deref().filter(|_| transfer.upload.is_none()) {
                    this.spool.drop_partial(transfer.customer, file)?;
                }
                Ok::<_, Refusal>(this.catalogue.write(move |tx| tx.browser_transfer_remove(id))?)
            })
            .await
        };
        match ended.await {
            Ok(()) => protocol::empty(StatusCode::NO_CONTENT),
            Err(refusal) => refusal.answer(),
        }
    }

    /// What of a customer's files is here without its end, the newest first: the transfers, with the bytes of each. A request may be
    /// bringing the rest of one right now.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn unfinished(&self, customer: CustomerId, max: i64) -> Result<Vec<(BrowserTransfer, u64)>, TreeError> {
        let rows = self.catalogue.read(|tx| tx.browser_transfers_unfinished(customer, max))?;
        let with_size = |row: BrowserTransfer| {
            let size = row.spool_file.as_ref().map_or(0, |file| self.spool.length_of(file));
            (row, size)
        };
        Ok(rows.into_iter().map(with_size).filter(|(_, size)| *size > 0).collect())
    }

    /// Forgets transfers that nobody can go on with any more; returns how many. To be called now and then, behind
    /// [`Spool::give_up_old_partials`].
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn forget_old(&self, now: Micros) -> Result<usize, catalogue::Error> {
        let (ended, touched) = (now.plus_seconds(-ENDED_SECONDS), now.plus_seconds(-self.keep_seconds()));
        self.catalogue.write_redoable(move |tx| tx.browser_transfers_forget(ended, touched))
    }

    fn transfer(&self, id: TransferId) -> Result<BrowserTransfer, Refusal> {
        self.catalogue.read(|tx| tx.browser_transfer(id))?.ok_or(Refusal::gone())
    }

    /// How much of it is here, while no request brings more.
    fn offset(&self, transfer: &BrowserTransfer) -> Result<u64, Refusal> {
        match (&transfer.upload, &transfer.spool_file) {
            (Some(_), _) => Ok(transfer.length),
            (None, Some(file)) => Ok(self.spool.partial_size(transfer.customer, file)?.unwrap_or(0)),
            (None, None) => Ok(0),
        }
    }

    fn keep_seconds(&self) -> i64 {
        self.spool.settings().partial_seconds
    }

    fn expires(&self) -> Micros {
        Micros::now().plus_seconds(self.keep_seconds())
    }
}

/// Puts a transfer away of which nothing came now; a new one leaves nothing.
fn keep(incoming: Incoming, offset: u64) -> Result<(), TreeError> {
    if offset == 0 { incoming.abandon() } else { incoming.interrupt() }
}
