//! What every command promises: exit codes, where output goes, accounts, the data folder.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::support::Shop;

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn exit_codes_tell_failure_from_wrong_use_and_from_time_outs() {
    let shop = Shop::new();
    shop.ok(["init"]);
    for (expected, arguments) in [
        (0, &["--help"][..]),
        (0, &["--version"]),
        (0, &["wait", "--timeout", "1s"]),
        (1, &["report", "missing", "--customer", "nobody"]),
        (1, &["customer", "passwd", "nobody"]),
        (1, &["detach", "no-such-record"]),
        (1, &["attach", "no-such-record", "1"]),
        (1, &["review", "accept", "77"]),
        (1, &["match", "no-such-file", "--customer", "nobody"]),
        (2, &[]),
        (2, &["reprot"]),
        (2, &["report", "everything"]),
        (2, &["report", "missing", "--format", "pdf"]),
        (2, &["import", "r.csv", "--map", "recrod=id"]),
        (2, &["wait", "--timeout", "soon"]),
        (2, &["customer", "add", "../up"]),
        (2, &["review", "accept"]),
    ] {
        let output = shop.run(arguments);
        assert_eq!(code(&output), expected, "{arguments:?}\n{}", said(&output));
        assert!(expected == 0 || output.stdout.is_empty(), "what went wrong is no data: {arguments:?}");
        assert!(expected == 0 || !output.stderr.is_empty(), "{arguments:?} fails without a word");
    }
}

#[test]
fn waiting_in_vain_ends_with_its_own_code_and_says_what_is_left() {
    let shop = Shop::new();
    shop.import("record,customer,thumbnail\nr1,anna,\n");
    assert_eq!(code(&shop.run(["wait", "--timeout", "1s"])), 0, "records alone are nothing to wait for");
    let catalogue = rusqlite::Connection::open(shop.data().join("catalogue.sqlite")).unwrap();
    catalogue
        .execute_batch(
            "INSERT INTO submissions (id, customer, started_at, last_at) VALUES (1, 1, 0, 0);
             INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node)
             VALUES (1, 1, 1, x'61', 1, x'00', 'ftp', 0, 'received', 'n');
             INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node, held_until)
             VALUES (2, 1, 1, x'62', 1, x'00', 'ftp', 0, 'received', 'n', 9000000000000000);",
        )
        .unwrap();
    let output = shop.run(["wait", "--timeout", "300ms"]);
    assert_eq!(code(&output), 3);
    assert!(said(&output).contains("1 upload"), "{}", said(&output));
    assert!(said(&output).contains("1 file has a client's temporary name"), "{}", said(&output));
    // A held file alone is not waited for, but told.
    catalogue
        .execute_batch("UPDATE uploads SET state = 'decided' WHERE id = 1; UPDATE customers SET dirty = 0")
        .unwrap();
    let output = shop.run(["wait", "--timeout", "300ms"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(said(&output).contains("1 file has a client's temporary name"), "{}", said(&output));
}

#[test]
fn init_makes_a_closed_folder_and_keeps_settings_that_are_there() {
    let shop = Shop::new();
    shop.ok(["init"]);
    let mode = std::fs::metadata(shop.data()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let settings = shop.data().join("reunite.toml");
    assert!(std::fs::read_to_string(&settings).unwrap().contains("# listen ="), "settings come with comments");
    std::fs::write(&settings, "[ftp]\n").unwrap();
    let key = std::fs::read(shop.data().join("keys/tls.key")).unwrap();
    shop.ok(["init"]);
    assert_eq!(std::fs::read(shop.data().join("keys/tls.key")).unwrap(), key, "keys are made once");
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), "[ftp]\n");
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone() {
    let shop = Shop::new();
    assert!(said(&shop.run(["report", "missing"])).contains("init"), "an absent folder is not made by looking");
    assert!(!shop.data().exists());
    std::fs::create_dir(shop.data()).unwrap();
    std::fs::write(shop.data().join("thesis.tex"), "").unwrap();
    for arguments in [&["init"][..], &["report", "missing"], &["customer", "add", "anna"]] {
        let output = shop.run(arguments);
        assert_eq!(code(&output), 1);
        assert!(said(&output).contains("is not a data folder"), "{}", said(&output));
    }
    assert_eq!(std::fs::read_dir(shop.data()).unwrap().count(), 1, "nothing was put there");
}

#[test]
fn another_user_is_told_the_command_to_type() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a folder to another user");
        return;
    }
    let shop = Shop::new();
    shop.ok(["init"]);
    std::os::unix::fs::chown(shop.data(), Some(1), None).unwrap();
    let output = shop.run(["customer", "list"]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("sudo -u daemon reunite"), "{}", said(&output));
}

