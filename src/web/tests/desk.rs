//! What the desk looks through: files, the search, what was given up, what was decided.

use super::*;

/// Customer anna (7): two missing records, one of them given up; a file on neither, one that cannot be used, one that waits.
fn desk(pages: &Pages) {
    pages.sql(
        "INSERT INTO customers (id, name, created_at) VALUES (7, 'anna', 0), (8, 'bert', 0);
         INSERT INTO records (id, customer, name, filename, sha256, imported_at, changed_seq, retired_at, retired_why) VALUES
           (1, 7, 'order-1', 'Alps/dawn.jpg', CAST(X'BEEFCAFE' || zeroblob(28) AS BLOB), 0, 1, NULL, NULL),
           (2, 7, 'order-2', '<i>two.jpg', NULL, 0, 2, 5, 'lost for <b>good'),
           (3, 8, 'order-3', 'three.jpg', NULL, 0, 3, NULL, NULL);
         INSERT INTO events (id, at, customer, kind, record, who, text)
           VALUES (1000, 5, 7, 'retire', 2, 'sue', 'no longer looked for: lost for <b>good');
         INSERT INTO submissions (id, customer, started_at, last_at) VALUES (1, 7, 0, 0);
         INSERT INTO blobs (id, customer, digest, size, problem) VALUES (1, 7, zeroblob(32), 9, NULL),
           (2, 7, CAST(zeroblob(31) || X'02' AS BLOB), 9, 'not a picture <i>');
         INSERT INTO images (id, customer, blob, number) VALUES (1, 7, 1, 1), (2, 7, 2, 1);
         INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node, blob) VALUES
           (11, 7, 1, CAST('Old/<u>strange.jpg' AS BLOB), 9, zeroblob(32), 'ftp', 1000000, 'decided', 'n', 1),
           (12, 7, 1, CAST('broken.jpg' AS BLOB), 9, CAST(zeroblob(31) || X'02' AS BLOB), 'web', 2000000, 'decided', 'n', 2),
           (13, 7, 1, CAST('new.jpg' AS BLOB), 9, CAST(zeroblob(31) || X'03' AS BLOB), 'sftp', 3000000, 'received', 'n', NULL);",
    );
}

fn has(page: &str, words: &[&str]) {
    assert_eq!(status(page), 200, "{page}");
    words.iter().for_each(|word| assert!(page.contains(word), "{word} is not in {page}"));
    for markup in ["<i>two", "<u>strange", "<b>good", "picture <i>"] {
        assert!(!page.contains(markup), "{markup} is markup in {page}");
    }
}

#[test]
fn files_say_what_became_of_them_and_can_be_filtered() {
    let pages = Pages::start();
    desk(&pages);
    let all = pages.get("/files");
    has(
        &all,
        &[
            "strange.jpg",
            "belongs to no missing picture",
            "could not be used: not a picture &#60;i&#62;",
            "being looked at",
        ],
    );
    let unmatched = pages.get("/files?state=unmatched");
    assert!(unmatched.contains("strange.jpg") && !unmatched.contains("broken.jpg") && !unmatched.contains("new.jpg"));
    assert!(pages.get("/customers/7/files?words=OLD%2F").contains("strange.jpg"));
    assert!(pages.get("/customers/7/files?words=100%25").contains("No received file is like that"));
    assert!(pages.get("/customers/8/files").contains("Nothing was received yet"));
    assert_eq!(status(&pages.get("/files?state=x")), 400);
    assert_eq!(status(&pages.get("/files?behind=x")), 400);
    let older = pages.get("/files?behind=12");
    assert!(older.contains("strange.jpg") && !older.contains("broken.jpg"));
    assert!(pages.get("/").contains("oldest waits since 1 Jan 1970, 00:00"));
}

#[test]
fn a_damaged_file_is_told_unless_something_came_of_it() {
    let pages = Pages::start();
    desk(&pages);
    pages.sql("UPDATE blobs SET damage = 'the file is cut off: its end is missing' WHERE id = 1");
    let said = "could not be used: the file is cut off: its end is missing";
    for page in ["/files", "/customers/7/files?state=problem", "/uploads/11"] {
        has(&pages.get(page), &[said]);
    }
    has(
        &pages.get("/customers/7"),
        &["strange.jpg", "The file is cut off: its end is missing. If there is another copy", "2 could not be used"],
    );
    // Where a person is asked about what can be seen of it, it is no problem, and nothing when it is back.
    pages.sql(
        "INSERT INTO candidates (id, customer, image, record, evidence, verdict, reason, decided_at)
         VALUES (5, 7, 1, 1, '{}', 'review', 'it resembles', 0)",
    );
    let asked = pages.get("/customers/7");
    assert!(asked.contains("1 could not be used") && !asked.contains("cut off"), "{asked}");
    has(&pages.get("/uploads/11"), &["a person decides"]);
}

