//! Whole connections: signing in, sessions, exit status, stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg};
use russh::{Channel, ChannelMsg};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::super::protocol::{Attributes, OpenFlags, Packets, Reply, Request, StatusCode};
use super::super::{SftpContext, SftpSettings, host_key, serve};
use super::{Shop, rows};
use crate::domain::CustomerId;
use crate::endpoint::limits::{Caps, Connections};
use crate::endpoint::login::{LoginSettings, Logins, PenaltySettings};
use crate::spool::Endpoint;

struct Server {
    shop: Shop,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
}

struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &russh::keys::PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

async fn server(settings: SftpSettings) -> Server {
    let shop = Shop::new();
    let penalty = PenaltySettings { delay: Duration::ZERO, ..PenaltySettings::default() };
    let logins =
        Logins::new(Arc::clone(&shop.catalogue), LoginSettings { penalty, ..LoginSettings::default() }).unwrap();
    let context = Arc::new(SftpContext {
        catalogue: Arc::clone(&shop.catalogue),
        spool: Arc::clone(&shop.spool),
        logins: Arc::new(logins),
        connections: Connections::new(Caps::default()),
        host_keys: host_key::load_or_make(shop.folder.path()).unwrap(),
        host_certificates: Vec::new(),
        settings,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let served = tokio::spawn(serve(vec![listener], context, shutdown));
    Server { shop, address, stop, served }
}

impl Server {
    async fn connect(&self) -> client::Handle<Trusting> {
        client::connect(Arc::new(client::Config::default()), self.address, Trusting).await.unwrap()
    }

    async fn signed_in(&self) -> client::Handle<Trusting> {
        let mut handle = self.connect().await;
        assert!(handle.authenticate_password("anna", "secret").await.unwrap().success());
        handle
    }

    async fn stopped(self) -> Shop {
        self.stop.send(true).unwrap();
        self.served.await.unwrap();
        self.shop
    }
}

/// What a channel says until it closes.
#[derive(Default, Debug)]
struct Said {
    out: Vec<u8>,
    error: String,
    status: Option<u32>,
}

async fn listen(channel: &mut Channel<client::Msg>) -> Said {
    let mut said = Said::default();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => said.out.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => said.error.push_str(std::str::from_utf8(&data).unwrap()),
            ChannelMsg::ExitStatus { exit_status } => said.status = Some(exit_status),
            _ => {}
        }
    }
    said
}

async fn sftp(handle: &client::Handle<Trusting>) -> Channel<client::Msg> {
    let channel = handle.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    channel
}

