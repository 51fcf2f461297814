//! Drives the real binary: a shop in a scratch folder, its commands, and a server on ports of the system's choice.

#![allow(dead_code, reason = "each test binary uses the part it needs")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

/// The program under test.
pub const REUNITE: &str = env!("CARGO_BIN_EXE_reunite");

/// A data folder of its own, removed at the end.
pub struct Shop {
    scratch: tempfile::TempDir,
}

impl Shop {
    /// An empty data folder.
    pub fn new() -> Self {
        Shop { scratch: tempfile::tempdir().unwrap() }
    }

    /// The scratch folder; the data folder lies in it as `data`.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// The command line `reunite --data ... ARGUMENTS`, without the settings of whoever runs the tests.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(REUNITE);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REUNITE_") {
                command.env_remove(name);
            }
        }
        command.env("REUNITE_DATA", self.data()).args(arguments);
        command
    }

    /// Runs a command to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs a command that must succeed; returns what it printed.
    #[track_caller]
    pub fn ok<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let output = self.run(arguments);
        let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{:?}\n{printed}\n{said}", output.status);
        printed.into_owned()
    }

    /// Runs a command with this on its standard input; it must succeed.
    #[track_caller]
    pub fn ok_with_input<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, input: &str) {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Makes a customer who can sign in.
    #[track_caller]
    pub fn customer(&self, name: &str, password: &str) {
        self.ok_with_input(["customer", "add", name], &format!("{password}\n"));
    }

    /// Imports records, given as the text of a CSV file; thumbnails lie below the scratch folder's `thumbs`.
    #[track_caller]
    pub fn import(&self, csv: &str) {
        let path = self.scratch().join("records.csv");
        std::fs::write(&path, csv).unwrap();
        let thumbs = self.thumbs();
        self.ok([OsStr::new("import"), path.as_os_str(), OsStr::new("--thumbs"), thumbs.as_os_str()]);
    }

    /// The folder that imports take thumbnails from.
    pub fn thumbs(&self) -> PathBuf {
        let folder = self.scratch().join("thumbs");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// The rows of a report, each as column -> value.
    #[track_caller]
    pub fn report(&self, which: &str) -> Vec<BTreeMap<String, String>> {
        let printed = self.ok(["report", which, "--format", "csv"]);
        let mut reader = csv::ReaderBuilder::new().from_reader(printed.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows = reader.records().map(|row| {
            let row = row.unwrap();
            header.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect()
        });
        rows.collect()
    }

    /// Starts the server and returns once it says that it is ready.
    #[track_caller]
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// Starts the server with settings given as variables.
    #[track_caller]
    pub fn serve_with(&self, settings: &[(&str, &str)]) -> Server {
        let any = "127.0.0.1:0";
        let mut command = self.command(["serve", "--ftp", any, "--sftp", any, "--web", any]);
        command.envs(settings.iter().copied()).env("NO_COLOR", "1");
        Server::start(command)
    }
}

/// A running server, killed when it is dropped.
pub struct Server {
    child: Child,
    /// Where FTP listens.
    pub ftp: String,
    /// Where FTP inside TLS listens; empty when nothing does.
    pub ftps: String,
    /// Where SFTP listens.
    pub sftp: String,
    /// Where the pages are.
    pub web: String,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Starts the server by this command and returns once it says that it is ready.
    #[track_caller]
    pub fn start(command: Command) -> Self {
        Server::try_start(command).unwrap_or_else(|said| panic!("not ready: {said}"))
    }

    /// Starts the server by this command; what it said, where it ends instead of saying that it is ready.
    pub fn try_start(mut command: Command) -> Result<Self, String> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (stderr, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
        let listening = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        if !ready.starts_with("ready ") {
            // It may say more than one line before it ends.
            child.kill().unwrap();
            child.wait().unwrap();
            listening.join().unwrap();
            return Err(format!("{ready}{}", said.lock().unwrap()));
        }
        let address = |name: &str| {
            let found = ready.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned)
        };
        let needed = |name: &str| address(name).unwrap_or_else(|| panic!("no {name} in {ready}"));
        let (ftp, sftp, web) = (needed("ftp"), needed("sftp"), needed("web"));
        Ok(Server { ftps: address("ftps").unwrap_or_default(), ftp, sftp, web, child, said })
    }

    /// The port of an address such as [`Server::ftp`].
    pub fn port(address: &str) -> &str {
        address.rsplit(':').next().unwrap()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said on standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Ends it as a power cut would: SIGKILL, at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and waits; it must end well.
    #[track_caller]
    pub fn stop(mut self) {
        self.ask_to_end();
        let status = self.wait();
        assert!(status.success(), "{status:?}\n{}", self.said());
    }

    /// Asks it to end.
    pub fn ask_to_end(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `kill` or `stop` there is nothing left to end.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.said());
        }
    }
}

/// A picture from the fixtures.
pub fn fixture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    assert!(path.is_file(), "no fixture {name}");
    path
}

/// The pictures of a folder of fixtures, by name.
pub fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let mut all: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(!all.is_empty(), "no fixtures in {}", folder.display());
    all
}

/// SHA-256 of a file, in hexadecimal.
pub fn sha256(path: &Path) -> String {
    reunite::domain::Digest::of(&std::fs::read(path).unwrap()).to_string()
}

/// A thumbnail of a picture as a shop might make it: at most `side` pixels, JPEG.
pub fn thumbnail(picture: &Path, side: u32) -> Vec<u8> {
    use reunite::decode::{Limits, Scale, decode};
    let decoded = decode(&std::fs::read(picture).unwrap(), Scale::Full, &Limits::default()).unwrap();
    let flat = reunite::fingerprint::flatten(&decoded.renderings[0], 255);
    let scale = f64::from(side) / f64::from(flat.width.max(flat.height));
    let to = |length: u32| ((f64::from(length) * scale).round() as u32).clamp(1, side);
    let (width, height) = (to(flat.width), to(flat.height));
    // Each pixel is the mean of the area it covers, as most shops' software does it.
    let span = |at: u32, of: u32, from: u32| {
        let begin = u64::from(at) * u64::from(from) / u64::from(of);
        begin as u32..((u64::from(at + 1) * u64::from(from)).div_ceil(u64::from(of))) as u32
    };
    let mut small = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let area = || {
                span(y, height, flat.height).flat_map(|row| {
                    span(x, width, flat.width).map(move |column| (row * flat.width + column) as usize * 3)
                })
            };
            let count = area().count() as u64;
            small.extend((0..3).map(|c| (area().map(|at| u64::from(flat.rgb[at + c])).sum::<u64>() / count) as u8));
        }
    }
    let mut jpeg = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    jpeg.set_size(width as usize, height as usize);
    jpeg.set_quality(85.0);
    let mut jpeg = jpeg.start_compress(Vec::new()).unwrap();
    jpeg.write_scanlines(&small).unwrap();
    jpeg.finish().unwrap()
}
