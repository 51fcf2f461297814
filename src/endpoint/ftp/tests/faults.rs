//! The faults that were measured in another engine, one test for each, and what belongs to them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::client::{Server, connect_from, reset};
use crate::endpoint::ftp::Settings;
use crate::endpoint::limits::Caps;

fn quick() -> Settings {
    Settings { data_wait_max: Duration::from_millis(300), stall_max: Duration::from_millis(700), ..Settings::default() }
}

#[test]
fn a_wrong_parameter_never_ends_the_session() {
    let server = Server::start();
    let mut client = server.connect();
    for (code, command) in [
        (200, "OPTS MLST type;size;modify;"),
        (504, "MODE Z"),
        (200, "OPTS utf-8 on"),
        (200, "NOOP x"),
        (501, "REST -1"),
        (501, "TYPE X"),
        (501, "OPTS nonsense"),
        (501, "OPTS"),
        (501, "EPSV 9"),
        (501, "PROT"),
        (500, ""),
        (500, "FROB \u{1}"),
        (504, "LANG de"),
        (502, "LPRT 6,16"),
        (530, "PORT 127,0,0,1,4,4"),
        (530, "EPRT |1|127.0.0.1|1028|"),
        (530, "STOR x"),
        (503, "PASS early"),
        (503, "PBSZ 0"),
        (503, "PROT P"),
    ] {
        client.expect(code, command);
    }
    client.expect(331, "USER anna");
    client.expect(530, "PASS wrong");
    client.expect(331, "USER anna");
    client.expect(230, "PASS secret");
    client.expect(501, "STOR");
    client.expect(553, format!("STOR {}", "x".repeat(300)));
    client.expect(503, "RNTO x");
    client.expect(200, "NOOP");
}

#[test]
fn names_are_bytes_and_never_become_one() {
    let server = Server::start();
    let mut client = server.sign_in();
    for (name, content) in
        [(&b"caf\xe9.jpg"[..], "one"), (b"caf\xe8.jpg", "two"), (b" lead \"q\" ", "three"), (b"new\nline", "four")]
    {
        client.store([b"STOR ", name].concat(), content.as_bytes());
        assert_eq!(server.content(name).unwrap(), content.as_bytes());
        assert_eq!(client.fetch([b"RETR ", name].concat()), content.as_bytes());
    }
    let list = client.fetch("NLST");
    assert_eq!(list, b" lead \"q\" \r\ncaf\xe8.jpg\r\ncaf\xe9.jpg\r\nnew?line\r\n");
    let facts = client.fetch("MLSD");
    assert_eq!(facts.split(|byte| *byte == b'\n').count(), 5, "four lines and their ends");
    client.expect(257, b"MKD a \"b\"\n500 c");
    client.expect(250, b"CWD a \"b\"\n500 c");
    assert!(client.expect(257, "PWD").starts_with("257 \"/a \"\"b\"\"?500 c\" "));
    client.expect(250, "CDUP");
}

#[test]
fn a_rest_offset_is_forgotten_by_any_transfer() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.store("STOR a", b"0123456789");
    client.expect(350, "REST 4");
    client.expect(554, "STOR b");
    client.store("STOR b", b"whole");
    assert_eq!(server.content(b"b").unwrap(), b"whole");

    client.expect(350, "REST 4");
    client.expect(550, "RETR missing");
    assert_eq!(client.fetch("RETR a"), b"0123456789");

    client.expect(350, "REST 4");
    assert_eq!(client.fetch("RETR a"), b"456789");
    assert_eq!(client.fetch("RETR a"), b"0123456789");

    client.expect(350, "REST 11");
    client.expect(554, "RETR a");
    client.expect(350, "REST 11");
    client.expect(554, "STOR a");
    client.expect(350, "REST 10");
    client.store("STOR a", b"ab");
    assert_eq!(server.content(b"a").unwrap(), b"0123456789ab");
    client.store("APPE a", b"cd");
    assert_eq!(server.content(b"a").unwrap(), b"0123456789abcd");
}

