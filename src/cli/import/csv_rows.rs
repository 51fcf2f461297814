//! Reading CSV row by row, with the row and line of each.
//!
//! Not left to a library, because those are lenient where an import must not be: a quote that is never closed swallows
//! the rest of the file as one value, and nobody is told. Separator: comma, semicolon or tab, whichever the header has
//! most of. Quotes double inside quotes (RFC 4180); a quote inside a bare value is itself. Lines end with LF or CR LF;
//! empty lines are skipped; a byte order mark is dropped.

use std::io::{self, BufRead};

use super::fault::{Fault, Place};

/// Longest row in bytes: room for a thumbnail and a preview as `data:` URIs.
const ROW_BYTES_MAX: usize = 128 << 20;

/// The values of one row.
pub(super) struct CsvRow {
    /// Where it stands.
    pub place: Place,
    /// Its values, in order.
    pub cells: Vec<Vec<u8>>,
}

/// Reads rows from text.
pub(super) struct CsvReader<R> {
    input: R,
    separator: Option<u8>,
    /// The row and line read last.
    at: Place,
}

/// Why there is no next row.
pub(super) enum Stop {
    /// The text is no CSV from here on.
    Fault(Fault),
    /// It cannot be read.
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Io(error)
    }
}

impl<R: BufRead> CsvReader<R> {
    /// A reader of `input`; the first row that it answers is the header.
    pub fn new(input: R) -> Self {
        CsvReader { input, separator: None, at: Place::default() }
    }

    /// The character between values, once the header is read.
    pub fn separator(&self) -> char {
        char::from(self.separator.unwrap_or(b','))
    }

    /// The next row that is not empty.
    pub fn next(&mut self) -> Result<Option<CsvRow>, Stop> {
        loop {
            let mut text = Vec::new();
            if !self.line(&mut text)? {
                return Ok(None);
            }
            self.at.row += 1;
            let place = Place { row: self.at.row, line: self.at.line };
            let separator = match self.separator {
                Some(separator) => separator,
                None => {
                    drop_mark(&mut text, place)?;
                    most_frequent(&text)
                }
            };
            if matches!(text.as_slice(), b"" | b"\n" | b"\r\n") {
                continue;
            }
            self.separator = Some(separator);
            return Ok(Some(CsvRow { place, cells: self.row(text, separator, place)? }));
        }
    }

    /// The values of the row that begins with the line `text`, which goes on while a quote is open.
    fn row(&mut self, mut text: Vec<u8>, separator: u8, place: Place) -> Result<Vec<Vec<u8>>, Stop> {
        let fault = |says: &str| Stop::Fault(Fault::row(place, says));
        let mut splitter = Splitter::new(separator);
        let mut length = 0;
        loop {
            if splitter.feed(&text).map_err(fault)? {
                return Ok(splitter.cells);
            }
            length += text.len();
            text.clear();
            if length > ROW_BYTES_MAX || !self.line(&mut text)? {
                return Err(fault("a value begins with `\"` and no `\"` ends it; end it, or write `\"\"` for a quote"));
            }
        }
    }

    /// Reads one line of text with its end; false at the end of the file.
    fn line(&mut self, text: &mut Vec<u8>) -> Result<bool, Stop> {
        let got = io::Read::take(&mut self.input, ROW_BYTES_MAX as u64 + 1).read_until(b'\n', text)?;
        self.at.line += u64::from(got > 0);
        if got > ROW_BYTES_MAX {
            let says = format!("a line is longer than {} MiB", ROW_BYTES_MAX >> 20);
            return Err(Stop::Fault(Fault::row(Place { row: self.at.row + 1, line: self.at.line }, says)));
        }
        Ok(got > 0)
    }
}

fn drop_mark(text: &mut Vec<u8>, place: Place) -> Result<(), Stop> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(Stop::Fault(Fault::row(place, "the file is UTF-16; save it as UTF-8")));
    }
    if text.starts_with("\u{feff}".as_bytes()) {
        text.drain(..3);
    }
    Ok(())
}

/// Which separator the header has most of outside quotes; the comma when it has none.
fn most_frequent(header: &[u8]) -> u8 {
    let count = |separator: u8| {
        let mut quoted = false;
        header
            .iter()
            .filter(|&&byte| {
                quoted ^= byte == b'"';
                !quoted && byte == separator
            })
            .count()
    };
    // Of equals the last wins, so the comma stands last.
    [b'\t', b';', b','].into_iter().max_by_key(|&separator| count(separator)).unwrap_or(b',')
}

