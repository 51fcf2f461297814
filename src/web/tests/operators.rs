//! What those who run the server see: status, history and feed; and orders, which support sees too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// The cookie line of somebody with this role.
fn staff(pages: &Pages, name: &str, role: &str) -> String {
    let hash = hash_password(b"desk").unwrap();
    let id = name.len();
    pages.sql(&format!(
        "INSERT INTO users (id, name, role, password_hash, created_at) VALUES ({id}, '{name}', '{role}', '{hash}', 0)"
    ));
    given_cookie(&pages.post("/sign-in/staff", "", &format!("name={name}&password=desk")))
}

#[test]
fn the_status_tells_what_is_wrong_and_what_was() {
    let pages = Pages::start();
    let (support, operator) = (staff(&pages, "sue", "support"), staff(&pages, "otto", "operator"));
    let page = pages.ask("GET", "/status", &operator);
    assert!(page.contains("Everything works") && page.contains("Nothing yet."), "{page}");
    assert!(page.contains("href=\"/status\" aria-current=\"page\">Status"));
    assert_eq!(status(&pages.ask("GET", "/status", &support)), 404, "operators alone");
    assert!(!pages.ask("GET", "/", &support).contains("href=\"/status\""));

    let (there, away) = (pages.folder.path().join("originals"), pages.folder.path().join("unmounted"));
    std::fs::rename(&there, &away).unwrap();
    pages.condition.note_incidents().unwrap();
    pages.condition.note_incidents().unwrap();
    let page = pages.ask("GET", "/status", &operator);
    assert!(page.contains("Something is wrong") && page.contains("it lasts"), "{page}");
    assert_eq!(page.matches("id=\"incident-").count(), 1, "told once");
    std::fs::rename(&away, &there).unwrap();
    pages.condition.note_incidents().unwrap();
    let page = pages.ask("GET", "/status", &operator);
    assert!(page.contains("Everything works") && !page.contains("it lasts"), "{page}");
    assert!(page.contains("The store of originals is away"));

    let prometheus = pages.program("prometheus", &[Scope::Metrics]);
    let key = prometheus.trim().rsplit(' ').next().unwrap();
    let feed = pages.ask("GET", &format!("/status/feed.atom?key={key}"), "");
    assert_eq!(header(&feed, "content-type"), Some("application/atom+xml; charset=utf-8"), "{feed}");
    assert_eq!(feed.matches("<entry>").count(), 2, "it began, and it is over");
    assert!(feed.contains("<title>Over: The store of originals is away</title>"), "{feed}");
    assert_eq!(status(&pages.ask("GET", "/status/feed.atom", &operator)), 200);
    assert_eq!(status(&pages.ask("GET", "/status/feed.atom", &support)), 404);
    assert_eq!(status(&pages.ask("GET", "/status/feed.atom", "")), 401);
    assert_eq!(status(&pages.ask("GET", "/status/feed.atom?key=wrong", "")), 401);
    let asked = pages.ask("GET", "/status/feed.atom", "Accept: text/html, application/atom+xml\r\n");
    assert_eq!(header(&asked, "www-authenticate"), Some("Basic realm=\"reunite\", Bearer"), "{asked}");
    let basic = |pair: String| format!("Authorization: Basic {}\r\n", STANDARD.encode(pair));
    for (target, pair, expected) in [
        ("/status/feed.atom", format!("any:{key}"), 200),
        ("/status/feed.atom", format!(":{key}"), 200),
        ("/status/feed.atom", key.to_owned(), 401),
        ("/status/feed.atom", format!("{key}:wrong"), 401),
        ("/metrics", format!("any:{key}"), 401),
    ] {
        assert_eq!(status(&pages.ask("GET", target, &basic(pair))), expected, "{target}");
    }
    assert_eq!(status(&pages.ask("GET", &format!("/status?key={key}"), "")), 303, "the key opens feeds alone");
}

#[test]
fn the_history_goes_on_page_by_page() {
    let pages = Pages::start();
    for id in 1..=120 {
        pages.sql(&format!(
            "INSERT INTO incidents (id, kind, began_at, ended_at) VALUES ({id}, 'disk_low', {id}000000, {id}500000)"
        ));
    }
    let first = pages.get("/status");
    assert!(
        first.contains("id=\"incident-120\"")
            && first.contains("id=\"incident-71\"")
            && !first.contains("id=\"incident-70\"")
    );
    assert!(first.contains("href=\"/status?before=71\""), "{first}");
    let last = pages.get("/status?before=21");
    assert!(last.contains("id=\"incident-1\"") && !last.contains("rel=\"next\""), "{last}");
}

#[test]
fn orders_say_what_they_still_miss() {
    let pages = Pages::start();
    assert!(pages.get("/orders").contains("reunite import-orders"), "what to do first");
    pages.hostile();
    pages.sql("INSERT INTO order_items (order_name, record) VALUES ('A-<1>', 1), ('A-<1>', 2), ('B-2', 2);");
    let page = pages.get("/orders");
    assert!(
        page.contains("A-&#60;1&#62;") && page.contains("misses originals") && page.contains("complete again"),
        "{page}"
    );
    let page = pages.get("/orders?state=complete");
    assert!(page.contains("B-2") && !page.contains("A-&#60;1"), "{page}");
    assert!(pages.get("/orders?words=b-").contains("B-2"));
    assert!(pages.get("/orders?words=nothing").contains("No order is like that"));
    // Of given-up records one did not come back.
    pages.sql("UPDATE records SET retired_at = 1 WHERE id = 1");
    let of = |state: &str| pages.get(&format!("/orders?state={state}"));
    assert!(of("given_up").contains("A-&#60;1&#62;") && !of("missing").contains("A-&#60;1&#62;"));
    assert!(of("complete").contains("B-2") && !of("complete").contains("A-&#60;1&#62;"));
}

#[test]
fn orders_come_in_pages() {
    let pages = Pages::start();
    pages.hostile();
    pages.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
           INSERT INTO order_items (order_name, record) SELECT printf('O-%04d', i), 1 + i % 2 FROM n;",
    );
    for (query, count) in [("?", 450), ("?state=missing&", 225), ("?words=o-04&state=complete&", 25)] {
        let (mut behind, mut seen) = (String::new(), 0);
        loop {
            let page = pages.get(&format!("/orders{query}behind={behind}"));
            assert!(page.contains(&format!("<span class=\"count\">{count}</span>")), "{page}");
            let shown = page.matches("<th scope=\"row\">").count();
            seen += shown;
            let Some((_, rest)) = page.split_once("rel=\"next\"") else { break };
            assert_eq!(shown, 200);
            behind = rest.split("behind=").nth(1).unwrap().split('"').next().unwrap().to_owned();
        }
        assert_eq!(seen, count, "{query}");
    }
}
