//! Asking for a password: without echo at a terminal, else the first line of standard input.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, bail};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Longest password in bytes; an FTP command line has to carry it.
const BYTES_MAX: usize = 512;

/// Shorter ones are taken with a warning: a shop may hand out codes of its own (NIST SP 800-63B asks for eight).
const BYTES_ADVISED: usize = 8;

/// Reads a new password for `customer`.
///
/// # Errors
/// When nothing usable comes, or the two entries at a terminal differ.
pub(super) fn read(customer: &str) -> anyhow::Result<Vec<u8>> {
    let stdin = io::stdin();
    let password = if stdin.is_terminal() {
        let password = ask(&format!("new password for {customer}: "))?;
        if ask("the same again: ")? != password {
            bail!("the two passwords differ; nothing was changed");
        }
        password
    } else {
        line(&mut stdin.lock())?
    };
    if password.is_empty() {
        bail!("no password came on standard input; write it there, as in `printf %s SECRET | reunite customer ...`");
    }
    if password.len() > BYTES_MAX {
        bail!("the password has {} bytes; {BYTES_MAX} are the most that every client can send", password.len());
    }
    if password.contains(&0) {
        bail!("the password has a zero byte, which no client can send");
    }
    if password.len() < BYTES_ADVISED {
        eprintln!("note: a password of fewer than {BYTES_ADVISED} letters is soon guessed by strangers who try");
    }
    Ok(password)
}

fn ask(prompt: &str) -> anyhow::Result<Vec<u8>> {
    let stdin = io::stdin();
    io::stderr().write_all(prompt.as_bytes())?;
    let before = tcgetattr(&stdin).context("cannot ask the terminal for its settings")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent).context("cannot stop the terminal's echo")?;
    let answer = line(&mut stdin.lock());
    tcsetattr(&stdin, OptionalActions::Flush, &before).context("cannot restore the terminal's echo")?;
    eprintln!();
    answer
}

/// The first line, without its end.
fn line(input: &mut impl BufRead) -> anyhow::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line).context("cannot read the password from standard input")?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_ends_with_its_line() {
        for (input, password) in [("secret", "secret"), ("secret\n", "secret"), ("a b \r\nmore", "a b "), ("", "")] {
            assert_eq!(line(&mut input.as_bytes()).unwrap(), password.as_bytes());
        }
    }
}
