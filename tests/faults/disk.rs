//! A disk that fails or is full while files arrive: what was not made durable is not acknowledged, what was acknowledged is
//! there afterwards, and the server goes on.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::setting::{
    all_of_them, check_whole, count, need_strace, receive, shop_of, trace_of, with_faults, with_faults_on,
};
use crate::support::{Server, fixture, sha256};

/// Sends files one after the other, each over its own connection, and prints which were acknowledged.
const SEND: &str = r#"
import ftplib, hashlib, io, sys
for n in range(int(sys.argv[2])):
    body = hashlib.sha256(str(n).encode()).digest() * (1 + n * 997 % 3000)
    try:
        ftp = ftplib.FTP(); ftp.connect('127.0.0.1', int(sys.argv[1]), timeout=20); ftp.login('anna', 'secret')
        ftp.storbinary(f'STOR file {n}.bin', io.BytesIO(body))
        print('yes', n, hashlib.sha256(body).hexdigest(), flush=True)
        ftp.quit()
    except (ftplib.Error, OSError, EOFError) as fault:
        print('no', n, str(fault).replace('\n', ' '), flush=True)
"#;

/// Sends ten files into this fault; returns how many were acknowledged and what was said of the others. A server that the
/// fault keeps from starting has to say why.
fn send_into(fault: &str) -> (usize, Vec<String>) {
    let shop = shop_of(&["harbour.jpg"]);
    shop.serve().stop();
    let any = "127.0.0.1:0";
    // Room is no subject here, only the fault.
    let mut command = with_faults(&shop, &[fault.to_owned()], &["serve", "--ftp", any, "--sftp", any, "--web", any]);
    command.env("REUNITE_RECEIVE_MIN_FREE_BYTES", "0");
    let server = match Server::try_start(command) {
        Ok(server) => server,
        Err(said) => {
            let named = ["os error", "disk I/O error", "disk is full"].iter().any(|fault| said.contains(fault));
            assert!(named, "{fault}: it did not start and said only: {said}");
            return (0, vec![said]);
        }
    };
    let sent = Command::new("/usr/bin/python3")
        .args(["-c", SEND, Server::port(&server.ftp), "10"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let lines: Vec<String> = String::from_utf8(sent.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 10, "{lines:?}");
    server.kill();

    let server = shop.serve();
    shop.ok(["wait", "--timeout", "2m"]);
    server.stop();
    let mut acknowledged = BTreeMap::new();
    for line in lines.iter().filter(|line| line.starts_with("yes ")) {
        let mut words = line.split(' ').skip(1);
        let (number, digest) = (words.next().unwrap(), words.next().unwrap());
        acknowledged.insert(format!("file {number}.bin"), digest.to_owned());
    }
    for (path, digest) in &acknowledged {
        let there = format!(
            "SELECT count(*) FROM uploads WHERE path = CAST('{path}' AS BLOB) AND lower(hex(sha256)) = '{digest}'"
        );
        assert_eq!(count(&shop, &there), 1, "{fault}: {path} was acknowledged");
        let kept = crate::setting::files_below(&shop.data().join("blobs"));
        let blob = kept.keys().find(|name| name.ends_with(digest.as_str()));
        let blob = blob.unwrap_or_else(|| panic!("{fault}: {path} was acknowledged and its bytes are gone"));
        assert_eq!(&sha256(&shop.data().join("blobs").join(blob)), digest);
    }
    (acknowledged.len(), lines.into_iter().filter(|line| line.starts_with("no ")).collect())
}

/// How the calls that make bytes durable fail, and after how many good ones.
#[test]
fn a_failing_disk_is_never_acknowledged() {
    need_strace();
    let mut refused = 0;
    let at: Vec<u32> = if all_of_them() { (1..30).collect() } else { vec![2, 5, 11] };
    for error in ["fsync,fdatasync:error=EIO", "pwrite64:error=ENOSPC"] {
        for at in &at {
            let (acknowledged, others) = send_into(&format!("{error}:when={at}..{}", at + 2));
            println!("{error} from {at}: {acknowledged} acknowledged, {} refused", others.len());
            refused += others.len();
        }
    }
    assert!(refused > 0, "no fault met a transfer");
}

/// One fault, then a good disk again: the server goes on for everybody.
#[test]
fn after_a_fault_the_server_goes_on() {
    need_strace();
    let (acknowledged, others) = send_into("fsync,fdatasync:error=EIO:when=6");
    println!("{acknowledged} acknowledged; {others:?}");
    assert!((7..10).contains(&acknowledged), "{others:?}");
}

/// The name of a moved file may not be on disk while its folder could not be synced: finding the file in its place later is
/// not enough.
#[test]
fn a_folder_that_could_not_be_synced_is_synced_before_its_file_counts_as_kept() {
    need_strace();
    for store in ["blobs", "originals"] {
        let shop = shop_of(&["harbour.jpg"]);
        receive(&shop, &[("originals/harbour.jpg", "a/harbour.jpg")]);
        let customer = count(&shop, "SELECT id FROM customers");
        let digest = sha256(&fixture("originals/harbour.jpg"));
        let folder = match store {
            "blobs" => shop.data().join(format!("blobs/{customer}/{}", &digest[..2])),
            _ => shop.data().join("originals/anna"),
        };
        let fault = ["fsync:error=EIO:when=1".to_owned()];
        let any = "127.0.0.1:0";
        let serve = ["serve", "--ftp", any, "--sftp", any, "--web", any];
        let server = Server::try_start(with_faults_on(&shop, &fault, Some(&folder), &serve)).unwrap();
        shop.ok(["wait", "--timeout", "2m"]);
        server.stop();
        check_whole(&shop);
        let trace = std::fs::read_to_string(trace_of(&shop)).unwrap();
        let synced: Vec<bool> =
            trace.lines().filter(|line| line.contains("fsync(")).map(|line| line.ends_with("= 0")).collect();
        assert!(synced.len() > 1 && !synced[0], "{store}: no sync of {} failed:\n{trace}", folder.display());
        assert_eq!(synced.last(), Some(&true), "{store}: {trace}");
    }
}
