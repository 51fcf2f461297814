//! What programs get: the numbers for monitoring, and only with what they must bring for it.

use std::collections::BTreeSet;

use super::*;
use crate::domain::AttachmentId;

#[test]
fn probes_answer_whoever_asks_and_tell_nothing_of_anybody() {
    let pages = Pages::start();
    pages.hostile();
    for (path, says) in [("/healthz", "ok"), ("/readyz", "ready")] {
        for host in [format!("127.0.0.1:{}", pages.address.port()), "10.0.0.7".into(), "evil.example".into()] {
            let answer = pages.raw(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
            assert_eq!(status(&answer), 200, "{path} as {host}");
            assert!(answer.ends_with(&format!("\r\n\r\n{says}\n")), "{answer}");
        }
        let answer = pages.raw(&format!("POST {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"));
        assert_eq!(status(&answer), 421);
    }
}

#[test]
fn a_store_that_is_away_is_said_and_files_can_be_received() {
    let pages = Pages::start();
    std::fs::rename(pages.folder.path().join("blobs"), pages.folder.path().join("unmounted")).unwrap();
    let answer = pages.ask("GET", "/readyz", "");
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("ready\nthe store of received files is away"), "{answer}");
    assert!(!answer.contains(pages.folder.path().to_str().unwrap()));
    let numbers = pages.get("/metrics");
    assert!(numbers.contains("reunite_store_up{store=\"blobs\"} 0\n"), "{numbers}");
    assert!(numbers.contains("reunite_store_up{store=\"originals\"} 1\n"));
    assert!(numbers.contains("reunite_trouble{kind=\"blobs_away\"} 1\n"));
}

#[test]
fn a_program_that_takes_nothing_for_five_minutes_is_an_incident_until_it_does() {
    let pages = Pages::start();
    pages.two_customers();
    pages.catalogue.write(|tx| tx.webhook_add("shop", "http://127.0.0.1:1/", "secret", Micros(0))).unwrap();
    pages.sql(
        "INSERT INTO outbox (id, webhook, record, event, body, created_at) SELECT 1, 'shop', min(id), 'reattached', '{}', 0 \
               FROM records",
    );
    let trouble = |value: u8| format!("reunite_trouble{{kind=\"webhook_fails\"}} {value}\n");
    assert!(pages.get("/metrics").contains(&trouble(0)), "it waits, and nothing has failed");
    pages.catalogue.write(|tx| tx.webhook_away("shop", "connection refused", Micros(0))).unwrap();
    assert!(pages.get("/metrics").contains(&trouble(1)));
    let answer = pages.ask("GET", "/readyz", "");
    assert_eq!(status(&answer), 200, "files can be received");
    assert!(answer.contains("ready\na program of the shop has not taken for five minutes"), "{answer}");
    pages.sql("DELETE FROM outbox");
    assert!(pages.get("/metrics").contains(&trouble(0)));
}

#[test]
fn numbers_are_for_operators_and_for_tokens_of_their_scope() {
    let pages = Pages::start();
    pages.two_customers();
    pages.two_uploads();
    let right = pages.program("prometheus", &[Scope::Metrics]);
    let other = pages.program("shop", &[Scope::Read, Scope::Originals, Scope::Decide]);
    let anna = pages.sign_in("anna");
    let answer = pages.ask("GET", "/metrics", &right);
    assert_eq!(header(&answer, "content-type"), Some("text/plain; version=0.0.4; charset=utf-8"), "{answer}");
    for line in [
        "reunite_uploads_total{endpoint=\"ftp\"} 2",
        "reunite_upload_bytes_total{endpoint=\"ftp\"} 18",
        "reunite_records{state=\"missing\"} 2",
        "reunite_undecided{kind=\"uploads\"} 1",
        "reunite_connections 0",
        "reunite_decode_child_deaths_total 0",
    ] {
        assert!(answer.contains(&format!("\n{line}\n")), "{line}: {answer}");
    }
    assert!(!answer.contains("anna"), "names of customers are nobody's label");
    pages.sql(
        "INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node) \
               VALUES (3, 7, 1, X'61', 5, zeroblob(32), 'scp', 0, 'decided', 'n')",
    );
    let answer = pages.ask("GET", "/metrics", &right);
    assert!(answer.contains("{endpoint=\"ftp\"} 18\n") && answer.contains("{endpoint=\"scp\"} 5\n"), "{answer}");
    assert_eq!(status(&pages.get("/metrics")), 200, "the operator");
    assert_eq!(status(&pages.ask("GET", "/metrics", &other)), 403);
    let wrong = format!("Authorization: Bearer {}\r\n", new_token().unwrap());
    for headers in ["", &wrong, "Authorization: Basic eDp5\r\n", "Authorization: Bearer\r\n"] {
        let answer = pages.ask("GET", "/metrics", headers);
        assert_eq!((status(&answer), header(&answer, "www-authenticate")), (401, Some("Bearer")), "{headers}");
        assert!(!answer.contains("reunite_uploads"), "{headers}");
    }
    let reader = "Accept: text/html\r\n";
    for headers in [anna.clone(), format!("{anna}{reader}")] {
        assert_eq!(status(&pages.ask("GET", "/metrics", &headers)), 404, "a customer finds nothing");
    }
    assert_eq!(header(&pages.ask("GET", "/metrics", reader), "location"), Some("/sign-in"));
    pages.catalogue.write(|tx| tx.token_remove("prometheus")).unwrap();
    assert_eq!(status(&pages.ask("GET", "/metrics", &right)), 401);
}

