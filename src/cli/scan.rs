//! `reunite scan`: takes in what already lies on this machine.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;

use super::Outcome;
use crate::config::Config;
use crate::scan::scan;

/// What was typed.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The folder; its files are copied, never moved
    folder: PathBuf,
    /// Whose files they are
    #[arg(long, value_name = "NAME")]
    customer: String,
}

/// Scans and says what came of it.
///
/// # Errors
/// When nothing can be taken in.
pub fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let config = Config::load(data)?;
    let scanned = scan(&config, &args.customer, &args.folder, |path| tracing::debug!("taking in {}", path.display()))?;
    for (path, why) in &scanned.refused {
        eprintln!("{}: {why}", path.display());
    }
    eprintln!(
        "{} files taken in, {} were there already, {} could not be taken in",
        scanned.received,
        scanned.known,
        scanned.refused.len()
    );
    Ok(Outcome::Done)
}
