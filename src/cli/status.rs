//! `reunite status`: how things stand, in counts.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::{Outcome, folder, wait};
use crate::catalogue::{Catalogue, CustomerRow, Undecided};
use crate::config::Config;
use crate::recipe::Partition;
use crate::report::text::{moment, visible};
use crate::{serve, store};

/// Arguments of `reunite status`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What `--json` prints. Names, once given out, stay.
#[derive(Debug, Serialize)]
struct Status {
    version: &'static str,
    data: String,
    /// null where the system does not tell.
    serving: Option<bool>,
    customers: usize,
    records: Records,
    uploads: Uploads,
    undecided: Open,
    recipes: Recipes,
    stores: Stores,
    webhooks: Vec<Webhook>,
    mail: MailFailures,
}

/// Customers to whom the last mail could not be sent, and why, of one of them.
#[derive(Debug, Default, Serialize)]
struct MailFailures {
    customers: i64,
    last_error: Option<String>,
}

/// A program that is told of what happens.
#[derive(Debug, Serialize)]
struct Webhook {
    name: String,
    delivered: i64,
    waiting: i64,
    waiting_since: Option<String>,
    /// null where the last delivery was taken.
    last_error: Option<String>,
}

/// Kinds of thumbnails, by coding and size, and the thumbnails in them; and the ways of making thumbnails that are tried on
/// those of unknown kinds.
#[derive(Debug, Default, Serialize)]
struct Recipes {
    kinds: usize,
    kinds_known: usize,
    thumbnails: u64,
    thumbnails_known: u64,
    tried_on_others: usize,
    /// Kinds whose recipes explain too few of the last certain pairs, and prove nothing any more.
    kinds_drifted: usize,
    /// The last pairs of each kind that are certain without a recipe, and those that a recipe explains.
    last_pairs: usize,
    last_explained: usize,
}

/// null for a store that is there, else what keeps it from being used.
#[derive(Debug, Serialize)]
struct Stores {
    blobs: Option<String>,
    originals: Option<String>,
}

#[derive(Debug, Serialize)]
struct Records {
    total: i64,
    missing: i64,
    recovered: i64,
    copies: i64,
    retired: i64,
    review: i64,
    without_thumbnail: i64,
    conflicts: i64,
}

#[derive(Debug, Serialize)]
struct Uploads {
    total: i64,
    bytes: i64,
    unreadable: i64,
    partials: i64,
    last_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Open {
    uploads: u64,
    thumbnails: u64,
    images: u64,
    customers: u64,
    /// 1 while it is learned how thumbnails were made.
    recipes: u64,
    held: u64,
    held_until: Option<String>,
}

pub(super) fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    let (customers, undecided, recipes, webhooks, (failed, error)) =
        catalogue.read(|tx| -> Result<_, crate::catalogue::Error> {
            Ok((tx.report_customers(None)?, tx.undecided(None)?, recipes(tx)?, tx.webhooks()?, tx.mail_failures()?))
        })?;
    let stores = stores(&catalogue, data)?;
    let webhooks = webhooks.into_iter().map(|webhook| Webhook {
        name: webhook.name,
        delivered: webhook.delivered,
        waiting: webhook.waiting,
        waiting_since: webhook.waiting_since.map(moment),
        last_error: webhook.last_error,
    });
    let mail = MailFailures { customers: failed, last_error: error };
    let status = Status { webhooks: webhooks.collect(), mail, ..status(data, &customers, &undecided, recipes, stores) };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&status)?)?;
    } else {
        out.write_all(in_words(&status, &undecided).as_bytes())?;
    }
    Ok(Outcome::Done)
}

/// Of how many kinds of thumbnails it is known how they were made.
fn recipes(tx: &crate::catalogue::Tx<'_>) -> Result<Recipes, crate::catalogue::Error> {
    let learned = tx.recipes()?;
    let tried = learned.iter().filter(|known| known.partition.is_none()).flat_map(|known| &known.learned);
    let ways: HashSet<_> = tried.map(|one| (one.recipe.scaler, one.recipe.sharpen)).collect();
    let mut recipes = Recipes { tried_on_others: ways.len(), ..Recipes::default() };
    let watches = tx.watches()?;
    for known in learned.iter().filter(|known| !known.learned.is_empty()) {
        let watch = known.partition.as_ref().and_then(|partition| watches.get(partition)).copied().unwrap_or_default();
        recipes.kinds_drifted += usize::from(known.is_withheld());
        recipes.last_pairs += watch.pairs;
        recipes.last_explained += watch.explained;
    }
    for (partition, thumbnails) in tx.thumbnails_by_partition()? {
        let explains = |other: &Partition| other.may_explain(&partition);
        let known =
            learned.iter().any(|known| !known.learned.is_empty() && known.partition.as_ref().is_some_and(explains));
        recipes.kinds += 1;
        recipes.kinds_known += usize::from(known);
        recipes.thumbnails += thumbnails;
        recipes.thumbnails_known += if known { thumbnails } else { 0 };
    }
    Ok(recipes)
}

