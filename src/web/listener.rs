//! The connections under the pages: inside TLS with the server's certificate, behind a proxy that has it, or plain on this machine.
//!
//! Owns who may connect, how long a connection may say nothing, and when it gives way to another: while nothing is asked on
//! it. How many there may be is said by `endpoint::limits`, and the loop that accepts them is `endpoint::accept`, as for FTP
//! and SFTP. A proxy's connections carry many visitors, so behind one it is their requests that are counted, in `gate`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};

use crate::endpoint::accept::{Door, is_set, serve_connections};
use crate::endpoint::limits::{Access, Caps, Connections, Place};
use crate::endpoint::tls::Tls;
use crate::networks::Networks;

/// How long a handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a request's head at most.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A proxy keeps connections for the next visitor, customarily for a minute; whoever ends one first may meet a request on its way.
const PROXY_WAIT_MIN: Duration = Duration::from_secs(120);

/// What a connection over a cap is told, where there is no TLS.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 71\r\n\r\n\
    Too many connections are open, in all or from your address. Wait a bit.";

/// How connections come in.
#[derive(Clone)]
pub struct Line {
    /// The server's certificate, where the pages are inside TLS.
    pub tls: Option<Arc<Tls>>,
    /// Proxies that have the TLS of the outside, and say for whom they ask.
    pub proxies: Networks,
    /// Who may connect.
    pub access: Access,
    /// How many may; of one address, also how many requests of a visitor behind a proxy are answered at once.
    pub caps: Caps,
    /// Until when a request's head must be whole, counted from the connection's begin or the last answer.
    pub head_max: Duration,
    /// How long an answer may wait for its reader.
    pub stall_max: Duration,
}

impl Default for Line {
    fn default() -> Self {
        Line {
            tls: None,
            proxies: Networks::default(),
            access: Access::default(),
            caps: Caps::default(),
            head_max: Duration::from_secs(30),
            stall_max: Duration::from_secs(120),
        }
    }
}

impl Line {
    /// Whether a connection from `peer` is to be talked to. Without TLS only this machine is, and the proxies.
    fn welcomes(&self, peer: SocketAddr) -> bool {
        let ip = peer.ip().to_canonical();
        self.proxies.contains(ip) || (self.access.admits(ip) && (self.tls.is_some() || ip.is_loopback()))
    }

    fn head_max_of(&self, peer: SocketAddr) -> Duration {
        match self.proxies.contains(peer.ip()) {
            true => self.head_max.max(PROXY_WAIT_MIN),
            false => self.head_max,
        }
    }
}

/// Whoever is at the other end of a connection: a visitor, or a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Answers what is asked on `listener` until `shutdown` says true; answers on their way then get `grace`.
pub(super) async fn serve_pages(
    listener: TcpListener,
    line: Line,
    pages: Router,
    grace: Duration,
    shutdown: watch::Receiver<bool>,
) {
    let caps = Caps { shared: line.proxies.clone(), ..line.caps.clone() };
    let full = if line.tls.is_some() { &[] } else { FULL };
    let door = Door { full, grace, ..Door::default() };
    let (line, stopping) = (Arc::new(line), shutdown.clone());
    let handler = move |stream, peer, place| {
        let (line, pages, stopping) = (Arc::clone(&line), pages.clone(), stopping.clone());
        async move {
            if !line.welcomes(peer) {
                tracing::info!(%peer, "connection to the pages refused");
                return;
            }
            match timeout(HANDSHAKE_WAIT, open(stream, line.tls.as_deref())).await {
                Ok(Ok(stream)) => talk(stream, peer, place, &line, pages, stopping).await,
                Ok(Err(error)) => tracing::debug!(%peer, "connection to the pages failed: {error}"),
                Err(_) => tracing::debug!(%peer, "a handshake took too long"),
            }
        }
    };
    serve_connections(listener, Connections::new(caps), door, shutdown, handler).await;
}

async fn open(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Box<dyn Duplex>> {
    Ok(match tls {
        Some(tls) => Box::new(tls.accept_web(stream).await?),
        None => Box::new(stream),
    })
}

/// Answers one request after the other.
async fn talk(
    stream: Box<dyn Duplex>,
    peer: SocketAddr,
    place: Place,
    line: &Line,
    pages: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let (pages, seat) = (TowerToHyperService::new(pages), Seat(Arc::new(Mutex::new(place))));
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(Peer(peer)));
        let (answer, taken) = (pages.call(request), seat.take());
        async move { answer.await.map(|answer: Response| until_sent(answer, taken)) as Result<_, Infallible> }
    });
    let stream = TokioIo::new(Stream { inner: stream, stall_max: line.stall_max, stalled: None });
    let mut talk = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(line.head_max_of(peer))
            .max_header_size(HEAD_BYTES_MAX)
            .serve_connection(stream, service)
    );
    let ended = tokio::select! {
        ended = talk.as_mut() => ended,
        () = is_set(&mut stopping) => {
            talk.as_mut().graceful_shutdown();
            talk.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, "a connection to the pages ended: {error}");
    }
}

/// A connection's place, which others may take while nothing is asked on it.
struct Seat(Arc<Mutex<Place>>);

impl Seat {
    fn take(&self) -> Taken {
        place_of(&self.0).keep();
        Taken(Arc::clone(&self.0))
    }
}

/// A place that is taken until this is dropped.
struct Taken(Arc<Mutex<Place>>);

impl Drop for Taken {
    fn drop(&mut self) {
        place_of(&self.0).rest();
    }
}

fn place_of(place: &Mutex<Place>) -> MutexGuard<'_, Place> {
    // What is done under the lock are single steps.
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same answer; `held` is dropped once all of it was handed to the connection, or the connection is gone.
pub(super) fn until_sent(answer: Response, held: impl Send + Unpin + 'static) -> Response {
    answer.map(|body| Body::new(UntilSent { body, _held: held }))
}

struct UntilSent<T> {
    body: Body,
    _held: T,
}

impl<T: Unpin> HttpBody for UntilSent<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection whose other end must take what it is sent.
struct Stream {
    inner: Box<dyn Duplex>,
    stall_max: Duration,
    /// Runs while something waits to be taken.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    /// What came of writing; a fault once that has waited for too long.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall_max = self.stall_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall_max)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "what was sent was not taken for too long")))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.in_time(cx, shut)
    }
}
