//! A data folder of their own for the tests of receiving: a real catalogue, a real spool, two customers.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Endpoint, Incoming, Recovered, Settings, Spool, Start};
use crate::catalogue::{Catalogue, Upload};
use crate::domain::{CustomerId, Digest, UploadId};
use crate::store::Blobs;
use crate::tree::{Tree, TreeError, TreePath};

pub(crate) const ALICE: CustomerId = CustomerId(1);
pub(crate) const BOB: CustomerId = CustomerId(2);

pub(crate) struct Scratch {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) recovered: Recovered,
    folder: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Scratch::with(Settings { min_free: Some(0), ..Settings::default() })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (catalogue, spool, recovered) = open(folder.path(), settings);
        for (id, name) in [(ALICE, "alice"), (BOB, "bob")] {
            let sql = format!("INSERT INTO customers (id, name, created_at) VALUES ({id}, '{name}', 0)");
            sql_in(folder.path()).execute(&sql, ()).unwrap();
        }
        Scratch { catalogue, spool, recovered, folder }
    }

    /// What a start after a crash makes of the same folder. Transfers that are still open must have been forgotten.
    pub(crate) fn restarted(self) -> Self {
        let Scratch { catalogue, spool, folder, .. } = self;
        let settings = spool.settings().clone();
        drop((catalogue, spool));
        let (catalogue, spool, recovered) = open(folder.path(), settings);
        Scratch { catalogue, spool, recovered, folder }
    }

    /// What a start makes of another folder, which was made to look like this one after a crash.
    pub(crate) fn started_in(&self, folder: tempfile::TempDir) -> Self {
        let (catalogue, spool, recovered) = open(folder.path(), self.spool.settings().clone());
        Scratch { catalogue, spool, recovered, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn spool_files(&self) -> Vec<PathBuf> {
        let items = std::fs::read_dir(self.folder().join("spool")).unwrap();
        items.map(|item| item.unwrap().path()).filter(|path| path.is_file()).collect()
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree::new(self.catalogue.clone(), self.spool.clone(), ALICE)
    }

    pub(crate) fn begin(&self, at: &str, start: Start) -> Result<Incoming, TreeError> {
        self.spool.begin(ALICE, &path(at), Endpoint::Ftp, start)
    }

    /// Receives `bytes` as the whole file `at`.
    pub(crate) fn put(&self, at: &str, bytes: &[u8]) -> Result<UploadId, TreeError> {
        let mut incoming = self.begin(at, Start::New)?;
        incoming.write(bytes)?;
        incoming.finish()
    }

    /// Sends `bytes` to `at`, and then the connection dies.
    pub(crate) fn cut(&self, at: &str, start: Start, bytes: &[u8]) {
        let mut incoming = self.begin(at, start).unwrap();
        incoming.write(bytes).unwrap();
        incoming.interrupt().unwrap();
    }

    pub(crate) fn get(&self, at: &str) -> Vec<u8> {
        let (mut file, size) = self.tree().open_read(&path(at)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, size);
        bytes
    }

    /// The row of an upload, after its bytes were held against it.
    pub(crate) fn upload(&self, id: UploadId) -> Upload {
        let row = self.catalogue.read(|tx| tx.upload(id)).unwrap().unwrap();
        let (mut file, _) = self.spool.open_upload(id).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!((row.size, row.sha256), (bytes.len() as u64, Digest::of(&bytes)));
        row
    }

    pub(crate) fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        sql_in(self.folder()).query_row(&sql, (), |row| row.get(0)).unwrap()
    }

    pub(crate) fn sql(&self, statement: &str) {
        sql_in(self.folder()).execute_batch(statement).unwrap();
    }
}

pub(crate) fn open(folder: &Path, settings: Settings) -> (Arc<Catalogue>, Arc<Spool>, Recovered) {
    let catalogue = Arc::new(Catalogue::open(&folder.join("catalogue.sqlite")).unwrap());
    let blobs = Blobs::new(folder.join("blobs"));
    blobs.adopt().unwrap();
    let (spool, recovered) = Spool::open(&folder.join("spool"), catalogue.clone(), blobs, settings).unwrap();
    (catalogue, spool, recovered)
}

fn sql_in(folder: &Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(folder.join("catalogue.sqlite")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection
}

pub(crate) fn path(text: &str) -> TreePath {
    TreePath::resolve(&TreePath::root(), text.as_bytes()).unwrap()
}
