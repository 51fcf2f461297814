//! `reunite token`: what programs of the shop sign in with.

use std::path::Path;

use anyhow::bail;
use clap::Subcommand;

use super::customer::parse_name;
use super::report::print;
use super::{Outcome, folder};
use crate::catalogue::Catalogue;
use crate::domain::{Digest, Micros, Scope};
use crate::report::text::{moment, visible};
use crate::report::{Cell, Format, Sheet};
use crate::web;

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token and print it; it is not kept and cannot be shown again
    Add {
        /// What the program is called; the history names it as who decided
        #[arg(value_parser = parse_name)]
        name: String,
        /// What it may do: `read` how things stand, get `originals`, `decide` as people do, read `metrics`, `embed` the missing list; several with commas
        #[arg(long, required = true, value_delimiter = ',', value_parser = parse_scope)]
        scope: Vec<Scope>,
    },
    /// List the tokens
    List {
        /// The form of the list
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Make a token worthless
    Remove {
        /// The token's name
        name: String,
    },
}

pub(super) fn run(data: &Path, command: Command) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    match command {
        Command::Add { name, scope } => add(&catalogue, name, scope)?,
        Command::List { format } => list(&catalogue, format)?,
        Command::Remove { name } => remove(&catalogue, name)?,
    }
    Ok(Outcome::Done)
}

fn parse_scope(word: &str) -> Result<Scope, String> {
    word.parse().map_err(|_| {
        let words: Vec<String> = Scope::ALL.iter().map(|scope| format!("`{scope}`")).collect();
        format!("a scope is one of {}", words.join(", "))
    })
}

fn add(catalogue: &Catalogue, name: String, mut scopes: Vec<Scope>) -> anyhow::Result<()> {
    scopes.sort();
    scopes.dedup();
    let secret = web::new_token()?;
    let (hash, named) = (Digest::of(secret.as_bytes()), name.clone());
    if !catalogue.write(move |tx| tx.token_add(&named, &hash, &scopes, Micros::now()))? {
        let name = visible(name.as_bytes());
        bail!("there is a token `{name}` already; take another name, or `reunite token remove {name}` first");
    }
    println!("{secret}");
    Ok(())
}

fn list(catalogue: &Catalogue, format: Format) -> anyhow::Result<()> {
    let mut sheet = Sheet::new(&["token", "scopes", "created_at"]);
    for token in catalogue.read(|tx| tx.tokens())? {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.word()).collect();
        sheet.rows.push(vec![Cell::from(token.name), scopes.join(" ").into(), moment(token.created_at).into()]);
    }
    print(&sheet, format, None)
}

fn remove(catalogue: &Catalogue, name: String) -> anyhow::Result<()> {
    let shown = visible(name.as_bytes());
    if !catalogue.write(move |tx| tx.token_remove(&name))? {
        bail!("there is no token `{shown}`; `reunite token list` shows them");
    }
    Ok(())
}
