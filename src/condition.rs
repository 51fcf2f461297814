//! What operators look at: whether the server can do its work, and in what numbers it does it.
//!
//! Owns what counts as trouble, and the numbers for monitoring. Looks at the catalogue, the stores, the disk, the pipeline's
//! children and the connections, and changes none of them. Who may read it is the business of `web`.

mod metrics;

use std::sync::Arc;

use crate::catalogue::{self, Catalogue};
use crate::endpoint::limits::Connections;
use crate::pipeline::Pipeline;
use crate::spool::Spool;
use crate::tree::TreeError;

use metrics::Kept;

/// A running server, as far as it is looked at.
pub struct Condition {
    catalogue: Arc<Catalogue>,
    spool: Arc<Spool>,
    pipeline: Arc<Pipeline>,
    connections: Arc<Connections>,
    kept: Kept,
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
}

impl Trouble {
    /// Every kind there is.
    pub const ALL: [Trouble; 4] = [Trouble::Catalogue, Trouble::DiskLow, Trouble::BlobsAway, Trouble::OriginalsAway];

    /// The word for this in metrics and in the history of incidents.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Catalogue => "catalogue",
            Trouble::DiskLow => "disk_low",
            Trouble::BlobsAway => "blobs_away",
            Trouble::OriginalsAway => "originals_away",
        }
    }

    /// What it means, in words that tell strangers nothing about the machine.
    pub fn sentence(self) -> &'static str {
        match self {
            Trouble::Catalogue => "the catalogue cannot be read, so nothing can be received or shown",
            Trouble::DiskLow => "less is free on the disk than must stay free, so new transfers are refused",
            Trouble::BlobsAway => "the store of received files is away, so what comes in waits in the spool",
            Trouble::OriginalsAway => "the store of originals is away, so nothing is put back",
        }
    }

    /// Whether files can be received all the same.
    pub fn lets_receive(self) -> bool {
        match self {
            Trouble::Catalogue | Trouble::DiskLow => false,
            Trouble::BlobsAway | Trouble::OriginalsAway => true,
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
        Condition { catalogue, spool, pipeline, connections, kept: Kept::default() }
    }

    /// What is wrong now, in the order of [`Trouble::ALL`]. Waits for the disk; for threads that may.
    pub fn troubles(&self) -> Vec<Trouble> {
        let is = |trouble: &Trouble| match trouble {
            Trouble::Catalogue => self.catalogue.read(|tx| tx.has_blobs()).is_err(),
            // A disk that does not tell how full it is will not take anything either.
            Trouble::DiskLow => !self.spool.space().is_ok_and(|space| space.is_enough()),
            Trouble::BlobsAway => self.pipeline.blobs.require().is_err(),
            Trouble::OriginalsAway => self.pipeline.originals.require().is_err(),
        };
        Trouble::ALL.into_iter().filter(is).collect()
    }
}