/// What keeps the stores from being used. One in which nothing was ever put need not be there yet.
fn stores(catalogue: &Catalogue, data: &Path) -> anyhow::Result<Stores> {
    let (has_blobs, has_attachments) =
        catalogue.read(|tx| -> Result<_, crate::catalogue::Error> { Ok((tx.has_blobs()?, tx.has_attachments()?)) })?;
    let (blobs, originals) = serve::stores(&Config::load(data)?);
    let away = |used: bool, there: Result<(), store::Error>| there.err().filter(|_| used).map(|away| away.to_string());
    Ok(Stores { blobs: away(has_blobs, blobs.require()), originals: away(has_attachments, originals.require()) })
}

fn status(data: &Path, customers: &[CustomerRow], undecided: &Undecided, recipes: Recipes, stores: Stores) -> Status {
    let sum = |of: fn(&CustomerRow) -> i64| customers.iter().map(of).sum();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        data: data.display().to_string(),
        serving: folder::is_served(data),
        customers: customers.len(),
        records: Records {
            total: sum(|row| row.records + row.retired),
            missing: sum(|row| row.records - row.recovered),
            recovered: sum(|row| row.recovered),
            copies: sum(|row| row.copies),
            retired: sum(|row| row.retired),
            review: sum(|row| row.review),
            without_thumbnail: sum(|row| row.without_thumbnail),
            conflicts: sum(|row| row.conflicts),
        },
        uploads: Uploads {
            total: sum(|row| row.uploads),
            bytes: sum(|row| row.bytes),
            unreadable: sum(|row| row.unreadable),
            partials: sum(|row| row.partials),
            last_at: customers.iter().filter_map(|row| row.last_upload).max().map(moment),
        },
        undecided: Open {
            uploads: undecided.uploads,
            thumbnails: undecided.thumbnails,
            images: undecided.images,
            customers: undecided.customers,
            recipes: undecided.recipes,
            held: undecided.held,
            held_until: undecided.held_until.map(moment),
        },
        recipes,
        stores,
        webhooks: Vec::new(),
        mail: MailFailures::default(),
    }
}

fn in_words(status: &Status, undecided: &Undecided) -> String {
    let serving = match status.serving {
        Some(true) => "running",
        Some(false) => "not running",
        None => "unknown",
    };
    let (records, uploads, open) = (&status.records, &status.uploads, &status.undecided);
    let mut text = format!("server     {serving}\ncustomers  {}\n", status.customers);
    text += &format!(
        "records    {} in all: {} missing, {} recovered ({} of them copies), {} retired\n",
        records.total, records.missing, records.recovered, records.copies, records.retired
    );
    text += &format!(
        "uploads    {} in all, {} bytes; {} unreadable, {} unfinished\n",
        uploads.total, uploads.bytes, uploads.unreadable, uploads.partials
    );
    if let Some(last) = &uploads.last_at {
        text += &format!("           the last one came at {last}\n");
    }
    text += &format!(
        "undecided  {} uploads, {} thumbnails, {} pictures to compare again\n",
        open.uploads, open.thumbnails, open.images
    );
    if undecided.recipes > 0 {
        text += "           and what the certain pairs teach of how thumbnails were made is to be looked at\n";
    }
    let recipes = &status.recipes;
    if recipes.kinds_known + recipes.tried_on_others > 0 {
        text += &format!(
            "recipes    known of {} of {} thumbnails, by size and coding; {} tried on the others (`reunite report recipes`)\n",
            recipes.thumbnails_known, recipes.thumbnails, recipes.tried_on_others
        );
    }
    if recipes.last_pairs > 0 {
        text += &format!(
            "           they explain {} of the last {} pairs that are certain without them\n",
            recipes.last_explained, recipes.last_pairs
        );
    }
    if recipes.kinds_drifted > 0 {
        text += &format!(
            "look at    kinds of thumbnails whose recipes explain too few of the last certain pairs to prove any more: {} (`reunite report recipes`)\n",
            recipes.kinds_drifted
        );
    }
    if undecided.held > 0 {
        text += &format!("           {}\n", wait::held(undecided));
    }
    for away in [&status.stores.blobs, &status.stores.originals].into_iter().flatten() {
        text += &format!("look at    {away}\n");
    }
    for webhook in &status.webhooks {
        text += &format!(
            "webhook    {}: {} delivered, {} waiting\n",
            visible(webhook.name.as_bytes()),
            webhook.delivered,
            webhook.waiting
        );
        if let Some(error) = &webhook.last_error {
            let error = visible(error.as_bytes());
            text += &format!(
                "look at    the webhook `{}` does not take what it is told: {error} (`reunite webhook test`)\n",
                visible(webhook.name.as_bytes())
            );
        }
    }
    if let Some(error) = &status.mail.last_error {
        text += &format!(
            "look at    customers to whom mail could not be sent: {} ({})\n",
            status.mail.customers,
            visible(error.as_bytes())
        );
    }
    for (number, what, command) in [
        (records.review, "records that wait for a person", "reunite review list"),
        (records.without_thumbnail, "records without a thumbnail that can be used", "reunite report missing"),
        (records.conflicts, "originals not put back, since something else lies there", "reunite report missing"),
    ] {
        if number > 0 {
            text += &format!("look at    {what}: {number} (`{command}`)\n");
        }
    }
    text
}
