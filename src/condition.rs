//! What operators look at: whether the server can do its work, and in what numbers it does it.
//!
//! Owns what counts as trouble, and the numbers for monitoring. Looks at the catalogue, the stores, the disk, the pipeline's
//! children and the connections, and changes none of them. Who may read it is the business of `web`.

mod incidents;
mod metrics;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::catalogue::{self, Catalogue};
use crate::domain::Micros;
use crate::endpoint::limits::Connections;
use crate::pipeline::Pipeline;
use crate::spool::Spool;
use crate::tree::TreeError;

pub use incidents::watch;
use metrics::Kept;

/// How long the oldest undecided upload may stay the same before the pipeline counts as stuck.
const STUCK: Duration = Duration::from_secs(15 * 60);

/// How long a program of the shop may fail to take what waits for it before that counts as trouble: a restart of it is none.
const UNTOLD: Duration = Duration::from_secs(5 * 60);

/// A running server, as far as it is looked at.
pub struct Condition {
    catalogue: Arc<Catalogue>,
    spool: Arc<Spool>,
    pipeline: Arc<Pipeline>,
    connections: Arc<Connections>,
    kept: Kept,
    /// The oldest undecided upload, and since when it has been that.
    oldest: Mutex<Option<(Micros, Instant)>>,
}

/// Why the condition cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// The system does not tell how full the disk is.
    #[error(transparent)]
    Disk(#[from] TreeError),
}

/// Something that keeps the server from a part of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The catalogue cannot be read: nothing can be received or shown.
    Catalogue,
    /// Less is free than must stay free: new transfers are refused.
    DiskLow,
    /// What was received waits in the spool.
    BlobsAway,
    /// Originals are not put back.
    OriginalsAway,
    /// Nothing is decided any more, although something waits.
    Stuck,
    /// A program of the shop does not take what it is to be told.
    WebhookFails,
}

/// The machine in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes that may still be written to the disk of the spool.
    pub free: u64,
    /// Bytes of that disk.
    pub total: u64,
    /// Bytes that must stay free.
    pub min_free: u64,
    /// Connections of FTP and SFTP.
    pub connections: usize,
    /// Processes that read pictures now.
    pub children: usize,
    /// Such processes that died or had to be killed.
    pub deaths: u64,
}

impl Trouble {
    /// Every kind there is.
    pub const ALL: [Trouble; 6] = [
        Trouble::Catalogue,
        Trouble::DiskLow,
        Trouble::BlobsAway,
        Trouble::OriginalsAway,
        Trouble::Stuck,
        Trouble::WebhookFails,
    ];

    /// The word for this in metrics and in the history of incidents.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Catalogue => "catalogue",
            Trouble::DiskLow => "disk_low",
            Trouble::BlobsAway => "blobs_away",
            Trouble::OriginalsAway => "originals_away",
            Trouble::Stuck => "stuck",
            Trouble::WebhookFails => "webhook_fails",
        }
    }

    /// What it is, in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Trouble::Catalogue => "The catalogue cannot be read",
            Trouble::DiskLow => "The disk is nearly full",
            Trouble::BlobsAway => "The store of received files is away",
            Trouble::OriginalsAway => "The store of originals is away",
            Trouble::Stuck => "Nothing is decided any more",
            Trouble::WebhookFails => "A program of the shop is not told what came back",
        }
    }

    /// What it means, in words that tell strangers nothing about the machine.
    pub fn sentence(self) -> &'static str {
        match self {
            Trouble::Catalogue => "the catalogue cannot be read, so nothing can be received or shown",
            Trouble::DiskLow => "less is free on the disk than must stay free, so new transfers are refused",
            Trouble::BlobsAway => "the store of received files is away, so what comes in waits in the spool",
            Trouble::OriginalsAway => "the store of originals is away, so nothing is put back",
            Trouble::Stuck => {
                "the oldest file that is to be decided has waited for a quarter of an hour, and nothing before it"
            }
            Trouble::WebhookFails => {
                "a program of the shop has not taken for five minutes what it is to be told, which waits for it"
            }
        }
    }

    /// Whether files can be received all the same.
    pub fn lets_receive(self) -> bool {
        match self {
            Trouble::Catalogue | Trouble::DiskLow => false,
            Trouble::BlobsAway | Trouble::OriginalsAway | Trouble::Stuck | Trouble::WebhookFails => true,
        }
    }
}

impl Condition {
    /// Looks at these.
    pub fn of(
        catalogue: Arc<Catalogue>,
        spool: Arc<Spool>,
        pipeline: Arc<Pipeline>,
        connections: Arc<Connections>,
    ) -> Self {
        Condition { catalogue, spool, pipeline, connections, kept: Kept::default(), oldest: Mutex::default() }
    }

    /// What is wrong now, in the order of [`Trouble::ALL`]. Waits for the disk; for threads that may.
    pub fn troubles(&self) -> Vec<Trouble> {
        let is = |trouble: &Trouble| match trouble {
            Trouble::Catalogue => self.catalogue.read(|tx| tx.has_blobs()).is_err(),
            // A disk that does not tell how full it is will not take anything either.
            Trouble::DiskLow => !self.spool.space().is_ok_and(|space| space.is_enough()),
            Trouble::BlobsAway => self.pipeline.blobs.require().is_err(),
            Trouble::OriginalsAway => self.pipeline.originals.require().is_err(),
            Trouble::Stuck => self.is_stuck(),
            Trouble::WebhookFails => self.is_a_program_untold(),
        };
        Trouble::ALL.into_iter().filter(is).collect()
    }

    /// Whether the oldest undecided upload has been the same for too long. It says nothing of how long others wait: much to do
    /// is no trouble.
    fn is_stuck(&self) -> bool {
        // A catalogue that cannot be read is a trouble of its own.
        let now = self.catalogue.read(|tx| tx.oldest_undecided()).unwrap_or(None);
        let mut known = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        match (now, *known) {
            (Some(oldest), Some((before, since))) if oldest == before => since.elapsed() >= STUCK,
            _ => {
                *known = now.map(|oldest| (oldest, Instant::now()));
                false
            }
        }
    }

    /// Whether a program fails to take what has waited for it too long.
    fn is_a_program_untold(&self) -> bool {
        let late = Micros(Micros::now().0 - UNTOLD.as_micros() as i64);
        let programs = self.catalogue.read(|tx| tx.webhooks()).unwrap_or_default();
        programs.iter().any(|one| one.last_error.is_some() && one.waiting_since.is_some_and(|since| since < late))
    }

    /// The machine in numbers.
    ///
    /// # Errors
    /// When the system does not tell how full the disk is.
    pub fn machine(&self) -> Result<Machine, Error> {
        let space = self.spool.space()?;
        Ok(Machine {
            free: space.available,
            total: space.total,
            min_free: space.min_free,
            connections: self.connections.open(),
            children: self.pipeline.children.pids().len(),
            deaths: self.pipeline.children.deaths(),
        })
    }
}
