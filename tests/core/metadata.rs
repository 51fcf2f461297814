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
