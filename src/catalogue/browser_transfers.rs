//! Files that browsers are sending: one row from the first word about a file until it is whole or forgotten.

use super::{Error, Row, Tx};
use crate::domain::{CustomerId, Micros, TransferId, UploadId};

/// A file that a browser is sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserTransfer {
    /// Its id.
    pub id: TransferId,
    /// Who sends it.
    pub customer: CustomerId,
    /// Where it is to go, as in `uploads.path`.
    pub path: Vec<u8>,
    /// Of the whole file, in bytes.
    pub length: u64,
    /// The file's time as the browser gave it.
    pub mtime: Option<Micros>,
    /// What the browser said of it, in its own form.
    pub metadata: String,
    /// The name of its file in the spool folder, once bytes have come. Without a partial of that name they are gone.
    pub spool_file: Option<String>,
    /// What it became.
    pub upload: Option<UploadId>,
    /// When it last went on.
    pub touched_at: Micros,
}

/// What such a file begins with.
#[derive(Clone, Debug)]
pub struct NewBrowserTransfer<'a> {
    /// Who sends it.
    pub customer: CustomerId,
    /// Where it is to go, as in `uploads.path`.
    pub path: &'a [u8],
    /// Of the whole file, in bytes.
    pub length: u64,
    /// The file's time as the browser gave it.
    pub mtime: Option<Micros>,
    /// What the browser said of it, in its own form.
    pub metadata: &'a str,
}

const COLUMNS: &str = "SELECT t.id, t.customer, t.path, t.length, t.mtime, t.metadata, t.spool_file, t.upload, t.touched_at \
                       FROM browser_transfers t";

fn transfer(row: Row<'_>) -> Result<BrowserTransfer, Error> {
    Ok(BrowserTransfer {
        id: TransferId(row.get(0)?),
        customer: CustomerId(row.get(1)?),
        path: row.get(2)?,
        length: row.get::<i64>(3)?.unsigned_abs(),
        mtime: row.get::<Option<i64>>(4)?.map(Micros),
        metadata: row.get(5)?,
        spool_file: row.get(6)?,
        upload: row.get::<Option<i64>>(7)?.map(UploadId),
        touched_at: Micros(row.get(8)?),
    })
}

impl Tx<'_> {
    /// Notes that a browser is about to send a file.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfer_add(&self, new: &NewBrowserTransfer<'_>) -> Result<TransferId, Error> {
        let id = self.next_id("browser_transfers")?;
        let length = i64::try_from(new.length).unwrap_or(i64::MAX);
        self.execute(
            "INSERT INTO browser_transfers (id, customer, path, length, mtime, metadata, touched_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (id, new.customer.0, new.path, length, new.mtime.map(|m| m.0), new.metadata, Micros::now().0),
        )?;
        Ok(TransferId(id))
    }

    /// The transfer with this id.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfer(&self, id: TransferId) -> Result<Option<BrowserTransfer>, Error> {
        self.first(&[COLUMNS, " WHERE t.id = ?1"].concat(), [id.0], transfer)
    }

    /// The newest unfinished transfer of the same file: path, length and time are the same.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfer_of(&self, like: &NewBrowserTransfer<'_>) -> Result<Option<BrowserTransfer>, Error> {
        let sql = [
            COLUMNS,
            " WHERE t.customer = ?1 AND t.path = ?2 AND t.length = ?3 AND t.mtime IS ?4 AND t.upload IS NULL \
             ORDER BY t.id DESC LIMIT 1",
        ]
        .concat();
        let length = i64::try_from(like.length).unwrap_or(i64::MAX);
        self.first(&sql, (like.customer.0, like.path, length, like.mtime.map(|m| m.0)), transfer)
    }

    /// A customer's transfers that have begun to bring bytes and are not whole, the newest first, `limit` at most. Whether those bytes
    /// are still here, the spool knows.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfers_unfinished(
        &self,
        customer: CustomerId,
        limit: i64,
    ) -> Result<Vec<BrowserTransfer>, Error> {
        let sql = [
            COLUMNS,
            " WHERE t.customer = ?1 AND t.upload IS NULL AND t.spool_file IS NOT NULL \
             ORDER BY t.touched_at DESC, t.id DESC LIMIT ?2",
        ]
        .concat();
        self.rows(&sql, (customer.0, limit), transfer)
    }

    /// How many transfers a customer has begun and not ended.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfers_open(&self, customer: CustomerId) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM browser_transfers WHERE customer = ?1 AND upload IS NULL";
        self.one(sql, [customer.0], |row| row.get(0))
    }

    /// Notes in which file of the spool the bytes of a transfer are, and that it goes on now.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfer_goes_on(&self, id: TransferId, spool_file: &str) -> Result<(), Error> {
        let sql = "UPDATE browser_transfers SET spool_file = ?2, touched_at = ?3 WHERE id = ?1";
        self.execute(sql, (id.0, spool_file, Micros::now().0))?;
        Ok(())
    }

    /// Notes what a transfer became.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfer_done(&self, id: TransferId, upload: UploadId) -> Result<(), Error> {
        let sql = "UPDATE browser_transfers SET upload = ?2, touched_at = ?3 WHERE id = ?1";
        self.execute(sql, (id.0, upload.0, Micros::now().0))?;
        Ok(())
    }

    /// Forgets a transfer; what was received of it is not touched.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfer_remove(&self, id: TransferId) -> Result<(), Error> {
        self.execute("DELETE FROM browser_transfers WHERE id = ?1", [id.0])?;
        Ok(())
    }

    /// Forgets transfers that ended before `ended`, and those that have not gone on since `touched`; returns how many.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn browser_transfers_forget(&self, ended: Micros, touched: Micros) -> Result<usize, Error> {
        self.execute(
            "DELETE FROM browser_transfers WHERE touched_at < ?2 OR (upload IS NOT NULL AND touched_at < ?1)",
            (ended.0, touched.0),
        )
    }
}
