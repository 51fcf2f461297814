//! As much of an FTP client as the demo needs: sign in, with TLS or without, and store files. TLS trusts exactly the one
//! certificate that the demo's own server has just made.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::dump::Sent;

/// Longest reply that is read, in bytes.
const REPLY_MAX: usize = 64 << 10;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where and as whom to sign in.
pub(super) struct Account<'a> {
    /// The server.
    pub address: SocketAddr,
    /// The account.
    pub name: &'a str,
    /// Its password.
    pub password: &'a str,
}

/// Stores files over FTP, or over FTPS when the server's certificate is given; `stored` is told of each.
///
/// # Errors
/// When the server refuses anything or the connection fails.
pub(super) async fn upload(
    account: Account<'_>,
    tls: Option<Arc<ClientConfig>>,
    files: &[&Sent],
    mut stored: impl FnMut(&Sent),
) -> anyhow::Result<()> {
    let mut session = Session::open(account.address, tls).await?;
    session.command(&format!("USER {}", account.name), 331).await?;
    session.command(&format!("PASS {}", account.password), 230).await?;
    session.command("TYPE I", 200).await?;
    for file in files {
        let named = || format!("cannot store `{}`", String::from_utf8_lossy(&file.path));
        session.store(file).await.with_context(named)?;
        stored(file);
    }
    session.command("QUIT", 221).await?;
    Ok(())
}

/// TLS settings that trust the certificate in the file `certificate` and no other.
///
/// # Errors
/// When the file is not a certificate.
pub(super) fn trust_only(certificate: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let shown = certificate.display();
    let pinned = CertificateDer::from_pem_file(certificate).with_context(|| format!("cannot read `{shown}`"))?;
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Pinned { certificate: pinned, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// One control connection.
struct Session {
    control: Box<dyn Stream>,
    /// Read and not yet taken apart.
    pending: Vec<u8>,
    server: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Session {
    async fn open(server: SocketAddr, tls: Option<Arc<ClientConfig>>) -> anyhow::Result<Self> {
        let mut session = Session { control: Box::new(connect(server).await?), pending: Vec::new(), server, tls };
        session.reply(220).await?;
        let Some(tls) = session.tls.clone() else { return Ok(session) };
        session.command("AUTH TLS", 234).await?;
        ensure!(session.pending.is_empty(), "the server said more before TLS began");
        // The greeting's stream has nothing pending, so it can be handed to TLS as it is.
        session.control = Box::new(secure(session.control, server, &tls).await?);
        session.command("PBSZ 0", 200).await?;
        session.command("PROT P", 200).await?;
        Ok(session)
    }

    async fn store(&mut self, file: &Sent) -> anyhow::Result<()> {
        let text = self.command("EPSV", 229).await?;
        let port = text.split('|').nth(3).and_then(|port| port.parse().ok()).context("EPSV named no port")?;
        let data = connect(SocketAddr::new(self.server.ip(), port)).await?;
        self.control.write_all(&[b"STOR ".as_slice(), &file.path, b"\r\n"].concat()).await?;
        self.control.flush().await?;
        self.reply(150).await?;
        match self.tls.clone() {
            Some(tls) => send(secure(data, self.server, &tls).await?, &file.bytes).await?,
            None => send(data, &file.bytes).await?,
        }
        self.reply(226).await?;
        Ok(())
    }

    async fn command(&mut self, line: &str, wanted: u16) -> anyhow::Result<String> {
        self.control.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.control.flush().await?;
        let verb = line.split(' ').next().unwrap_or(line);
        self.reply(wanted).await.with_context(|| format!("{verb} failed"))
    }

    /// The text of the next reply, which must have the code `wanted`.
    async fn reply(&mut self, wanted: u16) -> anyhow::Result<String> {
        let first = self.line().await?;
        let mut last = first.clone();
        let code = first.get(..3).unwrap_or_default().to_owned();
        while last.get(..3) != Some(code.as_str()) || last.as_bytes().get(3) == Some(&b'-') {
            last = self.line().await?;
        }
        if code != wanted.to_string() {
            bail!("the server says `{}`", first.trim_end());
        }
        Ok(last)
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            ensure!(self.pending.len() < REPLY_MAX, "the server's reply has no end");
            let mut piece = [0; 4096];
            let count = self.control.read(&mut piece).await?;
            ensure!(count > 0, "the server closed the connection");
            self.pending.extend_from_slice(&piece[..count]);
        }
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    server: SocketAddr,
    tls: &Arc<ClientConfig>,
) -> anyhow::Result<tokio_rustls::client::TlsStream<S>> {
    let name = ServerName::IpAddress(server.ip().into());
    TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.context("TLS could not begin")
}

/// Sends a file and says that this was all of it.
async fn send(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> anyhow::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    // The server may say goodbye first; closing before it has would reset the connection and lose the file's end.
    let mut rest = [0; 256];
    while stream.read(&mut rest).await.unwrap_or(0) > 0 {}
    Ok(())
}

/// Trusts one certificate.
#[derive(Debug)]
struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
