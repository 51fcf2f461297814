use super::*;

const DAY: i64 = DAY_SECONDS;

/// A catalogue with `anna` (1), who has a password and lost the records 1 and 2, and `bert` (2), who has no way in and lost 3; all
/// imported on the evening of day 0.
fn shop() -> (tempfile::TempDir, Catalogue) {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::open(&folder.path().join("catalogue.sqlite")).unwrap();
    sql(
        &catalogue,
        "INSERT INTO customers (id, name, password_hash, created_at) VALUES (1, 'anna', 'x', 0), (2, 'bert', NULL, 0);
         INSERT INTO records (id, customer, name, imported_at, changed_seq) VALUES (1, 1, 'a', 64800000000, 1), (2, 1, 'b', 64800000000, 2), (3, 2, 'c', 0, 3);
         INSERT INTO submissions (id, customer, started_at, last_at) VALUES (1, 1, 0, 0);",
    );
    (folder, catalogue)
}

fn sql(catalogue: &Catalogue, sql: &str) {
    rusqlite::Connection::open(catalogue.path()).unwrap().execute_batch(sql).unwrap();
}

fn day(number: i64) -> Micros {
    Micros::from_seconds(number * DAY + 13 * 3600)
}

/// After 100 days of silence it is announced, 10 days before.
fn settings() -> Retire {
    Retire { after_days: 100, notice_days: 10, records_per_day: 1000 }
}

/// A pass on each of these days; returns the days on which something was given up, with how many records.
fn passes(catalogue: &Catalogue, days: std::ops::RangeInclusive<i64>, by_mail: bool) -> Vec<(i64, usize)> {
    let pass = |at: i64| (at, pass(catalogue, &settings(), by_mail, true, day(at)).unwrap().retired);
    days.map(pass).filter(|(_, retired)| *retired > 0).collect()
}

fn announced(catalogue: &Catalogue) -> Option<(i64, i64)> {
    let announced = catalogue.read(|tx| tx.announced(CustomerId(1))).unwrap();
    announced.map(|announced| (announced.records, announced.at.seconds() / DAY))
}

fn upload(catalogue: &Catalogue, at: i64, state: &str) {
    sql(
        catalogue,
        &format!(
            "INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node)
             VALUES (1, 1, 1, X'61', 9, zeroblob(32), 'ftp', {}, '{state}', 'n')",
            day(at).0
        ),
    );
}

#[test]
fn what_stays_missing_is_announced_and_then_given_up() {
    let (_folder, catalogue) = shop();
    assert_eq!(passes(&catalogue, 1..=100, false), []);
    assert_eq!(announced(&catalogue), None);
    assert_eq!(passes(&catalogue, 101..=111, false), []);
    assert_eq!(announced(&catalogue), Some((2, 112)), "ten whole days lie between");
    assert_eq!(passes(&catalogue, 112..=400, false), [(112, 2)]);
    let counts = catalogue.read(|tx| tx.page_customer(CustomerId(1))).unwrap().unwrap();
    assert_eq!((counts.retired, counts.records, counts.retiring), (2, 0, 0));
    let bert = catalogue.read(|tx| tx.page_customer(CustomerId(2))).unwrap().unwrap();
    assert_eq!((bert.retired, bert.retiring), (0, 0), "who cannot be told loses nothing");
}

#[test]
fn whatever_happens_meanwhile_calls_it_off() {
    let undecided = "UPDATE uploads SET received_at = 0";
    let back = "INSERT INTO blobs (id, customer, digest, size) VALUES (1, 1, zeroblob(32), 9);
        INSERT INTO images (id, customer, blob, number) VALUES (1, 1, 1, 1);
        INSERT INTO attachments (id, customer, record, image, upload, state, object_key, digest, grade, method, evidence, decided_by,
            decided_at) VALUES (1, 1, 1, 1, 1, 'standing', 'k', zeroblob(32), 'copy', 'm', '{}', 'rule', 0);";
    let asked = "INSERT INTO blobs (id, customer, digest, size) VALUES (1, 1, zeroblob(32), 9);
        INSERT INTO images (id, customer, blob, number) VALUES (1, 1, 1, 1);
        INSERT INTO candidates (id, customer, record, image, evidence, verdict) VALUES (1, 1, 1, 1, '[]', 'review');";
    for (what, state, change, left) in [
        ("a file came", "decided", "", None),
        ("a file waits", "stored", undecided, None),
        ("one is back", "decided", &format!("{undecided};{back}"), Some((1, 112))),
        ("a person is asked about one", "decided", &format!("{undecided};{asked}"), Some((1, 112))),
        ("the account is closed", "decided", &format!("{undecided}; UPDATE customers SET disabled = 1"), None),
    ] {
        let (_folder, catalogue) = shop();
        assert_eq!(passes(&catalogue, 99..=105, false), []);
        assert_eq!(announced(&catalogue), Some((2, 112)));
        upload(&catalogue, 106, state);
        sql(&catalogue, change);
        assert_eq!(passes(&catalogue, 106..=107, false), []);
        assert_eq!(announced(&catalogue), left, "{what}");
    }
}

