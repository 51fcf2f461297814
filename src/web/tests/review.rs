//! The review queue: answers, taking them back, and two people at once.

use super::*;

/// Customer anna (7) with two records, each with a file that may be its own; for the first there are two.
fn asked(pages: &Pages) {
    pages.sql(
        "INSERT INTO customers (id, name, created_at) VALUES (7, '<b>anna', 0), (8, 'bert', 0);
         INSERT INTO records (id, customer, name, filename, imported_at, changed_seq)
           VALUES (1, 7, 'r1', '<i>one.jpg', 0, 1), (2, 7, 'r2', 'two.jpg', 0, 2), (3, 8, 'r3', NULL, 0, 3);
         INSERT INTO submissions (id, customer, started_at, last_at) VALUES (1, 7, 0, 0);
         INSERT INTO blobs (id, customer, digest, size) VALUES (1, 7, zeroblob(32), 9),
           (2, 7, CAST(zeroblob(31) || X'02' AS BLOB), 9), (3, 7, CAST(zeroblob(31) || X'03' AS BLOB), 9);
         INSERT INTO images (id, customer, blob, number, width, height)
           VALUES (1, 7, 1, 1, 400, 300), (2, 7, 2, 1, NULL, NULL), (3, 7, 3, 1, 40, 30);
         INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node, blob) VALUES
           (1, 7, 1, CAST('first<u>.jpg' AS BLOB), 9, zeroblob(32), 'ftp', 0, 'decided', 'n', 1),
           (2, 7, 1, CAST('second.jpg' AS BLOB), 9, CAST(zeroblob(31) || X'02' AS BLOB), 'ftp', 0, 'decided', 'n', 2),
           (3, 7, 1, CAST('third.jpg' AS BLOB), 9, CAST(zeroblob(31) || X'03' AS BLOB), 'ftp', 0, 'decided', 'n', 3);
         INSERT INTO candidates (id, customer, image, record, evidence, verdict, grade, rank, reason, decided_at) VALUES
           (11, 7, 1, 1, '{}', 'review', 'original', 2, 'less <likely>', 0),
           (12, 7, 2, 1, '{}', 'review', 'copy', 1, 'the likelier', 0),
           (13, 7, 3, 2, '{}', 'review', 'original', 1, 'alone', 0);",
    );
}

/// The candidates that a page asks about, in its order.
fn candidates(page: &str) -> Vec<&str> {
    page.split("action=\"/candidates/")
        .skip(1)
        .filter(|form| form.contains("value=\"same\""))
        .filter_map(|form| form.split('/').next())
        .collect()
}

fn say(pages: &Pages, cookie: &str, candidate: u32, answer: &str, seen: i64) -> String {
    let form = format!("mark={}&answer={answer}&seen={seen}", pages.mark(cookie));
    let done = pages.post(&format!("/candidates/{candidate}/answer"), cookie, &form);
    assert_eq!(status(&done), 303, "{done}");
    header(&done, "location").unwrap().to_owned()
}

