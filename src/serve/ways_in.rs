//! FTP and SFTP of a running server: their listeners, and what each stands on.
//!
//! Owns how settings become listeners and endpoints. What is spoken on them is the endpoints' business.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Error, House, make_private};
use crate::config::{self, Config};
use crate::endpoint::browser;
use crate::endpoint::ftp::{self, FtpContext};
use crate::endpoint::limits::{Access, Caps, Connections};
use crate::endpoint::login::{Authorities, LoginSettings, Logins, PenaltySettings};
use crate::endpoint::public_address::PublicAddress;
use crate::endpoint::sftp::{self, SftpContext, SftpSettings, host_key};
use crate::endpoint::tls::Tls;
use crate::web::{Identity, Line, Ports};

/// Connections that may wait to be accepted; the system allows as many by default. Of more than that, Linux lets clients believe
/// that they are connected and forgets some, who then wait for a greeting: with the usual 128, hundreds that came at once.
const BACKLOG: u32 = 4096;

/// Listeners that are open and not served yet.
pub(super) struct WaysIn {
    ftp: Vec<(Vec<TcpListener>, Arc<FtpContext>)>,
    sftp: (Vec<TcpListener>, Arc<SftpContext>),
}

impl WaysIn {
    /// Opens every listener of `config`.
    ///
    /// # Errors
    /// When one cannot be opened, or keys and certificate are not to be had.
    pub async fn open(config: &Config, house: &House) -> Result<Self, Error> {
        let keys = config.data.join("keys");
        make_private(&keys)?;
        let start = |error: &dyn Display| Error::Start(error.to_string());
        let authorities = Authorities::load(&keys.join("user_ca.pub")).map_err(|error| start(&error))?;
        let settings = LoginSettings { authorities, ..login_settings(config) };
        let logins = Logins::new(Arc::clone(&house.catalogue), settings).map_err(|error| start(&error))?;
        let access = Access { allow: config.limits.allow.clone(), deny: config.limits.deny.clone() };
        let (logins, connections) = (Arc::new(logins), Connections::within(caps(config), access));
        let tls = match config.ftp.tls {
            config::Tls::Off => None,
            _ => Some(Arc::new(Tls::open(&keys, &["localhost".to_owned()]).map_err(|error| start(&error))?)),
        };
        let mut ftp = Vec::new();
        for group in config.ftp.listeners() {
            let context = FtpContext {
                catalogue: Arc::clone(&house.catalogue),
                spool: Arc::clone(&house.spool),
                logins: Arc::clone(&logins),
                connections: Arc::clone(&connections),
                tls: tls.clone(),
                settings: ftp_settings(config, &group),
            };
            ftp.push((bind_all("FTP", &group.listen).await?, Arc::new(context.clone())));
            let settings = ftp::Settings { tls_implicit: true, ..context.settings.clone() };
            let listeners = bind_all("FTP inside TLS", &group.listen_implicit).await?;
            ftp.push((listeners, Arc::new(FtpContext { settings, ..context })));
        }
        let context = SftpContext {
            catalogue: Arc::clone(&house.catalogue),
            spool: Arc::clone(&house.spool),
            logins,
            connections,
            host_keys: host_key::load_or_make(&keys).map_err(|error| start(&error))?,
            host_certificates: host_key::load_certificates(&keys).map_err(|error| start(&error))?,
            settings: sftp_settings(config),
        };
        Ok(WaysIn { ftp, sftp: (bind_all("SFTP", &config.sftp.listen).await?, Arc::new(context)) })
    }

    /// Who checks passwords, for other ways in.
    pub fn logins(&self) -> Arc<Logins> {
        Arc::clone(&self.sftp.1.logins)
    }

    /// The connections of FTP and SFTP.
    pub fn connections(&self) -> Arc<Connections> {
        Arc::clone(&self.sftp.1.connections)
    }

    /// By what clients can tell this server from a stranger.
    pub fn identity(&self) -> Identity {
        let shown = |key| (PrivateKey::algorithm(key).to_string(), host_key::fingerprint(key));
        let tls = self.ftp.iter().find_map(|(_, context)| context.tls.clone());
        Identity { host_keys: self.sftp.1.host_keys.iter().map(shown).collect(), tls }
    }

    /// The ports that customers are told.
    pub fn ports(&self, config: &Config) -> Ports {
        let first = |listeners: &[TcpListener]| Some(listeners.first()?.local_addr().ok()?.port());
        let plain = self.ftp.iter().filter(|(_, context)| !context.settings.tls_implicit);
        let told = |own: Option<u16>, outside: u16| if outside > 0 { own.map(|_| outside) } else { own };
        Ports {
            ftp: told(plain.filter_map(|(listeners, _)| first(listeners)).next(), config.web.ftp_port),
            sftp: told(first(&self.sftp.0), config.web.sftp_port),
        }
    }