/// Takes a row apart, line by line of text.
struct Splitter {
    separator: u8,
    state: State,
    cell: Vec<u8>,
    cells: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// At the first byte of a value.
    Start,
    /// In a value without quotes.
    Bare,
    /// Inside quotes.
    Quoted,
    /// After a quote that ends a value, or is the first of two.
    Closed,
}

impl Splitter {
    fn new(separator: u8) -> Self {
        Splitter { separator, state: State::Start, cell: Vec::new(), cells: Vec::new() }
    }

    /// Takes one line of text with its end; true when the row ends with it.
    fn feed(&mut self, line: &[u8]) -> Result<bool, &'static str> {
        let body = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        for &byte in body {
            self.state = self.step(byte)?;
        }
        if self.state == State::Quoted {
            self.cell.extend_from_slice(&line[body.len()..]);
            return Ok(false);
        }
        self.cells.push(std::mem::take(&mut self.cell));
        Ok(true)
    }

    fn step(&mut self, byte: u8) -> Result<State, &'static str> {
        match (self.state, byte) {
            (State::Start, b'"') => Ok(State::Quoted),
            (State::Quoted, b'"') => Ok(State::Closed),
            (State::Closed, b'"') => {
                self.cell.push(b'"');
                Ok(State::Quoted)
            }
            (State::Quoted, _) => {
                self.cell.push(byte);
                Ok(State::Quoted)
            }
            (_, _) if byte == self.separator => {
                self.cells.push(std::mem::take(&mut self.cell));
                Ok(State::Start)
            }
            (State::Closed, _) => {
                Err("text follows the `\"` that ends a value; write `\"\"` for a quote inside quotes")
            }
            (State::Start | State::Bare, _) => {
                self.cell.push(byte);
                Ok(State::Bare)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Row, line, cells.
    type Read = (u64, u64, Vec<Vec<u8>>);

    fn read(text: &[u8]) -> Result<Vec<Read>, String> {
        let mut reader = CsvReader::new(text);
        let mut rows = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(row)) => rows.push((row.place.row, row.place.line, row.cells)),
                Ok(None) => return Ok(rows),
                Err(Stop::Fault(fault)) => return Err(fault.to_string()),
                Err(Stop::Io(error)) => panic!("{error}"),
            }
        }
    }

    fn row(row: u64, line: u64, cells: &[&str]) -> Read {
        (row, line, cells.iter().map(|cell| cell.as_bytes().to_vec()).collect())
    }

    #[test]
    fn marks_line_ends_and_empty_lines() {
        let text = "\u{feff}a,b\r\n1,\r\n\r\n\"x\r\ny\",\"say \"\"hi\"\"\"\n5\" print,z";
        let rows = [
            row(1, 1, &["a", "b"]),
            row(2, 2, &["1", ""]),
            row(4, 4, &["x\r\ny", "say \"hi\""]),
            row(5, 6, &["5\" print", "z"]),
        ];
        assert_eq!(read(text.as_bytes()).unwrap(), rows);
    }

    #[test]
    fn the_header_tells_the_separator() {
        for (header, cells) in [("a;b,c;d", 3), ("a\tb", 2), ("\"a;b;c\",d", 2), ("a", 1), ("a,b;c,d", 3)] {
            assert_eq!(read(header.as_bytes()).unwrap()[0].2.len(), cells, "{header}");
        }
    }

    #[test]
    fn broken_quotes_are_named_with_the_row_where_they_open() {
        let open = read(b"a,b\n1,2\n3,\"4\n5,6\n").unwrap_err();
        assert!(open.starts_with("row 3, a value begins with"), "{open}");
        let after = read(b"a,b\n\"1\"x,2\n").unwrap_err();
        assert!(after.starts_with("row 2, text follows"), "{after}");
        assert!(read(b"\xff\xfea\0").unwrap_err().contains("UTF-16"));
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_back(
            rows in proptest::collection::vec(proptest::collection::vec("[a\",;\r\n é]{0,6}", 3), 1..8)
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["first", "second", "third"]).unwrap();
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let text = writer.into_inner().unwrap();
            let read: Vec<_> = read(&text).unwrap().into_iter().skip(1).map(|(_, _, cells)| cells).collect();
            let written: Vec<Vec<Vec<u8>>> =
                rows.iter().map(|row| row.iter().map(|cell| cell.as_bytes().to_vec()).collect()).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn any_bytes_are_rows_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            // An answer of either kind will do; what must not come is a panic or an endless loop.
            let _ = read(&bytes);
        }
    }
}
