//! `reunite customer`: the accounts that customers upload with.

mod limit;
mod link;
mod mail;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Subcommand;
use russh::keys::{HashAlg, PublicKey};

use super::report::print;
use super::{Outcome, folder, password};
use crate::catalogue::{Catalogue, Customer, Tx};
use crate::domain::Micros;
use crate::endpoint::login::hash_password;
use crate::report::text::{count, visible};
use crate::report::{Cell, Format, Sheet};

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account; the password comes on standard input
    Add {
        /// The name to sign in with
        #[arg(value_parser = parse_name)]
        name: String,
        /// Make it without a password: keys alone may open it
        #[arg(long)]
        no_password: bool,
    },
    /// List the accounts
    List {
        /// The form of the list
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Set the password; it comes on standard input
    Passwd {
        /// The account
        name: String,
    },
    /// Add an OpenSSH public key for SFTP, from FILE or standard input
    Key {
        /// The account
        name: String,
        /// A file such as id_ed25519.pub; `-` or nothing reads standard input
        file: Option<PathBuf>,
        /// List the account's keys instead
        #[arg(long, conflicts_with_all = ["file", "remove"])]
        list: bool,
        /// Remove the key with this fingerprint (as --list shows it) instead
        #[arg(long, value_name = "SHA256:...", conflicts_with = "file")]
        remove: Option<String>,
    },
    /// Print an address that signs the customer in to the pages, once
    Link(link::Args),
    /// Show or change whether the customer is sent mail about what came back, and where to
    Mail(mail::Args),
    /// Show or change what the account may: quotas, and TLS for FTP
    Limit(limit::Args),
    /// Stop the account from signing in; nothing of the customer's is lost
    Disable {
        /// The account
        name: String,
    },
    /// Let a disabled account sign in again
    Enable {
        /// The account
        name: String,
    },
    /// Remove an account that has no records and no uploads
    Remove {
        /// The account
        name: String,
    },
}

pub(super) fn run(data: &Path, command: Command) -> anyhow::Result<Outcome> {
    let catalogue = match &command {
        Command::Add { .. } => folder::open_or_make(data)?,
        _ => folder::open(data)?,
    };
    match command {
        Command::Add { name, no_password } => add(&catalogue, name, no_password)?,
        Command::List { format } => list(&catalogue, format)?,
        Command::Passwd { name } => passwd(&catalogue, &name)?,
        Command::Key { name, list: true, .. } => key_list(&catalogue, &name)?,
        Command::Key { name, remove: Some(fingerprint), .. } => key_remove(&catalogue, &name, fingerprint)?,
        Command::Key { name, file, .. } => key_add(&catalogue, &name, file.as_deref())?,
        Command::Link(args) => link::run(data, &catalogue, &args)?,
        Command::Mail(args) => mail::run(data, &catalogue, &args)?,
        Command::Limit(args) => limit::run(&catalogue, &args)?,
        Command::Disable { name } => set_disabled(&catalogue, &name, true)?,
        Command::Enable { name } => set_disabled(&catalogue, &name, false)?,
        Command::Remove { name } => remove(&catalogue, name)?,
    }
    Ok(Outcome::Done)
}

/// The customer of that name.
///
/// # Errors
/// When there is none, with a sentence that says what to do.
pub(super) fn named(tx: &Tx<'_>, name: &str) -> anyhow::Result<Customer> {
    tx.customer_named(name)?.ok_or_else(|| {
        anyhow!(
            "there is no customer `{}`; `reunite customer list` shows them, `customer add` makes one",
            visible(name.as_bytes())
        )
    })
}

/// Whether `name` can be a customer's: it is typed into clients, names a folder of the inbox and stands in keys.
///
/// # Errors
/// With the fault, as the end of a sentence that names the object.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("it is empty"),
        "." | ".." => Err("it has a meaning of its own in folders"),
        _ if name.len() > 200 => Err("it is longer than 200 bytes"),
        _ if name.trim() != name => Err("it begins or ends with white space"),
        _ if name.contains('/') => Err("it has a `/`"),
        _ if name.chars().any(char::is_control) => Err("it has a control character"),
        _ => Ok(()),
    }
}

pub(super) fn parse_name(name: &str) -> Result<String, String> {
    check_name(name).map_err(|fault| format!("it cannot be the name of an account: {fault}"))?;
    Ok(name.to_owned())
}

fn add(catalogue: &Catalogue, name: String, no_password: bool) -> anyhow::Result<()> {
    // Asked before the password is, so that nobody types one in vain.
    catalogue.read(|tx| refuse_account(tx, &name))?;
    let hash = if no_password { None } else { Some(hash_password(&password::read(&name)?)?) };
    catalogue.write(move |tx| {
        refuse_account(tx, &name)?;
        let id = match tx.customer_named(&name)? {
            Some(known) => known.id,
            None => tx.customer_add(&name, Micros::now())?,
        };
        tx.customer_set_password(id, hash.as_deref())?;
        anyhow::Ok(())
    })
}

/// A customer whom the import made has no login yet, and `add` gives them one; any other is there already.
fn refuse_account(tx: &Tx<'_>, name: &str) -> anyhow::Result<()> {
    match tx.customer_named(name)? {
        Some(known) if known.has_password || known.keys > 0 => {
            bail!("there is a customer `{name}` already; `reunite customer passwd {name}` sets another password")
        }
        _ => Ok(()),
    }
}

fn passwd(catalogue: &Catalogue, name: &str) -> anyhow::Result<()> {
    let customer = catalogue.read(|tx| named(tx, name))?;
    let hash = hash_password(&password::read(name)?)?;
    catalogue.write(move |tx| tx.customer_set_password(customer.id, Some(&hash)))?;
    Ok(())
}

