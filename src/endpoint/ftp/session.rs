//! One control connection: reads a line, obeys it, replies. Owns the session's state and the order of things.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::FtpContext;
use super::command::{Command, Malformed, parse, verb};
use super::flow::Signal;
use super::line::{Line, Lines};
use super::listing::{Facts, Form};
use super::origin::Origin;
use super::reply::Reply;
use super::sums::Sum;
use super::wire::Wire;
use crate::endpoint::accept::is_set;
use crate::endpoint::blocking;
use crate::endpoint::limits::Place;
use crate::endpoint::login::Login;
use crate::tree::{Tree, TreeError, TreePath};

/// Lines that a client may send ahead while a transfer runs; more wait in the network.
const AHEAD_MAX: usize = 32;

/// How long the rest of a line may be missing before it is taken as it is; see [`Lines::take_cut`].
const CUT_WAIT: Duration = Duration::from_secs(1);

/// Bytes read from the control connection at a time.
const READ_BYTES: usize = 4096;

/// A session's state.
pub(super) struct Session {
    pub(super) context: Arc<FtpContext>,
    pub(super) wire: Wire,
    pub(super) lines: Lines,
    /// Lines that came while a transfer ran.
    ahead: VecDeque<Line>,
    pub(super) place: Place,
    pub(super) local: SocketAddr,
    pub(super) peer: IpAddr,
    began: Instant,
    /// Whether the control connection is inside TLS.
    pub(super) secured: bool,
    /// Whether data connections are to be inside TLS.
    pub(super) protected: bool,
    /// The name given by USER, until PASS.
    pub(super) user: Option<Vec<u8>>,
    pub(super) signed_in: Option<SignedIn>,
    /// Failed sign-ins on this connection.
    pub(super) failures: u32,
    pub(super) origin: Option<Origin>,
    /// After EPSV ALL, nothing but EPSV makes data connections.
    pub(super) only_epsv: bool,
    /// Where the next transfer begins; any transfer forgets it, whether it succeeds or not.
    pub(super) rest: u64,
    pub(super) rename_from: Option<TreePath>,
    pub(super) facts: Facts,
    pub(super) hash: Sum,
    /// What marks the tickets of this session's TLS, so that its data connections can be told from others'.
    pub(super) ticket_mark: [u8; 16],
}

/// What a session has once its customer is known.
pub(super) struct SignedIn {
    pub(super) login: Login,
    pub(super) tree: Tree,
    pub(super) cwd: TreePath,
}

/// Whether a session goes on after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Command,
    End,
}

/// What the wait for a line came to.
enum Waited {
    Line(Line),
    Closed,
    TooLate,
    Stopping,
}

/// Runs a session to its end.
pub(super) async fn run(
    context: Arc<FtpContext>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    mut shutdown: watch::Receiver<bool>,
) {
    let began = async {
        // Telnet's urgent mark, which clients send before ABOR, is then one more byte in its place.
        sockopt::set_socket_oobinline(&stream, true)?;
        let mut ticket_mark = [0; 16];
        getrandom::fill(&mut ticket_mark).map_err(io::Error::other)?;
        Ok::<_, io::Error>(Session::new(context, stream.local_addr()?, stream, place, ticket_mark))
    };
    let ended = match began.await {
        Ok(mut session) => session.converse(&mut shutdown).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => tracing::debug!(%peer, "FTP session ended"),
        Err(error) => tracing::debug!(%peer, "FTP session broke: {error}"),
    }
}

impl Session {
    fn new(
        context: Arc<FtpContext>,
        local: SocketAddr,
        stream: TcpStream,
        place: Place,
        ticket_mark: [u8; 16],
    ) -> Self {
        Session {
            context,
            wire: Wire::Plain(stream),
            lines: Lines::default(),
            ahead: VecDeque::new(),
            peer: place.peer(),
            place,
            local,
            began: Instant::now(),
            secured: false,
            protected: false,
            user: None,
            signed_in: None,
            failures: 0,
            origin: None,
            only_epsv: false,
            rest: 0,
            rename_from: None,
            facts: Facts::default(),
            hash: Sum::ALL[0],
            ticket_mark,
        }
    }

