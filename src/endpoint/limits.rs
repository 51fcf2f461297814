//! One accept loop for every way in, with its caps: connections in all, per address, per customer; and the drain at the end.
//!
//! Owns when a connection may begin and when the last has ended. Does not know what is spoken on it.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::domain::CustomerId;

/// How long a silent connection is trusted before the kernel asks whether its other end is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// How long the loop rests when the machine has no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct Caps {
    /// In all, over every way in.
    pub total: usize,
    /// From one address.
    pub per_address: usize,
    /// Signed in as one customer.
    pub per_customer: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Caps { total: 512, per_address: 64, per_customer: 64 }
    }
}

/// The connections that are open now, over every way in.
pub struct Connections {
    caps: Caps,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    addresses: HashMap<IpAddr, usize>,
    customers: HashMap<CustomerId, usize>,
}

impl Connections {
    /// No connections yet.
    pub fn new(caps: Caps) -> Arc<Self> {
        Arc::new(Connections { caps, counts: Mutex::default() })
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.lock().total
    }

    /// A place for a connection from `peer`, unless a cap is reached.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        let mut counts = self.lock();
        let from_peer = counts.addresses.get(&peer).copied().unwrap_or(0);
        if counts.total >= self.caps.total || from_peer >= self.caps.per_address {
            return None;
        }
        counts.total += 1;
        counts.addresses.insert(peer, from_peer + 1);
        Some(Place { connections: Arc::clone(self), peer, customer: None })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // A panic while the lock was held leaves nothing half-done that matters: counts are single steps.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among the others; it is given back when this is dropped.
pub struct Place {
    connections: Arc<Connections>,
    peer: IpAddr,
    customer: Option<CustomerId>,
}

/// A customer has as many connections as one customer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many connections of this account; close some")]
pub struct TooMany;

impl Place {
    /// The address this connection comes from.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Counts this connection for `customer`, and no longer for whom it was counted before.
    ///
    /// # Errors
    /// When the customer has reached their cap; the connection is then counted for nobody.
    pub fn sign_in(&mut self, customer: CustomerId) -> Result<(), TooMany> {
        let mut counts = self.connections.lock();
        if let Some(before) = self.customer.take() {
            take_one(&mut counts.customers, before);
        }
        let open = counts.customers.entry(customer).or_default();
        if *open >= self.connections.caps.per_customer {
            return Err(TooMany);
        }
        *open += 1;
        self.customer = Some(customer);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.total -= 1;
        take_one(&mut counts.addresses, self.peer);
        if let Some(customer) = self.customer {
            take_one(&mut counts.customers, customer);
        }
    }
}

fn take_one<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Accepts connections until `shutdown` turns true, and hands each to `handler` with its place. Then waits up to `grace` for
/// those that are open, and drops what is left. `full` is what a connection over a cap reads before it is closed.
///
/// Handlers watch `shutdown` themselves, to end their sessions politely.
pub async fn serve_connections<H, F>(
    listener: TcpListener,
    connections: Arc<Connections>,
    full: &'static [u8],
    mut shutdown: watch::Receiver<bool>,
    grace: Duration,
    handler: H,
) where
    H: Fn(TcpStream, SocketAddr, Place) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = sessions.join_next() => { note_end(ended); continue }
            () = is_set(&mut shutdown) => break,
        };
        match accepted {
            Ok((stream, peer)) => match (prepare(&stream), connections.admit(peer.ip())) {
                (Err(error), _) => tracing::debug!(%peer, "connection was gone at once: {error}"),
                (Ok(()), Some(place)) => {
                    sessions.spawn(handler(stream, peer, place));
                }
                (Ok(()), None) => {
                    tracing::warn!(%peer, "connection refused: too many are open");
                    sessions.spawn(refuse(stream, full));
                }
            },
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
    drop(listener);
    drain(sessions, grace).await;
}

async fn drain(mut sessions: JoinSet<()>, grace: Duration) {
    let all = async {
        while let Some(ended) = sessions.join_next().await {
            note_end(ended);
        }
    };
    if tokio::time::timeout(grace, all).await.is_err() {
        tracing::warn!("{} connections did not end within {} s and are cut", sessions.len(), grace.as_secs());
        sessions.shutdown().await;
    }
}

/// Resolves once the flag is true, or its sender is gone.
pub async fn is_set(flag: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is an end as well.
    let _ended = flag.wait_for(|set| *set).await.is_err();
}

fn note_end(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's session panicked: {error}");
    }
}

async fn refuse(mut stream: TcpStream, full: &'static [u8]) {
    // Best effort: the connection is closed either way, and a peer that does not read must not hold us.
    let told = tokio::time::timeout(Duration::from_secs(1), stream.write_all(full)).await;
    tracing::debug!(told = matches!(told, Ok(Ok(()))), "refused connection closed");
}

/// Sets what every connection wants: small replies leave at once, dead peers are noticed.
///
/// # Errors
/// When the connection is already gone.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn places_are_counted_and_given_back() {
        let connections = Connections::new(Caps { total: 3, per_address: 2, per_customer: 1 });
        let (mut first, mut second) = (connections.admit(HERE).unwrap(), connections.admit(HERE).unwrap());
        assert!(connections.admit(HERE).is_none(), "two from one address");
        let _other = connections.admit(IpAddr::from([192, 0, 2, 1])).unwrap();
        assert!(connections.admit(IpAddr::from([192, 0, 2, 2])).is_none(), "three in all");

        first.sign_in(CustomerId(1)).unwrap();
        first.sign_in(CustomerId(1)).unwrap();
        assert_eq!(second.sign_in(CustomerId(1)), Err(TooMany));
        drop(first);
        second.sign_in(CustomerId(1)).unwrap();
        drop(second);
        assert_eq!(connections.open(), 1);
        assert!(connections.lock().customers.is_empty());
    }

    #[tokio::test]
    async fn a_connection_over_the_cap_is_told_and_the_drain_waits_for_the_rest() {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let connections = Connections::new(Caps { total: 1, ..Caps::default() });
        let echo = |mut stream: TcpStream, _, place: Place| async move {
            let _place = place;
            let mut byte = [0];
            while stream.read_exact(&mut byte).await.is_ok() {
                stream.write_all(&byte).await.unwrap();
            }
        };
        let grace = Duration::from_secs(60);
        let served = tokio::spawn(serve_connections(listener, connections, b"full\r\n", shutdown, grace, echo));

        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"a").await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'a');
        let mut told = String::new();
        TcpStream::connect(address).await.unwrap().read_to_string(&mut told).await.unwrap();
        assert_eq!(told, "full\r\n");

        stop.send(true).unwrap();
        first.write_all(b"b").await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'b', "an open connection goes on during the drain");
        drop(first);
        served.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn what_outlasts_the_grace_is_cut() {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let forever = |mut stream: TcpStream, _, place: Place| async move {
            let _place = place;
            stream.write_all(b"!").await.unwrap();
            std::future::pending::<()>().await;
        };
        let connections = Connections::new(Caps::default());
        let served =
            tokio::spawn(serve_connections(listener, Arc::clone(&connections), b"", shutdown, Duration::ZERO, forever));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.read_u8().await.unwrap();
        stop.send(true).unwrap();
        served.await.unwrap();
        assert_eq!(connections.open(), 0);
        assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
    }
}
