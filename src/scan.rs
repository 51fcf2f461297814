//! Takes in what already lies on this machine: a disk that came by post, a folder that support unpacked.
//!
//! Files are copied, never moved, and received with the same promises as over any other way in. Running it again takes in
//! only what is new or has changed.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::catalogue::{self, Catalogue};
use crate::config::Config;
use crate::domain::{CustomerId, Micros, UploadId};
use crate::pipeline;
use crate::serve::{self, House, Lock};
use crate::spool::Endpoint;
use crate::tree::{BadPath, Tree, TreeError, TreePath, place};

/// What a scan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Files taken in.
    pub received: u64,
    /// Files that were there already, with the same size and time.
    pub known: u64,
    /// Files that could not be taken in, each with its reason.
    pub refused: Vec<(PathBuf, String)>,
}

/// Why a scan ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be worked on.
    #[error(transparent)]
    Serve(#[from] serve::Error),
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// Nothing more can be received.
    #[error("cannot take in `{path}`: {source}")]
    Receive {
        /// The file at which it stopped.
        path: PathBuf,
        /// Why.
        source: TreeError,
    },
    /// What was received cannot be decided.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// The folder to scan cannot be read.
    #[error("cannot read the folder `{path}`: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such customer.
    #[error("there is no customer `{0}`; import its records first, or make it with `reunite customer add`")]
    NoCustomer(String),
    /// The server that was to do the rest has stopped.
    #[error("the server stopped before everything was taken in; what waits in `{0}` is taken in when it runs again")]
    ServerGone(PathBuf),
}

/// How often the catalogue is asked whether the server has done the rest.
const POLL: Duration = Duration::from_millis(250);

/// A file that was found, and its place in the customer's tree.
struct Found {
    path: PathBuf,
    place: TreePath,
    metadata: Metadata,
}

/// Takes in every file below `folder` for a customer and returns once it is decided; `seen` is told of each file as it is
/// begun. While a server works on the data folder, the files go to its inbox and it does the rest.
///
/// # Errors
/// When the folder or the customer is not there, or nothing can be received or decided. A single file that cannot be read
/// stops nothing.
pub fn scan(config: &Config, customer: &str, folder: &Path, mut seen: impl FnMut(&Path)) -> Result<Scanned, Error> {
    let mut scanned = Scanned::default();
    match House::open(config)? {
        Some(house) => {
            let customer = customer_of(&house.catalogue, customer)?;
            let tree = Tree::new(house.catalogue.clone(), house.spool.clone(), customer);
            for found in files_below(folder, &mut scanned)? {
                seen(&found.path);
                take_in(&house, customer, &tree, &found, &mut scanned)?;
            }
            pipeline::run_until_nothing_is_left(house.pipeline.clone())?;
        }
        None => {
            let catalogue = Catalogue::open(&config.data.join("catalogue.sqlite"))?;
            let id = customer_of(&catalogue, customer)?;
            let inbox = config.data.join("inbox").join(customer);
            let mut handed = Vec::new();
            for found in files_below(folder, &mut scanned)? {
                seen(&found.path);
                let entry = catalogue.read(|tx| place::find(tx, id, &found.place));
                let entry = entry.map_err(|source| Error::Receive { path: found.path.clone(), source })?;
                // An unfinished transfer to the name has another length, or none that is known here.
                if entry.is_some_and(|row| row.partial.is_none() && is_same(row.upload, row.size, row.mtime, &found)) {
                    scanned.known += 1;
                    continue;
                }
                let to = inbox.join(OsStr::from_bytes(&found.place.to_bytes()));
                match hand_over(&found.path, &to) {
                    Ok(()) => {
                        scanned.received += 1;
                        handed.push(to);
                    }
                    Err(error) => scanned.refused.push((found.path, error.to_string())),
                }
            }
            while handed.iter().any(|path| path.exists()) || !catalogue.read(|tx| tx.undecided(Some(id)))?.is_nothing()
            {
                if Lock::take(&config.data)?.is_some() {
                    return Err(Error::ServerGone(inbox));
                }
                std::thread::sleep(POLL);
            }
        }
    }
    Ok(scanned)
}

