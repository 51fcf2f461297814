//! The way of a file, end to end through the real binary: records in, files in, originals back.

use std::path::Path;

use crate::support::{Shop, fixture, fixtures, sha256, thumbnail};

/// A shop with one record for each of these originals, with name, size and length recorded, and no original left.
fn shop_of(originals: &[&str]) -> Shop {
    let shop = Shop::new();
    shop.ok(["init"]);
    let mut csv = String::from("record,customer,thumbnail,filename,width,height,bytes\n");
    for name in originals {
        csv.push_str(&record(&shop, name));
    }
    shop.import(&csv);
    shop
}

/// The row of a record, whose thumbnail is made on the way.
fn record(shop: &Shop, name: &str) -> String {
    let picture = fixture(&format!("originals/{name}"));
    let bytes = std::fs::read(&picture).unwrap();
    let header = reunite::decode::read_header(&bytes, &reunite::decode::Limits::default()).unwrap();
    let (width, height) = header.upright_size();
    let stem = name.split('.').next().unwrap();
    std::fs::write(shop.thumbs().join(format!("{stem}.jpg")), thumbnail(&picture, 200)).unwrap();
    format!("R-{stem},anna,{stem}.jpg,{name},{width},{height},{}\n", bytes.len())
}

/// A folder with these fixtures under these names.
fn dump(shop: &Shop, files: &[(&str, &str)]) -> std::path::PathBuf {
    let folder = shop.scratch().join("dump");
    for (from, to) in files {
        let to = folder.join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(fixture(from), to).unwrap();
    }
    folder
}

fn scan(shop: &Shop, folder: &Path) {
    shop.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);
}

#[test]
fn originals_come_back_and_nothing_else_does() {
    let shop = shop_of(&["harbour.jpg", "tulips.jpg", "stag.jpg", "lighthouse.jpg", "logo-fox.png", "regatta-1.jpg"]);
    let folder = dump(
        &shop,
        &[
            ("originals/harbour.jpg", "Bilder/alt/DSC 01.jpg"),
            ("originals/harbour.jpg", "Bilder/Kopie von DSC 01.jpg"),
            ("originals/tulips.jpg", "tulips.jpg"),
            ("derived/lighthouse-resave-q60.jpg", "x/lighthouse.jpg"),
            ("derived/lighthouse-shrink-50.jpg", "x/small.jpg"),
            ("originals/logo-fox.png", "logo neu.png"),
            ("originals/regatta-2.jpg", "regatta-1.jpg"),
            ("malformed/text-named.jpg", "stag.jpg"),
            ("malformed/bomb-60000x60000.png", "bomb.png"),
            ("malformed/empty.jpg", "leer.jpg"),
        ],
    );
    scan(&shop, &folder);
    let matches = shop.report("matches");
    let attached = |record: &str| {
        let rows: Vec<_> = matches.iter().filter(|row| row["record"] == record && row["verdict"] == "attach").collect();
        assert!(rows.len() <= 1, "{record} has two attachments: {rows:?}");
        rows.first().map(|row| row["sha256"].clone())
    };
    for name in ["harbour.jpg", "tulips.jpg", "logo-fox.png"] {
        let stem = name.split('.').next().unwrap();
        let original = fixture(&format!("originals/{name}"));
        assert_eq!(attached(&format!("R-{stem}")), Some(sha256(&original)), "{name}");
        let extension = name.rsplit('.').next().unwrap();
        let put_back = shop.data().join("originals").join("anna").join(format!("R-{stem}.{extension}"));
        assert_eq!(std::fs::read(put_back).unwrap(), std::fs::read(&original).unwrap(), "{name}");
    }
    assert_eq!(attached("R-regatta-1"), None, "a sibling frame under the right name is not the picture");
    assert_eq!(attached("R-stag"), None, "a text file under the right name is not the picture");
    let missing: Vec<_> = shop.report("missing").into_iter().map(|row| row["record"].clone()).collect();
    assert!(missing.contains(&"R-stag".to_owned()) && missing.contains(&"R-regatta-1".to_owned()), "{missing:?}");
    assert!(!missing.contains(&"R-harbour".to_owned()), "{missing:?}");
    let problems = shop.report("files");
    for path in ["stag.jpg", "bomb.png", "leer.jpg"] {
        let row = problems.iter().find(|row| row["path"] == path).unwrap_or_else(|| panic!("{path}: {problems:?}"));
        assert!(!row["problem"].is_empty(), "{row:?}");
    }
}

#[test]
fn running_it_again_changes_nothing() {
    let shop = shop_of(&["harbour.jpg", "tulips.jpg", "smile-1.jpg"]);
    let folder = dump(&shop, &[("originals/harbour.jpg", "a.jpg"), ("originals/smile-2.jpg", "smile-1.jpg")]);
    scan(&shop, &folder);
    let first = shop.ok(["report", "matches", "--format", "csv"]);
    scan(&shop, &folder);
    assert_eq!(shop.ok(["report", "matches", "--format", "csv"]), first);
}

