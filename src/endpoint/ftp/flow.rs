//! Bytes between a data connection and the spool, in both directions, in large blocks: while one block is written to the
//! disk, the next is read from the network, and the other way round.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::origin::Origin;
use super::passive::NoData;
use super::wire::Wire;
use crate::catalogue;
use crate::domain::UploadId;
use crate::endpoint::tls::DataTls;
use crate::endpoint::{blocking, joined};
use crate::spool::Incoming;
use crate::tree::TreeError;

/// Bytes of one block; a transfer holds two at most. See the spool's, why not more.
const BLOCK_BYTES: usize = 128 << 10;

/// From so many bytes on, blocks are larger: each costs two threads a wake-up, and there are few such transfers at a time.
const LONG_FROM_BYTES: u64 = 32 << 20;

/// Bytes of one block of a long transfer.
const LONG_BLOCK_BYTES: usize = 256 << 10;

/// How long a data connection in TLS may take to close after its last byte.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// What the control connection says to a running transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Go,
    /// The control connection is gone, without QUIT.
    Gone,
    /// ABOR.
    Abort,
}

/// How a transfer ended.
#[derive(Debug)]
pub(super) enum Ended<T> {
    /// Whole; of an upload, durable.
    Done(T),
    /// It never began.
    NoData(NoData),
    /// The data connection broke.
    Broken(io::Error),
    /// Nothing moved for too long.
    Stalled,
    /// The control connection ended it.
    Stopped(Signal),
    /// Tree, spool or disk failed.
    Fault(TreeError),
}

/// When a client begins TLS on a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsBegins {
    /// By itself, with the connection.
    AtOnce,
    /// When it is invited to send.
    WhenInvited,
}

/// Everything about a transfer's data connection.
pub(super) struct Data {
    pub(super) origin: Origin,
    pub(super) peer: IpAddr,
    pub(super) tls: Option<DataTls>,
    /// How long the client may keep its TLS back before it is invited to send.
    pub(super) patience: Duration,
    /// Says that the client is to be invited (150), and whether it has waited for that with its TLS.
    pub(super) invite: oneshot::Sender<TlsBegins>,
    pub(super) wait_max: Duration,
    pub(super) stall_max: Duration,
    pub(super) signal: watch::Receiver<Signal>,
    /// Bytes moved so far.
    pub(super) moved: Arc<AtomicU64>,
}

/// An open data connection.
struct Stream {
    wire: Wire,
    stall_max: Duration,
    signal: watch::Receiver<Signal>,
    moved: Arc<AtomicU64>,
}

/// Why a block is not full, or that it is.
enum Filled {
    Full,
    End,
    Broken(io::Error),
    Stalled,
    Aborted,
}

impl Data {
    async fn open<T>(mut self) -> Result<Stream, Ended<T>> {
        let (peer, tls, wait) = (self.peer, self.tls.as_ref(), self.wait_max);
        let wire = tokio::select! {
            // A connection that has come counts, even if the control connection has gone since.
            biased;
            wire = self.origin.open(peer, tls, wait, self.patience, self.invite) => wire.map_err(Ended::NoData)?,
            signal = stopped(&mut self.signal) => return Err(Ended::Stopped(signal)),
        };
        Ok(Stream { wire, stall_max: self.stall_max, signal: self.signal, moved: self.moved })
    }
}

/// Resolves once the control connection says anything but go on.
async fn stopped(signal: &mut watch::Receiver<Signal>) -> Signal {
    match signal.wait_for(|signal| *signal != Signal::Go).await {
        Ok(signal) => *signal,
        // The session that would say it is gone itself.
        Err(_) => Signal::Gone,
    }
}

async fn aborted(signal: &mut watch::Receiver<Signal>) {
    if signal.wait_for(|signal| *signal == Signal::Abort).await.is_err() {
        // Nobody is left who could abort; the session's own end drops this transfer.
        std::future::pending::<()>().await;
    }
}

