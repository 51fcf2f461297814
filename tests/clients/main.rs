//! Real clients against the real server: a folder of hostile names arrives byte for byte, what broke off is resumed, and
//! what was acknowledged outlives SIGKILL.
//!
//! `tests/all clients` installs the clients; one that is absent fails its test with a sentence, so that nothing passes for
//! lack of a client.

#[path = "../support/mod.rs"]
mod support;

mod durability;
mod folder;
mod ftp;
mod limits;
mod matrix;
mod report;
mod sftp;
