//! `/originals` of the real server: what survived, plainly marked, until the original is back.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use reunite::decode::{Limits, Pixels, Scale, decode};

use crate::support::{Server, Shop, fixture, sha256, thumbnail};

/// Status, headers and body of what the server answers a program.
fn get(server: &Server, path: &str, token: &str) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let mut stream = TcpStream::connect(&server.web).unwrap();
    let host = &server.web;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    (status, headers, answer[end + 4..].to_vec())
}

fn pixels(jpeg: &[u8]) -> Pixels {
    decode(jpeg, Scale::Full, &Limits::default()).unwrap().renderings.remove(0)
}

#[test]
fn what_survived_is_marked_until_the_original_is_back() {
    let shop = Shop::new();
    let picture = fixture("originals/harbour.jpg");
    let small = thumbnail(&picture, 300);
    std::fs::write(shop.thumbs().join("harbour.jpg"), &small).unwrap();
    shop.import(&format!("record,customer,thumbnail,sha256\na/1,anna,harbour.jpg,{}\n", sha256(&picture)));
    let token = shop.ok(["token", "add", "shop", "--scope", "originals"]).trim().to_owned();
    let server = shop.serve_with(&[("REUNITE_RECEIVE_INBOX_QUIET_SECONDS", "0")]);

    let (status, headers, body) = get(&server, "/originals/a%2F1", &token);
    assert_eq!((status, headers["reunite-original"].as_str()), (200, "missing"));
    assert_eq!((headers["content-type"].as_str(), headers["cache-control"].as_str()), ("image/jpeg", "no-store"));
    let (marked, survived) = (pixels(&body), pixels(&small));
    assert_eq!((marked.width, marked.height), (survived.width, survived.height));
    let half = marked.rgb.len() / 2;
    let far = marked.rgb[..half].iter().zip(&survived.rgb).filter(|(a, b)| a.abs_diff(**b) > 24).count();
    assert!(far < half / 50, "above the words it is what survived: {far} of {half}");
    let foot = &marked.rgb[marked.rgb.len() - 3 * marked.width as usize..];
    assert!(foot.iter().all(|level| *level < 120), "the band at its foot is dark");
    let white = marked.rgb.chunks_exact(3).skip(half / 3).filter(|pixel| pixel.iter().all(|level| *level > 210));
    assert!(white.count() > 200, "the words are on it");

    let folder = shop.scratch().join("dump");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&picture, folder.join("x.jpg")).unwrap();
    shop.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);
    let (status, headers, body) = get(&server, "/originals/a%2F1", &token);
    assert_eq!((status, headers["reunite-original"].as_str()), (200, "recovered"));
    assert_eq!(headers["etag"], format!("\"{}\"", sha256(&picture)));
    assert!(body == std::fs::read(&picture).unwrap(), "the very bytes");

    // The store is away: neither the original nor word that it is missing.
    std::fs::rename(shop.data().join("blobs"), shop.data().join("unmounted")).unwrap();
    let (status, headers, _) = get(&server, "/originals/a%2F1", &token);
    assert_eq!((status, headers.get("reunite-original")), (503, None));
    std::fs::rename(shop.data().join("unmounted"), shop.data().join("blobs")).unwrap();
    shop.ok(["detach", "a/1"]);
    for _ in 0..600 {
        if get(&server, "/originals/a%2F1", &token).1["reunite-original"] == "missing" {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("what was taken away is still given out");
}
