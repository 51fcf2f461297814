//! A client's file in `drivers/`: what its first lines say, and how it is called.
//!
//! Lines that begin with `#:` or `//:` tell what the client is:
//!
//! ```text
//! #: client     lftp                            its name in the table
//! #: version    lftp --version | head -n 1      a command for the shell
//! #: protocols  ftp ftps sftp
//! #: apt        lftp                            what `tests/clients/install` installs: apt, npm, or pip
//! #: full                                       heavy; only in the full run
//! #: without    ftp ftps | newline cr | a line break ends a command
//! ```
//!
//! `without` leaves classes of `tests/tools/hostile_tree.py` out of the tree over these protocols, with the reason.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A client.
pub struct Driver {
    /// Its file's name.
    pub file: String,
    /// Its file.
    pub path: PathBuf,
    /// Its name for people.
    pub client: String,
    /// What it says of its version.
    pub version: String,
    /// What it speaks.
    pub protocols: Vec<String>,
    /// Only in the full run.
    pub full: bool,
    /// Protocols, classes of names it cannot send over them, and why.
    pub without: Vec<(Vec<String>, Vec<String>, String)>,
}

/// Every client there is a file for, by name.
pub fn all(folder: &Path) -> Vec<Driver> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Driver {
    let text = std::fs::read_to_string(path).unwrap();
    let told: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#:").or_else(|| line.strip_prefix("//:")))
        .map(|line| line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), "")))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let file = path.file_name().unwrap().to_str().unwrap().to_owned();
    let one = |wanted: &str| {
        let found = told.iter().find(|(name, _)| *name == wanted);
        found.unwrap_or_else(|| panic!("{} does not say `{wanted}`", path.display())).1
    };
    let without = told.iter().filter(|(name, _)| *name == "without").map(|(_, value)| {
        let mut parts = value.splitn(3, '|').map(str::trim);
        let mut part = || parts.next().unwrap_or_else(|| panic!("{}: without {value}", path.display()));
        (words(part()), words(part()), part().to_owned())
    });
    Driver {
        version: version(one("version")),
        client: one("client").to_owned(),
        protocols: words(one("protocols")),
        full: told.iter().any(|(name, _)| *name == "full"),
        without: without.collect(),
        path: path.to_owned(),
        file,
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Where `tests/clients/install` puts packages of npm.
pub fn node_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients-node")
}

/// The first number with a dot in it that the command prints.
fn version(command: &str) -> String {
    let output = Command::new("bash").args(["-c", command]).env("CLIENTS_NODE", node_folder()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let number = |word: &str| {
        let from = word.find(|letter: char| letter.is_ascii_digit())?;
        let number: String = word[from..].chars().take_while(|l| l.is_ascii_alphanumeric() || *l == '.').collect();
        number.contains('.').then_some(number)
    };
    said.split(|letter: char| letter.is_whitespace() || matches!(letter, ',' | '-' | '/' | '_'))
        .find_map(number)
        .unwrap_or_default()
}
