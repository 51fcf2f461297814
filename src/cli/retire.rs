//! `reunite retire`: giving up what nobody will send any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{anyhow, bail};

use super::decide::{Person, carry_out};
use super::{Outcome, folder};
use crate::catalogue::Tx;
use crate::domain::{CustomerId, Micros, RecordId};
use crate::report::text::{count, visible};

/// Arguments of `reunite retire`.
#[derive(Debug, clap::Args)]
pub(super) struct RetireArgs {
    /// The records, as the shop calls them
    #[arg(required = true)]
    records: Vec<String>,
    /// Look for them again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    person: Person,
}

pub(super) fn run(data: &Path, args: RetireArgs) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    let (who, why, undo) = (args.person.name(), args.person.why().to_owned(), args.undo);
    // All or none: a slip in one name must not leave half of a list done.
    let changed = catalogue.write(move |tx| {
        let (mut changed, now) = (0, Micros::now());
        for (customer, records) in by_customer(tx, &args.records, undo)? {
            let records: Vec<RecordId> = records.into_iter().collect();
            let done = if undo {
                tx.restore(customer, &records, &who)?
            } else {
                tx.retire(customer, &records, &who, &why, now)?
            };
            if done.len() < records.len() {
                bail!("an original is being put back on one of these records just now; try again");
            }
            changed += done.len();
        }
        anyhow::Ok(changed)
    })?;
    if undo {
        carry_out(data)?;
    }
    let records = count(changed as u64, "record");
    eprintln!("{records} {}", if undo { "looked for again" } else { "no longer looked for" });
    Ok(Outcome::Done)
}

/// The records, checked one by one; one that is named twice is one.
fn by_customer(tx: &Tx<'_>, names: &[String], undo: bool) -> anyhow::Result<BTreeMap<CustomerId, BTreeSet<RecordId>>> {
    let mut found: BTreeMap<CustomerId, BTreeSet<RecordId>> = BTreeMap::new();
    for name in names {
        let shown = visible(name.as_bytes());
        let record = tx.record_named(name)?.ok_or_else(|| anyhow!("there is no record `{shown}`"))?;
        match (undo, record.retired) {
            (true, false) => bail!("record `{shown}` was not retired, so there is nothing to undo"),
            (false, true) => bail!("record `{shown}` is retired already"),
            (false, false) if tx.standing_subject(record.id)?.is_some() => {
                bail!("the picture of record `{shown}` is back; `reunite detach` takes it off, if it is not the one")
            }
            _ => {
                found.entry(record.customer).or_default().insert(record.id);
            }
        }
    }
    Ok(found)
}
