//! `reunite import-orders`: which records the shop's orders need, so that it can be told which of them are complete again.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::{Map, Value};

use super::csv_rows::{CsvReader, CsvRow, Stop};
use super::fault::{Fault, Faults, Place};
use crate::catalogue::{self, Tx};
use crate::cli::{Outcome, folder};
use crate::report::text::{count, visible};

/// Arguments of `reunite import-orders`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Columns: order and record must be there; all others are kept and given back in `reunite report orders`. A row for each record that \
an order needs. Importing again updates and never duplicates; rows that the file does not have stay. A fault changes nothing.")]
pub(in crate::cli) struct Args {
    /// The orders, as CSV
    #[arg(value_name = "ORDERS.csv")]
    orders: PathBuf,
    /// Check everything and say what would happen, without changing anything
    #[arg(long)]
    dry_run: bool,
}

/// A record that an order needs, as the file says it.
struct Item {
    place: Place,
    order: String,
    record: String,
    extra: String,
}

/// Why nothing was imported.
enum Refused {
    Faults(Faults),
    Catalogue(catalogue::Error),
}

impl From<catalogue::Error> for Refused {
    fn from(error: catalogue::Error) -> Self {
        Refused::Catalogue(error)
    }
}

pub(in crate::cli) fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    let name = visible(args.orders.as_os_str().as_encoded_bytes());
    let file = File::open(&args.orders).with_context(|| format!("cannot read `{name}`"))?;
    let mut faults = Faults::default();
    let items = match read(CsvReader::new(BufReader::new(file)), &mut faults) {
        Ok(items) => items,
        Err(Stop::Fault(fault)) => {
            faults.add(fault);
            Vec::new()
        }
        Err(Stop::Io(error)) => return Err(anyhow!(error).context(format!("cannot read `{name}`"))),
    };
    let rows = items.len();
    let written = match faults.is_empty() {
        false => Err(Refused::Faults(faults)),
        true if args.dry_run => catalogue.read(|tx| apply(tx, &items, false)),
        true => catalogue.write(move |tx| apply(tx, &items, true)),
    };
    let new = written.map_err(|refused| match refused {
        Refused::Faults(faults) => anyhow!(faults.message(&name)),
        Refused::Catalogue(error) => anyhow!(error).context(format!("{name} was not imported, nothing has changed")),
    })?;
    let would = if args.dry_run { "would be " } else { "" };
    eprintln!("{name}: {}, {new} {would}new", count(rows as u64, "row"));
    Ok(Outcome::Done)
}

/// The rows of the file; what is wrong with them goes to `faults`.
fn read(mut reader: CsvReader<BufReader<File>>, faults: &mut Faults) -> Result<Vec<Item>, Stop> {
    let Some(header) = reader.next()? else {
        return Err(Stop::Fault(Fault::file("the file is empty; its first row names the columns")));
    };
    let names: Vec<String> = header.cells.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    let column = |wanted: &str| {
        names.iter().position(|name| name == wanted).ok_or_else(|| {
            Stop::Fault(Fault::file(format!("there is no column `{wanted}`; `order` and `record` must be there")))
        })
    };
    let (order, record) = (column("order")?, column("record")?);
    let mut items = Vec::new();
    while let Some(row) = reader.next()? {
        if row.cells.len() != names.len() {
            let says = format!("it has {} values and the header names {} columns", row.cells.len(), names.len());
            faults.add(Fault::row(row.place, says));
            continue;
        }
        match item(&row, &names, (order, record)) {
            Ok(item) => items.push(item),
            Err(fault) => faults.add(fault),
        }
    }
    Ok(items)
}

fn item(row: &CsvRow, names: &[String], (order, record): (usize, usize)) -> Result<Item, Fault> {
    let text = |at: usize| {
        let cell = &row.cells[at];
        let text = std::str::from_utf8(cell);
        let fault = |says: &str| Fault::value(row.place, &names[at], cell, says);
        text.map(|text| text.trim().to_owned()).map_err(|_| fault("it is not UTF-8; save the file as UTF-8"))
    };
    let must = |at: usize| match text(at)? {
        empty if empty.is_empty() => Err(Fault::value(row.place, &names[at], b"", "it must not be empty")),
        given => Ok(given),
    };
    let mut extra = Map::new();
    for (at, name) in names.iter().enumerate().filter(|(at, name)| *at != order && *at != record && !name.is_empty()) {
        let value = text(at)?;
        if !value.is_empty() {
            extra.insert(name.clone(), Value::String(value));
        }
    }
    Ok(Item { place: row.place, order: must(order)?, record: must(record)?, extra: Value::Object(extra).to_string() })
}

/// Writes the rows, or only checks them; returns how many are new.
fn apply(tx: &Tx<'_>, items: &[Item], write: bool) -> Result<usize, Refused> {
    let (mut faults, mut new) = (Faults::default(), 0);
    for item in items {
        match tx.record_named(&item.record)? {
            None => faults.add(Fault::value(
                item.place,
                "record",
                item.record.as_bytes(),
                "there is no such record; import the records first, or leave the row out",
            )),
            Some(record) if write => new += usize::from(tx.order_item_set(&item.order, record.id, &item.extra)?),
            Some(record) => new += usize::from(!tx.order_item_known(&item.order, record.id)?),
        }
    }
    if faults.is_empty() { Ok(new) } else { Err(Refused::Faults(faults)) }
}