/// Of each decision: record, act, `!` if it was taken back, and who.
fn acts(pages: &Pages) -> Vec<String> {
    let kept = rusqlite::Connection::open(pages.catalogue.path()).unwrap();
    let mut rows = kept
        .prepare("SELECT record || act || iif(withdrawn_at IS NULL, '', '!') || who FROM decisions ORDER BY id")
        .unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

const OPERATOR: &str = "operator on this machine";

#[test]
fn the_queue_shows_the_likeliest_first_and_nothing_as_markup() {
    let pages = Pages::start();
    asked(&pages);
    let page = pages.get("/review");
    assert_eq!(status(&page), 200);
    assert_eq!(candidates(&page), ["12", "11"]);
    assert!(page.contains("2 left") && page.contains("<a href=\"/records/1/send\">r1</a>"), "{page}");
    assert!(page.contains("It would come back as a copy"));
    assert!(page.contains("first&#60;u&#62;.jpg") && page.contains("Less &#60;likely&#62;"), "{page}");
    for raw in ["<u>", "<likely>", "<i>one", "<b>anna"] {
        assert!(!page.contains(raw), "{raw}");
    }
    // Who has skipped to the end is told so, and begins again if they like.
    assert_eq!(candidates(&pages.get("/review?behind=1")), ["13"]);
    let end = pages.get("/review?behind=2&customer=7");
    assert!(end.contains("You have seen all of them. 2 that were skipped are left."), "{end}");
    assert!(end.contains("href=\"/review?customer=7\"") && candidates(&end).is_empty(), "{end}");
    assert!(pages.get("/review?customer=8").contains("Nobody has to be asked"));
    assert_eq!(status(&pages.get("/review?behind=x")), 400);
}

#[test]
fn an_answer_is_a_decision_that_can_be_taken_back() {
    let pages = Pages::start();
    asked(&pages);
    let next = say(&pages, &pages.operator, 12, "different", 0);
    let page = pages.get(&next);
    assert!(page.contains("it is not the picture"), "{page}");
    assert_eq!(candidates(&page), ["11"], "the other one of this record is still open");
    assert_eq!(say(&pages, &pages.operator, 12, "undo", 0), "/review?behind=0&answered=12&said=undone");
    let again = say(&pages, &pages.operator, 12, "undo", 0);
    assert!(pages.get(&again).contains("nothing to take back any more"));
    assert_eq!(candidates(&pages.get("/review")), ["12", "11"]);
    // Even where the rule has spoken in between, and knows nothing of the undoing yet.
    say(&pages, &pages.operator, 12, "different", 2);
    pages.sql("UPDATE candidates SET verdict = 'none', decided_at = NULL WHERE id = 12");
    say(&pages, &pages.operator, 12, "undo", 0);
    assert_eq!(candidates(&pages.get("/review")), ["12", "11"]);
    say(&pages, &pages.operator, 11, "same", 4);
    assert_eq!(candidates(&pages.get("/review")), ["13"], "an accepted picture settles its record");
    let expected = ["1reject!", "1reject!", "1accept"].map(|act| format!("{act}{OPERATOR}"));
    assert_eq!(acts(&pages), expected);
}

#[test]
fn what_waits_is_reached_from_everywhere() {
    let pages = Pages::start();
    asked(&pages);
    pages.sql(
        "INSERT INTO order_items (order_name, record, extra) VALUES ('B-1', 1, '{}');
         UPDATE candidates SET method = 'pixels'",
    );
    let record = pages.get("/records/1/send");
    for part in ["2 likely files wait for a person", "href=\"/review?behind=0\"", "/uploads/2\"", "Stop looking for it"]
    {
        assert!(record.contains(part), "{part} is not in {record}");
    }
    assert!(pages.get("/review").contains("href=\"/uploads/2\""));
    assert!(pages.get("/orders").contains("href=\"/records/1/send\""));
    let matches = pages.get("/matches");
    for part in ["/records/2/send", "/uploads/3", "/review?behind=1", "large enough for the original"] {
        assert!(matches.contains(part), "{part} is not in {matches}");
    }
    assert!(!matches.contains(">the original<"), "nothing came back yet: {matches}");
}

#[test]
fn what_is_on_the_wrong_record_is_taken_off_there_and_put_back() {
    let pages = Pages::start();
    asked(&pages);
    pages.sql(
        "INSERT INTO attachments (id, customer, record, image, upload, state, object_key, digest, grade, method, evidence,
           decided_by, decided_at) VALUES (1, 7, 2, 3, 3, 'standing', 'k', CAST(zeroblob(31) || X'03' AS BLOB), 'copy', 'name', '', 'rule', 0);",
    );
    let page = pages.get("/records/2/send");
    assert!(page.contains("It came back from") && page.contains("third.jpg"), "{page}");
    let say = |form: &str| {
        let form = format!("mark={}&{form}", pages.mark(&pages.operator));
        let done = pages.post("/records/2/detach", &pages.operator, &form);
        header(&done, "location").unwrap_or_else(|| panic!("{done}")).to_owned()
    };
    assert_eq!(say("upload=2"), "/records/2/send?done=nothing", "another file stands there now");
    assert_eq!(say("upload=3&why=a+twin"), "/records/2/send?done=off");
    let page = pages.get("/records/2/send?done=off");
    assert!(page.contains("it leaves the record") && page.contains("name=\"undo\""), "{page}");
    assert!(!page.contains("Take it off"), "said already: {page}");
    assert_eq!(say("undo=yes"), "/records/2/send?done=undone");
    assert_eq!(say("undo=yes"), "/records/2/send?done=nothing");
    assert_eq!(acts(&pages), [format!("2detach!{OPERATOR}")]);
}