/// Every order of importing and receiving ends in the same report.
#[test]
fn the_order_does_not_matter() {
    let names = ["harbour.jpg", "lighthouse.jpg", "smile-1.jpg", "card-1.jpg", "tulips.jpg"];
    let uploads = [
        ("derived/harbour-resave-q75.jpg", "harbour.jpg"),
        ("originals/harbour.jpg", "deep/harbour (1).jpg"),
        ("derived/lighthouse-shrink-50.jpg", "lighthouse.jpg"),
        ("originals/smile-2.jpg", "smile-1.jpg"),
        ("originals/smile-1.jpg", "IMG_1.jpg"),
        ("originals/card-2.jpg", "card-1.jpg"),
    ];
    let together = shop_of(&names);
    scan(&together, &dump(&together, &uploads));
    let expected = together.ok(["report", "matches", "--format", "csv", "--stable"]);
    assert!(expected.lines().count() > 2, "{expected}");

    // The worse upload first, each followed by its own run; the records of the last one come at the end.
    let piecemeal = shop_of(&names[..2]);
    for (from, to) in uploads.iter().rev() {
        let folder = dump(&piecemeal, &[(from, to)]);
        scan(&piecemeal, &folder);
    }
    let mut csv = String::from("record,customer,thumbnail,filename,width,height,bytes\n");
    for name in names.iter().rev() {
        csv.push_str(&record(&piecemeal, name));
    }
    piecemeal.import(&csv);
    let empty = piecemeal.scratch().join("empty");
    std::fs::create_dir(&empty).unwrap();
    scan(&piecemeal, &empty);
    assert_eq!(piecemeal.ok(["report", "matches", "--format", "csv", "--stable"]), expected);
}

#[test]
fn what_a_person_decided_stays_decided() {
    let shop = shop_of(&["harbour.jpg", "smile-1.jpg"]);
    let folder = dump(
        &shop,
        &[
            ("originals/harbour.jpg", "harbour.jpg"),
            ("derived/harbour-crop.jpg", "crop.jpg"),
            ("originals/smile-2.jpg", "s.jpg"),
        ],
    );
    scan(&shop, &folder);
    let put_back = shop.data().join("originals/anna/R-harbour.jpg");
    assert!(put_back.exists());

    shop.ok(["detach", "R-harbour"]);
    scan(&shop, &folder);
    assert!(!put_back.exists(), "a detached original is taken away");
    assert!(!shop.report("matches").iter().any(|row| row["record"] == "R-harbour" && row["verdict"] == "attach"));

    let upload = |path: &str| {
        let files = shop.report("files");
        let rows = files.iter().find(|row| row["path"] == path);
        rows.unwrap_or_else(|| panic!("{path}: {files:?}"))["upload"].clone()
    };
    shop.ok(["attach", "R-smile-1", &upload("s.jpg")]);
    scan(&shop, &folder);
    let row = shop.report("matches").into_iter().find(|row| row["record"] == "R-smile-1").unwrap();
    assert_eq!((row["verdict"].as_str(), row["path"].as_str()), ("attach", "s.jpg"), "{row:?}");
    assert_ne!(row["decided_by"], "rule");

    // A better proof for another file does not take the place of what a person said.
    std::fs::copy(fixture("originals/smile-1.jpg"), folder.join("smile-1.jpg")).unwrap();
    scan(&shop, &folder);
    let row = shop.report("matches").into_iter().find(|row| row["record"] == "R-smile-1").unwrap();
    assert_eq!(row["path"], "s.jpg", "{row:?}");
}

#[test]
fn an_answer_that_is_taken_back_was_never_given() {
    let shop = shop_of(&["harbour.jpg"]);
    std::fs::write(shop.data().join("reunite.toml"), "[attach]\nmode = \"propose\"\n").unwrap();
    let folder = dump(&shop, &[("originals/harbour.jpg", "harbour.jpg")]);
    scan(&shop, &folder);
    let put_back = shop.data().join("originals/anna/R-harbour.jpg");
    let asked = || shop.report("review");
    let before = asked();
    let [row] = &before[..] else { panic!("one question: {before:?}") };
    let candidate = row["candidate"].clone();
    assert!(!shop.run(["review", "undo", &candidate]).status.success(), "nobody has answered yet");

    for answer in ["accept", "reject"] {
        shop.ok(["review", answer, &candidate]);
        assert_eq!(put_back.exists(), answer == "accept");
        assert!(asked().is_empty());
        shop.ok(["review", "undo", &candidate]);
        assert!(!put_back.exists(), "what the answer put back leaves with it");
        assert_eq!(asked(), before, "the question is open again");
    }

    // Of two answers the last one alone is taken back.
    shop.ok(["review", "accept", &candidate]);
    shop.ok(["review", "reject", &candidate]);
    assert!(!put_back.exists());
    shop.ok(["review", "undo", &candidate]);
    assert!(put_back.exists(), "the yes before it stands again");
}

