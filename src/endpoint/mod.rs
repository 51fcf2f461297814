//! The ways in: FTP, FTPS, SFTP, the watched folder.
//!
//! Every way in signs a customer in by `login`, shares the caps and the accept loop of `limits`, sees the customer's files
//! through `tree` and delivers them through `spool`. Nothing here matches pictures, spells a path on this machine or holds
//! SQL.

pub mod limits;
pub mod login;
pub mod sftp;
