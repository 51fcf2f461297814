//! File, environment and flags, validated into one [`Config`]: what is meant, not what was typed.
//!
//! `DIR/reunite.toml` holds the settings, each also as `REUNITE_SECTION_NAME`; flags of a command win over both. The
//! commented file that `reunite init` writes stands in `src/config/reunite.toml`, and a test holds it against the defaults.

mod lists;
mod mail;
mod retire;
mod variables;
mod web;

use std::env;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::endpoint::public_address::Outside;
use crate::networks::Networks;
use lists::{listed, networks, parsed, several, some_networks};
pub use mail::{Mail, MailTls};
pub use retire::Retire;
use variables::overlay;
pub use web::{PublicPages, Web};

use crate::matcher::verdict::Tier;

/// The settings file as `reunite init` writes it: every setting with its default and what it means.
pub const TEMPLATE: &str = include_str!("config/reunite.toml");

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data folder; from `--data` or `REUNITE_DATA`, never from the file.
    #[serde(skip)]
    pub data: PathBuf,
    /// FTP and FTPS.
    pub ftp: Ftp,
    /// SFTP and scp.
    pub sftp: Sftp,
    /// The pages.
    pub web: Web,
    /// Mail to customers.
    pub mail: Mail,
    /// What stays missing.
    pub retire: Retire,
    /// What is refused, and when.
    pub limits: Limits,
    /// How files are received.
    pub receive: Receive,
    /// How pictures are read.
    pub decode: Decode,
    /// What is put back.
    pub attach: Attach,
    /// Where originals go.
    pub originals: Originals,
}

/// FTP and FTPS.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ftp {
    /// Where it listens.
    #[serde(deserialize_with = "several")]
    pub listen: Vec<SocketAddr>,
    /// Where it listens for clients that begin with TLS, before any command (implicit FTPS).
    #[serde(deserialize_with = "several")]
    pub listen_implicit: Vec<SocketAddr>,
    /// Whether TLS must, may or cannot be used.
    pub tls: Tls,
    /// Whether data connections must resume the TLS session of their control connection.
    pub tls_resume_required: bool,
    /// Whether the server connects to clients that ask for it (PORT and EPRT), at their own address.
    pub active: bool,
    /// First port for passive data connections; 0 lets the system choose.
    pub passive_port_first: u16,
    /// Last port for passive data connections.
    pub passive_port_last: u16,
    /// The address or name told in PASV replies, for servers behind NAT.
    #[serde(deserialize_with = "parsed")]
    pub passive_address: Option<Outside>,
    /// Clients there are told the address that they have reached instead.
    #[serde(deserialize_with = "networks")]
    pub passive_near: Networks,
    /// Balancers, whose connections begin with a PROXY header.
    #[serde(deserialize_with = "networks")]
    pub proxy_from: Networks,
    /// More listeners, with passive ports and addresses of their own.
    pub also: Vec<FtpAlso>,
}

/// More listeners of FTP. What is left out is as with the first.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FtpAlso {
    /// Where it listens.
    #[serde(deserialize_with = "several")]
    pub listen: Vec<SocketAddr>,
    /// See [`Ftp::listen_implicit`]; none unless it is given here.
    #[serde(default, deserialize_with = "several")]
    pub listen_implicit: Vec<SocketAddr>,
    /// See [`Ftp::passive_port_first`].
    pub passive_port_first: Option<u16>,
    /// See [`Ftp::passive_port_last`].
    pub passive_port_last: Option<u16>,
    /// See [`Ftp::passive_address`].
    #[serde(default, deserialize_with = "parsed")]
    pub passive_address: Option<Outside>,
    /// See [`Ftp::proxy_from`].
    #[serde(default, deserialize_with = "some_networks")]
    pub proxy_from: Option<Networks>,
}

/// Whether TLS must, may or cannot be used on the FTP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// No login and no data without TLS.
    Required,
    /// TLS for clients that ask for it.
    Offered,
    /// No TLS.
    Off,
}

/// SFTP and scp.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sftp {
    /// Where it listens.
    #[serde(deserialize_with = "several")]
    pub listen: Vec<SocketAddr>,
    /// Balancers, whose connections begin with a PROXY header.
    #[serde(deserialize_with = "networks")]
    pub proxy_from: Networks,
    /// Bytes that all open transfers together may keep in flight.
    pub buffer_bytes: u64,
}

