//! One unit of work: the only handle through which a statement reaches the engine.
//!
//! Statements are written once with `?N`; rewriting them to `$N` for another engine has its one place here.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params};

use super::Error;

/// A running unit of work. The methods that mean something (`customer_named`, `upload_insert`, ...) stand in the files
/// of this folder, one file per kind of thing.
pub struct Tx<'a> {
    connection: &'a Connection,
}

/// One row of an answer.
pub struct Row<'a>(&'a rusqlite::Row<'a>);

impl Row<'_> {
    /// The value in column `at`, counted from 0.
    ///
    /// # Errors
    /// When the column has another type than the caller expects, which is a fault of ours.
    pub fn get<T: FromSql>(&self, at: usize) -> Result<T, Error> {
        Ok(self.0.get(at)?)
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Tx { connection }
    }

    /// The next free id of a kind of thing, from 1.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn next_id(&self, kind: &str) -> Result<i64, Error> {
        self.one(
            "INSERT INTO ids (kind, next) VALUES (?1, 2) ON CONFLICT (kind) DO UPDATE SET next = ids.next + 1 \
             RETURNING next - 1",
            [kind],
            |row| row.get(0),
        )
    }

    /// Runs a statement that answers nothing; returns how many rows it touched.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// The rows of an answer, in the order of the statement.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut map: impl FnMut(Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(map(Row(row))?);
        }
        Ok(all)
    }

    /// The only row of an answer; its absence is a failure.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(Row<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.first(sql, params, map)?.ok_or(Error::Sql(rusqlite::Error::QueryReturnedNoRows))
    }

    /// The first row of an answer, if it has any.
    pub(super) fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let answer = statement.query_row(params, |row| Ok(map(Row(row)))).optional()?;
        answer.transpose()
    }
}
