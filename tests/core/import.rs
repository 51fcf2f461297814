//! Importing records: every fault of a file is named and imports nothing; doing it again changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use base64::Engine as _;

use crate::support::{Shop, fixture, thumbnail};

/// Writes a file of records and the small thumbnails `a.jpg` and `b.jpg`, and imports it with further arguments.
fn import(shop: &Shop, name: &str, text: &[u8], more: &[&str]) -> Output {
    let path = shop.scratch().join(name);
    std::fs::write(&path, text).unwrap();
    let thumbs = thumbs(shop);
    let mut arguments = vec!["import", path.to_str().unwrap(), "--thumbs", thumbs.to_str().unwrap()];
    arguments.extend(more);
    shop.run(arguments)
}

fn thumbs(shop: &Shop) -> PathBuf {
    let folder = shop.thumbs();
    for (name, picture) in [("a.jpg", "derived/harbour-shrink-25.jpg"), ("b.jpg", "derived/tulips-shrink-50.jpg")] {
        if !folder.join(name).exists() {
            std::fs::write(folder.join(name), thumbnail(&fixture(picture), 60)).unwrap();
        }
    }
    folder
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    said(output)
}

/// The missing records by name.
fn missing(shop: &Shop) -> BTreeMap<String, BTreeMap<String, String>> {
    shop.report("missing").into_iter().map(|row| (row["record"].clone(), row)).collect()
}

/// Everything that an import writes, so that two states can be compared.
fn dump(shop: &Shop) -> Vec<String> {
    let catalogue = rusqlite::Connection::open(shop.data().join("catalogue.sqlite")).unwrap();
    let mut lines = Vec::new();
    for (table, columns) in [
        ("customers", "id, name"),
        ("records", "id, customer, name, filename, width, hex(sha256), original_key, extra, changed_seq"),
        ("thumbnails", "record, role, source, hex(digest), width, hex(fingerprint), problem"),
        ("thumbnail_files", "hex(digest)"),
    ] {
        let mut statement = catalogue
            .prepare(&format!("SELECT {columns} FROM {table} ORDER BY 1, 2"))
            .unwrap_or_else(|_| catalogue.prepare(&format!("SELECT {columns} FROM {table} ORDER BY 1")).unwrap());
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<String> =
                (0..columns).map(|at| format!("{:?}", row.get::<_, rusqlite::types::Value>(at).unwrap())).collect();
            lines.push(format!("{table}: {}", cells.join(" ")));
        }
    }
    lines
}

