//! "I don't have it", and looking again.

use super::*;

fn retired(pages: &Pages) -> Vec<i64> {
    let kept = rusqlite::Connection::open(pages.catalogue.path()).unwrap();
    let mut rows = kept.prepare("SELECT id FROM records WHERE retired_at IS NOT NULL ORDER BY id").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_customer_gives_pictures_up_and_takes_that_back() {
    let pages = Pages::start();
    pages.two_customers();
    pages.sql("INSERT INTO records (id, customer, name, imported_at, changed_seq) VALUES (70, 7, 'second', 0, 9)");
    let anna = pages.sign_in("anna");
    let mark = pages.mark(&anna);
    let done = pages.post("/customers/7/remove", &anna, &format!("mark={mark}&record=7&record=70"));
    assert_eq!((status(&done), header(&done, "location")), (303, Some("/customers/7/missing?removed=7.70")));
    assert_eq!(retired(&pages), [7, 70]);
    let page = pages.ask("GET", "/customers/7/missing?removed=7.70", &anna);
    assert!(page.contains("2 pictures are no longer looked for."), "{page}");
    assert!(pages.ask("GET", "/customers/7/removed", &anna).contains("the customer does not have it"));
    let home = pages.ask("GET", "/customers/7", &anna);
    assert!(home.contains("Nothing is looked for any more") && home.contains("/customers/7/removed"), "{home}");
    let back = pages.post("/customers/7/restore", &anna, &format!("mark={mark}&record=7"));
    assert_eq!(header(&back, "location"), Some("/customers/7/missing?restored=1"));
    assert_eq!(retired(&pages), [70]);
    let kept = rusqlite::Connection::open(pages.catalogue.path()).unwrap();
    let history: String = kept
        .query_row(
            "SELECT group_concat(record || kind || who, ' ') FROM (SELECT * FROM events ORDER BY id)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(history.ends_with("7retireanna 70retireanna 7restoreanna"), "{history}");
    let dirty: i64 = kept.query_row("SELECT dirty FROM customers WHERE id = 7", [], |row| row.get(0)).unwrap();
    assert_eq!(dirty, 3, "the rule looks again after each of them");
}

#[test]
fn what_is_anothers_or_is_back_cannot_be_given_up() {
    let pages = Pages::start();
    pages.hostile();
    pages.sql(
        "INSERT INTO customers (id, name, created_at) VALUES (8, 'bert', 0);
         INSERT INTO records (id, customer, name, imported_at, changed_seq) VALUES (80, 8, 'of-bert', 0, 9);",
    );
    let mark = pages.mark(&pages.operator);
    // Record 2 is back, record 80 is another customer's.
    let done = pages.post("/customers/7/remove", &pages.operator, &format!("mark={mark}&record=1&record=2&record=80"));
    assert_eq!(header(&done, "location"), Some("/customers/7/missing?removed=1"));
    assert_eq!(retired(&pages), [1]);
    let wrong = pages.post("/customers/7/remove", &pages.operator, &format!("mark={mark}&record=x"));
    assert_eq!(status(&wrong), 400);
    assert_eq!(status(&pages.post("/customers/7/remove", &pages.operator, "record=1")), 403, "without the mark");
    let none = pages.post("/customers/7/remove", &pages.operator, &format!("mark={mark}"));
    let page = pages.get(header(&none, "location").unwrap());
    assert!(page.contains("Nothing was changed: no picture was chosen"), "{page}");
}
