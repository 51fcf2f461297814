//! What was acknowledged outlives SIGKILL: files are sent one after the other, the server is killed in the middle, and
//! after a restart exactly what was acknowledged is there, decided once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::folder::received;
use crate::support::{Server, Shop};

/// Sends files without end and prints each name once the server has acknowledged it.
const SEND: &str = r#"
import ftplib, hashlib, io, sys
ftp = ftplib.FTP()
ftp.connect('127.0.0.1', int(sys.argv[1]), timeout=20)
ftp.login('anna', 'secret')
for n in range(int(sys.argv[2]), 1000000):
    body = (hashlib.sha256(str(n).encode()).digest() * 2000)[: 1 + n * 7919 % 60000]
    ftp.storbinary(f'STOR d{n % 7}/file {n}.bin', io.BytesIO(body))
    print(n, hashlib.sha256(body).hexdigest(), flush=True)
"#;

#[test]
fn what_was_acknowledged_outlives_a_kill() {
    let shop = Shop::new();
    shop.ok(["init"]);
    shop.customer("anna", "secret");
    let mut acknowledged = BTreeSet::new();
    let mut next = 0;
    // Each round dies at another point; the counts only spread them.
    for acknowledgements in [1, 3, 17, 40, 5, 29] {
        let server = shop.serve();
        let mut client = Command::new("/usr/bin/python3")
            .args(["-c", SEND, Server::port(&server.ftp), &next.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
        for _ in 0..acknowledgements {
            let line = lines.next().expect("the client stopped before the kill").unwrap();
            let (number, digest) = line.split_once(' ').unwrap();
            acknowledged
                .insert((format!("d{}/file {number}.bin", number.parse::<u32>().unwrap() % 7), digest.to_owned()));
            next = number.parse::<u32>().unwrap() + 1;
        }
        server.kill();
        // Acknowledgements that were on their way when the server died count as well.
        for line in lines.map_while(Result::ok) {
            let (number, digest) = line.split_once(' ').unwrap();
            acknowledged
                .insert((format!("d{}/file {number}.bin", number.parse::<u32>().unwrap() % 7), digest.to_owned()));
            next = number.parse::<u32>().unwrap() + 1;
        }
        client.wait().unwrap();
        // The one file that was under way may have been committed without its acknowledgement having got out.
        let there: BTreeSet<_> = received(&shop, "")
            .into_iter()
            .map(|(path, (digest, _))| (String::from_utf8(path).unwrap(), digest))
            .collect();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        next += 1;
    }
    let server = shop.serve();
    shop.ok(["wait", "--timeout", "5m"]);
    let catalogue = rusqlite::Connection::open(shop.data().join("catalogue.sqlite")).unwrap();
    let count = |sql: &str| catalogue.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM uploads WHERE state <> 'decided'"), 0);
    assert_eq!(
        count("SELECT count(*) FROM uploads") as usize,
        count("SELECT count(DISTINCT path) FROM uploads") as usize
    );
    assert!(count("SELECT count(*) FROM uploads") as usize >= acknowledged.len());
    assert_eq!(count("SELECT count(*) FROM blobs WHERE examined_at IS NULL"), 0);
    // Every byte that was acknowledged is in the blob store, and the spool is empty again.
    for (path, digest) in &acknowledged {
        let blob = shop.data().join("blobs").join(customer_folder(&shop)).join(&digest[..2]).join(digest);
        assert_eq!(&crate::support::sha256(&blob), digest, "{path}");
    }
    let spooled = std::fs::read_dir(shop.data().join("spool")).unwrap().map(|item| item.unwrap().path());
    assert_eq!(spooled.filter(|path| path.is_file()).count(), 0, "nothing stays in the spool");
    server.stop();
}

/// The blob store's folder of the only customer.
fn customer_folder(shop: &Shop) -> String {
    let entries = std::fs::read_dir(shop.data().join("blobs")).unwrap().map(Result::unwrap);
    // Beside it lies the store's marker.
    let mut folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.next().unwrap().file_name().into_string().unwrap()
}
