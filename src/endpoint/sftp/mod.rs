//! SFTP and scp, over SSH.
//!
//! Read from the line inwards: [`serve`] accepts, `connection` signs in and opens channels, `session` moves requests and
//! answers, `files` keeps their order, `answer` and `checks` do what each asks, `transfer` receives. `protocol` is SFTP version 3 as
//! bytes, and all of it that a client needs too; `scp` is the older way, `sums` takes digests as a shell would. What a name means is the tree's business, what
//! durable means the spool's.

mod answer;
mod budget;
mod checks;
mod connection;
mod failure;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod host_key;
mod intake;
pub mod protocol;
pub(crate) mod scp;
mod session;
mod sums;
#[cfg(test)]
mod tests;
mod transfer;
mod words;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::keys::{Certificate, PrivateKey};
use russh::{MethodKind, MethodSet, SshId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::catalogue::Catalogue;
use crate::endpoint::accept::{Door, serve_connections};
use crate::endpoint::limits::{Connections, Place};
use crate::endpoint::login::Logins;
use crate::networks::Networks;
use crate::spool::Spool;

use budget::Budget;
use connection::Connection;

/// What may be set about SFTP.
#[derive(Debug, Clone)]
pub struct SftpSettings {
    /// Bytes that all sessions together may keep in flight.
    pub buffer_bytes: u64,
    /// Files and listings that one session may have open.
    pub handles_max: usize,
    /// Until when a connection must have signed in.
    pub login: Duration,
    /// How long a session may ask nothing.
    pub idle: Duration,
    /// How long a client may take nothing of what it asked for.
    pub stall: Duration,
    /// How long running transfers get when the server stops.
    pub drain: Duration,
    /// Balancers, whose connections begin with a PROXY header.
    pub proxies: Networks,
}

impl Default for SftpSettings {
    fn default() -> Self {
        SftpSettings {
            buffer_bytes: 128 << 20,
            handles_max: 256,
            login: Duration::from_secs(60),
            idle: Duration::from_secs(600),
            stall: Duration::from_secs(120),
            drain: Duration::from_secs(30),
            proxies: Networks::default(),
        }
    }
}

/// What the endpoint stands on.
pub struct SftpContext {
    /// Names, accounts, uploads.
    pub catalogue: Arc<Catalogue>,
    /// Where files are received.
    pub spool: Arc<Spool>,
    /// Who may sign in.
    pub logins: Arc<Logins>,
    /// The caps shared with the other ways in.
    pub connections: Arc<Connections>,
    /// The server's own keys, see [`host_key::load_or_make`].
    pub host_keys: Vec<PrivateKey>,
    /// What authorities say of these keys, see [`host_key::load_certificates`].
    pub host_certificates: Vec<Certificate>,
    /// What may be set.
    pub settings: SftpSettings,
}

/// What a connection over a cap reads; SSH lets a server say lines before it names its version.
const FULL: &[u8] = b"reunite: too many connections are open; try again in a minute\r\n";

/// Serves SFTP and scp on `listeners` until `shutdown` turns true, then lets running transfers end within their time.
pub async fn serve(listeners: Vec<TcpListener>, context: Arc<SftpContext>, shutdown: watch::Receiver<bool>) {
    let budget = Budget::new(context.settings.buffer_bytes);
    let door = Door { full: FULL, proxies: context.settings.proxies.clone(), grace: context.settings.drain };
    let mut serving = JoinSet::new();
    for listener in listeners {
        let (context, budget, stop) = (Arc::clone(&context), Arc::clone(&budget), shutdown.clone());
        let connections = Arc::clone(&context.connections);
        let handler = move |stream, peer: SocketAddr, place| {
            let (context, budget) = (Arc::clone(&context), Arc::clone(&budget));
            converse(stream, peer, place, context, budget, stop.clone())
        };
        serving.spawn(serve_connections(listener, connections, door.clone(), shutdown.clone(), handler));
    }
    serving.join_all().await;
}

/// One connection, from its first byte until the last of its sessions has put its files in order.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    context: Arc<SftpContext>,
    budget: Arc<Budget>,
    stop: watch::Receiver<bool>,
) {
    let cut = match stream.as_fd().try_clone_to_owned() {
        Ok(socket) => Cut(socket),
        Err(fault) => {
            tracing::warn!(%peer, "a connection cannot be served: {fault}");
            return;
        }
    };
    let signed_in = Arc::new(AtomicBool::new(false));
    let (running, mut all_ended) = mpsc::channel(1);
    let config = Arc::new(ssh_config(&context, &budget));
    let login = context.settings.login;
    let handler = Connection {
        context,
        budget,
        peer: peer.ip(),
        place,
        stop: stop.clone(),
        signed_in: Arc::clone(&signed_in),
        running,
        login: None,
        channels: HashMap::new(),
    };
    let ended = {
        let talk = talk(stream, config, handler, stop);
        tokio::pin!(talk);
        match tokio::time::timeout(login, &mut talk).await {
            Ok(ended) => ended,
            Err(_) if signed_in.load(Ordering::Relaxed) => talk.await,
            Err(_) => {
                tracing::info!(%peer, "nobody signed in within {} s; connection closed", login.as_secs());
                cut.now();
                talk.await
            }
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%peer, "connection ended: {fault}");
    }
    // Every session holds a sender, so this resolves once the last one has put its files in order.
    let _nothing_is_ever_sent = all_ended.recv().await.is_none();
}

