//! How much may still be sent: ALLO before an upload, AVBL at any time. The customer's quota and the disk both count.

use super::reply::Reply;
use super::session::{Session, tree_reply};
use crate::endpoint::blocking;
use crate::tree::TreeError;

impl Session {
    /// ALLO: a hint at what will come, answered with the truth about it. Nothing is set aside.
    pub(super) async fn allocate(&self, bytes: Option<u64>) -> Reply {
        let Some(bytes) = bytes else { return Reply::new(202, "space is not set aside beforehand") };
        match self.available().await {
            Ok(available) if bytes <= available.of_quota => match bytes <= available.of_disk {
                true => Reply::new(200, format!("there is room for {bytes} bytes")),
                false => tree_reply(&TreeError::NoSpace),
            },
            Ok(available) => {
                Reply::new(552, format!("this account may send {} bytes more, not {bytes}", available.of_quota))
            }
            Err(refusal) => refusal,
        }
    }

    /// AVBL (draft-peterson-streamlined-ftp-command-extensions): bytes that may still be sent.
    pub(super) async fn space_left(&self) -> Reply {
        match self.available().await {
            Ok(available) => Reply::new(213, available.of_quota.min(available.of_disk).to_string()),
            Err(refusal) => refusal,
        }
    }

    async fn available(&self) -> Result<Available, Reply> {
        let (spool, customer) = (std::sync::Arc::clone(&self.context.spool), self.customer()?.login.customer);
        let asked = blocking(move || {
            let (room, space) = (spool.room(customer)?, spool.space()?);
            Ok(Available {
                of_quota: if room.files == Some(0) { 0 } else { room.bytes.unwrap_or(u64::MAX) },
                of_disk: space.available.saturating_sub(space.min_free),
            })
        });
        asked.await.map_err(|fault: TreeError| tree_reply(&fault))
    }
}

/// Bytes that may still be sent.
struct Available {
    of_quota: u64,
    of_disk: u64,
}
