//! What must hold for any bytes in front of a connection and for any name. See [`crate::fuzzing`].

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::ls;
use super::proxy::{BadHeader, Source, read_header};
use crate::domain::Micros;
use crate::tree::{DEPTH_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, TreePath, is_temporary, shown};

/// The longest header of version 2 that is read: its fixed part, and the most that it may announce.
const HEADER_BYTES_MAX: usize = 16 + 4096;

/// What a balancer sends before the client's first byte, and that byte with what follows.
///
/// # Panics
/// When something does not hold.
pub fn proxy_header(bytes: &[u8]) {
    let (outcome, taken) = read(bytes);
    assert!(taken <= HEADER_BYTES_MAX, "{taken} bytes were taken");
    let Ok(source) = outcome else { return };
    for rest in [&b""[..], b"USER anna\r\n"] {
        let (again, same) = read(&[&bytes[..taken], rest].concat());
        assert_eq!((again.ok(), same), (Some(source), taken), "what follows a header changes it");
    }
    assert!(read(&bytes[..taken - 1]).0.is_err(), "a header is read before its end");
    if let Source::Client(client) = source {
        assert_eq!(client.ip(), client.ip().to_canonical());
        for header in [version_1(client), version_2(client)] {
            let (again, whole) = read(&header);
            assert_eq!((again.ok(), whole), (Some(source), header.len()));
        }
    }
}

/// What a reader makes of `bytes`, and how many it has taken.
fn read(bytes: &[u8]) -> (Result<Source, BadHeader>, usize) {
    let mut rest = bytes;
    // Reading from memory never waits.
    let Poll::Ready(outcome) = pin!(read_header(&mut rest)).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the reader waits for what is there")
    };
    (outcome, bytes.len() - rest.len())
}

fn version_1(client: SocketAddr) -> Vec<u8> {
    let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
    let (address, port) = (client.ip(), client.port());
    format!("PROXY {family} {address} {address} {port} 21\r\n").into_bytes()
}

fn version_2(client: SocketAddr) -> Vec<u8> {
    let (family, address) = match client.ip() {
        IpAddr::V4(address) => (0x11, address.octets().to_vec()),
        IpAddr::V6(address) => (0x21, address.octets().to_vec()),
    };
    let rest = [address.as_slice(), &address, &client.port().to_be_bytes(), &[0, 21]].concat();
    let length = (rest.len() as u16).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21"[..], &[family], &length, &rest].concat()
}

/// A working directory and, behind the first line feed, a name; eight bytes in front are a time.
///
/// # Panics
/// When something does not hold.
pub fn paths(bytes: &[u8]) {
    let Some((time, bytes)) = bytes.split_first_chunk() else { return };
    let listed = ls::line(false, u64::MAX, Micros(i64::from_le_bytes(*time)), Micros::from_seconds(1_700_000_000));
    assert!(listed.ends_with(' ') && !listed.contains(char::is_control));
    let (cwd, given) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (&b""[..], bytes),
    };
    let Ok(cwd) = TreePath::resolve(&TreePath::root(), cwd) else { return };
    plain(&cwd);
    let Ok(path) = TreePath::resolve(&cwd, given) else { return };
    plain(&path);
    if !given.starts_with(b"/") && !given.split(|byte| *byte == b'/').any(|part| part == b"..") {
        assert!(path.is_within(&cwd), "{path} is not below {cwd}");
    }
    if let Some(moved) = path.moved(&cwd, &TreePath::root()) {
        plain(&moved);
        assert_eq!(moved.depth() + cwd.depth(), path.depth());
    }
}

/// Names alone, within the limits, that mean the same again, and that people can be shown.
fn plain(path: &TreePath) {
    assert!(path.depth() <= DEPTH_MAX && path.bytes_long() <= PATH_BYTES_MAX);
    for name in path.parts() {
        assert!((1..=NAME_BYTES_MAX).contains(&name.len()));
        assert!(name != b"." && name != b".." && !name.iter().any(|byte| matches!(byte, b'/' | 0)));
        let _ = is_temporary(name);
    }
    let bytes = path.to_bytes();
    assert_eq!(TreePath::resolve(&TreePath::root(), &bytes).as_ref(), Ok(path));
    assert_eq!(path.parent().is_none(), path.is_root());
    for text in [path.to_string(), TreePath::shown_bytes(&bytes), shown(&bytes)] {
        assert!(!text.contains(char::is_control), "{text:?} hides something");
    }
}
