//! Transfers that broke off and can be resumed, and large ones that are running.

use super::{Error, Row, Tx};
use crate::domain::{CustomerId, Micros, PartialId};

/// An unfinished transfer, as the catalogue keeps it. Its size is the length of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Its id.
    pub id: PartialId,
    /// Who sent it.
    pub customer: CustomerId,
    /// Where it was to go when it began, as in `uploads.path`; an entry that shows it knows better.
    pub path: Vec<u8>,
    /// The name of its file in the spool folder.
    pub spool_file: String,
    /// The file's time as the client gave it.
    pub mtime: Option<Micros>,
    /// The way in, a word of [`crate::spool::Endpoint`].
    pub endpoint: String,
    /// When it began.
    pub started_at: Micros,
    /// When it last grew, as far as the catalogue heard.
    pub touched_at: Micros,
}

/// What an unfinished transfer begins with.
#[derive(Clone, Debug)]
pub struct NewPartial<'a> {
    /// Who sends it.
    pub customer: CustomerId,
    /// Where it is to go, as in `uploads.path`.
    pub path: &'a [u8],
    /// The name of its file in the spool folder.
    pub spool_file: &'a str,
    /// The file's time as the client gave it.
    pub mtime: Option<Micros>,
    /// The way in.
    pub endpoint: &'a str,
    /// The machine whose spool holds it.
    pub node: &'a str,
    /// When it began.
    pub started_at: Micros,
}

const COLUMNS: &str = "SELECT id, customer, path, spool_file, mtime, endpoint, started_at, touched_at FROM partials";

fn partial(row: Row<'_>) -> Result<Partial, Error> {
    Ok(Partial {
        id: PartialId(row.get(0)?),
        customer: CustomerId(row.get(1)?),
        path: row.get(2)?,
        spool_file: row.get(3)?,
        mtime: row.get::<Option<i64>>(4)?.map(Micros),
        endpoint: row.get(5)?,
        started_at: Micros(row.get(6)?),
        touched_at: Micros(row.get(7)?),
    })
}

impl Tx<'_> {
    /// Notes an unfinished transfer.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partial_add(&self, new: &NewPartial<'_>) -> Result<PartialId, Error> {
        let id = self.next_id("partials")?;
        self.execute(
            "INSERT INTO partials (id, customer, path, spool_file, mtime, endpoint, node, started_at, touched_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                id,
                new.customer.0,
                new.path,
                new.spool_file,
                new.mtime.map(|m| m.0),
                new.endpoint,
                new.node,
                new.started_at.0,
                Micros::now().0,
            ),
        )?;
        Ok(PartialId(id))
    }

    /// The unfinished transfer with this id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partial(&self, id: PartialId) -> Result<Option<Partial>, Error> {
        self.first(&[COLUMNS, " WHERE id = ?1"].concat(), [id.0], partial)
    }

    /// The unfinished transfer whose bytes lie in this file of the spool.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partial_in_spool(&self, spool_file: &str) -> Result<Option<Partial>, Error> {
        self.first(&[COLUMNS, " WHERE spool_file = ?1"].concat(), [spool_file], partial)
    }

    /// A customer's unfinished transfers.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partials_of_customer(&self, customer: CustomerId) -> Result<Vec<Partial>, Error> {
        self.rows(&[COLUMNS, " WHERE customer = ?1"].concat(), [customer.0], partial)
    }

    /// The unfinished transfers in the spool of `node`, oldest first.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partials_of_node(&self, node: &str) -> Result<Vec<Partial>, Error> {
        self.rows(&[COLUMNS, " WHERE node = ?1 ORDER BY touched_at, id"].concat(), [node], partial)
    }

    /// Notes that an unfinished transfer went on until now, and the time its client gave the file.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partial_touch(&self, id: PartialId, mtime: Option<Micros>) -> Result<(), Error> {
        self.execute(
            "UPDATE partials SET touched_at = ?2, mtime = COALESCE(?3, mtime) WHERE id = ?1",
            (id.0, Micros::now().0, mtime.map(|m| m.0)),
        )?;
        Ok(())
    }

    /// Forgets an unfinished transfer, because it became an upload or has no bytes. An entry that showed nothing else
    /// goes with it.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partial_remove(&self, id: PartialId) -> Result<(), Error> {
        self.execute("DELETE FROM entries WHERE partial = ?1 AND upload IS NULL", [id.0])?;
        self.execute("UPDATE entries SET partial = NULL WHERE partial = ?1", [id.0])?;
        self.execute("DELETE FROM partials WHERE id = ?1", [id.0])?;
        Ok(())
    }
}
