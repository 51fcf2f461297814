//! Files in a form, for pages without script: each part of the form is one file, whole when the part ends.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::Stream;

use super::Browser;
use super::stream::{Ended, Limits, receive};
use crate::domain::{CustomerId, UploadId};
use crate::endpoint::blocking;
use crate::spool::{Endpoint, Start};
use crate::tree::{TreeError, TreePath};

/// Why a file of a form was not received.
#[derive(Debug, thiserror::Error)]
pub enum FormFault {
    /// Tree or spool refused it.
    #[error("{}", .0.for_customer())]
    Tree(#[from] TreeError),
    /// The form's connection broke, or nothing came for too long. Nothing more comes of this form.
    #[error("the connection broke before its end; send it again")]
    Broken,
}

impl Browser {
    /// Receives one file of a form to `path`. It is durable when this returns. Of a form that breaks off a partial stays, as of any
    /// other transfer.
    ///
    /// # Errors
    /// When the file was not received.
    pub async fn receive_form<S, E>(
        self: &Arc<Self>,
        customer: CustomerId,
        path: TreePath,
        mut body: S,
    ) -> Result<UploadId, FormFault>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Display,
    {
        let spool = Arc::clone(&self.spool);
        let incoming = blocking(move || spool.begin(customer, &path, Endpoint::Web, Start::New)).await?;
        let bytes_max = self.spool.settings().file_bytes_max;
        let limits = Limits { left: bytes_max, stall_max: self.settings.stall_max, whole: None, checksum: None };
        let never = std::future::pending();
        match receive(incoming, &mut body, limits, never).await? {
            Ended::Whole(upload) => Ok(upload),
            _ => Err(FormFault::Broken),
        }
    }
}
