//! What became of the files that were received.

use super::text::moment;
use super::{Cell, Sheet};
use crate::catalogue::{Error, FileRow, Tx};
use crate::domain::{CustomerId, Micros};

/// Everything that was received, with what became of it and, where it could not be used, why.
///
/// # Errors
/// When the catalogue fails.
pub fn files(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&[
        "customer",
        "path",
        "bytes",
        "kind",
        "result",
        "problem",
        "sha256",
        "endpoint",
        "received_at",
        "upload",
    ]);
    let now = Micros::now();
    sheet.rows = sorted(tx, customer)?
        .into_iter()
        .map(|row| -> Vec<Cell> {
            let result = result(&row, now);
            vec![
                row.customer.into(),
                row.path.into(),
                row.bytes.into(),
                row.kind.into(),
                result.into(),
                problem(result, row.problem.or(row.damage), row.last_error, row.truncated).into(),
                row.sha256.to_string().into(),
                row.endpoint.into(),
                moment(row.received_at).into(),
                row.upload.into(),
            ]
        })
        .collect();
    sheet.hide_in_table(&["sha256"]);
    Ok(sheet)
}

/// Pictures that were received and belong to no record, as far as can be told: neither attached nor asked about.
///
/// # Errors
/// When the catalogue fails.
pub fn unmatched(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&[
        "customer",
        "path",
        "image",
        "kind",
        "width",
        "height",
        "bytes",
        "sha256",
        "received_at",
        "upload",
    ]);
    let now = Micros::now();
    sheet.rows = sorted(tx, customer)?
        .into_iter()
        .filter(|row| result(row, now) == "unmatched")
        .map(|row| -> Vec<Cell> {
            vec![
                row.customer.into(),
                row.path.into(),
                Cell::Integer(1),
                row.kind.into(),
                row.width.into(),
                row.height.into(),
                row.bytes.into(),
                row.sha256.to_string().into(),
                moment(row.received_at).into(),
                row.upload.into(),
            ]
        })
        .collect();
    sheet.hide_in_table(&["sha256"]);
    Ok(sheet)
}

fn sorted(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Vec<FileRow>, Error> {
    let mut rows = tx.report_files(customer)?;
    rows.sort_by(|a, b| (&a.customer, &a.path, a.upload).cmp(&(&b.customer, &b.path, b.upload)));
    Ok(rows)
}

/// What became of a file, in one word: held, waiting, attached, review, unmatched, unreadable, damaged or failed.
pub fn result(row: &FileRow, now: Micros) -> &'static str {
    match row.state.as_str() {
        "failed" => "failed",
        "decided" if row.attached => "attached",
        "decided" if row.in_review => "review",
        "decided" if row.problem.is_some() => "unreadable",
        "decided" if row.damage.is_some() => "damaged",
        "decided" => "unmatched",
        _ if row.held_until.is_some_and(|until| until > now) => "held",
        _ => "waiting",
    }
}

/// Why it could not be used, or not yet, in words; `result` is what [`result`] says of it.
pub fn problem(result: &str, problem: Option<String>, last_error: Option<String>, truncated: bool) -> Option<String> {
    let cut = truncated.then(|| "the transfer never completed".to_owned());
    match result {
        "failed" | "waiting" => last_error.or(problem).or(cut),
        "held" => Some("it has a temporary name and waits for the rename".to_owned()),
        _ => problem.or(cut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Digest;

    #[test]
    fn a_file_has_one_result() {
        let row = |state: &str, attached, in_review, problem: Option<&str>, held| FileRow {
            customer: "c".into(),
            path: b"p".to_vec(),
            bytes: 1,
            sha256: Digest::of(b"p"),
            kind: None,
            state: state.into(),
            held_until: held,
            last_error: None,
            problem: problem.map(str::to_owned),
            damage: None,
            truncated: false,
            attached,
            in_review,
            endpoint: "ftp".into(),
            received_at: Micros(0),
            upload: 1,
            width: None,
            height: None,
        };
        let now = Micros(100);
        for (expected, row) in [
            ("held", row("received", false, false, None, Some(Micros(101)))),
            ("waiting", row("received", false, false, None, Some(Micros(100)))),
            ("waiting", row("stored", false, false, None, None)),
            ("failed", row("failed", false, false, None, None)),
            ("attached", row("decided", true, true, Some("damaged"), None)),
            ("review", row("decided", false, true, None, None)),
            ("unreadable", row("decided", false, false, Some("damaged"), None)),
            ("unmatched", row("decided", false, false, None, None)),
        ] {
            assert_eq!(result(&row, now), expected);
        }
        let damaged = |attached, in_review| {
            let damage = Some("the file is cut off: its end is missing".to_owned());
            result(&FileRow { damage, ..row("decided", attached, in_review, None, None) }, now)
        };
        // What can be seen of it is enough to ask a person, or was the original.
        assert_eq!(
            [damaged(false, false), damaged(false, true), damaged(true, false)],
            ["damaged", "review", "attached"]
        );
    }
}
