//! `reunite customer link`: an address that signs one customer in to the pages, once.

use std::path::Path;

use anyhow::bail;
use clap::Args as ClapArgs;

use super::{folder, named};
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::domain::{Digest, Micros};
use crate::web;

/// What was typed.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Args {
    /// The account
    name: String,
    /// How many days the address can be used
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=90))]
    days: u32,
}

/// Prints the address. It opens the pages only: nothing can be uploaded with it.
pub(super) fn run(data: &Path, catalogue: &Catalogue, args: &Args) -> anyhow::Result<()> {
    let customer = catalogue.read(|tx| named(tx, &args.name))?;
    if customer.disabled {
        bail!("`{0}` is disabled; `reunite customer enable {0}` lets them in again", args.name);
    }
    let config = Config::load(data)?;
    let secret = web::new_token()?;
    let (hash, now) = (Digest::of(secret.as_bytes()), Micros::now());
    let ends = now.plus_seconds(i64::from(args.days) * 24 * 3600);
    catalogue.write(move |tx| tx.link_add(&hash, customer.id, now, ends))?;
    // A server may have been told another address than that of the settings.
    let address = folder::pages_at(data).unwrap_or_else(|| config.web.address());
    println!("{address}/link?key={secret}");
    Ok(())
}
