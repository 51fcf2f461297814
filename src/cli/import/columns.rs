//! Which columns the import knows, what the file calls them, and what becomes of the others.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::fault::Fault;

/// A column with a meaning. Any other is kept and given back in reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Record,
    Customer,
    Thumbnail,
    Preview,
    Filename,
    Width,
    Height,
    Bytes,
    Sha256,
    Md5,
    Etag,
    TakenAt,
    Original,
}

impl Field {
    /// All of them, the required ones first.
    pub const ALL: [Field; 13] = [
        Field::Record,
        Field::Customer,
        Field::Thumbnail,
        Field::Preview,
        Field::Filename,
        Field::Width,
        Field::Height,
        Field::Bytes,
        Field::Sha256,
        Field::Md5,
        Field::Etag,
        Field::TakenAt,
        Field::Original,
    ];

    /// Those that no file may lack.
    pub const REQUIRED: [Field; 3] = [Field::Record, Field::Customer, Field::Thumbnail];

    /// The column's name, unless `--map` gives it another.
    pub fn name(self) -> &'static str {
        match self {
            Field::Record => "record",
            Field::Customer => "customer",
            Field::Thumbnail => "thumbnail",
            Field::Preview => "preview",
            Field::Filename => "filename",
            Field::Width => "width",
            Field::Height => "height",
            Field::Bytes => "bytes",
            Field::Sha256 => "sha256",
            Field::Md5 => "md5",
            Field::Etag => "etag",
            Field::TakenAt => "taken_at",
            Field::Original => "original",
        }
    }
}

/// `--map`: what the file calls the columns with a meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Map(BTreeMap<Field, String>);

impl FromStr for Map {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        for pair in text.split(',') {
            let (field, column) =
                pair.split_once('=').ok_or_else(|| format!("`{pair}` is not of the form record=record_id"))?;
            let field = Field::ALL.into_iter().find(|known| known.name() == field.trim()).ok_or_else(|| {
                format!("`{field}` is no column that has a meaning; those are {}", list(Field::ALL.map(Field::name)))
            })?;
            if column.trim().is_empty() {
                return Err(format!("`{pair}` names no column of the file"));
            }
            if map.insert(field, column.trim().to_owned()).is_some() {
                return Err(format!("`{}` is given twice", field.name()));
            }
        }
        Ok(Map(map))
    }
}

impl Map {
    /// What the file calls `field`.
    pub fn column(&self, field: Field) -> &str {
        self.0.get(&field).map_or(field.name(), String::as_str)
    }

    /// The meaning of a column of the file, if it has one.
    pub fn field(&self, column: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|&field| self.column(field).eq_ignore_ascii_case(column))
    }

    /// What is wrong with a file that has these columns: one that is mapped or required and not there.
    pub fn faults<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> Vec<Fault> {
        let columns: Vec<&str> = columns.into_iter().collect();
        let absent = |field: &Field| !columns.iter().any(|column| self.column(*field).eq_ignore_ascii_case(column));
        let has = format!("the columns there are: {}", list(columns.iter().copied()));
        Field::ALL
            .into_iter()
            .filter(absent)
            .filter_map(|field| match self.0.get(&field) {
                Some(column) => {
                    Some(format!("--map {}={column} names a column that is not there; {has}", field.name()))
                }
                None if Field::REQUIRED.contains(&field) => Some(format!(
                    "there is no column `{0}`; {has}; say which one it is with --map {0}=COLUMN",
                    field.name()
                )),
                None => None,
            })
            .map(Fault::file)
            .collect()
    }
}

fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| crate::report::text::visible(name.as_bytes())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_renames_columns() {
        let map: Map = "record=record_id, thumbnail = thumb".parse().unwrap();
        assert_eq!(map.field("record_id"), Some(Field::Record));
        assert_eq!(map.field("Thumb"), Some(Field::Thumbnail));
        assert_eq!(map.field("record"), None, "the name that was mapped away has no meaning any more");
        assert_eq!(map.field("customer"), Some(Field::Customer));
        assert!(map.faults(["RECORD_ID", "customer", "thumb", "more"]).is_empty());
    }

    #[test]
    fn a_map_that_says_nothing_is_refused() {
        for bad in ["record", "recrod=id", "record=", "record=a,record=b", ""] {
            assert!(bad.parse::<Map>().is_err(), "{bad}");
        }
        assert!("recrod=id".parse::<Map>().unwrap_err().contains("record, customer, thumbnail"));
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let map: Map = "record=id".parse().unwrap();
        let faults: Vec<String> = map.faults(["nr", "customer"]).iter().map(Fault::to_string).collect();
        assert_eq!(
            faults,
            [
                "--map record=id names a column that is not there; the columns there are: nr, customer",
                "there is no column `thumbnail`; the columns there are: nr, customer; say which one it is with --map thumbnail=COLUMN",
            ]
        );
    }
}
