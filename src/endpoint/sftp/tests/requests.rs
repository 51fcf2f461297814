//! Each kind of request, and what clients make of several.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::files::{Files, Finishing, Pause};
use super::super::intake::Intake;
use super::super::protocol::{
    Attributes, Extended, Malformed, Name, OpenFlags, Packets, Reply, Request, StatusCode, put_packet,
};
use super::Shop;

pub(super) const NEW: u32 = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
pub(super) const KEEP: u32 = OpenFlags::WRITE | OpenFlags::CREATE;

/// A session without a line.
pub(super) struct Client {
    files: Files,
    intake: Intake,
    next: u32,
}

/// A reply, taken out of its packet.
#[derive(Debug, PartialEq)]
pub(super) enum Got {
    Status(StatusCode, String),
    Handle(Vec<u8>),
    Data(Vec<u8>),
    Names(Vec<Name>),
    Attributes(Attributes),
    Extended(Vec<u8>),
    Other,
}

impl Client {
    pub(super) fn new(shop: &Shop) -> Self {
        let mut client = Client::silent(shop);
        client.push(0, &Request::Init { version: 3 });
        assert_eq!(client.serve().0, [(0, Got::Other)]);
        client
    }

    /// One that has not said INIT.
    fn silent(shop: &Shop) -> Self {
        // A sender that is gone leaves the last value: the server is not stopping.
        let (_, stop) = tokio::sync::watch::channel(false);
        let files = Files::new(shop.tree(), Arc::clone(&shop.spool), 8, stop);
        Client { files, intake: Intake::default(), next: 1 }
    }

    fn push(&mut self, id: u32, request: &Request<'_>) {
        let mut packet = Vec::new();
        request.encode(id, &mut packet);
        self.intake.put_back(packet.split_off(4));
    }

    fn serve(&mut self) -> (Vec<(u32, Got)>, Vec<Finishing>, Pause) {
        let (mut answers, mut ends) = (Vec::new(), Vec::new());
        let pause = self.files.serve(&self.intake, &mut answers, &mut ends);
        (replies(&answers), ends, pause)
    }

    /// Asks and gets the one answer.
    pub(super) fn ask(&mut self, request: &Request<'_>) -> Got {
        self.next += 1;
        self.push(self.next, request);
        let (mut got, ends, _) = self.serve();
        for end in ends {
            got.extend(self.finish(end));
        }
        assert_eq!(got.len(), 1, "{request:?}");
        let (id, got) = got.remove(0);
        assert_eq!(id, self.next);
        got
    }

    fn finish(&mut self, end: Finishing) -> Vec<(u32, Got)> {
        let (path, mut answer) = (end.path.clone(), Vec::new());
        end.finish(&mut answer);
        self.files.finished(&path);
        replies(&answer)
    }

    /// The connection breaks.
    pub(super) fn die(self) {
        self.files.end();
    }

    pub(super) fn open(&mut self, path: &str, flags: u32) -> Vec<u8> {
        match self.ask(&open(path, flags)) {
            Got::Handle(handle) => handle,
            other => panic!("{path}: {other:?}"),
        }
    }

    pub(super) fn put(&mut self, path: &str, bytes: &[u8]) {
        let handle = self.open(path, NEW);
        assert_ok(self.ask(&Request::Write { handle: &handle, offset: 0, data: bytes }));
        assert_ok(self.ask(&Request::Close { handle: &handle }));
    }

    pub(super) fn size(&mut self, path: &str) -> Option<u64> {
        match self.ask(&Request::Stat { path: path.as_bytes() }) {
            Got::Attributes(attributes) => attributes.size,
            _ => None,
        }
    }
}

fn replies(mut bytes: &[u8]) -> Vec<(u32, Got)> {
    let mut found = Vec::new();
    let mut packets = Packets::new();
    while !bytes.is_empty() {
        let piece = &bytes[..bytes.len().min(7)];
        packets.feed(piece, |packet| found.push(reply(&packet))).unwrap();
        bytes = &bytes[piece.len()..];
    }
    assert!(packets.is_between());
    found
}

