//! The report as files that customers find in their own tree: for someone who has nothing but an FTP client.
//!
//! Owns which files there are and what they say, from a consistent state of the catalogue. The CSV is for spreadsheets:
//! unlike that of the command line it keeps cells from being taken for formulas. Where the files stand is the tree's
//! business.

use std::io;

use askama::Template as _;

use super::text::visible;
use super::{Cell, Format, Sheet, files, matches, missing};
use crate::catalogue::{self, Announced, Tx};
use crate::domain::{Civil, CustomerId, Language};

/// What customers are told of a missing picture. The shop's own columns are not theirs to read.
const MISSING: [&str; 7] = ["record", "filename", "width", "height", "bytes", "taken_at", "grade"];

/// What became of a file that could not be used.
const NOT_USABLE: [&str; 3] = ["unreadable", "damaged", "failed"];

/// The files, by the bytes of their names, as a listing has them.
pub const IN_TREE: [&str; 4] = ["came-back.csv", "missing.csv", "missing.html", "not-usable.csv"];

/// Why a file of the report cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum InTreeError {
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// The file could not be written, so a part of it would be all there is.
    #[error("cannot write the report: {0}")]
    Write(#[from] io::Error),
    /// The page could not.
    #[error("cannot write the report as a page: {0}")]
    Page(#[from] askama::Error),
}

/// What the file `name` says to `customer` now; nothing when there is no such file.
///
/// # Errors
/// When the catalogue fails, or the file cannot be written whole.
pub fn in_tree(tx: &Tx<'_>, customer: CustomerId, name: &str) -> Result<Option<Vec<u8>>, InTreeError> {
    Ok(Some(match name {
        "came-back.csv" => spreadsheet(came_back(tx, customer)?)?,
        "missing.csv" => spreadsheet(still_missing(tx, customer)?)?,
        "missing.html" => page(&still_missing(tx, customer)?, tx.announced(customer)?)?,
        "not-usable.csv" => spreadsheet(not_usable(tx, customer)?)?,
        _ => return Ok(None),
    }))
}

fn still_missing(tx: &Tx<'_>, customer: CustomerId) -> Result<Sheet, catalogue::Error> {
    missing(tx, Some(customer)).map(|sheet| only(sheet, &MISSING))
}

fn came_back(tx: &Tx<'_>, customer: CustomerId) -> Result<Sheet, catalogue::Error> {
    let mut sheet = matches(tx, Some(customer))?;
    keep_rows(&mut sheet, "verdict", &["attach"]);
    Ok(only(sheet, &["record", "path", "grade", "decided_at"]))
}

fn not_usable(tx: &Tx<'_>, customer: CustomerId) -> Result<Sheet, catalogue::Error> {
    let mut sheet = files(tx, Some(customer))?;
    keep_rows(&mut sheet, "result", &NOT_USABLE);
    Ok(only(sheet, &["path", "bytes", "result", "problem", "received_at"]))
}

/// Rows whose `column` says one of `words`.
fn keep_rows(sheet: &mut Sheet, column: &str, words: &[&str]) {
    if let Some(at) = sheet.columns.iter().position(|name| name == column) {
        sheet.rows.retain(|row| matches!(&row[at], Cell::Text(text) if words.contains(&text.as_str())));
    }
}

/// The sheet with no other columns than these.
fn only(mut sheet: Sheet, columns: &[&str]) -> Sheet {
    for column in sheet.columns.clone() {
        if !columns.contains(&column.as_str()) {
            sheet.omit(&column);
        }
    }
    sheet
}

/// The sheet as CSV for a spreadsheet: no cell is taken for a formula.
///
/// # Errors
/// When it cannot be written whole.
pub fn spreadsheet(mut sheet: Sheet) -> io::Result<Vec<u8>> {
    for cell in sheet.rows.iter_mut().flatten() {
        match cell {
            Cell::Text(text) if is_formula(text.as_bytes()) => text.insert(0, '\''),
            Cell::Name(name) if is_formula(name) => name.insert(0, b'\''),
            _ => {}
        }
    }
    let mut bytes = Vec::new();
    sheet.write(Format::Csv, &mut bytes)?;
    Ok(bytes)
}

/// Whether a spreadsheet would take a cell for a formula.
fn is_formula(cell: &[u8]) -> bool {
    matches!(cell.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'))
}

#[derive(askama::Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Missing pictures</title>
<style>
body { font: 16px/1.5 sans-serif; margin: 2em; color-scheme: light dark }
table { border-collapse: collapse }
th, td { padding: .2em 1em .2em 0; text-align: left; border-bottom: 1px solid #8888 }
</style>
</head>
<body>
<h1>Missing pictures</h1>
{% if rows.is_empty() %}
<p>Nothing is missing: every picture has come back.</p>
{% else %}
<p>{{ rows.len() }} {% if rows.len() == 1 %}picture is{% else %}pictures are{% endif %} still wanted. Upload whatever may be one of
them, under any name and in any folder. Where the grade says <em>copy</em>, a smaller or lossier copy came back, and the
original is still wanted.</p>
{% if let Some(announced) = announced %}<p><strong>On {{ announced.1 }}, {{ announced.0 }} of those that are missing {% if announced.0 == 1 %}is{% else %}are{% endif %} removed</strong>, because
nothing was sent for a long time. Whatever you send before that stops it.</p>
{% endif %}<table>
<tr>{% for column in columns %}<th>{{ column }}</th>{% endfor %}</tr>
{% for row in rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table>
{% endif %}
</body>
</html>
"#
)]
struct Page<'a> {
    columns: &'a [String],
    rows: Vec<Vec<String>>,
    /// Records that are going to be given up, and on which day.
    announced: Option<(i64, String)>,
}

fn page(sheet: &Sheet, announced: Option<Announced>) -> askama::Result<Vec<u8>> {
    let cells = |row: &Vec<Cell>| row.iter().map(|cell| visible(&cell.bytes())).collect();
    let day = |at| Civil::from(at).day_in_words(Language::English);
    let announced = announced.map(|announced| (announced.records, day(announced.at)));
    let page = Page { columns: &sheet.columns, rows: sheet.rows.iter().map(cells).collect(), announced };
    page.render().map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_look_like_formulas_are_text() {
        let mut sheet = Sheet::new(&["path", "problem", "bytes"]);
        sheet.rows.push(vec![Cell::Name(b"=cmd|x".to_vec()), "@here".into(), Cell::Integer(-5)]);
        sheet.rows.push(vec![Cell::Name(b"caf\xe9.jpg".to_vec()), "a=b".into(), Cell::Nothing]);
        assert_eq!(spreadsheet(sheet).unwrap(), b"path,problem,bytes\n'=cmd|x,'@here,-5\ncaf\xe9.jpg,a=b,\n");
    }

    #[test]
    fn the_page_escapes_what_customers_and_shops_wrote() {
        let mut sheet = Sheet::new(&["record", "filename"]);
        sheet.rows.push(vec!["<r1>".into(), "a&\u{202e}b".into()]);
        let page = String::from_utf8(page(&sheet, None).unwrap()).unwrap();
        assert!(!page.contains("<r1>") && !page.contains('\u{202e}'), "{page}");
        assert!(page.contains("1 picture is still wanted"), "{page}");
        let nothing = String::from_utf8(super::page(&Sheet::new(&["record"]), None).unwrap()).unwrap();
        assert!(nothing.contains("Nothing is missing"));
    }

    #[test]
    fn columns_and_rows_are_chosen_by_name() {
        let mut sheet = Sheet::new(&["record", "verdict", "inside"]);
        sheet.rows.push(vec!["r1".into(), "attach".into(), "x".into()]);
        sheet.rows.push(vec!["r2".into(), "review".into(), "y".into()]);
        keep_rows(&mut sheet, "verdict", &["attach"]);
        let sheet = only(sheet, &["record"]);
        assert_eq!((sheet.columns, sheet.rows), (vec!["record".to_owned()], vec![vec![Cell::from("r1")]]));
    }
}