#[test]
fn an_endless_line_is_refused_once_and_the_session_goes_on() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..2 {
        for _ in 0..400 {
            client.send(&[b'x'; 64 * 1024]);
        }
        client.send(b"\r\n");
        client.expect_reply(500, "25 MiB without a line end");
        client.expect(200, "NOOP");
        client.expect(331, "USER anna");
        client.expect(230, "PASS secret");
    }
}

#[test]
fn a_missing_directory_is_refused_before_a_data_connection_is_used() {
    let server = Server::start();
    let mut client = server.sign_in();
    for command in [
        "LIST nowhere",
        "LIST -la nowhere",
        "NLST nowhere",
        "MLSD nowhere",
        "RETR nowhere",
        "CWD nowhere",
        "MLST nowhere",
    ] {
        client.expect(229, "EPSV");
        client.expect(550, command);
    }
}

#[test]
fn a_data_connection_that_never_comes_is_told() {
    let server = Server::start_with(quick(), Caps::default());
    let mut client = server.sign_in();
    let spooled = server.spooled();
    for command in ["STOR a", "LIST", "RETR b"] {
        if command == "RETR b" {
            client.store("STOR b", b"b");
        }
        client.expect(229, "EPSV");
        client.expect(150, command);
        client.expect_reply(425, "no data connection");
    }
    client.expect(425, "STOR a");
    client.expect(550, "SIZE a");
    assert_eq!(server.spooled(), spooled + 1, "what failed before its first byte leaves nothing");
}

#[test]
fn a_data_connection_from_elsewhere_is_refused() {
    let settings = Settings { data_wait_max: Duration::from_secs(600), ..Settings::default() };
    let server = Server::start_with(settings, Caps::default());
    let mut client = server.sign_in();
    let address = client.passive();
    let mut thief = connect_from(Ipv4Addr::new(127, 0, 0, 2), address);
    thief.set_nonblocking(false).unwrap();
    client.expect(150, "STOR a");
    client.expect_reply(425, "a stranger's connection");
    assert!(matches!(thief.read(&mut [0]), Ok(0) | Err(_)));

    let address = client.passive();
    let _thief = connect_from(Ipv4Addr::new(127, 0, 0, 2), address);
    let mut data = TcpStream::connect(address).unwrap();
    client.expect(150, "STOR a");
    data.write_all(b"mine").unwrap();
    drop(data);
    client.expect_reply(226, "the right connection behind a stranger's");
    assert_eq!(server.content(b"a").unwrap(), b"mine");
}

#[test]
fn abor_stops_a_transfer_and_keeps_what_came() {
    let server = Server::start();
    let mut client = server.sign_in();
    let mut data = client.data();
    client.expect(150, "STOR a");
    data.write_all(b"half").unwrap();
    server.eventually(|| client.expect(213, "STAT").contains(" 4 bytes").then_some(()));
    // As lftp sends it: Interrupt Process, then the urgent mark.
    client.send(b"\xff\xf4\xff\xf2ABOR\r\n");
    client.expect_reply(426, "ABOR");
    client.expect_reply(226, "ABOR");
    assert_eq!(server.partial(b"a"), 4);
    assert!(client.expect(213, "SIZE a").contains('4'));
    client.expect(350, "REST 4");
    client.store("STOR a", b" and half");
    assert_eq!(server.content(b"a").unwrap(), b"half and half");
    client.expect(226, "ABOR");

    // A download whose client does not read.
    client.store("STOR big", &vec![1; 30 << 20]);
    let data = client.data();
    client.expect(150, "RETR big");
    client.expect(426, "ABOR");
    client.expect_reply(226, "ABOR");
    drop(data);
    client.expect(200, "NOOP");
}

