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
    let place = header(&done, "location").unwrap().to_owned();
    assert!(status(&done) == 303 && place.starts_with("/customers/7/missing?removed="), "{place}");
    assert_eq!(retired(&pages), [7, 70]);
    let page = pages.ask("GET", &place, &anna);
    assert!(page.contains("2 pictures are no longer looked for."), "{page}");
    assert!(pages.ask("GET", "/customers/7/removed", &anna).contains("the customer does not have it"));
    let home = pages.ask("GET", "/customers/7", &anna);
    assert!(home.contains("Nothing is looked for any more") && home.contains("/customers/7/removed"), "{home}");
    let back = pages.post("/customers/7/restore", &anna, &format!("mark={mark}&record=7"));
    assert_eq!(header(&back, "location"), Some("/customers/7/missing?restored=1&undo=7"));
    assert_eq!(retired(&pages), [70]);
    let page = pages.ask("GET", "/customers/7/missing?restored=1&undo=7", &anna);
    let undo =
        "<input type=\"hidden\" name=\"record\" value=\"7\">\n<button class=\"plain\" type=\"submit\">Undo</button>";
    assert!(page.contains("1 picture is looked for again.") && page.contains(undo), "{page}");
    assert!(page.contains("action=\"/customers/7/remove\""), "{page}");
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
    assert!(pages.get(header(&done, "location").unwrap()).contains("1 picture is no longer looked for."));
    assert_eq!(retired(&pages), [1]);
    let wrong = pages.post("/customers/7/remove", &pages.operator, &format!("mark={mark}&record=x"));
    assert_eq!(status(&wrong), 400);
    assert_eq!(status(&pages.post("/customers/7/remove", &pages.operator, "record=1")), 403, "without the mark");
    let none = pages.post("/customers/7/remove", &pages.operator, &format!("mark={mark}"));
    let page = pages.get(header(&none, "location").unwrap());
    assert!(page.contains("Nothing was changed: no picture was chosen"), "{page}");
}

#[test]
fn all_that_a_search_leaves_are_given_up_and_taken_back_together() {
    let pages = Pages::start();
    pages.two_customers();
    pages.sql(
        "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1299)
         INSERT INTO records (id, customer, name, filename, imported_at, changed_seq)
           SELECT i, 7, 'r' || i, CASE i % 2 WHEN 0 THEN 'Summer/Sea/' ELSE 'Winter\\' END || i || '.jpg', 0, i FROM n;",
    );
    let anna = pages.sign_in("anna");
    let list = pages.ask("GET", "/customers/7/missing?folder=%2Fsummer", &anna);
    assert!(list.contains(">100.jpg<") || list.contains("100.jpg</h3>"), "{list}");
    assert!(!list.contains("101.jpg"), "of another folder");
    assert!(!pages.ask("GET", "/customers/7/missing?folder=winter", &anna).contains("100.jpg"));
    let form = format!("mark={}&all=yes&folder=summer", pages.mark(&anna));
    let done = pages.post("/customers/7/remove", &anna, &form);
    assert_eq!(retired(&pages).len(), 600);
    let place = header(&done, "location").unwrap();
    assert!(pages.ask("GET", place, &anna).contains("600 pictures are no longer looked for."));
    let (_, at) = place.split_once("removed=").unwrap();
    let one_more = pages.post("/customers/7/remove", &anna, &format!("mark={}&record=101", pages.mark(&anna)));
    assert_eq!(status(&one_more), 303);
    let back = pages.post("/customers/7/restore", &anna, &format!("mark={}&at={at}", pages.mark(&anna)));
    assert_eq!(header(&back, "location"), Some("/customers/7/missing?restored=600"));
    assert_eq!(retired(&pages), [101], "what was given up by itself stays so");
    pages.post("/customers/7/restore", &anna, &format!("mark={}&all=yes", pages.mark(&anna)));
    assert_eq!(retired(&pages), [0; 0]);
}

