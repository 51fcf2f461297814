//! What is wrong with a file of records, said so that whoever exported it can mend it.

use std::fmt;

use crate::report::text::visible;

/// Faults that are listed before the rest is only counted.
const LISTED_MAX: usize = 20;

/// Longest value that is quoted, in characters; a `data:` URI or a whole swallowed file helps nobody.
const QUOTED_MAX: usize = 60;

/// Where in the file something stands. Both count from 1 and the header is row 1, as a spreadsheet shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The row.
    pub row: u64,
    /// The line of text on which the row begins; it differs from the row after a value with a line break.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}", self.row)?;
        if self.line != self.row {
            write!(f, " (line {})", self.line)?;
        }
        Ok(())
    }
}

/// One fault, in a row or in the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    place: Option<Place>,
    column: Option<String>,
    value: Option<String>,
    says: String,
}

impl Fault {
    /// A fault of the whole file.
    pub fn file(says: impl Into<String>) -> Self {
        Fault { place: None, column: None, value: None, says: says.into() }
    }

    /// A fault of a row.
    pub fn row(place: Place, says: impl Into<String>) -> Self {
        Fault { place: Some(place), column: None, value: None, says: says.into() }
    }

    /// A fault of a row's value in the column called `column` in the file.
    pub fn value(place: Place, column: &str, value: &[u8], says: impl Into<String>) -> Self {
        Fault { place: Some(place), column: Some(column.to_owned()), value: Some(quoted(value)), says: says.into() }
    }
}

fn quoted(value: &[u8]) -> String {
    let text = visible(value);
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place}, ")?;
        }
        if let Some(column) = &self.column {
            write!(f, "column `{}`, ", visible(column.as_bytes()))?;
        }
        if let Some(value) = &self.value {
            write!(f, "value `{value}`: ")?;
        }
        f.write_str(&self.says)
    }
}

/// The faults of a file, of which the first are kept.
#[derive(Debug, Default)]
pub(super) struct Faults {
    listed: Vec<Fault>,
    unlisted: u64,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, fault: Fault) {
        if self.listed.len() < LISTED_MAX {
            self.listed.push(fault);
        } else {
            self.unlisted += 1;
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The faults of `file` as one message.
    pub fn message(&self, file: &str) -> String {
        let mut text = format!("{file} was not imported, nothing has changed:");
        for fault in &self.listed {
            text.push_str(&format!("\n  {file}: {fault}"));
        }
        if self.unlisted > 0 {
            text.push_str(&format!("\n  and {} more", self.unlisted));
        }
        text
    }
}
