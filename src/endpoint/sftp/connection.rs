//! One SSH connection: who signs in, and what its channels may ask for.
//!
//! Offers password, public key, certificate and keyboard-interactive (which asks for the password). A session channel may ask for the
//! subsystem `sftp`, run `scp`, or run `md5sum` and its like; everything else gets a sentence and exit status 1. Knows
//! nothing of files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use russh::keys::{Certificate, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure};
use tokio::sync::{mpsc, watch};

use super::budget::Budget;
use super::files::Files;
use super::session::{Outcome, Patience, say_goodbye};
use super::{SftpContext, scp, session, sums};
use crate::endpoint::limits::Place;
use crate::endpoint::login::{Login, Refused};
use crate::tree::Tree;

/// Sessions within one connection.
const CHANNELS_MAX: usize = 10;

/// The question of keyboard-interactive.
const PROMPTS: &[(Cow<'static, str>, bool)] = &[(Cow::Borrowed("Password: "), false)];

/// One connection's side of the conversation.
pub(super) struct Connection {
    pub context: Arc<SftpContext>,
    pub budget: Arc<Budget>,
    pub peer: IpAddr,
    pub place: Place,
    pub stop: watch::Receiver<bool>,
    /// Set once someone has signed in.
    pub signed_in: Arc<AtomicBool>,
    /// Held by each running session, so that the connection's end can wait for them.
    pub running: mpsc::Sender<Infallible>,
    pub login: Option<Login>,
    pub channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Connection {
    /// Decides about a sign-in that was checked.
    fn admit(&mut self, checked: Result<Login, Refused>) -> Auth {
        let login = match checked {
            Ok(login) => login,
            Err(refused) => {
                if let Refused::Catalogue(fault) = &refused {
                    tracing::error!(peer = %self.peer, "cannot sign anyone in: {fault}");
                }
                return Auth::reject();
            }
        };
        if let Err(too_many) = self.place.sign_in(login.customer) {
            tracing::warn!(peer = %self.peer, account = login.name, "{too_many}");
            return Auth::reject();
        }
        self.login = Some(login);
        self.signed_in.store(true, Ordering::Relaxed);
        Auth::Accept
    }

    /// Whether `key` may sign `user` in; who is only counted once the key has signed.
    async fn knows(&self, user: &str, key: &PublicKey) -> Result<Login, Refused> {
        self.context.logins.key(user.as_bytes(), key, self.peer).await
    }

    /// The channel and the tree of whoever signed in, for what the channel asks for; its request is granted by this.
    fn grant(&mut self, id: ChannelId, session: &mut Session) -> Result<Option<(Channel<Msg>, Tree)>, russh::Error> {
        let (Some(channel), Some(login)) = (self.channels.remove(&id), &self.login) else {
            session.channel_failure(id)?;
            return Ok(None);
        };
        session.channel_success(id)?;
        let tree = Tree::new(Arc::clone(&self.context.catalogue), Arc::clone(&self.context.spool), login.customer);
        Ok(Some((channel, tree)))
    }

    /// Runs `work` beside the connection, which outlives it.
    fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let running = self.running.clone();
        tokio::spawn(async move {
            work.await;
            drop(running);
        });
    }

    fn start_sftp(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        if let Some((channel, tree)) = self.grant(id, session)? {
            let spool = Arc::clone(&self.context.spool);
            let files = Files::new(tree, spool, self.context.settings.handles_max, self.stop.clone());
            self.run(session::run(channel, files, self.budget.share(), self.patience(), self.stop.clone()));
        }
        Ok(())
    }

    fn start_scp(&mut self, id: ChannelId, command: scp::Command, session: &mut Session) -> Result<(), russh::Error> {
        if let Some((channel, tree)) = self.grant(id, session)? {
            let spool = Arc::clone(&self.context.spool);
            self.run(scp::run(channel, command, tree, spool, self.budget.share(), self.patience()));
        }
        Ok(())
    }

    fn start_sums(&mut self, id: ChannelId, command: sums::Command, session: &mut Session) -> Result<(), russh::Error> {
        if let Some((channel, tree)) = self.grant(id, session)? {
            self.run(sums::run(channel, command, tree, self.patience()));
        }
        Ok(())
    }

    /// Answers a request for something that is not here with a sentence.
    fn decline(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        let Some((channel, _)) = self.grant(id, session)? else { return Ok(()) };
        let sentence =
            "this server takes files over SFTP and scp; it has no shell, and of commands only md5sum and the like"
                .to_owned();
        self.run(async move {
            let (_read, write) = channel.split();
            say_goodbye(&write, Outcome { status: 1, sentence: Some(sentence) }).await;
        });
        Ok(())
    }

    fn patience(&self) -> Patience {
        Patience { idle: self.context.settings.idle, stall: self.context.settings.stall }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let checked = self.context.logins.password(user.as_bytes(), password.as_bytes(), self.peer).await;
        Ok(self.admit(checked))
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        // The key of a certificate is offered like any other, and only the signed request shows the certificate. So where
        // certificates can open accounts, every key is let through to its signature, and judged then.
        if self.context.logins.takes_certificates() {
            return Ok(Auth::Accept);
        }
        Ok(match self.knows(user, offer.public_key).await {
            Ok(_) => Auth::Accept,
            Err(_) => Auth::reject(),
        })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let checked = self.knows(user, key.public_key).await;
        Ok(self.admit(checked))
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, Self::Error> {
        let checked = self.context.logins.certificate(user.as_bytes(), certificate, self.peer).await;
        Ok(self.admit(checked))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(password) = response.and_then(|mut answers| answers.next()) else {
            return Ok(Auth::Partial { name: "".into(), instructions: "".into(), prompts: Cow::Borrowed(PROMPTS) });
        };
        let checked = self.context.logins.password(user.as_bytes(), &password, self.peer).await;
        Ok(self.admit(checked))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // Channels that run something are held by it; each has a sender, and so has this handler.
        let running = self.running.strong_count().saturating_sub(1);
        if self.login.is_none() || self.channels.len() + running >= CHANNELS_MAX {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if name == "sftp" { self.start_sftp(channel, session) } else { session.channel_failure(channel) }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match scp::Command::parse(command) {
            Some(scp) => self.start_scp(channel, scp, session),
            // Some clients start the server by its path on other machines.
            None if command.ends_with(b"/sftp-server") => self.start_sftp(channel, session),
            None => match sums::Command::parse(command) {
                Some(sums) => self.start_sums(channel, sums, session),
                None => self.decline(channel, session),
            },
        }
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.decline(channel, session)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    fn adjust_window(&mut self, _channel: ChannelId, _current: u32) -> u32 {
        self.budget.window()
    }
}
