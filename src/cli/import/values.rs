//! From named values to what a record is: numbers, digests, keys, each checked.

use std::collections::BTreeMap;

use serde_json::{Map as Object, Value};

use super::columns::{Field, Map};
use super::fault::{Fault, Faults, Place};
use super::rows::{Given, SourceRow};
use crate::catalogue::{RecordFacts, Role};
use crate::cli::customer::check_name;
use crate::domain::{Digest, ETag, NotAnETag, unhex};
use crate::store::ObjectKey;

/// Longest name of a record in bytes.
const RECORD_BYTES_MAX: usize = 1024;

/// What a row does to one fact: leaves it, takes it away, or sets it.
type Change<T> = Option<Option<T>>;

/// What a row says of a record's original.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GivenFacts {
    filename: Change<String>,
    width: Change<i64>,
    height: Change<i64>,
    bytes: Change<i64>,
    sha256: Change<Digest>,
    md5: Change<[u8; 16]>,
    etag: Change<ETag>,
    taken_at: Change<String>,
    original_key: Change<String>,
    extra: Object<String, Value>,
}

impl GivenFacts {
    /// What is known once these are laid over `known`.
    pub fn over(&self, known: &RecordFacts) -> RecordFacts {
        fn lay<T: Clone>(change: &Change<T>, known: &Option<T>) -> Option<T> {
            change.clone().unwrap_or_else(|| known.clone())
        }
        // What is kept as text was an object when an import wrote it; of a new record it is empty.
        let mut extra: Object<String, Value> = serde_json::from_str(&known.extra).unwrap_or_default();
        extra.extend(self.extra.clone());
        RecordFacts {
            filename: lay(&self.filename, &known.filename),
            width: lay(&self.width, &known.width),
            height: lay(&self.height, &known.height),
            bytes: lay(&self.bytes, &known.bytes),
            sha256: lay(&self.sha256, &known.sha256),
            md5: lay(&self.md5, &known.md5),
            etag: lay(&self.etag, &known.etag),
            taken_at: lay(&self.taken_at, &known.taken_at),
            original_key: lay(&self.original_key, &known.original_key),
            extra: Value::Object(extra).to_string(),
        }
    }
}

/// One row, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// Where it stands.
    pub place: Place,
    /// The shop's identifier.
    pub record: String,
    /// Whose record it is.
    pub customer: String,
    /// What it says of the original.
    pub facts: GivenFacts,
    /// Where its renditions are: paths or `data:` URIs. A role that the row does not give is absent.
    pub pictures: BTreeMap<Role, String>,
}

/// Understands a row; what is wrong with it goes to `faults`.
pub(super) fn describe(row: SourceRow, map: &Map, faults: &mut Faults) -> Option<Described> {
    let mut reader = Reader { place: row.place, given: row.given, map, faults, good: true };
    let record = reader.required(Field::Record, check_record);
    let customer = reader.required(Field::Customer, check_name);
    let facts = GivenFacts {
        filename: reader.change(Field::Filename, |text| Ok(text.to_owned())),
        width: reader.change(Field::Width, whole_number),
        height: reader.change(Field::Height, whole_number),
        bytes: reader.change(Field::Bytes, whole_number),
        sha256: reader.change(Field::Sha256, |text| digest::<32>(text).map(Digest)),
        md5: reader.change(Field::Md5, digest::<16>),
        etag: reader.change(Field::Etag, |text| text.parse().map_err(|error: NotAnETag| error.to_string())),
        taken_at: reader.change(Field::TakenAt, |text| Ok(text.trim().to_owned())),
        original_key: reader.change(Field::Original, |key| {
            ObjectKey::parse(key).map(|key| key.to_string()).map_err(|error| error.to_string())
        }),
        extra: row.extra,
    };
    let mut pictures = BTreeMap::new();
    for (role, field) in [(Role::Thumbnail, Field::Thumbnail), (Role::Preview, Field::Preview)] {
        if let Some(Some(source)) = reader.change(field, |text| Ok(text.to_owned())) {
            pictures.insert(role, source);
        }
    }
    let good = reader.good;
    Some(Described { place: row.place, record: record?, customer: customer?, facts, pictures }).filter(|_| good)
}

struct Reader<'a> {
    place: Place,
    given: BTreeMap<Field, Given>,
    map: &'a Map,
    faults: &'a mut Faults,
    good: bool,
}