fn reply(packet: &[u8]) -> (u32, Got) {
    let (id, reply) = Reply::decode(packet).unwrap();
    let got = match reply {
        Reply::Status { code, message } => Got::Status(code, message.to_owned()),
        Reply::Handle(handle) => Got::Handle(handle.to_vec()),
        Reply::Data(data) => Got::Data(data.to_vec()),
        Reply::Names(names) => Got::Names(names),
        Reply::Attributes(attributes) => Got::Attributes(attributes),
        Reply::Extended(bytes) => Got::Extended(bytes.to_vec()),
        _ => Got::Other,
    };
    (id, got)
}

fn open(path: &str, flags: u32) -> Request<'_> {
    Request::Open { path: path.as_bytes(), flags: OpenFlags(flags), attributes: Attributes::default() }
}

#[track_caller]
pub(super) fn assert_ok(got: Got) {
    assert!(matches!(got, Got::Status(StatusCode::Ok, _)), "{got:?}");
}

#[track_caller]
pub(super) fn assert_status(got: Got, code: StatusCode, says: &str) {
    assert!(matches!(&got, Got::Status(c, m) if *c == code && m.contains(says)), "{got:?}");
}

#[test]
fn a_file_comes_back_as_it_went() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("/in/a.jpg", b"pixels");
    assert_eq!(shop.bytes("in/a.jpg"), b"pixels");
    let handle = client.open("in/a.jpg", OpenFlags::READ);
    let read = |offset, length| Request::Read { handle: &handle, offset, length };
    assert_eq!(client.ask(&read(0, 100)), Got::Data(b"pixels".to_vec()));
    assert_eq!(client.ask(&read(4, 1)), Got::Data(b"l".to_vec()));
    assert_status(client.ask(&read(6, 1)), StatusCode::Eof, "");
    assert_status(client.ask(&read(u64::MAX, 1)), StatusCode::Eof, "");
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_status(client.ask(&read(0, 1)), StatusCode::Failure, "not open");
}

#[test]
fn writes_may_come_in_any_order() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    let handle = client.open("a", NEW);
    for (offset, data) in [(4, &b"ef"[..]), (0, b"ab"), (2, b"cd"), (6, b"")] {
        assert_ok(client.ask(&Request::Write { handle: &handle, offset, data }));
    }
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_eq!(shop.bytes("a"), b"abcdef");
    let digest = crate::domain::Digest::of(b"abcdef");
    assert_eq!(shop.count(&format!("SELECT count(*) FROM uploads WHERE hex(sha256) = upper('{digest}')")), 1);
}

#[test]
fn a_second_upload_keeps_the_first() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a", b"first");
    client.put("a", b"second");
    assert_eq!((shop.bytes("a"), shop.uploads()), (b"second".to_vec(), 2));
}

#[test]
fn a_session_that_dies_leaves_what_can_be_resumed() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    let handle = client.open("a", NEW);
    assert_ok(client.ask(&Request::Write { handle: &handle, offset: 0, data: b"half" }));
    client.files.end();
    assert_eq!(shop.uploads(), 0);

    let mut client = Client::new(&shop);
    assert_eq!(client.size("a"), Some(4));
    let handle = client.open("a", KEEP);
    assert_ok(client.ask(&Request::Write { handle: &handle, offset: 4, data: b" and half" }));
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_eq!((shop.bytes("a"), shop.uploads()), (b"half and half".to_vec(), 1));
}