/// Speaks SSH until either side ends it. When the server stops, idle connections are told; sessions end by themselves.
async fn talk(
    stream: TcpStream,
    config: Arc<russh::server::Config>,
    handler: Connection,
    mut stop: watch::Receiver<bool>,
) -> Result<(), russh::Error> {
    let running = handler.running.downgrade();
    let mut session = russh::server::run_stream(config, stream, handler).await?;
    tokio::select! {
        ended = &mut session => return ended,
        () = crate::endpoint::accept::is_set(&mut stop) => {}
    }
    // The handler holds one sender itself; each running session holds another.
    while running.strong_count() > 1 {
        tokio::select! {
            ended = &mut session => return ended,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
    let text = "reunite is being stopped; please come back".to_owned();
    // An error means that the session has ended by itself.
    let told = session.handle().disconnect(russh::Disconnect::ByApplication, text, "en".into()).await;
    tracing::debug!(told = told.is_ok(), "connection closed, since the server stops");
    session.await
}

fn ssh_config(context: &SftpContext, budget: &Arc<Budget>) -> russh::server::Config {
    // What this connection would get as one more sharer.
    let share = budget.share();
    let version = concat!("SSH-2.0-reunite_", env!("CARGO_PKG_VERSION"));
    russh::server::Config {
        server_id: SshId::Standard(Cow::Borrowed(version)),
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password, MethodKind::KeyboardInteractive][..]),
        // Sign-ins are slowed down where failures are counted, for every way in alike.
        auth_rejection_time: Duration::ZERO,
        keys: context.host_keys.clone(),
        certificates: context.host_certificates.clone(),
        window_size: share.window(),
        maximum_packet_size: 65_535,
        channel_buffer_size: share.queue_packets(),
        event_buffer_size: 16,
        // A session ends by itself, with a sentence; this is for connections without one.
        inactivity_timeout: Some(context.settings.idle + session::GOODBYE),
        nodelay: true,
        ..Default::default()
    }
}

/// Ends a connection whatever state it is in: russh runs it as a task of its own, which must not outlive its place among
/// the others.
struct Cut(OwnedFd);

impl Cut {
    fn now(&self) {
        // An error means that the connection is gone, which is what is wanted.
        let outcome = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
        tracing::trace!(?outcome, "connection cut");
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.now();
    }
}
