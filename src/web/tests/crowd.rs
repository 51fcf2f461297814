//! Many connections at once, slow ones, and more than a request may bring: nobody keeps another visitor out.

use std::net::{IpAddr, Shutdown};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpSocket;

use super::*;

/// A connection from one of this machine's addresses.
fn from(pages: &Pages, address: [u8; 4]) -> TcpStream {
    let connect = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::from(address), 0))?;
        socket.connect(pages.address).await?.into_std()
    };
    let stream = pages._runtime.block_on(connect).unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

/// How many of these the server has not ended; each of them brings one more byte of a head.
fn drip(flood: &[TcpStream], byte: u8) -> usize {
    let is_open = |stream: &&TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let mut stream = *stream;
        // The server ends a connection with or without a word about it.
        let ended = !matches!(stream.read(&mut [0; 512]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
        !ended && stream.write(&[byte]).is_ok()
    };
    flood.iter().filter(is_open).count()
}

/// A flood of 3,000 connections that bring heads byte by byte, while a customer signs in and looks at a page.
fn flooded(addresses: u8, caps: Caps) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let total = caps.total.min(caps.per_address * usize::from(addresses));
    let pages = Pages::behind(Line { caps, ..Line::default() }, None);
    pages.two_customers();
    let mut flood = Vec::new();
    let head = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: ";
    for n in 0..3_000_u16 {
        let mut stream = from(&pages, [127, 0, 1, 1 + (n % u16::from(addresses)) as u8]);
        // Every other one says nothing at all.
        if n % 2 == 0 {
            let _refused = stream.write_all(head);
        }
        flood.push(stream);
        if n % 500 == 499 {
            drip(&flood, b'a');
            let anna = pages.sign_in("anna");
            assert_eq!(status(&pages.ask("GET", "/customers/7", &anna)), 200);
        }
    }
    let open = drip(&flood, b'b');
    assert!(open <= total, "{open} are open of {total}");
    assert!(open > 0, "the flood was there");
}

#[test]
fn thousands_of_dripping_connections_from_one_address_keep_nobody_out() {
    flooded(1, Caps::default());
}

#[test]
fn dripping_connections_from_many_addresses_keep_nobody_out() {
    flooded(20, Caps { total: 100, ..Caps::default() });
}

#[test]
fn who_brings_no_whole_head_in_time_is_left_and_so_is_who_asks_nothing_more() {
    let pages = Pages::behind(Line { head_max: Duration::from_millis(100), ..Line::default() }, None);
    let mut half = TcpStream::connect(pages.address).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    let mut idle = TcpStream::connect(pages.address).unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let (mut of_half, mut of_idle) = (String::new(), String::new());
    half.read_to_string(&mut of_half).unwrap();
    idle.read_to_string(&mut of_idle).unwrap();
    assert!(of_half.is_empty() || status(&of_half) == 408, "{of_half}");
    assert_eq!(status(&of_idle), 200, "it was answered, and then left");
}

#[test]
fn who_does_not_take_an_answer_is_left() {
    let pages = Pages::behind(Line { stall_max: Duration::from_millis(200), ..Line::default() }, None);
    let mut deaf = TcpStream::connect(pages.address).unwrap();
    deaf.set_nonblocking(true).unwrap();
    let request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n";
    let request = String::from_utf8_lossy(request).replace("PORT", &pages.address.port().to_string());
    // Asks on and on, and reads nothing, until the server has enough of it.
    let left = loop {
        match deaf.write(request.as_bytes()) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => break error.kind(),
        }
    };
    assert!(matches!(left, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe), "{left}");
}

#[test]
fn behind_a_proxy_the_requests_of_one_visitor_are_counted() {
    let proxies = Networks::new(vec!["127.0.0.1".parse().unwrap()]);
    let access = crate::endpoint::limits::Access {
        deny: Networks::new(vec!["192.0.2.66".parse().unwrap()]),
        ..Default::default()
    };
    let caps = Caps { per_address: 1, ..Caps::default() };
    let pages = Pages::behind(Line { proxies, access, caps, ..Line::default() }, Some("pictures.example.net"));
    let head = |method: &str, forwarded: &str, more: &str| {
        format!(
            "{method} /sign-in HTTP/1.1\r\nHost: pictures.example.net\r\nX-Forwarded-For: {forwarded}\r\n{more}\r\n"
        )
    };
    let ask = |forwarded: &str| status(&pages.raw(&head("GET", forwarded, "Connection: close\r\n")));
    let mut slow = TcpStream::connect(pages.address).unwrap();
    let more = "Origin: https://pictures.example.net\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n";
    slow.write_all(head("POST", "192.0.2.1", more).as_bytes()).unwrap();
    while ask("192.0.2.1") != 429 {}
    assert_eq!(ask("192.0.2.2"), 200, "another visitor, over the same proxy");
    assert_eq!(ask("192.0.2.66"), 403, "who may not connect may not come over a proxy either");
    slow.shutdown(Shutdown::Both).unwrap();
    while ask("192.0.2.1") != 200 {}
}

#[test]
fn no_form_may_bring_more_than_forms_bring() {
    let pages = Pages::start();
    let much = "a".repeat((64 << 10) + 1);
    let mut asked = 0;
    for route in table().iter().filter(|route| route.method == MethodFilter::POST && route.carries == Carries::Form) {
        let path = route.path.replace("{id}", "1").replace("{customer}", "a").replace("{candidate}", "1");
        let answer = pages.post(&path, "", &much);
        assert_eq!(status(&answer), 413, "{path}: {answer}");
        asked += 1;
    }
    assert!(asked >= 10, "{asked}");
}
