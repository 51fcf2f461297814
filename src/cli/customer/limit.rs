//! `reunite customer limit`: what one customer may, where it differs from the settings.

use anyhow::{anyhow, bail};
use clap::Args as ClapArgs;

use super::named;
use crate::catalogue::{Catalogue, CustomerLimits};

/// Units of bytes, as people write them.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// What was typed.
#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Args {
    /// The account
    name: String,
    /// All uploads together, each version counted: a number of bytes, such as 50GiB, or `default`
    #[arg(long, value_name = "SIZE")]
    bytes: Option<String>,
    /// Uploads, each version counted: a number, or `default`
    #[arg(long, value_name = "COUNT")]
    files: Option<String>,
    /// Whether signing in over FTP needs TLS: `required`, or `default`
    #[arg(long, value_name = "WHEN")]
    ftp_tls: Option<String>,
}

/// Sets what was given and prints how things stand then.
pub(super) fn run(catalogue: &Catalogue, args: &Args) -> anyhow::Result<()> {
    let customer = catalogue.read(|tx| named(tx, &args.name))?;
    let before = catalogue.read(|tx| tx.customer_limits(customer.id))?;
    let after = changed(before, args)?;
    if after != before {
        catalogue.write(move |tx| tx.customer_set_limits(customer.id, &after))?;
    }
    let kept = catalogue.read(|tx| tx.customer_kept(customer.id))?;
    let quota = |limit: Option<u64>| limit.map_or_else(|| "as the settings say".to_owned(), |limit| limit.to_string());
    println!("bytes    {}, {} kept", quota(after.quota_bytes), kept.bytes);
    println!("files    {}, {} kept", quota(after.quota_files), kept.files);
    println!("ftp-tls  {}", if after.ftp_tls_required { "required" } else { "as the settings say" });
    Ok(())
}

fn changed(before: CustomerLimits, args: &Args) -> anyhow::Result<CustomerLimits> {
    let mut after = before;
    match args.bytes.as_deref() {
        None => {}
        Some("default") => after.quota_bytes = None,
        Some(text) => after.quota_bytes = Some(bytes(text)?),
    }
    match args.files.as_deref() {
        None => {}
        Some("default") => after.quota_files = None,
        Some(text) => {
            let files = text.parse::<u32>().map_err(|_| anyhow!("`{text}` is no number of files"))?;
            after.quota_files = Some(files.into());
        }
    }
    match args.ftp_tls.as_deref() {
        None => {}
        Some("default") => after.ftp_tls_required = false,
        Some("required") => after.ftp_tls_required = true,
        Some(other) => bail!("`{other}` is neither `required` nor `default`"),
    }
    Ok(after)
}

/// `53687091200`, `50GiB`, `50 GB`.
fn bytes(text: &str) -> anyhow::Result<u64> {
    let fault = || anyhow!("`{text}` is no number of bytes; write 53687091200 or 50GiB");
    let (number, unit) = match UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))) {
        Some((number, unit)) => (number.trim_end(), unit),
        None => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| fault())?;
    // The catalogue's numbers have a sign.
    number.checked_mul(unit).filter(|bytes| i64::try_from(*bytes).is_ok()).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, size) in [("0", 0), ("17", 17), ("50GiB", 50 << 30), ("2 MB", 2_000_000), ("1kB", 1000)] {
            assert_eq!(bytes(text).unwrap(), size, "{text}");
        }
        for text in ["", "GiB", "-1", "1.5GiB", "10000000TiB", "5 apples", "99999999999999999999"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