    /// What listens where: the kind, in a word, and its addresses, with commas between them.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let list = |listeners: &mut dyn Iterator<Item = &TcpListener>| {
            let addresses: Result<Vec<String>, _> =
                listeners.map(|listener| listener.local_addr().map(|address| address.to_string())).collect();
            addresses
                .map(|addresses| addresses.join(","))
                .map_err(|error| Error::Start(format!("the system does not tell where it listens: {error}")))
        };
        let ftp = |implicit: bool| {
            let groups = self.ftp.iter().filter(move |(_, context)| context.settings.tls_implicit == implicit);
            groups.flat_map(|(listeners, _)| listeners)
        };
        let mut told = vec![("ftp", list(&mut ftp(false))?)];
        if ftp(true).next().is_some() {
            told.push(("ftps", list(&mut ftp(true))?));
        }
        told.push(("sftp", list(&mut self.sftp.0.iter())?));
        Ok(told)
    }

    /// Serves until `stopping` turns true and the last connection has ended.
    pub async fn serve(self, stopping: watch::Receiver<bool>) {
        let mut serving = JoinSet::new();
        for (listeners, context) in self.ftp {
            for listener in listeners {
                serving.spawn(ftp::serve(listener, Arc::clone(&context), stopping.clone()));
            }
        }
        let (listeners, context) = self.sftp;
        serving.spawn(sftp::serve(listeners, context, stopping));
        // A panic of an accept loop is a fault of ours that must not look like a server that runs.
        serving.join_all().await;
    }
}

/// Listens on `address` for `what`.
///
/// # Errors
/// When the system refuses.
pub(super) async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A server that was just stopped leaves connections behind, which must not keep the next from its port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| Error::Listen { what, address, source })
}

/// How visitors come to the pages.
///
/// # Errors
/// When they want a certificate that is not to be had.
pub(super) fn pages_line(config: &Config) -> Result<Line, Error> {
    let tls = match config.web.tls {
        true => {
            let public = config.web.public_address.as_ref().map(|public| public.host.clone());
            let name = public.as_deref().and_then(|host| host.split(':').next()).unwrap_or("localhost").to_owned();
            let tls = Tls::open(&config.data.join("keys"), &[name]).map_err(|error| Error::Start(error.to_string()))?;
            Some(Arc::new(tls))
        }
        false => None,
    };
    let access = Access { allow: config.limits.allow.clone(), deny: config.limits.deny.clone() };
    let (limits, proxies) = (&config.limits, config.web.proxy_from.clone());
    let caps =
        Caps { total: limits.web_connections, per_address: limits.web_connections_per_address, ..Caps::default() };
    let stall_max = Duration::from_secs(limits.stall_seconds);
    Ok(Line { tls, proxies, access, caps, stall_max, ..Line::default() })
}

async fn bind_all(what: &'static str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.push(bind(what, *address).await?);
    }
    Ok(listeners)
}

fn caps(config: &Config) -> Caps {
    Caps {
        total: config.limits.connections,
        per_address: config.limits.connections_per_address,
        per_customer: config.limits.connections_per_customer,
        ..Caps::default()
    }
}

fn login_settings(config: &Config) -> LoginSettings {
    let penalty = PenaltySettings {
        address_max: config.limits.failures_per_address,
        account_max: config.limits.failures_per_account,
        window: Duration::from_secs(config.limits.ban_seconds),
        ..PenaltySettings::default()
    };
    // Whoever may have a connection may wait on it: many clients of one customer begin at the same moment, and need one run.
    let waiting_max = config.limits.connections;
    LoginSettings { penalty, waiting_max, ..LoginSettings::default() }
}

/// The settings of the FTP listeners `group`.
fn ftp_settings(config: &Config, group: &config::Ftp) -> ftp::Settings {
    let (first, last) = (group.passive_port_first, group.passive_port_last);
    let public = |outside: &_| PublicAddress::new(Clone::clone(outside), group.passive_near.clone());
    ftp::Settings {
        tls_required: config.ftp.tls == config::Tls::Required,
        tls_resume_required: config.ftp.tls_resume_required,
        active: config.ftp.active,
        passive_ports: (first > 0).then_some(first..=last),
        passive_address: group.passive_address.as_ref().map(public),
        proxies: group.proxy_from.clone(),
        login_max: Duration::from_secs(config.limits.login_seconds),
        idle_max: Duration::from_secs(config.limits.idle_seconds),
        stall_max: Duration::from_secs(config.limits.stall_seconds),
        drain_max: Duration::from_secs(config.limits.drain_seconds),
        ..ftp::Settings::default()
    }
}

fn sftp_settings(config: &Config) -> SftpSettings {
    SftpSettings {
        buffer_bytes: config.sftp.buffer_bytes,
        login: Duration::from_secs(config.limits.login_seconds),
        idle: Duration::from_secs(config.limits.idle_seconds),
        stall: Duration::from_secs(config.limits.stall_seconds),
        drain: Duration::from_secs(config.limits.drain_seconds),
        proxies: config.sftp.proxy_from.clone(),
        ..SftpSettings::default()
    }
}

pub(super) fn browser_settings(config: &Config) -> browser::Settings {
    browser::Settings { stall_max: Duration::from_secs(config.limits.stall_seconds), ..browser::Settings::default() }
}
