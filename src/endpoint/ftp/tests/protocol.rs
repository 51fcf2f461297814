//! What clients ask for when nothing goes wrong.

use super::client::{Server, free_ports, path};
use crate::domain::{Digest, Micros};
use crate::endpoint::ftp::Settings;
use crate::endpoint::limits::Caps;
use crate::endpoint::public_address::PublicAddress;
use crate::networks::Networks;

#[test]
fn a_stranger_can_find_out_what_there_is() {
    let server = Server::start();
    let mut client = server.connect();
    let features = client.expect(211, "FEAT");
    for feature in
        [" UTF8\r\n", " MLST type*;size*;modify*;perm*;unique*;\r\n", " REST STREAM\r\n", " AUTH TLS\r\n", " MFMT\r\n"]
    {
        assert!(features.contains(feature), "{features}");
    }
    for (code, command) in [
        (215, "SYST"),
        (214, "HELP"),
        (200, "CLNT x"),
        (200, "TYPE I"),
        (200, "TYPE A N"),
        (200, "TYPE L 8"),
        (200, "STRU F"),
        (504, "STRU R"),
    ] {
        client.expect(code, command);
    }
    client.expect(530, "PWD");
}

#[test]
fn directories_and_files_come_and_go() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.expect(257, "MKD a");
    client.expect(550, "MKD a");
    client.expect(250, "XCWD a");
    client.store("STOR x/y/z.jpg", b"zz");
    assert_eq!(server.content(b"/a/x/y/z.jpg").unwrap(), b"zz");
    client.expect(550, "RMD x");
    client.expect(550, "DELE x");
    client.expect(350, "RNFR x/y/z.jpg");
    client.expect(250, "RNTO /z.jpg");
    client.expect(350, "RNFR /z.jpg");
    client.expect(200, "NOOP");
    client.expect(503, "RNTO /y.jpg");
    client.expect(250, "RMD x/y");
    client.expect(250, "XRMD x");
    client.expect(250, "CWD ../../..");
    assert!(client.expect(257, "PWD").starts_with("257 \"/\""));
    assert!(client.expect(213, "SIZE z.jpg").starts_with("213 2\r\n"));
    client.expect(550, "SIZE a");
    client.expect(550, "CWD z.jpg");
    client.expect(250, "DELE z.jpg");
    client.expect(550, "DELE z.jpg");
    // The names that these had before RFC 959.
    client.expect(257, "XMKD a/b");
    client.expect(250, "XCWD a/b");
    assert!(client.expect(257, "XPWD").starts_with("257 \"/a/b\""));
    client.expect(250, "XCUP");
    client.expect(250, "CDUP");
    assert!(client.expect(257, "XPWD").starts_with("257 \"/\""));
}

#[test]
fn times_are_set_and_shown() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.store("STOR a b", b"x");
    let set = client.expect(213, "MFMT 20200102030405 a b");
    assert!(set.starts_with("213 Modify=20200102030405; a b\r\n"));
    assert!(client.expect(213, "MDTM a b").starts_with("213 20200102030405"));
    assert_eq!(server.tree.stat(&path(b"a b")).unwrap().mtime, Micros::from_seconds(1_577_934_245));
    let line = client.fetch_text("LIST");
    assert!(line.starts_with("-rw-r--r--") && line.ends_with(" 1 Jan  2  2020 a b\r\n"), "{line}");
    client.expect(213, "SITE UTIME 20210102030405 a b");
    assert!(client.fetch_text("MLSD").contains("modify=20210102030405;"));
    client.expect(200, "SITE CHMOD 644 a b");
    client.expect(550, "MFMT 20200102030405 missing");
}

#[test]
fn listings_take_switches_patterns_and_places() {
    let server = Server::start();
    let mut client = server.sign_in();
    for name in ["d/a.jpg", "d/b.png", "-la"] {
        client.store(format!("STOR {name}"), b"1");
    }
    assert!(client.fetch_text("LIST -la").ends_with(" -la\r\n"), "a file of that name comes first");
    assert_eq!(client.fetch_text("LIST -a d").lines().count(), 2);
    assert_eq!(client.fetch_text("NLST d"), "d/a.jpg\r\nd/b.png\r\n");
    assert_eq!(client.fetch_text("NLST d/*.jpg"), "d/a.jpg\r\n");
    assert_eq!(client.fetch_text("NLST d/b.png"), "d/b.png\r\n");
    client.expect(250, "CWD d");
    assert_eq!(client.fetch_text("NLST *.p?g"), "b.png\r\n");
    client.expect(550, "NLST *.gif");
    assert_eq!(client.fetch_text("MLSD /").lines().count(), 2);
    client.expect(550, "MLSD a.jpg");
    assert_eq!(client.expect(213, "STAT -l /d").lines().count(), 4);
    client.expect(211, "STAT");
    assert!(client.expect(250, "MLST a.jpg").contains("; /d/a.jpg\r\n"));
    client.expect(200, "OPTS MLST size;");
    assert_eq!(client.fetch_text("MLSD"), "size=1; a.jpg\r\nsize=1; b.png\r\n");
    client.expect(257, "MKD empty");
    assert_eq!(client.fetch_text("LIST empty"), "");
}

