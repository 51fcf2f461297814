//! The engine against a client of raw sockets: each fault that other servers showed is a test here.

mod client;
mod faults;
mod protocol;
mod proxied;
mod secure;
