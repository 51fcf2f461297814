//! The columns: what is put in place for each, what the client is asked to do, and what must then be so on the server.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use super::control::Control;
use super::driver::Driver;
use crate::folder::{Files, hostile};
use crate::support::{Server, Shop};

/// Everybody's password. People have such with spaces in them.
pub const PASSWORD: &str = "a pass word";

/// How long a client may take for one cell, in seconds; the slowest need a fraction of it.
const CELL_SECONDS: u32 = 60;

/// The same for 2,000 files.
const CELL_SECONDS_FULL: u32 = 300;

/// What a driver exits with when its client has no way to do it.
const CANNOT: i32 = 77;

/// Files of the column with many.
const MANY: usize = 2000;

/// The same in a run that is not full.
const SOME: usize = 100;

/// Bytes of a file, made from its name.
fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        // xorshift64 (Marsaglia 2003): bytes that do not repeat are all that is wanted.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(step).collect()
}

/// 13 February 2009, 23:31:30 UTC.
const OLD: u64 = 1_234_567_890;
/// The same as MDTM says it.
const OLD_STAMP: &str = "213 20090213233130";

/// What people do with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Tree,
    List,
    Resume,
    Overwrite,
    Rename,
    Dates,
    Verify,
    Small,
}

/// In the order of the table's columns.
pub const ACTIONS: [Action; 8] = [
    Action::Tree,
    Action::List,
    Action::Resume,
    Action::Overwrite,
    Action::Rename,
    Action::Dates,
    Action::Verify,
    Action::Small,
];

impl Action {
    /// Its name for drivers.
    fn name(self) -> &'static str {
        match self {
            Action::Tree => "tree",
            Action::List => "list",
            Action::Resume => "resume",
            Action::Overwrite => "overwrite",
            Action::Rename => "rename",
            Action::Dates => "dates",
            Action::Verify => "verify",
            Action::Small => "small",
        }
    }

    /// Its name for people.
    pub fn title(self, full: bool) -> &'static str {
        match self {
            Action::Tree => "hostile names",
            Action::Small if full => "2,000 files",
            Action::Small => "100 files",
            other => other.name(),
        }
    }
}

/// What came of one action of one client.
#[derive(Clone, Debug)]
pub enum Cell {
    /// It is as it must be; of a tree, perhaps without the names that the client cannot send.
    Passed(Option<String>),
    /// The client has no way to do it, for this reason.
    Cannot(String),
    /// It went wrong.
    Failed(String),
}

/// One client over one protocol, as a customer of its own.
pub struct Row<'a> {
    shop: &'a Shop,
    server: &'a Server,
    identity: &'a Path,
    driver: &'a Driver,
    protocol: &'a str,
    customer: String,
    folder: PathBuf,
    full: bool,
}

type Outcome = Result<Option<String>, Cell>;

impl<'a> Row<'a> {
    /// Nothing is done yet.
    pub fn new(
        shop: &'a Shop,
        server: &'a Server,
        identity: &'a Path,
        driver: &'a Driver,
        protocol: &'a str,
        full: bool,
    ) -> Self {
        let customer = format!("{}-{protocol}", driver.file);
        let folder = shop.scratch().join(&customer);
        std::fs::create_dir_all(folder.join("home")).unwrap();
        Row { shop, server, identity, driver, protocol, customer, folder, full }
    }

    /// Runs one column.
    pub fn run(&self, action: Action) -> Cell {
        let began = std::time::Instant::now();
        let ran = catch_unwind(AssertUnwindSafe(|| match action {
            Action::Tree => self.tree(),
            Action::List => self.list(),
            Action::Resume => self.resume(),
            Action::Overwrite => self.overwrite(),
            Action::Rename => self.rename(),
            Action::Dates => self.dates(),
            Action::Verify => self.verify(),
            Action::Small => self.small(),
        }));
        let cell = match ran {
            Ok(outcome) => outcome.map_or_else(|cell| cell, Cell::Passed),
            // The run goes on, so that the table shows every other cell.
            Err(panic) => Cell::Failed(panic.downcast_ref().cloned().unwrap_or_else(|| "it panicked".to_owned())),
        };
        println!("{} {action:?}: {:?} ({:.1} s)", self.customer, cell, began.elapsed().as_secs_f32());
        cell
    }

