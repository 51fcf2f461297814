//! Files sent from the pages: by a script, and by a form without one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

fn uploads(pages: &Pages) -> Vec<(String, i64)> {
    let kept = rusqlite::Connection::open(pages.catalogue.path()).unwrap();
    let mut rows = kept.prepare("SELECT CAST(path AS TEXT), customer FROM uploads ORDER BY id").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_script_sends_a_file_larger_than_any_form_and_only_for_its_own_customer() {
    let pages = Pages::start();
    pages.two_customers();
    let anna = pages.sign_in("anna");
    let mark = pages.mark(&anna);
    let marked = format!("{anna}Reunite-Mark: {mark}\r\n");
    let whole = vec![7; 3 << 20];
    let about =
        format!("Upload-Length: {}\r\nUpload-Metadata: filename {}\r\n", whole.len(), STANDARD.encode("d/a.jpg"));
    let begun = pages.send("POST", "/customers/7/transfers", &format!("{marked}{about}"), b"");
    assert_eq!(status(&begun), 201, "{begun}");
    let address = header(&begun, "location").unwrap().to_owned();
    let body = "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n";
    for (headers, code) in [
        (format!("{anna}{body}"), 403),
        (format!("{anna}Reunite-Mark: {}\r\n{body}", mark.replace(char::is_numeric, "x")), 403),
        (format!("Reunite-Mark: {mark}\r\n{body}"), 401),
    ] {
        assert_eq!(status(&pages.send("PATCH", &address, &headers, b"")), code, "{headers}");
    }
    let bert = pages.sign_in("bert");
    let foreign = format!("{bert}Reunite-Mark: {}\r\n{body}", pages.mark(&bert));
    assert_eq!(status(&pages.send("PATCH", &address, &foreign, &whole)), 404);
    let begun = pages.send(
        "POST",
        "/customers/7/transfers",
        &format!("{bert}Reunite-Mark: {}\r\n{about}", pages.mark(&bert)),
        b"",
    );
    assert_eq!(status(&begun), 404);
    let answer = pages.send("PATCH", &address, &format!("{marked}{body}"), &whole);
    assert_eq!((status(&answer), header(&answer, "upload-offset")), (204, Some("3145728")), "{answer}");
    assert_eq!(uploads(&pages), [("d/a.jpg".to_owned(), 7)]);
    let options = pages.send("OPTIONS", "/customers/7/transfers", &marked, b"");
    assert_eq!(header(&options, "tus-extension"), Some("creation,termination,checksum,expiration"));
}

#[test]
fn a_file_that_broke_off_is_named_on_the_page() {
    let pages = Pages::start();
    pages.two_customers();
    let anna = pages.sign_in("anna");
    let marked = format!("{anna}Reunite-Mark: {}\r\n", pages.mark(&anna));
    let about = format!("Upload-Length: 5000\r\nUpload-Metadata: filename {}\r\n", STANDARD.encode("<b>/a.jpg"));
    let begun = pages.send("POST", "/customers/7/transfers", &format!("{marked}{about}"), b"");
    let body = "Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n";
    let part = pages.send("PATCH", header(&begun, "location").unwrap(), &format!("{marked}{body}"), &[1; 2000]);
    assert_eq!((status(&part), header(&part, "upload-offset")), (204, Some("2000")));
    let page = pages.ask("GET", "/customers/7", &anna);
    assert!(page.contains("One file is not here to its end") && page.contains("2.0 kB of 5.0 kB"), "{page}");
    assert!(page.contains("&#60;b&#62;/a.jpg"));
    let bert = pages.sign_in("bert");
    assert!(!pages.ask("GET", "/customers/8", &bert).contains("not here to"));
}

fn form(mark: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let mut body = format!("--b\r\nContent-Disposition: form-data; name=\"mark\"\r\n\r\n{mark}\r\n");
    for (name, bytes) in files {
        body += &format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: image/jpeg\r\n\r\n{bytes}\r\n"
        );
    }
    (body + "--b--\r\n").into_bytes()
}

#[test]
fn a_form_without_script_sends_files_the_same_way() {
    let pages = Pages::start();
    pages.two_customers();
    let anna = pages.sign_in("anna");
    let mark = pages.mark(&anna);
    let kind = format!("{anna}Content-Type: multipart/form-data; boundary=b\r\n");
    let large = "x".repeat(3 << 20);
    let done = pages.send(
        "POST",
        "/customers/7/send",
        &kind,
        &form(&mark, &[("d/a.jpg", &large), ("", ""), ("b%22.jpg", "b")]),
    );
    assert_eq!((status(&done), header(&done, "location")), (303, Some("/customers/7?sent=2")), "{done}");
    assert!(pages.ask("GET", "/customers/7?sent=2", &anna).contains("2 files are received."));
    // One picture: into a folder named for it, and in no other way than the rest.
    let page = pages.ask("GET", "/records/7/send", &anna);
    assert!(page.contains("of-anna") && page.contains("data-folder=\"Sent for of-anna\""), "{page}");
    let done = pages.send("POST", "/records/7/send", &kind, &form(&mark, &[("../x.jpg", "x")]));
    assert_eq!(header(&done, "location"), Some("/records/7/send?sent=1"));
    let all = uploads(&pages);
    let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["d/a.jpg", "b\".jpg", "Sent for of-anna/x.jpg"]);
    // What is refused is named with its reason, and stops nothing.
    let long = "n".repeat(300);
    let some = pages.send("POST", "/customers/7/send", &kind, &form(&mark, &[(&long, "x"), ("c.jpg", "c")]));
    assert_eq!(status(&some), 422);
    assert!(some.contains("1 file was not received") && some.contains("too long"), "{some}");
    assert_eq!(uploads(&pages).len(), 4);
    for mark in ["", "0", &"0".repeat(64)] {
        assert_eq!(status(&pages.send("POST", "/customers/7/send", &kind, &form(mark, &[("d.jpg", "d")]))), 403);
    }
    let foreign = pages.send("POST", "/records/8/send", &kind, &form(&mark, &[("d.jpg", "d")]));
    assert_eq!(status(&foreign), 404);
    assert_eq!(uploads(&pages).len(), 4);
}