#[test]
fn what_is_given_up_is_not_looked_for_until_it_is_again() {
    let shop = shop_of(&["harbour.jpg", "smile-1.jpg"]);
    shop.ok(["retire", "R-harbour", "R-harbour", "--why", "the customer asked for it"]);
    scan(&shop, &dump(&shop, &[("originals/harbour.jpg", "harbour.jpg")]));
    let put_back = shop.data().join("originals/anna/R-harbour.jpg");
    assert!(!put_back.exists());
    let missing: Vec<String> = shop.report("missing").into_iter().map(|row| row["record"].clone()).collect();
    assert_eq!(missing, ["R-smile-1"]);
    assert!(!shop.run(["retire", "R-smile-1", "R-harbour"]).status.success(), "it is retired already");
    assert_eq!(shop.report("missing").len(), 1, "all or none");

    // The file came while nobody looked for it, and is found now.
    shop.ok(["retire", "R-harbour", "--undo"]);
    assert_eq!(sha256(&put_back), sha256(&fixture("originals/harbour.jpg")));
    let refused = shop.run(["retire", "R-harbour"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is back"), "{refused:?}");
    assert!(put_back.exists());
}

#[test]
fn a_key_that_holds_foreign_bytes_is_left_alone() {
    let shop = shop_of(&["harbour.jpg"]);
    let theirs = shop.data().join("originals/anna/R-harbour.jpg");
    std::fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    std::fs::write(&theirs, b"theirs").unwrap();
    let folder = dump(&shop, &[("originals/harbour.jpg", "harbour.jpg")]);
    scan(&shop, &folder);
    assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
    assert!(!shop.report("matches").iter().any(|row| row["verdict"] == "attach"));

    // Once the shop has moved it away, the original takes its place by itself.
    std::fs::remove_file(&theirs).unwrap();
    std::fs::copy(fixture("originals/tulips.jpg"), folder.join("another.jpg")).unwrap();
    scan(&shop, &folder);
    assert_eq!(std::fs::read(&theirs).unwrap(), std::fs::read(fixture("originals/harbour.jpg")).unwrap());
}

#[test]
fn a_better_upload_takes_the_place_of_a_copy() {
    let shop = shop_of(&["lighthouse.jpg"]);
    let folder = dump(&shop, &[("derived/lighthouse-resave-q60.jpg", "lighthouse.jpg")]);
    scan(&shop, &folder);
    let before = shop.report("matches");
    std::fs::create_dir(folder.join("gefunden")).unwrap();
    std::fs::copy(fixture("originals/lighthouse.jpg"), folder.join("gefunden/lighthouse.jpg")).unwrap();
    scan(&shop, &folder);
    let row = shop.report("matches").into_iter().find(|row| row["verdict"] == "attach").unwrap();
    assert_eq!(
        (row["path"].as_str(), row["grade"].as_str()),
        ("gefunden/lighthouse.jpg", "original"),
        "before: {before:?}"
    );
    let original = std::fs::read(fixture("originals/lighthouse.jpg")).unwrap();
    assert_eq!(std::fs::read(shop.data().join("originals/anna/R-lighthouse.jpg")).unwrap(), original);
}

#[test]
fn customers_never_meet() {
    let shop = shop_of(&["harbour.jpg"]);
    std::fs::write(shop.thumbs().join("b.jpg"), thumbnail(&fixture("originals/harbour.jpg"), 200)).unwrap();
    let digest = sha256(&fixture("originals/harbour.jpg"));
    shop.import(&format!("record,customer,thumbnail,sha256\nR-b,bert,b.jpg,{digest}\n"));
    let folder = dump(&shop, &[("originals/harbour.jpg", "harbour.jpg")]);
    scan(&shop, &folder);
    let matches = shop.report("matches");
    assert!(matches.iter().all(|row| row["record"] != "R-b"), "{matches:?}");
    assert_eq!(matches.iter().filter(|row| row["verdict"] == "attach").count(), 1);
}

#[test]
fn every_malformed_file_is_reported_and_stops_nothing() {
    let shop = shop_of(&["harbour.jpg"]);
    let folder = dump(&shop, &[("originals/harbour.jpg", "harbour.jpg")]);
    for path in fixtures("malformed") {
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    scan(&shop, &folder);
    assert!(shop.report("matches").iter().any(|row| row["record"] == "R-harbour" && row["verdict"] == "attach"));
    let status: serde_json::Value = serde_json::from_str(&shop.ok(["status", "--json"])).unwrap();
    assert!(status.is_object(), "{status}");
}