impl Reader<'_> {
    fn required(&mut self, field: Field, check: fn(&str) -> Result<(), &'static str>) -> Option<String> {
        let text = match self.given.remove(&field) {
            Some(Given::Text(text)) => text,
            Some(Given::Null) | None => String::new(),
        };
        match check(&text) {
            Ok(()) => Some(text),
            Err(says) => {
                let says = format!("{says}; each row names its {}", field.name());
                self.fault(field, &text, says);
                None
            }
        }
    }

    fn change<T>(&mut self, field: Field, parse: impl FnOnce(&str) -> Result<T, String>) -> Change<T> {
        match self.given.remove(&field)? {
            Given::Null => Some(None),
            Given::Text(text) => match parse(&text) {
                Ok(value) => Some(Some(value)),
                Err(says) => {
                    self.fault(field, &text, says);
                    None
                }
            },
        }
    }

    fn fault(&mut self, field: Field, value: &str, says: String) {
        self.faults.add(Fault::value(self.place, self.map.column(field), value.as_bytes(), says));
        self.good = false;
    }
}

fn check_record(name: &str) -> Result<(), &'static str> {
    match name {
        _ if name.trim().is_empty() => Err("it is empty"),
        _ if name.len() > RECORD_BYTES_MAX => Err("it is longer than 1024 bytes"),
        _ if name.chars().any(char::is_control) => Err("it has a control character"),
        _ => Ok(()),
    }
}

fn whole_number(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let says = "it is not a whole number above 0; write digits only, or leave it empty when it is not known";
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(says.into());
    }
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| says.into())
}

fn digest<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], String> {
    unhex(text.trim()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        let kind = if BYTES == 16 { "an MD5" } else { "a SHA-256" };
        format!(
            "it is not {kind} digest; write {} hexadecimal digits, or leave it empty when it is not known",
            BYTES * 2
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(values: &[(Field, &str)]) -> Result<Described, String> {
        let mut faults = Faults::default();
        let given = values.iter().map(|(field, text)| (*field, Given::Text((*text).to_owned()))).collect();
        let row = SourceRow { place: Place { row: 2, line: 2 }, given, ..SourceRow::default() };
        describe(row, &Map::default(), &mut faults).ok_or_else(|| faults.message("f"))
    }

    #[test]
    fn bad_values_are_named_with_row_column_and_value() {
        let base = [(Field::Record, "r1"), (Field::Customer, "alice")];
        assert!(described(&base).is_ok());
        for (field, value, says) in [
            (Field::Width, "12x", "column `width`, value `12x`: it is not a whole number"),
            (Field::Height, "0", "column `height`, value `0`: it is not a whole number above 0"),
            (Field::Bytes, "1e9", "column `bytes`, value `1e9`"),
            (Field::Bytes, "99999999999999999999", "column `bytes`"),
            (Field::Sha256, "abc", "value `abc`: it is not a SHA-256 digest; write 64"),
            (Field::Md5, "zz", "value `zz`: it is not an MD5 digest; write 32"),
            (Field::Etag, "W/\"12\"", "column `etag`, value `W/\"12\"`: it is a weak ETag"),
            (Field::Etag, "12-3", "value `12-3`: it is not an ETag of an S3 store; write 32"),
            (Field::Original, "../x", "column `original`, value `../x`"),
        ] {
            let error = described(&[base[0], base[1], (field, value)]).unwrap_err();
            assert!(
                error.contains(&format!("row 2, {}", says.split(": ").next().unwrap())) || error.contains(says),
                "{error}"
            );
            assert!(error.contains(says), "{error}");
        }
        assert!(described(&[(Field::Record, "r")]).unwrap_err().contains("column `customer`, value ``: it is empty"));
        assert!(described(&[(Field::Record, "a\u{1}"), base[1]]).unwrap_err().contains(r"value `a\x01`"));
    }

    #[test]
    fn what_is_not_given_stays_and_null_takes_away() {
        let known = RecordFacts {
            filename: Some("a.jpg".into()),
            width: Some(10),
            height: Some(20),
            extra: r#"{"colour":"red","size":"L"}"#.into(),
            ..RecordFacts::default()
        };
        let given = GivenFacts {
            width: Some(Some(11)),
            height: Some(None),
            extra: Object::from_iter([("size".to_owned(), Value::from("M"))]),
            ..GivenFacts::default()
        };
        let now = given.over(&known);
        assert_eq!((now.filename.as_deref(), now.width, now.height), (Some("a.jpg"), Some(11), None));
        assert_eq!(now.extra, r#"{"colour":"red","size":"M"}"#);
        assert_eq!(given.over(&now), now, "laying the same over it again changes nothing");
    }
}