fn list(catalogue: &Catalogue, format: Format) -> anyhow::Result<()> {
    let mut sheet = Sheet::new(&["customer", "password", "keys", "disabled", "records", "uploads"]);
    catalogue.read(|tx| {
        for customer in tx.customers()? {
            let belongings = tx.customer_belongings(customer.id)?;
            sheet.rows.push(vec![
                Cell::from(customer.name),
                customer.has_password.into(),
                customer.keys.into(),
                customer.disabled.into(),
                belongings.records.into(),
                belongings.uploads.into(),
            ]);
        }
        anyhow::Ok(())
    })?;
    print(&sheet, format, None)
}

fn key_add(catalogue: &Catalogue, name: &str, file: Option<&Path>) -> anyhow::Result<()> {
    let customer = catalogue.read(|tx| named(tx, name))?;
    let (text, from) = match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read the key `{}`", file.display()))?;
            (text, format!("`{}`", file.display()))
        }
        None => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("cannot read the key from standard input")?;
            (text, "standard input".to_owned())
        }
    };
    let keys = parse_keys(&text).with_context(|| format!("{from} holds no usable public key"))?;
    let lines = keys.iter().map(PublicKey::to_openssh).collect::<Result<Vec<_>, _>>()?;
    let added = catalogue.write(move |tx| {
        let now = Micros::now();
        lines.iter().map(|line| tx.customer_key_add(customer.id, line, now)).collect::<Result<Vec<bool>, _>>()
    })?;
    for (key, added) in keys.iter().zip(added) {
        let state = if added { "added" } else { "was there already" };
        eprintln!("{} {state}", key.fingerprint(HashAlg::Sha256));
    }
    Ok(())
}

/// The public keys in the lines of an `authorized_keys` or `.pub` file. Comments are dropped: whose key it is says the
/// account, and the same key twice is one.
fn parse_keys(text: &str) -> anyhow::Result<Vec<PublicKey>> {
    if text.contains("PRIVATE KEY") {
        bail!("it is a private key; give the file beside it that ends in .pub, and keep this one to yourself");
    }
    let mut keys = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
        let mut key = PublicKey::from_openssh(line.trim()).map_err(|error| {
            anyhow!(
                "line {} is no OpenSSH public key without options ({error}); it looks like `ssh-ed25519 AAAA...`",
                at + 1
            )
        })?;
        key.set_comment("");
        keys.push(key);
    }
    if keys.is_empty() {
        bail!("it has no line with a key");
    }
    Ok(keys)
}

fn key_list(catalogue: &Catalogue, name: &str) -> anyhow::Result<()> {
    let keys = catalogue.read(|tx| tx.customer_keys(named(tx, name)?.id).map_err(anyhow::Error::from))?;
    let mut sheet = Sheet::new(&["fingerprint", "key"]);
    for key in keys {
        let fingerprint = PublicKey::from_openssh(&key.line)?.fingerprint(HashAlg::Sha256).to_string();
        sheet.rows.push(vec![fingerprint.into(), key.line.into()]);
    }
    print(&sheet, Format::Table, None)
}

fn key_remove(catalogue: &Catalogue, name: &str, fingerprint: String) -> anyhow::Result<()> {
    let customer = catalogue.read(|tx| named(tx, name))?;
    catalogue.write(move |tx| {
        for key in tx.customer_keys(customer.id)? {
            if PublicKey::from_openssh(&key.line)?.fingerprint(HashAlg::Sha256).to_string() == fingerprint {
                return Ok(tx.customer_key_remove(customer.id, key.id)?);
            }
        }
        bail!("`{}` has no key `{fingerprint}`; `reunite customer key NAME --list` shows them", customer.name)
    })
}

fn set_disabled(catalogue: &Catalogue, name: &str, disabled: bool) -> anyhow::Result<()> {
    let customer = catalogue.read(|tx| named(tx, name))?;
    catalogue.write(move |tx| tx.customer_set_disabled(customer.id, disabled))?;
    Ok(())
}

fn remove(catalogue: &Catalogue, name: String) -> anyhow::Result<()> {
    catalogue.write(move |tx| {
        let customer = named(tx, &name)?;
        let has = tx.customer_belongings(customer.id)?;
        if has.records + has.uploads + has.partials > 0 {
            bail!(
                "`{name}` has {} and {}, which this command does not remove; `reunite customer disable {name}` stops the login",
                count(has.records.unsigned_abs(), "record"),
                count((has.uploads + has.partials).unsigned_abs(), "upload"),
            );
        }
        Ok(tx.customer_remove(customer.id)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for bad in ["", ".", "..", "a/b", " a", "a\n", "a\u{7f}", &"a".repeat(201)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["alice", "Foto Müller", "a.b-c@d"] {
            assert_eq!(check_name(good), Ok(()));
        }
    }

    #[test]
    fn keys_are_read_without_their_comments() {
        let keys = parse_keys(&format!("# mine\n\n{KEY} me@home\n{KEY}\n")).unwrap();
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().all(|key| key.to_openssh().unwrap() == KEY));
    }

    #[test]
    fn what_is_no_public_key_is_told_apart() {
        let said = |text: &str| parse_keys(text).unwrap_err().to_string();
        assert!(said("-----BEGIN OPENSSH PRIVATE KEY-----\n").contains("private key"));
        assert!(said(&format!("{KEY}\nssh-ed25519 AAAA\n")).contains("line 2"));
        assert!(said("\n").contains("no line with a key"));
    }
}
