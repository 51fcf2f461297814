//! The pages: for an operator on this machine, customers in numbers and each customer's pictures.
//!
//! Owns what is asked for and how it looks. It reads the catalogue and nothing else: the pages never touch the spool, the
//! blobs or the originals, and change nothing. Until people can sign in, they are served on a loopback address only, to
//! whoever holds the token that is printed at start; `gate` is the one door.

mod gate;
mod pages;
mod text;
mod thumbnail;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::catalogue::Catalogue;

/// How long answers that are on their way may take once the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// What the pages need.
pub struct WebContext {
    /// Where everything shown comes from.
    pub catalogue: Arc<Catalogue>,
    /// What a visitor has to bring, see [`new_token`].
    pub token: String,
}

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Other machines could reach the address.
    #[error(
        "the pages cannot listen on {0}: nobody signs in to them yet, so they are for this machine only; use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The system has no randomness for a token.
    #[error("cannot make the token for the pages: {0}")]
    Token(getrandom::Error),
    /// The socket failed.
    #[error("the pages can no longer be served: {0}")]
    Serve(#[from] io::Error),
}

/// Whether the pages may listen on `address`: on a loopback address only.
///
/// # Errors
/// When other machines could reach it.
pub fn check_listen(address: SocketAddr) -> Result<(), Error> {
    if address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(Error::NotLoopback(address)) }
}

/// A fresh token: 256 random bits in 43 letters that need no escaping in an address.
///
/// # Errors
/// When the system has no randomness.
pub fn new_token() -> Result<String, Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(Error::Token)?;
    Ok(URL_SAFE_NO_PAD.encode(bits))
}

/// Serves the pages on `listener` until `shutdown` says true or its sender is gone; answers on their way get five seconds.
///
/// # Errors
/// When the listener is not on a loopback address, or fails.
pub async fn serve(
    listener: TcpListener,
    context: Arc<WebContext>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), Error> {
    let address = listener.local_addr()?;
    check_listen(address)?;
    let mut stopping = shutdown.clone();
    let serving = axum::serve(listener, router(context, address.port())).with_graceful_shutdown(async move {
        stop(&mut shutdown).await;
    });
    tokio::select! {
        served = async { serving.await } => Ok(served?),
        () = async { stop(&mut stopping).await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}

/// Waits until the sender says true or is gone.
async fn stop(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone can never say it, which means the same.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

fn router(context: Arc<WebContext>, port: u16) -> Router {
    let gate = Arc::new(gate::Gate::new(&context.token, port));
    Router::new()
        .route("/", get(pages::customers))
        .route("/customers/{id}", get(pages::customer))
        .route("/customers/{id}/{list}", get(pages::list))
        .route("/thumbnails/{id}", get(thumbnail::thumbnail))
        .route("/style.css", get(|| asset("text/css; charset=utf-8", include_str!("assets/style.css"))))
        .route("/live.js", get(|| asset("text/javascript; charset=utf-8", include_str!("assets/live.js"))))
        .route("/icon.svg", get(|| asset("image/svg+xml", include_str!("assets/icon.svg"))))
        .fallback(pages::no_page)
        .with_state(context)
        .layer(from_fn_with_state(gate, gate::guard))
}

/// A file of ours. It may change with the next version of the program, so the browser asks each time.
async fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text)
}

#[cfg(test)]
mod tests;
