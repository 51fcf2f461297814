//! A store whose disk is away: receiving goes on, nothing changes its state, and when it is back the rest is done.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::setting::{check_whole, count, decided, dump, files_below, need_strace, shop_of, with_faults_on};
use crate::support::{Server, Shop, fixture};

fn upload(server: &Server, from: &str, to: &str) {
    let sent = Command::new("curl")
        .args(["--silent", "--show-error", "--user", "anna:secret", "--ftp-create-dirs", "--upload-file"])
        .arg(fixture(from))
        .arg(format!("ftp://{}/{to}", server.ftp))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
}

#[track_caller]
fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !happened() {
        assert!(begin.elapsed() < Duration::from_secs(90), "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Takes `store` away while an original is on its way, with an empty folder in its place as a lost mount leaves it.
fn a_store_is_away(store: &str) {
    let shop: Shop = shop_of(&["harbour.jpg", "tulips.jpg"]);
    let before = dump(&shop, "before", &[("originals/tulips.jpg", "tulips.jpg")]);
    shop.ok(["scan", before.to_str().unwrap(), "--customer", "anna"]);
    let standing = "SELECT count(*) FROM attachments WHERE state = 'standing'";
    assert_eq!(count(&shop, standing), 1);

    let server = shop.serve();
    let (mounted, unmounted) = (shop.data().join(store), shop.scratch().join("unmounted"));
    std::fs::rename(&mounted, &unmounted).unwrap();
    std::fs::create_dir(&mounted).unwrap();
    upload(&server, "originals/harbour.jpg", "x/harbour.jpg");
    wait_for("a word about the store", || server.said().contains("is away"));
    assert_eq!(count(&shop, standing), 1, "no record changed its state");
    assert_eq!(count(&shop, "SELECT count(*) FROM uploads WHERE state = 'failed'"), 0);
    let said = shop.ok(["status"]);
    assert!(said.contains("is away") && said.contains(mounted.to_str().unwrap()), "{said}");
    let waited = shop.run(["wait", "--timeout", "1s"]);
    assert_eq!(waited.status.code(), Some(3), "it is still undecided");
    assert_eq!(std::fs::read_dir(&mounted).unwrap().count(), 0, "nothing was written beside the mount");

    std::fs::remove_dir(&mounted).unwrap();
    std::fs::rename(&unmounted, &mounted).unwrap();
    shop.ok(["wait", "--timeout", "2m"]);
    assert_eq!(count(&shop, standing), 2, "both originals are back");
    assert!(!shop.ok(["status"]).contains("is away"));
    server.stop();
    check_whole(&shop);
}

#[test]
fn the_originals_store_is_away() {
    a_store_is_away("originals");
}

#[test]
fn the_blob_store_is_away() {
    a_store_is_away("blobs");
}

/// The first two times that an original is copied into its store, this fails there and nowhere else. The upload was
/// acknowledged long before; nothing half is left, and it is put back without a restart.
fn putting_back_fails(fault: &str) {
    need_strace();
    let shop = shop_of(&["harbour.jpg"]);
    let any = "127.0.0.1:0";
    let serve = ["serve", "--ftp", any, "--sftp", any, "--web", any];
    // The first link of this shop is number 1.
    let temporary = shop.data().join("originals/anna/.reunite-1.tmp");
    let server = Server::start(with_faults_on(&shop, &[fault.to_owned()], Some(&temporary), &serve));
    upload(&server, "originals/harbour.jpg", "harbour.jpg");
    wait_for("a word about the failure", || server.said().contains(temporary.to_str().unwrap()));
    upload(&server, "originals/tulips.jpg", "tulips.jpg");
    shop.ok(["wait", "--timeout", "2m"]);
    server.stop();
    check_whole(&shop);
    let back = files_below(&shop.data().join("originals"));
    assert_eq!(back.len(), 1, "{fault}: {back:?}\n{}", decided(&shop));
}

#[test]
fn a_failing_originals_disk_is_tried_again() {
    putting_back_fails("fsync:error=EIO:when=1..2");
}

#[test]
fn a_full_originals_disk_is_tried_again() {
    putting_back_fails("write:error=ENOSPC:when=1..2");
}
