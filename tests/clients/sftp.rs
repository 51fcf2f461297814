//! OpenSSH's sftp and scp, lftp, rclone and paramiko over SFTP.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folder::{assert_same, hostile, received, run, succeed};
use crate::support::{Server, Shop, sha256};

/// No question about the host key, which is new each time, and nothing of whoever runs the tests.
const TRUSTING: [&str; 8] = [
    "-q",
    "-F/dev/null",
    "-oStrictHostKeyChecking=no",
    "-oUserKnownHostsFile=/dev/null",
    "-oGlobalKnownHostsFile=/dev/null",
    "-oIdentitiesOnly=yes",
    "-oPreferredAuthentications=password,publickey",
    "-oNumberOfPasswordPrompts=1",
];

/// A server with the customer `anna`, a way to type her password, and a folder to upload.
struct Scene {
    shop: Shop,
    server: Server,
    askpass: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let shop = Shop::new();
        shop.ok(["init"]);
        shop.customer("anna", "a secret");
        let server = shop.serve();
        let askpass = shop.scratch().join("askpass");
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(&askpass).unwrap();
        file.write_all(b"#!/bin/sh\necho 'a secret'\n").unwrap();
        Scene { shop, server, askpass }
    }

    fn port(&self) -> &str {
        Server::port(&self.server.sftp)
    }

    fn dump(&self) -> PathBuf {
        self.shop.scratch().join("dump")
    }

    /// `program` of OpenSSH's, which asks for the password through a program of its own.
    fn openssh(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(TRUSTING).args(["-P", self.port()]).current_dir(self.shop.scratch());
        command.env("SSH_ASKPASS", &self.askpass).env("SSH_ASKPASS_REQUIRE", "force");
        command
    }

    /// Runs rclone's `act` from the dump to the folder `in`, with `options` of its SFTP; what it said.
    #[track_caller]
    fn rclone(&self, act: &[&str], options: &str) -> String {
        let output = run(&mut self.rclone_command(act, options));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    #[track_caller]
    fn rclone_fails(&self, act: &[&str], options: &str) -> String {
        let output = run(&mut self.rclone_command(act, options));
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn rclone_command(&self, act: &[&str], options: &str) -> Command {
        let obscured = succeed(Command::new("rclone").args(["obscure", "a secret"]));
        let obscured = String::from_utf8(obscured.stdout).unwrap();
        let comma = if options.is_empty() { "" } else { "," };
        let (port, password) = (self.port(), obscured.trim());
        let remote = format!(":sftp,host=127.0.0.1,port={port},user=anna,pass={password}{comma}{options}:in");
        let mut command = Command::new("rclone");
        command.args(["--config", "", "--retries", "1"]).args(act).args(["dump", &remote]);
        command.current_dir(self.shop.scratch());
        command
    }

    /// Runs `lines` as a batch of sftp's. With `-b` it would refuse to ask for a password, so they are typed.
    #[track_caller]
    fn sftp(&self, lines: &str) -> String {
        let mut child = self
            .openssh("sftp")
            .arg("anna@127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sftp cannot be run; `bash tests/all clients` installs it");
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?}\n{said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn openssh_sftp_uploads_hostile_names() {
    let scene = Scene::new();
    let sent = hostile(&scene.dump(), &[]);
    let said = scene.sftp("put -r dump\nls -l dump\npwd\nreadlink dump\n");
    assert!(said.contains("Remote working directory: /"), "{said}");
    assert_same(&received(&scene.shop, "dump/"), &sent);
}

#[test]
fn scp_uploads_in_its_new_and_its_old_form_and_ends_with_success() {
    let scene = Scene::new();
    // The old form has no way to say a line feed in a name; the client sends `\^J` in its place.
    let sent = hostile(&scene.dump(), &["newline"]);
    scene.sftp("mkdir new\nmkdir old\n");
    succeed(scene.openssh("scp").args(["-r", "-p", "dump", "anna@127.0.0.1:new"]));
    succeed(scene.openssh("scp").args(["-O", "-r", "-p", "dump", "anna@127.0.0.1:old"]));
    assert_same(&received(&scene.shop, "new/dump/"), &sent);
    assert_same(&received(&scene.shop, "old/dump/"), &sent);
    succeed(scene.openssh("scp").args(["-O", "-r", "anna@127.0.0.1:old/dump", "back"]));
    let differs = run(Command::new("diff").args(["-r", "dump", "back"]).current_dir(scene.shop.scratch()));
    assert!(differs.status.success(), "{}", String::from_utf8_lossy(&differs.stdout));
}

#[test]
fn an_upload_that_broke_off_is_resumed() {
    let scene = Scene::new();
    let picture = scene.shop.scratch().join("big.bin");
    let bytes: Vec<u8> = (0..6_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(&picture, &bytes[..2_500_000]).unwrap();
    // What a broken connection leaves: a file opened, written to and never closed.
    succeed(Command::new("/usr/bin/python3").args(["-c", BREAK_OFF, scene.port()]).arg(&picture).stdin(Stdio::null()));
    assert!(received(&scene.shop, "").is_empty());
    std::fs::write(&picture, &bytes).unwrap();
    scene.sftp("reput big.bin\n");
    let files = received(&scene.shop, "");
    assert_eq!(files.get(&b"big.bin"[..]), Some(&(sha256(&picture), 6_000_000)));
    scene.sftp("get big.bin back.bin\n");
    assert_eq!(sha256(&scene.shop.scratch().join("back.bin")), sha256(&picture));
}

/// Uploads argv[2] with paramiko and dies before CLOSE.
const BREAK_OFF: &str = r#"
import os, sys, paramiko
transport = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
transport.connect(username="anna", password="a secret")
sftp = paramiko.SFTPClient.from_transport(transport)
remote = sftp.open("big.bin", "wb")
remote.write(open(sys.argv[2], "rb").read())
remote.flush()
assert sftp.stat("big.bin").st_size == 2500000
os._exit(0)
"#;

#[test]
fn a_public_key_opens() {
    let scene = Scene::new();
    let key = scene.shop.scratch().join("key");
    succeed(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    scene.shop.ok(["customer", "key", "anna", key.with_extension("pub").to_str().unwrap()]);
    let ls = |key: &Path| {
        let mut command = scene.openssh("sftp");
        command.env_remove("SSH_ASKPASS").arg("-i").arg(key).args(["-b", "/dev/null", "anna@127.0.0.1"]);
        run(&mut command).status.success()
    };
    assert!(ls(&key));
    let other = scene.shop.scratch().join("other");
    succeed(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&other));
    assert!(!ls(&other));
}

#[test]
fn each_kind_of_host_key_is_there() {
    let scene = Scene::new();
    for kind in ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"] {
        let mut command = scene.openssh("sftp");
        command.arg(format!("-oHostKeyAlgorithms={kind}")).arg("anna@127.0.0.1").stdin(Stdio::null());
        let output = run(&mut command);
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn certificates_open_accounts_and_vouch_for_the_server() {
    let scene = Scene::new();
    let at = |name: &str| scene.shop.scratch().join(name);
    for name in ["ca", "key"] {
        succeed(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(name)));
    }
    let sign = |arguments: &[&str], public: &Path| {
        succeed(Command::new("ssh-keygen").args(["-q", "-s"]).arg(at("ca")).args(arguments).arg(public));
    };
    sign(&["-I", "anna's", "-n", "anna", "-V", "-1m:+1h"], &at("key.pub"));
    let keys = scene.shop.data().join("keys");
    std::fs::copy(at("ca.pub"), keys.join("user_ca.pub")).unwrap();
    let host = keys.join("host_ed25519.pub");
    std::fs::write(&host, succeed(Command::new("ssh-keygen").arg("-yf").arg(keys.join("host_ed25519"))).stdout)
        .unwrap();
    sign(&["-I", "the server's", "-h", "-n", "127.0.0.1", "-V", "-1m:+1h"], &host);
    // Both are read at the start.
    let Scene { shop, server, askpass } = scene;
    drop(server);
    let server = shop.serve();
    let scene = Scene { shop, server, askpass };
    let authority = std::fs::read_to_string(scene.shop.scratch().join("ca.pub")).unwrap();
    let known = scene.shop.scratch().join("known_hosts");
    std::fs::write(&known, format!("@cert-authority [127.0.0.1]:{} {authority}", scene.port())).unwrap();
    let ls = |account: &str| {
        let mut command = Command::new("sftp");
        command.args(["-q", "-F/dev/null", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes", "-b", "/dev/null"]);
        command.arg(format!("-oUserKnownHostsFile={}", known.display())).arg("-i");
        command.arg(scene.shop.scratch().join("key")).args(["-P", scene.port(), account]);
        let output = run(command.env_remove("SSH_ASKPASS").stdin(Stdio::null()));
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (opened, said) = ls("anna@127.0.0.1");
    assert!(opened, "{said}");
    scene.shop.customer("berta", "another secret");
    let (opened, said) = ls("berta@127.0.0.1");
    assert!(!opened, "{said}");
}

#[test]
fn lftp_mirrors_hostile_names() {
    let scene = Scene::new();
    let sent = hostile(&scene.dump(), &[]);
    let script = "set sftp:connect-program 'ssh -a -x -F /dev/null -o StrictHostKeyChecking=no \
                  -o UserKnownHostsFile=/dev/null'; set net:max-retries 1; mirror -R --parallel=4 dump in; quit";
    let url = format!("sftp://127.0.0.1:{}", scene.port());
    succeed(Command::new("lftp").args(["-u", "anna,a secret", "-e", script, &url]).current_dir(scene.shop.scratch()));
    assert_same(&received(&scene.shop, "in/"), &sent);
}

#[test]
fn paramiko_uploads_hostile_names() {
    let scene = Scene::new();
    let sent = hostile(&scene.dump(), &[]);
    succeed(
        Command::new("/usr/bin/python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/paramiko_upload.py"))
            .args(["127.0.0.1", scene.port(), "anna"])
            .arg(scene.dump())
            .args(["--remote", "in"])
            .env("SFTP_PASSWORD", "a secret"),
    );
    assert_same(&received(&scene.shop, "in/"), &sent);
}

#[test]
fn rclone_copies_and_finds_no_difference() {
    let scene = Scene::new();
    // rclone writes control characters as others and takes NFC and NFD for one name.
    let sent = hostile(&scene.dump(), &["newline", "cr", "tab", "control", "nfc"]);
    scene.rclone(&["copy", "--transfers", "4"], "shell_type=none");
    assert_same(&received(&scene.shop, "in/"), &sent);
    scene.rclone(&["check", "--download"], "shell_type=none");
}

#[test]
fn rclone_verifies_by_digest() {
    let scene = Scene::new();
    hostile(&scene.dump(), &["newline", "cr", "tab", "control", "nfc"]);
    // What rclone finds out about digests it would write into its settings; here it asks anew each time.
    scene.rclone(&["copy", "--checksum"], "shell_type=unix");
    let said = scene.rclone(&["check", "-vv"], "");
    assert!(said.contains("md5sum") && said.contains("0 differences found"), "{said}");
    assert!(!said.contains("could not be checked"), "{said}");
    let changed = scene.dump().join("same-length.bin");
    std::fs::write(&changed, b"one").unwrap();
    scene.rclone(&["copy"], "");
    std::fs::write(&changed, b"two").unwrap();
    let said = scene.rclone_fails(&["check"], "");
    assert!(said.contains("same-length.bin: md5 differ"), "{said}");
}

#[test]
fn paramiko_verifies_by_digest() {
    let scene = Scene::new();
    succeed(Command::new("/usr/bin/python3").args(["-c", CHECK, scene.port()]).stdin(Stdio::null()));
}

/// Uploads with paramiko and asks for digests in its own way.
const CHECK: &str = r#"
import hashlib, io, sys, paramiko
transport = paramiko.Transport(("127.0.0.1", int(sys.argv[1])))
transport.connect(username="anna", password="a secret")
sftp = paramiko.SFTPClient.from_transport(transport)
sent = bytes(range(256)) * 100
sftp.putfo(io.BytesIO(sent), "a b.bin", confirm=True)
with sftp.open("a b.bin", "rb") as remote:
    assert remote.check("sha1") == hashlib.sha1(sent).digest()
    assert remote.check("md5", 256, 512, 256) == hashlib.md5(sent[:256]).digest() * 2
assert sftp.normalize(".") == "/"
transport.close()
"#;

#[test]
fn a_program_that_is_run_for_digests_answers_like_one() {
    let scene = Scene::new();
    scene.sftp("mkdir in\n");
    std::fs::write(scene.shop.scratch().join("it's.jpg"), b"pixels").unwrap();
    scene.sftp("put it's.jpg in/\n".replace("it's.jpg", "\"it's.jpg\"").as_str());
    let sum = run(scene.openssh("scp").args(["-O", "-p", "it's.jpg", "anna@127.0.0.1:in/again.jpg"]));
    assert!(sum.status.success(), "{}", String::from_utf8_lossy(&sum.stderr));
    let mut ssh = Command::new("ssh");
    ssh.args(TRUSTING).args(["-p", scene.port(), "anna@127.0.0.1", r#"sha1sum "in/it's.jpg" in/again.jpg"#]);
    ssh.env("SSH_ASKPASS", &scene.askpass).env("SSH_ASKPASS_REQUIRE", "force").stdin(Stdio::null());
    let said = String::from_utf8(succeed(&mut ssh).stdout).unwrap();
    let local = succeed(Command::new("sha1sum").arg("it's.jpg").current_dir(scene.shop.scratch()));
    let local = String::from_utf8(local.stdout).unwrap();
    let digest = local.split(' ').next().unwrap();
    assert_eq!(said, format!("{digest}  in/it's.jpg\n{digest}  in/again.jpg\n"));
}

#[test]
fn scp_with_d_wants_a_directory() {
    let scene = Scene::new();
    std::fs::create_dir(scene.dump()).unwrap();
    for name in ["a.jpg", "b.jpg"] {
        std::fs::write(scene.dump().join(name), name).unwrap();
    }
    // Several sources make the client of the old form say -d.
    let both = |to: &str| run(scene.openssh("scp").args(["-O", "-p", "dump/a.jpg", "dump/b.jpg", to]));
    assert!(!both("anna@127.0.0.1:absent").status.success());
    assert!(received(&scene.shop, "").is_empty());
    scene.sftp("mkdir there\n");
    assert!(both("anna@127.0.0.1:there").status.success());
    assert_eq!(received(&scene.shop, "there/").len(), 2);
}
