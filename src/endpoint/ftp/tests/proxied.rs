//! Behind a balancer that says for whom it speaks, on the control connection and on those for data.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::client::Server;
use crate::endpoint::ftp::Settings;
use crate::endpoint::limits::Caps;
use crate::networks::Networks;

fn behind_balancer() -> Server {
    let proxies = Networks::new(vec!["127.0.0.1".parse().unwrap()]);
    Server::start_with(Settings { proxies, ..Settings::default() }, Caps::default())
}

/// A connection to `port` that the balancer makes for `client`.
fn connect(port: u16, client: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "PROXY TCP4 {client} 198.51.100.1 4711 21\r\n").unwrap();
    BufReader::new(stream)
}

fn say(control: &mut BufReader<TcpStream>, line: &str) -> String {
    control.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    reply(control)
}

fn reply(control: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    control.read_line(&mut line).unwrap();
    line
}

fn sign_in(server: &Server) -> BufReader<TcpStream> {
    let mut control = connect(server.address.port(), "192.0.2.9");
    assert!(reply(&mut control).starts_with("220"));
    assert!(say(&mut control, "USER anna").starts_with("331"));
    assert!(say(&mut control, "PASS secret").starts_with("230"));
    control
}

fn passive(control: &mut BufReader<TcpStream>) -> u16 {
    let told = say(control, "EPSV");
    told.split('|').nth(3).unwrap().parse().unwrap()
}

#[test]
fn files_come_in_through_a_balancer() {
    let server = behind_balancer();
    let mut control = sign_in(&server);
    let port = passive(&mut control);
    control.get_mut().write_all(b"STOR a\r\n").unwrap();
    let mut data = connect(port, "192.0.2.9").into_inner();
    data.write_all(b"pixels").unwrap();
    drop(data);
    assert!(reply(&mut control).starts_with("150"));
    assert!(reply(&mut control).starts_with("226"));
    assert_eq!(server.content(b"a").unwrap(), b"pixels");
}

#[test]
fn data_for_another_client_behind_the_same_balancer_is_refused() {
    let server = behind_balancer();
    let mut control = sign_in(&server);
    let port = passive(&mut control);
    control.get_mut().write_all(b"STOR a\r\n").unwrap();
    let mut data = connect(port, "192.0.2.10").into_inner();
    // The stranger is cut off, perhaps while it still writes.
    let _ = data.write_all(b"other");
    let first = reply(&mut control);
    let last = if first.starts_with("150") { reply(&mut control) } else { first };
    assert!(last.starts_with("425"), "{last}");
    assert!(server.content(b"a").is_none());
}

#[test]
fn who_skips_the_header_is_not_served() {
    let server = behind_balancer();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"USER anna\r\nPASS secret\r\n").unwrap();
    let mut said = Vec::new();
    // Cut with bytes unread, a connection may end in a reset.
    if let Err(error) = stream.read_to_end(&mut said) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert!(said.is_empty());
}
