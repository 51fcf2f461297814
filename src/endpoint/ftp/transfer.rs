//! Transfers: PASV, EPSV, STOR, APPE, STOU, RETR, and how each end is told. 226 after an upload means that it is durable.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::command::Family;
use super::flow::{Data, Ended, Signal, TlsBegins, receive, send_file};
use super::origin::Origin;
use super::passive::Passive;
use super::reply::Reply;
use super::session::{Next, Session, tree_reply};
use crate::endpoint::blocking;
use crate::spool::{Endpoint, Incoming, Start};
use crate::tree::{TreeError, TreePath};

/// How long a client may keep its TLS on a data connection back before it is invited to send. Clients that begin by
/// themselves do so with the connection; those that wait for the invitation lose this once, at their first transfer.
const TLS_WAIT: Duration = Duration::from_millis(100);

/// The session's side of a transfer.
pub(super) struct Course {
    pub(super) signal: watch::Sender<Signal>,
    /// Bytes moved so far.
    pub(super) moved: Arc<AtomicU64>,
    /// Resolves when the client is to be told that the transfer begins.
    pub(super) invited: oneshot::Receiver<TlsBegins>,
}

impl<T> Ended<T> {
    /// The same end, with what is to be said when it was a good one.
    pub(super) fn map_done<U>(self, map: impl FnOnce(T) -> U) -> Ended<U> {
        match self {
            Ended::Done(value) => Ended::Done(map(value)),
            Ended::NoData(none) => Ended::NoData(none),
            Ended::Broken(error) => Ended::Broken(error),
            Ended::Stalled => Ended::Stalled,
            Ended::Stopped(signal) => Ended::Stopped(signal),
            Ended::Fault(fault) => Ended::Fault(fault),
        }
    }
}

impl Session {
    pub(super) async fn pasv(&mut self) -> Reply {
        if self.only_epsv {
            return Reply::new(503, "after EPSV ALL, only EPSV is possible");
        }
        let IpAddr::V4(local) = self.local.ip().to_canonical() else {
            return Reply::new(425, "PASV knows no IPv6 addresses; use EPSV");
        };
        let told = match &self.context.settings.passive_address {
            None => local,
            Some(public) => match public.told(self.peer, local).await {
                Ok(told) => told,
                Err(error) => {
                    tracing::error!("the public address for FTP's data connections cannot be found: {error}");
                    return Reply::new(425, "the server does not know its own address now; use EPSV, or try again");
                }
            },
        };
        match self.listen().await {
            Ok(port) => {
                let [a, b, c, d] = told.octets();
                let [high, low] = port.to_be_bytes();
                Reply::new(227, format!("Entering Passive Mode ({a},{b},{c},{d},{high},{low})"))
            }
            Err(refusal) => refusal,
        }
    }

    pub(super) async fn epsv(&mut self, family: Family) -> Reply {
        let ours = if self.local.ip().to_canonical().is_ipv4() { Family::V4 } else { Family::V6 };
        match family {
            Family::All => {
                self.only_epsv = true;
                return Reply::new(200, "only EPSV from now on");
            }
            Family::V4 | Family::V6 if family != ours => {
                let number = if ours == Family::V4 { 1 } else { 2 };
                return Reply::new(522, format!("data connections use the control connection's protocol ({number})"));
            }
            _ => {}
        }
        match self.listen().await {
            Ok(port) => Reply::new(229, format!("Entering Extended Passive Mode (|||{port}|)")),
            Err(refusal) => refusal,
        }
    }

    /// PORT and EPRT: we shall connect to the client.
    pub(super) fn active(&mut self, client: SocketAddr) -> Reply {
        if self.only_epsv {
            return Reply::new(503, "after EPSV ALL, only EPSV is possible");
        }
        if !self.context.settings.active {
            return Reply::new(502, "active mode is switched off here; use passive mode (PASV or EPSV)");
        }
        self.origin = None;
        match Origin::active(self.local.ip(), self.peer, client) {
            Ok(origin) => {
                self.origin = Some(origin);
                Reply::new(200, "the data connection will go to you")
            }
            Err(why) => Reply::new(504, why),
        }
    }

    async fn listen(&mut self) -> Result<u16, Reply> {
        // The port that was waited on before is free again, also for this one.
        self.origin = None;
        let settings = &self.context.settings;
        let opened = async {
            let passive = Passive::open(self.local, settings.passive_ports.as_ref(), &settings.proxies).await?;
            Ok::<_, io::Error>((passive.address()?.port(), passive))
        };
        match opened.await {
            Ok((port, passive)) => {
                self.origin = Some(Origin::Passive(passive));
                Ok(port)
            }
            Err(error) => {
                tracing::warn!("no port for a data connection: {error}; widen the range of passive ports");
                Err(Reply::new(425, "no port is free for a data connection; try again in a minute"))
            }
        }
    }

    /// What a transfer needs for its data connection, and what steers it; takes away what PASV made.
    pub(super) fn data(&mut self) -> Result<(Course, Data), Reply> {
        let origin = self.origin.take();
        let settings = &self.context.settings;
        if self.tls_required() && !self.protected {
            return Err(Reply::new(521, "this server wants TLS for data as well; send PROT P first"));
        }
        let origin = origin.ok_or_else(|| Reply::new(425, "no data connection: send PASV or EPSV first"))?;
        let tls = self.context.tls.as_ref().filter(|_| self.protected);
        let tls = tls.map(|tls| tls.data(self.ticket_mark, settings.tls_resume_required));
        let (sender, signal) = watch::channel(Signal::Go);
        let (invite, invited) = oneshot::channel();
        let moved = Arc::new(AtomicU64::new(0));
        let data = Data {
            origin,
            peer: self.peer,
            tls,
            patience: if self.tls_begins == TlsBegins::AtOnce { TLS_WAIT } else { Duration::ZERO },
            invite,
            wait_max: settings.data_wait_max,
            stall_max: settings.stall_max,
            signal,
            moved: Arc::clone(&moved),
        };
        Ok((Course { signal: sender, moved, invited }, data))
    }

