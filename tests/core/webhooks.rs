//! Webhooks of the real server, with a receiver that can be told how to answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reunite::notify::webhook::signature;
use serde_json::Value;

use crate::support::{Shop, fixture, sha256};

/// A program of the shop that is told things.
struct Receiver {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
    /// The status that it answers with.
    status: Arc<AtomicU16>,
}

#[derive(Clone)]
struct Told {
    head: String,
    body: String,
    taken: bool,
}

impl Told {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head)).split_once(": ").unwrap().1
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Receiver {
    fn start(listener: TcpListener) -> Self {
        let url = format!("http://{}/hooks?from=reunite", listener.local_addr().unwrap());
        let (told, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let (hears, answers) = (Arc::clone(&told), Arc::clone(&status));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                        break;
                    }
                    if let Some(text) = line.to_lowercase().strip_prefix("content-length: ") {
                        length = text.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                let status = answers.load(Ordering::SeqCst);
                let told = Told { head, body: String::from_utf8(body).unwrap(), taken: status == 200 };
                hears.lock().unwrap().push(told);
                let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        Receiver { url, told, status }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// Waits until so many deliveries were taken, and returns them.
    fn taken(&self, count: usize) -> Vec<Told> {
        self.wait_for(|told| told.iter().filter(|one| one.taken).count() >= count);
        self.told.lock().unwrap().iter().filter(|one| one.taken).cloned().collect()
    }

    fn wait_for(&self, enough: impl Fn(&[Told]) -> bool) {
        for _ in 0..1200 {
            if enough(&self.told.lock().unwrap()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let told = self.told.lock().unwrap();
        panic!("not told: {:?}", told.iter().map(|one| (&one.body, one.taken)).collect::<Vec<_>>());
    }
}

/// A shop whose records know their digests, and the folder with the files.
fn shop() -> Shop {
    let shop = Shop::new();
    let mut csv = "record,customer,thumbnail,sha256\n".to_owned();
    for name in ["harbour", "tulips"] {
        csv += &format!("R-{name},anna,,{}\n", sha256(&fixture(&format!("originals/{name}.jpg"))));
    }
    shop.import(&csv);
    shop
}

/// Lets the running server take a fixture in.
fn send(shop: &Shop, name: &str) {
    let folder = shop.scratch().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(fixture(&format!("originals/{name}.jpg")), folder.join("a b.jpg")).unwrap();
    shop.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);
}

#[test]
fn what_comes_back_and_goes_is_told_signed_and_in_order() {
    let shop = shop();
    let receiver = Receiver::start(TcpListener::bind("127.0.0.1:0").unwrap());
    let secret = shop.ok(["webhook", "add", "shop", &receiver.url]);
    assert!(!shop.run(["webhook", "add", "shop", &receiver.url]).status.success(), "the name is taken");
    let _server = shop.serve_with(&[("REUNITE_RECEIVE_INBOX_QUIET_SECONDS", "0")]);
    send(&shop, "harbour");
    send(&shop, "tulips");
    shop.ok(["detach", "R-harbour"]);
    let told = receiver.taken(3);
    let of = |record: &str| {
        let about = told.iter().map(Told::json).filter(|body| body["record"] == record);
        about.map(|body| body["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("R-harbour"), ["reattached", "detached"]);
    assert_eq!(of("R-tulips"), ["reattached"]);
    for one in &told {
        let (seconds, _) = one.header("reunite-signature").strip_prefix("t=").unwrap().split_once(',').unwrap();
        let expected = signature(secret.trim(), seconds.parse().unwrap(), &one.body);
        assert_eq!(one.header("reunite-signature"), expected);
        assert_eq!(one.header("reunite-delivery"), one.json()["delivery"].to_string());
        assert!(one.head.starts_with("POST /hooks?from=reunite HTTP/1.1"));
    }
    let first = told[0].json();
    assert_eq!(
        (&first["customer"], &first["grade"], &first["method"]),
        (&"anna".into(), &"original".into(), &"digest".into())
    );
    assert_eq!((&first["path"], &first["original"]), (&"a b.jpg".into(), &"anna/R-harbour.jpg".into()));
    assert_eq!(first["sha256"], sha256(&fixture("originals/harbour.jpg")));
    let status: Value = serde_json::from_str(&shop.ok(["status", "--json"])).unwrap();
    assert_eq!((&status["webhooks"][0]["delivered"], &status["webhooks"][0]["waiting"]), (&3.into(), &0.into()));
}

#[test]
fn a_receiver_that_was_away_is_told_later_even_by_another_server() {
    let shop = shop();
    let receiver = Receiver::start(TcpListener::bind("127.0.0.1:0").unwrap());
    receiver.answer(503);
    shop.ok(["webhook", "add", "shop", &receiver.url]);
    let server = shop.serve_with(&[("REUNITE_RECEIVE_INBOX_QUIET_SECONDS", "0")]);
    send(&shop, "harbour");
    shop.ok(["detach", "R-harbour"]);
    receiver.wait_for(|told| !told.is_empty());
    server.kill();
    let said = shop.ok(["status"]);
    assert!(said.contains("the webhook `shop` does not take what it is told: it answered 503"), "{said}");
    let _server = shop.serve();
    receiver.wait_for(|told| told.len() >= 2);
    receiver.answer(200);
    let told = receiver.taken(2);
    let events: Vec<_> = told.iter().map(|one| one.json()["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, ["reattached", "detached"]);
    let numbers: Vec<_> = receiver.told.lock().unwrap().iter().map(|one| one.json()["delivery"].clone()).collect();
    assert_eq!(numbers[0], numbers[1], "told again under the same number");
}

#[test]
fn a_delivery_that_is_refused_holds_only_its_record_up() {
    let shop = shop();
    let receiver = Receiver::start(TcpListener::bind("127.0.0.1:0").unwrap());
    receiver.answer(422);
    shop.ok(["webhook", "add", "shop", &receiver.url]);
    let _server = shop.serve_with(&[("REUNITE_RECEIVE_INBOX_QUIET_SECONDS", "0")]);
    send(&shop, "harbour");
    receiver.wait_for(|told| !told.is_empty());
    receiver.answer(200);
    send(&shop, "tulips");
    let told = receiver.taken(2);
    let mut records: Vec<_> = told.iter().map(|one| one.json()["record"].as_str().unwrap().to_owned()).collect();
    records.sort();
    assert_eq!(records, ["R-harbour", "R-tulips"]);
}

#[test]
fn a_test_says_how_it_was_answered() {
    let shop = shop();
    let receiver = Receiver::start(TcpListener::bind("127.0.0.1:0").unwrap());
    shop.ok(["webhook", "add", "shop", &receiver.url]);
    shop.ok(["webhook", "test", "shop"]);
    assert_eq!(receiver.taken(1)[0].json()["event"], "test");
    receiver.answer(404);
    let refused = shop.run(["webhook", "test", "shop"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("it answered 404"), "{said}");
    shop.ok(["webhook", "remove", "shop"]);
    assert!(!shop.run(["webhook", "test", "shop"]).status.success());
}