/// Sends `requests` at once, numbered from 1.
async fn send(channel: &Channel<client::Msg>, requests: &[Request<'_>]) {
    let mut bytes = Vec::new();
    for (at, request) in requests.iter().enumerate() {
        request.encode(at as u32 + 1, &mut bytes);
    }
    channel.data_bytes(bytes).await.unwrap();
}

fn statuses(bytes: &[u8]) -> Vec<(u32, StatusCode)> {
    let (mut packets, mut found) = (Packets::new(), Vec::new());
    packets
        .feed(bytes, |packet| {
            if let (id, Reply::Status { code, .. }) = Reply::decode(&packet).unwrap() {
                found.push((id, code));
            }
        })
        .unwrap();
    found.sort_by_key(|(id, _)| *id);
    found
}

/// Waits until the channel has said as many bytes as a reply needs; gives those.
async fn first_reply(channel: &mut Channel<client::Msg>) -> Vec<u8> {
    loop {
        if let ChannelMsg::Data { data } = channel.wait().await.unwrap() {
            return data.to_vec();
        }
    }
}

const NEW: OpenFlags = OpenFlags(OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE);

fn open(path: &[u8]) -> Request<'_> {
    Request::Open { path, flags: NEW, attributes: Attributes::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_at_once_are_answered_and_the_program_ends_with_success() {
    let server = server(SftpSettings::default()).await;
    let handle = server.signed_in().await;
    let mut channel = sftp(&handle).await;
    let (a, b) = (0u32.to_be_bytes(), 1u32.to_be_bytes());
    let data = vec![7; 200_000];
    send(
        &channel,
        &[
            Request::Init { version: 3 },
            open(b"a"),
            open(b"b"),
            Request::Write { handle: &a, offset: 0, data: &data },
            Request::Write { handle: &b, offset: 0, data: b"b" },
            Request::Close { handle: &a },
            Request::Close { handle: &b },
            Request::Rename { from: b"a", to: b"c" },
        ],
    )
    .await;
    channel.eof().await.unwrap();
    let said = listen(&mut channel).await;
    assert_eq!(said.status, Some(0), "{}", said.error);
    assert_eq!(statuses(&said.out), (4..=8).map(|id| (id, StatusCode::Ok)).collect::<Vec<_>>());
    let shop = server.stopped().await;
    assert_eq!((shop.bytes("c"), shop.bytes("b")), (data, b"b".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_keys_and_questions() {
    let server = server(SftpSettings::default()).await;
    let mut handle = server.connect().await;
    assert!(!handle.authenticate_password("anna", "wrong").await.unwrap().success());
    assert!(!handle.authenticate_password("nobody", "secret").await.unwrap().success());
    let asked = handle.authenticate_keyboard_interactive_start("anna", None).await.unwrap();
    assert!(matches!(&asked, KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } if prompts.len() == 1));
    let answer = handle.authenticate_keyboard_interactive_respond(vec!["secret".into()]).await.unwrap();
    assert!(matches!(answer, KeyboardInteractiveAuthResponse::Success));

    let key = Arc::new(PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap());
    let signer = || PrivateKeyWithHashAlg::new(Arc::clone(&key), None);
    let mut handle = server.connect().await;
    assert!(matches!(handle.authenticate_publickey("anna", signer()).await.unwrap(), AuthResult::Failure { .. }));
    let line = key.public_key().to_openssh().unwrap();
    rows(server.shop.folder.path())
        .execute("INSERT INTO customer_keys (id, customer, line, created_at) VALUES (1, 7, ?1, 0)", [line])
        .unwrap();
    assert!(handle.authenticate_publickey("anna", signer()).await.unwrap().success());
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_shell_and_no_commands() {
    let server = server(SftpSettings::default()).await;
    let handle = server.signed_in().await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "ls -l").await.unwrap();
    let said = listen(&mut channel).await;
    assert_eq!(said.status, Some(1));
    assert!(said.error.contains("no shell"), "{}", said.error);
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_are_taken_as_by_programs() {
    let server = server(SftpSettings::default()).await;
    for name in ["in/it's (1).jpg", "in/a\nb"] {
        let mut bytes = &b"pixels"[..];
        server.shop.spool.receive_from(CustomerId(7), &super::at(name), Endpoint::Sftp, &mut bytes, None).unwrap();
    }
    let handle = server.signed_in().await;
    let run = async |command: &str, input: &'static [u8]| {
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.exec(true, command).await.unwrap();
        channel.data_bytes(input).await.unwrap();
        channel.eof().await.unwrap();
        let said = listen(&mut channel).await;
        (String::from_utf8(said.out).unwrap(), said.error, said.status)
    };
    // `printf pixels | md5sum`, `sha1sum` and `sha256sum`.
    let md5 = "d399848208da8b80a306af0fd62bb03f";
    let sha1 = "09bc7b2dcc9a510f4ab3a40c47f7a4cb77954356";
    let said = run(r"md5sum /in/it\'s\ \(1\).jpg", b"").await;
    assert_eq!(said, (format!("{md5}  /in/it's (1).jpg\n"), String::new(), Some(0)));
    let said = run("md5 -r", b"pixels").await;
    assert_eq!(said, (format!("{md5} -\n"), String::new(), Some(0)));
    let (out, error, status) = run("sha1sum in/a'\n'b in/absent in", b"").await;
    assert_eq!((out, status), (format!("\\{sha1}  in/a\\nb\n"), Some(1)));
    assert!(error.contains("`/in/absent` does not exist") && error.contains("`/in` is a directory"), "{error}");
    drop(handle);
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sftp_ends_its_own_session_with_a_sentence() {
    let server = server(SftpSettings::default()).await;
    let handle = server.signed_in().await;
    let mut other = sftp(&handle).await;
    let mut channel = sftp(&handle).await;
    channel.data_bytes(&b"GET / HTTP/1.0\r\n\r\n"[..]).await.unwrap();
    let said = listen(&mut channel).await;
    assert_eq!(said.status, Some(1));
    assert!(said.error.contains("not SFTP"), "{}", said.error);
    send(&other, &[Request::Init { version: 3 }]).await;
    assert!(!first_reply(&mut other).await.is_empty());
    drop(handle);
    server.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_asks_nothing_ends_with_a_sentence_and_keeps_what_came() {
    let server = server(SftpSettings { idle: Duration::from_millis(300), ..SftpSettings::default() }).await;
    let handle = server.signed_in().await;
    let mut channel = sftp(&handle).await;
    let write = Request::Write { handle: &0u32.to_be_bytes(), offset: 0, data: b"half" };
    send(&channel, &[Request::Init { version: 3 }, open(b"a"), write]).await;
    let said = listen(&mut channel).await;
    assert_eq!(said.status, Some(1));
    assert!(said.error.contains("nothing was asked"), "{}", said.error);
    drop(handle);
    let shop = server.stopped().await;
    let entry = shop.tree().stat(&super::at("a")).unwrap();
    assert_eq!((entry.size, entry.partial), (4, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_leaves_a_partial() {
    let server = server(SftpSettings::default()).await;
    let handle = server.signed_in().await;
    let mut channel = sftp(&handle).await;
    let file = 0u32.to_be_bytes();
    send(
        &channel,
        &[
            Request::Init { version: 3 },
            open(b"a"),
            Request::Write { handle: &file, offset: 0, data: b"half" },
            Request::Extended(super::super::protocol::Extended::Fsync { handle: &file }),
        ],
    )
    .await;
    let mut out = Vec::new();
    while !statuses(&out).contains(&(4, StatusCode::Ok)) {
        out.extend(first_reply(&mut channel).await);
    }
    handle.disconnect(russh::Disconnect::ByApplication, "", "").await.unwrap();
    let shop = server.stopped().await;
    assert_eq!(shop.uploads(), 0);
    let entry = shop.tree().stat(&super::at("a")).unwrap();
    assert_eq!((entry.size, entry.partial), (4, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_a_file_that_is_being_received() {
    let server = server(SftpSettings::default()).await;
    let handle = server.signed_in().await;
    let mut channel = sftp(&handle).await;
    let mut idle = sftp(&handle).await;
    let file = 0u32.to_be_bytes();
    send(&channel, &[Request::Init { version: 3 }, open(b"a")]).await;
    let mut out = first_reply(&mut channel).await;
    while out.len() < 40 {
        // The handle may come with the version or after it.
        match tokio::time::timeout(Duration::from_millis(200), first_reply(&mut channel)).await {
            Ok(more) => out.extend(more),
            Err(_) => break,
        }
    }
    server.stop.send(true).unwrap();
    assert!(listen(&mut idle).await.error.contains("stopped"));
    send(
        &channel,
        &[
            Request::Write { handle: &file, offset: 0, data: b"all of it" },
            open(b"b"),
            Request::Close { handle: &file },
        ],
    )
    .await;
    let said = listen(&mut channel).await;
    assert_eq!(
        statuses(&said.out),
        [(1, StatusCode::Ok), (2, StatusCode::Failure), (3, StatusCode::Ok)],
        "what is open goes on, nothing new begins"
    );
    let shop = server.shop;
    server.served.await.unwrap();
    assert_eq!(shop.bytes("a"), b"all of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_scp_receives_and_sends() {
    let server = server(SftpSettings::default()).await;
    let handle = server.signed_in().await;
    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "scp -r -p -t in").await.unwrap();
    channel.data_bytes(&b"T1000 0 1000 0\nD0755 0 dir\nT2000 0 2000 0\nC0644 3 a b\nabc\0"[..]).await.unwrap();
    channel.data_bytes(&b"C0644 1 ../evil\n"[..]).await.unwrap();
    channel.eof().await.unwrap();
    let said = listen(&mut channel).await;
    assert!(said.out.starts_with(&[0, 0, 0, 0, 0, 0, 2]), "{said:?}");
    assert_eq!(said.status, Some(1), "a name that leads elsewhere ends the conversation");

    let mut channel = handle.channel_open_session().await.unwrap();
    channel.exec(true, "scp -p -f 'in/a b'").await.unwrap();
    channel.data_bytes(&[0; 4][..]).await.unwrap();
    let said = listen(&mut channel).await;
    assert_eq!((said.out.as_slice(), said.status), (&b"T2000 0 2000 0\nC0644 3 a b\nabc\0"[..], Some(0)));
    drop(handle);
    let shop = server.stopped().await;
    assert_eq!(shop.bytes("in/a b"), b"abc");
    assert_eq!(shop.count("SELECT count(*) FROM uploads WHERE endpoint = 'scp'"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_keeps_a_connection_without_signing_in() {
    use tokio::io::AsyncReadExt as _;
    let server = server(SftpSettings { login: Duration::from_millis(300), ..SftpSettings::default() }).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut said = Vec::new();
    // Ends once the server has closed the connection; a reset is an end as well.
    if let Err(fault) = silent.read_to_end(&mut said).await {
        assert_eq!(fault.kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert!(said.starts_with(b"SSH-2.0-reunite"));
    let mut half = server.connect().await;
    assert!(!half.authenticate_password("anna", "wrong").await.unwrap().success());
    tokio::time::timeout(Duration::from_secs(60), async {
        while !half.is_closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    server.stopped().await;
}
