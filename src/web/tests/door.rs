//! Who is let in at all: hosts, methods, proxies, TLS, the token, and what every answer carries.

use super::*;

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
    for method in ["PUT", "TRACE", "BREW"] {
        let answer = pages.ask(method, "/", &pages.operator);
        assert_eq!(status(&answer), 405, "{method}");
        assert_eq!(header(&answer, "allow"), Some("GET, HEAD, POST, PATCH, DELETE, OPTIONS"));
    }
    assert_eq!(status(&pages.ask("OPTIONS", "/", &pages.operator)), 405);
    for method in ["DELETE", "PATCH"] {
        assert_eq!(status(&pages.ask(method, "/", &pages.operator)), 403, "{method} of nobody's page");
    }
    assert_eq!(status(&pages.post("/", &pages.operator, &format!("mark={}", pages.mark(&pages.operator)))), 405);
    let answer = pages.ask("HEAD", "/", &pages.operator);
    assert_eq!(status(&answer), 200);
    assert!(answer.ends_with("\r\n\r\n"), "HEAD has no body");
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
    assert!(pages.get("/customers/7/missing?behind=9").contains("Nothing comes behind this"));
}

#[test]
fn who_reads_pages_is_refused_on_a_page() {
    let pages = Pages::start();
    pages.two_customers();
    let anna = pages.sign_in("anna");
    let refused =
        pages.ask("GET", "/customers/7/missing?from=yesterday", &format!("{anna}Accept: text/html,*/*;q=0.8\r\n"));
    assert_eq!((status(&refused), header(&refused, "content-type")), (400, Some("text/html; charset=utf-8")));
    assert!(refused.contains("A day is written as year, month and day") && refused.contains("/style.css"), "{refused}");
    let plain = pages.ask("GET", "/customers/7/missing?from=yesterday", &anna);
    assert_eq!((status(&plain), header(&plain, "content-type")), (400, Some("text/plain; charset=utf-8")));
    let unmarked = pages.post("/customers/7/remove", &format!("{anna}Accept: text/html\r\n"), "record=7");
    assert!(status(&unmarked) == 403 && unmarked.contains("<h1>This was not done</h1>"), "{unmarked}");
    let ready = pages.ask("GET", "/healthz", "Accept: text/html\r\n");
    assert_eq!(header(&ready, "content-type"), Some("text/plain; charset=utf-8"));
}
