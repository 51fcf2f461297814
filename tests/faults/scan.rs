//! `scan` beside a running server: it hands the files over and waits.

use crate::setting::{check_whole, count, decided, dump, files_below, shop_of};

const FILES: [(&str, &str); 4] = [
    ("originals/harbour.jpg", "Bilder/alt/DSC 01.jpg"),
    ("originals/tulips.jpg", "tulips.jpg"),
    ("originals/smile-2.jpg", "smile-1.jpg"),
    ("malformed/empty.jpg", "leer.jpg"),
];

#[test]
fn scan_beside_a_server_comes_to_the_same() {
    let records = ["harbour.jpg", "tulips.jpg", "smile-1.jpg"];
    let alone = shop_of(&records);
    let folder = dump(&alone, "disk", &FILES);
    alone.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);

    let beside = shop_of(&records);
    let folder = dump(&beside, "disk", &FILES);
    let before = files_below(&folder);
    let server = beside.serve_with(&[("REUNITE_RECEIVE_INBOX_QUIET_SECONDS", "1")]);
    beside.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);
    assert_eq!(count(&beside, "SELECT count(*) FROM uploads WHERE state = 'decided'"), 4, "it waited for all");
    assert_eq!(files_below(&folder), before, "what was scanned stays as it is");
    assert_eq!(files_below(&beside.data().join("inbox")).len(), 0, "the inbox is empty again");
    server.stop();
    check_whole(&beside);
    assert_eq!(decided(&beside), decided(&alone));
}

/// What was taken in is known the next time, whichever way it came.
#[test]
fn a_second_scan_beside_a_server_takes_in_nothing() {
    let shop = shop_of(&["harbour.jpg", "tulips.jpg"]);
    let folder = dump(&shop, "disk", &FILES);
    let disk = folder.to_str().unwrap();
    shop.ok(["scan", disk, "--customer", "anna"]);
    let expected = decided(&shop);
    let server = shop.serve_with(&[("REUNITE_RECEIVE_INBOX_QUIET_SECONDS", "1")]);
    shop.ok(["scan", disk, "--customer", "anna"]);
    assert_eq!(count(&shop, "SELECT count(*) FROM uploads"), 4, "all were there already");
    std::fs::copy(crate::support::fixture("originals/stag.jpg"), folder.join("new.jpg")).unwrap();
    shop.ok(["scan", disk, "--customer", "anna"]);
    assert_eq!(count(&shop, "SELECT count(*) FROM uploads"), 5, "the new one is taken in, and no other");
    server.stop();
    check_whole(&shop);
    assert_eq!(decided(&shop), expected);
}
