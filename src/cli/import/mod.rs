//! `reunite import`: the shop's records and their thumbnails.
//!
//! All or nothing: the file is read and checked to its end, thumbnails' bytes are laid aside under their digests (where
//! nothing refers to them yet), and one transaction writes every row. Then the decode children look at the thumbnails. One
//! that is absent or does not decode is no fault of the file: its record is imported, says so, and can still be found by
//! digest and by hand.

mod apply;
mod columns;
mod csv_rows;
mod examine;
mod fault;
pub(super) mod orders;
mod pictures;
mod rows;
mod values;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use self::apply::{Picture, Refused, Row, Told};
use self::columns::{Field, Map};
use self::fault::{Fault, Faults, Place};
use self::pictures::{Fetched, Folder};
use self::values::Described;
use super::{Outcome, folder};
use crate::catalogue::{self, Catalogue, Role};
use crate::domain::{Digest, Micros};
use crate::report::text::{count, visible};

/// Thumbnails that are laid aside in one transaction, so that a running server never waits long: by number and by bytes.
const BATCH_FILES: usize = 500;
const BATCH_BYTES: usize = 8 << 20;

/// Thumbnails without a picture that are listed by name.
const LISTED_MAX: usize = 5;

/// Arguments of `reunite import`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Columns: record, customer and thumbnail must be there; preview, filename, width, height, bytes, sha256, md5, etag, taken_at \
and original have a meaning; all others are kept and given back in reports. `thumbnail` and `preview` are paths below --thumbs \
or data: URIs; `original` is the key in the originals store.

CSV is UTF-8, separated by commas, semicolons or tabs, whichever its header has most of. A value that is empty is not \
known and replaces nothing; in JSON lines, null takes away what was known. Rows that the file does not have stay.")]
pub(super) struct Args {
    /// The records: CSV, or JSON lines when the name ends in .jsonl
    #[arg(value_name = "RECORDS.csv|.jsonl")]
    records: PathBuf,
    /// The folder below which the paths of thumbnails lie
    #[arg(long, value_name = "DIR")]
    thumbs: Option<PathBuf>,
    /// What the file calls the columns: record=record_id,thumbnail=thumb
    #[arg(long, value_name = "OURS=THEIRS,...", default_value = None)]
    map: Option<Map>,
    /// Check everything and say what would happen, without changing anything
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let catalogue = if args.dry_run { folder::open(data)? } else { folder::open_or_make(data)? };
    let map = args.map.clone().unwrap_or_default();
    let name = visible(args.records.as_os_str().as_encoded_bytes());
    let _alone = lock(data)?;
    let mut reading = Reading {
        folder: Folder::open(args.thumbs.as_deref())?,
        map: &map,
        catalogue: (!args.dry_run).then_some(&catalogue),
        rows: Vec::new(),
        seen: HashMap::new(),
        aside: Vec::new(),
        aside_bytes: 0,
        failed: None,
    };
    let mut faults = Faults::default();
    rows::read(&args.records, &map, &mut faults, &mut |row, faults| reading.take(row, faults))
        .with_context(|| format!("cannot read `{name}`"))?;
    reading.lay_aside();
    let Reading { rows, failed, seen, .. } = reading;
    let written = match failed {
        Some(error) => Err(Refused::Catalogue(error)),
        None if !faults.is_empty() => Err(Refused::Faults(faults)),
        None if args.dry_run => catalogue.read(|tx| apply::compare(tx, &rows)),
        None => catalogue.write(move |tx| apply::apply(tx, &rows, Micros::now())),
    };
    if !args.dry_run {
        catalogue.write(|tx| tx.thumbnail_files_sweep())?;
    }
    let mut told = written.map_err(|refused| match refused {
        Refused::Faults(faults) => anyhow!(faults.message(&name)),
        Refused::Catalogue(error) => anyhow!(error).context(format!("{name} was not imported, nothing has changed")),
    })?;
    if !args.dry_run {
        examine::thumbnails(&catalogue)?;
        told.without = unusable(&catalogue, &seen.into_keys().collect())?;
    }
    summarise(&name, &told, args.dry_run);
    Ok(Outcome::Done)
}

/// Two imports at once would take each other's thumbnails for leftovers.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("import.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => bail!("another import is running; wait until it has ended"),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(anyhow!(error).context(format!("cannot lock `{}`", path.display())))
        }
    }
}