/// What is refused, and when.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections of FTP and SFTP together.
    pub connections: usize,
    /// Connections from one address.
    pub connections_per_address: usize,
    /// Connections of one customer.
    pub connections_per_customer: usize,
    /// Connections to the pages.
    pub web_connections: usize,
    /// Connections to the pages from one address; behind a proxy, requests of one that are answered at once.
    pub web_connections_per_address: usize,
    /// Only clients of these networks may connect; empty: all may.
    #[serde(deserialize_with = "networks")]
    pub allow: Networks,
    /// Clients of these networks may not connect.
    #[serde(deserialize_with = "networks")]
    pub deny: Networks,
    /// Failed sign-ins from one address that close it for a while.
    pub failures_per_address: u32,
    /// Failed sign-ins for one account that close it for a while, but where its owner was seen.
    pub failures_per_account: u32,
    /// How long that is, and how long a failure counts.
    pub ban_seconds: u64,
    /// Bytes that each customer may keep, each version counted. Nothing: no limit.
    pub quota_bytes: Option<u64>,
    /// Files that each customer may keep, each version counted. Nothing: no limit.
    pub quota_files: Option<u64>,
    /// Seconds until a connection must have logged in.
    pub login_seconds: u64,
    /// Seconds a session may say nothing.
    pub idle_seconds: u64,
    /// Seconds a transfer may make no progress.
    pub stall_seconds: u64,
    /// Seconds that running transfers get when the server stops.
    pub drain_seconds: u64,
}

/// How files are received.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receive {
    /// Bytes that must stay free on the disk; below, new transfers are refused. Nothing: the smaller of 5 % and 10 GiB.
    pub min_free_bytes: Option<u64>,
    /// Whether customers find their report in a folder of their tree.
    pub report: bool,
    /// Seconds that a file with a client's temporary name waits for its rename.
    pub held_seconds: u64,
    /// Seconds that a file in the inbox must be quiet before it counts.
    pub inbox_quiet_seconds: u64,
    /// Days after which a transfer that broke off becomes an upload marked truncated.
    pub partial_days: u64,
}

/// How pictures are read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Decode {
    /// Pictures read at once; 0 means one for each core.
    pub threads: usize,
    /// Address space of a decode child, in bytes.
    pub memory_bytes: u64,
    /// Seconds that one file may take.
    pub seconds: u64,
    /// Pixels of the largest picture that is read.
    pub pixels_max: u64,
}

/// What is put back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attach {
    /// Whether proven originals are put back without asking.
    pub mode: Mode,
    /// Whether proven pictures that are smaller or lossier than the lost original are put back, too.
    pub copies: bool,
    /// The tiers of the rule that may attach; what another one proves waits for a person.
    #[serde(deserialize_with = "listed")]
    pub tiers: Vec<Tier>,
}

/// Whether proven originals are put back without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They are.
    Auto,
    /// Everything runs and nothing is placed: each proven original waits in the review list.
    Propose,
}

/// Where originals go.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Originals {
    /// The folder that the shop's software reads; relative to the data folder.
    pub folder: PathBuf,
    /// Mode of files, in octal.
    pub file_mode: String,
    /// Mode of folders, in octal.
    pub folder_mode: String,
}

impl Default for Ftp {
    fn default() -> Self {
        Ftp {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 2121))],
            listen_implicit: Vec::new(),
            tls: Tls::Offered,
            tls_resume_required: false,
            active: false,
            passive_port_first: 0,
            passive_port_last: 0,
            passive_address: None,
            passive_near: Networks::private(),
            proxy_from: Networks::default(),
            also: Vec::new(),
        }
    }
}

impl Default for Sftp {
    fn default() -> Self {
        Sftp {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 2222))],
            proxy_from: Networks::default(),
            buffer_bytes: 128 << 20,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 1_000,
            connections_per_address: 100,
            connections_per_customer: 100,
            web_connections: 1_000,
            web_connections_per_address: 100,
            allow: Networks::default(),
            deny: Networks::default(),
            failures_per_address: 20,
            failures_per_account: 50,
            ban_seconds: 600,
            quota_bytes: None,
            quota_files: None,
            login_seconds: 60,
            idle_seconds: 600,
            stall_seconds: 120,
            drain_seconds: 30,
        }
    }
}

impl Default for Receive {
    fn default() -> Self {
        Receive { min_free_bytes: None, report: true, held_seconds: 15 * 60, inbox_quiet_seconds: 5, partial_days: 7 }
    }
}

