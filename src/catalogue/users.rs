//! Those who work for the shop: their accounts for the pages.

use super::{Error, Tx};
use crate::domain::{Micros, StaffRole, UserId};

/// An account for the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account.
    pub id: UserId,
    /// The name they sign in with.
    pub name: String,
    /// What they may do.
    pub role: StaffRole,
    /// argon2id as a PHC string.
    pub password_hash: String,
    /// May not sign in.
    pub disabled: bool,
    /// What the codes of the account's app are made from; without one a password is enough.
    pub totp_secret: Option<Vec<u8>>,
    /// The step of the last code that was used.
    pub totp_used: i64,
}

/// A role by its word in the schema.
pub(super) fn role(word: &str) -> Result<StaffRole, Error> {
    word.parse().map_err(|_| Error::Damaged(format!("a user has the role `{word}`")))
}

const USER: &str = "SELECT id, name, role, password_hash, disabled, totp_secret, totp_used FROM users";

fn user(row: super::Row<'_>) -> Result<User, Error> {
    Ok(User {
        id: UserId(row.get(0)?),
        name: row.get(1)?,
        role: role(&row.get::<String>(2)?)?,
        password_hash: row.get(3)?,
        disabled: row.get(4)?,
        totp_secret: row.get(5)?,
        totp_used: row.get(6)?,
    })
}

impl Tx<'_> {
    /// Makes an account.
    ///
    /// # Errors
    /// When the name is taken or the catalogue fails.
    pub fn user_add(&self, name: &str, role: StaffRole, hash: &str, now: Micros) -> Result<UserId, Error> {
        let id = self.next_id("user")?;
        self.execute(
            "INSERT INTO users (id, name, role, password_hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            (id, name, role.word(), hash, now.0),
        )?;
        Ok(UserId(id))
    }

    /// The account of that name.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn user_named(&self, name: &str) -> Result<Option<User>, Error> {
        self.first(&format!("{USER} WHERE name = ?1"), [name], user)
    }

    /// All accounts, by the bytes of their names.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        let mut all = self.rows(USER, [], user)?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Sets the password to one with this hash, and ends the account's sessions.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn user_set_password(&self, id: UserId, hash: &str) -> Result<(), Error> {
        self.execute("UPDATE users SET password_hash = ?2 WHERE id = ?1", (id.0, hash))?;
        self.user_end_sessions(id)
    }

    /// Closes the account and ends its sessions, or opens it again.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn user_set_disabled(&self, id: UserId, disabled: bool) -> Result<(), Error> {
        self.execute("UPDATE users SET disabled = ?2 WHERE id = ?1", (id.0, disabled))?;
        self.user_end_sessions(id)
    }

    /// Asks for codes made from this secret from now on, or for none, and ends the account's sessions.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn user_set_totp(&self, id: UserId, secret: Option<&[u8]>) -> Result<(), Error> {
        self.execute("UPDATE users SET totp_secret = ?2, totp_used = 0 WHERE id = ?1", (id.0, secret))?;
        self.user_end_sessions(id)
    }

    /// Notes that the code of `step` was used; false when one of that step or a later one was before.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn user_use_totp(&self, id: UserId, step: i64) -> Result<bool, Error> {
        let sql = "UPDATE users SET totp_used = ?2 WHERE id = ?1 AND totp_used < ?2";
        Ok(self.execute(sql, (id.0, step))? == 1)
    }

    /// Removes the account. What it decided keeps its name.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn user_remove(&self, id: UserId) -> Result<(), Error> {
        self.user_end_sessions(id)?;
        self.execute("DELETE FROM users WHERE id = ?1", [id.0])?;
        Ok(())
    }

    fn user_end_sessions(&self, id: UserId) -> Result<(), Error> {
        self.execute("DELETE FROM sessions WHERE user_id = ?1", [id.0])?;
        Ok(())
    }
}