/// The file on its way into rows.
struct Reading<'a> {
    folder: Folder,
    map: &'a Map,
    /// Where thumbnails are laid aside; none for a dry run.
    catalogue: Option<&'a Catalogue>,
    rows: Vec<Row>,
    seen: HashMap<String, Place>,
    aside: Vec<(Digest, Vec<u8>)>,
    aside_bytes: usize,
    failed: Option<catalogue::Error>,
}

impl Reading<'_> {
    fn take(&mut self, row: rows::SourceRow, faults: &mut Faults) {
        let Some(described) = values::describe(row, self.map, faults) else { return };
        if let Some(first) = self.seen.insert(described.record.clone(), described.place) {
            let says = format!("{first} has it already; a record is imported once, so remove one of the two rows");
            let column = self.map.column(Field::Record);
            faults.add(Fault::value(described.place, column, described.record.as_bytes(), says));
            return;
        }
        let Some(pictures) = self.pictures(&described, faults) else { return };
        let Described { place, record, customer, facts, .. } = described;
        if faults.is_empty() {
            self.rows.push(Row { place, record, customer, facts, pictures });
        }
    }

    /// Fetches the row's pictures; nothing when one of them is a fault of the row.
    fn pictures(&mut self, row: &Described, faults: &mut Faults) -> Option<BTreeMap<Role, Picture>> {
        let mut pictures = BTreeMap::new();
        for (role, field) in [(Role::Thumbnail, Field::Thumbnail), (Role::Preview, Field::Preview)] {
            let (source, fetched) = match row.pictures.get(&role) {
                Some(source) => (source.as_str(), self.folder.fetch(source)),
                None if role == Role::Thumbnail => ("", Ok(Fetched::Nothing("the import names none".into()))),
                None => continue,
            };
            let file = match fetched {
                Ok(Fetched::Bytes(bytes)) => Ok(self.add(bytes, faults)),
                Ok(Fetched::Nothing(why)) => Err(why),
                Err(says) => {
                    faults.add(Fault::value(row.place, self.map.column(field), source.as_bytes(), says));
                    return None;
                }
            };
            let source = if pictures::is_data_uri(source) { "data:" } else { source };
            pictures.insert(role, Picture { source: source.to_owned(), file });
        }
        Some(pictures)
    }

    fn add(&mut self, bytes: Vec<u8>, faults: &Faults) -> Digest {
        let digest = Digest::of(&bytes);
        // Once there is a fault nothing will be imported, so nothing need be kept.
        if self.catalogue.is_some() && faults.is_empty() {
            self.aside_bytes += bytes.len();
            self.aside.push((digest, bytes));
        }
        if self.aside.len() >= BATCH_FILES || self.aside_bytes >= BATCH_BYTES {
            self.lay_aside();
        }
        digest
    }

    /// Writes the thumbnails gathered so far, in a transaction of their own.
    fn lay_aside(&mut self) {
        let batch = std::mem::take(&mut self.aside);
        self.aside_bytes = 0;
        let Some(catalogue) = self.catalogue.filter(|_| !batch.is_empty() && self.failed.is_none()) else { return };
        let written = catalogue
            .write(move |tx| batch.iter().try_for_each(|(digest, bytes)| tx.thumbnail_file_add(*digest, bytes)));
        self.failed = written.err();
    }
}

/// The thumbnails of these records that cannot be used, and why.
fn unusable(catalogue: &Catalogue, records: &HashSet<String>) -> Result<Vec<String>, catalogue::Error> {
    let problems = catalogue.read(|tx| tx.thumbnail_problems())?;
    let ours = problems.into_iter().filter(|(record, ..)| records.contains(record));
    Ok(ours.map(|(record, thumbnail, why)| apply::lack(&record, thumbnail.role, &thumbnail.source, &why)).collect())
}

fn summarise(name: &str, told: &Told, dry_run: bool) {
    let Told { new, changed, unchanged, customers, without } = told;
    let done = if dry_run { "would be imported" } else { "imported" };
    eprintln!(
        "{name}: {} {done}: {new} new, {changed} changed, {unchanged} unchanged; {}",
        count(new + changed + unchanged, "record"),
        count(*customers, "new customer"),
    );
    if !without.is_empty() {
        let unread = if dry_run { ", and the others were not read" } else { "" };
        eprintln!("{} cannot be used{unread}:", count(without.len() as u64, "thumbnail"));
        for why in without.iter().take(LISTED_MAX) {
            eprintln!("  {}", visible(why.as_bytes()));
        }
        if without.len() > LISTED_MAX {
            eprintln!("  and {} more; `reunite report missing` shows them all", without.len() - LISTED_MAX);
        }
    }
}
