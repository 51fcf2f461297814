//! Bytes from a request's body to the spool: while one block is written to the disk, the next is read from the network.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::protocol::Checksum;
use crate::domain::UploadId;
use crate::endpoint::{blocking, joined};
use crate::spool::Incoming;
use crate::tree::TreeError;

/// Bytes that are gathered for one write; a transfer holds two such blocks at most, and what the last part of each is over it.
const BLOCK_BYTES: usize = 128 << 10;

/// What a request may bring.
pub(super) struct Limits {
    /// Bytes at most.
    pub(super) left: u64,
    /// How long it may bring nothing.
    pub(super) stall_max: Duration,
    /// With how many bytes the file is whole; nothing = with the end of what comes.
    pub(super) whole: Option<u64>,
    /// What the bytes of the request are to be, if it says that.
    pub(super) checksum: Option<Checksum>,
}

/// How a request ended. Of all but the first, what came and could be trusted is kept as a partial.
#[derive(Debug)]
pub(super) enum Ended {
    /// The file is whole, and durable.
    Whole(UploadId),
    /// It ended before the file does; so much of the file is here.
    Part(u64),
    /// It would bring more than the file has.
    TooLong,
    /// It brought other bytes than it said.
    Mismatch,
    /// The connection broke.
    Broken(String),
    /// Nothing came for too long.
    Stalled,
    /// It was asked to leave.
    Left,
}

/// What ended the reading.
enum End {
    Done,
    TooLong,
    Broken(String),
    Stalled,
    Left,
}

/// Receives a body into the spool. `leave` resolves when it has to end early.
pub(super) async fn receive<S, E>(
    incoming: Incoming,
    mut body: S,
    mut limits: Limits,
    leave: impl Future<Output = ()>,
) -> Result<Ended, TreeError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    let (begin, mut came) = (incoming.size(), 0_u64);
    let mut disk = Disk::Idle(Box::new(incoming));
    let (mut block, mut gathered) = (Vec::new(), 0);
    tokio::pin!(leave);
    let end = loop {
        let next = tokio::select! {
            biased;
            () = &mut leave => break End::Left,
            next = timeout(limits.stall_max, body.next()) => next,
        };
        let part = match next {
            Ok(Some(Ok(part))) => part,
            Ok(Some(Err(error))) => break End::Broken(error.to_string()),
            Ok(None) => break End::Done,
            Err(_) => break End::Stalled,
        };
        came += part.len() as u64;
        if came > limits.left {
            break End::TooLong;
        }
        if let Some(checksum) = &mut limits.checksum {
            checksum.update(&part);
        }
        gathered += part.len();
        block.push(part);
        if gathered >= BLOCK_BYTES {
            let incoming = disk.idle().await?;
            disk = Disk::write(incoming, std::mem::take(&mut block));
            gathered = 0;
        }
    };
    let incoming = disk.idle().await?;
    let trusted = matches!(end, End::Done) && limits.checksum.as_ref().is_none_or(Checksum::holds);
    if trusted && limits.whole.is_none_or(|whole| came == whole) {
        return blocking(move || write(incoming, &block)?.finish()).await.map(Ended::Whole);
    }
    // Bytes with a checksum count only together.
    let back = limits.checksum.is_some() && !trusted;
    let size = blocking(move || {
        let mut incoming = write(incoming, &block)?;
        if back {
            incoming.set_size(begin)?;
        }
        let size = incoming.size();
        incoming.interrupt().map(|()| size)
    })
    .await?;
    Ok(match end {
        End::Done if back => Ended::Mismatch,
        End::Done => Ended::Part(size),
        End::TooLong => Ended::TooLong,
        End::Broken(text) => Ended::Broken(text),
        End::Stalled => Ended::Stalled,
        End::Left => Ended::Left,
    })
}

/// The side of a transfer that is on the disk.
enum Disk {
    Idle(Box<Incoming>),
    Writing(JoinHandle<Result<Box<Incoming>, TreeError>>),
}

impl Disk {
    fn write(incoming: Box<Incoming>, block: Vec<Bytes>) -> Self {
        Disk::Writing(spawn_blocking(move || write(incoming, &block)))
    }

    async fn idle(self) -> Result<Box<Incoming>, TreeError> {
        match self {
            Disk::Idle(incoming) => Ok(incoming),
            Disk::Writing(work) => joined(work).await,
        }
    }
}

/// Writes a block. After a failure the transfer is over, and what is to stay of it stays.
fn write(mut incoming: Box<Incoming>, block: &[Bytes]) -> Result<Box<Incoming>, TreeError> {
    for part in block {
        if let Err(fault) = incoming.write(part) {
            if let Err(second) = incoming.interrupt() {
                tracing::error!("cannot put away an interrupted transfer: {second}");
            }
            return Err(fault);
        }
    }
    Ok(incoming)
}
