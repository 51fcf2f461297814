//! Who is there and whether TLS protects it: USER, PASS, REIN, AUTH, PBSZ, PROT; and FEAT, OPTS MLST.

use std::io;
use std::sync::Arc;

use tokio::time::timeout;

use super::listing::Facts;
use super::reply::Reply;
use super::session::{Next, Session, SignedIn};
use super::sums::Sum;
use super::wire::Wire;
use crate::endpoint::login::Refused;
use crate::tree::{Tree, TreePath};

/// Failed sign-ins after which a connection is closed.
const FAILURES_MAX: u32 = 5;

impl Session {
    pub(super) fn user(&mut self, name: Vec<u8>) -> Reply {
        if self.context.settings.tls_required && !self.secured {
            return Reply::new(530, "this server wants TLS: choose FTP over TLS (explicit) and connect again");
        }
        self.signed_in = None;
        self.user = Some(name);
        Reply::new(331, "and the password?")
    }

    pub(super) async fn pass(&mut self, password: &[u8]) -> io::Result<Next> {
        let Some(name) = self.user.take() else {
            let reply = match self.signed_in {
                Some(_) => Reply::new(230, "you are signed in already"),
                None => Reply::new(503, "send USER first"),
            };
            self.reply(reply).await?;
            return Ok(Next::Command);
        };
        let logins = Arc::clone(&self.context.logins);
        let (code, text, next) = match logins.password(&name, password, self.peer).await {
            // Said to nobody but who knows the password: whether there is an account is no answer to anyone else.
            Ok(login) if login.ftp_tls_required && !self.secured => {
                let text = "this account wants TLS: choose FTP over TLS (explicit) and connect again";
                (530, text.to_owned(), Next::Command)
            }
            Ok(login) => match self.place.sign_in(login.customer) {
                Ok(()) => {
                    tracing::info!(customer = login.name, peer = %self.peer, tls = self.secured, "signed in over FTP");
                    let spool = Arc::clone(&self.context.spool);
                    let tree = Tree::new(Arc::clone(&self.context.catalogue), spool, login.customer);
                    self.signed_in = Some(SignedIn { login, tree, cwd: TreePath::root() });
                    (230, "welcome; send everything you have".to_owned(), Next::Command)
                }
                Err(too_many) => (421, too_many.to_string(), Next::End),
            },
            Err(refused @ Refused::Wrong) => {
                self.failures += 1;
                let next = if self.failures < FAILURES_MAX { Next::Command } else { Next::End };
                (530, refused.to_string(), next)
            }
            Err(refused @ Refused::Banned) => (530, refused.to_string(), Next::End),
            Err(refused @ Refused::Busy) => (421, refused.to_string(), Next::End),
            Err(Refused::Catalogue(error)) => {
                tracing::error!("FTP sign-in: {error}");
                (421, "the server cannot look up accounts now; try again in a minute".to_owned(), Next::End)
            }
        };
        self.reply(Reply::new(code, text)).await?;
        Ok(next)
    }

    /// Whether this session must use TLS for data.
    pub(super) fn tls_required(&self) -> bool {
        let of_account = self.signed_in.as_ref().is_some_and(|signed_in| signed_in.login.ftp_tls_required);
        self.context.settings.tls_required || of_account
    }

    /// HOST (RFC 7151) chooses among several servers at one address. Here is one, whatever it is called.
    pub(super) fn host(&self) -> Reply {
        if self.user.is_some() || self.signed_in.is_some() {
            return Reply::new(503, "HOST comes before USER");
        }
        Reply::new(220, "reunite takes your pictures")
    }

    pub(super) fn reinitialize(&mut self) -> Reply {
        self.user = None;
        self.signed_in = None;
        self.origin = None;
        self.rest = 0;
        self.only_epsv = false;
        (self.facts, self.hash) = (Facts::default(), Sum::ALL[0]);
        Reply::new(220, "start again, with USER")
    }

    /// Puts the control connection inside TLS. What the client had signed in as in clear text is forgotten.
    pub(super) async fn auth(&mut self, mechanism: &[u8]) -> io::Result<Next> {
        let refusal = match (mechanism, &self.context.tls) {
            _ if self.secured => Reply::new(503, "TLS is there already"),
            (_, None) => Reply::new(502, "TLS is switched off here"),
            (b"TLS" | b"TLS-C" | b"TLS-P" | b"SSL", Some(_)) => {
                self.reply(Reply::new(234, "begin TLS")).await?;
                // What came behind AUTH in clear text must not count as if it had come inside TLS.
                self.lines.enter_tls();
                self.reinitialize();
                self.begin_tls().await?;
                // The old names for TLS imply it for data connections as well.
                self.protected = matches!(mechanism, b"TLS-P" | b"SSL");
                return Ok(Next::Command);
            }
            _ => Reply::new(504, "only AUTH TLS is done here"),
        };
        self.reply(refusal).await?;
        Ok(Next::Command)
    }

    /// Implicit FTPS: TLS begins before anything is said, and data connections are inside TLS without being asked.
    pub(super) async fn begin_implicit_tls(&mut self) -> io::Result<()> {
        self.lines.enter_tls();
        self.begin_tls().await?;
        self.protected = true;
        Ok(())
    }

    async fn begin_tls(&mut self) -> io::Result<()> {
        let tls = self.context.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let stream = self.wire.take_plain().ok_or(io::ErrorKind::NotConnected)?;
        let handshake = timeout(self.context.settings.login_max, tls.accept_control(stream, self.ticket_mark)).await;
        self.wire = Wire::Tls(Box::new(handshake.map_err(|_| io::ErrorKind::TimedOut)??));
        self.secured = true;
        Ok(())
    }

    pub(super) fn protection_buffer(&self) -> Reply {
        if self.secured { Reply::new(200, "PBSZ=0") } else { Reply::new(503, "AUTH TLS comes first") }
    }

    pub(super) fn protection(&mut self, level: u8) -> Reply {
        match level {
            _ if !self.secured => Reply::new(503, "AUTH TLS comes first"),
            b'P' => {
                self.protected = true;
                Reply::new(200, "data connections are inside TLS")
            }
            b'C' if self.tls_required() => Reply::new(534, "this server wants TLS for data as well"),
            b'C' => {
                self.protected = false;
                Reply::new(200, "data connections are clear text")
            }
            b'S' | b'E' => Reply::new(536, "only C and P are done here"),
            _ => Reply::new(504, "only C and P are done here"),
        }
    }

    pub(super) fn features(&self) -> Reply {
        let mlst = format!("MLST {}", self.facts.names(true));
        let hash = Sum::feature(self.hash);
        let mut features = vec![
            "UTF8",
            "TVFS",
            "SIZE",
            "MDTM",
            "MFMT",
            "REST STREAM",
            "EPSV",
            "PASV",
            "CLNT",
            "MLSD",
            &mlst,
            "HOST",
            "LANG EN*",
            "AVBL",
            &hash,
            "XCRC",
            "XMD5",
            "XSHA1",
            "XSHA256",
            "XSHA512",
            "SITE UTIME",
        ];
        if self.context.settings.active {
            features.push("EPRT");
        }
        if self.context.tls.is_some() {
            features.extend(["AUTH TLS", "PBSZ", "PROT"]);
        }
        Reply::lines(211, "extensions:", features, "end")
    }

    pub(super) fn choose_facts(&mut self, names: &[u8]) -> Reply {
        self.facts = Facts::chosen(names);
        Reply::new(200, format!("MLST OPTS {}", self.facts.names(false)))
    }
}
