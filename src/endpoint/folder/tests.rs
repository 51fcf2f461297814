use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::domain::Micros;
use crate::spool::scratch::{Scratch, path};

const HOUR: Duration = Duration::from_secs(3600);

fn context(scratch: &Scratch, quiet: Duration) -> InboxContext {
    let folder = scratch.folder().join("inbox");
    fs::create_dir_all(folder.join("alice")).unwrap();
    let (catalogue, spool) = (scratch.catalogue.clone(), scratch.spool.clone());
    InboxContext { folder, catalogue, spool, quiet, rescan: HOUR }
}

fn pass(inbox: &mut Inbox, now: Instant) -> bool {
    inbox.pass(now, &AtomicBool::new(false))
}

#[test]
fn a_quiet_file_is_received_and_removed() {
    let scratch = Scratch::new();
    let context = context(&scratch, HOUR);
    let file = context.folder.join("alice/d/a.jpg");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, b"half").unwrap();
    let mut inbox = Inbox::new(context);
    let start = Instant::now();
    assert!(pass(&mut inbox, start), "it waits");
    fs::write(&file, b"half and the rest").unwrap();
    assert!(pass(&mut inbox, start + HOUR), "it changed, so it waits again");
    assert_eq!(scratch.count("uploads"), 0);
    assert!(!pass(&mut inbox, start + 2 * HOUR));
    assert!(!file.exists());
    assert_eq!(scratch.get("d/a.jpg"), b"half and the rest");
    let upload = scratch.tree().stat(&path("d/a.jpg")).unwrap().upload.unwrap();
    assert_eq!(scratch.upload(upload).endpoint, "inbox");
}

#[test]
fn a_renamed_file_need_not_wait_but_a_temporary_name_must() {
    let scratch = Scratch::new();
    let context = context(&scratch, HOUR);
    let (ready, waits) = (context.folder.join("alice/a.jpg"), context.folder.join("alice/b.jpg.part"));
    fs::write(&ready, b"a").unwrap();
    fs::write(&waits, b"b").unwrap();
    let mut inbox = Inbox::new(context);
    inbox.renamed_to(ready.clone());
    inbox.renamed_to(waits.clone());
    assert!(pass(&mut inbox, Instant::now()));
    assert!(!ready.exists() && waits.exists());
}

#[test]
fn what_cannot_be_received_is_told_once_and_stops_nothing() {
    let scratch = Scratch::new();
    let context = context(&scratch, Duration::ZERO);
    let folder = context.folder.clone();
    fs::create_dir(folder.join("nobody")).unwrap();
    fs::write(folder.join("nobody/a.jpg"), b"a").unwrap();
    fs::write(folder.join("stray.jpg"), b"stray").unwrap();
    std::os::unix::fs::symlink("/etc", folder.join("alice/0-folder-link")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("alice/1-link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.join("alice/2-pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    fs::write(folder.join("alice/z.jpg"), b"z").unwrap();
    scratch.put("taken/by/a/folder", b"").unwrap();
    fs::write(folder.join("alice/taken"), b"taken").unwrap();
    let mut inbox = Inbox::new(context);
    for _ in 0..2 {
        pass(&mut inbox, Instant::now());
    }
    assert_eq!(scratch.get("z.jpg"), b"z");
    assert_eq!(scratch.count("uploads"), 2);
    assert_eq!(scratch.count("events WHERE kind = 'inbox'"), 6);
    assert!(folder.join("nobody/a.jpg").exists() && folder.join("alice/taken").exists());
}

#[test]
fn hostile_names_come_through() {
    let scratch = Scratch::new();
    let context = context(&scratch, Duration::ZERO);
    for name in [&b"caf\xe9.jpg"[..], b"new\nline", b"  ", &[b'n'; 255]] {
        fs::write(context.folder.join("alice").join(OsStr::from_bytes(name)), name).unwrap();
    }
    pass(&mut Inbox::new(context.clone()), Instant::now());
    assert_eq!(scratch.tree().list(&path("/")).unwrap().len(), 4);
    assert_eq!(fs::read_dir(context.folder.join("alice")).unwrap().count(), 0);
}

#[test]
fn after_a_crash_before_the_removal_the_file_is_not_received_twice() {
    let scratch = Scratch::new();
    let context = context(&scratch, Duration::ZERO);
    let file = context.folder.join("alice/a.jpg");
    let time = std::time::UNIX_EPOCH + Duration::from_micros(1_234_567_890);
    let write = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    };
    for (bytes, uploads) in [(b"one", 1), (b"one", 1), (b"two", 2)] {
        write(bytes);
        pass(&mut Inbox::new(context.clone()), Instant::now());
        assert!(!file.exists());
        assert_eq!(scratch.count("uploads"), uploads);
        assert_eq!(scratch.tree().stat(&path("a.jpg")).unwrap().mtime, Micros(1_234_567_890));
    }
}

#[test]
fn a_file_renamed_into_the_watched_folder_comes_in_until_the_server_stops() {
    let scratch = Scratch::new();
    let context = context(&scratch, HOUR);
    let outside = scratch.folder().join("outside");
    fs::write(&outside, b"bytes").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let target = context.folder.join("alice/a.jpg");
        let served = tokio::spawn(serve(context, stopped));
        // The watch begins at some moment after the start, so the file comes until it is seen.
        while scratch.count("uploads") == 0 {
            fs::write(&outside, b"bytes").unwrap();
            fs::rename(&outside, &target).unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        stop.send(true).unwrap();
        served.await.unwrap();
    });
    assert_eq!(scratch.get("a.jpg"), b"bytes");
}
