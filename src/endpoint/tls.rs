//! The server's certificate: made at first start, or the operator's own, and the TLS settings of FTP and of the pages.
//!
//! Owns `tls.crt` and `tls.key` in the keys folder. Files that change while the server runs count from the next connection
//! on; a pair that cannot be used is reported and the one before stays. TLS 1.2 and 1.3. Does not know what is spoken inside.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, HandshakeKind, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::domain::{Digest, Micros};

/// How often the files are looked at for a change, at most.
const RELOAD_CHECK: Duration = Duration::from_secs(2);

/// How long a certificate of our own is valid. Clients remember its fingerprint, so a change costs every one of them a
/// question; there is nothing that a shorter life would protect.
const VALID_YEARS: i64 = 20;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read or written.
    #[error("cannot {action} `{path}`: {source}")]
    File {
        /// What was tried, a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Only one of the two files is there.
    #[error("`{present}` is there but `{absent}` is not; put both in place, or remove both to get a new pair")]
    Half {
        /// The file that is there.
        present: PathBuf,
        /// The file that is not.
        absent: PathBuf,
    },
    /// A file is not PEM, or holds something else.
    #[error("cannot read `{path}`: {source}; it must be PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: pem::Error,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("cannot use certificate `{path}` with its key: {source}")]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library has no randomness or no settings that work.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// TLS as the FTP endpoint uses it.
pub struct Tls {
    control: ServerConfig,
    data: ServerConfig,
    pair: Arc<Pair>,
}

impl Tls {
    /// Uses the pair in `keys`, or makes one for `names` (host names and addresses) when neither file is there.
    ///
    /// # Errors
    /// When the files cannot be read, written or used.
    pub fn open(keys: &Path, names: &[String]) -> Result<Self, TlsFault> {
        let (crt, key) = (keys.join("tls.crt"), keys.join("tls.key"));
        match (crt.exists(), key.exists()) {
            (true, true) => {}
            (false, false) => make_pair(&crt, &key, names)?,
            (true, false) => return Err(TlsFault::Half { present: crt, absent: key }),
            (false, true) => return Err(TlsFault::Half { present: key, absent: crt }),
        }
        let provider = Arc::new(ring::default_provider());
        let pair = Arc::new(Pair::load(crt, key, Arc::clone(&provider))?);
        let mut control = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&pair) as Arc<dyn ResolvesServerCert>);
        control.ticketer = ring::Ticketer::new()?;
        // A client that only sends never reads a ticket from its data connection. Closing a socket with unread bytes sends
        // a reset instead of an end, and what was still on its way would be lost. The control connection's tickets serve.
        let mut data = control.clone();
        data.send_tls13_tickets = 0;
        Ok(Tls { control, data, pair })
    }

    /// Puts a control connection inside TLS. Its tickets carry `mark`.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept_control(&self, stream: TcpStream, mark: [u8; 16]) -> io::Result<TlsStream<TcpStream>> {
        let ticketer = Marked { tickets: Arc::clone(&self.control.ticketer), mark, strict: false };
        let mut config = self.control.clone();
        config.ticketer = Arc::new(ticketer);
        TlsAcceptor::from(Arc::new(config)).accept(stream).await
    }

    /// Puts a connection of a browser inside TLS. It speaks HTTP/1.1 there.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept_web(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut config = self.control.clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config)).accept(stream).await
    }

    /// For a data connection of the control connection whose tickets carry `mark`; `must_resume` wants one of these.
    pub fn data(&self, mark: [u8; 16], must_resume: bool) -> DataTls {
        let ticketer = Marked { tickets: Arc::clone(&self.data.ticketer), mark, strict: must_resume };
        let mut config = self.data.clone();
        config.ticketer = Arc::new(ticketer);
        if must_resume {
            // Sessions that the server remembers by a number, as clients without tickets have them, bear no mark.
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        DataTls { acceptor: Arc::new(config).into(), must_resume }
    }

    /// SHA-256 of the certificate in use, which is what clients show when they ask whether to trust it.
    pub fn fingerprint(&self) -> Digest {
        // A certified key is only ever made from a file that holds at least one certificate.
        self.pair.current().cert.first().map_or(Digest::of(b""), |certificate| Digest::of(certificate))
    }
}

/// TLS for one data connection. A session of the control connection can be resumed on it, which spares a handshake, and
/// shows that whoever connects is whoever signed in.
pub struct DataTls {
    acceptor: TlsAcceptor,
    must_resume: bool,
}

impl DataTls {
    /// Puts a data connection inside TLS.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }

