//! What the pages say: lists, searches, live numbers, pictures and reports.

use super::*;

#[test]
fn hostile_names_are_only_text() {
    let pages = Pages::start();
    pages.hostile();
    for target in ["/", "/customers/7", "/customers/7/missing", "/customers/7/returned", "/customers/7/problems"] {
        let page = pages.get(target);
        assert_eq!(status(&page), 200, "{target}");
        for forbidden in ["<script>alert", "<b>mallory", "<img src=x>", "<i>", "\u{202e}", " style=", "onload="] {
            assert!(!page.contains(forbidden), "{target} has {forbidden}");
        }
    }
    let page = pages.get("/customers/7");
    assert!(page.contains("1 of 2 pictures is back"));
    assert!(page.contains("a/&#60;img src=x&#62;.jpg"), "{page}");
    assert!(page.contains(r"\xe2\x80\xaegp\xd1.exe"), "{page}");
    assert!(page.contains("Not a picture &#60;i&#62;"));
    assert!(page.contains("A copy: the original is still welcome"));
}

#[test]
fn imported_bytes_are_never_served() {
    let pages = Pages::start();
    pages.hostile();
    // There are no decode children here, so nothing can be made anew; tests/children.rs and tests/web see what is.
    for thumbnail in ["/thumbnails/1?0123", "/thumbnails/2"] {
        let picture = pages.get(thumbnail);
        assert_eq!((status(&picture), header(&picture, "content-type")), (200, Some("image/svg+xml")));
        assert!(header(&picture, "content-security-policy").unwrap().contains("sandbox"));
        assert!(picture.ends_with("</svg>\n") && !picture.contains("onload"), "{picture}");
    }
    for nothing in ["/thumbnails/3", "/thumbnails/x", "/thumbnails/99999999999999999999", "/thumbnails/1/2"] {
        assert_eq!(status(&pages.get(nothing)), 404, "{nothing}");
    }
}

#[test]
fn many_customers_come_in_pages_and_are_found_by_name() {
    let pages = Pages::start();
    pages.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
         INSERT INTO customers (id, name, created_at) SELECT i, 'Firma ' || i || ' & Co', 0 FROM n;",
    );
    let follow = |first: &str| {
        let (mut target, mut lengths) = (first.to_owned(), Vec::new());
        loop {
            let page = pages.get(&target);
            lengths.push(page.matches("<th scope=\"row\">").count());
            let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else { return lengths };
            target = rest.split('"').next().unwrap().replace("&#38;", "&");
        }
    };
    assert_eq!(follow("/"), [100, 100, 50]);
    assert_eq!(follow("/?name=FIRMA+1"), [100, 11], "1, 10 to 19, 100 to 199");
    assert_eq!(follow("/?name=firma+250+%26+co"), [1]);
    assert!(pages.get("/?name=nobody").contains("No customer is called that"));
}

