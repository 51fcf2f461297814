//! What a database still knows of an original, from the column of an import to the decision of a running server.

use std::path::PathBuf;

use md5::{Digest as _, Md5};
use reunite::domain::hex;

use crate::support::{Shop, fixture, thumbnail};

/// A shop with a thumbnail of each of these originals below its folder of thumbnails.
fn shop_with(originals: &[&str]) -> Shop {
    let shop = Shop::new();
    shop.ok(["init"]);
    for name in originals {
        let picture = fixture(&format!("originals/{name}"));
        std::fs::write(shop.thumbs().join(name), thumbnail(&picture, 200)).unwrap();
    }
    shop
}

/// A folder below the scratch folder with these files in it.
fn dump(shop: &Shop, files: &[(&str, Vec<u8>)]) -> PathBuf {
    let folder = shop.scratch().join("dump");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    folder
}

fn original(name: &str) -> Vec<u8> {
    std::fs::read(fixture(&format!("originals/{name}"))).unwrap()
}

fn scan(shop: &Shop, folder: &std::path::Path) {
    shop.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);
}

/// What stands: record, path and method, by record.
fn standing(shop: &Shop) -> Vec<[String; 3]> {
    let rows = shop.report("matches").into_iter().filter(|row| row["verdict"] == "attach");
    let mut rows: Vec<_> = rows.map(|row| ["record", "path", "method"].map(|column| row[column].clone())).collect();
    rows.sort();
    rows
}

/// The ETag of an object that was sent in parts of so many bytes.
fn etag(bytes: &[u8], part: usize) -> String {
    let parts: Vec<_> = bytes.chunks(part).map(Md5::digest).collect();
    format!("{}-{}", hex(&Md5::digest(parts.concat())), parts.len())
}

#[test]
fn etags_of_every_kind_bring_originals_back() {
    // Larger than two parts of the shortest length that clients use, and no picture that could be compared.
    let long: Vec<u8> = (0..11 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (harbour, tulips) = (original("harbour.jpg"), original("tulips.jpg"));
    let rows = [
        ("R-single", "harbour.jpg", format!("\"{}\"", hex(&Md5::digest(&harbour)))),
        ("R-one-part", "tulips.jpg", etag(&tulips, 8 << 20)),
        ("R-parts", "stag.jpg", etag(&long, 5 << 20)),
        ("R-other", "stag.jpg", etag(&long, 1_000_000)),
    ];
    let csv = |with: bool| -> String {
        let row = |(record, thumbnail, etag): &(&str, &str, String)| match with {
            true => format!("{record},anna,{thumbnail},\"{}\"\n", etag.replace('"', "\"\"")),
            false => format!("{record},anna,{thumbnail},\n"),
        };
        let rows: String = rows.iter().map(row).collect();
        format!("record,customer,thumbnail,etag\n{rows}")
    };
    let shop = shop_with(&["harbour.jpg", "tulips.jpg", "stag.jpg"]);
    let folder = dump(&shop, &[("a.jpg", harbour), ("b.jpg", tulips), ("c.psd", long)]);
    shop.import(&csv(false));
    let server = shop.serve();
    scan(&shop, &folder);
    assert_eq!(standing(&shop), [] as [[String; 3]; 0], "nothing is recorded yet");

    // The records learn their ETags after the files came.
    shop.import(&csv(true));
    shop.ok(["wait", "--timeout", "2m"]);
    let expected = [["R-one-part", "b.jpg", "digest"], ["R-parts", "c.psd", "digest"], ["R-single", "a.jpg", "digest"]];
    assert_eq!(standing(&shop), expected);
    server.stop();
    let explained = shop.ok(["match", folder.join("c.psd").to_str().unwrap(), "--customer", "anna"]);
    assert!(explained.contains("the recorded ETag"), "{explained}");

    // Another order, the same end.
    let other = shop_with(&["harbour.jpg", "tulips.jpg", "stag.jpg"]);
    other.import(&csv(true));
    scan(&other, &folder);
    let stable = |shop: &Shop| shop.ok(["report", "matches", "--format", "csv", "--stable"]);
    assert_eq!(stable(&other), stable(&shop));
}

#[test]
fn another_time_of_taking_is_left_to_a_person() {
    let times = ["2018-07-22 14:10:31", "22.07.2018 12:10:31", "2018-07-22T14:12:31+02:00", ""];
    let bytes = original("regatta-1.jpg");
    let size = reunite::decode::read_header(&bytes, &reunite::decode::Limits::default()).unwrap().upright_size();
    let mut csv = String::from("record,customer,thumbnail,width,height,bytes,taken_at\n");
    for (at, time) in times.iter().enumerate() {
        csv.push_str(&format!("R{at},anna,regatta-1.jpg,{},{},{},{time}\n", size.0, size.1, bytes.len()));
    }
    let shop = shop_with(&["regatta-1.jpg"]);
    let folder = dump(&shop, &[("a.jpg", bytes)]);
    shop.import(&csv);
    let server = shop.serve();
    scan(&shop, &folder);
    let expected = ["R0", "R1", "R3"].map(|record| [record, "a.jpg", "bytes"]);
    assert_eq!(standing(&shop), expected, "the file says 14:10:31, and R1 may be in UTC");
    let review = shop.report("review");
    let reasons: Vec<_> = review.iter().map(|row| [row["record"].as_str(), row["reason"].as_str()]).collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert_eq!(reasons[0][0], "R2");
    assert!(reasons[0][1].contains("it was taken at another time than recorded"), "{reasons:?}");
    let explained = shop.ok(["match", folder.join("a.jpg").to_str().unwrap(), "--customer", "anna", "--format", "csv"]);
    for words in ["taken at the recorded time", "of another time zone", "at another time than recorded"] {
        assert!(explained.contains(words), "{words}: {explained}");
    }

    // A database that is corrected settles it.
    shop.import("record,customer,thumbnail,taken_at\nR2,anna,regatta-1.jpg,2018-07-22 14:10:31\n");
    shop.ok(["wait", "--timeout", "2m"]);
    assert_eq!(standing(&shop).len(), 4);
    server.stop();
}
