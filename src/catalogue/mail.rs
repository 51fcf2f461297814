//! Mail to customers: to which address, whether they want it, and what is new since the last one.

use super::{Announced, Error, Row, Tx};
use crate::domain::{CustomerId, Language, Micros};

/// What there is to know about mail to a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailing {
    /// The customer.
    pub customer: CustomerId,
    /// What they are called.
    pub name: String,
    /// Where mail goes.
    pub address: String,
    /// In which language.
    pub language: Language,
    /// They want none.
    pub off: bool,
    /// What the address holds that switches it.
    pub key: String,
    /// What happened before is nothing new.
    pub since: Micros,
    /// The last one.
    pub mailed_at: Option<Micros>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// What happened to a customer's files since a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Files that came.
    pub received: i64,
    /// When the last one came.
    pub last_received: Option<Micros>,
    /// Files that are not decided yet, whenever they came.
    pub undecided: i64,
    /// When the oldest of them came.
    pub oldest_undecided: Option<Micros>,
    /// Originals that were put back and stand.
    pub returned: i64,
    /// What is going to be given up, whenever that was announced.
    pub announced: Option<Announced>,
}

impl News {
    /// Records that are going to be given up and of which no mail has told yet.
    pub fn unmailed(&self) -> i64 {
        self.announced.map_or(0, |announced| announced.unmailed)
    }
}

/// What is there of a customer, as far as it can be told at a glance: the same marks as before mean that nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    last_upload: Option<i64>,
    last_attachment: Option<i64>,
    undecided: bool,
    unmailed: bool,
}

const MAILING: &str = "SELECT id, name, mail_address, mail_language, mail_off, mail_key, coalesce(mail_since, 0), mailed_at, \
     mail_error FROM customers";

fn mailing(row: Row<'_>) -> Result<Mailing, Error> {
    let (name, language): (String, String) = (row.get(1)?, row.get(3)?);
    Ok(Mailing {
        customer: CustomerId(row.get(0)?),
        address: row.get(2)?,
        language: language
            .parse()
            .map_err(|_| Error::Damaged(format!("the customer `{name}` has the language `{language}`")))?,
        name,
        off: row.get(4)?,
        key: row.get(5)?,
        since: Micros(row.get(6)?),
        mailed_at: row.get::<Option<i64>>(7)?.map(Micros),
        error: row.get(8)?,
    })
}

