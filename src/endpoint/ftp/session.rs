//! One control connection: reads a line, obeys it, replies. Owns the session's state and the order of things.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::FtpContext;
use super::command::{Command, parse, verb};
use super::flow::{Signal, TlsBegins};
use super::line::{Line, Lines};
use super::listing::Facts;
use super::origin::Origin;
use super::reply::Reply;
use super::sums::Sum;
use super::transfer::Course;
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
    /// When the client has begun TLS on its last data connection.
    pub(super) tls_begins: TlsBegins,
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
            tls_begins: TlsBegins::AtOnce,
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

    /// The directory that relative names begin at.
    pub(super) fn cwd(&self) -> TreePath {
        self.signed_in.as_ref().map_or_else(TreePath::root, |signed_in| signed_in.cwd.clone())
    }

    /// Who has signed in, or the reply that asks for it.
    pub(super) fn customer(&self) -> Result<&SignedIn, Reply> {
        self.signed_in.as_ref().ok_or_else(|| Reply::new(530, "sign in first, with USER and PASS"))
    }

    /// Does something with the customer's tree, beside the runtime; failures become replies.
    pub(super) async fn with_tree<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T, TreeError> + Send + 'static,
    ) -> Result<T, Reply> {
        let tree = self.customer()?.tree.clone();
        blocking(move || work(&tree)).await.map_err(|fault| tree_reply(&fault))
    }

    /// A name as the client means it, or the reply that says why not.
    pub(super) fn resolve(&self, name: &[u8]) -> Result<TreePath, Reply> {
        TreePath::resolve(&self.cwd(), name).map_err(|bad| Reply::new(553, bad.to_string()))
    }

    /// Runs a transfer while the control connection stays open for ABOR and STAT. Other commands wait for their turn.
    /// `invitation` goes to the client once its data connection is ready for it.
    ///
    /// # Errors
    /// When the control connection breaks as a reply is sent; the transfer is dropped then.
    pub(super) async fn supervise<T>(
        &mut self,
        transfer: impl Future<Output = T>,
        course: &mut Course,
        invitation: Reply,
    ) -> io::Result<T> {
        tokio::pin!(transfer);
        let (mut open, mut invitation) = (true, Some(invitation));
        loop {
            let mut bytes = [0; READ_BYTES];
            let read = tokio::select! {
                biased;
                begins = &mut course.invited, if invitation.is_some() => {
                    // Without a data connection there is nothing to invite to, and the transfer's end tells why.
                    if let (Some(invitation), Ok(begins)) = (invitation.take(), begins) {
                        self.invite(invitation, begins).await?;
                    }
                    continue;
                }
                read = self.wire.read(&mut bytes), if open && self.ahead.len() < AHEAD_MAX => read,
                ended = &mut transfer => {
                    if let Some(invitation) = invitation && let Ok(begins) = course.invited.try_recv() {
                        self.invite(invitation, begins).await?;
                    }
                    return Ok(ended);
                }
            };
            match read {
                Ok(count @ 1..) => self.lines.feed(&bytes[..count]),
                _ => {
                    open = false;
                    let leaves = self.ahead.iter().any(|line| matches!(line, Line::Text(text) if verb(text) == "QUIT"));
                    if !leaves {
                        course.signal.send_replace(Signal::Gone);
                    }
                }
            }
            while let Some(line) = self.lines.next() {
                match &line {
                    Line::Text(text) if verb(text) == "ABOR" => {
                        course.signal.send_replace(Signal::Abort);
                    }
                    Line::Text(text) if matches!(parse(text), Ok(Command::Stat(None))) => {
                        let moved = course.moved.load(Ordering::Relaxed);
                        self.reply(Reply::new(213, format!("a transfer is running, {moved} bytes so far"))).await?;
                    }
                    _ => self.ahead.push_back(line),
                }
            }
        }
    }

    /// Asks for the bytes of a transfer, or announces them.
    async fn invite(&mut self, invitation: Reply, begins: TlsBegins) -> io::Result<()> {
        self.tls_begins = begins;
        self.reply(invitation).await
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