#[test]
fn what_is_announced_says_its_day_everywhere_and_can_be_put_off() {
    let pages = Pages::start();
    pages.two_customers();
    // The first of March 2027.
    pages.sql("UPDATE records SET retire_at = 1803859200000000 WHERE id = 7");
    let anna = pages.sign_in("anna");
    for target in ["/customers/7", "/customers/7/missing"] {
        let page = pages.ask("GET", target, &anna);
        assert!(page.contains("1 picture is removed on 1 March 2027") && page.contains("Keep looking"), "{page}");
    }
    assert!(pages.ask("GET", "/records/7/send", &anna).contains("Removed on 1 March 2027"));
    assert!(!pages.ask("GET", "/customers/8", &pages.sign_in("bert")).contains("2027"));
    let desk = pages.get("/removed");
    assert!(desk.contains("Announced") && desk.contains("1 picture on 1 March 2027"), "{desk}");
    let kept = pages.post("/customers/7/keep", &anna, &format!("mark={}", pages.mark(&anna)));
    let place = header(&kept, "location").unwrap().to_owned();
    assert!(place.starts_with("/customers/7?kept=1&since="), "{place}");
    let page = pages.ask("GET", &place, &anna);
    assert!(page.contains("We keep looking for 1 picture.") && !page.contains("2027"), "{page}");
    assert!(!pages.get("/removed").contains("Announced"));

    let wanted = || {
        let kept = rusqlite::Connection::open(pages.catalogue.path()).unwrap();
        kept.query_row("SELECT wanted_since FROM records WHERE id = 7", [], |row| row.get::<_, Option<i64>>(0)).unwrap()
    };
    let undo = |page: &str| page.split_once("name=\"undo\" value=\"").unwrap().1.split('"').next().unwrap().to_owned();
    assert_eq!(wanted(), undo(&page).parse().ok());
    let form = format!("mark={}&undo={}", pages.mark(&anna), undo(&page));
    let taken = pages.post("/customers/7/keep", &anna, &form);
    assert_eq!((header(&taken, "location"), wanted()), (Some("/customers/7?left=1"), None));
    assert!(pages.ask("GET", "/customers/7?left=1", &anna).contains("Taken back. That 1 picture will be removed"));
    let again = pages.post("/customers/7/keep", &anna, &form);
    assert!(pages.ask("GET", header(&again, "location").unwrap(), &anna).contains("nothing to take back"));

    // The desk does both from its own list.
    pages.sql("UPDATE records SET retire_at = 1803859200000000 WHERE id = 7");
    let mark = pages.mark(&pages.operator);
    let kept = pages.post("/customers/7/keep", &pages.operator, &format!("mark={mark}&from=removed"));
    let page = pages.get(header(&kept, "location").unwrap());
    assert!(page.contains("We keep looking for 1 picture.") && page.contains("action=\"/customers/7/keep\""), "{page}");
    let form = format!("mark={mark}&from=removed&undo={}", undo(&page));
    let taken = pages.post("/customers/7/keep", &pages.operator, &form);
    assert_eq!((header(&taken, "location"), wanted()), (Some("/removed?left=1"), None));
}

#[test]
fn the_desk_looks_again_and_takes_that_back_from_one_page() {
    let pages = Pages::start();
    pages.two_customers();
    pages.sql("UPDATE records SET retired_at = 1, retired_why = 'gone' WHERE id = 7");
    let mark = pages.mark(&pages.operator);
    let restored = pages.post("/removed", &pages.operator, &format!("mark={mark}&customer=7&record=7"));
    assert_eq!(retired(&pages), [0; 0]);
    let page = pages.get(header(&restored, "location").unwrap());
    assert!(page.contains("It is looked for again.") && page.contains("action=\"/customers/7/remove\""), "{page}");
    let form = format!("mark={mark}&from=removed&record=7");
    let taken = pages.post("/customers/7/remove", &pages.operator, &form);
    let place = header(&taken, "location").unwrap();
    assert!(place.starts_with("/removed?removed="), "{place}");
    assert!(pages.get(place).contains("Taken back: nobody looks for it any more."));
    assert_eq!(retired(&pages), [7]);
}
