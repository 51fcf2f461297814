//! The pages over a real socket, asked in raw HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Error, WebContext, check_listen, new_token, serve};
use crate::catalogue::Catalogue;

/// Pages that run until dropped.
struct Pages {
    address: SocketAddr,
    token: String,
    catalogue: Arc<Catalogue>,
    _shutdown: watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

impl Pages {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Arc::new(Catalogue::open(&folder.path().join("catalogue.sqlite")).unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, receiver) = watch::channel(false);
        let token = new_token().unwrap();
        let context = Arc::new(WebContext { catalogue: Arc::clone(&catalogue), token: token.clone() });
        runtime.spawn(serve(listener, context, receiver));
        Pages { address, token, catalogue, _shutdown: sender, _runtime: runtime, _folder: folder }
    }

    /// The answer to raw bytes, as text.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn ask(&self, method: &str, target: &str, headers: &str) -> String {
        let port = self.address.port();
        self.raw(&format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{headers}\r\n"))
    }

    /// A page for a visitor who holds the cookie.
    fn get(&self, target: &str) -> String {
        self.ask("GET", target, &self.cookie(&self.token))
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
fn only_loopback_addresses_are_listened_on() {
    for address in ["127.0.0.1:8080", "[::1]:0", "127.8.8.8:1", "[::ffff:127.0.0.1]:80"] {
        assert!(check_listen(address.parse().unwrap()).is_ok(), "{address}");
    }
    for address in ["0.0.0.0:8080", "[::]:8080", "192.168.1.1:80", "[2001:db8::1]:80", "[::ffff:10.0.0.1]:80"] {
        assert!(matches!(check_listen(address.parse().unwrap()), Err(Error::NotLoopback(_))), "{address}");
    }
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
    let cookie = pages.cookie(&pages.token);
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
fn nothing_can_be_changed() {
    let pages = Pages::start();
    let cookie = pages.cookie(&pages.token);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let answer = pages.ask(method, "/", &cookie);
        assert_eq!(status(&answer), 405, "{method}");
        assert_eq!(header(&answer, "allow"), Some("GET, HEAD"));
    }
    let answer = pages.ask("HEAD", "/", &cookie);
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body");
}

#[test]
fn without_the_token_there_is_nothing_to_see() {
    let pages = Pages::start();
    pages.hostile();
    let wrong = new_token().unwrap();
    let right = &pages.token;
    for target in ["/", "/customers/7", "/thumbnails/1", "/style.css", "/nowhere"] {
        assert_eq!(status(&pages.ask("GET", target, "")), 403, "{target}");
        assert_eq!(status(&pages.ask("GET", target, &pages.cookie(&wrong))), 403, "{target}");
        assert_eq!(status(&pages.ask("GET", target, &pages.cookie(""))), 403, "{target}");
    }
    for given in [&wrong, "", &right[..42], &format!("{right}x"), &format!("x{right}")] {
        let answer = pages.ask("GET", &format!("/?token={given}"), &pages.cookie(right));
        assert_eq!(status(&answer), 403, "{given}");
        assert!(!answer.contains("mallory"));
    }
    assert_eq!(status(&pages.ask("GET", "/", &format!("Cookie: reunite-1={right}\r\n"))), 403, "another port's cookie");
}

#[test]
fn the_token_becomes_a_cookie_and_leaves_the_address() {
    let pages = Pages::start();
    let token = &pages.token;
    let answer = pages.ask("GET", &format!("/customers/7/missing?token={token}&page=2"), "");
    assert_eq!(status(&answer), 303);
    assert_eq!(header(&answer, "location"), Some("/customers/7/missing?page=2"));
    let cookie = header(&answer, "set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(status(&pages.ask("GET", "/", &format!("Cookie: {pair}\r\n"))), 200);
    // The way on stays on this server.
    let answer = pages.ask("GET", &format!("//evil.example/?token={token}"), "");
    assert_eq!(header(&answer, "location"), Some("/evil.example/"));
}

#[test]
fn every_answer_carries_the_protecting_headers() {
    let pages = Pages::start();
    pages.hostile();
    let refused = pages.ask("GET", "/", "");
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
    assert_eq!(status(&pages.get("/customers/7/missing?page=0")), 400);
    assert_eq!(status(&pages.get("/customers/7/missing?page=9223372036854775807")), 400);
    assert!(pages.get("/customers/7/missing?page=9").contains("Nothing on this page"));
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
    let last = pages.get("/customers/1/missing?page=3");
    assert!(last.contains("241 to 250 of 250") && last.contains("Earlier") && !last.contains("Later"), "{last}");
    assert_eq!(last.matches("<li class=\"card\">").count(), 10);
}
