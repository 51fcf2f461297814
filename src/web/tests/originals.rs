//! What stands for an original: its bytes, or what survived of it, or neither while that cannot be known.

use super::*;
use crate::domain::CustomerId;

/// Puts a blob into the store and lets it stand on the record of `anna`.
fn recovered(pages: &Pages, bytes: &[u8]) -> Digest {
    let (digest, spooled) = (Digest::of(bytes), pages.folder.path().join("spooled"));
    std::fs::write(&spooled, bytes).unwrap();
    pages.pipeline.blobs.take(CustomerId(7), digest, &spooled).unwrap();
    let hex: String = digest.0.iter().map(|byte| format!("{byte:02X}")).collect();
    pages.two_uploads();
    pages.sql(&format!(
        "UPDATE records SET filename = 'Über \"uns\".jpg' WHERE id = 7;
         INSERT INTO blobs (id, customer, digest, size) VALUES (1, 7, X'{hex}', 9);
         INSERT INTO images (id, customer, blob, number) VALUES (1, 7, 1, 1);
         INSERT INTO attachments (id, customer, record, image, upload, state, object_key, digest, grade, method, evidence,
             decided_by, decided_at) VALUES (1, 7, 7, 1, 1, 'standing', 'anna/r.jpg', X'{hex}', 'original', 'digest', '{{}}', 'rule', 0);"
    ));
    digest
}

#[test]
fn the_original_comes_whole_in_parts_and_not_at_all_when_it_is_known() {
    let pages = Pages::start();
    pages.two_customers();
    let bytes = [&b"\xff\xd8\xff\xe0"[..], b"0123456789"].concat();
    let digest = recovered(&pages, &bytes);
    let shop = pages.program("shop", &[Scope::Originals]);
    let ask = |method: &str, headers: &str| pages.ask(method, "/originals/of-anna", &format!("{shop}{headers}"));
    let whole = ask("GET", "");
    let etag = format!("\"{digest}\"");
    for (name, value) in [
        ("reunite-original", "recovered"),
        ("reunite-grade", "original"),
        ("etag", &etag),
        ("content-type", "image/jpeg"),
        ("content-length", "14"),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-cache"),
        ("content-disposition", "attachment; filename=\"_ber__uns_.jpg\"; filename*=UTF-8''%C3%9Cber%20%22uns%22.jpg"),
    ] {
        assert_eq!(header(&whole, name), Some(value), "{whole}");
    }
    assert!(whole.ends_with("0123456789"));
    let head = ask("HEAD", "");
    assert_eq!((header(&head, "content-length"), head.ends_with("\r\n\r\n")), (Some("14"), true), "{head}");
    let part = ask("GET", "Range: bytes=4-6\r\n");
    assert_eq!((status(&part), header(&part, "content-range")), (206, Some("bytes 4-6/14")));
    assert!(part.ends_with("\r\n\r\n012"), "{part}");
    let rest = ask("GET", &format!("Range: bytes=-2\r\nIf-Range: {etag}\r\n"));
    assert!(status(&rest) == 206 && rest.ends_with("\r\n\r\n89"), "{rest}");
    assert_eq!(
        status(&ask("GET", "Range: bytes=-2\r\nIf-Range: \"other\"\r\n")),
        200,
        "a part of another file is of no use"
    );
    let beyond = ask("GET", "Range: bytes=14-\r\n");
    assert_eq!((status(&beyond), header(&beyond, "content-range")), (416, Some("bytes */14")));
    let known = ask("GET", &format!("If-None-Match: {etag}\r\n"));
    assert_eq!((status(&known), header(&known, "reunite-original")), (304, Some("recovered")));

    std::fs::rename(pages.folder.path().join("blobs"), pages.folder.path().join("unmounted")).unwrap();
    let away = ask("GET", "");
    assert_eq!((status(&away), header(&away, "reunite-original")), (503, None), "out of reach is not missing");
    assert!(header(&away, "retry-after").is_some() && away.contains("does not say that it is missing"), "{away}");
}

#[test]
fn what_survived_says_that_it_is_not_the_original() {
    let pages = Pages::start();
    pages.two_customers();
    pages.sql("DELETE FROM thumbnails WHERE record = 7");
    let shop = pages.program("shop", &[Scope::Originals]);
    let raw = |record: &str| {
        let port = pages.address.port();
        let mut stream = TcpStream::connect(pages.address).unwrap();
        let request =
            format!("GET /originals/{record} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n{shop}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap() + "\r\n\r\n", answer[end + 4..].to_vec())
    };
    // Nothing survived: then it is the words alone. What survived is marked in tests/core, by real decode children.
    let (head, jpeg) = raw("of-anna");
    for (name, value) in
        [("reunite-original", "missing"), ("content-type", "image/jpeg"), ("cache-control", "no-store")]
    {
        assert_eq!(header(&head, name), Some(value), "{head}");
    }
    assert_eq!(header(&head, "etag"), None);
    let decoded = crate::decode::decode(&jpeg, crate::decode::Scale::Full, &crate::decode::Limits::default()).unwrap();
    assert_eq!(decoded.header.upright_size(), (480, 320));
    let (head, _) = raw("nothing");
    assert_eq!(status(&head), 404);
}

#[test]
fn originals_are_for_staff_and_for_tokens_of_their_scope() {
    let pages = Pages::start();
    pages.two_customers();
    recovered(&pages, b"picture");
    let anna = pages.sign_in("anna");
    let reader = "Accept: text/html\r\n";
    let ask = |headers: &str| pages.ask("GET", "/originals/of-anna", headers);
    assert_eq!(status(&ask(&format!("{}{reader}", pages.operator))), 200);
    assert_eq!(status(&ask(&format!("{anna}{reader}"))), 404, "customers have their files already");
    assert_eq!(header(&ask(reader), "location"), Some("/sign-in"));
    assert_eq!(status(&ask("")), 401);
    let other = pages.program("other", &[Scope::Read, Scope::Decide, Scope::Metrics, Scope::Embed]);
    let refused = ask(&other);
    assert!(status(&refused) == 403 && !refused.contains("picture\r\n"), "{refused}");
}
