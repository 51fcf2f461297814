//! Digests, copies, and the requests beyond version 3 that clients count on.

use super::super::protocol::{Attributes, CHECK_FILE, CheckFile, Checked, CopyData, Extended, OpenFlags, Request};
use super::super::protocol::{StatusCode, put_string};
use super::Shop;
use super::requests::{Client, Got, KEEP, NEW, assert_ok, assert_status};
use crate::endpoint::digests::Algorithm;

fn check<'a>(file: Checked<'a>, algorithms: &'a [u8], offset: u64, length: u64, block_size: u32) -> Request<'a> {
    Request::Extended(Extended::CheckFile(CheckFile { file, algorithms, offset, length, block_size }))
}

fn digest(algorithm: Algorithm, mut bytes: &[u8]) -> Vec<u8> {
    algorithm.digest(&mut bytes).unwrap()
}

fn answer(parts: &[&[u8]], digests: &[Vec<u8>]) -> Got {
    let mut bytes = Vec::new();
    for part in parts {
        put_string(&mut bytes, part);
    }
    bytes.extend(digests.concat());
    Got::Extended(bytes)
}

#[test]
fn a_file_is_checked_by_name_and_by_handle() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    let bytes: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
    client.put("a", &bytes);
    for algorithm in Algorithm::ALL {
        let list = [b"crc32,", algorithm.name().as_bytes(), b",md5"].concat();
        let got = client.ask(&check(Checked::Name(b"/a"), &list, 0, 0, 0));
        assert_eq!(got, answer(&[algorithm.name().as_bytes()], &[digest(algorithm, &bytes)]));
    }
    let handle = client.open("a", OpenFlags::READ);
    let got = client.ask(&check(Checked::Handle(&handle), b"sha256", 100, 600, 256));
    let blocks = [100..356, 356..612, 612..700].map(|range| digest(Algorithm::Sha256, &bytes[range]));
    assert_eq!(got, answer(&[b"sha256"], &blocks));
    let got = client.ask(&check(Checked::Paramiko(&handle), b"sha1", 0, 0, 512));
    let blocks = [0..512, 512..1000].map(|range| digest(Algorithm::Sha1, &bytes[range]));
    assert_eq!(got, answer(&[CHECK_FILE, b"sha1"], &blocks));
    client.put("empty", b"");
    let got = client.ask(&check(Checked::Name(b"empty"), b"md5", 0, 0, 0));
    assert_eq!(got, answer(&[b"md5"], &[digest(Algorithm::Md5, b"")]));
}

#[test]
fn checks_that_cannot_be_done_say_why() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a", &[0; 300_000]);
    let handle = client.open("b", NEW);
    let mut refused = |request: Request<'_>, code, says| assert_status(client.ask(&request), code, says);
    refused(check(Checked::Name(b"a"), b"crc32", 0, 0, 0), StatusCode::Unsupported, "md5, sha1");
    refused(check(Checked::Name(b"a"), b"md5", 0, 0, 255), StatusCode::Failure, "at least 256 bytes");
    refused(check(Checked::Name(b"a"), b"md5", 300_001, 0, 0), StatusCode::Failure, "only 300000 bytes");
    refused(check(Checked::Name(b"x"), b"md5", 0, 0, 0), StatusCode::NoSuchFile, "does not exist");
    refused(check(Checked::Name(b"/"), b"sha256", 0, 0, 0), StatusCode::Failure, "");
    refused(check(Checked::Handle(&handle), b"md5", 0, 0, 0), StatusCode::Failure, "not open for reading");
    let got = client.ask(&check(Checked::Name(b"a"), b"md5", 0, 0, 256));
    assert!(matches!(got, Got::Extended(bytes) if bytes.len() == 4 + 3 + 300_000_usize.div_ceil(256) * 16));
    client.put("big", &vec![0; 250_000]);
    let sparse = client.open("big", KEEP);
    assert_ok(client.ask(&Request::Write { handle: &sparse, offset: 8 << 20, data: b"end" }));
    assert_ok(client.ask(&Request::Close { handle: &sparse }));
    assert_status(client.ask(&check(Checked::Name(b"big"), b"md5", 0, 0, 256)), StatusCode::Failure, "larger blocks");
}

#[test]
fn bytes_are_copied_on_the_server() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a", b"abcdef");
    let (from, to) = (client.open("a", OpenFlags::READ), client.open("b", NEW));
    let copy = |from_offset, length, to_offset| {
        Request::Extended(Extended::CopyData(CopyData { from: &from, from_offset, length, to: &to, to_offset }))
    };
    assert_ok(client.ask(&copy(0, 0, 0)));
    assert_ok(client.ask(&copy(4, 100, 6)));
    assert_ok(client.ask(&copy(9, 0, 8)));
    let backwards = Extended::CopyData(CopyData { from: &to, from_offset: 0, length: 0, to: &from, to_offset: 0 });
    assert_status(client.ask(&Request::Extended(backwards)), StatusCode::Failure, "not open for reading");
    assert_ok(client.ask(&Request::Close { handle: &to }));
    assert_eq!(shop.bytes("b"), b"abcdefef");
}

