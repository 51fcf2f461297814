//! What came back, and what a person is asked about. The columns of [`matches`] are a contract with other programs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::text::moment;
use super::{Cell, Sheet};
use crate::catalogue::{Error, MatchRow, Tx};
use crate::domain::{CustomerId, Digest, Verdict};

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

/// The questions to a person, with the reason of each. Records that compete for the same pictures, frames of a burst or cards
/// of a template, are one family and stand together; it is named by the first of them.
///
/// # Errors
/// When the catalogue fails.
pub fn review(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&[
        "candidate",
        "family",
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
    let rows = tx.report_asked(customer)?;
    let families = families(&rows);
    let family = |row: &MatchRow| families.get(&(&row.customer[..], &row.record[..])).map(|first| (*first).to_owned());
    let names: Vec<Option<String>> = rows.iter().map(family).collect();
    let mut rows: Vec<(Option<String>, MatchRow)> = names.into_iter().zip(rows).collect();
    rows.sort_by(|(a_family, a), (b_family, b)| {
        let (a_first, b_first) = (a_family.as_ref().unwrap_or(&a.record), b_family.as_ref().unwrap_or(&b.record));
        (&a.customer, a_first, &a.record, in_record(a)).cmp(&(&b.customer, b_first, &b.record, in_record(b)))
    });
    sheet.rows = rows
        .into_iter()
        .map(|(family, row)| -> Vec<Cell> {
            vec![
                row.candidate.into(),
                family.into(),
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

/// The first record of the family of each record, by customer and name; nothing for a record that competes with no other.
fn families(rows: &[MatchRow]) -> HashMap<(&str, &str), &str> {
    let mut pictures: BTreeMap<(&str, Digest, i64), BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        pictures.entry((&row.customer, row.sha256, row.image)).or_default().insert(&row.record);
    }
    // Each record points to one that comes before it and shares a picture with it; in the end to the first of its family.
    let mut first: HashMap<(&str, &str), &str> = HashMap::new();
    for ((customer, ..), records) in pictures.iter().filter(|(_, records)| records.len() > 1) {
        let ends: BTreeSet<&str> = records.iter().map(|record| end(&first, customer, record)).collect();
        let leader = ends.first().copied().unwrap_or_default();
        first.extend(records.iter().chain(&ends).map(|&record| ((*customer, record), leader)));
    }
    first.keys().map(|&(customer, record)| ((customer, record), end(&first, customer, record))).collect()
}

/// Where the way from one record to the next ends.
fn end<'a>(first: &HashMap<(&'a str, &'a str), &'a str>, customer: &'a str, record: &'a str) -> &'a str {
    match first.get(&(customer, record)) {
        Some(before) if *before != record => end(first, customer, before),
        _ => record,
    }
}

/// The order among the rows of one record: by rank, those without one last, then by what never changes.
fn in_record(row: &MatchRow) -> (i64, &[u8], i64, [u8; 32]) {
    (row.rank.unwrap_or(i64::MAX), &row.path, row.image, row.sha256.0)
}
