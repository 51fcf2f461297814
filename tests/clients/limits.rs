//! What real clients meet at the door: quotas, a balancer in front, several listeners.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;

use crate::folder::{received, run, succeed};
use crate::support::{Server, Shop};

#[test]
fn a_quota_is_set_shown_and_told_to_clients() {
    let shop = Shop::new();
    shop.ok(["init"]);
    shop.customer("anna", "a secret");
    let shown = shop.ok(["customer", "limit", "anna", "--bytes", "1KiB", "--files", "5"]);
    assert!(shown.contains("bytes    1024, 0 kept") && shown.contains("files    5, 0 kept"), "{shown}");
    let server = shop.serve();
    std::fs::write(shop.scratch().join("small"), [1; 1000]).unwrap();
    let curl = |target: &str| {
        let url = format!("ftp://127.0.0.1:{}/{target}", Server::port(&server.ftp));
        run(Command::new("curl").args(["-sSv", "-u", "anna:a secret", "-T"]).arg(shop.scratch().join("small")).arg(url))
    };
    assert!(curl("first").status.success());
    let refused = curl("second");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("552") && said.contains("may keep 1024 bytes"), "{said}");
    assert_eq!(received(&shop, "").len(), 1);
    let shown = shop.ok(["customer", "limit", "anna", "--bytes", "default"]);
    assert!(shown.contains("bytes    as the settings say, 1000 kept"), "{shown}");
}

#[test]
fn several_listeners_and_a_balancer() {
    let shop = Shop::new();
    shop.ok(["init"]);
    shop.customer("anna", "a secret");
    let settings = "[ftp]\nlisten = [\"127.0.0.1:0\", \"[::1]:0\"]\npassive_address = \"203.0.113.7\"\n\
                    [[ftp.also]]\nlisten = \"127.0.0.1:0\"\nproxy_from = \"127.0.0.1\"\n\
                    [sftp]\nlisten = [\"127.0.0.1:0\", \"[::1]:0\"]\n[limits]\ndeny = \"192.0.2.66\"\n";
    std::fs::write(shop.data().join("reunite.toml"), settings).unwrap();
    let server = Server::start(shop.command(["serve", "--web", "127.0.0.1:0"]));
    let listeners: Vec<&str> = server.ftp.split(',').collect();
    assert_eq!((listeners.len(), server.sftp.split(',').count()), (3, 2), "{} {}", server.ftp, server.sftp);
    let picture = shop.scratch().join("a.jpg");
    std::fs::write(&picture, "pixels").unwrap();
    for (listener, name) in listeners.iter().zip(["v4", "v6"]) {
        let url = format!("ftp://{listener}/{name}.jpg");
        succeed(Command::new("curl").args(["-sS", "-u", "anna:a secret", "-T"]).arg(&picture).arg(url));
    }
    assert_eq!(received(&shop, "").len(), 2);

    let behind = |client: &str, bytes: &str| -> Vec<String> {
        let mut stream = TcpStream::connect(listeners[2]).unwrap();
        write!(stream, "PROXY TCP4 {client} 198.51.100.1 4711 21\r\n{bytes}").unwrap();
        BufReader::new(stream).lines().take(4).map_while(Result::ok).collect()
    };
    let outside = behind("198.51.100.9", "USER anna\r\nPASS a secret\r\nPASV\r\n");
    assert!(outside[3].contains("(203,0,113,7,"), "{outside:?}");
    let near = behind("10.1.2.3", "USER anna\r\nPASS a secret\r\nPASV\r\n");
    assert!(near[3].contains("(127,0,0,1,"), "{near:?}");
    assert!(behind("192.0.2.66", "").is_empty(), "who may not connect hears nothing");
}

#[test]
fn failures_over_one_protocol_close_the_others() {
    let shop = Shop::new();
    shop.ok(["init"]);
    shop.customer("anna", "a secret");
    shop.customer("bert", "a secret");
    let server = shop.serve_with(&[("REUNITE_LIMITS_FAILURES_PER_ADDRESS", "2")]);
    let opens = |scheme: &str, address: &str, user: &str, password: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--insecure", "-u", &format!("{user}:{password}"), &format!("{scheme}://{address}/")]);
        run(&mut curl).status.success()
    };
    assert!(!opens("ftp", &server.ftp, "anna", "wrong"));
    assert!(opens("sftp", &server.sftp, "bert", "a secret"), "one failure closes nothing");
    assert!(!opens("ftp", &server.ftp, "anna", "wrong"));
    assert!(!opens("ftp", &server.ftp, "anna", "a secret") && !opens("sftp", &server.sftp, "anna", "a secret"));
    assert!(opens("ftp", &server.ftp, "bert", "a secret"), "whose owner was seen here stays open");
}
