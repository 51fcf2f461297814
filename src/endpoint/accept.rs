//! One accept loop for every way in: who may come in, whom a balancer speaks for, and the drain at the end.
//!
//! Owns a listener from its first connection to the end of its last. Does not know what is spoken on them; who may have a
//! place is said by `limits`.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::limits::{Connections, Place, Turned};
use super::proxy::{Source, read_header};
use crate::networks::Networks;

/// How long a silent connection is trusted before the kernel asks whether its other end is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// How long the loop rests when the machine has no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// How long a balancer may take to say for whom it speaks; it has that ready when it connects.
const HEADER_WAIT: Duration = Duration::from_secs(5);

/// The log hears of refused connections this often, at most.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

/// What differs between the ways in.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// What a connection over a cap reads before it is closed.
    pub full: &'static [u8],
    /// Balancers: each connection from there begins with a PROXY header, and no other does.
    pub proxies: Networks,
    /// How long open connections get when the server stops.
    pub grace: Duration,
}

/// Accepts connections until `shutdown` turns true, and hands each to `handler` with the client's address and its place.
/// Then waits up to [`Door::grace`] for those that are open, and drops what is left.
///
/// Handlers watch `shutdown` themselves, to end their sessions politely. They are dropped when their place is given away,
/// which happens only before somebody signed in, or while nothing is asked.
pub async fn serve_connections<H, F>(
    listener: TcpListener,
    connections: Arc<Connections>,
    door: Door,
    mut shutdown: watch::Receiver<bool>,
    handler: H,
) where
    H: Fn(TcpStream, SocketAddr, Place) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (handler, mut sessions) = (Arc::new(handler), JoinSet::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = sessions.join_next() => { note_end(ended); continue }
            () = is_set(&mut shutdown) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Err(error) = prepare(&stream) {
                    tracing::debug!(%peer, "connection was gone at once: {error}");
                } else if door.proxies.contains(peer.ip()) {
                    let (connections, handler) = (Arc::clone(&connections), Arc::clone(&handler));
                    sessions.spawn(by_proxy(stream, peer, door.full, connections, handler));
                } else {
                    let admitted = connections.admit(peer.ip());
                    sessions.spawn(attend(stream, peer, door.full, admitted, Arc::clone(&handler)));
                }
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
    drop(listener);
    drain(sessions, door.grace).await;
}

/// Learns from a balancer for whom it speaks, and serves that one.
async fn by_proxy<H, F>(
    mut stream: TcpStream,
    proxy: SocketAddr,
    full: &'static [u8],
    connections: Arc<Connections>,
    handler: Arc<H>,
) where
    H: Fn(TcpStream, SocketAddr, Place) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    match client_behind(&mut stream, proxy).await {
        Ok(client) => attend(stream, client, full, connections.admit(client.ip()), handler).await,
        Err(fault) => tracing::warn!(%proxy, "connection refused: {fault}"),
    }
}

/// For whom a balancer at `proxy` has made the connection; itself, when it says so.
///
/// # Errors
/// When no header comes, with a sentence for the log.
pub async fn client_behind(stream: &mut TcpStream, proxy: SocketAddr) -> Result<SocketAddr, String> {
    match tokio::time::timeout(HEADER_WAIT, read_header(stream)).await {
        Ok(Ok(Source::Client(client))) => Ok(client),
        Ok(Ok(Source::Itself)) => Ok(proxy),
        Ok(Err(fault)) => Err(fault.to_string()),
        Err(_) => Err(format!("no PROXY header came within {} s", HEADER_WAIT.as_secs())),
    }
}

async fn attend<H, F>(
    stream: TcpStream,
    peer: SocketAddr,
    full: &'static [u8],
    admitted: Result<Place, Turned>,
    handler: Arc<H>,
) where
    H: Fn(TcpStream, SocketAddr, Place) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    match admitted {
        Ok(place) => {
            let given_away = place.given_away();
            tokio::select! {
                () = handler(stream, peer, place) => {}
                () = given_away.notified() => {
                    tracing::info!(%peer, "nothing was asked on this connection, or nobody had signed in, and another took its place");
                }
            }
        }
        Err(Turned::Full) => {
            note_refused(peer);
            refuse(stream, full).await;
        }
        // Who is not wanted is not talked to.
        Err(Turned::Denied) => tracing::info!(%peer, "connection refused: its address may not connect"),
    }
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

