//! `reunite user`: the accounts of those who work for the shop. They open the pages and nothing else.

use std::io::IsTerminal;
use std::path::Path;

use anyhow::{anyhow, bail};
use clap::Subcommand;

use super::customer::parse_name;
use super::report::print;
use super::{Outcome, folder, password};
use crate::catalogue::{Catalogue, Tx, User};
use crate::domain::{Micros, StaffRole};
use crate::endpoint::login::{hash_password, totp};
use crate::report::text::visible;
use crate::report::{Cell, Format, Sheet};

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account; the password comes on standard input
    Add {
        /// The name to sign in with
        #[arg(value_parser = parse_name)]
        name: String,
        /// What the account may do: `support` sees every customer, `operator` runs the server as well
        #[arg(long, value_parser = parse_role)]
        role: StaffRole,
    },
    /// List the accounts
    List {
        /// The form of the list
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Set the password and end the account's sessions; the password comes on standard input
    Passwd {
        /// The account
        name: String,
    },
    /// Ask for a code from an authenticator app beside the password, and end the account's sessions; prints what the app reads
    Totp {
        /// The account
        name: String,
        /// Ask for no code any more
        #[arg(long)]
        remove: bool,
    },
    /// Stop the account from signing in, and end its sessions
    Disable {
        /// The account
        name: String,
    },
    /// Let a disabled account sign in again
    Enable {
        /// The account
        name: String,
    },
    /// Remove an account; what it decided keeps its name
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
        Command::Add { name, role } => add(&catalogue, name, role)?,
        Command::List { format } => list(&catalogue, format)?,
        Command::Passwd { name } => {
            let user = catalogue.read(|tx| named(tx, &name))?;
            let hash = hash_password(&password::read(&name)?)?;
            catalogue.write(move |tx| tx.user_set_password(user.id, &hash))?;
        }
        Command::Totp { name, remove } => second_factor(&catalogue, &name, remove)?,
        Command::Disable { name } => set_disabled(&catalogue, name, true)?,
        Command::Enable { name } => set_disabled(&catalogue, name, false)?,
        Command::Remove { name } => {
            catalogue.write(move |tx| anyhow::Ok(tx.user_remove(named(tx, &name)?.id)?))?;
        }
    }
    Ok(Outcome::Done)
}

fn parse_role(word: &str) -> Result<StaffRole, String> {
    word.parse().map_err(|_| "a role is `support` or `operator`".to_owned())
}

/// The account of that name.
fn named(tx: &Tx<'_>, name: &str) -> anyhow::Result<User> {
    let missing = || anyhow!("there is no user `{}`; `reunite user list` shows them", visible(name.as_bytes()));
    tx.user_named(name)?.ok_or_else(missing)
}

fn add(catalogue: &Catalogue, name: String, role: StaffRole) -> anyhow::Result<()> {
    let refuse = |tx: &Tx<'_>, name: &str| match tx.user_named(name)? {
        Some(_) => bail!("there is a user `{name}` already; `reunite user passwd {name}` sets another password"),
        None => Ok(()),
    };
    // Asked before the password is, so that nobody types one in vain.
    catalogue.read(|tx| refuse(tx, &name))?;
    let hash = hash_password(&password::read(&name)?)?;
    catalogue.write(move |tx| {
        refuse(tx, &name)?;
        tx.user_add(&name, role, &hash, Micros::now())?;
        anyhow::Ok(())
    })
}

/// Gives the account another secret, or takes it away.
fn second_factor(catalogue: &Catalogue, name: &str, remove: bool) -> anyhow::Result<()> {
    let user = catalogue.read(|tx| named(tx, name))?;
    if remove {
        catalogue.write(move |tx| tx.user_set_totp(user.id, None))?;
        return Ok(());
    }
    let secret = totp::new_secret()?;
    catalogue.write(move |tx| tx.user_set_totp(user.id, Some(&secret)))?;
    let address = totp::address(&secret, "reunite", name);
    if std::io::stderr().is_terminal()
        && let Ok(code) = qrcode::QrCode::new(&address)
    {
        // Black on white whatever the terminal's colours are: many readers take no light code on dark.
        for line in code.render::<qrcode::render::unicode::Dense1x2>().build().lines() {
            eprintln!("\x1b[30;107m{line}\x1b[0m");
        }
    }
    eprintln!(
        "give this to the authenticator app of {}; from now on its codes are asked for",
        visible(name.as_bytes())
    );
    println!("{address}");
    Ok(())
}

fn list(catalogue: &Catalogue, format: Format) -> anyhow::Result<()> {
    let mut sheet = Sheet::new(&["user", "role", "disabled", "code"]);
    for user in catalogue.read(|tx| tx.users())? {
        sheet.rows.push(vec![
            Cell::from(user.name),
            user.role.word().to_owned().into(),
            user.disabled.into(),
            user.totp_secret.is_some().into(),
        ]);
    }
    print(&sheet, format, None)
}

fn set_disabled(catalogue: &Catalogue, name: String, disabled: bool) -> anyhow::Result<()> {
    catalogue.write(move |tx| anyhow::Ok(tx.user_set_disabled(named(tx, &name)?.id, disabled)?))
}
