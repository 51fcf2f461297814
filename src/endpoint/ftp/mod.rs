//! FTP and FTPS: an engine of our own over the customer's tree and the spool.
//!
//! RFC 959, 1123, 2228, 2389, 2428, 3659, 4217, and what clients send beyond them. A session is one task that reads a line,
//! obeys it and replies; while a transfer runs it goes on reading, for ABOR and STAT. Active data connections only where an
//! operator wants them.
//! Replies 226 after an upload only when the spool says that it is durable. Does not decide who may sign in, what names
//! mean or where bytes go.
//!
//! In reading order: `session` (the loop), `dispatch` (the commands' ways), `access`, `browse`, `names`, `sums`, `space`, `transfer`,
//! `flow`, `origin` and `passive` (data connections); and the pure parts `line`, `command`, `reply`, `listing`, `date`.

mod access;
mod browse;
mod command;
mod date;
mod dispatch;
mod flow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod line;
mod listing;
mod names;
mod origin;
mod passive;
mod reply;
mod session;
mod space;
mod sums;
mod transfer;
mod wire;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::accept::{Door, serve_connections};
use super::limits::Connections;
use super::login::Logins;
use super::public_address::PublicAddress;
use super::tls::Tls;
use crate::catalogue::Catalogue;
use crate::networks::Networks;
use crate::spool::Spool;

/// How the FTP endpoint behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// No sign-in and no data without TLS.
    pub tls_required: bool,
    /// TLS begins before the first command (implicit FTPS); without a certificate nobody is served.
    pub tls_implicit: bool,
    /// Data connections must resume the TLS session of their control connection.
    pub tls_resume_required: bool,
    /// PORT and EPRT are done, to the client's own address.
    pub active: bool,
    /// Ports for passive data connections; the system chooses when there is no range.
    pub passive_ports: Option<RangeInclusive<u16>>,
    /// The address named in PASV replies, for servers behind NAT.
    pub passive_address: Option<PublicAddress>,
    /// Balancers, whose connections begin with a PROXY header; those for data as well.
    pub proxies: Networks,
    /// How long a connection may take to sign in.
    pub login_max: Duration,
    /// How long a session may say nothing.
    pub idle_max: Duration,
    /// How long a transfer may make no progress.
    pub stall_max: Duration,
    /// How long a transfer waits for its data connection, and for TLS on it.
    pub data_wait_max: Duration,
    /// How long running transfers get when the server stops.
    pub drain_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            tls_required: false,
            tls_implicit: false,
            tls_resume_required: false,
            active: false,
            passive_ports: None,
            passive_address: None,
            proxies: Networks::default(),
            login_max: Duration::from_secs(60),
            idle_max: Duration::from_secs(600),
            stall_max: Duration::from_secs(120),
            data_wait_max: Duration::from_secs(30),
            drain_max: Duration::from_secs(30),
        }
    }
}

/// What every session needs.
#[derive(Clone)]
pub struct FtpContext {
    /// Where names are.
    pub catalogue: Arc<Catalogue>,
    /// Where bytes go.
    pub spool: Arc<Spool>,
    /// Who may sign in.
    pub logins: Arc<Logins>,
    /// The connections of all ways in.
    pub connections: Arc<Connections>,
    /// The certificate; without it AUTH is refused.
    pub tls: Option<Arc<Tls>>,
    /// How to behave.
    pub settings: Settings,
}

/// Serves FTP on `listener` until `shutdown` turns true; then lets running transfers end, up to `drain_max`.
pub async fn serve(listener: TcpListener, context: Arc<FtpContext>, shutdown: watch::Receiver<bool>) {
    let connections = Arc::clone(&context.connections);
    let full: &[u8] = b"421 too many connections; close some or try again in a minute\r\n";
    let door = Door {
        // Clear text would mean nothing to a client that waits for TLS.
        full: if context.settings.tls_implicit { b"" } else { full },
        proxies: context.settings.proxies.clone(),
        grace: context.settings.drain_max,
    };
    let sessions = shutdown.clone();
    serve_connections(listener, connections, door, shutdown, move |stream, peer, place| {
        session::run(Arc::clone(&context), stream, peer, place, sessions.clone())
    })
    .await;
}