#[test]
fn who_takes_an_answer_back_sees_the_evidence_as_it_was() {
    let pages = Pages::start();
    asked(&pages);
    for answer in ["same", "different"] {
        let seen = acts(&pages).len() as i64 * 2;
        say(&pages, &pages.operator, 12, answer, seen);
        // What the matcher makes of it: the answer is all that speaks, and nothing else is asked.
        let (verdict, reason) = if answer == "same" { ("attach", "'a person said so'") } else { ("none", "NULL") };
        pages.sql(&format!(
            "UPDATE candidates SET verdict = 'none', reason = NULL, method = NULL, grade = NULL, rank = NULL, decided_at = NULL
               WHERE record = 1;
             UPDATE candidates SET verdict = '{verdict}', reason = {reason} WHERE id = 12"
        ));
        let page = pages.get(&say(&pages, &pages.operator, 12, "undo", 0));
        assert_eq!(candidates(&page), ["12", "11"], "{answer}");
        assert!(page.contains("The likelier") && page.contains("Less &#60;likely&#62;"), "{answer}: {page}");
        assert!(page.contains("come back as a copy") && !page.contains("A person said"), "{answer}: {page}");
    }
    // What another answer settles stays settled.
    say(&pages, &pages.operator, 12, "different", 4);
    say(&pages, &pages.operator, 11, "different", 5);
    assert_eq!(candidates(&pages.get(&say(&pages, &pages.operator, 11, "undo", 0))), ["11"]);
}

#[test]
fn of_two_people_the_second_changes_nothing() {
    let pages = Pages::start();
    asked(&pages);
    say(&pages, &pages.operator, 12, "same", 0);
    assert_eq!(say(&pages, &pages.operator, 11, "same", 0), "/review?answered=11&said=met");
    let met = pages.get("/review?answered=11&said=met");
    assert!(met.contains("You answered elsewhere, "), "{met}");
    assert!(met.contains("second.jpg is the picture. That stands; this changed nothing."), "{met}");
    pages.sql("UPDATE decisions SET who = 'sue'");
    assert!(pages.get("/review?answered=11&said=met").contains("sue answered before you, "));
    assert!(
        say(&pages, &pages.operator, 12, "undo", 0).ends_with("said=met"),
        "another's answer is theirs to take back"
    );
    assert_eq!(acts(&pages), ["1acceptsue"]);
}

#[test]
fn customers_have_no_part_in_it() {
    let pages = Pages::start();
    asked(&pages);
    let hash = hash_password(b"bert").unwrap();
    pages.sql(&format!("UPDATE customers SET password_hash = '{hash}' WHERE id = 8"));
    let bert = pages.sign_in("bert");
    let mark = pages.mark(&bert);
    for target in ["/review", "/candidates/12/picture"] {
        assert_eq!(status(&pages.ask("GET", target, &bert)), 404);
    }
    let answer = pages.post("/candidates/12/answer", &bert, &format!("mark={mark}&answer=same&seen=0"));
    assert_eq!(status(&answer), 404);
    assert!(acts(&pages).is_empty());
    assert_eq!(status(&pages.post("/candidates/99/answer", &pages.operator, "answer=same")), 404);
}
