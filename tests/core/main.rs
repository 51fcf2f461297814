//! The real binary, driven through its command line; nothing here needs a client program.

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod import;
mod metadata;
mod orders;
mod originals;
mod reports;
mod way;
mod webhooks;
