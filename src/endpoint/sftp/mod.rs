//! SFTP and scp.

pub mod host_key;
pub mod protocol;