    /// Whether the connection may be used: it resumes the right session, or need not.
    pub fn is_welcome(&self, stream: &TlsStream<TcpStream>) -> bool {
        !self.must_resume || stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

/// Tickets that say which control connection they were made on. rustls carries data of ours in tickets, too, but gives it
/// back for TLS 1.3 only.
#[derive(Debug)]
struct Marked {
    tickets: Arc<dyn ProducesTickets>,
    mark: [u8; 16],
    /// Tickets with another mark do not count.
    strict: bool,
}

impl ProducesTickets for Marked {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.encrypt(&[&self.mark[..], plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let mut plain = self.tickets.decrypt(cipher)?;
        let ours = plain.get(..self.mark.len())? == self.mark;
        (ours || !self.strict).then(|| plain.split_off(self.mark.len()))
    }
}

/// Certificate and key, looked at again when their files change.
#[derive(Debug)]
struct Pair {
    crt: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    certified: Arc<CertifiedKey>,
    checked: Instant,
    changed: [Option<SystemTime>; 2],
}

impl Pair {
    fn load(crt: PathBuf, key: PathBuf, provider: Arc<CryptoProvider>) -> Result<Self, TlsFault> {
        let changed = [modified(&crt), modified(&key)];
        let certified = Arc::new(read_pair(&crt, &key, &provider)?);
        Ok(Pair { crt, key, provider, loaded: Mutex::new(Loaded { certified, checked: Instant::now(), changed }) })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        // What the lock guards is replaced as a whole, so a panic elsewhere leaves it usable.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.checked.elapsed() >= RELOAD_CHECK {
            loaded.checked = Instant::now();
            self.reload(&mut loaded);
        }
        Arc::clone(&loaded.certified)
    }

    fn reload(&self, loaded: &mut Loaded) {
        let changed = [modified(&self.crt), modified(&self.key)];
        if changed == loaded.changed {
            return;
        }
        loaded.changed = changed;
        match read_pair(&self.crt, &self.key, &self.provider) {
            Ok(certified) => {
                loaded.certified = Arc::new(certified);
                tracing::info!("the certificate `{}` was changed and is used from now on", self.crt.display());
            }
            Err(fault) => tracing::warn!("{fault}; the certificate before it stays in use"),
        }
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    // A file that is absent for a moment, while it is being replaced, has no time; the next look finds it.
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn read_pair(crt: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsFault> {
    let pem = |path: &Path, source| TlsFault::Pem { path: path.to_owned(), source };
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(crt).and_then(Iterator::collect).map_err(|source| pem(crt, source))?;
    if chain.is_empty() {
        return Err(pem(crt, pem::Error::NoItemsFound));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|source| pem(key, source))?;
    CertifiedKey::from_der(chain, secret, provider).map_err(|source| TlsFault::Pair { path: crt.to_owned(), source })
}

fn make_pair(crt: &Path, key: &Path, names: &[String]) -> Result<(), TlsFault> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "reunite");
    let year = 1970 + Micros::now().seconds() / 31_556_952;
    let year = |offset: i64| i32::try_from(year + offset).unwrap_or(2000);
    // A day of grace on both sides is not enough for clocks that are a year off, so it begins with last year.
    params.not_before = rcgen::date_time_ymd(year(-1), 1, 1);
    params.not_after = rcgen::date_time_ymd(year(VALID_YEARS), 1, 1);
    let pair = KeyPair::generate()?;
    let certificate = params.self_signed(&pair)?;
    write_new(key, pair.serialize_pem().as_bytes(), 0o600)?;
    write_new(crt, certificate.pem().as_bytes(), 0o644)?;
    tracing::info!("made a certificate for {}: `{}`", names.join(", "), crt.display());
    Ok(())
}

/// Writes a file that must not be there yet, whole or not at all.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsFault> {
    let fault = |source| TlsFault::File { action: "write", path: path.to_owned(), source };
    let new = path.with_extension("new");
    if new.exists() {
        fs::remove_file(&new).map_err(fault)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new).map_err(fault)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fault)?;
    fs::rename(&new, path).map_err(fault)?;
    match path.parent() {
        Some(folder) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn names() -> Vec<String> {
        vec!["localhost".into(), "127.0.0.1".into()]
    }

    #[test]
    fn a_first_start_makes_a_pair_and_the_next_keeps_it() {
        let keys = tempfile::tempdir().unwrap();
        let first = Tls::open(keys.path(), &names()).unwrap();
        let mode = fs::metadata(keys.path().join("tls.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Tls::open(keys.path(), &names()).unwrap().fingerprint(), first.fingerprint());
        assert_eq!(fs::read_dir(keys.path()).unwrap().count(), 2);
    }

    #[test]
    fn half_a_pair_and_a_wrong_pair_are_refused_by_name() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Tls::open(one.path(), &names()).unwrap();
        Tls::open(other.path(), &names()).unwrap();
        fs::copy(other.path().join("tls.key"), one.path().join("tls.key")).unwrap();
        assert!(matches!(Tls::open(one.path(), &names()), Err(TlsFault::Pair { .. })));
        fs::remove_file(one.path().join("tls.crt")).unwrap();
        let fault = Tls::open(one.path(), &names()).err().unwrap();
        assert!(fault.to_string().contains("tls.key` is there but"), "{fault}");
    }

    #[test]
    fn changed_files_are_used_and_broken_ones_are_not() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tls = Tls::open(one.path(), &names()).unwrap();
        let next = Tls::open(other.path(), &names()).unwrap().fingerprint();
        let before = tls.fingerprint();
        let look_again = || {
            let mut loaded = tls.pair.loaded.lock().unwrap();
            loaded.changed = [None, None];
            loaded.checked = Instant::now().checked_sub(RELOAD_CHECK).unwrap();
        };
        fs::write(one.path().join("tls.crt"), "not PEM").unwrap();
        look_again();
        assert_eq!(tls.fingerprint(), before);
        for file in ["tls.crt", "tls.key"] {
            fs::copy(other.path().join(file), one.path().join(file)).unwrap();
        }
        look_again();
        assert_eq!(tls.fingerprint(), next);
    }
}
