//! Looking around: LIST, NLST, MLSD, MLST, STAT. Whatever is missing is said before a data connection is used.

use std::io;

use super::command::after_switches;
use super::flow::send_bytes;
use super::listing::{Form, fits, push_line};
use super::reply::Reply;
use super::session::{Next, Session, absolute};
use crate::domain::Micros;
use crate::endpoint::blocking;
use crate::tree::{Entry, Tree, TreeError, TreePath};

/// Entries that STAT lists at most: it lists on the control connection, where nothing can stop it.
const STATUS_ENTRIES_MAX: usize = 1000;

/// What a listing is of.
struct Shown {
    entries: Vec<Entry>,
    /// What NLST puts before each name: the directory as the client wrote it.
    prefix: Vec<u8>,
}

impl Session {
    pub(super) async fn list(&mut self, form: Form, name: &[u8]) -> io::Result<Next> {
        self.rest = 0;
        let shown = match form {
            // MLSD has no switches and no patterns.
            Form::Facts(_) => self.find_directory(name).await,
            Form::Long | Form::Names => self.find(name).await,
        };
        let shown = match shown {
            Ok(shown) => shown,
            Err(refusal) => {
                self.origin = None;
                self.reply(refusal).await?;
                return Ok(Next::Command);
            }
        };
        let count = shown.entries.len();
        // A hundred thousand entries take a while, which is not the other sessions' business.
        let lines = blocking(move || lines_of(&shown, form)).await;
        let (mut course, data) = match self.data() {
            Ok(data) => data,
            Err(refusal) => {
                self.reply(refusal).await?;
                return Ok(Next::Command);
            }
        };
        let invitation = Reply::new(150, "here comes the list");
        let ended = self.supervise(send_bytes(lines, data), &mut course, invitation).await?;
        self.conclude(ended.map_done(|()| format!("{count} listed")), &course).await
    }

    pub(super) async fn status_of(&self, name: &[u8]) -> Reply {
        match self.find(name).await {
            Ok(shown) if shown.entries.len() <= STATUS_ENTRIES_MAX => {
                let lines = lines_of(&shown, Form::Long);
                let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                Reply::lines(213, "status:", lines.map(|line| line.trim_ascii_end()), "end")
            }
            Ok(shown) => {
                Reply::new(450, format!("{} entries are too many for STAT; use LIST or MLSD", shown.entries.len()))
            }
            Err(refusal) => refusal,
        }
    }

    pub(super) fn status(&self) -> Reply {
        let user = self.signed_in.as_ref().map_or("", |signed_in| &signed_in.login.name);
        let tls = match (self.secured, self.protected) {
            (false, _) => "no TLS",
            (true, false) => "TLS for commands only",
            (true, true) => "TLS for commands and data",
        };
        let lines = [format!("signed in as {user}"), tls.to_owned(), "no transfer is running".to_owned()];
        Reply::lines(211, "status:", lines, "end")
    }

    pub(super) async fn facts_of(&self, name: &[u8]) -> Reply {
        let path = match self.resolve(name) {
            Ok(path) => path,
            Err(refusal) => return refusal,
        };
        let wanted = path.clone();
        match self.with_tree(move |tree| tree.stat(&wanted)).await {
            Ok(entry) => {
                let mut line = self.facts.of(&entry).into_bytes();
                line.extend_from_slice(&absolute(&path));
                Reply::lines(250, "facts:", [line], "end")
            }
            Err(refusal) => refusal,
        }
    }

    /// What `LIST -la NAME` means: something of that very name, else what the name without switches means, else a pattern.
    async fn find(&self, given: &[u8]) -> Result<Shown, Reply> {
        let name = given[after_switches(given)].to_vec();
        let cwd = self.cwd();
        let whole = (name.len() < given.len()).then(|| given.to_vec());
        self.with_tree(move |tree| {
            if let Some(whole) = whole
                && let Ok(shown) = named(tree, &cwd, &whole)
            {
                return Ok(shown);
            }
            match named(tree, &cwd, &name) {
                Err(TreeError::NotFound(missing)) if name.iter().any(|byte| matches!(byte, b'*' | b'?')) => {
                    fitting(tree, &cwd, &name)?.ok_or(TreeError::NotFound(missing))
                }
                other => other,
            }
        })
        .await
    }

    async fn find_directory(&self, name: &[u8]) -> Result<Shown, Reply> {
        let path = self.resolve(name)?;
        self.with_tree(move |tree| {
            if !tree.stat(&path)?.directory {
                return Err(TreeError::NotDirectory(path));
            }
            Ok(Shown { entries: tree.list(&path)?, prefix: Vec::new() })
        })
        .await
    }
}

fn named(tree: &Tree, cwd: &TreePath, name: &[u8]) -> Result<Shown, TreeError> {
    let path = TreePath::resolve(cwd, name)?;
    let entry = tree.stat(&path)?;
    if entry.directory {
        let mut prefix = name.to_vec();
        if !prefix.is_empty() && !prefix.ends_with(b"/") {
            prefix.push(b'/');
        }
        return Ok(Shown { entries: tree.list(&path)?, prefix });
    }
    Ok(Shown { entries: vec![entry], prefix: directory_of(name).to_vec() })
}

/// What fits a pattern in the last part of `name`; nothing when nothing does.
fn fitting(tree: &Tree, cwd: &TreePath, name: &[u8]) -> Result<Option<Shown>, TreeError> {
    let directory = directory_of(name);
    let pattern = &name[directory.len()..];
    let mut entries = tree.list(&TreePath::resolve(cwd, directory)?)?;
    entries.retain(|entry| fits(pattern, &entry.name));
    Ok((!entries.is_empty()).then(|| Shown { entries, prefix: directory.to_vec() }))
}

/// The part of a name up to and with its last slash.
fn directory_of(name: &[u8]) -> &[u8] {
    &name[..name.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1)]
}

fn lines_of(shown: &Shown, form: Form) -> Vec<u8> {
    let now = Micros::now();
    let mut lines = Vec::with_capacity(shown.entries.len() * 96);
    for entry in &shown.entries {
        let name = match form {
            Form::Names => [shown.prefix.as_slice(), &entry.name].concat(),
            Form::Long | Form::Facts(_) => entry.name.clone(),
        };
        push_line(&mut lines, form, entry, &name, now);
    }
    lines
}
