//! How things stand in numbers, for programs that watch over the server.

use super::{Error, Tx};
use crate::domain::Micros;

/// What came in by one endpoint since the catalogue began, each version counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// A word of [`crate::spool::Endpoint`].
    pub endpoint: String,
    /// Files.
    pub uploads: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// Records of all customers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordTally {
    /// Nothing came back, and it is looked for.
    pub missing: u64,
    /// Something came back.
    pub recovered: u64,
    /// Given up.
    pub retired: u64,
}

impl Tx<'_> {
    /// What came in behind the upload `after`, by endpoint, and the last upload there is. Uploads are never removed, so whoever
    /// keeps the sum has to ask only for what came since.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn received_behind(&self, after: i64) -> Result<(Vec<Received>, i64), Error> {
        let rows = self.rows(
            "SELECT endpoint, count(*), sum(size), max(id) FROM uploads WHERE id > ?1 GROUP BY endpoint ORDER BY endpoint",
            [after],
            |row| {
                let bytes = row.get::<i64>(2)?.unsigned_abs();
                let received = Received { endpoint: row.get(0)?, uploads: row.get::<i64>(1)?.unsigned_abs(), bytes };
                Ok((received, row.get::<i64>(3)?))
            },
        )?;
        let last = rows.iter().map(|(_, last)| *last).fold(after, i64::max);
        Ok((rows.into_iter().map(|(received, _)| received).collect(), last))
    }

    /// When the oldest upload came that is not decided; held ones do not count.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn oldest_undecided(&self) -> Result<Option<Micros>, Error> {
        self.one(
            "SELECT min(received_at) FROM uploads WHERE state IN ('received', 'stored') \
             AND (held_until IS NULL OR held_until <= ?1)",
            [Micros::now().0],
            |row| Ok(row.get::<Option<i64>>(0)?.map(Micros)),
        )
    }

    /// Attachments in a state, by the tier of the rule that spoke, or `person`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn attachments_by_method(&self, state: &str) -> Result<Vec<(String, u64)>, Error> {
        let sql = "SELECT method, count(*) FROM attachments WHERE state = ?1 GROUP BY method ORDER BY method";
        self.rows(sql, [state], |row| Ok((row.get(0)?, row.get::<i64>(1)?.unsigned_abs())))
    }

    /// Records of all customers by their state.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn record_tally(&self) -> Result<RecordTally, Error> {
        let count = |sql: &str| self.one(sql, [], |row| Ok(row.get::<i64>(0)?.unsigned_abs()));
        let all = count("SELECT count(*) FROM records")?;
        let retired = count("SELECT count(*) FROM records WHERE retired_at IS NOT NULL")?;
        let recovered = count(
            "SELECT count(*) FROM attachments a JOIN records r ON r.id = a.record \
             WHERE a.state = 'standing' AND r.retired_at IS NULL",
        )?;
        Ok(RecordTally { missing: all.saturating_sub(retired + recovered), recovered, retired })
    }

    /// Transfers that broke off or are running.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn partials_count(&self) -> Result<u64, Error> {
        self.one("SELECT count(*) FROM partials", [], |row| Ok(row.get::<i64>(0)?.unsigned_abs()))
    }
}