#[test]
fn the_search_finds_records_files_digests_and_customers() {
    let pages = Pages::start();
    desk(&pages);
    has(&pages.get("/search"), &["Search"]);
    for (asked, found) in [
        ("ANNA", "/customers/7"),
        ("order-3", "bert"),
        ("dawn", "order-1"),
        ("beefcafe", "order-1"),
        ("strange", "/uploads/11"),
        ("0000000000", "/uploads/11"),
        ("two.jpg", "removed"),
    ] {
        has(&pages.get(&format!("/search?q={asked}")), &[found]);
    }
    has(&pages.get("/search?q=%3Cb%3Enothing%25"), &["Nothing is called that", "&#60;b&#62;nothing%"]);
}

#[test]
fn a_file_finds_its_record_by_hand_and_that_can_be_undone() {
    let pages = Pages::start();
    desk(&pages);
    let page = pages.get("/uploads/11");
    has(&page, &["Find its record by hand", "order-1"]);
    assert!(!page.contains("order-3"), "another customer's record");
    assert!(!page.contains("order-2"), "nobody looks for this one");
    assert!(pages.get("/uploads/11?words=nowhere").contains("No missing record of this customer is like that"));
    let say = |form: &str| {
        let answer =
            pages.post("/uploads/11/attach", &pages.operator, &format!("mark={}&{form}", pages.mark(&pages.operator)));
        header(&answer, "location").unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    assert_eq!(say("record=3"), "/uploads/11?done=taken", "of another customer");
    assert_eq!(say("record=2"), "/uploads/11?done=taken", "given up");
    let noted = say("record=1&why=by+phone");
    assert_eq!(noted, "/uploads/11?done=attached&at=1");
    has(
        &pages.get(&noted),
        &["it is put on the record", "name=\"undo\"", "put the file on the record by hand: by phone"],
    );
    has(
        &pages.get("/decisions"),
        &["Put on by hand", "order-1", "by phone", "/decisions/1/undo", "operator on this machine"],
    );
    assert!(pages.get("/decisions?who=sue").contains("Nobody has decided anything under this name yet"));
    let page = pages.get("/uploads/11");
    has(&page, &["put on by a person", "order-1"]);
    assert!(!page.contains("belongs to no missing picture") && !page.contains("It is this one"), "{page}");
    // Each history says who, what, and about which other thing.
    has(&pages.get("/records/1/send"), &["put the file on the record by hand: by phone", "href=\"/uploads/11\">Old/"]);
    has(&pages.get("/log"), &["Put the file on the record by hand: by phone"]);
    assert_eq!(say("record=1&undo=yes"), "/uploads/11?done=undone");
    has(&pages.get("/uploads/11"), &["took the last answer about the file back", "href=\"/records/1/send\">order-1"]);
    assert_eq!(say("record=1&undo=yes"), "/uploads/11?done=nothing");
    let decisions = pages.get("/decisions");
    assert!(decisions.contains("Taken back") && !decisions.contains("/decisions/1/undo"), "{decisions}");
    say("record=1");
    let mark = format!("mark={}", pages.mark(&pages.operator));
    let undone = pages.post("/decisions/2/undo", &pages.operator, &mark);
    assert_eq!(header(&undone, "location"), Some("/decisions?done=undone"));
    let again = pages.post("/decisions/2/undo", &pages.operator, &mark);
    assert_eq!(header(&again, "location"), Some("/decisions?done=met"));
    assert_eq!(status(&pages.post("/decisions/9/undo", &pages.operator, &mark)), 404);
}

#[test]
fn what_was_given_up_says_who_and_why_and_is_looked_for_again() {
    let pages = Pages::start();
    desk(&pages);
    has(&pages.get("/removed"), &["order-2", "by sue", "lost for &#60;b&#62;good"]);
    has(&pages.get("/records/2/send"), &["What happened to it", "Removed: nobody looks for it any more"]);
    let form = format!("mark={}&customer=7&record=2", pages.mark(&pages.operator));
    let done = pages.post("/removed", &pages.operator, &form);
    assert_eq!(header(&done, "location"), Some("/removed?done=restored&of=7&record=2"));
    has(&pages.get("/removed?done=restored&of=7&record=2"), &["It is looked for again", "Nothing was removed"]);
}

#[test]
fn the_log_tells_everything_of_everybody() {
    let pages = Pages::start();
    desk(&pages);
    has(&pages.get("/log"), &["No longer looked for: lost for &#60;b&#62;good", "sue", "/records/2/send"]);
    has(&pages.get("/log?who=sue&customer=anna"), &["lost for"]);
    for none in ["/log?who=su", "/log?customer=bert"] {
        has(&pages.get(none), &["Nothing is noted of that"]);
    }
    assert_eq!(status(&pages.get("/log?behind=x")), 400);
    has(&pages.get("/log?behind=1"), &["Nothing has happened yet"]);
}
