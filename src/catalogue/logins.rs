//! What signing in needs to know of a customer: the password's hash and the public keys. Owns no rule about either.

use super::{Error, Tx};
use crate::domain::CustomerId;

/// A customer's account as signing in sees it.
#[derive(Clone, Debug)]
pub struct LoginAccount {
    /// Whose account it is.
    pub customer: CustomerId,
    /// argon2id as a PHC string; absent when the customer has no password.
    pub password_hash: Option<String>,
    /// Whether signing in has been switched off.
    pub disabled: bool,
    /// Whether FTP needs TLS for it.
    pub ftp_tls_required: bool,
}

impl Tx<'_> {
    /// The account with this name, if there is one.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn login_account(&self, name: &str) -> Result<Option<LoginAccount>, Error> {
        let account = "SELECT id, password_hash, disabled, ftp_tls = 'required' FROM customers WHERE name = ?1";
        self.first(account, [name], |row| {
            Ok(LoginAccount {
                customer: CustomerId(row.get(0)?),
                password_hash: row.get(1)?,
                disabled: row.get::<i64>(2)? != 0,
                ftp_tls_required: row.get::<Option<bool>>(3)? == Some(true),
            })
        })
    }

    /// The OpenSSH public key lines of a customer, oldest first.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn login_keys(&self, customer: CustomerId) -> Result<Vec<String>, Error> {
        self.rows("SELECT line FROM customer_keys WHERE customer = ?1 ORDER BY id", [customer.0], |row| row.get(0))
    }
}