#[test]
fn each_fault_of_a_file_is_named_and_nothing_is_imported() {
    let shop = Shop::new();
    done(&import(&shop, "first.csv", b"record,customer,thumbnail\nr1,anna,a.jpg\n", &[]));
    let before = dump(&shop);
    std::os::unix::fs::symlink("/etc/hostname", shop.thumbs().join("out.jpg")).unwrap();
    let header = "record,customer,thumbnail,width,height,bytes,sha256,md5,original";
    for (rows, says) in [
        ("", "bad.csv: the file is empty"),
        (
            "record,customer\nx,anna\n",
            "there is no column `thumbnail`; the columns there are: record, customer; say which one it is with --map thumbnail=COLUMN",
        ),
        ("record,customer,thumbnail,Record\n", "row 1, two columns are called `Record`; rename one"),
        (
            "@x,anna,a.jpg,12x,,,,,\n",
            "row 2, column `width`, value `12x`: it is not a whole number above 0; write digits only",
        ),
        ("@x,anna,a.jpg,,-1,,,,\n", "row 2, column `height`, value `-1`: it is not a whole number"),
        ("@x,anna,a.jpg,,,1.5,,,\n", "row 2, column `bytes`, value `1.5`"),
        (
            "@x,anna,a.jpg,,,,abc,,\n",
            "row 2, column `sha256`, value `abc`: it is not a SHA-256 digest; write 64 hexadecimal digits",
        ),
        ("@x,anna,a.jpg,,,,,abc,\n", "row 2, column `md5`, value `abc`: it is not an MD5 digest; write 32"),
        ("@x,anna,a.jpg,,,,,,../up\n", "row 2, column `original`, value `../up`"),
        (
            "@ok,anna,a.jpg,,,,,,\n,anna,a.jpg,,,,,,\n",
            "row 3, column `record`, value ``: it is empty; each row names its record",
        ),
        ("@x,,a.jpg,,,,,,\n", "row 2, column `customer`, value ``: it is empty"),
        ("@x,an/na,a.jpg,,,,,,\n", "row 2, column `customer`, value `an/na`: it has a `/`"),
        (
            "@x,anna,a.jpg,,,,,,\ny,anna,a.jpg,,,,,,\nx,anna,b.jpg,,,,,,\n",
            "row 4, column `record`, value `x`: row 2 has it already",
        ),
        (
            "@r1,ben,a.jpg,,,,,,\n",
            "row 2, column `record`, value `r1`: it belongs to the customer `anna`, and this row gives it to `ben`",
        ),
        ("@x,anna,../a.jpg,,,,,,\n", "row 2, column `thumbnail`, value `../a.jpg`: it does not stay below"),
        ("@x,anna,/etc/passwd,,,,,,\n", "row 2, column `thumbnail`, value `/etc/passwd`: it does not stay below"),
        ("@x,anna,out.jpg,,,,,,\n", "row 2, column `thumbnail`, value `out.jpg`: it is a link that leads out"),
        (
            "@x,anna,\"data:image/jpeg;base64,@@\",,,,,,\n",
            "row 2, column `thumbnail`, value `data:image/jpeg;base64,@@`: its base64 is damaged",
        ),
        ("@x,anna,a.jpg,,\n", "row 2, it has 5 values and the header names 9 columns"),
        ("@x,anna,\"a.jpg,,,,,,\nmore\n", "row 2, a value begins with `\"` and no `\"` ends it"),
        ("@\"x\ny\",anna,a.jpg,,,,,,\nz,anna,a.jpg,bad,,,,,\n", "row 3 (line 4), column `width`, value `bad`"),
    ] {
        let text = match rows.strip_prefix('@') {
            Some(rows) => format!("{header}\n{rows}"),
            None => rows.to_owned(),
        };
        let output = import(&shop, "bad.csv", text.as_bytes(), &[]);
        assert_eq!(output.status.code(), Some(1), "{rows}");
        assert!(said(&output).contains(says), "{rows}\nshould say: {says}\nsays: {}", said(&output));
        assert_eq!(dump(&shop), before, "{rows}");
    }
    let latin = import(&shop, "bad.csv", b"record,customer,thumbnail\ncaf\xe9,anna,a.jpg\n", &[]);
    assert!(said(&latin).contains(r"row 2, column `record`, value `caf\xe9`: it is not UTF-8"), "{}", said(&latin));
    assert_eq!(dump(&shop), before);
}

