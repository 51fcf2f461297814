//! The pages over a real socket, asked in raw HTTP; what each test needs of a server stands here.

mod crowd;
mod desk;
mod door;
mod embed;
mod lists;
mod operators;
mod originals;
mod programs;
mod removals;
mod review;
mod sending;
mod who;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::routing::MethodFilter;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::routes::{Carries, Id, Who, table};
use super::{Counts, Identity, Line, Pictures, Ports, Shown, WebContext, new_token, serve, token_address};
use crate::catalogue::Catalogue;
use crate::condition::Condition;
use crate::config::Config;
use crate::domain::{Digest, Micros, Scope, Zone};
use crate::endpoint::browser::{self, Browser};
use crate::endpoint::limits::{Caps, Connections};
use crate::endpoint::login::{LoginSettings, Logins, PenaltySettings, hash_password};
use crate::endpoint::tls::Tls;
use crate::networks::Networks;
use crate::spool::{self, Spool};

/// Pages that run until dropped.
struct Pages {
    address: SocketAddr,
    token: String,
    /// The cookie line of the operator who brought the token.
    operator: String,
    catalogue: Arc<Catalogue>,
    pipeline: Arc<crate::pipeline::Pipeline>,
    condition: Arc<Condition>,
    _shutdown: watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
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
        let config = Config::load(folder.path()).unwrap();
        let pipeline = Arc::new(crate::serve::pipeline_over(&config, Arc::clone(&catalogue)).unwrap());
        pipeline.blobs.adopt().unwrap();
        pipeline.originals.adopt().unwrap();
        let roomy = spool::Settings { min_free: Some(0), ..spool::Settings::default() };
        let (spool, _) =
            Spool::open(&folder.path().join("spool"), Arc::clone(&catalogue), pipeline.blobs.clone(), roomy).unwrap();
        let browser =
            Browser::new(Arc::clone(&catalogue), Arc::clone(&spool), browser::Settings::default(), receiver.clone());
        let connections = Connections::new(Caps::default());
        let condition = Arc::new(Condition::of(Arc::clone(&catalogue), spool, Arc::clone(&pipeline), connections));
        let context = Arc::new(WebContext {
            catalogue: Arc::clone(&catalogue),
            logins,
            token: token.clone(),
            pipeline: Arc::clone(&pipeline),
            condition: Arc::clone(&condition),
            metrics_from: Networks::default(),
            embed_origins: vec!["https://shop.example".to_owned()],
            address: "https://pictures.example".to_owned(),
            pictures: Pictures::default(),
            shown: Shown::default(),
            counts: Counts::default(),
            browser,
            ports: Ports { ftp: Some(2121), sftp: Some(2222) },
            identity: Identity { host_keys: vec![("ssh-ed25519".to_owned(), "SHA256:abc".to_owned())], tls: None },
            endpoints: vec![("ftp", "127.0.0.1:2121".to_owned())],
            line,
            zone: Zone::default(),
            mail: false,
            public_host: public_host.map(str::to_owned),
        });
        runtime.spawn(serve(listener, context, receiver));
        Pages {
            address,
            token,
            operator: String::new(),
            catalogue,
            pipeline,
            condition,
            _shutdown: sender,
            _runtime: runtime,
            folder,
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

    /// What the script of a page sends.
    fn send(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> String {
        let (port, length) = (self.address.port(), body.len());
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n\
             Tus-Resumable: 1.0.0\r\nContent-Length: {length}\r\n{headers}\r\n"
        );
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // Who is refused early may find the door shut.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
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
            self.sql(&format!(
                "INSERT INTO customers (id, name, password_hash, created_at) VALUES ({id}, '{name}', '{}', 0);
                 INSERT INTO browser_transfers (id, customer, path, length, metadata, touched_at) VALUES ({id}, {id}, X'61', 3, '', {});",
                hash_password(name.as_bytes()).unwrap(),
                Micros::now().0
            ));
            self.sql(&format!(
                "INSERT INTO records (id, customer, name, imported_at, changed_seq) VALUES ({id}, {id}, 'of-{name}', 0, {id});
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

    /// The line that brings a program's token for these scopes.
    fn program(&self, name: &str, scopes: &[Scope]) -> String {
        let secret = new_token().unwrap();
        let (hash, name, scopes) = (Digest::of(secret.as_bytes()), name.to_owned(), scopes.to_vec());
        assert!(self.catalogue.write(move |tx| tx.token_add(&name, &hash, &scopes, Micros(0))).unwrap());
        format!("Authorization: Bearer {secret}\r\n")
    }

    fn cookie(&self, token: &str) -> String {
        format!("Cookie: other=1; reunite-{}={token}\r\n", self.address.port())
    }

    fn sql(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.catalogue.path()).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// Two uploads of `anna`, of which one is decided.
    fn two_uploads(&self) {
        self.sql(
            "INSERT INTO submissions (id, customer, started_at, last_at) VALUES (1, 7, 0, 0);
             INSERT INTO uploads (id, customer, submission, path, size, sha256, endpoint, received_at, state, node) VALUES
               (1, 7, 1, X'61', 9, zeroblob(32), 'ftp', 0, 'decided', 'n'), (2, 7, 1, X'62', 9, zeroblob(32), 'ftp', 0, 'received', 'n');",
        );
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
