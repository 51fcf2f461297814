//! Reports and decisions over a small shop whose files were scanned.

use serde_json::Value;

use crate::support::{Shop, fixture, sha256, thumbnail};

/// Two records of anna's, one with its digest recorded; a dump with the original of one, a smaller copy of the other
/// under a name that is no UTF-8, a stranger and a text.
fn shop() -> Shop {
    let shop = Shop::new();
    for name in ["harbour", "tulips"] {
        let small = thumbnail(&fixture(&format!("originals/{name}.jpg")), 160);
        std::fs::write(shop.thumbs().join(format!("{name}.jpg")), small).unwrap();
    }
    let digest = sha256(&fixture("originals/harbour.jpg"));
    shop.import(&format!(
        "record,customer,thumbnail,sha256,=shelf\nR-1,anna,harbour.jpg,{digest},=A1\nR-2,anna,tulips.jpg,,\nR-3,ben,,,\n"
    ));
    let folder = shop.scratch().join("dump");
    std::fs::create_dir(&folder).unwrap();
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9.jpg");
    let odd: &std::ffi::OsStr = odd;
    for (from, to) in [
        ("originals/harbour.jpg", std::ffi::OsStr::new("holiday.jpg")),
        ("derived/tulips-resave-q60.jpg", odd),
        ("originals/lighthouse.jpg", std::ffi::OsStr::new("stranger.jpg")),
    ] {
        std::fs::copy(fixture(from), folder.join(to)).unwrap();
    }
    std::fs::write(folder.join("notes.txt"), "hello").unwrap();
    shop.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);
    shop
}