#[test]
fn long_lists_come_in_pages() {
    let pages = Pages::start();
    pages.sql(
        "INSERT INTO customers (id, name, created_at) VALUES (1, 'many', 0);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
         INSERT INTO records (id, customer, name, imported_at, changed_seq) SELECT i, 1, 'r' || i, 0, i FROM n;",
    );
    let first = pages.get("/customers/1");
    assert!(first.contains("These are the first 60 of 250"));
    let mut target = "/customers/1/missing".to_owned();
    let mut lengths = Vec::new();
    loop {
        let page = pages.get(&target);
        lengths.push(page.matches("<li class=\"card\">").count());
        let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else { break };
        target = rest.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(lengths, [120, 120, 10]);
}

/// Every page behind the link to the next one, from `target` on.
fn pages_from(pages: &Pages, target: &str) -> Vec<String> {
    let (mut target, mut all) = (target.to_owned(), Vec::new());
    loop {
        let page = pages.get(&target);
        assert_eq!(status(&page), 200, "{target}");
        let next = page.split_once("rel=\"next\" href=\"").and_then(|(_, rest)| rest.split('"').next());
        let next = next.map(|next| next.replace("&#38;", "&"));
        all.push(page);
        let Some(next) = next else { return all };
        assert!(all.len() < 50, "the pages do not end");
        target = next;
    }
}

#[test]
fn the_match_report_comes_in_pages_what_came_back_last_first() {
    let pages = Pages::start();
    pages.sql(
        "INSERT INTO customers (id, name, created_at) VALUES (1, 'anna', 0), (2, 'bert', 0);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 460)
           INSERT INTO records (id, customer, name, imported_at, changed_seq) SELECT i, 1 + i % 2, 'r' || i, 0, i FROM n;
         INSERT INTO submissions (id, customer, started_at, last_at) VALUES (1, 1, 0, 0);
         INSERT INTO blobs (id, customer, digest, size) SELECT id, customer, CAST(zeroblob(28) || printf('%04d', id) AS BLOB), 9 FROM records;
         INSERT INTO images (id, customer, blob, number) SELECT id, customer, id, 1 FROM records;
         INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node, blob)
           SELECT id, customer, 1, CAST('p' || id AS BLOB), 9, zeroblob(32), 'ftp', 0, 'decided', 'n', id FROM records;
         INSERT INTO attachments (id, customer, record, image, upload, state, object_key, digest, grade, method, evidence, decided_by,
             decided_at) SELECT id, customer, id, id, id, 'standing', 'k' || id, zeroblob(32), 'original',
             CASE WHEN id % 10 = 0 THEN 'name' ELSE 'digest' END, '{}', 'rule', id * 86400000000 FROM records WHERE id <= 250;
         INSERT INTO candidates (id, customer, image, record, evidence, verdict, method)
           SELECT id, customer, id, id, '{}', 'review', 'likeness' FROM records WHERE id > 250;
         UPDATE records SET retired_at = 1 WHERE id = 460;",
    );
    let records = |query: &str| -> Vec<u32> {
        let all = pages_from(&pages, &format!("/matches{query}")).join("");
        all.split("<tr><td data-label=\"Record\"><a href=\"/records/")
            .skip(1)
            .filter_map(|row| row.split(">r").nth(1))
            .map(|row| row.split('<').next().unwrap().parse().unwrap())
            .collect()
    };
    let all: Vec<u32> = (1..=250).rev().chain((251..460).rev()).collect();
    assert_eq!(records(""), all);
    assert_eq!(records("?verdict=review"), (251..460).rev().collect::<Vec<_>>());
    assert_eq!(records("?customer=bert&verdict=attach"), (1..=250).rev().filter(|id| id % 2 == 1).collect::<Vec<_>>());
    assert_eq!(records("?method=name"), (1..=250).rev().filter(|id| id % 10 == 0).collect::<Vec<_>>());
    assert_eq!(records("?from=1970-09-01"), (243..=250).rev().collect::<Vec<_>>(), "day 243 of the year is its begin");
    assert_eq!(records("?customer=carl"), Vec::<u32>::new());
    assert!(pages.get("/matches").contains("<span class=\"count\">459</span>"));
    assert!(pages.get("/matches?customer=anna&verdict=attach").contains("<span class=\"count\">125</span>"));
    for wrong in ["behind=attach", "behind=x-1", "behind=review-x", "verdict=perhaps", "from=yesterday"] {
        assert_eq!(status(&pages.get(&format!("/matches?{wrong}"))), 400, "{wrong}");
    }
}

#[test]
fn records_for_a_file_come_in_pages() {
    let pages = Pages::start();
    pages.sql(
        "INSERT INTO customers (id, name, created_at) VALUES (7, 'anna', 0);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 130)
           INSERT INTO records (id, customer, name, imported_at, changed_seq) SELECT i, 7, 'r' || i, 0, i FROM n;",
    );
    pages.two_uploads();
    let all = pages_from(&pages, "/uploads/1");
    let shown: Vec<usize> = all.iter().map(|page| page.matches("<li class=\"card\">").count()).collect();
    assert_eq!(shown, [60, 60, 10]);
}

#[test]
fn missing_pictures_are_found_by_name_day_and_size() {
    let pages = Pages::start();
    pages.sql(
        "INSERT INTO customers (id, name, created_at) VALUES (1, 'anna', 0);
         INSERT INTO records (id, customer, name, filename, width, height, taken_at, imported_at, changed_seq) VALUES
           (1, 1, 'r1', 'Wedding_100%.jpg', 4000, 3000, '2018-06-30T10:00:00', 0, 1),
           (2, 1, 'r2', 'weddingX100.jpg', 1000, 1000, '2019-01-01', 0, 2),
           (3, 1, 'r3', NULL, NULL, NULL, NULL, 0, 3);",
    );
    for (query, found) in [
        ("", vec!["r1", "r2", "r3"]),
        ("words=WEDDING", vec!["r1", "r2"]),
        ("words=g_1", vec!["r1"]),
        ("words=100%25", vec!["r1"]),
        ("words=R3", vec!["r3"]),
        ("words=%27%3B--", vec![]),
        ("from=2018-06-30&to=2018-06-30", vec!["r1"]),
        ("from=2018-07-01", vec!["r2"]),
        ("size=large", vec!["r1"]),
        ("size=small", vec!["r2"]),
        ("size=medium", vec![]),
    ] {
        let page = pages.get(&format!("/customers/1/missing?{query}"));
        let has = |record: &str| page.contains(&format!(">{record}<"));
        let shown: Vec<&str> = ["r1", "r2", "r3"].into_iter().filter(|record| has(record)).collect();
        assert_eq!(shown, found, "{query}");
    }
}

