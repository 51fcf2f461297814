//! `reunite customer mail`: whether a customer is sent mail, and where to.

use std::path::Path;

use anyhow::{anyhow, bail};
use clap::Args as ClapArgs;

use super::named;
use crate::catalogue::{Catalogue, CustomerCounts, News};
use crate::config::Config;
use crate::domain::{Language, Micros};
use crate::notify::mail::{Occasion, Postman, check_address};
use crate::report::text::{moment, visible};
use crate::web;

/// What was typed.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Args {
    /// The account
    name: String,
    /// Send mail there from now on; without an address, how things stand is shown
    #[arg(conflicts_with_all = ["remove", "off", "on"])]
    address: Option<String>,
    /// The language of the mail
    #[arg(long, value_name = "en|de", value_parser = parse_language)]
    language: Option<Language>,
    /// Forget the address
    #[arg(long, conflicts_with_all = ["off", "on", "test"])]
    remove: bool,
    /// Send none until --on, as the customer can say by the link in each mail
    #[arg(long, conflicts_with = "on")]
    off: bool,
    /// Send mail again
    #[arg(long)]
    on: bool,
    /// Send one now, whatever has changed; it does not count as the day's
    #[arg(long)]
    test: bool,
}

fn parse_language(word: &str) -> Result<Language, String> {
    word.parse().map_err(|_| "a language is `en` or `de`".to_owned())
}

pub(super) fn run(data: &Path, catalogue: &Catalogue, args: &Args) -> anyhow::Result<()> {
    let customer = catalogue.read(|tx| named(tx, &args.name))?.id;
    let known = catalogue.read(|tx| tx.mailing(customer))?;
    let shown = visible(args.name.as_bytes());
    let nowhere = || anyhow!("no mail is sent to `{shown}`; name an address: `reunite customer mail {shown} ADDRESS`");
    match &args.address {
        Some(address) => {
            check_address(address)?;
            let (address, key) = (address.clone(), web::new_token()?);
            let language = args.language.or(known.map(|known| known.language)).unwrap_or(Language::English);
            catalogue.write(move |tx| tx.mail_set(customer, &address, language, &key, Micros::now()))?;
        }
        None if args.remove => catalogue.write(move |tx| tx.mail_remove(customer))?,
        None if args.off || args.on => {
            known.ok_or_else(nowhere)?;
            let off = args.off;
            catalogue.write(move |tx| tx.mail_switch(customer, off))?;
        }
        None => {
            if let Some(language) = args.language {
                let known = known.ok_or_else(nowhere)?;
                catalogue
                    .write(move |tx| tx.mail_set(customer, &known.address, language, &known.key, Micros::now()))?;
            }
        }
    }
    let Some(mailing) = catalogue.read(|tx| tx.mailing(customer))? else {
        println!("no mail is sent to `{shown}`");
        return Ok(());
    };
    let config = Config::load(data)?;
    if args.test {
        let Some(postman) = Postman::new(&config.mail, &config.retire, &config.web.address())? else {
            bail!("settings name no mail server; set `mail.server` and `mail.from`");
        };
        let counts = catalogue.read(|tx| tx.page_customer(customer))?.unwrap_or_else(CustomerCounts::default);
        postman.send(&mailing, Occasion::Decided, &News::default(), &counts)?;
        eprintln!("sent to {}", visible(mailing.address.as_bytes()));
        return Ok(());
    }
    let (address, language) = (visible(mailing.address.as_bytes()), mailing.language);
    println!("{address} ({language}){}", if mailing.off { ", switched off" } else { "" });
    if let Some(at) = mailing.mailed_at {
        println!("the last mail went out at {}", moment(at));
    }
    if let Some(error) = &mailing.error {
        println!("the last try failed: {}", visible(error.as_bytes()));
    }
    if config.mail.server.is_none() {
        println!("nothing is sent: settings name no mail server (`mail.server`)");
    }
    Ok(())
}
