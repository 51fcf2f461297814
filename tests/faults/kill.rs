//! SIGKILL between any two steps of the way: at each of the system calls that make something durable, the server dies
//! instead. After a restart everything that was acknowledged is there, decided once, and as if nothing had happened.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::setting::{
    all_of_them, check_whole, copy_of, count, decided, dump, need_strace, receive, shop_of, with_faults,
};
use crate::support::{Server, Shop};

/// The calls by which something becomes durable or takes another name; each kind is counted by itself, in each thread.
const STEPS: [&str; 3] = ["fsync,fdatasync", "rename,renameat,renameat2,link,linkat", "unlink,unlinkat,ftruncate"];

/// How long a server may take for what these shops hold, on a slow machine under strace.
const PATIENCE: Duration = Duration::from_secs(120);

/// A killed server's lock may outlive it for a moment, in a decode child that it was just starting.
#[test]
fn a_lock_that_is_about_to_be_free_is_waited_for_and_one_in_use_is_told() {
    let shop = shop_of(&["harbour.jpg"]);
    shop.serve().stop();
    let lock = std::fs::File::open(shop.data().join("serve.lock")).unwrap();
    lock.lock().unwrap();
    let ending = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(lock);
    });
    let server = shop.serve();
    ending.join().unwrap();

    let any = "127.0.0.1:0";
    let second = Server::try_start(shop.command(["serve", "--ftp", any, "--sftp", any, "--web", any]));
    let said = second.err().expect("two servers work on one folder");
    assert!(said.contains("another reunite already serves"), "{said}");
    server.stop();
}

/// A shop in the middle of its work: an attached copy whose original has come now, a detached record, a duplicate, a
/// sibling, files that show nothing.
fn in_the_middle() -> Shop {
    let shop = shop_of(&["harbour.jpg", "lighthouse.jpg", "smile-1.jpg", "tulips.jpg", "stag.jpg"]);
    let before = dump(
        &shop,
        "before",
        &[("derived/lighthouse-resave-q60.jpg", "lighthouse.jpg"), ("originals/tulips.jpg", "tulips.jpg")],
    );
    shop.ok(["scan", before.to_str().unwrap(), "--customer", "anna"]);
    shop.ok(["detach", "R-tulips"]);
    receive(
        &shop,
        &[
            ("originals/lighthouse.jpg", "gefunden/lighthouse.JPEG"),
            ("originals/harbour.jpg", "a/DSC 01.jpg"),
            ("originals/harbour.jpg", "a/Kopie von DSC 01.jpg"),
            ("originals/smile-2.jpg", "smile-1.jpg"),
            ("originals/stag.jpg", "stag.jpg"),
            ("malformed/text-named.jpg", "liste.jpg"),
        ],
    );
    shop
}

fn undecided(shop: &Shop) -> bool {
    count(shop, "SELECT count(*) FROM uploads WHERE state <> 'decided'") > 0
        || count(shop, "SELECT count(*) FROM customers WHERE dirty > 0") > 0
        || count(shop, "SELECT count(*) FROM attachments WHERE state NOT IN ('standing', 'ended')") > 0
}

/// Runs the server with these faults until it dies or has nothing left to do; true when it died.
fn run_into(shop: &Shop, faults: &[String]) -> bool {
    let any = "127.0.0.1:0";
    let mut server: Child = with_faults(shop, faults, &["serve", "--ftp", any, "--sftp", any, "--web", any])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let died = loop {
        if server.try_wait().unwrap().is_some() {
            break true;
        }
        if !undecided(shop) {
            break false;
        }
        assert!(begin.elapsed() < PATIENCE, "{faults:?}: neither dead nor done");
        std::thread::sleep(Duration::from_millis(20));
    };
    if !died {
        server.kill().unwrap();
        server.wait().unwrap();
    }
    died
}

/// What a server comes to that nothing happens to.
#[track_caller]
fn undisturbed(shop: &Shop) -> String {
    let shop = copy_of(shop);
    let server = shop.serve();
    shop.ok(["wait", "--timeout", "2m"]);
    server.stop();
    check_whole(&shop);
    decided(&shop)
}

/// Starts again without faults, waits, and compares with what an undisturbed server came to.
#[track_caller]
fn check_after_restart(shop: &Shop, expected: &str) {
    let server: Server = shop.serve();
    shop.ok(["wait", "--timeout", "2m"]);
    server.stop();
    check_whole(shop);
    assert_eq!(decided(shop), expected);
}

#[test]
fn a_kill_at_any_step_changes_nothing() {
    need_strace();
    let shop = in_the_middle();
    let expected = undisturbed(&shop);
    assert!(expected.contains("R-harbour") && expected.contains("gefunden/lighthouse.JPEG"), "{expected}");

    for step in STEPS {
        let mut tried = Vec::new();
        let mut at = 1;
        loop {
            let shop = copy_of(&shop);
            let died = run_into(&shop, &[format!("{step}:signal=SIGKILL:when={at}")]);
            check_after_restart(&shop, &expected);
            if !died {
                break;
            }
            tried.push(at);
            // The first steps lie close together in what they do; the later ones repeat.
            at += if all_of_them() { 1 } else { 1 + tried.len() };
        }
        println!("killed at {step} number {tried:?}");
        assert!(!tried.is_empty(), "no server met {step}");
    }
}

/// Killed once more while it recovers: what a start finishes is finished by the next one.
#[test]
fn a_kill_while_recovering_changes_nothing() {
    need_strace();
    let shop = in_the_middle();
    let expected = undisturbed(&shop);

    let mut died_twice = 0;
    let ats: &[u32] = if all_of_them() { &[1, 2, 3, 4, 5, 6] } else { &[1, 3] };
    for first in ats {
        for second in ats {
            let shop = copy_of(&shop);
            let died = [("rename,renameat,renameat2", first), ("fsync,fdatasync", second)]
                .map(|(step, at)| run_into(&shop, &[format!("{step}:signal=SIGKILL:when={at}")]));
            died_twice += usize::from(died == [true, true]);
            check_after_restart(&shop, &expected);
        }
    }
    println!("killed twice in {died_twice} of {} runs, at {ats:?} each", ats.len() * ats.len());
    assert!(died_twice > 0, "no server died twice");
}

/// The child that decodes dies in the middle of its work; what it was reading is read by the next one. It dies once in
/// each round, since a second death with the same file in flight is held against the file.
#[test]
fn a_decode_child_that_is_killed_costs_nothing() {
    let shop = in_the_middle();
    let expected = undisturbed(&shop);

    for pause in [100, 400, 900] {
        let shop = copy_of(&shop);
        let server = shop.serve();
        std::thread::sleep(Duration::from_millis(pause));
        assert!(kill_children(server.pid()) > 0, "there was no child to kill");
        shop.ok(["wait", "--timeout", "2m"]);
        server.stop();
        check_whole(&shop);
        assert_eq!(decided(&shop), expected, "killed after {pause} ms");
    }
}

/// Kills the children of a process; returns how many.
fn kill_children(parent: u32) -> usize {
    let listed = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let threads = listed.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children: Vec<i32> =
        threads.flat_map(|ids| ids.split(' ').filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect();
    for child in &children {
        let pid = rustix::process::Pid::from_raw(*child).unwrap();
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    children.len()
}