#[test]
fn many_faults_are_listed_and_the_rest_is_counted() {
    let shop = Shop::new();
    let rows: String = (0..30).map(|n| format!("r{n},anna,a.jpg,x\n")).collect();
    let output = import(&shop, "r.csv", format!("record,customer,thumbnail,width\n{rows}").as_bytes(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said(&output).matches("column `width`").count(), 20);
    assert!(said(&output).contains("and 10 more"), "{}", said(&output));
}

#[test]
fn a_map_names_columns_and_a_wrong_one_says_which_there_are() {
    let shop = Shop::new();
    let text = b"record_id,customer,thumb,colour\nr1,anna,a.jpg,red\n";
    let wrong = import(&shop, "r.csv", text, &["--map", "record=id,thumbnail=thumb"]);
    assert_eq!(wrong.status.code(), Some(1));
    let expected =
        "--map record=id names a column that is not there; the columns there are: record_id, customer, thumb, colour";
    assert!(said(&wrong).contains(expected), "{}", said(&wrong));
    done(&import(&shop, "r.csv", text, &["--map", "record=record_id,thumbnail=thumb"]));
    let row = &missing(&shop)["r1"];
    assert_eq!((row["colour"].as_str(), row["problem"].as_str()), ("red", ""));
    let json = b"{\"id\": 7, \"customer\": \"anna\", \"thumb\": \"a.jpg\"}\n";
    let wrong = import(&shop, "r.jsonl", json, &["--map", "record=nr,thumbnail=thumb"]);
    assert!(said(&wrong).contains("the columns there are: customer, id, thumb"), "{}", said(&wrong));
    done(&import(&shop, "r.jsonl", json, &["--map", "record=id,thumbnail=thumb"]));
    assert!(missing(&shop).contains_key("7"));
}

#[test]
fn marks_line_ends_separators_and_quotes_of_every_spreadsheet() {
    let shop = Shop::new();
    let text = "\u{feff}record;customer;thumbnail;note\r\nr1;anna;a.jpg;\"two\r\nlines; and \"\"quotes\"\"\"\r\n\r\nr2;Jürgen;b.jpg;x\r\n";
    done(&import(&shop, "r.csv", text.as_bytes(), &[]));
    let rows = missing(&shop);
    assert_eq!(rows["r1"]["note"], "two\r\nlines; and \"quotes\"");
    assert_eq!(rows["r2"]["customer"], "Jürgen");
}

#[test]
fn importing_again_changes_nothing_and_a_part_updates_that_part() {
    let shop = Shop::new();
    let text = b"record,customer,thumbnail,filename,width,colour\nr1,anna,a.jpg,x.jpg,100,red\nr2,anna,b.jpg,,,\n";
    assert!(done(&import(&shop, "r.csv", text, &[])).contains("2 new, 0 changed, 0 unchanged; 1 new customer"));
    let first = dump(&shop);
    assert!(done(&import(&shop, "r.csv", text, &[])).contains("0 new, 0 changed, 2 unchanged; 0 new customers"));
    assert_eq!(dump(&shop), first, "the same again");
    // An absent row stays; an empty value replaces nothing; a given one replaces; null takes away.
    assert!(
        done(&import(&shop, "r.csv", b"record,customer,thumbnail,width\nr1,anna,a.jpg,\n", &[]))
            .contains("1 unchanged")
    );
    assert_eq!(dump(&shop), first);
    let json = br#"{"record":"r1","customer":"anna","thumbnail":"a.jpg","filename":null,"width":200,"size":[1,2]}"#;
    assert!(done(&import(&shop, "r.jsonl", json, &[])).contains("0 new, 1 changed"));
    let row = &missing(&shop)["r1"];
    let given = ["filename", "width", "colour", "size"].map(|column| row[column].as_str());
    assert_eq!(given, ["", "200", "red", "[1,2]"]);
    assert!(missing(&shop).contains_key("r2"));
}

#[test]
fn only_what_matching_must_see_opens_a_record_again() {
    let shop = Shop::new();
    let seq = || -> i64 {
        let catalogue = rusqlite::Connection::open(shop.data().join("catalogue.sqlite")).unwrap();
        catalogue.query_row("SELECT changed_seq FROM records WHERE name = 'r1'", [], |row| row.get(0)).unwrap()
    };
    let row = |more: &str| format!("record,customer,thumbnail,note,sha256\nr1,anna,{more}\n");
    done(&import(&shop, "r.csv", row("a.jpg,,").as_bytes(), &[]));
    let first = seq();
    done(&import(&shop, "r.csv", row("a.jpg,a note,").as_bytes(), &[]));
    assert_eq!(seq(), first, "a note of the shop's own");
    std::fs::copy(shop.thumbs().join("a.jpg"), shop.thumbs().join("moved.jpg")).unwrap();
    done(&import(&shop, "r.csv", row("moved.jpg,,").as_bytes(), &[]));
    assert_eq!(seq(), first, "the same picture under another name");
    done(&import(&shop, "r.csv", row("b.jpg,,").as_bytes(), &[]));
    let second = seq();
    assert!(second > first, "another thumbnail");
    done(&import(&shop, "r.csv", row(&format!("b.jpg,,{}", "ab".repeat(32))).as_bytes(), &[]));
    assert!(seq() > second, "another digest");
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let shop = Shop::new();
    done(&import(&shop, "r.csv", b"record,customer,thumbnail,width\nr1,anna,a.jpg,1\n", &[]));
    let before = dump(&shop);
    let text = b"record,customer,thumbnail,width\nr1,anna,a.jpg,2\nr2,ben,b.jpg,\nr3,ben,gone.jpg,\n";
    let told = done(&import(&shop, "r.csv", text, &["--dry-run"]));
    assert!(told.contains("3 records would be imported: 2 new, 1 changed, 0 unchanged; 1 new customer"), "{told}");
    assert!(told.contains("record `r3`, thumbnail `gone.jpg`: there is no such file"), "{told}");
    assert_eq!(dump(&shop), before);
    let refused = import(&shop, "r.csv", b"record,customer,thumbnail\nr1,ben,a.jpg\n", &["--dry-run"]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn thumbnails_come_from_files_and_uris_and_a_bad_one_is_reported() {
    let shop = Shop::new();
    let folder = thumbs(&shop);
    std::fs::write(folder.join("text.jpg"), "no picture").unwrap();
    let uri = base64::engine::general_purpose::STANDARD.encode(std::fs::read(folder.join("a.jpg")).unwrap());
    let text = format!(
        "record,customer,thumbnail,preview\nr1,anna,\"data:image/jpeg;base64,{uri}\",b.jpg\nr2,anna,text.jpg,\nr3,anna,gone.jpg,\nr4,anna,,\n"
    );
    let told = done(&import(&shop, "r.csv", text.as_bytes(), &[]));
    assert!(told.contains("3 thumbnails cannot be used"), "{told}");
    let problem = |record: &str| missing(&shop)[record]["problem"].clone();
    assert_eq!(problem("r1"), "");
    assert!(problem("r2").contains("cannot be read"), "{}", problem("r2"));
    assert!(problem("r3").contains("no such file"), "{}", problem("r3"));
    assert!(problem("r4").contains("names none"), "{}", problem("r4"));
    let stored = dump(&shop);
    let previews = stored.iter().filter(|line| line.starts_with("thumbnails") && line.contains("preview")).count();
    assert_eq!(previews, 1);
    assert!(stored.iter().any(|line| line.contains("\"data:\"")), "a URI's bytes are kept, its text is not");
    // A file that is not there this time does not take away the picture that it gave.
    done(&import(&shop, "r.csv", b"record,customer,thumbnail\nr5,anna,b.jpg\n", &[]));
    std::fs::remove_file(folder.join("b.jpg")).unwrap();
    let path = shop.scratch().join("r.csv");
    let again = shop.run(["import", path.to_str().unwrap(), "--thumbs", folder.to_str().unwrap()]);
    assert!(!done(&again).contains("cannot be used"), "{}", said(&again));
    assert_eq!(problem("r5"), "");
}

#[test]
fn without_a_folder_paths_are_refused_and_a_folder_must_be_there() {
    let shop = Shop::new();
    let path = shop.scratch().join("r.csv");
    std::fs::write(&path, "record,customer,thumbnail\nr1,anna,a.jpg\n").unwrap();
    let output = shop.run(["import", path.to_str().unwrap()]);
    assert!(said(&output).contains("--thumbs DIR"), "{}", said(&output));
    let output = shop.run(["import", path.to_str().unwrap(), "--thumbs", "/no/such/folder"]);
    assert!(said(&output).contains("/no/such/folder"), "{}", said(&output));
    let output = shop.run(["import", "/no/such/records.csv", "--thumbs", "/"]);
    assert!(said(&output).contains("cannot read `/no/such/records.csv`"), "{}", said(&output));
}
