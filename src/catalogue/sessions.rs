//! Visitors of the pages: the sessions of those who have signed in, and the links that sign a customer in once.
//!
//! Secrets come here as digests already. A session counts only while its account may sign in: switching an account off or
//! giving it another password removes its sessions, so that they do not come back with it.

use super::{Error, Tx};
use crate::domain::{CustomerId, Digest, Micros, StaffRole, UserId};

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOf {
    /// A customer's.
    Customer(CustomerId),
    /// Somebody's who works for the shop.
    User(UserId),
    /// The operator's who brought the token that the server printed.
    Token,
}

/// A session that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose it is.
    pub of: SessionOf,
    /// The account's name; empty for the token.
    pub name: String,
    /// What they may do; customers have no role.
    pub role: Option<StaffRole>,
}

impl Tx<'_> {
    /// Begins a session that ends at `ends`, and forgets those that are over.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn session_begin(&self, hash: &Digest, of: SessionOf, now: Micros, ends: Micros) -> Result<(), Error> {
        self.execute("DELETE FROM sessions WHERE ends_at <= ?1", [now.0])?;
        let (customer, user) = match of {
            SessionOf::Customer(customer) => (Some(customer.0), None),
            SessionOf::User(user) => (None, Some(user.0)),
            SessionOf::Token => (None, None),
        };
        self.execute(
            "INSERT INTO sessions (hash, customer, user_id, created_at, ends_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            (hash.0.as_slice(), customer, user, now.0, ends.0),
        )?;
        Ok(())
    }

    /// The session of a secret with this digest, if it counts at `now`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn session(&self, hash: &Digest, now: Micros) -> Result<Option<Session>, Error> {
        let sql = "SELECT s.customer, s.user_id, coalesce(c.name, u.name, ''), u.role FROM sessions s \
             LEFT JOIN customers c ON c.id = s.customer LEFT JOIN users u ON u.id = s.user_id \
             WHERE s.hash = ?1 AND s.ends_at > ?2 AND coalesce(c.disabled, u.disabled, 0) = 0";
        self.first(sql, (hash.0.as_slice(), now.0), |row| {
            let of = match (row.get::<Option<i64>>(0)?, row.get::<Option<i64>>(1)?) {
                (Some(customer), _) => SessionOf::Customer(CustomerId(customer)),
                (None, Some(user)) => SessionOf::User(UserId(user)),
                (None, None) => SessionOf::Token,
            };
            let role = match of {
                SessionOf::Customer(_) => None,
                SessionOf::User(_) => Some(super::users::role(&row.get::<String>(3)?)?),
                SessionOf::Token => Some(StaffRole::Operator),
            };
            Ok(Session { of, name: row.get(2)?, role })
        })
    }

    /// Ends the session of a secret with this digest.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn session_end(&self, hash: &Digest) -> Result<(), Error> {
        self.execute("DELETE FROM sessions WHERE hash = ?1", [hash.0.as_slice()])?;
        Ok(())
    }

    /// Ends every session that the printed token opened.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn token_sessions_end(&self) -> Result<(), Error> {
        self.execute("DELETE FROM sessions WHERE customer IS NULL AND user_id IS NULL", [])?;
        Ok(())
    }

    /// Ends every session of a customer, and makes their links worthless.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_end_sessions(&self, customer: CustomerId) -> Result<(), Error> {
        self.execute("DELETE FROM sessions WHERE customer = ?1", [customer.0])?;
        self.execute("DELETE FROM sign_in_links WHERE customer = ?1", [customer.0])?;
        self.execute("DELETE FROM embed_keys WHERE customer = ?1", [customer.0])?;
        Ok(())
    }

    /// Keeps a link that signs `customer` in once, until `ends`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn link_add(&self, hash: &Digest, customer: CustomerId, now: Micros, ends: Micros) -> Result<(), Error> {
        self.execute("DELETE FROM sign_in_links WHERE ends_at <= ?1", [now.0])?;
        self.execute(
            "INSERT INTO sign_in_links (hash, customer, created_at, ends_at) VALUES (?1, ?2, ?3, ?4)",
            (hash.0.as_slice(), customer.0, now.0, ends.0),
        )?;
        Ok(())
    }

    /// Uses a link up: whose it was, if it counted at `now` and its account may sign in.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn link_use(&self, hash: &Digest, now: Micros) -> Result<Option<CustomerId>, Error> {
        let sql = "DELETE FROM sign_in_links WHERE hash = ?1 AND ends_at > ?2 \
             AND customer IN (SELECT id FROM customers WHERE disabled = 0) RETURNING customer";
        self.first(sql, (hash.0.as_slice(), now.0), |row| Ok(CustomerId(row.get(0)?)))
    }
}