#[test]
fn stou_makes_a_name_of_its_own() {
    let server = Server::start();
    let mut client = server.sign_in();
    for name in ["a.jpg", "a.jpg.1", "a.jpg.2"] {
        let mut data = client.data();
        assert_eq!(client.expect(150, "STOU a.jpg"), format!("150 FILE: {name}\r\n"));
        std::io::Write::write_all(&mut data, name.as_bytes()).unwrap();
        drop(data);
        client.expect_reply(226, "STOU");
        assert_eq!(server.content(name.as_bytes()).unwrap(), name.as_bytes());
    }
    client.store("STOU", b"");
    assert_eq!(server.content(b"upload").unwrap(), b"");
}

#[test]
fn large_files_come_and_go_whole() {
    let server = Server::start();
    let mut client = server.sign_in();
    let content: Vec<u8> = (0..5_000_001_u32).flat_map(|number| number.to_le_bytes()).collect();
    client.store("STOR big", &content);
    assert_eq!(Digest::of(&server.content(b"big").unwrap()), Digest::of(&content));
    assert_eq!(Digest::of(&client.fetch("RETR big")), Digest::of(&content));
    let hex = Digest::of(&content).to_string();
    assert!(client.expect(250, "XSHA256 \"big\"").contains(&hex));
    assert!(client.expect(213, "HASH big").contains(&format!("SHA-256 0-{} {hex} big", content.len() - 1)));
    client.expect(200, "OPTS HASH MD5");
    assert!(client.expect(213, "HASH big").starts_with("213 MD5 "));
    client.expect(550, "XMD5 missing");
}

#[test]
fn type_a_stores_what_was_sent() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.expect(200, "TYPE A");
    client.store("STOR t", b"a\r\nb\nc\r");
    assert_eq!(server.content(b"t").unwrap(), b"a\r\nb\nc\r");
    assert_eq!(client.fetch("RETR t"), b"a\r\nb\nc\r");
}

#[test]
fn an_upload_again_is_a_new_version_and_the_old_one_stays_spooled() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.store("STOR a", b"one");
    let first = server.tree.stat(&path(b"a")).unwrap().upload;
    client.store("STOR a", b"two");
    let second = server.tree.stat(&path(b"a")).unwrap().upload;
    assert_ne!(first, second);
    assert_eq!(server.content(b"a").unwrap(), b"two");
}

#[test]
fn passive_ports_come_from_the_range_and_are_free_again() {
    let ports = free_ports(2);
    let settings = Settings {
        passive_ports: Some(ports.clone()),
        passive_address: Some(PublicAddress::new("203.0.113.9".parse().unwrap(), Networks::private())),
        ..Settings::default()
    };
    let server = Server::start_with(settings, Caps::default());
    let (mut one, mut two, mut three) = (server.sign_in(), server.sign_in(), server.sign_in());
    assert!(ports.contains(&one.passive().port()));
    assert!(ports.contains(&two.passive().port()));
    three.expect(425, "EPSV");
    one.expect(229, "EPSV");
    one.expect(226, "ABOR");
    three.store("STOR a", b"x");
    assert!(three.expect(227, "PASV").contains("(127,0,0,1,"), "this machine is told the inner address");
    three.expect(522, "EPSV 2");
    three.expect(229, "EPSV 1");
    three.expect(200, "EPSV ALL");
    three.expect(503, "PASV");
}

#[test]
fn clients_behind_the_nat_are_told_the_public_address() {
    let public = PublicAddress::new("203.0.113.9".parse().unwrap(), Networks::default());
    let server = Server::start_with(Settings { passive_address: Some(public), ..Settings::default() }, Caps::default());
    assert!(server.sign_in().expect(227, "PASV").contains("(203,0,113,9,"));
    let public = PublicAddress::new("no..name".parse().unwrap(), Networks::default());
    let server = Server::start_with(Settings { passive_address: Some(public), ..Settings::default() }, Caps::default());
    let mut client = server.sign_in();
    assert!(client.expect(425, "PASV").contains("use EPSV"));
    client.store("STOR a", b"EPSV needs no address");
}

#[test]
fn a_new_user_begins_anew() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.expect(257, "MKD a");
    client.expect(250, "CWD a");
    client.expect(331, "USER anna");
    client.expect(530, "PWD");
    client.expect(230, "PASS secret");
    assert!(client.expect(257, "PWD").starts_with("257 \"/\""));
    client.expect(220, "REIN");
    client.expect(530, "PWD");
    for failed in 1..=5 {
        client.expect(331, "USER anna");
        client.expect(530, format!("PASS wrong{failed}"));
    }
    assert!(client.is_closed());
}
