//! Passive data connections: a listener for one connection, from the client's own address only.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};

use crate::endpoint::accept::{client_behind, prepare};
use crate::networks::Networks;

/// After somebody else's connection, how long the right one may still take. Some clients really do come from two
/// addresses, and they are to be told rather than left hanging.
const AFTER_STRANGER: Duration = Duration::from_secs(1);

/// Where the search in a port range goes on, so that ports rest before they are used again.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// Why there is no data connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoData {
    #[error("no data connection came within {} s; a firewall may be in the way, or PASV or EPSV was missing", .0.as_secs())]
    Late(Duration),
    #[error("a data connection came from {0}, which is not where the control connection comes from")]
    Stranger(IpAddr),
    #[error("TLS on the data connection failed: {0}")]
    Handshake(io::Error),
    #[error("the data connection does not resume the TLS session of the control connection, which this server wants")]
    OtherSession,
    #[error("cannot connect to you at {0}: {1}; use passive mode (PASV or EPSV)")]
    Unreachable(SocketAddr, io::Error),
    #[error("the data connection failed: {0}")]
    Io(#[from] io::Error),
}

/// A listener that waits for one data connection.
pub(super) struct Passive {
    listener: TcpListener,
    /// Balancers, which say for whom a connection is.
    proxies: Networks,
}

impl Passive {
    /// Listens on the address that the client has reached us at.
    pub(super) async fn open(
        local: SocketAddr,
        ports: Option<&RangeInclusive<u16>>,
        proxies: &Networks,
    ) -> io::Result<Self> {
        let listener = bind(local, ports).await?;
        Ok(Passive { listener, proxies: proxies.clone() })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The data connection from `peer`.
    pub(super) async fn accept(self, peer: IpAddr, wait: Duration) -> Result<TcpStream, NoData> {
        let mut deadline = Instant::now() + wait;
        let mut none = NoData::Late(wait);
        loop {
            let Ok(accepted) = timeout_at(deadline, self.listener.accept()).await else { return Err(none) };
            let (mut stream, mut from) = accepted?;
            if self.proxies.contains(from.ip()) {
                match client_behind(&mut stream, from).await {
                    Ok(client) => from = client,
                    Err(fault) => {
                        tracing::warn!(proxy = %from, "a data connection was refused: {fault}");
                        none = NoData::Stranger(from.ip());
                        continue;
                    }
                }
            }
            if from.ip().to_canonical() == peer {
                prepare(&stream)?;
                return Ok(stream);
            }
            tracing::warn!("a data connection for {peer} came from {} and was refused", from.ip());
            none = NoData::Stranger(from.ip());
            deadline = deadline.min(Instant::now() + AFTER_STRANGER);
        }
    }
}

/// A listener on the address that the client has reached us at.
async fn bind(local: SocketAddr, ports: Option<&RangeInclusive<u16>>) -> io::Result<TcpListener> {
    let mut address = SocketAddr::new(local.ip().to_canonical(), 0);
    if let (SocketAddr::V6(address), SocketAddr::V6(local)) = (&mut address, local) {
        address.set_scope_id(local.scope_id());
    }
    let Some(ports) = ports else {
        return TcpListener::bind(address).await;
    };
    let count = u32::from(ports.end().saturating_sub(*ports.start())) + 1;
    let first = u32::from(NEXT_PORT.fetch_add(1, Ordering::Relaxed));
    let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
    for step in 0..count {
        // The sum is below the end of the range, which is a u16.
        address.set_port(ports.start() + ((first + step) % count) as u16);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
