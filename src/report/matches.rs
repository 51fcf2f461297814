//! What came back, and what a person is asked about. The columns of [`matches`] are a contract with other programs.

use super::text::moment;
use super::{Cell, Sheet};
use crate::catalogue::{Error, MatchRow, Tx};
use crate::domain::{CustomerId, Verdict};

/// Standing attachments (verdict `attach`) and candidates that a person is asked about (`review`, rank 1 first).
///
/// # Errors
/// When the catalogue fails.
pub fn matches(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&[
        "record",
        "customer",
        "path",
        "image",
        "sha256",
        "verdict",
        "grade",
        "rank",
        "method",
        "distance",
        "residual",
        "margin",
        "decided_by",
        "decided_at",
        "upload",
        "candidate",
    ]);
    let attached = tx.report_attached(customer)?.into_iter().map(|row| (Verdict::Attach, row));
    let asked = tx.report_asked(customer)?.into_iter().map(|row| (Verdict::Review, row));
    let mut rows: Vec<(Verdict, MatchRow)> = attached.chain(asked).collect();
    rows.sort_by(|(a_verdict, a), (b_verdict, b)| {
        (&a.customer, &a.record, a_verdict)
            .cmp(&(&b.customer, &b.record, b_verdict))
            .then_with(|| in_record(a).cmp(&in_record(b)))
    });
    sheet.rows = rows
        .into_iter()
        .map(|(verdict, row)| {
            vec![
                row.record.into(),
                row.customer.into(),
                row.path.into(),
                row.image.into(),
                row.sha256.to_string().into(),
                verdict.word().into(),
                row.grade.into(),
                row.rank.into(),
                row.method.into(),
                row.distance.into(),
                row.residual.into(),
                row.margin.into(),
                row.decided_by.into(),
                row.decided_at.map(moment).into(),
                row.upload.into(),
                row.candidate.into(),
            ]
        })
        .collect();
    sheet.hide_in_table(&["sha256"]);
    Ok(sheet)
}

/// The questions to a person, with the reason of each.
///
/// # Errors
/// When the catalogue fails.
pub fn review(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&[
        "candidate",
        "record",
        "customer",
        "rank",
        "path",
        "image",
        "grade",
        "method",
        "distance",
        "residual",
        "margin",
        "reason",
        "sha256",
        "upload",
    ]);
    sheet.hide_in_table(&["sha256", "upload"]);
    let mut rows = tx.report_asked(customer)?;
    rows.sort_by(|a, b| (&a.customer, &a.record, in_record(a)).cmp(&(&b.customer, &b.record, in_record(b))));
    sheet.rows = rows
        .into_iter()
        .map(|row| -> Vec<Cell> {
            vec![
                row.candidate.into(),
                row.record.into(),
                row.customer.into(),
                row.rank.into(),
                row.path.into(),
                row.image.into(),
                row.grade.into(),
                row.method.into(),
                row.distance.into(),
                row.residual.into(),
                row.margin.into(),
                row.reason.into(),
                row.sha256.to_string().into(),
                row.upload.into(),
            ]
        })
        .collect();
    Ok(sheet)
}

/// The order among the rows of one record: by rank, those without one last, then by what never changes.
fn in_record(row: &MatchRow) -> (i64, &[u8], i64, [u8; 32]) {
    (row.rank.unwrap_or(i64::MAX), &row.path, row.image, row.sha256.0)
}
