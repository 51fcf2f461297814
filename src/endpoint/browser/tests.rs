use std::io;

use axum::body::Bytes;
use axum::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;

use super::*;
use crate::domain::Digest;
use crate::spool::scratch::{ALICE, BOB, Scratch, path};
use crate::spool::{Quota, Settings as SpoolSettings};

fn browser(scratch: &Scratch) -> (Arc<Browser>, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    let settings = Settings { drain_max: Duration::ZERO, ..Settings::default() };
    (Browser::new(scratch.catalogue.clone(), scratch.spool.clone(), settings, stopping), stop)
}

fn noise(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ seed).collect()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let all = pairs.iter().map(|(name, value)| (*name, *value)).chain([("tus-resumable", "1.0.0")]);
    all.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

fn about(path: &[u8], more: &str) -> String {
    format!("filename {},lastModified {}{more}", STANDARD.encode(path), STANDARD.encode("1500000000123"))
}

/// Begins a file; returns its transfer and what is here of it.
async fn begin(browser: &Arc<Browser>, path: &[u8], length: usize, more: &str) -> (TransferId, u64) {
    let asked = headers(&[("upload-length", &length.to_string()), ("upload-metadata", &about(path, more))]);
    let answer = browser.begin(ALICE, &asked, |id| id.to_string()).await;
    assert_eq!(answer.status(), 201);
    (TransferId(word(&answer, "location").parse().unwrap()), word(&answer, "upload-offset").parse().unwrap())
}

fn word(answer: &Response, name: &str) -> String {
    answer.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap().to_owned()
}