impl Tx<'_> {
    /// Has mail for a customer sent to `address` from now on; `key` is what its links hold.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mail_set(
        &self,
        customer: CustomerId,
        address: &str,
        language: Language,
        key: &str,
        now: Micros,
    ) -> Result<(), Error> {
        self.execute(
            "UPDATE customers SET mail_address = ?2, mail_language = ?3, mail_off = 0, mail_key = coalesce(mail_key, ?4), \
             mail_since = coalesce(mail_since, ?5), mail_error = NULL WHERE id = ?1",
            (customer.0, address, language.word(), key, now.0),
        )?;
        Ok(())
    }

    /// Has no mail sent to a customer any more, and forgets the address. When the last one went out stays known.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mail_remove(&self, customer: CustomerId) -> Result<(), Error> {
        self.execute(
            "UPDATE customers SET mail_address = NULL, mail_off = 0, mail_key = NULL, mail_since = NULL, mail_error = NULL \
             WHERE id = ?1",
            [customer.0],
        )?;
        Ok(())
    }

    /// Switches mail to a customer off or on.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mail_switch(&self, customer: CustomerId, off: bool) -> Result<(), Error> {
        self.execute("UPDATE customers SET mail_off = ?2 WHERE id = ?1", (customer.0, off))?;
        let text = if off { "mail was switched off" } else { "mail was switched on" };
        self.event("mail", Some(customer), None, None, "customer", text)
    }

    /// Mail to one customer; nothing where none is sent.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mailing(&self, customer: CustomerId) -> Result<Option<Mailing>, Error> {
        self.first(&format!("{MAILING} WHERE id = ?1 AND mail_address IS NOT NULL"), [customer.0], mailing)
    }

    /// Mail to the customer whose links hold `key`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mailing_by_key(&self, key: &str) -> Result<Option<Mailing>, Error> {
        self.first(&format!("{MAILING} WHERE mail_key = ?1 AND mail_address IS NOT NULL"), [key], mailing)
    }

    /// Customers who may be sent mail: they want it, and the last one went out at `before` or earlier.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mailings_due(&self, before: Micros) -> Result<Vec<Mailing>, Error> {
        self.rows(
            &format!(
                "{MAILING} WHERE mail_address IS NOT NULL AND mail_off = 0 AND disabled = 0 \
                 AND (mailed_at IS NULL OR mailed_at <= ?1) ORDER BY id"
            ),
            [before.0],
            mailing,
        )
    }

    /// What is new for a customer since a moment.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn news(&self, customer: CustomerId, since: Micros) -> Result<News, Error> {
        let moment = |at: Option<i64>| at.map(Micros);
        let (received, last_received) = self.one(
            "SELECT count(*), max(received_at) FROM uploads WHERE customer = ?1 AND received_at > ?2",
            (customer.0, since.0),
            |row| Ok((row.get(0)?, moment(row.get(1)?))),
        )?;
        let (undecided, oldest_undecided) = self.one(
            "SELECT count(*), min(received_at) FROM uploads WHERE customer = ?1 AND state IN ('received', 'stored')",
            [customer.0],
            |row| Ok((row.get(0)?, moment(row.get(1)?))),
        )?;
        let returned = self.one(
            "SELECT count(*) FROM attachments WHERE customer = ?1 AND state = 'standing' AND placed_at > ?2",
            (customer.0, since.0),
            |row| row.get(0),
        )?;
        let announced = self.announced(customer)?;
        Ok(News { received, last_received, undecided, oldest_undecided, returned, announced })
    }

    /// What is there of a customer, at a glance.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn news_marks(&self, customer: CustomerId) -> Result<Marks, Error> {
        self.one(
            "SELECT (SELECT max(id) FROM uploads WHERE customer = ?1), (SELECT max(id) FROM attachments WHERE customer = ?1), \
             EXISTS (SELECT 1 FROM uploads WHERE customer = ?1 AND state IN ('received', 'stored')), \
             EXISTS (SELECT 1 FROM records WHERE customer = ?1 AND retire_at IS NOT NULL AND retire_mailed <> 1)",
            [customer.0],
            |row| {
                Ok(Marks {
                    last_upload: row.get(0)?,
                    last_attachment: row.get(1)?,
                    undecided: row.get(2)?,
                    unmailed: row.get(3)?,
                })
            },
        )
    }

    /// Notes that a mail is about to go out; false where another went out since the last one that the caller knew, or none is
    /// wanted any more. Written before it is sent: a server that ends in between sends none rather than two.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mail_begin(&self, known: &Mailing, now: Micros) -> Result<bool, Error> {
        let begun = self.execute(
            "UPDATE customers SET mailed_at = ?3 WHERE id = ?1 AND mailed_at IS ?2 AND mail_off = 0 AND mail_address = ?4",
            (known.customer.0, known.mailed_at.map(|at| at.0), now.0, &known.address),
        )?;
        Ok(begun > 0)
    }

    /// Notes how a mail ended. One that did not go out does not count as the day's.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mail_end(&self, known: &Mailing, error: Option<&str>) -> Result<(), Error> {
        match error {
            None => self.execute("UPDATE customers SET mail_error = NULL WHERE id = ?1", [known.customer.0])?,
            Some(error) => self.execute(
                "UPDATE customers SET mail_error = ?2, mailed_at = ?3 WHERE id = ?1",
                (known.customer.0, error, known.mailed_at.map(|at| at.0)),
            )?,
        };
        Ok(())
    }

    /// Customers to whom the last mail could not be sent, and why, of one of them.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn mail_failures(&self) -> Result<(i64, Option<String>), Error> {
        self.one(
            "SELECT count(*), max(mail_error) FROM customers WHERE mail_address IS NOT NULL AND mail_error IS NOT NULL",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }
}
