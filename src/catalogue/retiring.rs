//! What is given up because nothing came for long: announced first, so that nobody is surprised, and called off by whatever
//! happens meanwhile.

use super::{Error, Tx};
use crate::domain::{Civil, CustomerId, Micros, RecordId};

/// The chore of giving up, in the table `chores`.
const CHORE: &str = "retiring";

/// Who gives up in the history of a record when nobody does but the passing of time.
const BY_TIME: &str = "time";

/// What is announced to a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Missing records that are going to be given up.
    pub records: i64,
    /// When the first of them is.
    pub at: Micros,
    /// Of these records, the ones of which no mail has told yet.
    pub unmailed: i64,
}

/// A customer to whom something is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncedTo {
    /// The customer.
    pub customer: CustomerId,
    /// What they are called.
    pub name: String,
    /// Whether they want to be told by mail.
    pub by_mail: bool,
    /// What.
    pub announced: Announced,
}

/// Of a customer `c`: nothing came since `?1`, not even a part of a file, everything that came is decided, and they can be told: the
/// account is open, and there is a password, a key, or an address for mail.
const SILENT: &str = "c.disabled = 0 \
     AND (c.password_hash IS NOT NULL OR c.mail_address IS NOT NULL OR EXISTS (SELECT 1 FROM customer_keys k WHERE k.customer = c.id)) \
     AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.customer = c.id AND (u.received_at > ?1 OR u.state IN ('received', 'stored'))) \
     AND NOT EXISTS (SELECT 1 FROM partials p WHERE p.customer = c.id AND p.touched_at > ?1) \
     AND NOT EXISTS (SELECT 1 FROM browser_transfers b WHERE b.customer = c.id AND b.touched_at > ?1)";

/// Of a record `r`: nothing came back nor is just being put back, nobody is asked about it, and it is looked for since before `?1`.
const OVERDUE: &str = "r.retired_at IS NULL AND r.imported_at <= ?1 AND coalesce(r.wanted_since, 0) <= ?1 \
     AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.record = r.id AND a.state IN ('standing', 'placing')) \
     AND NOT EXISTS (SELECT 1 FROM candidates k WHERE k.record = r.id AND k.verdict = 'review')";

