//! Records whose original is still wanted: nothing came back, or only a copy.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Cell, Sheet};
use crate::catalogue::{Error, Tx};
use crate::domain::CustomerId;

/// The records whose original is still wanted, with the import's own columns behind ours.
///
/// # Errors
/// When the catalogue fails.
pub fn missing(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let mut rows = tx.report_missing(customer)?;
    rows.sort_by(|a, b| (&a.customer, &a.record).cmp(&(&b.customer, &b.record)));
    let mut sheet =
        Sheet::new(&["record", "customer", "filename", "width", "height", "bytes", "taken_at", "grade", "problem"]);
    // What is kept as text was an object when the import wrote it.
    let extras: Vec<Map<String, Value>> =
        rows.iter().map(|row| serde_json::from_str(&row.extra).unwrap_or_default()).collect();
    let names: BTreeSet<&String> = extras.iter().flat_map(Map::keys).collect();
    let own: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    sheet.hide_in_table(&own);
    sheet.columns.extend(names.iter().map(|name| (*name).clone()));
    for (row, extra) in rows.iter().zip(&extras) {
        let row = row.clone();
        let mut cells: Vec<Cell> = vec![
            row.record.into(),
            row.customer.into(),
            row.filename.into(),
            row.width.into(),
            row.height.into(),
            row.bytes.into(),
            row.taken_at.into(),
            row.grade.into(),
            row.conflict.or_else(|| row.thumbnail_problem.map(|problem| format!("no thumbnail: {problem}"))).into(),
        ];
        cells.extend(names.iter().map(|name| Cell::from(extra.get(*name).cloned())));
        sheet.rows.push(cells);
    }
    Ok(sheet)
}
