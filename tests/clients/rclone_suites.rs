//! The suites that rclone's authors test their ftp and sftp backends with, against the real server: in the full run.
//!
//! Every test passes or stands in `rclone_suites/exceptions` with its reason, and nothing stands there that passes.
//! `rclone_suites/build` compiles them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::folder::{run, succeed};
use crate::support::{Server, Shop};

/// What whoever could not install the suites names them, in REUNITE_CLIENTS_ABSENT.
const NAME: &str = "rclone-suites";

/// A server whose customer is the remote `Test:`.
struct Scene {
    shop: Shop,
    _server: Server,
}

impl Scene {
    fn new(backend: &str) -> Self {
        let shop = Shop::new();
        shop.ok(["init"]);
        shop.customer("suites", "secret-9");
        let server = shop.serve();
        let address = if backend == "ftp" { &server.ftp } else { &server.sftp };
        let port = Server::port(address);
        let obscured = succeed(Command::new("rclone").args(["obscure", "secret-9"])).stdout;
        let password = String::from_utf8(obscured).unwrap();
        let remote =
            format!("[Test]\ntype = {backend}\nhost = 127.0.0.1\nport = {port}\nuser = suites\npass = {password}");
        std::fs::write(shop.scratch().join("rclone.conf"), remote).unwrap();
        Scene { shop, _server: server }
    }

    /// What the suite printed.
    fn run(&self, built: &Path, backend: &str) -> String {
        let mut command = Command::new("timeout");
        command.arg("600").arg(built.join(format!("{backend}.test")));
        command.args(["-test.v", "-test.run", "^TestIntegration$", "-remote", "Test:"]).current_dir(built);
        command.env("HOME", self.shop.scratch()).env("RCLONE_CONFIG", self.shop.scratch().join("rclone.conf"));
        let output = run(&mut command);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// How each test ended: `PASS`, `FAIL` or `SKIP`.
fn outcomes(printed: &str) -> BTreeMap<&str, &str> {
    let ended = printed.lines().filter_map(|line| line.trim_start().strip_prefix("--- ")?.split_once(": "));
    ended.filter_map(|(how, rest)| Some((rest.split(' ').next()?, how))).collect()
}

/// The tests of `backend` that do not pass, each with how it ends: lines of backend, name, how it ends and why.
fn exceptions(backend: &str) -> BTreeMap<&'static str, &'static str> {
    let lines = include_str!("rclone_suites/exceptions").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let [who, name, how, why] = words[..] else { panic!("not four words: {line}") };
        assert!(why.len() > 10 && ["FAIL", "SKIP"].contains(&how), "{line}");
        (who, name, how)
    });
    lines.filter(|(who, ..)| *who == backend || *who == "both").map(|(_, name, how)| (name, how)).collect()
}

fn suite(backend: &str) {
    let listed = |variable: &str| std::env::var(variable).unwrap_or_default();
    if listed("REUNITE_TESTS_FULL").is_empty() || listed("REUNITE_CLIENTS_ABSENT").split(' ').any(|name| name == NAME) {
        println!("rclone's suite for {backend} is for the full run");
        return;
    }
    let built =
        succeed(Command::new("bash").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/rclone_suites/build")));
    let built = PathBuf::from(String::from_utf8(built.stdout).unwrap().trim());
    let printed = Scene::new(backend).run(&built, backend);
    let ended = outcomes(&printed);
    let passed = ended.values().filter(|how| **how == "PASS").count();
    println!("{backend}: {passed} passed of {}", ended.len());
    let others: BTreeMap<&str, &str> = ended.into_iter().filter(|(_, how)| *how != "PASS").collect();
    assert_eq!(others, exceptions(backend), "{printed}");
    assert!(passed > 50, "{passed} passed\n{printed}");
}

#[test]
fn rclones_own_suite_passes_over_ftp() {
    suite("ftp");
}

#[test]
fn rclones_own_suite_passes_over_sftp() {
    suite("sftp");
}
