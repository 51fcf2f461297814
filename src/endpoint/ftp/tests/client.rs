//! A server on a free port over a real catalogue and spool, and a client that speaks FTP byte by byte.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::catalogue::Catalogue;
use crate::domain::CustomerId;
use crate::endpoint::ftp::{FtpContext, Settings, serve};
use crate::endpoint::limits::{Caps, Connections};
use crate::endpoint::login::{LoginSettings, Logins, PenaltySettings, hash_password};
use crate::endpoint::tls::Tls;
use crate::spool::{self, Spool};
use crate::store::Blobs;
use crate::tree::{Tree, TreePath};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) tree: Tree,
    pub(super) runtime: Runtime,
    pub(super) stop: watch::Sender<bool>,
    pub(super) served: JoinHandle<()>,
    /// What a client that trusts the server's certificate uses; it remembers sessions.
    tls: Arc<ClientConfig>,
    roots: RootCertStore,
    spool: PathBuf,
    folder: tempfile::TempDir,
}

impl Server {
    pub(super) fn start() -> Self {
        Server::start_with(Settings::default(), Caps::default())
    }

    /// The customer `anna` with the password `secret` can sign in.
    pub(super) fn start_with(settings: Settings, caps: Caps) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue.sqlite");
        let catalogue = Arc::new(Catalogue::open(&path).unwrap());
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute(
                "INSERT INTO customers (id, name, password_hash, created_at) VALUES (7, 'anna', ?1, 0)",
                [hash_password(b"secret").unwrap()],
            )
            .unwrap();
        let blobs = Blobs::new(folder.path().join("blobs"));
        blobs.adopt().unwrap();
        let spool_folder = folder.path().join("spool");
        let (spool, _recovered) =
            Spool::open(&spool_folder, Arc::clone(&catalogue), blobs, spool::Settings::default()).unwrap();
        let penalty = PenaltySettings { delay: Duration::ZERO, ..PenaltySettings::default() };
        let logins =
            Logins::new(Arc::clone(&catalogue), LoginSettings { penalty, ..LoginSettings::default() }).unwrap();
        let tls = Tls::open(folder.path(), &["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.path().join("tls.crt")).unwrap()).unwrap();
        let trusting = ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
        let context = FtpContext {
            catalogue: Arc::clone(&catalogue),
            spool: Arc::clone(&spool),
            logins: Arc::new(logins),
            connections: Connections::new(caps),
            tls: Some(Arc::new(tls)),
            settings,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let served = runtime.spawn(serve(listener, Arc::new(context), shutdown));
        let tree = Tree::new(catalogue, spool, CustomerId(7));
        Server { address, tree, runtime, stop, served, tls: Arc::new(trusting), roots, spool: spool_folder, folder }
    }

    /// Changes the catalogue as an operator's command would.
    pub(super) fn sql(&self, statement: &str) {
        let rows = rusqlite::Connection::open(self.folder.path().join("catalogue.sqlite")).unwrap();
        rows.execute(statement, []).unwrap();
    }

    /// TLS on a connection; the handshake has not begun.
    pub(super) fn begin_tls(&self, stream: TcpStream) -> TlsData {
        wrap(&self.tls, stream)
    }

    /// A customer's configuration of TLS that remembers nothing of other connections, with these versions only.
    pub(super) fn other_tls(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let config = ClientConfig::builder_with_protocol_versions(versions);
        Arc::new(config.with_root_certificates(self.roots.clone()).with_no_client_auth())
    }

    /// The same server to a client with another configuration of TLS.
    pub(super) fn with_tls(self, versions: &[&'static SupportedProtocolVersion]) -> Self {
        Server { tls: self.other_tls(versions), ..self }
    }

    /// A connection that is inside TLS from its first byte.
    pub(super) fn connect_inside(&self) -> Client {
        let raw = TcpStream::connect(self.address).unwrap();
        raw.set_read_timeout(Some(PATIENCE)).unwrap();
        let stream = wrap(&self.tls, raw.try_clone().unwrap());
        let mut client = Client { reader: BufReader::new(Box::new(stream)), raw };
        assert_eq!(client.reply().0, 220);
        client
    }

    /// A connection that has read the greeting.
    pub(super) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { raw: stream.try_clone().unwrap(), reader: BufReader::new(Box::new(stream)) };
        assert_eq!(client.reply().0, 220);
        client
    }

    /// A connection that has signed in.
    pub(super) fn sign_in(&self) -> Client {
        let mut client = self.connect();
        client.expect(331, "USER anna");
        client.expect(230, "PASS secret");
        client
    }

    /// What the tree holds under a name: the whole bytes of the current upload.
    pub(super) fn content(&self, name: &[u8]) -> Option<Vec<u8>> {
        let (mut file, size) = self.tree.open_read(&path(name)).ok()?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert_eq!(content.len() as u64, size);
        Some(content)
    }

    /// The size of an unfinished transfer under a name, once there is one.
    pub(super) fn partial(&self, name: &[u8]) -> u64 {
        self.eventually(|| {
            let entry = self.tree.stat(&path(name)).ok().filter(|entry| entry.partial && entry.id.0 != 0);
            entry.map(|entry| entry.size)
        })
    }

    /// Files in the spool folder.
    pub(super) fn spooled(&self) -> usize {
        std::fs::read_dir(&self.spool).unwrap().filter(|item| item.as_ref().unwrap().path().is_file()).count()
    }

    /// Looks again until there is an answer.
    pub(super) fn eventually<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(std::time::Instant::now() < deadline, "it never came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(super) fn path(name: &[u8]) -> TreePath {
    TreePath::resolve(&TreePath::root(), name).unwrap()
}

pub(super) trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

/// A data connection inside TLS.
pub(super) type TlsData = StreamOwned<ClientConnection, TcpStream>;

pub(super) struct Client {
    reader: BufReader<Box<dyn Duplex>>,
    raw: TcpStream,
}

impl Client {
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// The next reply: its code and its lines.
    pub(super) fn reply(&mut self) -> (u16, Vec<u8>) {
        let mut all = Vec::new();
        loop {
            let from = all.len();
            let count = self.reader.read_until(b'\n', &mut all).unwrap();
            assert!(count > 0, "the session ended after {:?}", all.escape_ascii().to_string());
            let line = &all[from..];
            assert!(line.ends_with(b"\r\n"));
            if line.len() > 3 && line[..3].iter().all(u8::is_ascii_digit) && line[3] == b' ' {
                let code = str::from_utf8(&line[..3]).unwrap().parse().unwrap();
                return (code, all);
            }
        }
    }

    /// Sends a command and insists on the code of its reply; returns the reply as text.
    pub(super) fn expect(&mut self, code: u16, command: impl AsRef<[u8]>) -> String {
        self.send(&[command.as_ref(), b"\r\n"].concat());
        self.expect_reply(code, &command.as_ref().escape_ascii().to_string())
    }

    pub(super) fn expect_reply(&mut self, code: u16, after: &str) -> String {
        let (found, text) = self.reply();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(found, code, "after {after}: {text}");
        text
    }

    /// Whether the server has closed the session and said nothing more.
    pub(super) fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0]), Ok(0) | Err(_))
    }

    /// Whether the server says nothing for so long.
    pub(super) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.raw.set_read_timeout(Some(time)).unwrap();
        let filled = self.reader.fill_buf().map(<[u8]>::len);
        self.raw.set_read_timeout(Some(PATIENCE)).unwrap();
        filled.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// The port that EPSV gives.
    pub(super) fn passive(&mut self) -> SocketAddr {
        let text = self.expect(229, "EPSV");
        let port = text.split('|').nth(3).unwrap().parse().unwrap();
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    pub(super) fn data(&mut self) -> TcpStream {
        let stream = TcpStream::connect(self.passive()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub(super) fn store(&mut self, command: impl AsRef<[u8]>, content: &[u8]) -> String {
        let mut data = self.data();
        self.expect(150, command);
        data.write_all(content).unwrap();
        drop(data);
        self.expect_reply(226, "the upload")
    }

    pub(super) fn fetch(&mut self, command: impl AsRef<[u8]>) -> Vec<u8> {
        let mut data = self.data();
        self.expect(150, command);
        let mut content = Vec::new();
        data.read_to_end(&mut content).unwrap();
        self.expect_reply(226, "the download");
        content
    }

    pub(super) fn fetch_text(&mut self, command: impl AsRef<[u8]>) -> String {
        String::from_utf8(self.fetch(command)).unwrap()
    }

    /// Puts the control connection inside TLS.
    pub(super) fn secure(mut self, server: &Server) -> Client {
        self.expect(234, "AUTH TLS");
        self.handshake(server)
    }

    /// Goes on inside TLS, after AUTH.
    pub(super) fn handshake(self, server: &Server) -> Client {
        let stream = wrap(&server.tls, self.raw.try_clone().unwrap());
        Client { reader: BufReader::new(Box::new(stream)), raw: self.raw }
    }

    /// Sends a command and begins TLS on its data connection.
    pub(super) fn secure_data(&mut self, server: &Server, command: &str) -> TlsData {
        self.secure_data_with(&server.tls, command)
    }

    /// The same with another configuration of TLS.
    pub(super) fn secure_data_with(&mut self, tls: &Arc<ClientConfig>, command: &str) -> TlsData {
        let data = self.data();
        self.expect(150, command);
        let mut data = wrap(tls, data);
        data.conn.complete_io(&mut data.sock).unwrap();
        data
    }

    pub(super) fn close(self) {
        self.raw.shutdown(Shutdown::Both).unwrap();
    }
}

fn wrap(tls: &Arc<ClientConfig>, stream: TcpStream) -> TlsData {
    let connection = ClientConnection::new(Arc::clone(tls), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(connection, stream)
}

/// Closes a connection with a reset instead of an end.
pub(super) fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

/// A connection from another address of this machine.
pub(super) fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    })
}

/// A port on which nobody listens any more.
pub(super) fn free_ports(count: u16) -> std::ops::RangeInclusive<u16> {
    loop {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let first = held.local_addr().unwrap().port();
        let Some(last) = first.checked_add(count - 1) else { continue };
        drop(held);
        if (first..=last).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return first..=last;
        }
    }
}
