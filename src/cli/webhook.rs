//! `reunite webhook`: programs of the shop that are told of each original that is put back or taken away.

use std::path::Path;

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::customer::parse_name;
use super::report::print;
use super::{Outcome, folder};
use crate::catalogue::{Catalogue, Delivery, Webhook};
use crate::domain::{Micros, RecordId};
use crate::notify::webhook::{Client, Sent};
use crate::report::text::{moment, visible};
use crate::report::{Cell, Format, Sheet};
use crate::web;

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell a program of what happens from now on; prints the secret that deliveries are signed with
    Add {
        /// What the program is called
        #[arg(value_parser = parse_name)]
        name: String,
        /// Where it is told: an address that begins with https:// or, beside this server, http://
        #[arg(value_parser = parse_url)]
        url: String,
    },
    /// List the programs that are told, with what waits for them
    List {
        /// The form of the list
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Tell a program no more, not even what waits for it
    Remove {
        /// The program's name
        name: String,
    },
    /// Send a delivery that is about nothing (`event` is `test`), and say how it was answered
    Test {
        /// The program's name
        name: String,
    },
}

pub(super) fn run(data: &Path, command: Command) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    match command {
        Command::Add { name, url } => add(&catalogue, name, url)?,
        Command::List { format } => list(&catalogue, format)?,
        Command::Remove { name } => {
            let shown = visible(name.as_bytes());
            if !catalogue.write(move |tx| tx.webhook_remove(&name))? {
                bail!("there is no webhook `{shown}`; `reunite webhook list` shows them");
            }
        }
        Command::Test { name } => test(&catalogue, &name)?,
    }
    Ok(Outcome::Done)
}

fn parse_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && text.chars().all(|letter| letter.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("write an address such as https://shop.example/hooks/reunite".to_owned())
    }
}

fn add(catalogue: &Catalogue, name: String, url: String) -> anyhow::Result<()> {
    let secret = web::new_token()?;
    let (named, kept) = (name.clone(), secret.clone());
    if !catalogue.write(move |tx| tx.webhook_add(&named, &url, &kept, Micros::now()))? {
        let name = visible(name.as_bytes());
        bail!("there is a webhook `{name}` already; take another name, or `reunite webhook remove {name}` first");
    }
    println!("{secret}");
    Ok(())
}

fn list(catalogue: &Catalogue, format: Format) -> anyhow::Result<()> {
    let mut sheet = Sheet::new(&[
        "webhook",
        "url",
        "delivered",
        "delivered_at",
        "waiting",
        "waiting_since",
        "retry_at",
        "last_error",
    ]);
    for webhook in catalogue.read(|tx| tx.webhooks())? {
        let retry = Some(webhook.retry_at).filter(|at| at.0 > 0);
        sheet.rows.push(vec![
            Cell::from(webhook.name),
            webhook.url.into(),
            webhook.delivered.into(),
            webhook.delivered_at.map(moment).into(),
            webhook.waiting.into(),
            webhook.waiting_since.map(moment).into(),
            retry.map(moment).into(),
            webhook.last_error.into(),
        ]);
    }
    print(&sheet, format, None)
}

fn test(catalogue: &Catalogue, name: &str) -> anyhow::Result<()> {
    let all = catalogue.read(|tx| tx.webhooks())?;
    let Some(webhook) = all.into_iter().find(|webhook: &Webhook| webhook.name == name) else {
        bail!("there is no webhook `{}`; `reunite webhook list` shows them", visible(name.as_bytes()));
    };
    let body = json!({ "delivery": 0, "event": "test", "at": moment(Micros::now()) }).to_string();
    let delivery = Delivery { id: 0, record: RecordId(0), event: "test".to_owned(), body, attempts: 0 };
    match Client::new().send(&webhook, &delivery) {
        Sent::Taken => {
            eprintln!("`{}` took it", visible(name.as_bytes()));
            Ok(())
        }
        Sent::Refused(why) | Sent::Away(why) => {
            bail!("`{}` at {} did not take it: {}", visible(name.as_bytes()), webhook.url, visible(why.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_http_are_told() {
        for good in ["https://shop.example/hooks", "http://127.0.0.1:9000/"] {
            assert_eq!(parse_url(good).as_deref(), Ok(good));
        }
        for bad in ["shop.example", "ftp://shop.example", "https://", "https:///hooks", "https://a b", ""] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }
}
