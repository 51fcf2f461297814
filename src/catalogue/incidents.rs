//! What kept the server from a part of its work: a row for each time, from when until when.

use super::{Error, Row, Tx};
use crate::domain::Micros;

/// One time that something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// What a page begins behind.
    pub id: i64,
    /// A word of [`crate::condition::Trouble`].
    pub kind: String,
    /// When it was first seen.
    pub began_at: Micros,
    /// When it was first seen to be over; nothing while it lasts.
    pub ended_at: Option<Micros>,
}

fn incident(row: Row<'_>) -> Result<Incident, Error> {
    Ok(Incident {
        id: row.get(0)?,
        kind: row.get(1)?,
        began_at: Micros(row.get(2)?),
        ended_at: row.get::<Option<i64>>(3)?.map(Micros),
    })
}

const INCIDENT: &str = "SELECT id, kind, began_at, ended_at FROM incidents";

impl Tx<'_> {
    /// What is known to last.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn incidents_open(&self) -> Result<Vec<Incident>, Error> {
        self.rows(&format!("{INCIDENT} WHERE ended_at IS NULL ORDER BY id"), [], incident)
    }

    /// Incidents, newest first: the first `limit` of them before the one with the id `before`.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn incidents(&self, before: i64, limit: i64) -> Result<Vec<Incident>, Error> {
        self.rows(&format!("{INCIDENT} WHERE id < ?1 ORDER BY id DESC LIMIT ?2"), (before, limit), incident)
    }

    /// Something is wrong from now on, unless it is known to be.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn incident_begins(&self, kind: &str, now: Micros) -> Result<(), Error> {
        let lasts = "SELECT 1 FROM incidents WHERE kind = ?1 AND ended_at IS NULL";
        if self.first(lasts, [kind], |_| Ok(()))?.is_none() {
            let id = self.next_id("incident")?;
            self.execute("INSERT INTO incidents (id, kind, began_at) VALUES (?1, ?2, ?3)", (id, kind, now.0))?;
        }
        Ok(())
    }

    /// It is over.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn incident_ends(&self, id: i64, now: Micros) -> Result<(), Error> {
        self.execute("UPDATE incidents SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL", (id, now.0))?;
        Ok(())
    }
}
