//! How a customer sends pictures: address, user name, and settings to load into the programs that most people use.
//!
//! Passwords are in none of it; the programs ask for them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};

use super::WebContext;
use super::counts::counts;
use super::pages::Fault;
use super::qr::Code;
use super::text::percent;
use super::visitor::{Door, Frame, Visitor};
use crate::domain::{CustomerId, Digest};
use crate::endpoint::tls::Tls;
use crate::tree::shown;

/// Where files are received: the ports of the listeners, as far as there are any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Of FTP, with or without TLS.
    pub ftp: Option<u16>,
    /// Of SFTP and scp.
    pub sftp: Option<u16>,
}

/// By what a client can tell this server from a stranger that pretends to be it.
pub struct Identity {
    /// The host keys of SFTP: algorithm and fingerprint, as clients show them.
    pub host_keys: Vec<(String, String)>,
    /// Who has the certificate of FTP; nothing without TLS.
    pub tls: Option<Arc<Tls>>,
}

impl Identity {
    /// What a client shows when it connects for the first time, and for what.
    fn fingerprints(&self) -> Vec<(String, String)> {
        let keys = self.host_keys.iter().map(|(algorithm, print)| (format!("SFTP, {algorithm}"), print.clone()));
        // In pairs, as programs for FTP show it.
        let pairs = |digest: Digest| digest.0.map(|byte| format!("{byte:02x}")).join(":");
        let certificate =
            self.tls.iter().map(|tls| ("FTP, certificate (SHA-256)".to_owned(), pairs(tls.fingerprint())));
        keys.chain(certificate).collect()
    }
}

/// What a program has to be told.
#[derive(Clone)]
struct Account {
    host: String,
    user: String,
    ports: Ports,
}

#[derive(Template)]
#[template(path = "connect.html", config = "src/web/askama.toml")]
struct Connect {
    frame: Frame,
    id: CustomerId,
    name: String,
    account: Account,
    fingerprints: Vec<(String, String)>,
    /// For a phone's camera: the address of the pages, and that of the files for programs that take such.
    codes: Vec<Shown>,
}

/// A code with what it is for.
struct Shown {
    code: Code,
    label: &'static str,
    address: String,
}

#[derive(Template)]
#[template(path = "filezilla.xml", config = "src/web/askama.toml")]
struct FileZilla {
    account: Account,
}

/// `/customers/{id}/connect`: what to enter where.
pub(super) async fn page(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Extension(door): Extension<Door>,
    Path(id): Path<String>,
) -> Result<Html<String>, Fault> {
    let id = CustomerId(id.parse().map_err(|_| Fault::NoPage)?);
    let account = account(&context, &door, id).await?;
    let name = shown(account.user.as_bytes());
    let codes = codes(&door, &account);
    let fingerprints = context.identity.fingerprints();
    Ok(Html(Connect { frame: Frame::of(&visitor), id, name, account, fingerprints, codes }.render()?))
}

/// Nothing where the pages are known by this machine's own names only: a phone would look for them on itself.
fn codes(door: &Door, account: &Account) -> Vec<Shown> {
    if door.takes_token {
        return Vec::new();
    }
    let host = if account.host.contains(':') { format!("[{}]", account.host) } else { account.host.clone() };
    let user = percent(&account.user);
    let page = format!("{}/sign-in?name={user}", door.origin());
    let files = account.ports.sftp.map(|port| format!("sftp://{user}@{host}:{port}/"));
    let all = [("Your page, to send pictures from the phone", Some(page)), ("For an app that sends by SFTP", files)];
    let shown = |(label, address): (&'static str, Option<String>)| {
        let address = address?;
        Some(Shown { code: Code::of(&address)?, label, address })
    };
    all.into_iter().filter_map(shown).collect()
}

/// `/customers/{id}/connect/{program}`: settings for FileZilla or WinSCP.
pub(super) async fn settings(
    State(context): State<Arc<WebContext>>,
    Extension(door): Extension<Door>,
    Path((id, program)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let id = CustomerId(id.parse().map_err(|_| Fault::NoPage)?);
    let account = account(&context, &door, id).await?;
    let (kind, name, text) = match program.as_str() {
        "filezilla.xml" => {
            ("application/xml", "attachment; filename=\"filezilla.xml\"", FileZilla { account }.render()?)
        }
        "winscp.ini" => ("text/plain; charset=utf-8", "attachment; filename=\"winscp.ini\"", winscp(&account)),
        _ => return Err(Fault::NoPage),
    };
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)], text).into_response())
}

async fn account(context: &Arc<WebContext>, door: &Door, id: CustomerId) -> Result<Account, Fault> {
    let customer = counts(context, id).await?.ok_or(Fault::NoPage)?;
    Ok(Account { host: without_port(&door.host).to_owned(), user: customer.name, ports: context.ports })
}

/// A host as browsers write it, without its port and without the brackets of an IPv6 address.
fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or(host),
    }
}

/// Sessions as `winscp.exe` imports them from an INI file. Values are escaped there as in addresses.
fn winscp(account: &Account) -> String {
    let (host, user) = (percent(&account.host), percent(&account.user));
    // The numbers are WinSCP's own: 2 is SFTP, 5 is FTP, and 3 is TLS that begins on the ordinary port.
    let mut kinds = Vec::new();
    kinds.extend(account.ports.sftp.map(|port| ("SFTP", port, "FSProtocol=2\r\n")));
    kinds.extend(account.ports.ftp.map(|port| ("FTP", port, "FSProtocol=5\r\nFtps=3\r\n")));
    let session = |(kind, port, protocol): &(&str, u16, &str)| {
        format!(
            "[Sessions\\Pictures%20of%20{user}%20({kind})]\r\nHostName={host}\r\nPortNumber={port}\r\nUserName={user}\r\n{protocol}\r\n"
        )
    };
    kinds.iter().map(session).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let ports = Ports { ftp: Some(21), sftp: Some(2222) };
        Account { host: "pictures.example.net".into(), user: "An <na> & Söhne".into(), ports }
    }

    #[test]
    fn hosts_lose_their_port() {
        for (host, bare) in [("a.example:8443", "a.example"), ("a.example", "a.example"), ("[::1]:80", "::1")] {
            assert_eq!(without_port(host), bare);
        }
    }

    #[test]
    fn codes_are_for_addresses_that_a_phone_can_reach() {
        let public = Door::public("pictures.example.net".into());
        let addresses: Vec<String> = codes(&public, &account()).into_iter().map(|shown| shown.address).collect();
        let user = "An%20%3Cna%3E%20%26%20S%C3%B6hne";
        let page = format!("https://pictures.example.net/sign-in?name={user}");
        assert_eq!(addresses, [page, format!("sftp://{user}@pictures.example.net:2222/")]);
        assert!(codes(&Door::on_this_machine("127.0.0.1:8080".into(), 8080, false), &account()).is_empty());
    }

    #[test]
    fn settings_hold_any_name() {
        let text = winscp(&account());
        assert!(text.contains("\r\nUserName=An%20%3Cna%3E%20%26%20S%C3%B6hne\r\n"), "{text}");
        assert!(text.contains("PortNumber=2222") && text.contains("FSProtocol=5\r\nFtps=3"), "{text}");
        let text = FileZilla { account: account() }.render().unwrap();
        assert!(text.contains("<User>An &#60;na&#62; &#38; Söhne</User>"), "{text}");
        assert_eq!(text.matches("<Server>").count(), 2);
    }
}
