//! Frames in the shop's own pages: who may show them, and that a key shows one customer's list and nothing else.

use super::*;

/// The key that the shop's software gets for a customer.
fn key_for(pages: &Pages, name: &str) -> String {
    let shop = pages.program(&format!("for {name}"), &[Scope::Embed]);
    let answer = pages.post(&format!("/api/v1/customers/{name}/embed"), &shop, "");
    assert_eq!(status(&answer), 200, "{answer}");
    let (_, rest) = answer.split_once("https://pictures.example/embed/missing?key=").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn a_key_shows_one_customers_list_and_nothing_else() {
    let pages = Pages::start();
    pages.two_customers();
    let (anna, bert) = (key_for(&pages, "anna"), key_for(&pages, "bert"));
    let page = pages.ask("GET", &format!("/embed/missing?key={anna}"), "");
    assert!(page.contains("of-anna") && !page.contains("of-bert"), "{page}");
    let policy = header(&page, "content-security-policy").unwrap();
    assert!(
        policy.ends_with("frame-ancestors https://shop.example") && policy.starts_with("default-src 'none'"),
        "{policy}"
    );
    assert_eq!(header(&page, "x-frame-options"), None);
    let routes: Vec<_> = table().into_iter().filter(|route| route.who == Who::Embedded).collect();
    assert!(routes.len() >= 2);
    for route in routes.iter().filter(|route| route.path.contains('{')) {
        assert_ne!(route.id, Id::None, "{}: nobody says whose id this is", route.path);
        let of_anna = route.path.replace("{id}", "7");
        let ask = |key: &str| pages.ask("GET", &format!("{of_anna}?key={key}"), "");
        assert_eq!(status(&ask(&anna)), 200, "{of_anna}");
        assert_eq!(status(&ask(&bert)), 404, "{of_anna} with another's key");
        assert_eq!(header(&ask(&anna), "x-frame-options"), Some("DENY"));
    }
    for path in ["/", "/customers/7", "/thumbnails/7", "/customers/7/missing"] {
        assert_eq!(status(&pages.ask("GET", &format!("{path}?key={anna}"), "")), 303, "{path}");
    }
    let cookie = pages.sign_in("anna");
    assert_eq!(status(&pages.ask("GET", "/embed/missing", &cookie)), 403, "a cookie counts for nothing in a frame");
}

#[test]
fn a_key_ends_with_its_time_and_with_the_account() {
    let pages = Pages::start();
    pages.two_customers();
    let key = key_for(&pages, "anna");
    let ask = || pages.ask("GET", &format!("/embed/missing?key={key}"), "");
    assert_eq!(status(&ask()), 200);
    pages.sql("UPDATE customers SET disabled = 1 WHERE id = 7");
    assert_eq!(status(&ask()), 403);
    pages.sql("UPDATE customers SET disabled = 0 WHERE id = 7; UPDATE embed_keys SET ends_at = 1");
    let over = ask();
    assert!(status(&over) == 403 && over.contains("Load the page around it again"), "{over}");
    assert_eq!(header(&over, "x-frame-options"), None, "the frame says so itself");
    let shop = pages.program("shop", &[Scope::Embed]);
    assert_eq!(status(&pages.post("/api/v1/customers/nobody/embed", &shop, "")), 404);
}
