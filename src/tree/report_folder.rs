//! `reunite-report/`: a read-only folder in each customer's tree, whose files are written when they are asked for.
//!
//! Owns where the folder stands and that nothing is written there. What its files say is said by `report`. It is shown
//! to customers who have records; its name is taken from the others as well, so that nothing of theirs is hidden later.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use super::{Entry, Tree, TreeError, TreePath};
use crate::catalogue::Tx;
use crate::domain::{CustomerId, EntryId, Micros};
use crate::report::{IN_TREE, InTreeError, in_tree};

/// The folder's name, at the root.
pub(crate) const NAME: &[u8] = b"reunite-report";

/// Whether `path` is the folder or lies in it.
pub(crate) fn is_in(path: &TreePath) -> bool {
    path.parts().first().is_some_and(|first| first == NAME)
}

/// Refuses a change of the folder or of anything in it.
pub(crate) fn refuse(path: &TreePath) -> Result<(), TreeError> {
    if is_in(path) { Err(TreeError::ReadOnly(path.clone())) } else { Ok(()) }
}

/// What of the folder a path means.
enum Part {
    Folder,
    File(&'static str),
}

fn part(path: &TreePath) -> Option<Part> {
    match path.parts() {
        [folder] if folder == NAME => Some(Part::Folder),
        [folder, name] if folder == NAME => {
            IN_TREE.into_iter().find(|file| file.as_bytes() == name.as_slice()).map(Part::File)
        }
        _ => None,
    }
}

impl Tree {
    /// The folder's entry, for a listing of the root.
    pub(super) fn report_entry(&self) -> Result<Option<Entry>, TreeError> {
        let shown = self.spool.settings().report && self.catalogue.read(|tx| tx.has_records(self.customer))?;
        Ok(shown.then(|| entry(NAME, 0, true)))
    }

    /// What is at `path`, which is in the folder.
    pub(super) fn report_stat(&self, path: &TreePath) -> Result<Entry, TreeError> {
        if self.report_entry()?.is_none() {
            return Err(TreeError::NotFound(path.clone()));
        }
        match part(path) {
            Some(Part::Folder) => Ok(entry(NAME, 0, true)),
            Some(Part::File(name)) => Ok(entry(name.as_bytes(), self.report(path)?.len() as u64, false)),
            None => Err(TreeError::NotFound(path.clone())),
        }
    }

    /// The folder's files; of one of them, that one.
    pub(super) fn report_list(&self, path: &TreePath) -> Result<Vec<Entry>, TreeError> {
        let found = self.report_stat(path)?;
        if !found.directory {
            return Ok(vec![found]);
        }
        // All from one state, so that a picture is not in two lists or in none.
        let files = self.catalogue.read(|tx| {
            IN_TREE
                .iter()
                .map(|name| Ok((name, written(tx, self.customer, name, path)?)))
                .collect::<Result<Vec<_>, TreeError>>()
        })?;
        Ok(files.into_iter().map(|(name, bytes)| entry(name.as_bytes(), bytes.len() as u64, false)).collect())
    }

    /// A file of the folder, with a length that stays while it is read.
    pub(super) fn report_open(&self, path: &TreePath) -> Result<(File, u64), TreeError> {
        if self.report_stat(path)?.directory {
            return Err(TreeError::IsDirectory(path.clone()));
        }
        let bytes = self.report(path)?;
        let mut file = self.spool.unnamed_file()?;
        let kept = file.write_all(&bytes).and_then(|()| file.rewind());
        kept.map_err(|source| TreeError::io("write", "a report that is being read", source))?;
        Ok((file, bytes.len() as u64))
    }

