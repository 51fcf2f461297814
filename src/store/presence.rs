//! Tells a store that is empty from a store whose disk is away.
//!
//! A folder that lost its mount looks like one in which nothing was ever put. So each store's folder carries a marker from
//! the day it is taken into use, and without it nothing is read, written or believed: unreachable is not missing.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::durable::{make_folder, sync_folder};
use super::{Error, at};

/// Name of the marker; no key of the originals store may begin with it.
pub(super) const MARKER: &str = ".reunite-store";

/// What the marker says to whoever finds it.
const WORDS: &str = "reunite keeps files in this folder. While this marker is absent, it takes the folder for one whose disk \
                     is not mounted, and waits.\n";

/// Takes `folder` into use: makes it, with `mode`, and its marker, readable for whoever may read the folder.
pub(super) fn adopt(folder: &Path, mode: u32) -> Result<(), Error> {
    make_folder(folder, mode)?;
    let marker = folder.join(MARKER);
    match OpenOptions::new().write(true).create_new(true).mode(mode & 0o666).open(&marker) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => {
            let mut made = made.map_err(at("make the marker", &marker))?;
            made.write_all(WORDS.as_bytes()).and_then(|()| made.sync_all()).map_err(at("write the marker", &marker))?;
        }
    }
    sync_folder(folder).map_err(at("sync the folder", folder))
}

/// Fails with [`Error::Away`] while `folder` is not there with its marker.
pub(super) fn require(folder: &Path) -> Result<(), Error> {
    match folder.join(MARKER).symlink_metadata() {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Away { folder: folder.to_owned(), marker: MARKER, source }),
    }
}