    async fn converse(&mut self, shutdown: &mut watch::Receiver<bool>) -> io::Result<()> {
        if self.context.settings.tls_implicit {
            self.begin_implicit_tls().await?;
        }
        self.reply(Reply::new(220, "reunite takes your pictures")).await?;
        loop {
            let next = match self.next_line(shutdown).await? {
                Waited::Line(Line::Text(line)) => self.obey(&line).await?,
                Waited::Line(Line::TooLong) => {
                    self.reply(Reply::new(500, "that line is too long and was ignored")).await?;
                    Next::Command
                }
                Waited::Line(Line::Tail) => {
                    self.reply(Reply::new(500, "the rest of a name with a line break was ignored")).await?;
                    Next::Command
                }
                Waited::Closed => Next::End,
                Waited::TooLate => {
                    self.reply(Reply::new(421, "nothing was heard for too long; connect again to go on")).await?;
                    Next::End
                }
                Waited::Stopping => {
                    self.reply(Reply::new(421, "the server is stopping; connect again in a minute")).await?;
                    Next::End
                }
            };
            if next == Next::End {
                // The other end may be gone already, and then nothing is left to be ended.
                let _ended = timeout(self.context.settings.stall_max, self.wire.shutdown()).await;
                return Ok(());
            }
        }
    }

    async fn next_line(&mut self, shutdown: &mut watch::Receiver<bool>) -> io::Result<Waited> {
        let settings = &self.context.settings;
        let mut deadline = Instant::now() + settings.idle_max;
        if self.signed_in.is_none() {
            deadline = deadline.min(self.began + settings.login_max);
        }
        loop {
            if *shutdown.borrow() {
                return Ok(Waited::Stopping);
            }
            if let Some(line) = self.ahead.pop_front().or_else(|| self.lines.next()) {
                return Ok(Waited::Line(line));
            }
            let cut = self.lines.is_cut();
            let deadline = if cut { deadline.min(Instant::now() + CUT_WAIT) } else { deadline };
            let mut bytes = [0; READ_BYTES];
            let read = tokio::select! {
                read = timeout_at(deadline, self.wire.read(&mut bytes)) => read,
                () = is_set(shutdown) => return Ok(Waited::Stopping),
            };
            match read {
                Ok(Ok(0)) => return Ok(Waited::Closed),
                Ok(Ok(count)) => self.lines.feed(&bytes[..count]),
                Ok(Err(error)) => return Err(error),
                Err(_) => match self.lines.take_cut() {
                    Some(line) => {
                        tracing::info!(peer = %self.peer, "a name with a line break came without its rest");
                        return Ok(Waited::Line(line));
                    }
                    None => return Ok(Waited::TooLate),
                },
            }
        }
    }

