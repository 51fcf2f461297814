//! The engine against a client of raw sockets: each fault that other servers showed is a test here.

mod active;
mod client;
mod customer_limits;
mod faults;
mod protocol;
mod proxied;
mod secure;
mod verify;