/// Every file below `folder`, in the order of its names; what is neither file nor folder is refused.
fn files_below(folder: &Path, scanned: &mut Scanned) -> Result<Vec<Found>, Error> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), TreePath::root())];
    while let Some((folder, place)) = folders.pop() {
        for (path, metadata) in listed(&folder, files.is_empty(), scanned)? {
            match inside(&place, &path) {
                Err(bad) => scanned.refused.push((path, bad.to_string())),
                Ok(place) if metadata.is_dir() => folders.push((path, place)),
                Ok(place) if metadata.is_file() => files.push(Found { path, place, metadata }),
                Ok(_) => scanned.refused.push((path, "it is neither a file nor a folder".to_owned())),
            }
        }
    }
    Ok(files)
}

/// Copies a file into the inbox under a temporary name, so that the server sees it whole or not at all. What already waits
/// there under its name is left alone.
fn hand_over(from: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or(to);
    std::fs::create_dir_all(folder)?;
    if to.exists() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file of this name still waits in the inbox"));
    }
    let temporary = folder.join(format!("reunite-scan-{}.part", std::process::id()));
    std::fs::copy(from, &temporary)?;
    let modified = from.metadata()?.modified()?;
    std::fs::File::options().write(true).open(&temporary)?.set_modified(modified)?;
    std::fs::rename(&temporary, to)
}

fn customer_of(catalogue: &Catalogue, name: &str) -> Result<CustomerId, Error> {
    let found = catalogue.read(|tx| tx.customer_named(name))?;
    found.map(|customer| customer.id).ok_or_else(|| Error::NoCustomer(name.to_owned()))
}

/// What lies in a folder, in the order of its names. Below the first folder one that cannot be read is only reported.
fn listed(folder: &Path, first: bool, scanned: &mut Scanned) -> Result<Vec<(PathBuf, Metadata)>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) if first && scanned.refused.is_empty() => {
            return Err(Error::Folder { path: folder.to_owned(), source });
        }
        Err(source) => {
            scanned.refused.push((folder.to_owned(), source.to_string()));
            return Ok(Vec::new());
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        // Links are not followed: what they point to is not in the folder that was named.
        match entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) {
            Ok(listed) => found.push(listed),
            Err(error) => scanned.refused.push((folder.to_owned(), error.to_string())),
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// The place in the customer's tree of something in the folder at `place`.
fn inside(place: &TreePath, path: &Path) -> Result<TreePath, BadPath> {
    TreePath::resolve(place, path.file_name().unwrap_or_default().as_bytes())
}

/// Whether what was received under a file's name already, with this size and time, is that file.
fn is_same(upload: Option<UploadId>, size: u64, mtime: Micros, found: &Found) -> bool {
    let modified = found.metadata.modified().ok().map(Micros::from);
    upload.is_some() && size == found.metadata.len() && Some(mtime) == modified
}

fn take_in(
    house: &House,
    customer: CustomerId,
    tree: &Tree,
    found: &Found,
    scanned: &mut Scanned,
) -> Result<(), Error> {
    let Found { path, place, .. } = found;
    match tree.stat(place) {
        Ok(entry) if !entry.partial && is_same(entry.upload, entry.size, entry.mtime, found) => scanned.known += 1,
        _ => match house.spool.receive_file(customer, place, Endpoint::Scan, path) {
            Ok(_) => scanned.received += 1,
            Err(source @ (TreeError::NoSpace | TreeError::Catalogue(_))) => {
                return Err(Error::Receive { path: path.to_owned(), source });
            }
            Err(error) => scanned.refused.push((path.to_owned(), error.to_string())),
        },
    }
    Ok(())
}
