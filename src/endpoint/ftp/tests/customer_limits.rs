//! What is said of one customer alone: quotas, and TLS.

use std::io::Write as _;

use super::client::Server;

#[test]
fn a_customer_over_their_quota_is_told_so_and_keeps_what_they_have() {
    let server = Server::start();
    server.sql("UPDATE customers SET quota_bytes = 10, quota_files = 2");
    let mut client = server.sign_in();
    client.store("STOR a", b"12345678");
    let mut data = client.data();
    client.send(b"STOR b\r\n");
    client.expect_reply(150, "STOR");
    // The server may stop reading before all is sent.
    let _ = data.write_all(b"123");
    drop(data);
    let said = client.expect_reply(552, "one byte too many");
    assert!(said.contains("may keep 10 bytes"), "{said}");
    assert!(server.content(b"b").is_none());
    client.store("STOR b", b"12");
    let _unused = client.passive();
    let said = client.expect(552, "STOR c");
    assert!(said.contains("may keep 2 files") || said.contains("may keep 10 bytes"), "{said}");
    assert_eq!((server.content(b"a").unwrap().len(), server.content(b"b").unwrap().len()), (8, 2));
}

#[test]
fn an_account_may_want_tls_and_only_its_owner_learns_of_it() {
    let server = Server::start();
    server.sql("UPDATE customers SET ftp_tls = 'required'");
    let mut client = server.connect();
    client.expect(331, "USER anna");
    assert!(!client.expect(530, "PASS wrong").contains("TLS"));
    client.expect(331, "USER anna");
    assert!(client.expect(530, "PASS secret").contains("wants TLS"));
    client.expect(530, "LIST");
    let mut client = server.connect().secure(&server);
    client.expect(331, "USER anna");
    client.expect(230, "PASS secret");
}
