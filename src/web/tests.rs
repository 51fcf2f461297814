//! The pages over a real socket, asked in raw HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::routing::MethodFilter;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::routes::{Id, Who, table};
use super::{Counts, Line, Ports, WebContext, new_token, serve, token_address};
use crate::catalogue::Catalogue;
use crate::domain::{Digest, Micros};
use crate::endpoint::login::{LoginSettings, Logins, PenaltySettings, hash_password};
use crate::endpoint::tls::Tls;
use crate::networks::Networks;

/// Pages that run until dropped.
struct Pages {
    address: SocketAddr,
    token: String,
    /// The cookie line of the operator who brought the token.
    operator: String,
    catalogue: Arc<Catalogue>,
    _shutdown: watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Pages {
    fn start() -> Self {
        let mut pages = Self::behind(Line::default(), None);
        pages.operator = given_cookie(&pages.ask("GET", &format!("/?token={}", pages.token), ""));
        pages
    }

    fn behind(line: Line, public_host: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Arc::new(Catalogue::open(&folder.path().join("catalogue.sqlite")).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = watch::channel(false);
        let token = new_token().unwrap();
        let penalty = PenaltySettings { delay: Duration::ZERO, address_max: 4, ..PenaltySettings::default() };
        let settings = LoginSettings { penalty, ..LoginSettings::default() };
        let logins = Arc::new(Logins::new(Arc::clone(&catalogue), settings).unwrap());
        let context = Arc::new(WebContext {
            catalogue: Arc::clone(&catalogue),
            logins,
            token: token.clone(),
            counts: Counts::default(),
            ports: Ports { ftp: Some(2121), sftp: Some(2222) },
            line,
            public_host: public_host.map(str::to_owned),
        });
        runtime.spawn(serve(listener, context, receiver));
        Pages {
            address,
            token,
            operator: String::new(),
            catalogue,
            _shutdown: sender,
            _runtime: runtime,
            _folder: folder,
        }
    }

    /// The answer to raw bytes, as text.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut some = [0; 16 << 10];
        loop {
            let read = stream.read(&mut some).unwrap();
            answer.extend_from_slice(&some[..read]);
            let text = String::from_utf8_lossy(&answer);
            // A line of events goes on; what it is stands in its head.
            if read == 0 || (text.contains("content-type: text/event-stream") && text.contains("\r\n\r\n")) {
                return text.into_owned();
            }
        }
    }

    fn ask(&self, method: &str, target: &str, headers: &str) -> String {
        let port = self.address.port();
        self.raw(&format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n"))
    }

    /// A page for the operator.
    fn get(&self, target: &str) -> String {
        self.ask("GET", target, &self.operator)
    }

    /// What a form of ours sends, with the headers of a browser.
    fn post(&self, target: &str, headers: &str, form: &str) -> String {
        let (port, length) = (self.address.port(), form.len());
        self.raw(&format!(
            "POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nOrigin: null\r\n\
             Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n{headers}\r\n{form}"
        ))
    }

    /// The mark of the forms on the pages of whoever has this cookie line.
    fn mark(&self, cookie: &str) -> String {
        let page = self.ask("GET", &self.home(cookie), cookie);
        let (_, rest) = page.split_once("name=\"mark\" value=\"").expect("a form with a mark");
        rest.split('"').next().unwrap().to_owned()
    }

    /// Where `/` leads whoever has this cookie line.
    fn home(&self, cookie: &str) -> String {
        header(&self.ask("GET", "/", cookie), "location").unwrap_or("/").to_owned()
    }

    /// Customers `anna` (7) and `bert` (8) with a record and a thumbnail each; the password is the name.
    fn two_customers(&self) {
        for (id, name) in [(7, "anna"), (8, "bert")] {
            let hash = hash_password(name.as_bytes()).unwrap();
            self.sql(&format!(
                "INSERT INTO customers (id, name, password_hash, created_at) VALUES ({id}, '{name}', '{hash}', 0);
                 INSERT INTO records (id, customer, name, imported_at, changed_seq) VALUES ({id}, {id}, 'of-{name}', 0, {id});
                 INSERT INTO thumbnail_files (digest, bytes) VALUES (CAST(zeroblob(31) || X'0{id}' AS BLOB), X'FFD8FFE0');
                 INSERT INTO thumbnails (id, record, role, source, digest)
                   VALUES ({id}, {id}, 'thumbnail', 'a', CAST(zeroblob(31) || X'0{id}' AS BLOB));",
            ));
        }
    }

    /// The cookie line of a customer of [`Pages::two_customers`].
    fn sign_in(&self, name: &str) -> String {
        let answer = self.post("/sign-in", "", &format!("name={name}&password={name}"));
        assert_eq!((status(&answer), header(&answer, "location")), (303, Some("/")), "{answer}");
        given_cookie(&answer)
    }

    fn cookie(&self, token: &str) -> String {
        format!("Cookie: other=1; reunite-{}={token}\r\n", self.address.port())
    }

    fn sql(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.catalogue.path()).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// A customer `<b>mallory` with one missing record, one that came back, and one file that could not be used.
    fn hostile(&self) {
        self.sql(
            "INSERT INTO customers (id, name, created_at) VALUES (7, '<b>mallory', 0);
             INSERT INTO records (id, customer, name, filename, imported_at, changed_seq)
               VALUES (1, 7, 'r1', '\"><script>alert(1)</script>.jpg', 0, 1), (2, 7, 'r2', NULL, 0, 2);
             INSERT INTO thumbnail_files (digest, bytes)
               VALUES (zeroblob(32), X'FFD8FFE0'), (CAST(zeroblob(31) || X'01' AS BLOB), CAST('<svg onload=alert(1)>' AS BLOB));
             INSERT INTO thumbnails (id, record, role, source, digest) VALUES
               (1, 1, 'thumbnail', 'a', zeroblob(32)), (2, 2, 'thumbnail', 'b', CAST(zeroblob(31) || X'01' AS BLOB));
             INSERT INTO submissions (id, customer, started_at, last_at) VALUES (1, 7, 0, 0);
             INSERT INTO blobs (id, customer, digest, size, problem) VALUES (1, 7, zeroblob(32), 9, NULL),
               (2, 7, CAST(zeroblob(31) || X'02' AS BLOB), 9, 'not a picture <i>');
             INSERT INTO images (id, customer, blob, number) VALUES (1, 7, 1, 1);
             INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node, blob) VALUES
               (1, 7, 1, CAST('a/<img src=x>.jpg' AS BLOB), 9, zeroblob(32), 'ftp', 0, 'decided', 'n', 1),
               (2, 7, 1, X'E280AE6770D12E657865', 9, CAST(zeroblob(31) || X'02' AS BLOB), 'ftp', 0, 'decided', 'n', 2);
             INSERT INTO attachments (id, customer, record, image, upload, state, object_key, digest, grade, method, evidence,
                 decided_by, decided_at) VALUES (1, 7, 2, 1, 1, 'standing', 'k', zeroblob(32), 'copy', 'm', '{}', 'rule', 0);",
        );
    }
}

/// The cookie that an answer sets, as the line that brings it back.
fn given_cookie(answer: &str) -> String {
    let cookie = header(answer, "set-cookie").unwrap_or_else(|| panic!("no cookie: {answer}"));
    format!("Cookie: other=1; {}\r\n", cookie.split(';').next().unwrap())
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[test]
fn the_token_is_for_this_machine() {
    let at = |listen: &str, tls| token_address(listen.parse().unwrap(), tls, "t");
    assert_eq!(at("127.0.0.1:8080", false).as_deref(), Some("http://127.0.0.1:8080/?token=t"));
    assert_eq!(at("[::]:443", true).as_deref(), Some("https://[::1]:443/?token=t"));
    assert_eq!(at("192.0.2.1:443", true), None);
    let pages = Pages::behind(Line::default(), Some("pictures.example.net"));
    let ask =
        format!("GET /?token={} HTTP/1.1\r\nHost: pictures.example.net\r\nConnection: close\r\n\r\n", pages.token);
    assert_eq!(status(&pages.raw(&ask)), 403);
}

#[test]
fn behind_a_proxy_cookies_are_for_tls_and_visitors_are_whom_it_names() {
    let line = Line { proxies: Networks::new(vec!["127.0.0.1".parse().unwrap()]), ..Line::default() };
    let pages = Pages::behind(line, Some("pictures.example.net"));
    pages.two_customers();
    let sign_in = |forwarded: &str, name: &str, password: &str| {
        let form = format!("name={name}&password={password}");
        pages.raw(&format!(
            "POST /sign-in HTTP/1.1\r\nHost: pictures.example.net\r\nOrigin: https://pictures.example.net\r\nConnection: close\r\n\
             X-Forwarded-For: {forwarded}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ))
    };
    let answer = sign_in("192.0.2.1", "anna", "anna");
    let cookie = header(&answer, "set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-reunite=") && cookie.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert!(header(&answer, "strict-transport-security").is_some());
    // Whoever guesses is shut out by the address that the proxy saw, whatever they claim themselves.
    for claimed in ["198.51.100.1", "198.51.100.2", "198.51.100.3", "junk"] {
        assert_eq!(status(&sign_in(&format!("{claimed}, 192.0.2.66"), "bert", "x")), 403);
    }
    assert_eq!(status(&sign_in("198.51.100.4, 192.0.2.66", "bert", "bert")), 429);
    assert_eq!(status(&sign_in("192.0.2.67", "bert", "bert")), 303);
}

#[test]
fn inside_tls_the_servers_certificate_answers_and_clear_text_does_not() {
    let keys = tempfile::tempdir().unwrap();
    let tls = Arc::new(Tls::open(keys.path(), &["localhost".to_owned()]).unwrap());
    let pages = Pages::behind(Line { tls: Some(tls), ..Line::default() }, None);
    let config = keys.path().join("tls.crt");
    let ask = |extra: &[&str]| {
        let out = std::process::Command::new("curl")
            .args(["--silent", "--include", "--max-time", "10", "--cacert"])
            .arg(&config)
            .args(extra)
            .output()
            .expect("curl runs");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let answer = ask(&[&format!("https://localhost:{}/?token={}", pages.address.port(), pages.token)]);
    assert_eq!(status(&answer), 303, "{answer}");
    let cookie = header(&answer, "set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-reunite-") && cookie.ends_with("; Secure"), "{cookie}");
    let plain = ask(&[&format!("http://localhost:{}/", pages.address.port())]);
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
}

#[test]
fn tokens_differ() {
    let token = new_token().unwrap();
    assert_eq!(token.len(), 43);
    assert_ne!(token, new_token().unwrap());
}

#[test]
fn a_foreign_host_gets_nothing() {
    let pages = Pages::start();
    let cookie = pages.operator.clone();
    let port = pages.address.port();
    for host in ["evil.example", "127.0.0.1", "localhost:1", "evil.example:80", "127.0.0.1.evil.example"] {
        let answer = pages.raw(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{cookie}\r\n"));
        assert_eq!(status(&answer), 421, "{host}");
    }
    for host in ["localhost", "LOCALHOST", "[::1]", "127.0.0.1"] {
        let answer = pages.raw(&format!("GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n{cookie}\r\n"));
        assert_eq!(status(&answer), 200, "{host}");
    }
    // The address line may name a host, too, and a second Host header may contradict the first.
    let own = format!("Host: 127.0.0.1:{port}\r\n");
    let answer = pages.raw(&format!("GET http://evil.example/ HTTP/1.1\r\n{own}Connection: close\r\n{cookie}\r\n"));
    assert_eq!(status(&answer), 421);
    let answer = pages.raw(&format!("GET / HTTP/1.1\r\n{own}Host: evil.example\r\nConnection: close\r\n{cookie}\r\n"));
    assert!(matches!(status(&answer), 400 | 421), "{answer}");
    assert_eq!(status(&pages.raw("GET / HTTP/1.0\r\n\r\n")), 421);
}

#[test]
fn other_methods_are_refused() {
    let pages = Pages::start();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let answer = pages.ask(method, "/", &pages.operator);
        assert_eq!(status(&answer), 405, "{method}");
        assert_eq!(header(&answer, "allow"), Some("GET, HEAD, POST"));
    }
    assert_eq!(status(&pages.post("/", &pages.operator, &format!("mark={}", pages.mark(&pages.operator)))), 405);
    let answer = pages.ask("HEAD", "/", &pages.operator);
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body");
}

#[test]
fn without_signing_in_there_is_nothing_to_see() {
    let pages = Pages::start();
    pages.hostile();
    let wrong = new_token().unwrap();
    let right = &pages.token;
    for target in ["/", "/customers/7", "/thumbnails/1", "/customers/99"] {
        for cookie in [String::new(), pages.cookie(&wrong), pages.cookie(""), pages.cookie(right)] {
            let answer = pages.ask("GET", target, &cookie);
            assert_eq!((status(&answer), header(&answer, "location")), (303, Some("/sign-in")), "{target}");
            assert!(!answer.contains("mallory"));
        }
    }
    for given in [&wrong, "", &right[..42], &format!("{right}x"), &format!("x{right}")] {
        let answer = pages.ask("GET", &format!("/?token={given}"), &pages.operator);
        assert_eq!(status(&answer), 403, "{given}");
        assert!(!answer.contains("mallory"));
    }
    let other_port = pages.operator.replace(&format!("reunite-{}=", pages.address.port()), "reunite-1=");
    assert_eq!(status(&pages.ask("GET", "/", &other_port)), 303, "another port's cookie");
}

#[test]
fn the_token_becomes_a_session_and_leaves_the_address() {
    let pages = Pages::start();
    let token = &pages.token;
    let answer = pages.ask("GET", &format!("/customers/7/missing?token={token}&page=2"), "");
    assert_eq!(status(&answer), 303);
    assert_eq!(header(&answer, "location"), Some("/customers/7/missing?page=2"));
    let cookie = header(&answer, "set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains(token.as_str()), "the cookie is a secret of its own");
    assert_eq!(status(&pages.ask("GET", "/", &given_cookie(&answer))), 200);
    // The way on stays on this server.
    let answer = pages.ask("GET", &format!("//evil.example/?token={token}"), "");
    assert_eq!(header(&answer, "location"), Some("/evil.example/"));
}

/// Every address of the table that carries an id, with the ids of a customer of [`Pages::two_customers`] in it.
fn addresses_of(customer: i64) -> Vec<(MethodFilter, String)> {
    let with_ids = table().into_iter().filter(|route| route.path.contains('{') && route.who != Who::Staff);
    with_ids
        .map(|route| {
            assert_ne!(route.id, Id::None, "{}: nobody says whose id this is", route.path);
            assert_eq!(route.who, Who::SignedIn, "{}", route.path);
            // The things of a customer have the customer's own number there.
            let path = route
                .path
                .replace("{id}", &customer.to_string())
                .replace("{list}", "missing")
                .replace("{program}", "winscp.ini")
                .replace("{file}", "missing.csv");
            assert!(!path.contains('{'), "{}: this test does not know what belongs here", route.path);
            (route.method, path)
        })
        .collect()
}

#[test]
fn a_customer_gets_nothing_of_anothers_at_any_address() {
    let pages = Pages::start();
    pages.two_customers();
    let (anna, bert) = (pages.sign_in("anna"), pages.sign_in("bert"));
    let ask = |cookie: &str, method: MethodFilter, path: &str| match method {
        MethodFilter::POST => pages.post(path, cookie, &format!("mark={}", pages.mark(cookie))),
        _ => pages.ask("GET", path, cookie),
    };
    let addresses = addresses_of(7);
    assert!(addresses.len() >= 7);
    for (method, path) in addresses {
        let own = ask(&anna, method, &path);
        assert!(!matches!(status(&own), 403 | 404), "{path} is not even anna's own: {own}");
        let foreign = ask(&bert, method, &path);
        assert_eq!(status(&foreign), 404, "{path}");
        // Nor does the answer tell whether there is such a thing.
        let absent = ask(&bert, method, &path.replace('7', "70"));
        let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        assert_eq!(body(&foreign), body(&absent), "{path}");
        assert_eq!(status(&ask(&pages.operator, method, &path)), status(&own), "{path}");
    }
    assert_eq!(pages.home(&anna), "/customers/7");
    assert!(!pages.ask("GET", "/customers/7", &anna).contains("href=\"/\">Customers"));
}

#[test]
fn what_no_page_of_ours_sent_is_not_done() {
    let pages = Pages::start();
    pages.two_customers();
    let anna = pages.sign_in("anna");
    let port = pages.address.port();
    let own = format!("Origin: http://127.0.0.1:{port}\r\n");
    let mark = pages.mark(&anna);
    let send = |headers: &str, mark: &str| {
        let form = format!("mark={mark}");
        status(&pages.ask(
            "POST",
            "/sign-out",
            &format!(
                "{anna}{headers}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            ),
        ))
    };
    for foreign in [
        "",
        "Origin: null\r\n",
        "Origin: https://evil.example\r\n",
        "Origin: null\r\nSec-Fetch-Site: cross-site\r\n",
        "Origin: null\r\nSec-Fetch-Site: same-site\r\n",
        "Origin: http://127.0.0.1:1\r\nSec-Fetch-Site: same-origin\r\n",
    ] {
        assert_eq!(send(foreign, &mark), 403, "{foreign}");
    }
    for wrong in ["", "x", &pages.mark(&pages.sign_in("bert"))] {
        assert_eq!(send(&own, wrong), 403, "{wrong}");
    }
    assert_eq!(status(&pages.ask("GET", "/customers/7", &anna)), 200, "still signed in");
    assert_eq!(send(&own, &mark), 303);
    assert_eq!(status(&pages.ask("GET", "/customers/7", &anna)), 303, "signed out");
}

#[test]
fn sessions_end_with_the_account_and_with_the_next_sign_in() {
    let pages = Pages::start();
    pages.two_customers();
    let first = pages.sign_in("anna");
    let answer = pages.post("/sign-in", &first, "name=anna&password=anna");
    let second = given_cookie(&answer);
    assert_ne!(first, second);
    assert_eq!(status(&pages.ask("GET", "/customers/7", &first)), 303, "rotated");
    assert_eq!(status(&pages.ask("GET", "/customers/7", &second)), 200);
    let kept = rusqlite::Connection::open(pages.catalogue.path()).unwrap();
    let secret = second.trim().rsplit('=').next().unwrap().to_owned();
    let found: i64 = kept
        .query_row("SELECT count(*) FROM sessions WHERE hash = CAST(?1 AS BLOB)", [&secret], |row| row.get(0))
        .unwrap();
    assert_eq!(found, 0, "the catalogue keeps digests alone");
    let anna = crate::domain::CustomerId(7);
    pages.catalogue.write(move |tx| tx.customer_set_disabled(anna, true)).unwrap();
    assert_eq!(status(&pages.ask("GET", "/customers/7", &second)), 303);
    pages.catalogue.write(move |tx| tx.customer_set_disabled(anna, false)).unwrap();
    assert_eq!(status(&pages.ask("GET", "/customers/7", &second)), 303, "it does not come back with the account");
    let third = pages.sign_in("anna");
    pages.sql("UPDATE sessions SET ends_at = 1 WHERE customer = 7");
    assert_eq!(status(&pages.ask("GET", "/customers/7", &third)), 303, "over");
}

#[test]
fn a_link_opens_once_by_post_and_in_time() {
    let pages = Pages::start();
    pages.two_customers();
    let link = |ends: i64| {
        let key = new_token().unwrap();
        let hash = Digest::of(key.as_bytes());
        let anna = crate::domain::CustomerId(7);
        pages.catalogue.write(move |tx| tx.link_add(&hash, anna, Micros(0), Micros(ends))).unwrap();
        key
    };
    let key = link(i64::MAX);
    for _ in 0..2 {
        let page = pages.ask("GET", &format!("/link?key={key}"), "");
        assert_eq!((status(&page), header(&page, "set-cookie")), (200, None), "looking does not use it up");
    }
    let answer = pages.post("/link", "", &format!("key={key}"));
    assert_eq!(pages.home(&given_cookie(&answer)), "/customers/7");
    for spent in [key, link(1), new_token().unwrap(), String::new()] {
        let answer = pages.post("/link", "", &format!("key={spent}"));
        assert_eq!((status(&answer), header(&answer, "set-cookie")), (403, None));
    }
    let key = link(i64::MAX);
    pages.sql("UPDATE customers SET disabled = 1 WHERE id = 7");
    assert_eq!(status(&pages.post("/link", "", &format!("key={key}"))), 403);
}

#[test]
fn staff_see_all_and_failures_close_the_door() {
    let pages = Pages::start();
    pages.two_customers();
    let hash = hash_password(b"desk").unwrap();
    pages.sql(&format!(
        "INSERT INTO users (id, name, role, password_hash, created_at) VALUES (1, 'sue', 'support', '{hash}', 0)"
    ));
    let sue = given_cookie(&pages.post("/sign-in/staff", "", "name=sue&password=desk"));
    let page = pages.ask("GET", "/", &sue);
    assert!(page.contains("anna") && page.contains("bert") && page.contains(">sue<"), "{page}");
    assert_eq!(status(&pages.post("/sign-in", "", "name=sue&password=desk")), 403, "not a customer");
    for _ in 0..3 {
        let answer = pages.post("/sign-in/staff", "", "name=%3Cb%3Eno&password=x");
        assert_eq!(status(&answer), 403);
        assert!(answer.contains("The name or the password is wrong") && !answer.contains("<b>no"), "{answer}");
    }
    assert_eq!(
        status(&pages.post("/sign-in", "", "name=bert&password=bert")),
        429,
        "the address is closed for a while"
    );
    let known = pages.post("/sign-in/staff", "", "name=sue&password=desk");
    assert_eq!(status(&known), 303, "but not for whoever signed in from here before");
}

#[test]
fn every_answer_carries_the_protecting_headers() {
    let pages = Pages::start();
    pages.hostile();
    let refused = pages.ask("GET", "/?token=wrong", "");
    for answer in [refused, pages.get("/"), pages.get("/nowhere"), pages.get("/style.css"), pages.get("/thumbnails/1")]
    {
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&answer, "referrer-policy"), Some("no-referrer"));
        let policy = header(&answer, "content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(header(&answer, "cache-control").is_some());
    }
}

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
    assert!(page.contains("not a picture &#60;i&#62;"));
    assert!(page.contains("A copy: the original is still welcome"));
}

#[test]
fn only_pictures_are_served_as_thumbnails() {
    let pages = Pages::start();
    pages.hostile();
    let picture = pages.get("/thumbnails/1?0123");
    assert_eq!((status(&picture), header(&picture, "content-type")), (200, Some("image/jpeg")));
    assert!(header(&picture, "content-security-policy").unwrap().contains("sandbox"));
    let script = pages.get("/thumbnails/2");
    assert_eq!(status(&script), 415);
    assert!(!script.contains("onload"));
    for nothing in ["/thumbnails/3", "/thumbnails/x", "/thumbnails/99999999999999999999", "/thumbnails/1/2"] {
        assert_eq!(status(&pages.get(nothing)), 404, "{nothing}");
    }
}

#[test]
fn pages_that_are_not_there_say_so() {
    let pages = Pages::start();
    assert!(pages.get("/").contains("Nobody is waiting for a picture yet"));
    for nothing in ["/customers/7", "/customers/x", "/customers/-1", "/nowhere", "/customers/7/missing"] {
        assert_eq!(status(&pages.get(nothing)), 404, "{nothing}");
    }
    pages.hostile();
    assert_eq!(status(&pages.get("/customers/7/elsewhere")), 404);
    for nonsense in ["behind=x", "behind=99999999999999999999", "from=yesterday", "to=2020-1-1", "size=huge"] {
        let answer = pages.get(&format!("/customers/7/missing?{nonsense}"));
        assert_eq!(status(&answer), 400, "{nonsense}");
    }
    assert!(pages.get("/customers/7/missing?behind=9").contains("There is nothing here"));
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
fn what_is_for_staff_is_not_there_for_customers() {
    let pages = Pages::start();
    pages.two_customers();
    let anna = pages.sign_in("anna");
    let routes: Vec<_> = table().into_iter().filter(|route| route.who == Who::Staff).collect();
    assert!(!routes.is_empty());
    for route in routes {
        let path = route.path.replace("{form}", "matches.csv");
        assert!(!path.contains('{'), "{path}: this test does not know what belongs here");
        assert_eq!(status(&pages.ask("GET", &path, &anna)), 404, "{path}");
        assert_eq!(status(&pages.ask("GET", &path, "")), 303, "{path}");
        assert_eq!(status(&pages.get(&path)), 200, "{path}");
    }
}

#[test]
fn the_match_report_can_be_filtered_and_kept() {
    let pages = Pages::start();
    pages.hostile();
    let page = pages.get("/matches");
    assert!(page.contains("a/&#60;img src=x&#62;.jpg") && !page.contains("<img src=x>"), "{page}");
    assert!(pages.get("/matches?verdict=review").contains("Nothing is like that"));
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