#[test]
fn every_report_says_what_it_promises() {
    let shop = shop();
    let header = "record,customer,path,image,sha256,verdict,grade,rank,method,distance,residual,margin,decided_by,decided_at,upload,candidate";
    let raw = shop.run(["report", "matches", "--format", "csv"]).stdout;
    assert!(raw.starts_with(format!("{header}\n").as_bytes()));
    assert!(raw.windows(8).any(|at| at == b"caf\xe9.jpg"), "CSV has the path's own bytes");
    let json: Value = serde_json::from_str(&shop.ok(["report", "matches", "--format", "json"])).unwrap();
    let rows = json.as_array().unwrap();
    let (first, second) = (&rows[0], &rows[1]);
    assert_eq!((first["record"].as_str(), first["verdict"].as_str()), (Some("R-1"), Some("attach")));
    assert_eq!((first["method"].as_str(), first["decided_by"].as_str()), (Some("digest"), Some("rule")));
    assert_eq!(first["path"], "holiday.jpg");
    assert!(first.get("path_base64").is_none());
    assert_eq!(first["sha256"], sha256(&fixture("originals/harbour.jpg")));
    assert_eq!((second["record"].as_str(), second["verdict"].as_str()), (Some("R-2"), Some("review")));
    assert_eq!(
        (second["path"].as_str(), second["path_base64"].as_str()),
        (Some("caf\u{fffd}.jpg"), Some("Y2Fm6S5qcGc="))
    );
    assert_eq!(second["rank"], 1);
    let table = shop.ok(["report", "matches"]);
    assert!(table.contains(r"caf\xe9.jpg"), "{table}");
    let stable = shop.run(["report", "matches", "--format", "csv", "--stable"]).stdout;
    let stable_header = header.replace(",decided_at,upload,candidate", "");
    assert!(stable.starts_with(format!("{stable_header}\n").as_bytes()));

    let missing = shop.report("missing");
    let names: Vec<&str> = missing.iter().map(|row| row["record"].as_str()).collect();
    assert_eq!(names, ["R-2", "R-3"]);
    let unmatched: Vec<String> = shop.report("unmatched").iter().map(|row| row["path"].clone()).collect();
    assert_eq!(unmatched, ["stranger.jpg"]);
    let files: Value = serde_json::from_str(&shop.ok(["report", "files", "--format", "json"])).unwrap();
    let results: Vec<&str> = files.as_array().unwrap().iter().map(|row| row["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["review", "attached", "unreadable", "unmatched"], "{files}");
    let customers = shop.report("customers");
    assert_eq!((customers[0]["recovered"].as_str(), customers[0]["missing"].as_str()), ("1", "1"));
    assert_eq!(
        shop.run(["report", "matches", "--customer", "ben", "--format", "csv"]).stdout,
        format!("{header}\n").as_bytes()
    );
}

#[test]
fn a_report_goes_to_a_file_whole_or_not_at_all() {
    let shop = shop();
    let path = shop.scratch().join("report.csv");
    std::fs::write(&path, "what was there before").unwrap();
    assert_eq!(shop.ok(["report", "missing", "--format", "csv", "-o", path.to_str().unwrap()]), "");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("record,customer,"));
    let nowhere = shop.run(["report", "missing", "-o", "/no/such/folder/report.csv"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("/no/such/folder/report.csv"));
}

#[test]
fn a_persons_word_is_carried_out_and_stays() {
    let shop = shop();
    let candidate = shop.run(["review", "list", "--format", "csv"]).stdout;
    let candidate = String::from_utf8_lossy(&candidate).lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    shop.ok(["review", "accept", &candidate, "--as", "support", "--why", "looked at it"]);
    let verdicts = || -> Vec<(String, String, String)> {
        let json: Value = serde_json::from_str(&shop.ok(["report", "matches", "--format", "json"])).unwrap();
        let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
        json.as_array()
            .unwrap()
            .iter()
            .map(|row| (text(row, "record"), text(row, "verdict"), text(row, "decided_by")))
            .collect()
    };
    let row = |record: &str, verdict: &str, by: &str| (record.to_owned(), verdict.to_owned(), by.to_owned());
    assert_eq!(verdicts(), [row("R-1", "attach", "rule"), row("R-2", "attach", "support")]);
    // Taken off by hand, it does not come back by itself, neither with the next import nor with the same file again.
    shop.ok(["detach", "R-1", "--as", "support"]);
    assert!(!verdicts().iter().any(|(record, verdict, _)| record == "R-1" && verdict == "attach"), "{:?}", verdicts());
    shop.ok(["scan", shop.scratch().join("dump").to_str().unwrap(), "--customer", "anna"]);
    assert!(!verdicts().iter().any(|(record, verdict, _)| record == "R-1" && verdict == "attach"), "{:?}", verdicts());
    // Put on by hand.
    let files: Value = serde_json::from_str(&shop.ok(["report", "files", "--format", "json"])).unwrap();
    let upload =
        files.as_array().unwrap().iter().find(|row| row["path"] == "holiday.jpg").unwrap()["upload"].to_string();
    shop.ok(["attach", "R-1", &upload, "--as", "support"]);
    assert!(verdicts().contains(&row("R-1", "attach", "support")), "{:?}", verdicts());
    assert_eq!(shop.run(["attach", "R-3", &upload]).status.code(), Some(1), "no upload crosses to another customer");
    assert_eq!(shop.run(["detach", "R-3"]).status.code(), Some(1), "nothing is there to take off");
}

#[test]
fn one_answer_settles_records_that_lost_the_same_and_contradictions_are_told() {
    let shop = Shop::new();
    shop.ok(["init"]);
    std::fs::write(shop.thumbs().join("t.png"), thumbnail(&fixture("originals/tulips.jpg"), 160)).unwrap();
    // Ordered twice; what was recorded is the original's, of which only a copy is left.
    let lost = "anna,t.png,tulips.jpg,4711";
    shop.import(&format!("record,customer,thumbnail,filename,bytes\nR-1,{lost}\nR-2,{lost}\n"));
    let folder = shop.scratch().join("dump");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(fixture("originals/tulips.jpg"), folder.join("x.jpg")).unwrap();
    shop.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);

    let asked = shop.report("review");
    let seen: Vec<_> = asked.iter().map(|row| (&row["record"][..], &row["family"][..])).collect();
    assert_eq!(seen, [("R-1", "R-1"), ("R-2", "R-1")], "records that compete for a picture are a family");
    shop.ok(["review", "accept", &asked[0]["candidate"], "--as", "support"]);
    let stand = shop.report("matches");
    let seen: Vec<_> = stand.iter().map(|row| (&row["verdict"][..], &row["method"][..])).collect();
    assert_eq!(seen, [("attach", "person"); 2], "one answer settles both");
    assert_eq!(shop.report("contradictions").len(), 0);

    let refused = shop.run(["review", "reject", &stand[1]["candidate"], "--as", "support"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("reunite report contradictions"), "{refused:?}");
    let contradictions = shop.report("contradictions");
    assert_eq!(contradictions.len(), 1, "{contradictions:?}");
    let told = &contradictions[0];
    assert_eq!((&told["record"][..], &told["other_record"][..], &told["path"][..]), ("R-1", "R-2", "x.jpg"));
    assert_eq!(shop.run(["report", "recipes", "--customer", "anna"]).status.code(), Some(1));
    assert_eq!(shop.report("recipes").len(), 1, "one kind of thumbnail, of which nothing is known");
    let tiers = shop.report("tiers");
    let of = |tier: &str| tiers.iter().find(|row| row["tier"] == tier).unwrap();
    assert_eq!(tiers.len(), 4);
    assert!(tiers.iter().all(|row| row["may_attach"] == "yes" && row["counted"] != "0"), "{tiers:?}");
    assert!(of("recipe")["at_most_percent"].parse::<f64>().unwrap() < 100.0, "{tiers:?}");
}

#[test]
fn what_waits_because_the_shop_wants_to_look_first_is_accepted_at_once() {
    waits_and_is_accepted("mode = \"propose\"");
}

#[test]
fn what_waits_because_its_tier_may_not_attach_is_accepted_at_once() {
    waits_and_is_accepted("tiers = [\"bytes\", \"name\"]");
}

/// A digest proves a picture, and this setting does not let it be attached.
fn waits_and_is_accepted(setting: &str) {
    let shop = Shop::new();
    shop.ok(["init"]);
    std::fs::write(shop.data().join("reunite.toml"), format!("[attach]\n{setting}\n")).unwrap();
    let digest = sha256(&fixture("originals/harbour.jpg"));
    shop.import(&format!("record,customer,thumbnail,sha256\nR-1,anna,,{digest}\n"));
    let folder = shop.scratch().join("dump");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(fixture("originals/harbour.jpg"), folder.join("x.jpg")).unwrap();
    shop.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);
    let verdict = || shop.report("matches").iter().map(|row| row["verdict"].clone()).collect::<Vec<_>>();
    assert_eq!(verdict(), ["review"]);
    shop.ok(["review", "accept", "--all-auto", "--as", "support"]);
    assert_eq!(verdict(), ["attach"]);
    assert_eq!(shop.report("matches")[0]["decided_by"], "support");
}

#[test]
fn match_explains_and_changes_nothing() {
    let shop = shop();
    let before = shop.run(["report", "files", "--format", "csv"]).stdout;
    let file = fixture("derived/tulips-shrink-50.jpg");
    let json = shop.ok(["match", file.to_str().unwrap(), "--customer", "anna", "--format", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let row = json.as_array().unwrap().iter().find(|row| row["record"] == "R-2").unwrap_or_else(|| panic!("{json}"));
    assert!(row["reason"].as_str().unwrap().contains("the pixels agree"), "{row}");
    assert!(row["geometry"].as_str().unwrap().starts_with("fills the thumbnail; compared at "), "{row}");
    // What was sent before stands beside it.
    assert!(row["rivals"].as_str().unwrap().contains("(residual "), "{row}");
    assert_eq!(shop.run(["report", "files", "--format", "csv"]).stdout, before);
}

#[test]
fn match_shows_thumbnail_file_and_difference() {
    let shop = shop();
    let (file, folder) = (fixture("derived/tulips-shrink-50.jpg"), shop.scratch().join("seen"));
    let arguments = ["match", file.to_str().unwrap(), "--customer", "anna", "--format", "json", "--out"];
    let json = shop.ok([&arguments[..], &[folder.to_str().unwrap()]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    let row = json.as_array().unwrap().iter().find(|row| row["record"] == "R-2").unwrap();
    let bytes = std::fs::read(row["picture"].as_str().unwrap()).unwrap();
    let limits = reunite::decode::Limits::default();
    let thumbnail = std::fs::read(fixture("originals/tulips.jpg")).unwrap();
    let (drawn, shown) = (
        reunite::decode::read_header(&bytes, &limits).unwrap(),
        reunite::decode::read_header(&thumbnail, &limits).unwrap(),
    );
    // Three panels of the thumbnail's size beside each other, whatever that size is.
    let proportions = |width: u32, height: u32| f64::from(width) / f64::from(height);
    assert!((proportions(drawn.width, drawn.height) / 3.0 - proportions(shown.width, shown.height)).abs() < 0.05);
}

#[test]
fn the_views_speak_to_other_programs() {
    let shop = shop();
    let path = shop.data().join("catalogue.sqlite");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let catalogue = rusqlite::Connection::open_with_flags(path, flags).unwrap();
    let columns = |view: &str| -> Vec<String> {
        let statement = catalogue.prepare(&format!("SELECT * FROM {view}")).unwrap();
        statement.column_names().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(
        columns("missing_images"),
        ["record", "customer", "filename", "width", "height", "bytes", "taken_at", "grade", "imported_at"]
    );
    assert_eq!(
        columns("reattached_images"),
        ["record", "customer", "original", "sha256", "grade", "path", "method", "decided_by", "reattached_at"]
    );
    let missing: i64 = catalogue.query_row("SELECT count(*) FROM missing_images", [], |row| row.get(0)).unwrap();
    assert_eq!(missing, 2);
    let (original, path): (String, Vec<u8>) = catalogue
        .query_row("SELECT original, path FROM reattached_images WHERE record = 'R-1'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(path, b"holiday.jpg");
    let put_back = std::fs::read(shop.data().join("originals").join(original)).unwrap();
    assert_eq!(put_back, std::fs::read(fixture("originals/harbour.jpg")).unwrap());
}
