//! A loss of power is acted by hand: the catalogue becomes what it was before, and the spool's files become anything.

use std::path::PathBuf;

use super::*;
use crate::domain::Digest;
use crate::spool::scratch::{ALICE, Scratch, path};

fn segments(scratch: &Scratch) -> Vec<PathBuf> {
    segments_in(&scratch.folder().join("spool")).unwrap()
}

/// What the disk holds of the catalogue at this moment, without its index of the log, which SQLite makes again.
fn catalogue_of(scratch: &Scratch) -> Vec<(&'static str, Vec<u8>)> {
    let read = |name| (name, std::fs::read(scratch.folder().join(name)).unwrap());
    ["catalogue.sqlite", "catalogue.sqlite-wal"].map(read).to_vec()
}

/// A start on a disk that has this of the catalogue, the journal, and of the spool's files nothing but their names.
fn after_loss_of_power(scratch: &Scratch, catalogue: &[(&str, Vec<u8>)]) -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("spool/journal");
    std::fs::create_dir_all(&journal).unwrap();
    for (name, bytes) in catalogue {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    for segment in segments(scratch) {
        std::fs::copy(&segment, journal.join(segment.file_name().unwrap())).unwrap();
    }
    for file in scratch.spool_files() {
        std::fs::write(folder.path().join("spool").join(file.file_name().unwrap()), b"").unwrap();
    }
    scratch.started_in(folder)
}

#[test]
fn what_was_acknowledged_is_there_after_a_loss_of_power_that_took_files_and_rows() {
    let scratch = Scratch::new();
    let catalogue = catalogue_of(&scratch);
    let bodies: Vec<Vec<u8>> = (1..6_usize).map(|n| vec![n as u8; n * 3001]).collect();
    std::thread::scope(|scope| {
        for (n, body) in bodies.iter().enumerate() {
            let scratch = &scratch;
            scope.spawn(move || scratch.put(&format!("d/{n}.jpg"), body).unwrap());
        }
    });
    assert_eq!(segments(&scratch).len(), 1);
    let mut scratch = after_loss_of_power(&scratch, &catalogue);
    for _ in 0..2 {
        assert_eq!(scratch.count("uploads"), 5);
        for (n, body) in bodies.iter().enumerate() {
            assert!(scratch.get(&format!("d/{n}.jpg")) == *body);
        }
        assert_eq!((scratch.recovered.orphans, segments(&scratch).len()), (0, 0));
        scratch = scratch.restarted();
    }
    let upload = scratch.put("after.jpg", b"after").unwrap();
    assert_eq!(scratch.upload(upload).endpoint, "ftp");
}

#[test]
fn what_its_customer_did_with_a_file_later_stands() {
    let scratch = Scratch::new();
    for name in ["renamed.jpg", "removed.jpg", "replaced.jpg"] {
        scratch.put(name, name.as_bytes()).unwrap();
    }
    scratch.put("replaced.jpg", b"newer").unwrap();
    scratch.tree().rename(&path("renamed.jpg"), &path("other.jpg")).unwrap();
    scratch.tree().remove_file(&path("removed.jpg")).unwrap();
    let scratch = after_loss_of_power(&scratch, &catalogue_of(&scratch));
    assert_eq!((scratch.count("uploads"), scratch.count("entries")), (4, 2));
    assert_eq!((scratch.get("other.jpg"), scratch.get("replaced.jpg")), (b"renamed.jpg".to_vec(), b"newer".to_vec()));
}

#[test]
fn what_was_moved_into_the_blob_store_does_not_come_back() {
    let scratch = Scratch::new();
    let upload = scratch.put("a.jpg", b"moved").unwrap();
    let row = scratch.upload(upload);
    let spooled = scratch.folder().join("spool").join(row.spool_file.unwrap());
    crate::store::Blobs::new(scratch.folder().join("blobs")).take(ALICE, row.sha256, &spooled).unwrap();
    let scratch = scratch.restarted();
    assert!(scratch.spool_files().is_empty(), "the row has not heard of the move");
    assert_eq!(scratch.get("a.jpg"), b"moved");
}

#[test]
fn a_record_that_is_not_whole_is_none() {
    let facts = Facts {
        customer: ALICE,
        path: b"a\xff/b.jpg".to_vec(),
        sha256: Digest::of(b"content").0,
        mtime: Some(-5),
        endpoint: "sftp".to_owned(),
        started_at: 7,
        spool_file: "0-1".to_owned(),
        nameless: false,
    };
    let mut bytes = record::head(9, &facts, 7).unwrap();
    bytes.extend_from_slice(b"content");
    let (record, length) = record::read(&bytes).unwrap();
    assert_eq!((record.number, &record.facts, &record.content[..]), (9, &facts, &b"content"[..]));
    assert_eq!(length, PAGE_BYTES);
    for at in 0..bytes.len() {
        assert_eq!(record::read(&bytes[..at]), None, "{at}");
        bytes[at] ^= 1;
        assert_eq!(record::read(&bytes), None, "{at}");
        bytes[at] ^= 1;
    }
}

#[test]
fn segments_are_filled_settled_and_written_again() {
    let scratch = Scratch::new();
    // Three times what all segments hold, so that none is new at the end.
    let body = vec![7; 250_000];
    let count = 3 * SEGMENT_BYTES * SEGMENTS_MAX as u64 / body.len() as u64 / 8;
    for n in 0..count {
        scratch.put(&format!("{n}.jpg"), &body).unwrap();
    }
    assert!((1..=SEGMENTS_MAX).contains(&segments(&scratch).len()));
    let scratch = scratch.restarted();
    assert_eq!(scratch.count("uploads"), count as i64);
}

#[test]
fn without_a_journal_each_file_is_synced_itself() {
    let scratch = Scratch::new();
    std::fs::write(scratch.folder().join("spool/journal"), b"in the way").unwrap();
    let upload = scratch.put("a.jpg", b"a").unwrap();
    assert_eq!(scratch.get("a.jpg"), b"a");
    scratch.upload(upload);
}