#[test]
fn commands_sent_ahead_are_obeyed_in_order() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.send(b"NOOP\r\nMKD a\r\nCWD a\r\nPWD\r\nSYST\r\n");
    for code in [200, 257, 250, 257, 215] {
        client.expect_reply(code, "commands sent ahead");
    }
    let mut data = client.data();
    client.expect(150, "STOR x");
    client.send(b"NOOP\r\nSIZE x\r\nQUIT\r\n");
    data.write_all(b"abc").unwrap();
    drop(data);
    for code in [226, 200, 213, 221] {
        client.expect_reply(code, "commands sent during a transfer");
    }
    assert!(client.is_closed());
}

#[test]
fn a_reset_leaves_a_partial_and_an_end_a_whole_file() {
    let server = Server::start();
    let mut client = server.sign_in();
    let mut data = client.data();
    client.expect(150, "STOR a");
    data.write_all(&[7; 700_000]).unwrap();
    server.eventually(|| client.expect(213, "STAT").contains("700000").then_some(()));
    reset(data);
    client.expect_reply(426, "a reset");
    assert_eq!(server.partial(b"a"), 700_000);
    assert_eq!(server.content(b"a"), None);
    client.expect(350, "REST 700000");
    client.store("STOR a", &[8; 10]);
    assert_eq!(server.content(b"a").unwrap(), [vec![7; 700_000], vec![8; 10]].concat());
}

#[test]
fn a_client_that_is_killed_leaves_a_partial() {
    let server = Server::start();
    let mut client = server.sign_in();
    let mut data = client.data();
    client.expect(150, "STOR a");
    data.write_all(b"half").unwrap();
    // The order in which a dying process's connections close.
    client.close();
    drop(data);
    assert_eq!(server.partial(b"a"), 4);
    assert_eq!(server.content(b"a"), None);
}

#[test]
fn a_transfer_that_stalls_is_told() {
    let server = Server::start_with(quick(), Caps::default());
    let mut client = server.sign_in();
    let mut data = client.data();
    client.expect(150, "STOR a");
    data.write_all(b"half").unwrap();
    client.expect_reply(426, "silence");
    assert_eq!(server.partial(b"a"), 4);
}

#[test]
fn sessions_end_after_silence() {
    let settings =
        Settings { idle_max: Duration::from_millis(500), login_max: Duration::from_millis(300), ..Settings::default() };
    let server = Server::start_with(settings, Caps::default());
    let mut silent = server.connect();
    silent.expect_reply(421, "no sign-in");
    assert!(silent.is_closed());
    let mut idle = server.sign_in();
    idle.expect_reply(421, "no command");
    assert!(idle.is_closed());
}

#[test]
fn caps_are_told() {
    let server = Server::start_with(Settings::default(), Caps { per_address: 3, per_customer: 1, ..Caps::default() });
    let _first = server.sign_in();
    let mut second = server.connect();
    second.expect(331, "USER anna");
    second.expect(421, "PASS secret");
    assert!(second.is_closed());
}

#[test]
fn a_stop_lets_transfers_end_and_refuses_new_commands() {
    let Server { address: _, tree, runtime, stop, served, .. } = {
        let server = Server::start();
        let (mut idle, mut busy) = (server.sign_in(), server.sign_in());
        let mut data = busy.data();
        busy.expect(150, "STOR a");
        data.write_all(b"first ").unwrap();
        server.stop.send(true).unwrap();
        idle.expect_reply(421, "the stop");
        assert!(idle.is_closed());
        // Sessions and the listener hear of the stop at the same time, in either order.
        server.eventually(|| TcpStream::connect(server.address).is_err().then_some(()));
        data.write_all(b"last").unwrap();
        drop(data);
        busy.expect_reply(226, "the stop");
        busy.expect_reply(421, "the stop");
        assert!(busy.is_closed());
        server
    };
    runtime.block_on(served).unwrap();
    drop(stop);
    assert_eq!(tree.stat(&super::client::path(b"a")).unwrap().size, 10);
}
