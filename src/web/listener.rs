//! The socket under the pages: inside TLS with the server's certificate, behind a proxy that has it, or plain on this machine.
//!
//! Owns who may connect and how many, and whom a proxy speaks for. A handshake takes place beside the others, so that one
//! that stalls holds nobody up.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::endpoint::accept::prepare;
use crate::endpoint::limits::Access;
use crate::endpoint::tls::Tls;
use crate::networks::Networks;

/// How long a handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// Connections at most; more wait for one to end.
const CONNECTIONS_MAX: usize = 512;

/// How long the loop rests when the machine has no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);

/// How connections come in.
#[derive(Clone, Default)]
pub struct Line {
    /// The server's certificate, where the pages are inside TLS.
    pub tls: Option<Arc<Tls>>,
    /// Proxies that have the TLS of the outside, and say for whom they ask.
    pub proxies: Networks,
    /// Who may connect.
    pub access: Access,
}

impl Line {
    /// Whether a connection from `peer` is to be talked to. Without TLS only this machine is, and the proxies.
    fn welcomes(&self, peer: SocketAddr) -> bool {
        let ip = peer.ip().to_canonical();
        self.proxies.contains(ip) || (self.access.admits(ip) && (self.tls.is_some() || ip.is_loopback()))
    }
}

/// Whoever is at the other end of a connection: a visitor, or a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Pages>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Pages>) -> Self {
        Peer(*stream.remote_addr())
    }
}

/// Connections that are ready to be spoken on.
pub(super) struct Pages {
    address: SocketAddr,
    ready: mpsc::Receiver<(Stream, SocketAddr)>,
    // Ends with this listener, and with it the handshakes under way.
    _accepting: JoinSet<()>,
}

impl Pages {
    pub(super) fn over(listener: TcpListener, line: Line) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(1);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept_all(listener, line, sender));
        Ok(Pages { address, ready, _accepting: accepting })
    }
}

impl Listener for Pages {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The loop ends with this listener only; were it gone, there would be nothing to accept any more.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept_all(listener: TcpListener, line: Line, ready: mpsc::Sender<(Stream, SocketAddr)>) {
    let (room, mut handshakes) = (Arc::new(Semaphore::new(CONNECTIONS_MAX)), JoinSet::new());
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = loop {
            tokio::select! {
                accepted = listener.accept() => break accepted,
                Some(_) = handshakes.join_next() => {}
            }
        };
        match accepted {
            Ok((_, peer)) if !line.welcomes(peer) => tracing::info!(%peer, "connection to the pages refused"),
            Ok((stream, peer)) => {
                let (tls, ready) = (line.tls.clone(), ready.clone());
                handshakes.spawn(async move {
                    match tokio::time::timeout(HANDSHAKE_WAIT, open(stream, tls)).await {
                        // The receiver is gone when the server stops.
                        Ok(Ok(inner)) => drop(ready.send((Stream { inner, _permit: permit }, peer)).await),
                        Ok(Err(error)) => tracing::debug!(%peer, "connection to the pages failed: {error}"),
                        Err(_) => tracing::debug!(%peer, "a handshake took too long"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection to the pages: {error}");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

async fn open(stream: TcpStream, tls: Option<Arc<Tls>>) -> io::Result<Box<dyn Duplex>> {
    prepare(&stream)?;
    Ok(match tls {
        Some(tls) => Box::new(tls.accept_web(stream).await?),
        None => Box::new(stream),
    })
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection, with its place among all of them.
pub(super) struct Stream {
    inner: Box<dyn Duplex>,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