impl Default for Decode {
    fn default() -> Self {
        Decode { threads: 0, memory_bytes: 2 << 30, seconds: 60, pixels_max: 400_000_000 }
    }
}

impl Default for Attach {
    fn default() -> Self {
        Attach { mode: Mode::Auto, copies: true, tiers: Tier::ALL.to_vec() }
    }
}

impl Default for Originals {
    fn default() -> Self {
        Originals { folder: PathBuf::from("originals"), file_mode: "644".into(), folder_mode: "755".into() }
    }
}

impl Ftp {
    /// The listeners, each group as if it were the only one; first the one that stands in the section itself.
    pub fn listeners(&self) -> Vec<Ftp> {
        let mut all = vec![Ftp { also: Vec::new(), ..self.clone() }];
        for also in &self.also {
            all.push(Ftp {
                listen: also.listen.clone(),
                listen_implicit: also.listen_implicit.clone(),
                passive_port_first: also.passive_port_first.unwrap_or(self.passive_port_first),
                passive_port_last: also.passive_port_last.unwrap_or(self.passive_port_last),
                passive_address: also.passive_address.clone().or(self.passive_address.clone()),
                proxy_from: also.proxy_from.clone().unwrap_or(self.proxy_from.clone()),
                ..all[0].clone()
            });
        }
        all
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings file cannot be read.
    #[error("cannot read the settings `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The settings file, with the environment over it, does not say what a configuration can say.
    #[error("the settings in `{path}` or in REUNITE_... variables cannot be used: {message}")]
    Meaning {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line where it has one.
        message: String,
    },
}

impl Config {
    /// The configuration of the data folder `data`; a folder without a settings file has the defaults.
    ///
    /// # Errors
    /// When the file cannot be read, or a setting is unknown or out of range.
    pub fn load(data: &Path) -> Result<Self, Error> {
        let path = data.join("reunite.toml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let meaning = |message: String| Error::Meaning { path: path.clone(), message };
        let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| meaning(error.to_string()))?;
        overlay(&mut table, env::vars()).map_err(&meaning)?;
        let mut config: Config = table.try_into().map_err(|error: toml::de::Error| meaning(error.to_string()))?;
        config.check().map_err(&meaning)?;
        config.data = data.to_owned();
        Ok(config)
    }

    /// The folder of originals, absolute or below the data folder.
    pub fn originals_folder(&self) -> PathBuf {
        self.data.join(&self.originals.folder)
    }

    /// The modes of original files and their folders.
    pub fn originals_modes(&self) -> (u32, u32) {
        // `check` has seen both parse.
        let octal = |text: &str, default| u32::from_str_radix(text, 8).unwrap_or(default);
        (octal(&self.originals.file_mode, 0o644), octal(&self.originals.folder_mode, 0o755))
    }

    fn check(&self) -> Result<(), String> {
        for (name, mode) in
            [("originals.file_mode", &self.originals.file_mode), ("originals.folder_mode", &self.originals.folder_mode)]
        {
            if !u32::from_str_radix(mode, 8).is_ok_and(|mode| mode <= 0o7777) {
                return Err(format!("`{name}` is `{mode}`; write a mode in octal, such as \"640\""));
            }
        }
        for listener in self.ftp.listeners() {
            let (first, last) = (listener.passive_port_first, listener.passive_port_last);
            if first > last || (first == 0) != (last == 0) {
                return Err(format!(
                    "the passive ports {first} to {last} are no range; set both, the smaller one first"
                ));
            }
        }
        let implicit = self.ftp.listeners().iter().any(|listener| !listener.listen_implicit.is_empty());
        if implicit && self.ftp.tls == Tls::Off {
            return Err("`ftp.listen_implicit` wants TLS, and `ftp.tls` is \"off\"; leave one of them out".into());
        }
        if self.limits.connections == 0 || self.limits.connections_per_address == 0 {
            return Err("`limits.connections` and `limits.connections_per_address` must be at least 1".into());
        }
        if self.limits.web_connections == 0 || self.limits.web_connections_per_address == 0 {
            return Err("`limits.web_connections` and `limits.web_connections_per_address` must be at least 1".into());
        }
        if self.limits.failures_per_address == 0 || self.limits.failures_per_account == 0 {
            return Err("`limits.failures_per_address` and `limits.failures_per_account` must be at least 1".into());
        }
        self.mail.check()?;
        self.retire.check()?;
        if self.decode.memory_bytes < 256 << 20 {
            return Err("`decode.memory_bytes` must be at least 268435456 (256 MiB)".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
