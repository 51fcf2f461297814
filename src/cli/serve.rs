//! `reunite serve`: the server, with its addresses taken from the flags where they are given.

use std::net::SocketAddr;
use std::path::Path;

use clap::Args as ClapArgs;

use super::Outcome;
use crate::config::Config;
use crate::serve;

/// What was typed.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Where FTP and FTPS listen; port 0 lets the system choose; may be given several times
    #[arg(long, value_name = "ADDR")]
    ftp: Vec<SocketAddr>,
    /// Where FTP listens inside TLS from the first byte (implicit FTPS); may be given several times
    #[arg(long, value_name = "ADDR")]
    ftps: Vec<SocketAddr>,
    /// Where SFTP and scp listen; may be given several times
    #[arg(long, value_name = "ADDR")]
    sftp: Vec<SocketAddr>,
    /// Where the pages are served; beyond this machine they need `web.tls` or `web.proxy_from`
    #[arg(long, value_name = "ADDR")]
    web: Option<SocketAddr>,
}

/// Serves until a signal asks for the end.
///
/// # Errors
/// When the server cannot start.
pub fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let mut config = Config::load(data)?;
    if !args.ftp.is_empty() {
        config.ftp.listen.clone_from(&args.ftp);
    }
    if !args.ftps.is_empty() {
        config.ftp.listen_implicit.clone_from(&args.ftps);
    }
    if !args.sftp.is_empty() {
        config.sftp.listen.clone_from(&args.sftp);
    }
    config.web.listen = args.web.unwrap_or(config.web.listen);
    serve::run(&config)?;
    Ok(Outcome::Done)
}
