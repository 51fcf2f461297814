//! `reunite report`: what came back, what is missing, and why.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{Outcome, customer, folder};
use crate::config::Config;
use crate::report::{self, Format, Sheet};

/// Arguments of `reunite report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which report
    kind: Kind,
    /// Only what belongs to this customer
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// The form: a table for eyes; exact CSV or JSON for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Leave out what differs between two runs over the same files: decided_at, upload, candidate
    #[arg(long)]
    stable: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// Records whose original is still wanted
    Missing,
    /// What came back, and what a person is asked about
    Matches,
    /// Pictures that were received and belong to no record
    Unmatched,
    /// Every file that was received, and what became of it
    Files,
    /// What a person is asked about, with the reasons
    Review,
    /// Customers in counts
    Customers,
    /// Orders (`reunite import-orders`): which still miss an original, and which are complete again
    Orders,
    /// Answers of people of which at most one can be right
    Contradictions,
    /// How the shop made its thumbnails, as far as that was learned
    Recipes,
    /// The kinds of proof: which may attach, what they attached, and how often they were wrong where it was counted
    Tiers,
}

/// The columns that `--stable` leaves out: moments, and ids that depend on the order in which things came.
const UNSTABLE: [&str; 3] = ["decided_at", "upload", "candidate"];

pub(super) fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    let tiers = Config::load(data)?.attach.tiers;
    let mut sheet = catalogue.read(|tx| -> anyhow::Result<Sheet> {
        let customer = match &args.customer {
            Some(name) => Some(customer::named(tx, name)?.id),
            None => None,
        };
        Ok(match args.kind {
            Kind::Missing => report::missing(tx, customer),
            Kind::Matches => report::matches(tx, customer),
            Kind::Unmatched => report::unmatched(tx, customer),
            Kind::Files => report::files(tx, customer),
            Kind::Review => report::review(tx, customer),
            Kind::Customers => report::customers(tx, customer),
            Kind::Orders => report::orders(tx, customer),
            Kind::Contradictions => report::contradictions(tx, customer),
            Kind::Recipes | Kind::Tiers if customer.is_some() => {
                anyhow::bail!("recipes and tiers are the shop's, not a customer's: leave out --customer")
            }
            Kind::Recipes => report::recipes(tx),
            Kind::Tiers => report::tiers(tx, &tiers),
        }?)
    })?;
    if args.stable {
        UNSTABLE.iter().for_each(|column| sheet.omit(column));
    }
    print(&sheet, args.format, args.output.as_deref())?;
    Ok(Outcome::Done)
}

/// Writes a report to `output`, or to standard output.
///
/// # Errors
/// When it cannot be written; a file that was there before is then as it was.
pub(super) fn print(sheet: &Sheet, format: Format, output: Option<&Path>) -> anyhow::Result<()> {
    match output {
        None => Ok(sheet.write(format, &mut BufWriter::new(io::stdout().lock()))?),
        Some(path) => write_file(sheet, format, path).with_context(|| format!("cannot write `{}`", path.display())),
    }
}

fn write_file(sheet: &Sheet, format: Format, path: &Path) -> io::Result<()> {
    // A pipe or a device cannot be replaced; a file is, so that whoever reads it never sees half a report.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return sheet.write(format, &mut BufWriter::new(File::options().write(true).open(path)?));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = File::create(&part).and_then(|file| {
        let mut out = BufWriter::new(file);
        sheet.write(format, &mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&part, path)
    });
    if written.is_err() {
        // The failure itself is what the caller has to know; what is left of the attempt is only tidied.
        let _ = fs::remove_file(&part);
    }
    written
}
