//! Keys that show one customer's missing pictures inside a page of the shop, for a short while.

use super::{Error, Tx};
use crate::domain::{CustomerId, Digest, Micros};

impl Tx<'_> {
    /// Keeps a key, and forgets those that are over.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn embed_add(&self, hash: &Digest, customer: CustomerId, now: Micros, ends: Micros) -> Result<(), Error> {
        self.execute("DELETE FROM embed_keys WHERE ends_at <= ?1", [now.0])?;
        self.execute(
            "INSERT INTO embed_keys (hash, customer, ends_at) VALUES (?1, ?2, ?3)",
            (hash.0.as_slice(), customer.0, ends.0),
        )?;
        Ok(())
    }

    /// Whose pictures a key with this digest shows at `now`. One of an account that may not sign in shows nothing.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn embedded(&self, hash: &Digest, now: Micros) -> Result<Option<CustomerId>, Error> {
        let sql = "SELECT c.id FROM embed_keys e JOIN customers c ON c.id = e.customer \
             WHERE e.hash = ?1 AND e.ends_at > ?2 AND c.disabled = 0";
        self.first(sql, (hash.0.as_slice(), now.0), |row| Ok(CustomerId(row.get(0)?)))
    }
}