#[test]
fn a_whole_file_can_be_changed_in_the_middle_and_at_its_end() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a", b"abcdef");
    let handle = client.open("a", KEEP | OpenFlags::READ);
    assert_eq!(client.ask(&Request::Read { handle: &handle, offset: 1, length: 2 }), Got::Data(b"bc".to_vec()));
    assert_ok(client.ask(&Request::Write { handle: &handle, offset: 2, data: b"X" }));
    assert_eq!(client.ask(&Request::Read { handle: &handle, offset: 1, length: 9 }), Got::Data(b"bXdef".to_vec()));
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    let handle = client.open("a", OpenFlags::WRITE | OpenFlags::APPEND);
    assert_ok(client.ask(&Request::Write { handle: &handle, offset: 0, data: b"Y" }));
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_eq!((shop.bytes("a"), shop.uploads()), (b"abXdefY".to_vec(), 3));
}

#[test]
fn opening_and_closing_alone_makes_no_second_upload() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a", b"abc");
    let handle = client.open("a", KEEP);
    let attributes = Attributes { times: Some((5, 1_000)), ..Attributes::default() };
    assert_ok(client.ask(&Request::Fsetstat { handle: &handle, attributes }));
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_eq!(shop.uploads(), 1);
    assert_eq!(shop.tree().stat(&super::at("a")).unwrap().mtime.seconds(), 1_000);
    let handle = client.open("empty", KEEP);
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_eq!((client.size("empty"), shop.uploads()), (Some(0), 2));
}

#[test]
fn open_flags_are_kept() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a", b"abc");
    assert_status(client.ask(&open("a", NEW | OpenFlags::EXCLUSIVE)), StatusCode::Failure, "exists already");
    assert_status(client.ask(&open("b", OpenFlags::WRITE)), StatusCode::NoSuchFile, "`/b` does not exist");
    assert_status(client.ask(&open("b", OpenFlags::READ)), StatusCode::NoSuchFile, "does not exist");
    assert_status(client.ask(&open("/", NEW)), StatusCode::Failure, "");
    assert_status(client.ask(&open("a/b", NEW)), StatusCode::Failure, "is a file, not a directory");
    let handle = client.open("b", NEW | OpenFlags::EXCLUSIVE);
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_eq!(client.size("b"), Some(0));
}

#[test]
fn length_can_be_set_while_writing() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a", b"abcdef");
    let handle = client.open("a", KEEP);
    let size = |size| Attributes { size: Some(size), ..Attributes::default() };
    assert_ok(client.ask(&Request::Fsetstat { handle: &handle, attributes: size(2) }));
    assert_ok(client.ask(&Request::Fsetstat { handle: &handle, attributes: size(4) }));
    assert_ok(client.ask(&Request::Close { handle: &handle }));
    assert_eq!(shop.bytes("a"), b"ab\0\0");
    assert_ok(client.ask(&Request::Setstat { path: b"a", attributes: size(4) }));
    assert_status(client.ask(&Request::Setstat { path: b"a", attributes: size(1) }), StatusCode::Unsupported, "length");
}

#[test]
fn version_3_does_not_rename_onto_a_file_and_posix_rename_does() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.put("a.part", b"new");
    client.put("a", b"old");
    assert_status(client.ask(&Request::Rename { from: b"a.part", to: b"a" }), StatusCode::Failure, "exists already");
    let posix = Extended::PosixRename { from: b"a.part", to: b"a" };
    assert_ok(client.ask(&Request::Extended(posix)));
    assert_eq!((shop.bytes("a"), shop.uploads()), (b"new".to_vec(), 2));
    assert_ok(client.ask(&Request::Rename { from: b"a", to: b"b" }));
    assert_status(client.ask(&Request::Rename { from: b"a", to: b"c" }), StatusCode::NoSuchFile, "");
}