async fn patch(
    browser: &Arc<Browser>,
    id: TransferId,
    offset: u64,
    body: Body,
    more: &[(&'static str, &str)],
) -> Response {
    let offset = offset.to_string();
    let own = [("upload-offset", offset.as_str()), ("content-type", protocol::OFFSET_STREAM)];
    browser.receive(id, &headers(&[&own[..], more].concat()), body).await
}

/// What came by `bytes`, and then the connection breaks.
fn breaking(bytes: &[u8]) -> Body {
    let broken = Err(io::Error::from(io::ErrorKind::ConnectionReset));
    Body::from_stream(stream::iter([Ok(Bytes::copy_from_slice(bytes)), broken]))
}

async fn here(browser: &Arc<Browser>, id: TransferId) -> u64 {
    let answer = browser.offset_of(id, &headers(&[])).await;
    assert_eq!(answer.status(), 200);
    word(&answer, "upload-offset").parse().unwrap()
}

#[tokio::test]
async fn a_file_arrives_and_its_name_is_bytes() {
    let scratch = Scratch::new();
    let (browser, _stop) = browser(&scratch);
    let whole = noise(300_000, 1);
    let (id, offset) = begin(&browser, b"d/caf\xe9.jpg", whole.len(), "").await;
    assert_eq!((offset, here(&browser, id).await), (0, 0));
    let answer = patch(&browser, id, 0, Body::from(whole.clone()), &[]).await;
    assert_eq!((answer.status().as_u16(), word(&answer, "upload-offset")), (204, "300000".to_owned()));
    assert!(word(&answer, "upload-expires").ends_with(" GMT"));
    let path = TreePath::resolve(&TreePath::root(), b"d/caf\xe9.jpg").unwrap();
    let entry = scratch.tree().stat(&path).unwrap();
    assert_eq!(entry.mtime, Micros(1_500_000_000_123_000));
    let upload = scratch.upload(entry.upload.unwrap());
    assert_eq!((upload.endpoint.as_str(), upload.sha256), ("web", Digest::of(&whole)));
    // Said again, it is said to be here; nothing comes twice.
    assert_eq!(here(&browser, id).await, 300_000);
    assert_eq!(patch(&browser, id, 300_000, Body::empty(), &[]).await.status(), 204);
    assert_eq!(patch(&browser, id, 0, Body::from(whole), &[]).await.status(), 409);
    assert_eq!(scratch.count("uploads"), 1);
}

#[tokio::test]
async fn a_cut_connection_goes_on_even_after_a_restart() {
    let whole = noise(2_500_000, 2);
    let scratch = Scratch::new();
    let (browser_before, _stop) = browser(&scratch);
    let (id, _) = begin(&browser_before, b"a.jpg", whole.len(), "").await;
    assert_eq!(patch(&browser_before, id, 0, breaking(&whole[..40_000]), &[]).await.status(), 400);
    assert_eq!(here(&browser_before, id).await, 40_000);
    assert_eq!(patch(&browser_before, id, 40_000, breaking(&whole[40_000..1_300_000]), &[]).await.status(), 400);
    assert_eq!(browser_before.unfinished(ALICE, 10).unwrap().len(), 1);
    assert_eq!(browser_before.unfinished(BOB, 10).unwrap().len(), 0);
    drop(browser_before);
    let scratch = scratch.restarted();
    let (browser, _stop) = browser(&scratch);
    assert_eq!(here(&browser, id).await, 1_300_000);
    let wrong = patch(&browser, id, 1_000_000, Body::from(whole[1_000_000..].to_vec()), &[]).await;
    assert_eq!((wrong.status().as_u16(), word(&wrong, "upload-offset")), (409, "1300000".to_owned()));
    // A page that was loaded anew begins the same file and hears where it was.
    let (again, offset) = begin(&browser, b"a.jpg", whole.len(), ",resume").await;
    assert_eq!((again, offset), (id, 1_300_000));
    let answer = patch(&browser, id, offset, Body::from(whole[1_300_000..].to_vec()), &[]).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(Digest::of(&scratch.get("a.jpg")), Digest::of(&whole));
    assert_eq!((scratch.count("partials"), scratch.count("uploads")), (0, 1));
    // And a folder that is dropped once more sends nothing twice, unless it changed.
    let (_, offset) = begin(&browser, b"a.jpg", whole.len(), ",resume").await;
    assert_eq!(offset, whole.len() as u64);
    assert_eq!(begin(&browser, b"a.jpg", whole.len() + 1, ",resume").await.1, 0);
    assert_eq!(begin(&browser, b"a.jpg", whole.len(), "").await.1, 0, "who does not ask for that sends anew");
}

#[tokio::test]
async fn two_files_of_one_name_do_not_mix() {
    let (first, second) = (noise(1_500_000, 3), noise(1_700_000, 4));
    let scratch = Scratch::new();
    let (browser, _stop) = browser(&scratch);
    let (one, _) = begin(&browser, b"a.jpg", first.len(), "").await;
    patch(&browser, one, 0, breaking(&first[..1_200_000]), &[]).await;
    let (two, offset) = begin(&browser, b"a.jpg", second.len(), ",resume").await;
    assert_eq!(offset, 0);
    patch(&browser, two, 0, breaking(&second[..1_100_000]), &[]).await;
    for (id, whole) in [(one, &first), (two, &second)] {
        let offset = here(&browser, id).await;
        assert!(offset > 1_000_000);
        let rest = Body::from(whole[offset as usize..].to_vec());
        assert_eq!(patch(&browser, id, offset, rest, &[]).await.status(), 204);
        let row = scratch.catalogue.read(|tx| tx.browser_transfer(id)).unwrap().unwrap();
        assert_eq!(scratch.upload(row.upload.unwrap()).sha256, Digest::of(whole));
    }
}

#[tokio::test]
async fn whoever_wants_to_go_on_ends_a_request_that_hangs() {
    let whole = noise(400_000, 5);
    let scratch = Scratch::new();
    let (browser, stop) = browser(&scratch);
    let (id, _) = begin(&browser, b"a.jpg", whole.len(), "").await;
    let hang = |from: usize, to: usize| {
        let part = Bytes::copy_from_slice(&whole[from..to]);
        let first = stream::once(async move { Ok::<_, io::Error>(part) });
        Body::from_stream(futures_util::StreamExt::chain(first, stream::pending()))
    };
    let hanging = tokio::spawn({
        let (browser, body) = (Arc::clone(&browser), hang(0, 250_000));
        async move { patch(&browser, id, 0, body, &[]).await.status() }
    });
    // Until the older request has begun there is nothing to end.
    while scratch.catalogue.read(|tx| tx.browser_transfer(id)).unwrap().unwrap().spool_file.is_none() {
        tokio::task::yield_now().await;
    }
    let offset = here(&browser, id).await;
    assert_eq!(hanging.await.unwrap(), 423);
    let hanging = tokio::spawn({
        let (browser, body) = (Arc::clone(&browser), hang(offset as usize, 300_000));
        async move { patch(&browser, id, offset, body, &[]).await.status() }
    });
    stop.send_replace(true);
    assert_eq!(hanging.await.unwrap(), 423, "a server that stops keeps what came");
}

#[tokio::test]
async fn bytes_that_are_not_what_was_said_are_not_kept() {
    let whole = noise(200_000, 6);
    let scratch = Scratch::new();
    let (browser, _stop) = browser(&scratch);
    let (id, _) = begin(&browser, b"a.jpg", whole.len(), "").await;
    let sha256 = |bytes: &[u8]| format!("sha256 {}", STANDARD.encode(Digest::of(bytes).0));
    let part = sha256(&whole[..150_000]);
    let bad = patch(&browser, id, 0, Body::from(noise(150_000, 9)), &[("upload-checksum", &part)]).await;
    assert_eq!((bad.status().as_u16(), here(&browser, id).await), (460, 0));
    let cut = patch(&browser, id, 0, breaking(&whole[..100_000]), &[("upload-checksum", &part)]).await;
    assert_eq!((cut.status().as_u16(), here(&browser, id).await), (400, 0), "unchecked bytes do not count");
    let good = patch(&browser, id, 0, Body::from(whole[..150_000].to_vec()), &[("upload-checksum", &part)]).await;
    assert_eq!((good.status().as_u16(), here(&browser, id).await), (204, 150_000));
    let sha1 = "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="; // of nothing
    let bad = patch(&browser, id, 150_000, Body::from(whole[150_000..].to_vec()), &[("upload-checksum", sha1)]).await;
    assert_eq!((bad.status().as_u16(), here(&browser, id).await), (460, 150_000));
    let rest = sha256(&whole[150_000..]);
    let good = patch(&browser, id, 150_000, Body::from(whole[150_000..].to_vec()), &[("upload-checksum", &rest)]).await;
    assert_eq!(good.status(), 204);
    assert_eq!(Digest::of(&scratch.get("a.jpg")), Digest::of(&whole));
}

#[tokio::test]
async fn what_cannot_be_is_said_in_words() {
    let scratch = Scratch::with(SpoolSettings {
        min_free: Some(0),
        file_bytes_max: 1_000_000,
        quota: Quota { bytes: Some(500_000), files: None },
        ..SpoolSettings::default()
    });
    let (browser, _stop) = browser(&scratch);
    let ask = async |pairs: &[(&'static str, &str)]| {
        let answer = browser.begin(ALICE, &headers(pairs), |id| id.to_string()).await;
        let status = answer.status().as_u16();
        let text = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        (status, String::from_utf8(text.to_vec()).unwrap())
    };
    let named = about(b"a.jpg", "");
    for (status, words, pairs) in [
        (400, "Upload-Length", vec![("upload-metadata", named.as_str())]),
        (400, "number of bytes", vec![("upload-length", "-1"), ("upload-metadata", &named)]),
        (400, "needs a name", vec![("upload-length", "1")]),
        (400, "base64", vec![("upload-length", "1"), ("upload-metadata", "filename ???")]),
        (413, "at most 1000000 bytes", vec![("upload-length", "1000001"), ("upload-metadata", &named)]),
        (413, "ask for more room", vec![("upload-length", "500001"), ("upload-metadata", &named)]),
        (422, "too long", vec![("upload-length", "1"), ("upload-metadata", &about(&[b'n'; 256], ""))]),
    ] {
        let (found, text) = ask(&pairs).await;
        assert!(found == status && text.contains(words), "{found} {text}");
    }
    let mut none = headers(&[("upload-length", "1"), ("upload-metadata", &named)]);
    none.remove("tus-resumable");
    let answer = browser.begin(ALICE, &none, |id| id.to_string()).await;
    assert_eq!((answer.status().as_u16(), word(&answer, "tus-version")), (412, "1.0.0".to_owned()));
    let (id, _) = begin(&browser, b"a.jpg", 10, "").await;
    assert_eq!(patch(&browser, id, 0, Body::from("eleven byte"), &[]).await.status(), 413);
    assert_eq!(patch(&browser, TransferId(99), 0, Body::empty(), &[]).await.status(), 404);
    scratch.tree().make_dir(&path("folder")).unwrap();
    let (id, _) = begin(&browser, b"folder", 3, "").await;
    assert_eq!(patch(&browser, id, 0, Body::from("abc"), &[]).await.status(), 422);
    let (id, _) = begin(&browser, b"empty", 0, "").await;
    assert_eq!(here(&browser, id).await, 0);
    assert_eq!(scratch.get("empty"), b"", "nothing is awaited of an empty file");
}

#[tokio::test]
async fn what_is_not_wanted_goes_and_what_was_received_stays() {
    let whole = noise(1_200_000, 7);
    let scratch = Scratch::new();
    let (browser, _stop) = browser(&scratch);
    let (id, _) = begin(&browser, b"a.jpg", whole.len(), "").await;
    patch(&browser, id, 0, breaking(&whole[..1_100_000]), &[]).await;
    assert_eq!(scratch.spool_files().len(), 1);
    assert_eq!(browser.end(id, &headers(&[])).await.status(), 204);
    assert_eq!((scratch.spool_files().len(), scratch.count("partials"), scratch.count("entries")), (0, 0, 0));
    assert_eq!(browser.offset_of(id, &headers(&[])).await.status(), 404);
    let (id, _) = begin(&browser, b"b.jpg", 3, "").await;
    patch(&browser, id, 0, Body::from("abc"), &[]).await;
    assert_eq!(browser.end(id, &headers(&[])).await.status(), 204);
    assert_eq!(scratch.get("b.jpg"), b"abc");
}

#[tokio::test]
async fn transfers_that_nobody_goes_on_with_are_forgotten() {
    let scratch = Scratch::new();
    let (browser, _stop) = browser(&scratch);
    let (done, _) = begin(&browser, b"a.jpg", 3, "").await;
    patch(&browser, done, 0, Body::from("abc"), &[]).await;
    let (open, _) = begin(&browser, b"b.jpg", 3, "").await;
    assert_eq!(browser.forget_old(Micros::now()).unwrap(), 0);
    assert_eq!(browser.forget_old(Micros::now().plus_seconds(2 * 24 * 3600)).unwrap(), 1);
    assert_eq!(here(&browser, open).await, 0);
    assert_eq!(browser.forget_old(Micros::now().plus_seconds(8 * 24 * 3600)).unwrap(), 1);
    assert_eq!(scratch.get("a.jpg"), b"abc");
}
