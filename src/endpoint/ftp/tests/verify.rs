//! What careful clients ask: sums of what was received, room for what is to come, and who they talk to.

use super::client::Server;

#[test]
fn sums_are_those_of_what_is_kept() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.store("STOR two words", b"abc");
    for (command, sum) in [
        ("XCRC", "352441c2"),
        ("XMD5", "900150983cd24fb0d6963f7d28e17f72"),
        ("XSHA1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("XSHA", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("XSHA256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ] {
        for name in ["two words", "\"two words\"", "/two words", "\"two words\" 0 3", "\"two words\" 0"] {
            assert_eq!(client.expect(250, format!("{command} {name}")), format!("250 {sum}\r\n"));
        }
    }
    assert!(client.expect(250, "XSHA512 two words").starts_with("250 ddaf35a193617aba"));
    // CRC-32 of "b".
    assert_eq!(client.expect(250, "XCRC \"two words\" 1 2"), "250 71beeff9\r\n");
    client.expect(554, "XCRC \"two words\" 2 4");
    client.expect(554, "XCRC \"two words\" 3 2");
    client.expect(501, "XCRC \"two words\" x");
    client.expect(501, "XCRC");
    client.expect(550, "XSHA512 missing");
}

#[test]
fn hash_speaks_the_algorithm_that_was_chosen() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.store("STOR a", b"abc");
    for (name, begin) in [
        ("SHA-512", "ddaf35a1"),
        ("SHA-1", "a9993e36"),
        ("md5", "90015098"),
        ("CRC32", "352441c2"),
        ("SHA-256", "ba7816bf"),
    ] {
        client.expect(200, format!("OPTS HASH {name}"));
        assert!(client.expect(211, "FEAT").contains(&format!("{}*", name.to_uppercase())));
        let told = client.expect(213, "HASH a");
        assert!(told.starts_with(&format!("213 {} 0-2 {begin}", name.to_uppercase())), "{told}");
        assert!(told.ends_with(" a\r\n"));
    }
    client.expect(501, "OPTS HASH whirlpool");
    client.expect(200, "OPTS HASH SHA-1");
    client.expect(220, "REIN");
    client.expect(331, "USER anna");
    client.expect(230, "PASS secret");
    assert!(client.expect(213, "HASH a").starts_with("213 SHA-256 "));
}

#[test]
fn room_is_told_and_what_does_not_fit_is_refused_before_it_is_sent() {
    let server = Server::start();
    server.sql("UPDATE customers SET quota_bytes = 1000");
    let mut client = server.sign_in();
    client.store("STOR a", &[1; 400]);
    assert_eq!(client.expect(213, "AVBL"), "213 600\r\n");
    assert_eq!(client.expect(213, "AVBL /"), "213 600\r\n");
    client.expect(200, "ALLO 600");
    client.expect(200, "ALLO 600 R 10");
    assert!(client.expect(552, "ALLO 601").contains("600"));
    client.expect(202, "ALLO");
    client.expect(202, "ALLO x");
}

#[test]
fn a_full_disk_has_no_room() {
    let server = Server::start();
    let mut client = server.sign_in();
    client.expect(452, format!("ALLO {}", u64::MAX));
    let told = client.expect(213, "AVBL");
    assert!(told[4..].trim().parse::<u64>().unwrap() > 0);
}

#[test]
fn host_and_lang_are_understood() {
    let server = Server::start();
    let mut client = server.connect();
    client.expect(220, "HOST ftp.example.net");
    client.expect(501, "HOST");
    client.expect(200, "LANG");
    client.expect(200, "LANG en-GB");
    client.expect(504, "LANG de");
    client.expect(530, "AVBL");
    client.expect(530, "ALLO 5");
    client.expect(530, "HASH a");
    client.expect(331, "USER anna");
    client.expect(503, "HOST ftp.example.net");
}

#[test]
fn feat_and_help_agree() {
    let server = Server::start();
    let mut client = server.sign_in();
    let help = client.expect(214, "HELP");
    let features = client.expect(211, "FEAT");
    // Features that are no commands, or a setting of one.
    let no_command = ["UTF8", "TVFS", "REST", "AUTH"];
    for line in features.lines().filter_map(|line| line.strip_prefix(' ')) {
        let word = line.split(' ').next().unwrap();
        assert!(no_command.contains(&word) || help.contains(word), "{line}");
    }
    // Whatever help names is known: never 500.
    let listed = help.lines().filter_map(|line| line.strip_prefix(' ')).filter(|line| !line.starts_with("SITE"));
    for command in listed.flat_map(|line| line.split(' ')).filter(|command| *command != "QUIT") {
        client.send(format!("{command}\r\n").as_bytes());
        let (code, text) = client.reply();
        assert_ne!((code, String::from_utf8_lossy(&text).contains("understood\r\n")), (500, true), "{command}");
        if matches!(command, "REIN") {
            client.expect(331, "USER anna");
            client.expect(230, "PASS secret");
        }
    }
}
