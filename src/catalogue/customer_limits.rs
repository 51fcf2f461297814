//! What one customer may, where it differs from the settings, and what they have. Owns no rule about either.

use super::{Error, Tx};
use crate::domain::CustomerId;

/// What is said of one customer alone; nothing = as the settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CustomerLimits {
    /// Bytes of all uploads together.
    pub quota_bytes: Option<u64>,
    /// Uploads.
    pub quota_files: Option<u64>,
    /// Whether signing in over FTP needs TLS.
    pub ftp_tls_required: bool,
}

/// What a customer has, each version of each file counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// In bytes.
    pub bytes: u64,
    /// Uploads.
    pub files: u64,
}

impl Tx<'_> {
    /// What is said of this customer alone.
    ///
    /// # Errors
    /// When the catalogue fails or has no such customer.
    pub fn customer_limits(&self, id: CustomerId) -> Result<CustomerLimits, Error> {
        self.one("SELECT quota_bytes, quota_files, ftp_tls = 'required' FROM customers WHERE id = ?1", [id.0], |row| {
            Ok(CustomerLimits {
                quota_bytes: row.get::<Option<i64>>(0)?.map(|bytes| bytes.max(0) as u64),
                quota_files: row.get::<Option<i64>>(1)?.map(|files| files.max(0) as u64),
                ftp_tls_required: row.get::<Option<bool>>(2)? == Some(true),
            })
        })
    }

    /// Says something of this customer alone.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_set_limits(&self, id: CustomerId, limits: &CustomerLimits) -> Result<(), Error> {
        let tls = limits.ftp_tls_required.then_some("required");
        self.execute(
            "UPDATE customers SET quota_bytes = ?2, quota_files = ?3, ftp_tls = ?4 WHERE id = ?1",
            (id.0, limits.quota_bytes.map(signed), limits.quota_files.map(signed), tls),
        )?;
        Ok(())
    }

    /// What the customer has by now. Looks at every upload of theirs.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_kept(&self, id: CustomerId) -> Result<Kept, Error> {
        self.one("SELECT coalesce(sum(size), 0), count(*) FROM uploads WHERE customer = ?1", [id.0], |row| {
            Ok(Kept { bytes: row.get::<i64>(0)? as u64, files: row.get::<i64>(1)? as u64 })
        })
    }
}

/// More than the catalogue's numbers can say is as much as they can.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