/// The JSON of an answer.
fn json(answer: &str) -> serde_json::Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("content-type: application/json\r\n") || head.ends_with("content-type: application/json"),
        "{answer}"
    );
    let body = if head.contains("transfer-encoding: chunked") { unreachable!("{head}") } else { body };
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn programs_read_what_there_is_page_by_page() {
    let pages = Pages::start();
    pages.hostile();
    let shop = pages.program("shop", &[Scope::Read]);
    let get = |path: &str| json(&pages.ask("GET", path, &shop));
    let customers = get("/api/v1/customers");
    assert_eq!(customers["items"][0]["customer"], "<b>mallory");
    assert_eq!((&customers["items"][0]["missing"], &customers["next"]), (&1.into(), &serde_json::Value::Null));
    assert_eq!(get("/api/v1/customers/%3Cb%3Emallory")["recovered"], 1);
    let first = get("/api/v1/records?limit=1");
    assert_eq!((&first["items"][0]["record"], &first["items"][0]["state"]), (&"r1".into(), &"missing".into()));
    let second = get(&format!("/api/v1/records?limit=1&after={}", first["next"]));
    assert_eq!((&second["items"][0]["record"], &second["next"]), (&"r2".into(), &serde_json::Value::Null));
    assert_eq!(second["items"][0]["attachment"]["original"], "k");
    assert_eq!(get("/api/v1/records?state=recovered")["items"][0]["record"], "r2");
    assert_eq!(get("/api/v1/records?state=retired")["items"], serde_json::json!([]));
    let missing = get("/api/v1/missing?customer=%3Cb%3Emallory");
    assert_eq!(missing["items"].as_array().unwrap().len(), 2, "the original of a copy is still wanted");
    assert_eq!(get("/api/v1/records/r2")["history"], serde_json::json!([]));
    let uploads = get("/api/v1/uploads");
    assert_eq!(
        (&uploads["items"][0]["result"], &uploads["items"][1]["result"]),
        (&"attached".into(), &"unreadable".into())
    );
    let matches = get("/api/v1/matches");
    assert_eq!(
        (&matches["items"][0]["verdict"], &matches["items"][0]["path"]),
        (&"attach".into(), &"a/<img src=x>.jpg".into())
    );
    assert_eq!(get("/api/v1/matches?verdict=review")["items"], serde_json::json!([]));
    for (path, expected) in [
        ("/api/v1/records?limit=0", 400),
        ("/api/v1/records?limit=x", 400),
        ("/api/v1/records?state=lost", 400),
        ("/api/v1/records?after=-1", 400),
        ("/api/v1/records?sort=name", 400),
        ("/api/v1/missing?customer=nobody", 404),
        ("/api/v1/customers/nobody", 404),
        ("/api/v1/records/%ff", 400),
        ("/api/v1/records/nothing", 404),
        ("/api/v1/nothing", 404),
    ] {
        let answer = pages.ask("GET", path, &shop);
        assert_eq!(status(&answer), expected, "{path}: {answer}");
        assert!(json(&answer)["error"]["message"].is_string(), "{path}");
    }
    let answer = pages.ask("DELETE", "/api/v1/records", &shop);
    assert_eq!((status(&answer), json(&answer)["error"]["code"].as_str()), (405, Some("method_not_allowed")));
    assert!(header(&answer, "allow").is_some());
}

