//! lftp, curl, rclone and Python's ftplib over FTP and FTPS. What a client cannot send is left out by its class, with the
//! reason.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::folder::{Files, assert_same, hostile, received, succeed};
use crate::support::{Server, Shop};

const NAME: &str = "anna";
const PASSWORD: &str = "a pass word";

/// A newline or a carriage return ends a command on an FTP control connection; no client can send one.
const NOT_OVER_FTP: &[&str] = &["newline", "cr"];

/// A server with one customer, and a folder of hostile names to upload.
struct Scene {
    shop: Shop,
    server: Server,
    sent: Files,
}

impl Scene {
    fn new(without: &[&str]) -> Self {
        let shop = Shop::new();
        shop.ok(["init"]);
        shop.customer(NAME, PASSWORD);
        let sent = hostile(&shop.scratch().join("dump"), without);
        let server = shop.serve();
        Scene { shop, server, sent }
    }

    fn dump(&self) -> PathBuf {
        self.shop.scratch().join("dump")
    }

    fn port(&self) -> &str {
        Server::port(&self.server.ftp)
    }

    #[track_caller]
    fn assert_arrived(&self, prefix: &str) {
        assert_same(&received(&self.shop, prefix), &self.sent);
    }
}

fn ftplib(tls: &[&str]) {
    let scene = Scene::new(NOT_OVER_FTP);
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/ftplib_upload.py");
    let mut command = Command::new("/usr/bin/python3");
    command.args([tool, "127.0.0.1", scene.port(), NAME]).arg(scene.dump());
    succeed(command.args(["--password", PASSWORD, "--verify"]).args(tls));
    scene.assert_arrived("");
}

#[test]
fn ftplib_over_ftp() {
    ftplib(&[]);
}

#[test]
fn ftplib_over_ftps() {
    ftplib(&["--tls"]);
}

fn lftp(settings: &str) {
    let scene = Scene::new(NOT_OVER_FTP);
    let script = format!(
        "set ssl:verify-certificate no; set net:max-retries 1; set net:timeout 20; set cmd:fail-exit yes; {settings} \
         open -u {NAME},\"{PASSWORD}\" ftp://{}; mirror -R --parallel=4 {} .; bye",
        scene.server.ftp,
        scene.dump().display()
    );
    succeed(Command::new("lftp").args(["--norc", "-c", &script]));
    scene.assert_arrived("");
}

#[test]
fn lftp_over_ftp() {
    lftp("set ftp:ssl-allow no;");
}

#[test]
fn lftp_over_ftps() {
    lftp("set ftp:ssl-force yes; set ftp:ssl-protect-data yes;");
}

/// The files below a folder, each relative to it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path.strip_prefix(folder).unwrap().to_owned()) }
        }
    }
    files
}

fn curl(tls: &[&str]) {
    // curl refuses an FTP address with a control character in it.
    let scene = Scene::new(&["newline", "cr", "control", "tab"]);
    let mut command = Command::new("curl");
    // Without globbing, which would read the braces and brackets of local names as patterns.
    command.args(["-sS", "--ftp-create-dirs", "--globoff", "--insecure", "--user", &format!("{NAME}:{PASSWORD}")]);
    command.args(tls);
    for file in files_below(&scene.dump()) {
        let bytes = file.as_os_str().as_bytes().iter();
        let url: String = bytes.map(|&b| if b == b'/' { "/".into() } else { format!("%{b:02X}") }).collect();
        command.arg("-T").arg(scene.dump().join(&file)).arg(format!("ftp://{}/{url}", scene.server.ftp));
    }
    succeed(&mut command);
    scene.assert_arrived("");
}

#[test]
fn curl_over_ftp() {
    curl(&[]);
}

#[test]
fn curl_over_ftps() {
    curl(&["--ssl-reqd"]);
}

fn rclone(tls: &[&str]) {
    // rclone spells control characters, bytes that are no UTF-8 and composed letters in its own way.
    let scene =
        Scene::new(&["newline", "cr", "latin1", "control", "tab", "nfc", "nfd", "backslash", "trailing-space", "long"]);
    let obscured = succeed(Command::new("rclone").args(["obscure", PASSWORD])).stdout;
    let obscured = String::from_utf8(obscured).unwrap();
    let mut command = Command::new("rclone");
    command.args(["--config", "/dev/null", "--retries", "1", "copy"]).arg(scene.dump()).arg(":ftp:in").args(tls);
    command.args(["--ftp-host", "127.0.0.1", "--ftp-port", scene.port(), "--ftp-user", NAME]);
    succeed(command.args(["--ftp-pass", obscured.trim(), "--ftp-no-check-certificate"]));
    scene.assert_arrived("in/");
}

#[test]
fn rclone_over_ftp() {
    rclone(&[]);
}

#[test]
fn rclone_over_ftps() {
    rclone(&["--ftp-explicit-tls"]);
}