#[test]
fn a_page_of_many_missing_pictures_is_small() {
    let pages = Pages::start();
    pages.sql(
        "INSERT INTO customers (id, name, created_at) VALUES (1, 'many', 0);
         INSERT INTO thumbnail_files (digest, bytes) VALUES (zeroblob(32), X'FFD8FFE0');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
         INSERT INTO records (id, customer, name, filename, width, height, taken_at, imported_at, changed_seq)
           SELECT i, 1, 'record-' || i, 'a rather long name of a picture ' || i || '.jpg', 6000, 4000, '2018-06-30T10:00:00', 0, i FROM n;
         INSERT INTO thumbnails (id, record, role, source, digest) SELECT id, id, 'thumbnail', 'a', zeroblob(32) FROM records;",
    );
    for target in ["/customers/1", "/customers/1/missing", "/customers/1/missing?behind=49000"] {
        let page = pages.get(target);
        assert!(page.matches("<li class=\"card\">").count() >= 60);
        assert!(page.len() < 150 << 10, "{target} has {} bytes", page.len());
    }
}

#[test]
fn an_open_page_hears_of_changes_and_of_nothing_else() {
    let pages = Pages::start();
    pages.two_customers();
    let cookie = pages.sign_in("anna");
    let port = pages.address.port();
    let mut line = TcpStream::connect(pages.address).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    write!(line, "GET /customers/7/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{cookie}\r\n").unwrap();
    let mut heard = || {
        let mut some = [0; 4096];
        line.read(&mut some).map(|read| String::from_utf8_lossy(&some[..read]).into_owned()).unwrap_or_default()
    };
    assert!(heard().contains("text/event-stream"));
    pages.sql("UPDATE records SET retired_at = 1 WHERE id = 8");
    assert_eq!(heard(), "", "what is bert's is not told to anna");
    pages.sql("UPDATE records SET retired_at = 1 WHERE id = 7");
    assert!(heard().contains("event: change"));
}

#[test]
fn the_match_report_can_be_filtered_and_kept() {
    let pages = Pages::start();
    pages.hostile();
    let page = pages.get("/matches");
    assert!(page.contains("a/&#60;img src=x&#62;.jpg") && !page.contains("<img src=x>"), "{page}");
    assert!(
        page.contains(">came back<") && page.contains(">a copy<") && page.contains(">the rule<"),
        "in words: {page}"
    );
    assert!(pages.get("/matches?verdict=review").contains("Nothing is like that"));
    let print = pages.get("/matches/print?customer=%3Cb%3Emallory");
    assert!(print.contains("&#60;img src=x&#62;") && !print.contains("<form") && !print.contains("<nav"), "{print}");
    assert!(!pages.get("/matches/print?customer=nobody").contains("<td>"));
    let csv = pages.get("/matches/matches.csv?customer=nobody");
    assert!(csv.contains("record,customer,path") && !csv.contains("mallory"), "{csv}");
    assert!(pages.get("/matches?from=2030-01-01").contains("Nothing is like that"));
    assert!(!pages.get("/matches?customer=%3Cb%3Emallory&method=m&verdict=attach").contains("Nothing is like that"));
    let csv = pages.get("/matches/matches.csv?verdict=attach");
    assert_eq!(header(&csv, "content-disposition"), Some("attachment; filename=\"matches.csv\""));
    assert!(csv.contains("r2,<b>mallory,a/<img src=x>.jpg,1,"), "{csv}");
    assert!(!pages.get("/matches/matches.csv?verdict=review").contains("mallory"));
    let json = pages.get("/matches/matches.json");
    assert_eq!(header(&json, "content-type"), Some("application/json"));
    assert!(json.contains("\"record\": \"r2\"") || json.contains("\"record\":\"r2\""), "{json}");
    assert_eq!(status(&pages.get("/matches/matches.exe")), 404);
    assert_eq!(status(&pages.get("/customers/7/report/passwd")), 404);
    assert!(pages.get("/customers/7/report/came-back.csv").contains("r2,"));
}

#[test]
fn what_is_printed_comes_in_parts() {
    let pages = Pages::start();
    pages.two_customers();
    pages.sql(
        "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 2599)
           INSERT INTO records (id, customer, name, imported_at, changed_seq) SELECT i, 7, 'r' || i, 0, i FROM n;
         INSERT INTO blobs (id, customer, digest, size) VALUES (1, 7, zeroblob(32), 9);
         INSERT INTO images (id, customer, blob, number) VALUES (1, 7, 1, 1);
         INSERT INTO submissions (id, customer, started_at, last_at) VALUES (1, 7, 0, 0);
         INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node, blob)
           VALUES (1, 7, 1, X'61', 9, zeroblob(32), 'ftp', 0, 'decided', 'n', 1);
         INSERT INTO candidates (id, customer, image, record, evidence, verdict, method)
           SELECT id, 7, 1, id, '{}', 'review', 'likeness' FROM records WHERE id >= 100;",
    );
    let parts = pages_from(&pages, "/matches/print");
    let rows: Vec<usize> = parts.iter().map(|part| part.matches("<tr><td>").count()).collect();
    assert_eq!(rows, [2000, 500]);
    assert!(parts[0].contains("(UTC). A part of 2000 rows") && parts[0].contains("class=\"count\">2\u{202f}500<"));
}
