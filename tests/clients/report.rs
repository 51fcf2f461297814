//! The report that customers find in their tree.

use std::process::{Command, Output};

use crate::folder::{received, run, succeed};
use crate::support::{Server, Shop};

#[test]
fn someone_with_nothing_but_a_client_reads_what_is_missing() {
    let shop = Shop::new();
    shop.ok(["init"]);
    shop.import("record,customer,thumbnail,filename\nr1,anna,,IMG_0001.JPG\nr2,berta,,IMG_0002.JPG\n");
    shop.customer("anna", "a secret");
    let server = shop.serve();
    let url = |path: &str| format!("ftp://127.0.0.1:{}/{path}", Server::port(&server.ftp));
    let curl = |arguments: &[&str], path: &str| -> Output {
        run(Command::new("curl").args(["-sS", "-u", "anna:a secret"]).args(arguments).arg(url(path)))
    };
    let text = |output: Output| String::from_utf8(output.stdout).unwrap();
    assert!(text(curl(&["-l"], "")).contains("reunite-report"));
    let listed = text(curl(&["-l"], "reunite-report/"));
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["came-back.csv", "missing.csv", "missing.html", "not-usable.csv"]);
    let missing = text(curl(&[], "reunite-report/missing.csv"));
    assert!(missing.contains("r1,IMG_0001.JPG") && !missing.contains("r2"), "{missing}");

    let own = shop.scratch().join("own.csv");
    std::fs::write(&own, "mine").unwrap();
    let refused = curl(&["-T", own.to_str().unwrap()], "reunite-report/missing.csv");
    assert!(!refused.status.success());
    let removed = curl(&["-Q", "-DELE /reunite-report/missing.csv"], "");
    assert!(!removed.status.success());
    assert!(received(&shop, "").is_empty());

    let lftp = format!("set net:max-retries 1; set ssl:verify-certificate no; mirror reunite-report {}; quit", "down");
    let site = format!("ftp://127.0.0.1:{}", Server::port(&server.ftp));
    succeed(Command::new("lftp").args(["-u", "anna,a secret", "-e", &lftp, &site]).current_dir(shop.scratch()));
    let page = std::fs::read_to_string(shop.scratch().join("down/missing.html")).unwrap();
    assert!(page.contains("1 picture is still wanted") && page.contains("IMG_0001.JPG"), "{page}");
}