    /// Sends a reply.
    ///
    /// # Errors
    /// When the control connection is broken or its other end does not read; the session is over then.
    pub(super) async fn reply(&mut self, reply: Reply) -> io::Result<()> {
        let bytes = if self.secured { reply.0 } else { reply.for_telnet() };
        let sent = async {
            self.wire.write_all(&bytes).await?;
            self.wire.flush().await
        };
        timeout(self.context.settings.stall_max, sent).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn obey(&mut self, line: &[u8]) -> io::Result<Next> {
        let verb = verb(line);
        tracing::trace!(peer = %self.peer, "FTP {verb}");
        let command = match parse(line) {
            Ok(command) => command,
            Err(malformed) => {
                self.reply(refusal(&verb, malformed)).await?;
                return Ok(Next::Command);
            }
        };
        let rename_from = self.rename_from.take();
        if let Command::Rnto(name) = command {
            let reply = self.rename_to(rename_from, &name).await;
            self.reply(reply).await?;
            return Ok(Next::Command);
        }
        self.dispatch(command).await
    }

    async fn dispatch(&mut self, command: Command) -> io::Result<Next> {
        use Command::*;
        let reply = match command {
            Quit => {
                self.reply(Reply::new(221, "goodbye")).await?;
                return Ok(Next::End);
            }
            Pass(password) => return self.pass(&password).await,
            Auth(mechanism) => return self.auth(&mechanism).await,
            User(name) => self.user(name),
            Acct => Reply::new(202, "no account is needed beside the user name"),
            Host => self.host(),
            Lang(language) => language_reply(&language),
            Rein => self.reinitialize(),
            Pbsz => self.protection_buffer(),
            Prot(level) => self.protection(level),
            Ccc => Reply::new(534, "the control connection stays inside TLS"),
            Noop => Reply::new(200, "ok"),
            Clnt => Reply::new(200, "noted"),
            Syst => Reply::new(215, "UNIX Type: L8"),
            Feat => self.features(),
            Help => help(),
            OptsUtf8(_) => Reply::new(200, "names are bytes here and stay as they are sent; UTF-8 is a good choice"),
            OptsMlst(names) => self.choose_facts(&names),
            OptsHash(algorithm) => {
                self.hash = algorithm.unwrap_or(self.hash);
                Reply::new(200, self.hash.name())
            }
            Type(b'A') => Reply::new(200, "type is A; bytes are stored as they are sent"),
            Type(_) => Reply::new(200, "type is I"),
            Mode(b'S') => Reply::new(200, "mode is S"),
            Stru(b'F') => Reply::new(200, "structure is F"),
            Mode(_) => Reply::new(504, "only mode S is done here"),
            Stru(_) => Reply::new(504, "only structure F is done here"),
            _ if self.signed_in.is_none() => Reply::new(530, "sign in first, with USER and PASS"),
            signed_in => return self.dispatch_signed_in(signed_in).await,
        };
        self.reply(reply).await?;
        Ok(Next::Command)
    }

    async fn dispatch_signed_in(&mut self, command: Command) -> io::Result<Next> {
        use Command::*;
        let reply = match command {
            List(name) => return self.list(Form::Long, &name).await,
            Nlst(name) => return self.list(Form::Names, &name).await,
            Mlsd(name) => return self.list(Form::Facts(self.facts), &name).await,
            Stor(name) => return self.store(&name, false).await,
            Appe(name) => return self.store(&name, true).await,
            Stou(name) => return self.store_unique(&name).await,
            Retr(name) => return self.retrieve(&name).await,
            Abor => {
                self.origin = None;
                Reply::new(226, "nothing was running")
            }
            Rest(offset) => {
                self.rest = offset;
                Reply::new(350, format!("the next transfer begins at byte {offset}"))
            }
            Allo(bytes) => self.allocate(bytes).await,
            Avbl => self.space_left().await,
            Active(client) => self.active(client),
            Pasv => self.pasv().await,
            Epsv(family) => self.epsv(family).await,
            Pwd => Reply::path(&absolute(&self.cwd()), "is the current directory"),
            Cwd(name) => self.change_directory(&name).await,
            Cdup => self.change_directory(b"..").await,
            Mkd(name) => self.make_directory(&name).await,
            Rmd(name) => self.remove_directory(&name).await,
            Dele(name) => self.delete(&name).await,
            Rnfr(name) => self.rename_first(&name).await,
            Size(name) => self.size(&name).await,
            Mdtm(name) => self.modification_time(&name).await,
            Mfmt(at, name) => self.set_modification_time(at, &name).await,
            Chmod => Reply::new(200, "everything here has the same permissions; nothing was changed"),
            Sum(asked, name) => self.sum(asked, &name).await,
            Stat(None) => self.status(),
            Stat(Some(name)) => self.status_of(&name).await,
            Mlst(name) => self.facts_of(&name).await,
            // `dispatch` has answered every other command.
            other => Reply::new(502, format!("{other:?} is not done here")),
        };
        self.reply(reply).await?;
        Ok(Next::Command)
    }

    /// The directory that relative names begin at.
    pub(super) fn cwd(&self) -> TreePath {
        self.signed_in.as_ref().map_or_else(TreePath::root, |signed_in| signed_in.cwd.clone())
    }

    /// Does something with the customer's tree, beside the runtime; failures become replies.
    pub(super) async fn with_tree<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T, TreeError> + Send + 'static,
    ) -> Result<T, Reply> {
        let Some(signed_in) = &self.signed_in else {
            return Err(Reply::new(530, "sign in first, with USER and PASS"));
        };
        let tree = signed_in.tree.clone();
        blocking(move || work(&tree)).await.map_err(|fault| tree_reply(&fault))
    }

