//! Where a data connection comes from: the client comes to us (passive), or we go to the client (active, RFC 959's PORT and
//! RFC 2428's EPRT), to the address of its control connection only.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::flow::TlsBegins;
use super::passive::{NoData, Passive};
use super::wire::Wire;
use crate::endpoint::accept::prepare;
use crate::endpoint::tls::DataTls;

/// The lowest port that is connected to: below lie services that a client might want to trick us into talking to.
const ACTIVE_PORT_MIN: u16 = 1024;

/// What the next transfer's data connection comes from.
pub(super) enum Origin {
    /// We wait for the client.
    Passive(Passive),
    /// We connect to the client.
    Active {
        /// The address that the client has reached us at, which its firewall knows.
        local: IpAddr,
        /// Where the client waits.
        client: SocketAddr,
    },
}

impl Origin {
    /// We connect to the client where it says it waits, unless that is somebody else or a service.
    pub(super) fn active(local: IpAddr, peer: IpAddr, client: SocketAddr) -> Result<Self, &'static str> {
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        if client.ip() != peer {
            return Err("data connections go to your own address only; use passive mode (PASV or EPSV)");
        }
        if client.port() < ACTIVE_PORT_MIN {
            return Err("data connections go to ports from 1024 on only; use passive mode (PASV or EPSV)");
        }
        Ok(Origin::Active { local: local.to_canonical(), client })
    }

    /// The data connection for `peer`, inside TLS if asked for. Invites the client to send when all is ready for that, or
    /// after `patience`, since many clients begin TLS only then.
    ///
    /// Others begin it with the connection, and some of these take the invitation for its end: basic-ftp for Node asks
    /// whether the connection has a cipher, which one that resumes a session always has, and closes the connection of an
    /// empty file in the middle of the handshake. They are not invited before it is over.
    pub(super) async fn open(
        self,
        peer: IpAddr,
        tls: Option<&DataTls>,
        wait: Duration,
        patience: Duration,
        invite: oneshot::Sender<TlsBegins>,
    ) -> Result<Wire, NoData> {
        let invite = |begins| {
            if invite.send(begins).is_err() {
                tracing::debug!("nobody is left to be invited");
            }
        };
        let Some(tls) = tls else {
            invite(TlsBegins::AtOnce);
            return Ok(Wire::Plain(self.stream(peer, wait).await?));
        };
        let has_begun = AtomicBool::new(false);
        let mut wire = pin!(async {
            let stream = self.stream(peer, wait).await?;
            let first = timeout(wait, stream.peek(&mut [0])).await.map_err(io::Error::from);
            first.flatten().map_err(NoData::Handshake)?;
            has_begun.store(true, Ordering::Relaxed);
            handshake(stream, tls, wait).await
        });
        tokio::select! {
            biased;
            early = &mut wire => {
                let early = early?;
                invite(TlsBegins::AtOnce);
                Ok(early)
            }
            () = sleep(patience) => {
                if has_begun.load(Ordering::Relaxed) {
                    let late = wire.await?;
                    invite(TlsBegins::AtOnce);
                    return Ok(late);
                }
                invite(TlsBegins::WhenInvited);
                wire.await
            }
        }
    }

    async fn stream(self, peer: IpAddr, wait: Duration) -> Result<TcpStream, NoData> {
        match self {
            Origin::Passive(passive) => passive.accept(peer, wait).await,
            Origin::Active { local, client } => match timeout(wait, connect(local, client)).await {
                Ok(connected) => connected.map_err(|error| NoData::Unreachable(client, error)),
                Err(_) => Err(NoData::Unreachable(client, io::ErrorKind::TimedOut.into())),
            },
        }
    }
}

async fn handshake(stream: TcpStream, tls: &DataTls, wait: Duration) -> Result<Wire, NoData> {
    let stream: TlsStream<TcpStream> = match timeout(wait, tls.accept(stream)).await {
        Ok(accepted) => accepted.map_err(NoData::Handshake)?,
        Err(_) => return Err(NoData::Handshake(io::ErrorKind::TimedOut.into())),
    };
    if !tls.is_welcome(&stream) {
        return Err(NoData::OtherSession);
    }
    Ok(Wire::Tls(Box::new(stream)))
}

async fn connect(local: IpAddr, client: SocketAddr) -> io::Result<TcpStream> {
    let socket = if client.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((local, 0).into())?;
    let stream = socket.connect(client).await?;
    prepare(&stream)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clients_own_address_and_no_service() {
        let [here, peer] = [[192, 0, 2, 1], [192, 0, 2, 9]].map(IpAddr::from);
        let to = |address: &str| Origin::active(here, peer, address.parse().unwrap());
        assert!(to("192.0.2.9:1024").is_ok());
        assert!(to("[::ffff:192.0.2.9]:2000").is_ok());
        for address in ["192.0.2.9:1023", "192.0.2.9:22", "192.0.2.8:2000", "127.0.0.1:2000", "[::1]:2000"] {
            assert!(to(address).is_err(), "{address}");
        }
    }
}
