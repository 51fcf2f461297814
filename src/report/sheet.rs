//! One report as columns and rows, and its three forms: table, CSV, JSON.
//!
//! The CSV is exact: raw bytes, RFC 4180 quoting, no escaping of formulas; it is for programs. The table is for eyes.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde_json::Value;

use super::text::visible;

/// A report's contents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each with one cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// Columns that a table does not show, because they are too much for eyes.
    pub hidden_in_table: Vec<String>,
}

/// One value of a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Unknown, or does not apply.
    Nothing,
    /// Text.
    Text(String),
    /// A name as a customer gave it, in whatever encoding.
    Name(Vec<u8>),
    /// A whole number.
    Integer(i64),
    /// A measured number; shown with four decimals.
    Real(f64),
    /// Yes or no; an empty cell in table and CSV means no.
    Flag(bool),
    /// A value of the import's own columns.
    Json(Value),
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For eyes.
    Table,
    /// For programs and spreadsheets: exact bytes, RFC 4180.
    Csv,
    /// For programs: an array of objects.
    Json,
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Nothing, Into::into)
    }
}

macro_rules! cell_from {
    ($($type:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$type> for Cell {
            fn from(value: $type) -> Self {
                Cell::$variant(value.into())
            }
        })+
    };
}
cell_from!(String => Text, &str => Text, Vec<u8> => Name, i64 => Integer, f64 => Real, bool => Flag, Value => Json);

impl Cell {
    /// The exact bytes that stand for this in CSV.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Cell::Nothing | Cell::Flag(false) | Cell::Json(Value::Null) => Vec::new(),
            Cell::Text(text) | Cell::Json(Value::String(text)) => text.clone().into_bytes(),
            Cell::Name(name) => name.clone(),
            Cell::Integer(number) => number.to_string().into_bytes(),
            Cell::Real(number) => format!("{number:.4}").into_bytes(),
            Cell::Flag(true) => b"yes".to_vec(),
            Cell::Json(value) => value.to_string().into_bytes(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Cell::Nothing => Value::Null,
            Cell::Text(text) => Value::from(text.as_str()),
            Cell::Name(name) => Value::from(String::from_utf8_lossy(name)),
            Cell::Integer(number) => Value::from(*number),
            // Four decimals, as in the other forms; a number that is none becomes null.
            Cell::Real(number) => Value::from((number * 1e4).round() / 1e4),
            Cell::Flag(flag) => Value::from(*flag),
            Cell::Json(value) => value.clone(),
        }
    }
}

impl Sheet {
    /// An empty report with these columns, all of them shown in a table.
    pub fn new(columns: &[&str]) -> Self {
        Sheet {
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
            hidden_in_table: Vec::new(),
        }
    }

    /// Takes a column away, if it is there.
    pub fn omit(&mut self, column: &str) {
        let Some(at) = self.columns.iter().position(|name| name == column) else { return };
        self.columns.remove(at);
        for row in &mut self.rows {
            row.remove(at);
        }
    }

    /// Leaves columns out of the table, and only there.
    pub fn hide_in_table(&mut self, columns: &[&str]) {
        self.hidden_in_table.extend(columns.iter().map(|&column| column.to_owned()));
    }

    /// Writes the report.
    ///
    /// # Errors
    /// When `out` does not take it.
    pub fn write(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        match format {
            Format::Table => self.write_table(out),
            Format::Csv => self.write_csv(out),
            Format::Json => self.write_json(out),
        }?;
        out.flush()
    }

    fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        // RFC 4180 ends a line with CR LF; every reader of CSV takes LF too, and diff, grep and shells want it.
        let mut writer = csv::WriterBuilder::new().from_writer(out);
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(Cell::bytes))?;
        }
        writer.flush()
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        // Written by hand, so that the members of an object stand in the order of the columns.
        out.write_all(b"[")?;
        for (number, row) in self.rows.iter().enumerate() {
            out.write_all(if number == 0 { b"\n  {" } else { b",\n  {" })?;
            for (at, (column, cell)) in self.columns.iter().zip(row).enumerate() {
                let comma = if at == 0 { "" } else { ", " };
                write!(out, "{comma}{}: {}", Value::from(column.as_str()), cell.json())?;
                if let Cell::Name(name) = cell
                    && std::str::from_utf8(name).is_err()
                {
                    write!(out, ", {}: \"{}\"", Value::from(format!("{column}_base64")), STANDARD.encode(name))?;
                }
            }
            out.write_all(b"}")?;
        }
        out.write_all(if self.rows.is_empty() { b"]\n" } else { b"\n]\n" })
    }

    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return writeln!(out, "(none)");
        }
        let shown: Vec<usize> =
            (0..self.columns.len()).filter(|&at| !self.hidden_in_table.contains(&self.columns[at])).collect();
        let mut table = Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(shown.iter().map(|&at| visible(self.columns[at].as_bytes())));
        for row in &self.rows {
            table.add_row(shown.iter().map(|&at| {
                let cell = &row[at];
                let align = match cell {
                    Cell::Integer(_) | Cell::Real(_) => CellAlignment::Right,
                    _ => CellAlignment::Left,
                };
                comfy_table::Cell::new(visible(&cell.bytes())).set_alignment(align)
            }));
        }
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(sheet: &Sheet, format: Format) -> Vec<u8> {
        let mut out = Vec::new();
        sheet.write(format, &mut out).unwrap();
        out
    }

    fn hostile() -> Sheet {
        let mut sheet = Sheet::new(&["path", "distance", "upload"]);
        sheet.rows.push(vec![Cell::Name(b"=1+1,\"caf\xe9\"\n\x1b".to_vec()), Cell::Real(0.12345), Cell::Integer(3)]);
        sheet
    }

    #[test]
    fn csv_is_exact_and_escapes_no_formula() {
        assert_eq!(
            written(&hostile(), Format::Csv),
            b"path,distance,upload\n\"=1+1,\"\"caf\xe9\"\"\n\x1b\",0.1235,3\n"
        );
    }

    #[test]
    fn json_carries_bytes_that_are_no_text() {
        let value: Value = serde_json::from_slice(&written(&hostile(), Format::Json)).unwrap();
        assert_eq!(value[0]["path"], "=1+1,\"caf\u{fffd}\"\n\u{1b}");
        assert_eq!(STANDARD.decode(value[0]["path_base64"].as_str().unwrap()).unwrap(), b"=1+1,\"caf\xe9\"\n\x1b");
        assert_eq!(value[0]["distance"], 0.1235);
        let empty: Value = serde_json::from_slice(&written(&Sheet::new(&["a"]), Format::Json)).unwrap();
        assert_eq!(empty, Value::Array(Vec::new()));
    }

    #[test]
    fn a_table_shows_no_control_characters() {
        let table = String::from_utf8(written(&hostile(), Format::Table)).unwrap();
        assert!(table.contains(r#"=1+1,"caf\xe9"\x0a\x1b"#), "{table}");
        assert_eq!(table.lines().count(), 2);
        let mut sheet = hostile();
        sheet.hide_in_table(&["path"]);
        assert!(!String::from_utf8(written(&sheet, Format::Table)).unwrap().contains("1+1"));
        assert!(String::from_utf8_lossy(&written(&sheet, Format::Csv)).contains("1+1"));
    }

    #[test]
    fn a_column_can_be_omitted() {
        let mut sheet = hostile();
        sheet.omit("distance");
        sheet.omit("distance");
        assert_eq!(sheet.columns, ["path", "upload"]);
        assert_eq!(sheet.rows[0].len(), 2);
    }
}
