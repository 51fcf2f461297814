//! The shop that the faults meet: records, uploads that came before, and uploads that were acknowledged and not yet looked
//! at; and what must hold of it afterwards, whatever happened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use reunite::catalogue::Catalogue;
use reunite::domain::Digest;
use reunite::spool::{Endpoint, Settings, Spool};
use reunite::store::Blobs;
use reunite::tree::TreePath;

use crate::support::{Shop, fixture, thumbnail};

/// The row of a record whose thumbnail is made on the way.
pub fn record(shop: &Shop, name: &str) -> String {
    let picture = fixture(&format!("originals/{name}"));
    let bytes = std::fs::read(&picture).unwrap();
    let header = reunite::decode::read_header(&bytes, &reunite::decode::Limits::default()).unwrap();
    let (width, height) = header.upright_size();
    let stem = name.split('.').next().unwrap();
    std::fs::write(shop.thumbs().join(format!("{stem}.jpg")), thumbnail(&picture, 200)).unwrap();
    format!("R-{stem},anna,{stem}.jpg,{name},{width},{height},{}\n", bytes.len())
}

/// A shop with one record for each of these originals, and a customer who can sign in.
pub fn shop_of(originals: &[&str]) -> Shop {
    let shop = Shop::new();
    shop.ok(["init"]);
    let rows: String = originals.iter().map(|name| record(&shop, name)).collect();
    shop.import(&format!("record,customer,thumbnail,filename,width,height,bytes\n{rows}"));
    shop.ok_with_input(["customer", "passwd", "anna"], "secret\n");
    shop
}

/// A folder with these fixtures under these names.
pub fn dump(shop: &Shop, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = shop.scratch().join(name);
    for (from, to) in files {
        let to = folder.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(fixture(from), to).unwrap();
    }
    folder
}

/// Receives these fixtures under these names and acknowledges them, as an endpoint does, and looks at none of them.
pub fn receive(shop: &Shop, files: &[(&str, &str)]) {
    let data = shop.data();
    let catalogue = Arc::new(Catalogue::open(&data.join("catalogue.sqlite")).unwrap());
    let customer = catalogue.read(|tx| tx.customer_named("anna")).unwrap().unwrap().id;
    let blobs = Blobs::new(data.join("blobs"));
    let (spool, _) = Spool::open(&data.join("spool"), Arc::clone(&catalogue), blobs, Settings::default()).unwrap();
    for (from, to) in files {
        let path = TreePath::resolve(&TreePath::root(), to.as_bytes()).unwrap();
        spool.receive_file(customer, &path, Endpoint::Ftp, &fixture(from)).unwrap();
    }
    drop(spool);
    // The threads of the spool let go of the catalogue a moment after they have answered; whoever copies the data folder
    // next would see its files vanish.
    while Arc::strong_count(&catalogue) > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A second shop with the data folder of the first as it is now.
pub fn copy_of(shop: &Shop) -> Shop {
    let copy = Shop::new();
    let copied = Command::new("cp").arg("-a").arg(shop.data()).arg(copy.scratch()).status().unwrap();
    assert!(copied.success());
    copy
}

/// One number that the catalogue answers.
pub fn count(shop: &Shop, sql: &str) -> i64 {
    let catalogue = rusqlite::Connection::open(shop.data().join("catalogue.sqlite")).unwrap();
    catalogue.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    catalogue.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Files below `folder`, relative to it, with their digests; the stores' markers are not meant.
pub fn files_below(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != ".reunite-store" {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, Digest::of(&std::fs::read(&path).unwrap()).to_string());
            }
        }
    }
    found
}

