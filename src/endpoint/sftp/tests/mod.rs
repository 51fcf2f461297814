//! Sessions as a client drives them: requests against the files, and whole connections over SSH.

mod checks;
mod requests;
mod ssh;

use std::path::Path;
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::domain::CustomerId;
use crate::endpoint::login::hash_password;
use crate::spool::{Settings, Spool};
use crate::store::Blobs;
use crate::tree::{Tree, TreePath};

/// A data folder with the customer `anna`, whose password is `secret`.
struct Shop {
    folder: tempfile::TempDir,
    catalogue: Arc<Catalogue>,
    spool: Arc<Spool>,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Arc::new(Catalogue::open(&folder.path().join("catalogue.sqlite")).unwrap());
        let hash = hash_password(b"secret").unwrap();
        rows(folder.path())
            .execute(
                "INSERT INTO customers (id, name, password_hash, disabled, created_at) VALUES (7, 'anna', ?1, 0, 0)",
                [hash],
            )
            .unwrap();
        let spool = open_spool(folder.path(), &catalogue);
        Shop { folder, catalogue, spool }
    }

    fn tree(&self) -> Tree {
        Tree::new(Arc::clone(&self.catalogue), Arc::clone(&self.spool), CustomerId(7))
    }

    /// The bytes of the current upload at `path`.
    fn bytes(&self, path: &str) -> Vec<u8> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        self.tree().open_read(&at(path)).unwrap().0.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn count(&self, sql: &str) -> i64 {
        rows(self.folder.path()).query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn uploads(&self) -> i64 {
        self.count("SELECT count(*) FROM uploads")
    }
}

fn open_spool(folder: &Path, catalogue: &Arc<Catalogue>) -> Arc<Spool> {
    let settings = Settings { min_free: Some(0), ..Settings::default() };
    let blobs = Blobs::new(folder.join("blobs"));
    blobs.adopt().unwrap();
    Spool::open(&folder.join("spool"), Arc::clone(catalogue), blobs, settings).unwrap().0
}

fn rows(folder: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.join("catalogue.sqlite")).unwrap()
}

fn at(path: &str) -> TreePath {
    TreePath::resolve(&TreePath::root(), path.as_bytes()).unwrap()
}