#[test]
fn paths_times_and_space_by_extension() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("d/a", b"abc");
    for (given, absolute) in [(&b"~"[..], &b"/"[..]), (b"~/d/../d/a", b"/d/a"), (b"~bert/d", b"/d"), (b"d/~", b"/d/~")]
    {
        let got = client.ask(&Request::Extended(Extended::ExpandPath { path: given }));
        assert!(matches!(&got, Got::Names(names) if names[0].name == absolute), "{got:?}");
    }
    let got = client.ask(&Request::Extended(Extended::HomeDirectory));
    assert!(matches!(&got, Got::Names(names) if names[0].name == b"/"), "{got:?}");
    let attributes = Attributes { times: Some((1, 1_000)), ..Attributes::default() };
    assert_ok(client.ask(&Request::Extended(Extended::Lsetstat { path: b"d/a", attributes })));
    assert_eq!(shop.tree().stat(&super::at("d/a")).unwrap().mtime.seconds(), 1_000);
    let handle = client.open("d/a", OpenFlags::READ);
    let by_handle = client.ask(&Request::Extended(Extended::Fstatvfs { handle: &handle }));
    assert!(matches!(by_handle, Got::Extended(bytes) if bytes.len() == 88));
    assert_status(client.ask(&Request::Extended(Extended::Hardlink)), StatusCode::Unsupported, "no links here");
}

/// WinSCP writes to `NAME.filepart` without truncation, continues it at its length, takes the old file away and renames.
#[test]
fn winscp_resumes_its_filepart() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a.jpg", b"old");
    let handle = client.open("a.jpg.filepart", KEEP);
    assert_ok(client.ask(&Request::Write { handle: &handle, offset: 0, data: b"first " }));
    client.die();

    let mut client = Client::new(&shop);
    assert_eq!(client.size("a.jpg.filepart"), Some(6));
    let handle = client.open("a.jpg.filepart", OpenFlags::WRITE);
    assert_ok(client.ask(&Request::Write { handle: &handle, offset: 6, data: b"second" }));
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_ok(client.ask(&Request::Remove { path: b"a.jpg" }));
    assert_ok(client.ask(&Request::Rename { from: b"a.jpg.filepart", to: b"a.jpg" }));
    let attributes = Attributes { times: Some((9, 9)), ..Attributes::default() };
    assert_ok(client.ask(&Request::Setstat { path: b"a.jpg", attributes }));
    assert_eq!((shop.bytes("a.jpg"), shop.uploads()), (b"first second".to_vec(), 2));
    assert_eq!(shop.count("SELECT count(*) FROM uploads WHERE path = CAST('a.jpg' AS BLOB)"), 2);
}

/// FileZilla asks for the size, opens for writing and begins at that offset; so does OpenSSH's `reput`. Others append.
#[test]
fn filezilla_resumes_at_the_length_and_others_append() {
    for flags in [OpenFlags::WRITE, KEEP, KEEP | OpenFlags::APPEND] {
        let shop = Shop::new();
        let mut client = Client::new(&shop);
        let handle = client.open("a", NEW);
        assert_ok(client.ask(&Request::Write { handle: &handle, offset: 0, data: b"first " }));
        client.die();
        let mut client = Client::new(&shop);
        let at = client.size("a").unwrap();
        let handle = client.open("a", flags);
        for (index, data) in [&b"sec"[..], b"ond"].into_iter().enumerate() {
            let offset = at + 3 * index as u64;
            assert_ok(client.ask(&Request::Write { handle: &handle, offset, data }));
        }
        assert_ok(client.ask(&Request::Close { handle: &handle }));
        assert_eq!((shop.bytes("a"), shop.uploads()), (b"first second".to_vec(), 1), "flags {flags}");
    }
}

#[test]
fn a_customer_over_their_quota_is_told_so() {
    let shop = Shop::new();
    super::rows(shop.folder.path()).execute("UPDATE customers SET quota_bytes = 10", []).unwrap();
    let mut client = Client::new(&shop);
    client.put("a", b"12345678");
    let handle = client.open("b", NEW);
    assert_ok(client.ask(&Request::Write { handle: &handle, offset: 0, data: b"12" }));
    assert_status(
        client.ask(&Request::Write { handle: &handle, offset: 2, data: b"3" }),
        StatusCode::Failure,
        "10 bytes",
    );
    assert_status(client.ask(&Request::Close { handle: &handle }), StatusCode::Failure, "may keep 10 bytes");
    assert_eq!((shop.uploads(), client.size("b")), (1, None));
    let Got::Extended(space) = client.ask(&Request::Extended(Extended::Statvfs { path: b"/" })) else { panic!() };
    // f_bavail, the fifth number: less than a block is none.
    assert_eq!(space[32..40], [0; 8]);
}
