//! The demo's own server: this same program, run as anybody would run it, over a data folder of its own.

use std::env;
use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long the server may take until it listens.
const START: Duration = Duration::from_secs(30);

/// How long it may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(10);

/// A folder that is gone with its owner.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Makes a folder that nobody else may look into.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut bits = [0; 6];
        getrandom::fill(&mut bits).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
        let path = env::temp_dir().join(format!("reunite-demo-{}", crate::domain::hex(&bits)));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the folder `{}`", path.display()))?;
        Ok(Scratch(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("reunite: cannot remove `{}`: {error}; remove it by hand", self.0.display());
        }
    }
}

/// Runs one command of this program over the data folder, with a text on its standard input.
///
/// # Errors
/// When it does not end well, with what it said.
pub(super) fn run(data: &Path, words: &[&str], input: &str) -> anyhow::Result<()> {
    let told = || format!("`reunite {}` failed", words.join(" "));
    let mut child = command(data, words)?.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().with_context(told)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).with_context(told)?;
    }
    let ended = child.wait_with_output().with_context(told)?;
    if !ended.status.success() {
        bail!("{}: {}", told(), String::from_utf8_lossy(&ended.stderr).trim());
    }
    Ok(())
}

/// This program over `data`, with settings of its own whatever the environment says.
fn command(data: &Path, words: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(env::current_exe().context("the program cannot find itself")?);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("REUNITE_") && name != "REUNITE_LOG") {
            command.env_remove(name);
        }
    }
    command.arg("--data").arg(data).args(words).stderr(Stdio::piped());
    Ok(command)
}

/// A running server; it stops when this is dropped.
pub(super) struct Server {
    child: Child,
    /// Where FTP and FTPS listen.
    pub ftp: SocketAddr,
    /// Where SFTP listens.
    pub sftp: SocketAddr,
    /// Where the pages are, with the token.
    pub pages: String,
}

impl Server {
    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    /// When it ends before, or says nothing in time.
    pub(super) fn start(data: &Path, web: SocketAddr) -> anyhow::Result<Self> {
        let words = ["serve", "--ftp", "127.0.0.1:0", "--sftp", "127.0.0.1:0", "--web", &web.to_string()];
        let mut child = command(data, &words)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let (lines, said) = channel();
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            listen(out, lines.clone());
            listen(err, lines);
        }
        match heard(&said) {
            Ok((ftp, sftp, pages)) => Ok(Server { child, ftp, sftp, pages }),
            Err(error) => {
                // The story ends here; what matters is the sentence, not how the child takes it.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + STOP;
        while stopped.is_ok() && Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(_)) => return,
                Err(_) => break,
            }
        }
        // It did not go by itself; a child that is gone already cannot be killed, which is just as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what a stream says, line by line, until it ends.
fn listen(stream: impl Read + Send + 'static, lines: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody listens after the start; the stream is still read, so that the server never waits for us.
            let _ = lines.send(line);
        }
    });
}

/// Waits for the line that says where the server listens, and for the address of the pages with its token.
fn heard(said: &Receiver<String>) -> anyhow::Result<(SocketAddr, SocketAddr, String)> {
    let deadline = Instant::now() + START;
    let (mut ready, mut pages, mut all) = (None, None, String::new());
    loop {
        if let (Some((ftp, sftp)), Some(pages)) = (ready, &pages) {
            return Ok((ftp, sftp, String::clone(pages)));
        }
        match said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                ready = ready.or_else(|| ready_line(&line));
                pages = pages.or_else(|| pages_address(&line));
                all = format!("{all}\n{line}");
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the server ended before it listened:{all}"),
            Err(RecvTimeoutError::Timeout) => bail!("the server does not say that it listens:{all}"),
        }
    }
}

/// The addresses of FTP and SFTP in `ready ftp=... sftp=... web=...`.
fn ready_line(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let rest = line.strip_prefix("ready ")?;
    let named = |name: &str| rest.split(' ').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    Some((named("ftp")?, named("sftp")?))
}

/// The address with a token that stands anywhere in a line.
fn pages_address(line: &str) -> Option<String> {
    line.split_ascii_whitespace()
        .map(|word| word.trim_matches(['`', '"', '<', '>', '(', ')', ',']))
        .find(|word| word.starts_with("http://") && word.contains("?token="))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_understood() {
        let ready = ready_line("ready ftp=127.0.0.1:2121 sftp=127.0.0.1:2222 web=127.0.0.1:8080").unwrap();
        assert_eq!((ready.0.port(), ready.1.port()), (2121, 2222));
        assert_eq!(ready_line("not ready ftp=127.0.0.1:1"), None);
        let address = pages_address("the pages: http://127.0.0.1:8080/?token=abc (this machine only)");
        assert_eq!(address.as_deref(), Some("http://127.0.0.1:8080/?token=abc"));
    }

    #[test]
    fn a_scratch_folder_goes_with_its_owner() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