/// Everything received is decided once, every original that stands is there byte for byte, and nothing else lies about.
#[track_caller]
pub fn check_whole(shop: &Shop) {
    let zero = |sql: &str| assert_eq!(count(shop, sql), 0, "{sql}");
    zero("SELECT count(*) FROM uploads WHERE state <> 'decided'");
    zero("SELECT count(*) FROM attachments WHERE state NOT IN ('standing', 'ended')");
    zero(
        "SELECT count(*) FROM (SELECT record FROM attachments WHERE state = 'standing' GROUP BY record HAVING count(*) > 1)",
    );
    // Each link that ever stood was told of once, and no other was.
    zero(
        "SELECT (SELECT count(*) FROM events WHERE kind = 'attached') - \
         (SELECT count(*) FROM attachments WHERE placed_at IS NOT NULL)",
    );
    zero("SELECT count(*) FROM (SELECT 1 FROM attachments GROUP BY record, digest, object_key HAVING count(*) > 1)");
    let mut spooled = files_below(&shop.data().join("spool"));
    // What lies there has its files and rows, and is written over.
    spooled.retain(|name, _| !name.starts_with("journal/"));
    assert_eq!(spooled, BTreeMap::new(), "nothing stays in the spool");

    let catalogue = rusqlite::Connection::open(shop.data().join("catalogue.sqlite")).unwrap();
    let standing: BTreeMap<String, String> =
        pairs(&catalogue, "SELECT object_key, lower(hex(digest)) FROM attachments WHERE state = 'standing'")
            .into_iter()
            .collect();
    assert_eq!(files_below(&shop.data().join("originals")), standing, "the originals store holds what stands");
    let received: BTreeSet<String> =
        pairs(&catalogue, "SELECT lower(hex(sha256)), '' FROM uploads").into_iter().map(|(digest, _)| digest).collect();
    let kept: BTreeMap<String, String> = files_below(&shop.data().join("blobs"));
    assert!(kept.iter().all(|(name, digest)| name.ends_with(digest.as_str())), "{kept:?}");
    assert_eq!(kept.into_values().collect::<BTreeSet<_>>(), received, "every byte received is kept");
}

fn pairs(catalogue: &rusqlite::Connection, sql: &str) -> Vec<(String, String)> {
    let mut statement = catalogue.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The report of what was decided, without moments and ids.
pub fn decided(shop: &Shop) -> String {
    shop.ok(["report", "matches", "--format", "csv", "--stable"])
}

/// `reunite ARGUMENTS` under strace with these faults injected. The process that is started is the program itself, so its
/// id is the one to kill.
pub fn with_faults(shop: &Shop, inject: &[String], arguments: &[&str]) -> Command {
    with_faults_on(shop, inject, None, arguments)
}

/// The same, where only calls on `file` fail, if it is given, and no others are counted; [`trace_of`] then has them.
pub fn with_faults_on(shop: &Shop, inject: &[String], file: Option<&Path>, arguments: &[&str]) -> Command {
    let trace = if file.is_some() { trace_of(shop) } else { "/dev/null".into() };
    let mut words = vec!["-D".to_owned(), "-f".into(), "-qq".into(), "-o".into(), trace.display().to_string()];
    // Nothing is to be traced but what is to fail: each stop costs time.
    let calls: BTreeSet<&str> = inject.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    words.push(format!("--trace={}", calls.into_iter().collect::<Vec<_>>().join(",")));
    words.extend(inject.iter().map(|fault| format!("--inject={fault}")));
    words.extend(file.map(|file| format!("--trace-path={}", file.display())));
    let plain = shop.command(arguments);
    let mut command = Command::new("strace");
    command.args(words).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("NO_COLOR", "1");
    command
}

/// Where the calls on a single file are written down, a line each.
pub fn trace_of(shop: &Shop) -> PathBuf {
    shop.scratch().join("trace")
}

/// Fails where strace is not to be had or may not trace.
#[track_caller]
pub fn need_strace() {
    let tried = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "--trace=fsync", "true"]).output();
    let works = tried.as_ref().is_ok_and(|tried| tried.status.success());
    assert!(works, "strace is needed and does not work here ({tried:?}); `bash tests/all faults` installs it");
}

/// Whether every fault is to be tried, and not a selection.
pub fn all_of_them() -> bool {
    std::env::var_os("REUNITE_TESTS_FULL").is_some_and(|set| !set.is_empty())
}
