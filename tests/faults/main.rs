//! What may go wrong around the server, and does: it is killed between any two steps, its disk fails or is full, a store is
//! away, a child dies. Nothing that was acknowledged is lost, nothing is decided twice, and it goes on by itself.
//!
//! System calls are made to fail with strace, which `tests/all` installs; without it these tests fail with a sentence, so
//! that nothing passes for lack of it.

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod kill;
mod scan;
mod setting;
mod stores;
