//! The tree's rows: names, the uploads they stand for, and the walk from a name to its row and back.
//!
//! What an operation on the tree means is decided in [`crate::tree`] and [`crate::spool`]; here are the statements.

use super::{Error, Row, Tx};
use crate::domain::{CustomerId, EntryId, Micros, PartialId, UploadId};

/// The parent of everything that lies in the root.
pub(crate) const ROOT: EntryId = EntryId(0);

/// One row of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// The directory it lies in; 0 is the root.
    pub parent: EntryId,
    /// Its name, raw bytes.
    pub name: Vec<u8>,
    /// Whether it is a directory.
    pub directory: bool,
    /// Of the current upload, in bytes.
    pub size: u64,
    /// The time shown.
    pub mtime: Micros,
    /// The current upload of a file.
    pub upload: Option<UploadId>,
    /// An unfinished transfer and the name of its file in the spool.
    pub partial: Option<(PartialId, String)>,
}

/// What a file's entry is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFile {
    /// This upload, complete; whatever unfinished transfer was shown is so no longer.
    Upload(UploadId, u64),
    /// This unfinished transfer, besides the current upload.
    Partial(PartialId),
}

const COLUMNS: &str = "SELECT e.id, e.parent, e.name, e.directory, e.size, e.mtime, e.upload, e.partial, p.spool_file \
                       FROM entries e LEFT JOIN partials p ON p.id = e.partial";

fn entry(row: Row<'_>) -> Result<Entry, Error> {
    let partial: Option<i64> = row.get(7)?;
    let file: Option<String> = row.get(8)?;
    Ok(Entry {
        id: EntryId(row.get(0)?),
        parent: EntryId(row.get(1)?),
        name: row.get(2)?,
        directory: row.get::<i64>(3)? != 0,
        size: row.get::<i64>(4)?.unsigned_abs(),
        mtime: Micros(row.get(5)?),
        upload: row.get::<Option<i64>>(6)?.map(UploadId),
        partial: partial.map(PartialId).zip(file),
    })
}

impl Tx<'_> {
    /// The entry `name` in the directory `parent`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entry_in(&self, customer: CustomerId, parent: EntryId, name: &[u8]) -> Result<Option<Entry>, Error> {
        let sql = select(" WHERE e.customer = ?1 AND e.parent = ?2 AND e.name = ?3");
        self.first(&sql, (customer.0, parent.0, name), entry)
    }

    /// Everything in the directory `parent`, by the bytes of the names.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entries_in(&self, customer: CustomerId, parent: EntryId) -> Result<Vec<Entry>, Error> {
        self.rows(&listing_statement(), (customer.0, parent.0), entry)
    }

    /// Whether anything lies in the directory `parent`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entry_has_children(&self, customer: CustomerId, parent: EntryId) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM entries WHERE customer = ?1 AND parent = ?2 LIMIT 1";
        Ok(self.first(sql, (customer.0, parent.0), |_| Ok(()))?.is_some())
    }

    /// The entry that shows an unfinished transfer.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entry_of_partial(&self, partial: PartialId) -> Result<Option<Entry>, Error> {
        let sql = select(" WHERE e.partial = ?1");
        self.first(&sql, [partial.0], entry)
    }

    /// The names from the root down to an entry.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entry_names(&self, entry: &Entry) -> Result<Vec<Vec<u8>>, Error> {
        let mut names = vec![entry.name.clone()];
        let mut parent = entry.parent;
        while parent != ROOT {
            let sql = "SELECT parent, name FROM entries WHERE id = ?1";
            let (above, name) = self.one(sql, [parent.0], |row| Ok((EntryId(row.get(0)?), row.get(1)?)))?;
            names.push(name);
            parent = above;
        }
        names.reverse();
        Ok(names)
    }

    /// The greatest depth in names and length in bytes of the paths below a directory, counted from it.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entry_extent_below(&self, customer: CustomerId, directory: EntryId) -> Result<(usize, usize), Error> {
        self.one(
            "WITH RECURSIVE below (id, depth, bytes) AS (\
                 SELECT ?2, 0, 0 UNION ALL \
                 SELECT e.id, b.depth + 1, b.bytes + 1 + LENGTH(e.name) FROM entries e, below b \
                 WHERE e.customer = ?1 AND e.parent = b.id) \
             SELECT MAX(depth), MAX(bytes) FROM below",
            (customer.0, directory.0),
            |row| Ok((row.get::<i64>(0)?.unsigned_abs() as usize, row.get::<i64>(1)?.unsigned_abs() as usize)),
        )
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// When the catalogue fails or the name is taken.
    pub fn entry_add_directory(
        &self,
        customer: CustomerId,
        parent: EntryId,
        name: &[u8],
        mtime: Micros,
    ) -> Result<EntryId, Error> {
        self.entry_add(customer, parent, name, true, mtime)
    }

    /// Adds a file without content to the tree; [`Tx::entry_show`] says what it stands for.
    ///
    /// # Errors
    /// When the catalogue fails or the name is taken.
    pub fn entry_add_file(
        &self,
        customer: CustomerId,
        parent: EntryId,
        name: &[u8],
        mtime: Micros,
    ) -> Result<EntryId, Error> {
        self.entry_add(customer, parent, name, false, mtime)
    }

    fn entry_add(
        &self,
        customer: CustomerId,
        parent: EntryId,
        name: &[u8],
        directory: bool,
        mtime: Micros,
    ) -> Result<EntryId, Error> {
        let id = self.next_id("entries")?;
        self.execute(
            "INSERT INTO entries (id, customer, parent, name, directory, mtime) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (id, customer.0, parent.0, name, directory, mtime.0),
        )?;
        Ok(EntryId(id))
    }

    /// Sets what a file's entry stands for, and its time.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entry_show(&self, entry: EntryId, file: EntryFile, mtime: Micros) -> Result<(), Error> {
        match file {
            EntryFile::Upload(upload, size) => self.execute(
                "UPDATE entries SET upload = ?2, size = ?3, mtime = ?4, partial = NULL WHERE id = ?1",
                (entry.0, upload.0, i64::try_from(size).unwrap_or(i64::MAX), mtime.0),
            )?,
            EntryFile::Partial(partial) => self
                .execute("UPDATE entries SET partial = ?2, mtime = ?3 WHERE id = ?1", (entry.0, partial.0, mtime.0))?,
        };
        Ok(())
    }

    /// Sets the time shown.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entry_set_mtime(&self, entry: EntryId, mtime: Micros) -> Result<(), Error> {
        self.execute("UPDATE entries SET mtime = ?2 WHERE id = ?1", (entry.0, mtime.0))?;
        Ok(())
    }

    /// Gives an entry another place; what lies in a directory goes with it.
    ///
    /// # Errors
    /// When the catalogue fails or the name is taken.
    pub fn entry_move(&self, entry: EntryId, parent: EntryId, name: &[u8]) -> Result<(), Error> {
        self.execute("UPDATE entries SET parent = ?2, name = ?3 WHERE id = ?1", (entry.0, parent.0, name))?;
        Ok(())
    }

    /// Takes a name out of the tree; the uploads that it stood for stay.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn entry_remove(&self, entry: EntryId) -> Result<(), Error> {
        self.execute("DELETE FROM entries WHERE id = ?1", [entry.0])?;
        Ok(())
    }
}

/// Lists a directory; in the order of the index that serves it.
pub(crate) fn listing_statement() -> String {
    select(" WHERE e.customer = ?1 AND e.parent = ?2 ORDER BY e.name")
}

fn select(rest: &str) -> String {
    [COLUMNS, rest].concat()
}