    fn tree(&self) -> Outcome {
        let applies = |protocols: &Vec<String>| protocols.iter().any(|protocol| protocol == self.protocol);
        let left_out: Vec<_> = self.driver.without.iter().filter(|(protocols, ..)| applies(protocols)).collect();
        let classes: Vec<&str> = left_out.iter().flat_map(|(_, classes, _)| classes).map(String::as_str).collect();
        let reasons: Vec<String> =
            left_out.iter().map(|(_, classes, why)| format!("Without {}: {why}.", classes.join(", "))).collect();
        let local = self.folder.join("dump");
        let sent = hostile(&local, &classes);
        self.call(Action::Tree, &local, "tree")?;
        same(&self.received("tree/"), &sent)?;
        Ok((!reasons.is_empty()).then(|| reasons.join(" ")))
    }

    fn list(&self) -> Outcome {
        let mut control = self.control();
        let mut expected = ["folder", "plain.jpg", "two words.jpg", "caf\u{e9}.jpg"];
        for name in &expected[1..] {
            control.store(&format!("list/{name}"), b"x");
        }
        control.say("257", "MKD list/folder");
        let output = self.call(Action::List, &self.folder, "list")?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let mut listed: Vec<&str> = printed.lines().map(|line| line.trim_end_matches(['/', '\r'])).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        demand(listed == expected, || format!("listed {listed:?}"))
    }

    /// The part that is there differs in its first byte, so a client that sends the whole file again is found out.
    fn resume(&self) -> Outcome {
        let whole = content(1, 3_000_000);
        let mut expected = whole.clone();
        expected[0] ^= 0xff;
        let mut control = self.control();
        control.say("257", "MKD resume");
        control.store_cut("resume/cut.bin", &expected[..1_600_000]);
        self.call(Action::Resume, &self.file("cut.bin", &whole), "resume/cut.bin")?;
        let found = self.control().fetch("resume/cut.bin");
        demand(found != whole, || "the file was sent again from its beginning".into())?;
        demand(found == expected, || format!("{} bytes are there, and they are not the right ones", found.len()))
    }

    fn overwrite(&self) -> Outcome {
        let new = content(2, 40_000);
        self.control().store("overwrite/a.jpg", &content(3, 90_000));
        self.call(Action::Overwrite, &self.file("a.jpg", &new), "overwrite/a.jpg")?;
        demand(self.control().fetch("overwrite/a.jpg") == new, || "the new content is not there".into())
    }

    fn rename(&self) -> Outcome {
        let bytes = content(4, 50_000);
        self.control().say("257", "MKD rename");
        self.call(Action::Rename, &self.file("final.jpg", &bytes), "rename/final.jpg")?;
        let received = self.received("rename/");
        demand(received.len() == 1, || format!("received as {:?}", received.keys().collect::<Vec<_>>()))?;
        demand(self.control().fetch("rename/final.jpg") == bytes, || "the content is not there".into())
    }

    fn dates(&self) -> Outcome {
        let local = self.file("old.jpg", &content(5, 1000));
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(OLD);
        File::options().write(true).open(&local).unwrap().set_modified(old).unwrap();
        self.control().say("257", "MKD dates");
        self.call(Action::Dates, &local, "dates/old.jpg")?;
        let told = self.control().say("213", "MDTM dates/old.jpg");
        demand(told.starts_with(OLD_STAMP), || format!("the server has {}", told.trim()))
    }

    fn verify(&self) -> Outcome {
        use sha2::Digest as _;
        let bytes = content(6, 300_000);
        let local = self.file("sum.jpg", &bytes);
        self.control().store("verify/sum.jpg", &bytes);
        let output = self.call(Action::Verify, &local, "verify/sum.jpg")?;
        let printed = String::from_utf8_lossy(&output.stdout).to_lowercase();
        let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let right =
            [hex(&sha2::Sha256::digest(&bytes)), hex(&sha1::Sha1::digest(&bytes)), hex(&md5::Md5::digest(&bytes))];
        demand(right.iter().any(|digest| printed.contains(digest)), || format!("no right digest in: {printed}"))
    }