impl Tx<'_> {
    /// When what is overdue was last looked for.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retiring_done_at(&self) -> Result<Option<Micros>, Error> {
        self.one("SELECT done_at FROM chores WHERE name = ?1", [CHORE], |row| {
            Ok(row.get::<Option<i64>>(0)?.map(Micros))
        })
    }

    /// Notes that this was done, and puts every announced moment off by `seconds`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retiring_done(&self, now: Micros, seconds: i64) -> Result<(), Error> {
        self.execute("UPDATE chores SET done_at = ?2 WHERE name = ?1", (CHORE, now.0))?;
        if seconds > 0 {
            let later = Micros(0).plus_seconds(seconds).0;
            self.execute("UPDATE records SET retire_at = retire_at + ?1 WHERE retire_at IS NOT NULL", [later])?;
        }
        Ok(())
    }

    /// Calls off what was announced of records that are no longer overdue: something came since `quiet_since`, or happened to them.
    /// Without that moment, everything that was announced.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retiring_call_off(&self, quiet_since: Option<Micros>) -> Result<usize, Error> {
        let off = "UPDATE records SET retire_at = NULL, retire_mailed = 0 WHERE retire_at IS NOT NULL";
        match quiet_since {
            None => self.execute(off, []),
            Some(since) => {
                let sql = format!(
                    "{off} AND NOT EXISTS (SELECT 1 FROM records r JOIN customers c ON c.id = r.customer \
                     WHERE r.id = records.id AND {SILENT} AND {OVERDUE})"
                );
                self.execute(&sql, [since.0])
            }
        }
    }

    /// Announces to each customer of whom nothing came since `quiet_since` that what is missing since then is given up at `at`. Returns
    /// how many records that are.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retiring_announce(&self, quiet_since: Micros, at: Micros) -> Result<usize, Error> {
        let customers =
            self.rows(&format!("SELECT c.id, c.name FROM customers c WHERE {SILENT}"), [quiet_since.0], |row| {
                Ok((CustomerId(row.get(0)?), row.get::<String>(1)?))
            })?;
        let sql = format!(
            "UPDATE records SET retire_at = ?3, retire_mailed = 0 WHERE customer = ?2 AND retire_at IS NULL \
             AND EXISTS (SELECT 1 FROM records r WHERE r.id = records.id AND {OVERDUE})"
        );
        let mut all = 0;
        for (customer, _) in customers {
            let records = self.execute(&sql, (quiet_since.0, customer.0, at.0))?;
            if records > 0 {
                let day = Civil::from(at).to_string();
                let text = format!("announced that {records} missing are given up on {}", &day[..10]);
                self.event("announce", Some(customer), None, None, BY_TIME, &text)?;
            }
            all += records;
        }
        Ok(all)
    }

    /// Records whose announced moment has come and which are still overdue, `limit` at most, the longest overdue first, by customer:
    /// what came since `quiet_since` counts, whether or not the announcement was called off yet. Where `by_mail`, not those of
    /// customers who are to be told by mail and were not.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retiring_due(
        &self,
        quiet_since: Micros,
        now: Micros,
        by_mail: bool,
        limit: i64,
    ) -> Result<Vec<(CustomerId, RecordId)>, Error> {
        let sql = format!(
            "SELECT r.customer, r.id FROM records r JOIN customers c ON c.id = r.customer \
             WHERE r.retire_at <= ?2 AND (r.retire_mailed = 1 OR ?3 = 0 OR c.mail_address IS NULL OR c.mail_off = 1) \
             AND {SILENT} AND {OVERDUE} ORDER BY r.retire_at, r.customer, r.id LIMIT ?4"
        );
        self.rows(&sql, (quiet_since.0, now.0, by_mail, limit), |row| {
            Ok((CustomerId(row.get(0)?), RecordId(row.get(1)?)))
        })
    }

    /// Gives up records whose announced moment has come, see [`Tx::retire`].
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retire_by_time(
        &self,
        customer: CustomerId,
        records: &[RecordId],
        why: &str,
        at: Micros,
    ) -> Result<Vec<RecordId>, Error> {
        let retired = self.retire(customer, records, BY_TIME, why, at)?;
        for record in &retired {
            self.execute("UPDATE records SET retired_by_time = 1 WHERE id = ?1", [record.0])?;
        }
        Ok(retired)
    }

    /// Records that were given up since a moment because of the passing of time.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn retired_by_time_since(&self, since: Micros) -> Result<i64, Error> {
        self.one("SELECT count(*) FROM records WHERE retired_at > ?1 AND retired_by_time = 1", [since.0], |row| {
            row.get(0)
        })
    }

    /// What is announced to a customer.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn announced(&self, customer: CustomerId) -> Result<Option<Announced>, Error> {
        self.one(
            "SELECT count(*), min(retire_at), coalesce(sum(retire_mailed <> 1), 0) FROM records \
             WHERE customer = ?1 AND retire_at IS NOT NULL",
            [customer.0],
            |row| {
                let (records, unmailed) = (row.get(0)?, row.get(2)?);
                Ok(row.get::<Option<i64>>(1)?.map(|at| Announced { records, at: Micros(at), unmailed }))
            },
        )
    }

    /// To whom something is announced, the first due first.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn all_announced(&self, limit: i64) -> Result<Vec<AnnouncedTo>, Error> {
        self.rows(
            "SELECT c.id, c.name, count(*), min(r.retire_at), sum(r.retire_mailed <> 1), \
             c.mail_address IS NOT NULL AND c.mail_off = 0 FROM records r \
             JOIN customers c ON c.id = r.customer WHERE r.retire_at IS NOT NULL GROUP BY c.id \
             ORDER BY min(r.retire_at), c.id LIMIT ?1",
            [limit],
            |row| {
                let announced = Announced { records: row.get(2)?, at: Micros(row.get(3)?), unmailed: row.get(4)? };
                Ok(AnnouncedTo {
                    customer: CustomerId(row.get(0)?),
                    name: row.get(1)?,
                    by_mail: row.get(5)?,
                    announced,
                })
            },
        )
    }

    /// Notes that a mail is about to tell a customer what is announced, and puts what no mail has told before off until `not_before`.
    /// It counts as told once [`Tx::announced_by_mail`] says so: a server that ends in between tells it again.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn announcing_by_mail(&self, customer: CustomerId, not_before: Micros) -> Result<(), Error> {
        self.execute(
            "UPDATE records SET retire_mailed = 2, retire_at = CASE WHEN retire_at < ?2 THEN ?2 ELSE retire_at END \
             WHERE customer = ?1 AND retire_at IS NOT NULL AND retire_mailed <> 1",
            (customer.0, not_before.0),
        )?;
        Ok(())
    }

    /// Notes whether that mail went out.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn announced_by_mail(&self, customer: CustomerId, went_out: bool) -> Result<(), Error> {
        self.execute(
            "UPDATE records SET retire_mailed = ?2 WHERE customer = ?1 AND retire_at IS NOT NULL AND retire_mailed = 2",
            (customer.0, went_out),
        )?;
        Ok(())
    }

    /// Takes back what [`Tx::keep_looking`] did at `at`: the time goes on as if nobody had asked for more, so it is announced anew, with the
    /// whole notice. Returns how many records that are.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn keep_looking_no_more(&self, customer: CustomerId, who: &str, at: Micros) -> Result<usize, Error> {
        // Whoever was announced something had asked for no more time since before, so nothing is lost with the moment.
        let left = self.execute(
            "UPDATE records SET wanted_since = NULL WHERE customer = ?1 AND wanted_since = ?2 AND retired_at IS NULL",
            (customer.0, at.0),
        )?;
        if left > 0 {
            let text = format!("{left} are not looked for longer than before after all");
            self.event("keep", Some(customer), None, None, who, &text)?;
        }
        Ok(left)
    }

    /// Goes on looking for whatever was announced to a customer; the time begins anew. Returns how many records that are. All of one
    /// call bear one moment, `now`, by which that can be taken back.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn keep_looking(&self, customer: CustomerId, who: &str, now: Micros) -> Result<usize, Error> {
        let kept = self.execute(
            "UPDATE records SET retire_at = NULL, retire_mailed = 0, wanted_since = ?2 \
             WHERE customer = ?1 AND retire_at IS NOT NULL",
            (customer.0, now.0),
        )?;
        if kept > 0 {
            let text = format!("{kept} announced to be given up are looked for on");
            self.event("keep", Some(customer), None, None, who, &text)?;
        }
        Ok(kept)
    }
}