    /// What a file of the folder says now.
    pub(super) fn report(&self, path: &TreePath) -> Result<Vec<u8>, TreeError> {
        match part(path) {
            Some(Part::File(name)) => self.catalogue.read(|tx| written(tx, self.customer, name, path)),
            Some(Part::Folder) => Err(TreeError::IsDirectory(path.clone())),
            None => Err(TreeError::NotFound(path.clone())),
        }
    }
}

fn written(tx: &Tx<'_>, customer: CustomerId, name: &str, path: &TreePath) -> Result<Vec<u8>, TreeError> {
    let found = in_tree(tx, customer, name).map_err(|fault| match fault {
        InTreeError::Catalogue(fault) => TreeError::Catalogue(fault),
        InTreeError::Write(source) => TreeError::io("write", "a report", source),
        InTreeError::Page(fault) => TreeError::io("write", "a report", std::io::Error::other(fault)),
    })?;
    found.ok_or_else(|| TreeError::NotFound(path.clone()))
}

fn entry(name: &[u8], size: u64, directory: bool) -> Entry {
    // No row has these ids, and each of these entries has its own.
    let id = IN_TREE.iter().position(|file| file.as_bytes() == name).map_or(-1, |at| -2 - at as i64);
    Entry {
        id: EntryId(id),
        name: name.to_owned(),
        directory,
        size,
        mtime: Micros::now(),
        upload: None,
        partial: false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use crate::spool::Start;
    use crate::spool::scratch::{Scratch, path};
    use crate::tree::TreeError;

    fn with_records() -> Scratch {
        let scratch = Scratch::new();
        for (id, name) in [(1, "r1"), (2, "=r2")] {
            scratch.sql(&format!(
                "INSERT INTO records (id, customer, name, filename, extra, imported_at, changed_seq) \
                 VALUES ({id}, 1, '{name}', 'a{id}.jpg', '{{\"inside\": \"secret\"}}', 0, 1)"
            ));
        }
        scratch
    }

    fn read(scratch: &Scratch, at: &str) -> String {
        let (mut file, size) = scratch.tree().open_read(&path(at)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, size);
        text
    }

    #[test]
    fn customers_with_records_find_their_report() {
        let scratch = with_records();
        scratch.put("z.jpg", b"1").unwrap();
        scratch.put("a.jpg", b"1").unwrap();
        let names = |at: &str| -> Vec<String> {
            let entries = scratch.tree().list(&path(at)).unwrap();
            entries.into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect()
        };
        assert_eq!(names("/"), ["a.jpg", "reunite-report", "z.jpg"]);
        assert_eq!(names("reunite-report"), ["came-back.csv", "missing.csv", "missing.html", "not-usable.csv"]);
        assert_eq!(names("reunite-report/missing.csv"), ["missing.csv"]);
        let missing = read(&scratch, "reunite-report/missing.csv");
        assert_eq!(missing.lines().count(), 3, "{missing}");
        assert!(
            missing.contains("r1,a1.jpg") && missing.contains("'=r2,a2.jpg") && !missing.contains("secret"),
            "{missing}"
        );
        assert!(read(&scratch, "reunite-report/missing.html").contains("2 pictures are still wanted"));
        let entry = scratch.tree().stat(&path("reunite-report/missing.csv")).unwrap();
        assert_eq!((entry.size, entry.directory), (missing.len() as u64, false));
        assert!(scratch.tree().sha256(&path("reunite-report/missing.csv")).is_ok());
    }

    #[test]
    fn it_says_what_is_true_when_it_is_read() {
        let scratch = with_records();
        scratch.sql("UPDATE records SET retired_at = 1 WHERE id = 1");
        assert!(!read(&scratch, "reunite-report/missing.csv").contains("r1"));
    }

    #[test]
    fn nothing_can_be_changed_in_it() {
        let scratch = with_records();
        scratch.put("a", b"1").unwrap();
        let tree = scratch.tree();
        let inside = path("reunite-report/missing.csv");
        for outcome in [
            scratch.put("reunite-report/x", b"1").map(|_| ()),
            scratch.begin("reunite-report/missing.csv", Start::Append).map(|_| ()),
            scratch.put("reunite-report", b"1").map(|_| ()),
            tree.make_dir(&path("reunite-report/x")),
            tree.remove_dir(&path("reunite-report")),
            tree.remove_file(&inside),
            tree.rename(&inside, &path("b")),
            tree.rename(&path("a"), &inside),
            tree.set_mtime(&inside, crate::domain::Micros(0)),
        ] {
            assert!(matches!(outcome, Err(TreeError::ReadOnly(_))), "{outcome:?}");
        }
        assert_eq!(scratch.count("uploads"), 1);
    }

    #[test]
    fn who_has_no_records_has_no_report_but_the_name_is_taken() {
        let scratch = Scratch::new();
        assert!(scratch.tree().list(&path("/")).unwrap().is_empty());
        for at in ["reunite-report", "reunite-report/missing.csv"] {
            assert!(matches!(scratch.tree().stat(&path(at)), Err(TreeError::NotFound(_))));
            assert!(matches!(scratch.tree().open_read(&path(at)), Err(TreeError::NotFound(_))));
        }
        assert!(matches!(scratch.put("reunite-report/x", b"1"), Err(TreeError::ReadOnly(_))));
    }
}