    fn small(&self) -> Outcome {
        let folder = self.folder.join("many");
        std::fs::create_dir(&folder).unwrap();
        let mut sent = Files::new();
        for number in 0..if self.full { MANY } else { SOME } {
            let (name, bytes) = (format!("IMG_{number:04}.jpg"), content(1000 + number as u64, 5000));
            std::fs::write(folder.join(&name), &bytes).unwrap();
            let digest = reunite::domain::Digest::of(&bytes).to_string();
            sent.insert(name.into_bytes(), (digest, bytes.len() as i64));
        }
        self.call(Action::Small, &folder, "small")?;
        same(&self.received("small/"), &sent)?;
        Ok(None)
    }

    fn control(&self) -> Control {
        Control::sign_in(&self.server.ftp, &self.customer, PASSWORD)
    }

    /// A local file.
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    }

    /// The last upload at each path below `prefix`, without it.
    fn received(&self, prefix: &str) -> Files {
        let catalogue = rusqlite::Connection::open(self.shop.data().join("catalogue.sqlite")).unwrap();
        let mut statement = catalogue
            .prepare(
                "SELECT path, hex(sha256), size FROM uploads WHERE customer = (SELECT id FROM customers WHERE name = ?1)
                 ORDER BY id",
            )
            .unwrap();
        let row = |row: &rusqlite::Row| Ok((row.get(0)?, (row.get::<_, String>(1)?.to_lowercase(), row.get(2)?)));
        let rows: BTreeMap<Vec<u8>, (String, i64)> =
            statement.query_map([&self.customer], row).unwrap().map(Result::unwrap).collect();
        rows.into_iter()
            .filter_map(|(path, file)| Some((path.strip_prefix(prefix.as_bytes())?.to_vec(), file)))
            .collect()
    }

    /// Calls the driver. Whether the client did it is all that this tells.
    fn call(&self, action: Action, local: &Path, remote: &str) -> Result<Output, Cell> {
        let address = match self.protocol {
            "ftp" | "ftps" => &self.server.ftp,
            "ftps-implicit" => &self.server.ftps,
            "sftp" | "scp" => &self.server.sftp,
            other => panic!("{}: no protocol {other}", self.driver.path.display()),
        };
        let seconds = if self.full { CELL_SECONDS_FULL } else { CELL_SECONDS };
        let output = Command::new("timeout")
            .args(["--kill-after=5", &seconds.to_string()])
            .arg(&self.driver.path)
            .args([action.name().as_ref(), local.as_os_str(), remote.as_ref()])
            .env("PROTOCOL", self.protocol)
            .env("HOST", "127.0.0.1")
            .env("PORT", Server::port(address))
            .env("LOGIN", &self.customer)
            .env("PASSWORD", PASSWORD)
            .env("IDENTITY", self.identity)
            .env("SSH_OPTIONS", SSH_OPTIONS)
            .env("CLIENTS_NODE", super::driver::node_folder())
            .env("HOME", self.folder.join("home"))
            .env("LC_ALL", "C.UTF-8")
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.code() {
            Some(0) => Ok(output),
            Some(CANNOT) => Err(Cell::Cannot(said(&output.stdout).lines().last().unwrap_or("no reason given").into())),
            Some(124 | 137) => Err(Cell::Failed(format!("it hung for {seconds} s"))),
            _ => {
                let said = format!("{}\n{}", said(&output.stdout), said(&output.stderr));
                let tail: String =
                    said.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
                Err(Cell::Failed(format!("{}: {tail}", output.status)))
            }
        }
    }
}

/// For OpenSSH: nothing of whoever runs the tests, and no question about a host key that is new each time.
const SSH_OPTIONS: &str = "-F/dev/null -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null \
    -oGlobalKnownHostsFile=/dev/null -oIdentitiesOnly=yes -oLogLevel=ERROR";

fn demand(right: bool, why: impl FnOnce() -> String) -> Outcome {
    if right { Ok(None) } else { Err(Cell::Failed(why())) }
}

fn same(received: &Files, sent: &Files) -> Outcome {
    for (path, file) in sent {
        match received.get(path) {
            Some(found) if found == file => {}
            Some(_) => return Err(Cell::Failed(format!("other content: {}", path.escape_ascii()))),
            None => {
                let count = sent.keys().filter(|path| !received.contains_key(*path)).count();
                return Err(Cell::Failed(format!("{count} did not arrive, such as {}", path.escape_ascii())));
            }
        }
    }
    let never = received.keys().find(|path| !sent.contains_key(*path));
    demand(never.is_none(), || format!("never sent: {}", never.unwrap().escape_ascii()))
}