#[test]
fn programs_answer_and_take_back_and_never_over_another() {
    let pages = Pages::start();
    pages.hostile();
    pages.sql(
        "INSERT INTO images (id, customer, blob, number) VALUES (2, 7, 2, 1);
         INSERT INTO candidates (id, customer, image, record, evidence, verdict, rank) VALUES (5, 7, 2, 1, '[]', 'review', 1)",
    );
    let shop = pages.program("shop", &[Scope::Read, Scope::Decide]);
    let other = pages.program("other", &[Scope::Decide]);
    let asked = json(&pages.ask("GET", "/api/v1/matches?verdict=review", &shop));
    assert_eq!((&asked["items"][0]["candidate"], &asked["items"][0]["seen"]), (&5.into(), &0.into()));
    let say = |headers: &str, candidate: &str, body: &str| {
        let (port, length) = (pages.address.port(), body.len());
        pages.raw(&format!(
            "POST /api/v1/candidates/{candidate}/answer HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
    };
    for (candidate, body, expected) in [
        ("99", "{\"answer\":\"same\"}", 404),
        ("x", "{\"answer\":\"same\"}", 404),
        ("5", "{\"answer\":\"perhaps\"}", 400),
        ("5", "{\"answer\":\"same\",\"more\":1}", 400),
        ("5", "same", 400),
        ("5", "{\"answer\":\"same\",\"seen\":3}", 409),
        ("5", "{\"answer\":\"undo\"}", 409),
    ] {
        let answer = say(&shop, candidate, body);
        assert_eq!(status(&answer), expected, "{body}: {answer}");
        json(&answer);
    }
    let answer = say(&shop, "5", "{\"answer\":\"same\",\"seen\":0,\"why\":\"order 12\"}");
    assert_eq!((status(&answer), &json(&answer)["said"]), (200, &"same".into()));
    let history = json(&pages.ask("GET", "/api/v1/records/r1", &shop));
    let line = &history["history"][0];
    assert_eq!((&line["kind"], &line["who"]), (&"accept".into(), &"program shop".into()));
    assert!(line["text"].as_str().unwrap().ends_with("order 12"), "{line}");
    assert_eq!(status(&say(&other, "5", "{\"answer\":\"undo\"}")), 409, "another's answer stands");
    assert_eq!(json(&say(&shop, "5", "{\"answer\":\"undo\"}"))["said"], "undone");
}

#[test]
fn the_description_lists_every_address_of_the_api() {
    let pages = Pages::start();
    let document = json(&pages.ask("GET", "/api/v1/openapi.json", ""));
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let described = document["paths"].as_object().unwrap();
    let mut found = 0;
    for route in table().into_iter().filter(|route| route.path.starts_with("/api/") && route.who != Who::Anyone) {
        let method = if route.method == MethodFilter::POST { "post" } else { "get" };
        let operation = &described[route.path][method];
        assert!(operation["security"][0]["token"].is_array(), "{} is not described", route.path);
        found += 1;
    }
    assert_eq!(found, described.len(), "nothing is described that is not there");
}

#[test]
fn what_a_webhook_is_sent_is_described() {
    let pages = Pages::start();
    pages.hostile();
    let standing = pages.catalogue.read(|tx| tx.attachment(AttachmentId(1))).unwrap().unwrap();
    pages.catalogue.write(|tx| tx.webhook_add("shop", "http://127.0.0.1:1/", "secret", Micros(0))).unwrap();
    pages.catalogue.write(move |tx| tx.attachment_removing(&standing, "sue", "a mistake")).unwrap();
    let connection = rusqlite::Connection::open(pages.catalogue.path()).unwrap();
    let body: String = connection.query_row("SELECT body FROM outbox", [], |row| row.get(0)).unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["path"], &body["why"]), (&"a/<img src=x>.jpg".into(), &"a mistake".into()));
    let document = json(&pages.ask("GET", "/api/v1/openapi.json", ""));
    let schema = &document["components"]["schemas"]["Delivery"];
    let described: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(described, body.as_object().unwrap().keys().collect());
    assert_eq!(schema["required"].as_array().unwrap().len(), described.len(), "each stands in every one");
    assert_eq!(schema["properties"]["path"]["type"], serde_json::json!(["string", "null"]));
}
