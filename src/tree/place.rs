//! The walk from a path to its row, and the changes of the tree that one unit of work makes.
//!
//! Used by the tree for its operations and by the spool when a transfer ends.

use super::TreeError;
use super::path::{TreePath, check_extent};
use crate::catalogue::{Entry, EntryFile, ROOT, Tx};
use crate::domain::{CustomerId, EntryId, Micros};

/// What a path leads to.
pub(crate) enum Found {
    /// A directory; the root's id is 0.
    Directory(EntryId),
    /// A file.
    File(Entry),
    /// Nothing.
    Nothing,
}

/// The row at `path`; the root has none.
pub(crate) fn find(tx: &Tx<'_>, customer: CustomerId, path: &TreePath) -> Result<Option<Entry>, TreeError> {
    let Some((name, parents)) = path.parts().split_last() else {
        return Ok(None);
    };
    let mut directory = ROOT;
    for parent in parents {
        match tx.entry_in(customer, directory, parent)? {
            Some(row) if row.directory => directory = row.id,
            _ => return Ok(None),
        }
    }
    Ok(tx.entry_in(customer, directory, name)?)
}

/// What is at `path`, the root included.
pub(crate) fn find_directory(tx: &Tx<'_>, customer: CustomerId, path: &TreePath) -> Result<Found, TreeError> {
    if path.is_root() {
        return Ok(Found::Directory(ROOT));
    }
    Ok(match find(tx, customer, path)? {
        Some(row) if row.directory => Found::Directory(row.id),
        Some(row) => Found::File(row),
        None => Found::Nothing,
    })
}

/// The file at `path`.
pub(crate) fn find_file(tx: &Tx<'_>, customer: CustomerId, path: &TreePath) -> Result<Entry, TreeError> {
    match find_directory(tx, customer, path)? {
        Found::File(row) => Ok(row),
        Found::Directory(_) => Err(TreeError::IsDirectory(path.clone())),
        Found::Nothing => Err(TreeError::NotFound(path.clone())),
    }
}

/// Whether a file could come to `path`: its row if there is one already.
pub(crate) fn can_receive(tx: &Tx<'_>, customer: CustomerId, path: &TreePath) -> Result<Option<Entry>, TreeError> {
    super::report_folder::refuse(path)?;
    let Some((name, parents)) = path.parts().split_last() else {
        return Err(TreeError::Root);
    };
    let mut directory = ROOT;
    for (depth, parent) in parents.iter().enumerate() {
        match tx.entry_in(customer, directory, parent)? {
            Some(row) if row.directory => directory = row.id,
            Some(_) => return Err(in_the_way(path, depth)),
            None => return Ok(None),
        }
    }
    match tx.entry_in(customer, directory, name)? {
        Some(row) if row.directory => Err(TreeError::IsDirectory(path.clone())),
        row => Ok(row),
    }
}

/// The innermost of the directories `parts`, the missing ones made; `path` is what they are made for.
pub(crate) fn make_directories(
    tx: &Tx<'_>,
    customer: CustomerId,
    parts: &[Vec<u8>],
    path: &TreePath,
) -> Result<EntryId, TreeError> {
    let mut directory = ROOT;
    for (depth, name) in parts.iter().enumerate() {
        directory = match tx.entry_in(customer, directory, name)? {
            Some(row) if row.directory => row.id,
            Some(_) => return Err(in_the_way(path, depth)),
            None => tx.entry_add_directory(customer, directory, name, Micros::now())?,
        };
    }
    Ok(directory)
}

/// Lets the file at `path` stand for what was received; its entry and the directories above come into being as needed.
pub(crate) fn show(
    tx: &Tx<'_>,
    customer: CustomerId,
    path: &TreePath,
    file: EntryFile,
    mtime: Micros,
) -> Result<(), TreeError> {
    let Some((name, parents)) = path.parts().split_last() else {
        return Err(TreeError::Root);
    };
    let directory = make_directories(tx, customer, parents, path)?;
    let entry = match tx.entry_in(customer, directory, name)? {
        Some(row) if row.directory => return Err(TreeError::IsDirectory(path.clone())),
        Some(row) => row.id,
        None => tx.entry_add_file(customer, directory, name, mtime)?,
    };
    Ok(tx.entry_show(entry, file, mtime)?)
}

/// See [`super::Tree::rename`]; `held_until` is for a file whose new name is temporary again. Returns what the entry was.
pub(crate) fn rename(
    tx: &Tx<'_>,
    customer: CustomerId,
    from: &TreePath,
    to: &TreePath,
    held_until: Option<Micros>,
) -> Result<Entry, TreeError> {
    let source = find(tx, customer, from)?.ok_or_else(|| TreeError::NotFound(from.clone()))?;
    if from == to {
        return Ok(source);
    }
    if to.is_within(from) {
        return Err(TreeError::IntoItself(from.clone()));
    }
    match find_directory(tx, customer, to)? {
        Found::Nothing => {}
        Found::Directory(_) if source.directory => return Err(TreeError::Exists(to.clone())),
        Found::Directory(_) => return Err(TreeError::IsDirectory(to.clone())),
        Found::File(_) if source.directory => return Err(TreeError::NotDirectory(to.clone())),
        Found::File(replaced) => tx.entry_remove(replaced.id)?,
    }
    if source.directory && (to.depth() > from.depth() || to.bytes_long() > from.bytes_long()) {
        let (depth, bytes) = tx.entry_extent_below(customer, source.id)?;
        check_extent(to.depth() + depth, to.bytes_long() + bytes)?;
    }
    let (name, parents) = to.parts().split_last().ok_or(TreeError::Root)?;
    let directory = make_directories(tx, customer, parents, to)?;
    tx.entry_move(source.id, directory, name)?;
    if let Some(upload) = source.upload
        && tx.upload_renamed(upload, &to.to_bytes(), held_until, Micros::now())?
    {
        let outcome = if held_until.is_some() { "and still waits for its last name" } else { "which completes it" };
        let text = format!("`{from}` was renamed to `{to}`, {outcome}");
        tx.event("renamed", Some(customer), None, Some(upload), "customer", &text)?;
    }
    Ok(source)
}

fn in_the_way(path: &TreePath, depth: usize) -> TreeError {
    TreeError::NotDirectory(TreePath::from_parts(path.parts()[..=depth].to_vec()))
}