    /// A name as the client means it, or the reply that says why not.
    pub(super) fn resolve(&self, name: &[u8]) -> Result<TreePath, Reply> {
        TreePath::resolve(&self.cwd(), name).map_err(|bad| Reply::new(553, bad.to_string()))
    }

    /// Runs a transfer while the control connection stays open for ABOR and STAT. Other commands wait for their turn.
    ///
    /// # Errors
    /// When the control connection breaks as a reply is sent; the transfer is dropped then.
    pub(super) async fn supervise<T>(
        &mut self,
        transfer: impl Future<Output = T>,
        signal: &watch::Sender<Signal>,
        moved: &AtomicU64,
    ) -> io::Result<T> {
        tokio::pin!(transfer);
        let mut open = true;
        loop {
            let mut bytes = [0; READ_BYTES];
            let read = tokio::select! {
                biased;
                read = self.wire.read(&mut bytes), if open && self.ahead.len() < AHEAD_MAX => read,
                ended = &mut transfer => return Ok(ended),
            };
            match read {
                Ok(count @ 1..) => self.lines.feed(&bytes[..count]),
                _ => {
                    open = false;
                    let leaves = self.ahead.iter().any(|line| matches!(line, Line::Text(text) if verb(text) == "QUIT"));
                    if !leaves {
                        signal.send_replace(Signal::Gone);
                    }
                }
            }
            while let Some(line) = self.lines.next() {
                match &line {
                    Line::Text(text) if verb(text) == "ABOR" => {
                        signal.send_replace(Signal::Abort);
                    }
                    Line::Text(text) if matches!(parse(text), Ok(Command::Stat(None))) => {
                        let moved = moved.load(Ordering::Relaxed);
                        self.reply(Reply::new(213, format!("a transfer is running, {moved} bytes so far"))).await?;
                    }
                    _ => self.ahead.push_back(line),
                }
            }
        }
    }
}

/// A path as clients read it.
pub(super) fn absolute(path: &TreePath) -> Vec<u8> {
    [b"/", path.to_bytes().as_slice()].concat()
}

/// The reply for something that tree or spool refused.
pub(super) fn tree_reply(fault: &TreeError) -> Reply {
    let code = match fault {
        TreeError::NoSpace => 452,
        TreeError::TooLarge { .. } | TreeError::OverQuota(_) => 552,
        TreeError::BadName(_) => 553,
        TreeError::BeyondEnd { .. } => 554,
        TreeError::Catalogue(_) | TreeError::Io { .. } => {
            tracing::error!("FTP: {fault}");
            451
        }
        other if other.is_transient() => 450,
        _ => 550,
    };
    Reply::new(code, fault.for_customer())
}

fn refusal(verb: &str, malformed: Malformed) -> Reply {
    match malformed {
        Malformed::Unknown => Reply::new(500, format!("`{verb}` is not understood")),
        Malformed::NotDone => Reply::new(502, format!("{verb} is not done here")),
        Malformed::Parameter(why) => Reply::new(501, format!("{verb}: {why}")),
    }
}

fn language_reply(language: &[u8]) -> Reply {
    match language {
        b"" | b"en" | [b'e', b'n', b'-', ..] => Reply::new(200, "messages are in English"),
        _ => Reply::new(504, "messages are in English only"),
    }
}

fn help() -> Reply {
    let commands = [
        "USER PASS ACCT HOST QUIT REIN NOOP SYST FEAT HELP LANG OPTS CLNT STAT",
        "AUTH PBSZ PROT TYPE MODE STRU ALLO AVBL REST PASV EPSV PORT EPRT ABOR",
        "PWD XPWD CWD XCWD CDUP XCUP MKD XMKD RMD XRMD DELE RNFR RNTO SIZE MDTM MFMT",
        "LIST NLST MLSD MLST STOR APPE STOU RETR HASH XCRC XMD5 XSHA1 XSHA256 XSHA512",
        "SITE CHMOD, SITE UTIME, SITE HELP",
    ];
    Reply::lines(214, "these commands are understood:", commands, "end")
}
