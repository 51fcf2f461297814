//! Where each command leads: one place that tells a command from the way it is obeyed.
//!
//! Owns what may be asked before signing in, and the replies that take no more than a sentence. What takes more is in the
//! files that `mod` names.

use std::io;

use super::command::{Command, Malformed, parse, verb};
use super::listing::Form;
use super::reply::Reply;
use super::session::{Next, Session, absolute};

impl Session {
    /// Obeys one line.
    ///
    /// # Errors
    /// When the control connection breaks as a reply is sent; the session is over then.
    pub(super) async fn obey(&mut self, line: &[u8]) -> io::Result<Next> {
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