/// Receives what comes on the data connection into the spool, to the acknowledgeable end.
pub(super) async fn receive(incoming: Incoming, data: Data) -> Ended<UploadId> {
    let mut stream = match data.open().await {
        Ok(stream) => stream,
        Err(ended) => {
            log_fault(blocking(move || incoming.abandon()).await);
            return ended;
        }
    };
    let mut disk = Disk::Idle(Box::new(incoming), Vec::new());
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    loop {
        let filled = stream.fill(&mut block).await;
        let (incoming, spare) = match disk.idle().await {
            Ok(idle) => idle,
            Err(fault) => return Ended::Fault(fault),
        };
        let ended = match filled {
            Filled::Full => {
                disk = Disk::Writing(spawn_blocking(move || {
                    let incoming = write(incoming, &block)?;
                    block.clear();
                    Ok((incoming, block))
                }));
                block = spare;
                continue;
            }
            Filled::End if stream.is_left_alone().await => Ended::Stopped(Signal::Gone),
            Filled::End => {
                let finished = finish(incoming, block);
                stream.close().await;
                return finished.await.map_or_else(Ended::Fault, Ended::Done);
            }
            Filled::Broken(error) => Ended::Broken(error),
            Filled::Stalled => Ended::Stalled,
            Filled::Aborted => Ended::Stopped(Signal::Abort),
        };
        log_fault(blocking(move || write(incoming, &block)?.interrupt()).await);
        return ended;
    }
}

/// The side of an upload that is on the disk.
enum Disk {
    /// With the block that can be filled next.
    Idle(Box<Incoming>, Vec<u8>),
    Writing(JoinHandle<Result<(Incoming, Vec<u8>), TreeError>>),
}

impl Disk {
    async fn idle(self) -> Result<(Incoming, Vec<u8>), TreeError> {
        match self {
            Disk::Idle(incoming, spare) => Ok((*incoming, spare)),
            Disk::Writing(work) => joined(work).await,
        }
    }
}

/// Takes the last block in and lets the file become an upload, which begins at once. A small file costs the runtime its digest;
/// a long one goes on beside it.
fn finish(incoming: Incoming, block: Vec<u8>) -> impl Future<Output = Result<UploadId, TreeError>> {
    let (tell, told) = oneshot::channel();
    let is_small = incoming.is_small_with(block.len());
    let last = move || match write(incoming, &block) {
        // Nobody is told when the session is gone, and the file is kept all the same.
        Ok(incoming) => incoming.finish_then(move |outcome| drop(tell.send(outcome))),
        Err(fault) => drop(tell.send(Err(fault))),
    };
    let beside = if is_small {
        last();
        None
    } else {
        Some(spawn_blocking(last))
    };
    async {
        if let Some(beside) = beside {
            joined(beside).await;
        }
        told.await.unwrap_or_else(|_| Err(catalogue::Error::Closing.into()))
    }
}

/// Writes a block. After a failure the transfer is over, and what is to stay of it stays.
fn write(mut incoming: Incoming, block: &[u8]) -> Result<Incoming, TreeError> {
    match incoming.write(block) {
        Ok(()) => Ok(incoming),
        Err(fault) => {
            log_fault(incoming.interrupt());
            Err(fault)
        }
    }
}

fn log_fault(result: Result<(), TreeError>) {
    if let Err(fault) = result {
        tracing::error!("cannot put away an interrupted transfer: {fault}");
    }
}

impl Stream {
    /// Reads until the block is full or nothing more comes.
    async fn fill(&mut self, block: &mut Vec<u8>) -> Filled {
        let is_long = self.moved.load(Ordering::Relaxed) >= LONG_FROM_BYTES;
        let full = if is_long { LONG_BLOCK_BYTES } else { BLOCK_BYTES };
        block.reserve_exact(full - block.len());
        while block.len() < full {
            let read = tokio::select! {
                biased;
                () = aborted(&mut self.signal) => return Filled::Aborted,
                read = timeout(self.stall_max, self.wire.read_buf(block)) => read,
            };
            match read {
                Ok(Ok(0)) => return Filled::End,
                Ok(Ok(count)) => {
                    self.moved.fetch_add(count as u64, Ordering::Relaxed);
                }
                Ok(Err(error)) => return Filled::Broken(error),
                Err(_) => return Filled::Stalled,
            }
        }
        Filled::Full
    }

