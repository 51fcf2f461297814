//! Active mode: off by default, and to nobody but the client itself.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};

use super::client::{Client, Server};
use crate::endpoint::ftp::Settings;
use crate::endpoint::limits::Caps;

fn server() -> Server {
    Server::start_with(Settings { active: true, ..Settings::default() }, Caps::default())
}

fn wait_for_server() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn port(client: &mut Client, code: u16, port: u16) -> String {
    client.expect(code, format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255))
}

#[test]
fn the_server_comes_to_the_client_for_uploads_lists_and_downloads() {
    let server = server();
    let mut client = server.sign_in();
    assert!(client.expect(211, "FEAT").contains(" EPRT\r\n"));
    let (listener, number) = wait_for_server();
    port(&mut client, 200, number);
    client.expect(150, "STOR a");
    let (mut data, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), Ipv4Addr::LOCALHOST);
    data.write_all(b"pixels").unwrap();
    drop(data);
    client.expect_reply(226, "the upload");
    assert_eq!(server.content(b"a").unwrap(), b"pixels");
    for (command, expected) in [("RETR a", "pixels"), ("NLST", "a\r\n")] {
        client.expect(200, format!("EPRT |1|127.0.0.1|{number}|"));
        client.expect(150, command);
        let mut content = String::new();
        listener.accept().unwrap().0.read_to_string(&mut content).unwrap();
        assert_eq!(content, expected);
        client.expect_reply(226, command);
    }
    client.expect(425, "NLST");
}

#[test]
fn no_other_address_and_no_service_is_connected_to() {
    let server = server();
    let mut client = server.sign_in();
    client.expect(504, "PORT 127,0,0,2,8,1");
    client.expect(504, "EPRT |1|192.0.2.7|2049|");
    client.expect(504, "EPRT |2|::1|2049|");
    port(&mut client, 504, 1023);
    for wrong in ["PORT 127,0,0,1,8", "PORT 127,0,0,256,8,1", "EPRT |1|::1|2049|", "EPRT |3|x|1|", "EPRT"] {
        client.expect(501, wrong);
    }
    client.expect(425, "NLST");
    client.expect(200, "EPSV ALL");
    port(&mut client, 503, 2049);
}

#[test]
fn a_client_that_does_not_wait_is_told_so_and_goes_on() {
    let server = server();
    let mut client = server.sign_in();
    let (listener, number) = wait_for_server();
    drop(listener);
    port(&mut client, 200, number);
    client.expect(150, "STOR a");
    assert!(client.expect_reply(425, "nobody waits").contains("PASV"));
    client.expect(550, "SIZE a");
    client.store("STOR a", b"x");
}

#[test]
fn it_is_off_unless_an_operator_wants_it() {
    let server = Server::start();
    let mut client = server.sign_in();
    assert!(port(&mut client, 502, 2049).contains("passive"));
    client.expect(502, "EPRT |1|127.0.0.1|2049|");
    assert!(!client.expect(211, "FEAT").contains("EPRT"));
}