/// Tells the log that connections are refused, and how many; not for each of a flood.
fn note_refused(peer: SocketAddr) {
    static REFUSED: Mutex<(Option<Instant>, u64)> = Mutex::new((None, 0));
    // Both are replaced together, so a panic elsewhere leaves them usable.
    let mut refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    let (told, since) = *refused;
    if told.is_some_and(|told| told.elapsed() < REFUSED_PAUSE) {
        *refused = (told, since + 1);
        return;
    }
    *refused = (Some(Instant::now()), 0);
    tracing::warn!(%peer, not_told_before = since, "connection refused: too many are open");
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
    use std::net::IpAddr;
    use tokio::io::AsyncReadExt as _;

    use crate::endpoint::limits::Caps;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn door(full: &'static [u8], grace: Duration) -> Door {
        Door { full, grace, proxies: Networks::default() }
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
        let door = door(b"full\r\n", grace);
        let served = tokio::spawn(serve_connections(listener, connections, door, shutdown, echo));

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
        let served = tokio::spawn(serve_connections(
            listener,
            Arc::clone(&connections),
            door(b"", Duration::ZERO),
            shutdown,
            forever,
        ));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.read_u8().await.unwrap();
        stop.send(true).unwrap();
        served.await.unwrap();
        assert_eq!(connections.open(), 0);
        assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
    }

    /// Serves connections that are told from where they seem to come.
    async fn mirror(door: Door, caps: Caps) -> (SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let tell = |mut stream: TcpStream, peer: SocketAddr, place: Place| async move {
            let mut first = [0; 4];
            // Who only waits ends without a word.
            if stream.read_exact(&mut first).await.is_ok() {
                let said = format!("{peer} {} {}", place.peer(), first.escape_ascii());
                stream.write_all(said.as_bytes()).await.unwrap();
            }
        };
        tokio::spawn(serve_connections(listener, Connections::new(caps), door, shutdown, tell));
        (address, stop)
    }

    async fn ask(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut told = Vec::new();
        // A connection that is refused with bytes unread may end in a reset.
        if let Err(error) = stream.read_to_end(&mut told).await {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        String::from_utf8(told).unwrap()
    }

    #[tokio::test]
    async fn a_named_balancer_speaks_for_clients_and_nobody_else_does() {
        let proxies = Networks::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let (address, _stop) = mirror(Door { proxies, ..Door::default() }, Caps::default()).await;
        let told = ask(address, b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 21\r\nUSER").await;
        assert_eq!(told, "192.0.2.9:4711 192.0.2.9 USER");
        let mapped = ask(address, b"PROXY TCP6 ::ffff:192.0.2.9 ::1 4711 21\r\nUSER").await;
        assert_eq!(mapped, "192.0.2.9:4711 192.0.2.9 USER");
        let own = ask(address, b"PROXY UNKNOWN\r\nUSER").await;
        assert!(own.ends_with("127.0.0.1 USER"), "{own}");
        assert_eq!(ask(address, b"USER anna\r\nPASS secret\r\n").await, "", "a balancer must say for whom it speaks");

        let (address, _stop) = mirror(Door::default(), Caps::default()).await;
        let told = ask(address, b"PROX").await;
        assert!(told.ends_with("127.0.0.1 PROX"), "a stranger's header is so many bytes: {told}");
    }

    #[tokio::test]
    async fn caps_count_the_clients_behind_a_balancer() {
        let proxies = Networks::new(vec!["127.0.0.1".parse().unwrap()]);
        let door = Door { proxies, full: b"full", ..Door::default() };
        let (address, _stop) = mirror(door, Caps { per_address: 1, ..Caps::default() }).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 21\r\n").await.unwrap();
        // The place is taken once the header was read, which only a refusal shows.
        let second = async { while ask(address, b"PROXY TCP4 192.0.2.1 198.51.100.1 2 21\r\nUSER").await != "full" {} };
        tokio::time::timeout(Duration::from_secs(60), second).await.unwrap();
        let other = ask(address, b"PROXY TCP4 192.0.2.2 198.51.100.1 1 21\r\nUSER").await;
        assert_eq!(other, "192.0.2.2:1 192.0.2.2 USER");
    }

    #[tokio::test]
    async fn connections_that_only_wait_make_room() {
        let caps = Caps { per_address: 2, half_open: Duration::ZERO, ..Caps::default() };
        let (address, _stop) = mirror(door(b"full", Duration::ZERO), caps).await;
        let mut waiting = Vec::new();
        for _ in 0..20 {
            waiting.push(TcpStream::connect(address).await.unwrap());
        }
        assert!(ask(address, b"USER").await.ends_with("USER"));
        assert!(matches!(waiting[0].read(&mut [0]).await, Ok(0) | Err(_)), "the oldest was cut");
    }
}