#[test]
fn directories_are_made_listed_and_removed() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    assert_status(client.ask(&Request::Opendir { path: b"d" }), StatusCode::NoSuchFile, "");
    assert_ok(client.ask(&Request::Mkdir { path: b"d", attributes: Attributes::default() }));
    let hostile = "d/caf\u{e9} \n\u{1f600}";
    client.put(hostile, b"123");
    client.ask(&Request::Mkdir { path: b"d/e", attributes: Attributes::default() });
    let Got::Handle(handle) = client.ask(&Request::Opendir { path: b"/d/" }) else { panic!() };
    let Got::Names(names) = client.ask(&Request::Readdir { handle: &handle }) else { panic!() };
    let found: Vec<&[u8]> = names.iter().map(|name| name.name.as_slice()).collect();
    assert_eq!(found, [&hostile.as_bytes()[2..], b"e"]);
    assert_eq!((names[0].attributes.size, names[1].attributes.permissions), (Some(3), Some(0o40_755)));
    assert!(names[1].longname.starts_with(b"drwxr-xr-x"));
    assert_status(client.ask(&Request::Readdir { handle: &handle }), StatusCode::Eof, "");
    assert_status(client.ask(&Request::Rmdir { path: b"d" }), StatusCode::Failure, "not empty");
    assert_ok(client.ask(&Request::Remove { path: hostile.as_bytes() }));
    assert_ok(client.ask(&Request::Rmdir { path: b"d/e" }));
    assert_ok(client.ask(&Request::Rmdir { path: b"d" }));
    assert_eq!(shop.uploads(), 1, "what was received is kept");
}

#[test]
fn a_long_listing_comes_in_parts() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    for n in 0..300 {
        let path = format!("d/{n:0>200}");
        client.ask(&Request::Mkdir { path: path.as_bytes(), attributes: Attributes::default() });
    }
    let Got::Handle(handle) = client.ask(&Request::Opendir { path: b"d" }) else { panic!() };
    let mut count = 0;
    while let Got::Names(names) = client.ask(&Request::Readdir { handle: &handle }) {
        assert!(names.iter().map(Name::wire_len).sum::<usize>() < 34_000);
        count += names.len();
    }
    assert_eq!(count, 300);
}

#[test]
fn paths_are_made_absolute_and_stay_below_the_root() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    for (given, absolute) in [(&b"."[..], &b"/"[..]), (b"../../etc", b"/etc"), (b"a//b/./..", b"/a"), (b"", b"/")] {
        let Got::Names(names) = client.ask(&Request::Realpath { path: given }) else { panic!() };
        assert_eq!(names[0].name, absolute);
    }
    assert_status(client.ask(&Request::Realpath { path: b"a\0" }), StatusCode::Failure, "NUL");
}

#[test]
fn what_is_not_offered_is_said() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    for request in [
        Request::Readlink { path: b"a" },
        Request::Symlink { link: b"a", target: b"b" },
        Request::Extended(Extended::Hardlink),
        Request::Extended(Extended::Other { name: b"users-groups-by-id@openssh.com" }),
    ] {
        assert_status(client.ask(&request), StatusCode::Unsupported, "");
    }
    for request in [Extended::Limits, Extended::Statvfs { path: b"/" }] {
        assert!(matches!(client.ask(&Request::Extended(request)), Got::Extended(_)));
    }
}

#[test]
fn handles_are_bounded_and_never_meet_another_file() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    let handles: Vec<Vec<u8>> = (0..8).map(|n| client.open(&format!("f{n}"), NEW)).collect();
    assert_status(client.ask(&open("f8", NEW)), StatusCode::Failure, "close some");
    assert_ok(client.ask(&Request::Close { handle: &handles[0] }));
    let next = client.open("f8", NEW);
    assert!(!handles.contains(&next));
    assert_status(
        client.ask(&Request::Write { handle: &handles[0], offset: 0, data: b"late" }),
        StatusCode::Failure,
        "not open",
    );
    assert_status(client.ask(&Request::Fstat { handle: b"" }), StatusCode::Failure, "not open");
}