    /// Whether the control connection has died with the data connection: a killed client closes both at the same moment,
    /// and its file is not whole. A turn of the runtime lets the session see that.
    async fn is_left_alone(&self) -> bool {
        tokio::task::yield_now().await;
        *self.signal.borrow() == Signal::Gone
    }

    /// Ends TLS and TCP from our side, and waits a moment for the other side's end: closing a socket with unread bytes would
    /// send a reset, which may overtake what was sent before. That moment costs the client nothing, it passes beside.
    async fn close(mut self) {
        // The other end may have closed already, which is as good.
        let ended = timeout(self.stall_max.min(CLOSE_MAX), self.wire.shutdown()).await;
        if matches!(ended, Ok(Ok(()))) && matches!(self.wire, Wire::Tls(_)) {
            tokio::spawn(async move {
                let mut rest = [0; 1024];
                let drain = async { while matches!(self.wire.read(&mut rest).await, Ok(1..)) {} };
                if timeout(CLOSE_MAX, drain).await.is_err() {
                    tracing::debug!("a data connection was not closed by its client");
                }
            });
        }
    }

    async fn send<T>(&mut self, mut bytes: &[u8]) -> Result<(), Ended<T>> {
        while !bytes.is_empty() {
            let wrote = tokio::select! {
                biased;
                signal = stopped(&mut self.signal) => return Err(Ended::Stopped(signal)),
                wrote = timeout(self.stall_max, self.wire.write(bytes)) => wrote,
            };
            match wrote {
                Ok(Ok(0)) => return Err(Ended::Broken(io::ErrorKind::WriteZero.into())),
                Ok(Ok(count)) => {
                    self.moved.fetch_add(count as u64, Ordering::Relaxed);
                    bytes = &bytes[count..];
                }
                Ok(Err(error)) => return Err(Ended::Broken(error)),
                Err(_) => return Err(Ended::Stalled),
            }
        }
        Ok(())
    }

    /// What TLS still holds goes out, then the end.
    async fn end(mut self) -> Ended<()> {
        match timeout(self.stall_max, self.wire.flush()).await {
            Ok(Ok(())) => {
                self.close().await;
                Ended::Done(())
            }
            Ok(Err(error)) => Ended::Broken(error),
            Err(_) => Ended::Stalled,
        }
    }
}

/// Sends bytes that are at hand: a listing.
pub(super) async fn send_bytes(bytes: Vec<u8>, data: Data) -> Ended<()> {
    let sent = async {
        let mut stream = data.open().await?;
        stream.send(&bytes).await?;
        Ok(stream)
    };
    match sent.await {
        Ok(stream) => stream.end().await,
        Err(ended) => ended,
    }
}

/// Sends a file from `offset` to its end.
pub(super) async fn send_file(file: File, offset: u64, data: Data) -> Ended<()> {
    match send_blocks(file, offset, data).await {
        Ok(stream) => stream.end().await,
        Err(ended) => ended,
    }
}

async fn send_blocks(mut file: File, offset: u64, data: Data) -> Result<Stream, Ended<()>> {
    let mut stream = data.open().await?;
    let fault = |source| Ended::Fault(TreeError::io("read", "a received file", source));
    let mut next = spawn_blocking(move || {
        file.seek(SeekFrom::Start(offset))?;
        read_block(file)
    });
    loop {
        let (file, block) = joined(next).await.map_err(fault)?;
        if block.is_empty() {
            return Ok(stream);
        }
        next = spawn_blocking(move || read_block(file));
        stream.send(&block).await?;
    }
}

fn read_block(mut file: File) -> io::Result<(File, Vec<u8>)> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    file.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
    Ok((file, block))
}
