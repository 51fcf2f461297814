//! `reunite init`: the data folder, with its settings file, host keys and certificate.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;

use super::{Outcome, folder};
use crate::config::TEMPLATE;
use crate::endpoint::sftp::host_key;
use crate::endpoint::tls::Tls;

pub(super) fn run(data: &Path) -> anyhow::Result<Outcome> {
    drop(folder::open_or_make(data)?);
    fs::set_permissions(data, Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close the data folder `{}` for other users", data.display()))?;
    let settings = data.join("reunite.toml");
    let made = write_new(&settings, TEMPLATE).with_context(|| format!("cannot write `{}`", settings.display()))?;
    let state = if made { "written" } else { "there already and left as they are" };
    eprintln!("settings {state}: {}", settings.display());
    make_keys(&data.join("keys"))?;
    eprintln!("next: `reunite import RECORDS.csv --thumbs DIR`, `reunite customer add NAME`, `reunite serve`");
    Ok(Outcome::Done)
}

/// Makes the keys that are absent, as the server does at its first start, and tells the fingerprints that clients show.
fn make_keys(keys: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(keys);
    made.with_context(|| format!("cannot make the folder `{}`", keys.display()))?;
    for key in host_key::load_or_make(keys)? {
        eprintln!("host key: {} {}", key.algorithm(), host_key::fingerprint(&key));
    }
    let tls = Tls::open(keys, &["localhost".to_owned()])?;
    eprintln!("certificate: SHA-256 {}", tls.fingerprint());
    Ok(())
}

/// Writes a file that is not there yet; false when it is.
fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