#[test]
fn a_file_that_is_still_being_sent_counts() {
    for unfinished in [
        "INSERT INTO partials (id, customer, path, spool_file, endpoint, node, started_at, touched_at)
            VALUES (1, 1, X'61', 'f', 'ftp', 'n', 0, ",
        "INSERT INTO browser_transfers (id, customer, path, length, metadata, touched_at) VALUES (1, 1, X'61', 9, '', ",
    ] {
        let (_folder, catalogue) = shop();
        passes(&catalogue, 99..=105, false);
        assert_eq!(announced(&catalogue), Some((2, 112)));
        sql(&catalogue, &format!("{unfinished}{})", day(106).0));
        assert_eq!(passes(&catalogue, 106..=205, false), [], "{unfinished}");
        assert_eq!(announced(&catalogue), None);
    }
}

#[test]
fn what_comes_while_a_pass_gives_up_counts_at_once() {
    let (_folder, catalogue) = shop();
    passes(&catalogue, 99..=111, false);
    let quiet = quiet_since(day(112), &settings()).unwrap();
    let due = || catalogue.read(|tx| tx.retiring_due(quiet, day(112), false, 9)).unwrap().len();
    assert_eq!(due(), 2);
    upload(&catalogue, 112, "received");
    assert_eq!((due(), announced(&catalogue)), (0, Some((2, 112))), "not called off yet, and no longer due");
}

#[test]
fn a_customer_may_ask_for_more_time() {
    let (_folder, catalogue) = shop();
    passes(&catalogue, 99..=105, false);
    let kept = catalogue.write(|tx| tx.keep_looking(CustomerId(1), "anna", day(105))).unwrap();
    assert_eq!((kept, announced(&catalogue)), (2, None));
    let taken_back =
        |at: i64| catalogue.write(move |tx| tx.keep_looking_no_more(CustomerId(1), "anna", day(at))).unwrap();
    assert_eq!((taken_back(104), taken_back(105), taken_back(105)), (0, 2, 0));
    assert_eq!(passes(&catalogue, 105..=106, false), []);
    assert_eq!(announced(&catalogue), Some((2, 116)), "announced anew, with the whole notice");
    let kept = catalogue.write(|tx| tx.keep_looking(CustomerId(1), "anna", day(105))).unwrap();
    assert_eq!((kept, announced(&catalogue)), (2, None));
    assert_eq!(passes(&catalogue, 106..=205, false), []);
    assert_eq!(announced(&catalogue), Some((2, 216)), "all of the time begins anew");
    assert_eq!(passes(&catalogue, 206..=216, false), [(216, 2)]);
    let restored = catalogue.write(|tx| tx.restore(CustomerId(1), &[RecordId(1)], "anna")).unwrap();
    assert_eq!(restored, [RecordId(1)]);
    assert_eq!(passes(&catalogue, 217..=240, false), [], "what was asked for again is not given up the next day");
}

#[test]
fn days_on_which_nobody_could_read_it_do_not_count() {
    let (_folder, catalogue) = shop();
    passes(&catalogue, 99..=103, false);
    assert_eq!(announced(&catalogue), Some((2, 112)));
    // The server is away for a month, or its clock jumps.
    assert_eq!(passes(&catalogue, 133..=133, false), []);
    assert_eq!(announced(&catalogue), Some((2, 142)));
    assert_eq!(passes(&catalogue, 134..=150, false), [(142, 2)]);
}

#[test]
fn who_wants_mail_is_told_by_mail_first() {
    let (_folder, catalogue) = shop();
    sql(
        &catalogue,
        "UPDATE customers SET mail_address = 'anna@example.net', mail_key = 'k', mail_since = 0 WHERE id = 1",
    );
    assert_eq!(passes(&catalogue, 99..=150, true), [], "no mail has gone out");
    let mail_on = |at: i64| {
        let not_before = not_before(day(at), &settings());
        catalogue.write(move |tx| tx.announcing_by_mail(CustomerId(1), not_before)).unwrap();
    };
    let unmailed = || catalogue.read(|tx| tx.announced(CustomerId(1))).unwrap().unwrap().unmailed;
    mail_on(150);
    assert_eq!(announced(&catalogue), Some((2, 161)), "the time runs from the mail");
    assert_eq!(passes(&catalogue, 151..=170, true), [], "the server ended before it went out, or was told that it had");
    assert_eq!(unmailed(), 2, "so it is told again");
    mail_on(170);
    catalogue.write(|tx| tx.announced_by_mail(CustomerId(1), false)).unwrap();
    assert_eq!(passes(&catalogue, 171..=190, true), [], "the mail server did not take it");
    mail_on(190);
    catalogue.write(|tx| tx.announced_by_mail(CustomerId(1), true)).unwrap();
    assert_eq!(unmailed(), 0);
    assert_eq!(passes(&catalogue, 191..=220, true), [(201, 2)]);
}

#[test]
fn who_switched_mail_off_is_told_by_the_page() {
    let (_folder, catalogue) = shop();
    sql(&catalogue, "UPDATE customers SET mail_address = 'anna@example.net', mail_off = 1 WHERE id = 1");
    assert_eq!(passes(&catalogue, 99..=150, true), [(112, 2)]);
}

#[test]
fn a_day_gives_up_no_more_than_settings_say_and_nothing_while_a_store_is_away() {
    let (_folder, catalogue) = shop();
    sql(
        &catalogue,
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 507)
         INSERT INTO records (id, customer, name, imported_at, changed_seq) SELECT i, 1, 'r' || i, 64800000000, i FROM n;",
    );
    let few = Retire { records_per_day: 300, ..settings() };
    let on = |at: i64, may_retire| pass(&catalogue, &few, false, may_retire, day(at)).unwrap();
    assert_eq!(on(101, true), Passed { announced: 500, retired: 0 });
    for at in 102..=112 {
        assert_eq!(on(at, false).retired, 0);
    }
    assert_eq!(on(112, true).retired, 300);
    assert_eq!(on(112, true).retired, 0);
    assert_eq!(on(113, true).retired, 200);
    let off = Retire { after_days: 0, ..few.clone() };
    sql(&catalogue, "UPDATE records SET retired_at = NULL, wanted_since = NULL");
    assert!(on(114, true).announced > 0);
    pass(&catalogue, &off, false, true, day(115)).unwrap();
    assert_eq!(announced(&catalogue), None, "settings changed their mind");
}
