//! Real clients against the real server: a folder of hostile names arrives byte for byte, what broke off is resumed, and
//! what was acknowledged outlives SIGKILL.
//!
//! `tests/all clients` installs the clients; one that is absent fails its test with a sentence, so that nothing passes for
//! lack of a client.

#[path = "../support/mod.rs"]
mod support;

mod drain;
mod durability;
mod folder;
mod limits;
mod matrix;
mod rclone_suites;
mod report;
mod sftp;
