//! A folder of hostile names to upload, and what the catalogue holds of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::Shop;

/// Path in bytes -> digest in hexadecimal and size in bytes.
pub type Files = BTreeMap<Vec<u8>, (String, i64)>;

/// Makes `folder` full of hostile names, leaving out the classes that a client cannot send.
pub fn hostile(folder: &Path, without: &[&str]) -> Files {
    let mut command = Command::new("/usr/bin/python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/hostile_tree.py")).arg(folder);
    for class in without {
        command.args(["--without", class]);
    }
    let listed = succeed(&mut command);
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
    let file = |row: &serde_json::Value| {
        let path = BASE64_STANDARD.decode(row["path_base64"].as_str().unwrap()).unwrap();
        (path, (row["sha256"].as_str().unwrap().to_owned(), row["size"].as_i64().unwrap()))
    };
    let files: Files = rows.iter().map(file).collect();
    assert!(!files.is_empty());
    files
}

/// The last upload at each path below `prefix`, without it.
pub fn received(shop: &Shop, prefix: &str) -> Files {
    let catalogue = rusqlite::Connection::open(shop.data().join("catalogue.sqlite")).unwrap();
    let mut statement = catalogue.prepare("SELECT path, hex(sha256), size FROM uploads ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, (row.get::<_, String>(1)?, row.get(2)?))));
    let mut files = Files::new();
    for row in rows.unwrap() {
        let (path, (digest, size)): (Vec<u8>, (String, i64)) = row.unwrap();
        if let Some(below) = path.strip_prefix(prefix.as_bytes()) {
            files.insert(below.to_vec(), (digest.to_lowercase(), size));
        }
    }
    files
}

/// Compares path by path, so that a failure names the first that differs.
#[track_caller]
pub fn assert_same(received: &Files, sent: &Files) {
    for (path, file) in sent {
        assert_eq!(received.get(path), Some(file), "{}", path.escape_ascii());
    }
    for path in received.keys() {
        assert!(sent.contains_key(path), "never sent: {}", path.escape_ascii());
    }
}

/// Runs a client to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Output {
    match command.output() {
        Ok(output) => output,
        Err(fault) => {
            panic!("{:?} cannot be run: {fault}; `bash tests/all clients` installs it", command.get_program())
        }
    }
}

/// Runs a client that must succeed.
#[track_caller]
pub fn succeed(command: &mut Command) -> Output {
    let output = run(command);
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {:?}\n{printed}\n{said}", output.status);
    output
}
