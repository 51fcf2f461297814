//! FTP inside TLS.

use std::io::{Read as _, Write as _};

use tokio_rustls::rustls::HandshakeKind;

use super::client::{Client, Server, TlsData};
use crate::endpoint::ftp::Settings;
use crate::endpoint::limits::Caps;

fn protected(server: &Server) -> Client {
    let mut client = server.connect().secure(server);
    client.expect(331, "USER anna");
    client.expect(230, "PASS secret");
    client.expect(200, "PBSZ 0");
    client.expect(200, "PROT P");
    client
}

/// Sends the end of TLS and insists on the server's.
fn end_tls(data: &mut TlsData) {
    data.conn.send_close_notify();
    data.flush().unwrap();
    let mut rest = Vec::new();
    data.read_to_end(&mut rest).expect("the server ends TLS before it ends TCP");
    assert!(rest.is_empty());
}

#[test]
fn both_directions_end_tls_properly() {
    let server = Server::start();
    let mut client = protected(&server);
    for round in 0..20 {
        let content = vec![round; 100_000 + usize::from(round)];
        let mut data = client.secure_data(&server, "STOR a");
        data.write_all(&content).unwrap();
        end_tls(&mut data);
        drop(data);
        client.expect_reply(226, "the upload");
        assert_eq!(server.content(b"a").unwrap(), content);

        let mut data = client.secure_data(&server, "RETR a");
        let mut back = Vec::new();
        data.read_to_end(&mut back).expect("the server ends TLS before it ends TCP");
        client.expect_reply(226, "the download");
        assert_eq!(back, content);
    }
    let mut data = client.secure_data(&server, "STOR empty");
    end_tls(&mut data);
    client.expect_reply(226, "an empty upload");
    let mut data = client.secure_data(&server, "LIST");
    let mut list = String::new();
    data.read_to_string(&mut list).unwrap();
    assert_eq!(list.lines().count(), 2);
    client.expect_reply(226, "the list");
}

#[test]
fn a_client_that_does_not_end_tls_is_believed() {
    let server = Server::start();
    let mut client = protected(&server);
    let mut data = client.secure_data(&server, "STOR a");
    data.write_all(b"whole").unwrap();
    data.flush().unwrap();
    drop(data);
    client.expect_reply(226, "the upload");
    assert_eq!(server.content(b"a").unwrap(), b"whole");
}

#[test]
fn a_failed_handshake_on_a_data_connection_costs_nothing_but_itself() {
    let server = Server::start();
    let mut client = protected(&server);
    for command in ["STOR a", "LIST", "STOR a"] {
        let mut data = client.data();
        client.expect(150, command);
        data.write_all(b"this is no TLS at all, not even close to it\r\n").unwrap();
        client.expect_reply(425, "no TLS");
        drop(data);
        let data = client.data();
        client.expect(150, command);
        drop(data);
        client.expect_reply(425, "an end instead of TLS");
    }
    client.expect(550, "SIZE a");
    let mut data = client.secure_data(&server, "STOR a");
    data.write_all(b"x").unwrap();
    end_tls(&mut data);
    client.expect_reply(226, "the session goes on");
}

#[test]
fn a_server_that_wants_tls_takes_nothing_without_it() {
    let server = Server::start_with(Settings { tls_required: true, ..Settings::default() }, Caps::default());
    let mut client = server.connect();
    client.expect(530, "USER anna");
    client.expect(503, "PASS secret");
    client.expect(504, "AUTH GSSAPI");
    let mut client = client.secure(&server);
    client.expect(331, "USER anna");
    client.expect(230, "PASS secret");
    client.expect(503, "AUTH TLS");
    client.expect(534, "CCC");
    client.expect(534, "PROT C");
    client.expect(536, "PROT S");
    client.expect(229, "EPSV");
    client.expect(521, "STOR a");
    client.expect(229, "EPSV");
    client.expect(521, "LIST");
    client.expect(200, "PROT P");
    let mut data = client.secure_data(&server, "STOR a");
    data.write_all(b"x").unwrap();
    end_tls(&mut data);
    client.expect_reply(226, "the upload");
}

#[test]
fn clear_text_behind_auth_does_not_come_inside() {
    let server = Server::start();
    let mut client = server.connect();
    client.expect(331, "USER anna");
    client.send(b"AUTH TLS\r\nUSER anna\r\n");
    client.expect_reply(234, "AUTH TLS");
    let mut client = client.handshake(&server);
    client.expect(503, "PASS secret");
}

#[test]
fn sessions_are_resumed_on_control_and_data_connections() {
    let server = Server::start();
    let mut first = protected(&server);
    let mut data = first.secure_data(&server, "STOR a");
    data.write_all(b"x").unwrap();
    assert_eq!(data.conn.handshake_kind(), Some(HandshakeKind::Resumed));
    end_tls(&mut data);
    first.expect_reply(226, "the upload");
}