    pub(super) async fn store(&mut self, name: &[u8], append: bool) -> io::Result<Next> {
        let start = match (append, std::mem::take(&mut self.rest)) {
            (true, _) => Start::Append,
            (false, 0) => Start::New,
            (false, offset) => Start::At(offset),
        };
        match self.resolve(name) {
            Ok(path) => self.take(path, start, "send it").await,
            Err(refusal) => {
                self.reply(refusal).await?;
                Ok(Next::Command)
            }
        }
    }

    /// STOU: a name that nothing has yet, made from the given one.
    pub(super) async fn store_unique(&mut self, name: &[u8]) -> io::Result<Next> {
        self.rest = 0;
        let (cwd, base) = (self.cwd(), if name.is_empty() { b"upload".to_vec() } else { name.to_vec() });
        let found = self
            .with_tree(move |tree| {
                let mut name = base.clone();
                for number in 1_u64.. {
                    let path = TreePath::resolve(&cwd, &name)?;
                    match tree.stat(&path) {
                        Err(TreeError::NotFound(_)) => return Ok((path, name)),
                        Err(fault) => return Err(fault),
                        Ok(_) => name = [&base[..], format!(".{number}").as_bytes()].concat(),
                    }
                }
                Err(TreeError::Exists(cwd))
            })
            .await;
        match found {
            // RFC 1123 wants exactly this form, so that the client learns the name.
            Ok((path, name)) => self.take(path, Start::New, [b"FILE: ", &name[..]].concat()).await,
            Err(refusal) => {
                self.reply(refusal).await?;
                Ok(Next::Command)
            }
        }
    }

    async fn take(&mut self, path: TreePath, start: Start, invitation: impl AsRef<[u8]>) -> io::Result<Next> {
        let incoming = match self.begin(path, start).await {
            Ok(incoming) => incoming,
            Err(refusal) => {
                self.origin = None;
                self.reply(refusal).await?;
                return Ok(Next::Command);
            }
        };
        let (mut course, data) = match self.data() {
            Ok(data) => data,
            Err(refusal) => {
                let abandoned = blocking(move || incoming.abandon()).await;
                self.reply(abandoned.map_or_else(|fault| tree_reply(&fault), |()| refusal)).await?;
                return Ok(Next::Command);
            }
        };
        let invitation = Reply::new(150, invitation);
        let ended = self.supervise(receive(incoming, data), &mut course, invitation).await?;
        let bytes = course.moved.load(Ordering::Relaxed);
        self.conclude(ended.map_done(|upload| format!("received and kept: {bytes} bytes, upload {upload}")), &course)
            .await
    }

    async fn begin(&self, path: TreePath, start: Start) -> Result<Incoming, Reply> {
        let spool = Arc::clone(&self.context.spool);
        let endpoint = if self.secured { Endpoint::Ftps } else { Endpoint::Ftp };
        if start == Start::New
            && let Some(signed_in) = &self.signed_in
            && let Some(begun) = spool.begin_at_once(signed_in.tree.customer(), &path, endpoint)
        {
            return begun.map_err(|fault| tree_reply(&fault));
        }
        self.with_tree(move |tree| spool.begin(tree.customer(), &path, endpoint, start)).await
    }

    pub(super) async fn retrieve(&mut self, name: &[u8]) -> io::Result<Next> {
        let offset = std::mem::take(&mut self.rest);
        let opened = async {
            let path = self.resolve(name)?;
            self.with_tree(move |tree| {
                let (file, size) = tree.open_read(&path)?;
                if offset > size { Err(TreeError::BeyondEnd { path, at: offset, size }) } else { Ok((file, size)) }
            })
            .await
        };
        let (file, size) = match opened.await {
            Ok(opened) => opened,
            Err(refusal) => {
                self.origin = None;
                self.reply(refusal).await?;
                return Ok(Next::Command);
            }
        };
        let (mut course, data) = match self.data() {
            Ok(data) => data,
            Err(refusal) => {
                self.reply(refusal).await?;
                return Ok(Next::Command);
            }
        };
        // Clients read the size in brackets.
        let invitation = Reply::new(150, format!("here it comes ({} bytes)", size - offset));
        let ended = self.supervise(send_file(file, offset, data), &mut course, invitation).await?;
        self.conclude(ended.map_done(|()| "sent".to_owned()), &course).await
    }

    /// Tells how a transfer ended, and answers the ABOR that may have come meanwhile.
    pub(super) async fn conclude(&mut self, ended: Ended<String>, course: &Course) -> io::Result<Next> {
        let reply = match ended {
            Ended::Done(text) => Reply::new(226, text),
            Ended::NoData(none) => Reply::new(425, none.to_string()),
            Ended::Broken(error) => {
                Reply::new(426, format!("the data connection broke: {error}; what came can be resumed"))
            }
            Ended::Stalled => {
                let seconds = self.context.settings.stall_max.as_secs();
                Reply::new(426, format!("nothing moved for {seconds} s; what came can be resumed"))
            }
            Ended::Stopped(Signal::Abort) => Reply::new(426, "stopped, as you asked; what came can be resumed"),
            // Nobody is there to be told.
            Ended::Stopped(_) => return Ok(Next::End),
            Ended::Fault(fault) => tree_reply(&fault),
        };
        self.reply(reply).await?;
        if *course.signal.borrow() == Signal::Abort {
            self.reply(Reply::new(226, "ABOR done")).await?;
        }
        Ok(Next::Command)
    }
}
