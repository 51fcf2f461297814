//! The match report a page at a time: what came back, newest first, and behind it what a person is asked about.

use super::reports::{ASKED, ATTACHED, match_row};
use super::{Error, MatchRow, Tx};
use crate::domain::{CustomerId, Micros, Verdict};

/// Which rows of the match report are asked for; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchFilter {
    /// Of this customer.
    pub customer: Option<CustomerId>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// Of which this spoke most.
    pub method: Option<String>,
    /// Decided then or later, so that nothing counts that a person is still asked about.
    pub since: Option<Micros>,
}

/// A place in that report: behind the attachment, or behind the candidate, with this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchPlace {
    /// Among what came back.
    Attached(i64),
    /// Among what a person is asked about.
    Asked(i64),
}

impl MatchPlace {
    /// Before the first row.
    pub const FIRST: MatchPlace = MatchPlace::Attached(i64::MAX);
}

impl MatchFilter {
    fn has(&self, verdict: Verdict) -> bool {
        self.verdict.is_none_or(|wanted| wanted == verdict) && (verdict == Verdict::Attach || self.since.is_none())
    }

    /// The conditions on the rows of `table`. Of what is not asked for nothing is said, so that each statement has its index.
    fn conditions(&self, table: &str) -> String {
        let customer = if self.customer.is_some() { format!("{table}.customer = ?1") } else { "?1 IS NULL".into() };
        let method = if self.method.is_some() { format!("{table}.method = ?2") } else { "?2 IS NULL".into() };
        format!("{customer} AND {method} AND (?3 IS NULL OR {table}.decided_at >= ?3)")
    }

    fn values(&self) -> (Option<i64>, Option<&str>, Option<i64>) {
        (self.customer.map(|customer| customer.0), self.method.as_deref(), self.since.map(|since| since.0))
    }
}

impl Tx<'_> {
    /// Rows of the match report behind a place, `limit` at most, each with the place that the next one is behind.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_matches(
        &self,
        filter: &MatchFilter,
        place: MatchPlace,
        limit: usize,
    ) -> Result<Vec<(MatchPlace, MatchRow)>, Error> {
        let (customer, method, since) = filter.values();
        let mut found = Vec::new();
        if let MatchPlace::Attached(before) = place
            && filter.has(Verdict::Attach)
        {
            let of = filter.conditions("a");
            let sql = format!("{ATTACHED} AND {of} AND a.id < ?4 ORDER BY a.id DESC LIMIT ?5");
            let values = (customer, method, since, before, limit as i64);
            found = self.rows(&sql, values, |row| Ok((MatchPlace::Attached(row.get(17)?), match_row(row)?)))?;
        }
        if found.len() < limit && filter.has(Verdict::Review) {
            let before = if let MatchPlace::Asked(before) = place { before } else { i64::MAX };
            let of = filter.conditions("k");
            let sql = format!("{ASKED} AND {of} AND k.id < ?4 ORDER BY k.id DESC LIMIT ?5");
            let values = (customer, method, since, before, (limit - found.len()) as i64);
            found.extend(self.rows(&sql, values, |row| Ok((MatchPlace::Asked(row.get(17)?), match_row(row)?)))?);
        }
        Ok(found)
    }

    /// How many rows of the match report are asked for.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn count_matches(&self, filter: &MatchFilter) -> Result<i64, Error> {
        let count = |sql: String| self.one(&sql, filter.values(), |row| row.get::<i64>(0));
        let mut all = 0;
        if filter.has(Verdict::Attach) {
            let of = filter.conditions("a");
            all += count(format!("SELECT count(*) FROM attachments a WHERE a.state = 'standing' AND {of}"))?;
        }
        if filter.has(Verdict::Review) {
            let of = filter.conditions("k");
            all += count(format!(
                "SELECT count(*) FROM candidates k JOIN records r ON r.id = k.record \
                 WHERE k.verdict = 'review' AND r.retired_at IS NULL AND {of}"
            ))?;
        }
        Ok(all)
    }

    /// What speaks for rows of the match report, each once.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn match_methods(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT method FROM attachments WHERE state = 'standing' \
             UNION SELECT method FROM candidates WHERE verdict = 'review' AND method IS NOT NULL ORDER BY 1";
        self.rows(sql, [], |row| row.get(0))
    }
}
