//! FTP inside TLS.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{HandshakeKind, ProtocolVersion};

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

/// Uploads the file `a`.
fn store(client: &mut Client, server: &Server) {
    let mut data = client.secure_data(server, "STOR a");
    data.write_all(b"x").unwrap();
    end_tls(&mut data);
    client.expect_reply(226, "the upload");
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
    store(&mut client, &server);
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
fn sessions_are_resumed_on_data_connections_in_both_versions() {
    for (version, number) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let settings = Settings { tls_resume_required: true, ..Settings::default() };
        let server = Server::start_with(settings, Caps::default()).with_tls(&[version]);
        let mut client = protected(&server);
        // More than a client gets tickets for: those of TLS 1.3 may be used again.
        for name in ["a", "b"] {
            let mut data = client.secure_data(&server, &format!("STOR {name}"));
            data.write_all(b"x").unwrap();
            assert_eq!(data.conn.protocol_version(), Some(number));
            assert_eq!(data.conn.handshake_kind(), Some(HandshakeKind::Resumed));
            end_tls(&mut data);
            client.expect_reply(226, "the upload");
        }
    }
}

#[test]
fn a_data_connection_of_another_session_is_refused_where_that_is_wanted() {
    let settings = Settings { tls_resume_required: true, ..Settings::default() };
    let server = Server::start_with(settings, Caps::default());
    let mut client = protected(&server);
    let stranger = server.other_tls(&[&TLS12, &TLS13]);
    let mut data = client.secure_data_with(&stranger, "STOR a");
    // It may be gone before it has taken what is written.
    let _ = data.write_all(b"x").and_then(|()| data.flush());
    assert!(client.expect_reply(425, "no resumption").contains("resume"));
    client.expect(550, "SIZE a");
    // Somebody else who has signed in has tickets, too, but not of this session.
    let other = server.with_tls(&[&TLS13]);
    let _signed_in = protected(&other);
    let mut data = client.secure_data(&other, "STOR a");
    assert_eq!(data.conn.handshake_kind(), Some(HandshakeKind::Full));
    let _ = data.write_all(b"x").and_then(|()| data.flush());
    client.expect_reply(425, "the session of somebody else");
    client.expect(550, "SIZE a");
}

#[test]
fn whoever_begins_tls_by_itself_is_invited_when_it_is_done() {
    let server = Server::start();
    let mut client = protected(&server);
    for name in ["a", "b"] {
        let mut data = server.begin_tls(client.data());
        data.conn.write_tls(&mut data.sock).unwrap();
        client.send(format!("STOR {name}\r\n").as_bytes());
        // The server's part of the handshake comes, and the client's is still missing.
        data.conn.read_tls(&mut data.sock).unwrap();
        data.conn.process_new_packets().unwrap();
        assert!(client.is_silent_for(Duration::from_millis(300)), "the invitation came during the handshake");
        data.conn.complete_io(&mut data.sock).unwrap();
        client.expect_reply(150, "the handshake");
        end_tls(&mut data);
        client.expect_reply(226, "an empty upload");
    }
    assert_eq!(server.content(b"b").unwrap(), b"");
}

#[test]
fn any_data_connection_in_tls_will_do_by_default() {
    let server = Server::start();
    let mut client = protected(&server);
    let mut data = client.secure_data_with(&server.other_tls(&[&TLS12]), "STOR a");
    data.write_all(b"x").unwrap();
    assert_eq!(data.conn.handshake_kind(), Some(HandshakeKind::Full));
    end_tls(&mut data);
    client.expect_reply(226, "the upload");
}

#[test]
fn tls_may_begin_before_the_first_command() {
    let server = Server::start_with(Settings { tls_implicit: true, ..Settings::default() }, Caps::default());
    let mut client = server.connect_inside();
    client.expect(503, "AUTH TLS");
    client.expect(331, "USER anna");
    client.expect(230, "PASS secret");
    // Data is inside TLS without PROT, which not every client sends here.
    store(&mut client, &server);
    assert_eq!(server.content(b"a").unwrap(), b"x");
}

#[test]
fn an_account_that_wants_tls_wants_it_for_data_as_well() {
    let server = Server::start();
    server.sql("UPDATE customers SET ftp_tls = 'required'");
    let mut client = server.connect().secure(&server);
    client.expect(331, "USER anna");
    client.expect(230, "PASS secret");
    client.expect(229, "EPSV");
    client.expect(521, "STOR a");
    client.expect(534, "PROT C");
    client.expect(200, "PROT P");
    store(&mut client, &server);
}

#[test]
fn the_old_name_of_tls_protects_data_as_well() {
    let server = Server::start();
    let mut client = server.connect();
    client.expect(234, "AUTH SSL");
    let mut client = client.handshake(&server);
    client.expect(331, "USER anna");
    client.expect(230, "PASS secret");
    store(&mut client, &server);
}
