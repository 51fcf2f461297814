//! The pages: customers see their own pictures, those who work for the shop see all customers.
//!
//! Owns what is asked for and how it looks: `routes` lists every address, `gate` is the one door, `visitor` knows who came.
//! It stands on the catalogue and on the endpoints' sign-in, hands what browsers send to `endpoint::browser`, and asks the pipeline
//! for the pictures of the review queue; spool, blobs and originals are none of its business. Without TLS the pages are served to this machine and to named proxies only.
//! On this machine the token that is printed at start signs an operator in.

mod api;
mod assets;
mod cards;
mod connect;
mod counts;
mod desk;
mod embed;
mod events;
mod files;
mod gate;
mod listener;
mod log;
mod mail;
mod orders;
mod originals;
mod pages;
mod pictures;
mod probes;
mod programs;
mod qr;
mod record;
mod removals;
mod reports;
mod review;
mod routes;
mod sending;
mod sign_in;
mod status;
mod text;
mod thumbnail;
mod upload;
mod visitor;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::catalogue::{self, Catalogue};
use crate::condition::Condition;
use crate::domain::Zone;
use crate::endpoint;
use crate::endpoint::browser::Browser;
use crate::endpoint::login::Logins;
use crate::networks::Networks;
use crate::pipeline::Pipeline;

pub use connect::{Identity, Ports};
pub use counts::Counts;
pub use listener::Line;
pub use pictures::Pictures;
pub use thumbnail::Shown;

/// How long answers that are on their way may take once the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// What the pages need.
pub struct WebContext {
    /// Where everything shown comes from.
    pub catalogue: Arc<Catalogue>,
    /// Who checks passwords: the same as for FTP and SFTP, so that failures count together.
    pub logins: Arc<Logins>,
    /// What signs an operator in on this machine, see [`new_token`].
    pub token: String,
    /// Who draws what a person is asked about.
    pub pipeline: Arc<Pipeline>,
    /// What was drawn of it last.
    pub pictures: Pictures,
    /// The pictures of the other pages, as they were made last.
    pub shown: Shown,
    /// How the server is.
    pub condition: Arc<Condition>,
    /// From where the numbers for monitoring may be read without a token.
    pub metrics_from: Networks,
    /// Customers in numbers, as far as they are counted.
    pub counts: Counts,
    /// Who receives what browsers send.
    pub browser: Arc<Browser>,
    /// Where customers send their files otherwise.
    pub ports: Ports,
    /// By what clients can tell this server from a stranger.
    pub identity: Identity,
    /// What listens where on this machine: the kind, in a word, and its addresses, with commas between them.
    pub endpoints: Vec<(&'static str, String)>,
    /// How visitors come in.
    pub line: Line,
    /// At which address people find the pages, without a slash at its end.
    pub address: String,
    /// Origins whose pages may show a customer's missing pictures in a frame.
    pub embed_origins: Vec<String>,
    /// By whose clock the pages say times.
    pub zone: Zone,
    /// Whether customers are sent mail who want it.
    pub mail: bool,
    /// Host and port of the address at which people find the pages, where it is known.
    pub public_host: Option<String>,
}

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system has no randomness for a token.
    #[error("cannot make the token for the pages: {0}")]
    Token(getrandom::Error),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// The socket failed.
    #[error("the pages can no longer be served: {0}")]
    Serve(#[from] io::Error),
}

/// Where the token signs an operator in to pages that listen on `listen`: on this machine, if they are reached from it.
pub fn token_address(listen: SocketAddr, tls: bool, token: &str) -> Option<String> {
    let here = match listen.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => Some(ip).filter(|ip| ip.to_canonical().is_loopback())?,
    };
    let (scheme, here) = (if tls { "https" } else { "http" }, SocketAddr::new(here, listen.port()));
    Some(format!("{scheme}://{here}/?token={token}"))
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
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    context: Arc<WebContext>,
    shutdown: watch::Receiver<bool>,
) -> Result<(), Error> {
    let address = listener.local_addr()?;
    // The token is another one after each start, and so are the sessions that it opened.
    let old = Arc::clone(&context.catalogue);
    endpoint::blocking(move || old.write(|tx| tx.token_sessions_end())).await?;
    let line = context.line.clone();
    let pages = router(context, address.port(), shutdown.clone());
    listener::serve_pages(listener, line, pages, DRAIN, shutdown).await;
    Ok(())
}

fn router(context: Arc<WebContext>, port: u16, stopping: watch::Receiver<bool>) -> Router {
    let pages = routes::router(&context);
    let pages = pages.layer(Extension(events::Stopping(stopping)));
    pages.layer(from_fn_with_state(Arc::new(gate::Gate::new(context, port)), gate::guard))
}

#[cfg(test)]
mod tests;