#[test]
fn accounts_live_their_life() {
    let shop = Shop::new();
    let list = || shop.ok(["customer", "list", "--format", "csv"]);
    shop.customer("anna", "first secret");
    assert_eq!(list(), "customer,password,keys,disabled,records,uploads\nanna,yes,0,,0,0\n");
    let again = shop.run(["customer", "add", "anna"]);
    assert!(said(&again).contains("already"), "{}", said(&again));
    shop.ok_with_input(["customer", "passwd", "anna"], "second secret");
    shop.ok(["customer", "disable", "anna"]);
    assert!(list().contains("anna,yes,0,yes,0,0"));
    shop.ok(["customer", "enable", "anna"]);
    assert!(list().contains("anna,yes,0,,0,0"));
    shop.ok(["customer", "remove", "anna"]);
    assert_eq!(list().lines().count(), 1);

    // A customer whom the import made has no login until `add` gives them one, and is not removed with their records.
    shop.import("record,customer,thumbnail\nr1,ben,\n");
    assert!(list().contains("ben,,0,,1,0"));
    shop.customer("ben", "secret");
    assert!(list().contains("ben,yes,0,,1,0"));
    let refused = shop.run(["customer", "remove", "ben"]);
    assert!(said(&refused).contains("1 record"), "{}", said(&refused));
}

#[test]
fn keys_come_and_go() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    let shop = Shop::new();
    shop.ok(["customer", "add", "anna", "--no-password"]);
    shop.ok_with_input(["customer", "key", "anna"], &format!("{KEY} anna@home\n"));
    shop.ok_with_input(["customer", "key", "anna"], &format!("{KEY} anna@work\n"));
    let list = shop.ok(["customer", "key", "anna", "--list"]);
    assert!(list.contains(KEY) && list.lines().count() == 2, "{list}");
    let fingerprint = list.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    shop.ok(["customer", "key", "anna", "--remove", fingerprint]);
    assert!(!shop.ok(["customer", "key", "anna", "--list"]).contains(KEY));
    assert_eq!(code(&shop.run(["customer", "key", "anna", "--remove", fingerprint])), 1);
}

#[test]
fn status_counts_for_people_and_for_programs() {
    let shop = Shop::new();
    shop.import("record,customer,thumbnail\nr1,anna,\nr2,ben,gone.jpg\n");
    let status: serde_json::Value = serde_json::from_str(&shop.ok(["status", "--json"])).unwrap();
    assert_eq!(status["serving"], false);
    assert_eq!(status["customers"], 2);
    assert_eq!(status["records"]["missing"], 2);
    assert_eq!(status["records"]["without_thumbnail"], 2);
    assert_eq!(status["undecided"]["uploads"], 0);
    assert!(shop.ok(["status"]).contains("2 missing"));
}

#[test]
fn a_link_leads_to_where_the_server_shows_its_pages() {
    let shop = Shop::new();
    shop.customer("anna", "a long password");
    let link = || shop.ok(["customer", "link", "anna"]);
    let by_the_settings = "http://127.0.0.1:8080/link?key=";
    assert!(link().starts_with(by_the_settings), "{}", link());
    let server = shop.serve();
    let there = format!("http://{}/link?key=", server.web);
    assert!(link().starts_with(&there), "{} does not lead to {there}", link());
    server.stop();
    assert!(link().starts_with(by_the_settings), "{}", link());
}
