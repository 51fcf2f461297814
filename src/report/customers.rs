//! Customers in counts.

use super::text::moment;
use super::{Cell, Sheet};
use crate::catalogue::{Error, Tx};
use crate::domain::CustomerId;

/// How each customer stands.
///
/// # Errors
/// When the catalogue fails.
pub fn customers(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&[
        "customer",
        "disabled",
        "records",
        "missing",
        "recovered",
        "copies",
        "retired",
        "review",
        "uploads",
        "undecided",
        "unreadable",
        "last_upload",
    ]);
    let mut rows = tx.report_customers(customer)?;
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    sheet.rows = rows
        .into_iter()
        .map(|row| -> Vec<Cell> {
            vec![
                row.name.into(),
                row.disabled.into(),
                row.records.into(),
                (row.records - row.recovered).into(),
                row.recovered.into(),
                row.copies.into(),
                row.retired.into(),
                row.review.into(),
                row.uploads.into(),
                row.undecided.into(),
                row.unreadable.into(),
                row.last_upload.map(moment).into(),
            ]
        })
        .collect();
    Ok(sheet)
}
