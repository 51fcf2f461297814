//! From a file of records to rows of named values, whether it is CSV or JSON lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map as Object, Value};

use super::columns::{Field, Map};
use super::csv_rows::{CsvReader, CsvRow, Stop};
use super::fault::{Fault, Faults, Place};

/// Longest line of JSON in bytes, as for CSV.
const LINE_BYTES_MAX: u64 = 128 << 20;

/// A value that a row gives. What is empty in CSV is not given; `null` in JSON takes away what was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// This text.
    Text(String),
    /// Nothing is known any more.
    Null,
}

/// One row of the file.
#[derive(Debug, Default)]
pub(super) struct SourceRow {
    /// Where it stands.
    pub place: Place,
    /// The values with a meaning.
    pub given: BTreeMap<Field, Given>,
    /// The others.
    pub extra: Object<String, Value>,
}

/// Reads the rows of `path` and hands them to `take`; what is wrong goes to `faults`.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn read(
    path: &Path,
    map: &Map,
    faults: &mut Faults,
    take: &mut dyn FnMut(SourceRow, &mut Faults),
) -> io::Result<()> {
    let input = BufReader::with_capacity(1 << 18, File::open(path)?);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if ["jsonl", "ndjson"].iter().any(|jsonl| extension.eq_ignore_ascii_case(jsonl)) {
        return read_json(input, map, faults, take);
    }
    match read_csv(input, map, faults, take) {
        Ok(()) => Ok(()),
        Err(Stop::Fault(fault)) => {
            faults.add(fault);
            Ok(())
        }
        Err(Stop::Io(error)) => Err(error),
    }
}

/// What a column of a CSV file is for.
enum Target {
    Field(Field),
    Extra(String),
    /// A column without a name, such as spreadsheets leave at the right; its cells must be empty.
    Unnamed,
}

fn read_csv(
    input: impl BufRead,
    map: &Map,
    faults: &mut Faults,
    take: &mut dyn FnMut(SourceRow, &mut Faults),
) -> Result<(), Stop> {
    let mut reader = CsvReader::new(input);
    let Some(header) = reader.next()? else {
        return Err(Stop::Fault(Fault::file("the file is empty; its first row names the columns")));
    };
    let names = header_names(header)?;
    for fault in map.faults(names.iter().map(String::as_str).filter(|name| !name.is_empty())) {
        faults.add(fault);
    }
    if !faults.is_empty() {
        return Ok(());
    }
    let targets: Vec<Target> = names
        .iter()
        .map(|name| match map.field(name) {
            Some(field) => Target::Field(field),
            None if name.is_empty() => Target::Unnamed,
            None => Target::Extra(name.clone()),
        })
        .collect();
    while let Some(row) = reader.next()? {
        if row.cells.len() != names.len() {
            let says = format!(
                "it has {} values and the header names {} columns; is a value with a `{}` in it without quotes?",
                row.cells.len(),
                names.len(),
                reader.separator(),
            );
            faults.add(Fault::row(row.place, says));
            continue;
        }
        if let Some(row) = named_values(row, &names, &targets, faults) {
            take(row, faults);
        }
    }
    Ok(())
}

fn header_names(header: CsvRow) -> Result<Vec<String>, Stop> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for cell in header.cells {
        let name = match String::from_utf8(cell) {
            Ok(name) => name.trim().to_owned(),
            Err(error) => {
                let says = "a column's name is not UTF-8; save the file as UTF-8";
                return Err(Stop::Fault(Fault::value(header.place, "", error.as_bytes(), says)));
            }
        };
        if !name.is_empty() && !seen.insert(name.to_ascii_lowercase()) {
            let says = format!("two columns are called `{name}`; rename one");
            return Err(Stop::Fault(Fault::row(header.place, says)));
        }
        names.push(name);
    }
    Ok(names)
}

fn named_values(row: CsvRow, names: &[String], targets: &[Target], faults: &mut Faults) -> Option<SourceRow> {
    let mut named = SourceRow { place: row.place, ..SourceRow::default() };
    let mut good = true;
    for ((cell, target), name) in row.cells.into_iter().zip(targets).zip(names) {
        let mut fault = |value: &[u8], says: &str| {
            faults.add(Fault::value(row.place, name, value, says));
            good = false;
        };
        let text = match String::from_utf8(cell) {
            Ok(text) => text,
            Err(error) => {
                fault(error.as_bytes(), "it is not UTF-8; save the file as UTF-8");
                continue;
            }
        };
        match target {
            Target::Field(field) if !text.is_empty() => drop(named.given.insert(*field, Given::Text(text))),
            Target::Unnamed if !text.is_empty() => {
                fault(text.as_bytes(), "its column has no name; name it in the header")
            }
            Target::Extra(name) => drop(named.extra.insert(name.clone(), Value::String(text))),
            Target::Field(_) | Target::Unnamed => {}
        }
    }
    good.then_some(named)
}

fn read_json(
    mut input: impl BufRead,
    map: &Map,
    faults: &mut Faults,
    take: &mut dyn FnMut(SourceRow, &mut Faults),
) -> io::Result<()> {
    let mut columns = BTreeSet::new();
    let mut line = Vec::new();
    let mut number = 0;
    let mut rows = 0;
    loop {
        line.clear();
        number += 1;
        let place = Place { row: number, line: number };
        let got = (&mut input).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line)?;
        if got as u64 > LINE_BYTES_MAX {
            faults.add(Fault::row(place, format!("it is longer than {} MiB", LINE_BYTES_MAX >> 20)));
            return Ok(());
        }
        if got == 0 {
            break;
        }
        let text = line.strip_prefix("\u{feff}".as_bytes()).filter(|_| number == 1).unwrap_or(&line);
        if text.trim_ascii().is_empty() {
            continue;
        }
        rows += 1;
        match serde_json::from_slice::<Object<String, Value>>(text) {
            Ok(object) => {
                columns.extend(object.keys().cloned());
                if let Some(row) = named_members(object, place, map, faults) {
                    take(row, faults);
                }
            }
            Err(error) => faults.add(Fault::row(place, format!("it is no JSON object on one line: {error}"))),
        }
    }
    if rows == 0 {
        faults.add(Fault::file("the file is empty; each line is one record as a JSON object"));
    }
    let absent = map.faults(columns.iter().map(String::as_str));
    if rows > 0 && !absent.is_empty() {
        // A column that no row has is the cause of whatever the rows themselves lack.
        *faults = Faults::default();
        absent.into_iter().for_each(|fault| faults.add(fault));
    }
    Ok(())
}

fn named_members(object: Object<String, Value>, place: Place, map: &Map, faults: &mut Faults) -> Option<SourceRow> {
    let mut named = SourceRow { place, ..SourceRow::default() };
    let mut good = true;
    for (name, value) in object {
        let Some(field) = map.field(&name) else {
            named.extra.insert(name, value);
            continue;
        };
        let given = match value {
            Value::Null => Given::Null,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => Given::Text(text),
            Value::Number(number) => Given::Text(number.to_string()),
            other => {
                let says = "it is neither a text nor a number";
                faults.add(Fault::value(place, &name, other.to_string().as_bytes(), says));
                good = false;
                continue;
            }
        };
        if named.given.insert(field, given).is_some() {
            faults.add(Fault::row(place, format!("two members are called `{}`; rename one", field.name())));
            good = false;
        }
    }
    good.then_some(named)
}
