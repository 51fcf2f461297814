//! As much of an SFTP client as the demo needs: sign in with a password and store files. The server's key must be one of
//! those that the demo's own server has just made.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};

use russh::client::{self, AuthResult};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::dump::Sent;
use super::ftp::Account;
use crate::endpoint::sftp::protocol::{Attributes, OpenFlags, Packets, Reply, Request, StatusCode, VERSION};

/// Bytes that one WRITE carries; every server takes as much.
const WRITE_BYTES: usize = 32 << 10;

/// Requests that are sent before their answers are read; fewer than the answers that a channel keeps for us.
const REQUESTS_AHEAD: usize = 48;

/// Stores files over SFTP; `stored` is told of each.
///
/// # Errors
/// When the server's key is not among `keys`, it refuses anything, or the connection fails.
pub(super) async fn upload(
    account: Account<'_>,
    keys: Vec<PublicKey>,
    files: &[&Sent],
    mut stored: impl FnMut(&Sent),
) -> anyhow::Result<()> {
    let config = client::Config { nodelay: true, ..client::Config::default() };
    let mut handle = client::connect(Arc::new(config), account.address, Known(keys))
        .await
        .with_context(|| format!("cannot connect to {}", account.address))?;
    let signed_in = handle.authenticate_password(account.name, account.password).await?;
    ensure!(matches!(signed_in, AuthResult::Success), "the server does not let `{}` in", account.name);
    let channel = handle.channel_open_session().await?;
    channel.request_subsystem(true, "sftp").await?;
    let mut session = Session { stream: channel.into_stream(), packets: Packets::new(), waiting: Vec::new(), id: 0 };
    session.begin().await?;
    for file in files {
        let named = || format!("cannot store `{}`", String::from_utf8_lossy(&file.path));
        session.store(file).await.with_context(named)?;
        stored(file);
    }
    drop(session);
    handle.disconnect(russh::Disconnect::ByApplication, "", "en").await?;
    Ok(())
}

/// The keys that the server may have.
struct Known(Vec<PublicKey>);

impl client::Handler for Known {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                self.0.iter().any(|known| known.key_data() == key.key_data())
            }
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

struct Session<S> {
    stream: S,
    packets: Packets,
    /// Packets that arrived with an earlier one.
    waiting: Vec<Vec<u8>>,
    id: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn begin(&mut self) -> anyhow::Result<()> {
        self.send(&[Request::Init { version: VERSION }]).await?;
        let packet = self.packet().await?;
        match Reply::decode(&packet)? {
            (_, Reply::Version { version: VERSION, .. }) => Ok(()),
            (_, other) => bail!("the server begins with {other:?}"),
        }
    }

    async fn store(&mut self, file: &Sent) -> anyhow::Result<()> {
        let flags = OpenFlags(OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE);
        self.send(&[Request::Open { path: &file.path, flags, attributes: Attributes::default() }]).await?;
        let packet = self.packet().await?;
        let handle = match Reply::decode(&packet)? {
            (_, Reply::Handle(handle)) => handle.to_vec(),
            (_, Reply::Status { message, .. }) => bail!("the server says `{message}`"),
            (_, other) => bail!("the server answers OPEN with {other:?}"),
        };
        let handle = handle.as_slice();
        let parts = file.bytes.chunks(WRITE_BYTES).enumerate();
        let mut requests: Vec<Request<'_>> =
            parts.map(|(at, data)| Request::Write { handle, offset: (at * WRITE_BYTES) as u64, data }).collect();
        requests.push(Request::Close { handle });
        for some in requests.chunks(REQUESTS_AHEAD) {
            self.send(some).await?;
            for _ in some {
                self.done().await?;
            }
        }
        Ok(())
    }

    /// Takes the next answer, which must say that all is well.
    async fn done(&mut self) -> anyhow::Result<()> {
        let packet = self.packet().await?;
        match Reply::decode(&packet)? {
            (_, Reply::Status { code: StatusCode::Ok, .. }) => Ok(()),
            (_, Reply::Status { message, .. }) => bail!("the server says `{message}`"),
            (_, other) => bail!("the server answers with {other:?}"),
        }
    }

    async fn send(&mut self, requests: &[Request<'_>]) -> anyhow::Result<()> {
        for request in requests {
            let mut bytes = Vec::new();
            request.encode(self.id, &mut bytes);
            self.id = self.id.wrapping_add(1);
            self.stream.write_all(&bytes).await?;
        }
        Ok(self.stream.flush().await?)
    }

    async fn packet(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut piece = vec![0; 32 << 10];
        while self.waiting.is_empty() {
            let count = self.stream.read(&mut piece).await?;
            ensure!(count > 0, "the server closed the connection");
            let waiting = &mut self.waiting;
            self.packets.feed(&piece[..count], |packet| waiting.push(packet))?;
        }
        Ok(self.waiting.remove(0))
    }
}
