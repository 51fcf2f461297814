//! Customers: who owns records and uploads, and the accounts they have. What a sign-in reads stands in `logins`.

use super::{Error, Tx};
use crate::domain::{CustomerId, Micros};

/// A customer as commands and pages show one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The customer.
    pub id: CustomerId,
    /// The name they sign in with and the import calls them by.
    pub name: String,
    /// Whether there is a password to sign in with.
    pub has_password: bool,
    /// Public keys to sign in with.
    pub keys: i64,
    /// May not sign in; nothing of theirs is lost.
    pub disabled: bool,
    /// When the customer was made.
    pub created_at: Micros,
}

/// A public key that opens a customer's account over SFTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerKey {
    /// The row, for removal.
    pub id: i64,
    /// One OpenSSH `authorized_keys` line without options.
    pub line: String,
    /// When the key was added.
    pub created_at: Micros,
}

/// What belongs to a customer and keeps them from being removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belongings {
    /// Records of any state.
    pub records: i64,
    /// Uploads, each version counted.
    pub uploads: i64,
    /// Transfers that broke off and can be resumed.
    pub partials: i64,
}

const CUSTOMER: &str = "SELECT c.id, c.name, c.password_hash IS NOT NULL, \
     (SELECT count(*) FROM customer_keys k WHERE k.customer = c.id), c.disabled, c.created_at FROM customers c";

fn customer(row: super::Row<'_>) -> Result<Customer, Error> {
    Ok(Customer {
        id: CustomerId(row.get(0)?),
        name: row.get(1)?,
        has_password: row.get(2)?,
        keys: row.get(3)?,
        disabled: row.get(4)?,
        created_at: Micros(row.get(5)?),
    })
}

impl Tx<'_> {
    /// Makes a customer without a login.
    ///
    /// # Errors
    /// When the name is taken or the catalogue fails.
    pub fn customer_add(&self, name: &str, now: Micros) -> Result<CustomerId, Error> {
        let id = self.next_id("customer")?;
        self.execute("INSERT INTO customers (id, name, created_at) VALUES (?1, ?2, ?3)", (id, name, now.0))?;
        Ok(CustomerId(id))
    }

    /// The customer of that name.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_named(&self, name: &str) -> Result<Option<Customer>, Error> {
        self.first(&format!("{CUSTOMER} WHERE c.name = ?1"), [name], customer)
    }

    /// All customers, by the bytes of their names.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customers(&self) -> Result<Vec<Customer>, Error> {
        let mut all = self.rows(CUSTOMER, [], customer)?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Sets the password to one with this hash, or takes it away, and ends the customer's sessions on the pages.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_set_password(&self, id: CustomerId, hash: Option<&str>) -> Result<(), Error> {
        self.execute("UPDATE customers SET password_hash = ?2 WHERE id = ?1", (id.0, hash))?;
        self.customer_end_sessions(id)
    }

    /// Closes the account for sign-ins and ends its sessions on the pages, or opens it again.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_set_disabled(&self, id: CustomerId, disabled: bool) -> Result<(), Error> {
        self.execute("UPDATE customers SET disabled = ?2 WHERE id = ?1", (id.0, disabled))?;
        self.customer_end_sessions(id)
    }

    /// The customer's public keys, oldest first.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_keys(&self, id: CustomerId) -> Result<Vec<CustomerKey>, Error> {
        self.rows("SELECT id, line, created_at FROM customer_keys WHERE customer = ?1 ORDER BY id", [id.0], |row| {
            Ok(CustomerKey { id: row.get(0)?, line: row.get(1)?, created_at: Micros(row.get(2)?) })
        })
    }

    /// Adds a public key; false when the customer has it already.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_key_add(&self, id: CustomerId, line: &str, now: Micros) -> Result<bool, Error> {
        let key = self.next_id("customer_key")?;
        let added = self.execute(
            "INSERT INTO customer_keys (id, customer, line, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            (key, id.0, line, now.0),
        )?;
        Ok(added == 1)
    }

    /// Takes a public key away.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_key_remove(&self, id: CustomerId, key: i64) -> Result<(), Error> {
        self.execute("DELETE FROM customer_keys WHERE customer = ?1 AND id = ?2", (id.0, key))?;
        Ok(())
    }

    /// What belongs to the customer.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn customer_belongings(&self, id: CustomerId) -> Result<Belongings, Error> {
        self.one(
            "SELECT (SELECT count(*) FROM records WHERE customer = ?1), (SELECT count(*) FROM uploads WHERE customer = ?1), \
             (SELECT count(*) FROM partials WHERE customer = ?1)",
            [id.0],
            |row| Ok(Belongings { records: row.get(0)?, uploads: row.get(1)?, partials: row.get(2)? }),
        )
    }

    /// Removes a customer to whom nothing belongs; the history keeps its sentences.
    ///
    /// # Errors
    /// When something belongs to the customer, or the catalogue fails.
    pub fn customer_remove(&self, id: CustomerId) -> Result<(), Error> {
        self.execute("UPDATE events SET customer = NULL WHERE customer = ?1", [id.0])?;
        for table in ["entries", "submissions", "customer_keys", "sessions", "sign_in_links", "browser_transfers"] {
            self.execute(&format!("DELETE FROM {table} WHERE customer = ?1"), [id.0])?;
        }
        self.execute("DELETE FROM customers WHERE id = ?1", [id.0])?;
        Ok(())
    }
}