#[test]
fn a_rename_waits_for_the_end_of_a_file() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    let handle = client.open("a.part", NEW);
    let other = client.open("b", NEW);
    // Put in back to front.
    client.push(13, &Request::Write { handle: &other, offset: 0, data: b"b" });
    client.push(12, &Request::Rename { from: b"a.part", to: b"a" });
    client.push(11, &Request::Write { handle: &other, offset: 1, data: b"c" });
    client.push(10, &Request::Close { handle: &handle });
    let (got, ends, pause) = client.serve();
    assert_eq!((got.len(), got[0].0, ends.len(), pause), (1, 11, 1, Pause::Waiting));
    assert!(client.files.is_receiving());
    for end in ends {
        let got = client.finish(end);
        assert_eq!(got[0].0, 10);
    }
    let (got, _, pause) = client.serve();
    assert_eq!((got.iter().map(|(id, _)| *id).collect::<Vec<_>>(), pause), (vec![12, 13], Pause::Empty));
    assert_eq!(shop.bytes("a"), b"");
}

#[test]
fn a_file_with_a_failed_write_never_looks_whole() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    let handle = client.open("a", NEW);
    assert_ok(client.ask(&Request::Write { handle: &handle, offset: 0, data: b"abc" }));
    let beyond = Request::Write { handle: &handle, offset: u64::MAX - 1, data: b"abc" };
    assert_status(client.ask(&beyond), StatusCode::Failure, "too large");
    assert_status(
        client.ask(&Request::Write { handle: &handle, offset: 3, data: b"d" }),
        StatusCode::Failure,
        "too large",
    );
    assert_status(client.ask(&Request::Close { handle: &handle }), StatusCode::Failure, "too large");
    assert_eq!((shop.uploads(), client.size("a")), (0, Some(3)));
}

#[test]
fn malformed_packets_are_answered_and_a_session_begins_with_init() {
    let shop = Shop::new();
    let mut client = Client::new(&shop);
    client.intake.put_back(vec![5, 0, 0, 0, 9, 0, 0, 0, 200, 1]);
    let (got, _, _) = client.serve();
    assert!(matches!(&got[..], [(9, Got::Status(StatusCode::BadMessage, _))]), "{got:?}");
    client.intake.put_back(vec![77, 0, 0, 0, 9]);
    let (got, _, _) = client.serve();
    assert!(matches!(&got[..], [(9, Got::Status(StatusCode::Unsupported, _))]), "{got:?}");
    client.intake.put_back(vec![4, 0]);
    assert_eq!(client.serve().2, Pause::Malformed(Malformed::Short));
    client.push(0, &Request::Init { version: 3 });
    assert_eq!(client.serve().2, Pause::Malformed(Malformed::Order));

    let mut silent = Client::silent(&shop);
    silent.push(1, &Request::Stat { path: b"/" });
    assert_eq!(silent.serve().2, Pause::Malformed(Malformed::Order));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever bytes come as packets, every packet with an id gets exactly one answer and nothing panics.
    #[test]
    fn arbitrary_packets_are_survived(
        packets in prop::collection::vec((1u8..22, prop::collection::vec(any::<u8>(), 0..40)), 1..20)
    ) {
        let shop = Shop::new();
        let mut client = Client::new(&shop);
        let handle = client.open("a", NEW);
        for (kind, tail) in packets {
            let mut packet = Vec::new();
            put_packet(&mut packet, |out| {
                out.extend([kind, 0, 0, 0, 1]);
                // A handle that is open leads deeper than one that is not.
                out.extend((handle.len() as u32).to_be_bytes());
                out.extend(&handle);
                out.extend(&tail);
            });
            client.intake.put_back(packet.split_off(4));
            let (got, ends, pause) = client.serve();
            let ends: Vec<_> = ends.into_iter().flat_map(|end| client.finish(end)).collect();
            if !matches!(pause, Pause::Malformed(_)) {
                prop_assert_eq!(got.len() + ends.len(), 1);
            }
        }
    }
}
