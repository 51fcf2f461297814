//! Why a request was not done: a code for the client's program and a sentence for the person in front of it.

use super::protocol::{Reply, StatusCode};
use crate::tree::TreeError;

/// The status of a request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub code: StatusCode,
    pub message: String,
}

impl Failure {
    /// A failure without a code of its own.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { code: StatusCode::Failure, message: message.into() }
    }

    /// Something that is not offered.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Failure { code: StatusCode::Unsupported, message: message.into() }
    }

    /// A file could not be read back.
    pub fn reading(fault: std::io::Error) -> Self {
        tracing::error!("sftp: cannot read a file back: {fault}");
        Failure::new("the server could not read the file; please try again")
    }

    /// Appends the status of request `id`.
    pub fn encode(&self, id: u32, out: &mut Vec<u8>) {
        Reply::Status { code: self.code, message: &self.message }.encode(id, out);
    }
}

impl From<TreeError> for Failure {
    fn from(fault: TreeError) -> Self {
        let code = match fault {
            TreeError::NotFound(_) => StatusCode::NoSuchFile,
            TreeError::Root | TreeError::ReadOnly(_) => StatusCode::PermissionDenied,
            _ => StatusCode::Failure,
        };
        if matches!(fault, TreeError::Catalogue(_) | TreeError::Io { .. }) {
            // The customer reads only that the server failed; what failed is the operator's business.
            tracing::error!("sftp: {fault}");
        }
        Failure { code, message: fault.for_customer() }
    }
}
