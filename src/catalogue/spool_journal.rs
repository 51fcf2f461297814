//! Which records of the spool's journal have their rows.

use super::{Error, Tx};

impl Tx<'_> {
    /// The last record of `node`'s journal whose file has its row, or was refused one; 0 at the beginning.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn journal_applied(&self, node: &str) -> Result<u64, Error> {
        let sql = "SELECT applied FROM spool_journal WHERE node = ?1";
        Ok(self.first(sql, [node], |row| row.get::<i64>(0))?.map_or(0, i64::unsigned_abs))
    }

    /// Notes that all records up to `number` have their rows.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn journal_apply(&self, node: &str, number: u64) -> Result<(), Error> {
        self.execute(
            "INSERT INTO spool_journal (node, applied) VALUES (?1, ?2) \
             ON CONFLICT (node) DO UPDATE SET applied = MAX(applied, excluded.applied)",
            (node, i64::try_from(number).unwrap_or(i64::MAX)),
        )?;
        Ok(())
    }
}
