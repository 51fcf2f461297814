//! The PROXY protocol, versions 1 and 2: who a balancer speaks for.
//!
//! A balancer in front of the server writes one header before the client's first byte. Owns its form and its bounds, as
//! `proxy-protocol.txt` of HAProxy states them. Who is believed is decided by the listener; a header from anybody else
//! is never looked for. What the header says beyond the client's address is not used.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How a header of version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;

/// The longest rest of a header of version 2. The specification asks for room for 536 bytes in all; what balancers add
/// to the addresses (names, certificates' subjects) fits many times.
const REST_BYTES_MAX: usize = 4096;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The connection is made for this client.
    Client(SocketAddr),
    /// The balancer speaks for itself, as in its health checks, or does not know for whom.
    Itself,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum BadHeader {
    /// The bytes are none.
    #[error(
        "the connection does not begin with a PROXY header: {0}; let the balancer send one, or take it off `proxy_from`"
    )]
    Malformed(&'static str),
    /// The connection broke.
    #[error("the connection ended within its PROXY header: {0}")]
    Io(#[from] io::Error),
}

/// Reads the header that `stream` begins with, and not one byte more.
///
/// # Errors
/// When there is none, or the connection ends before it does.
pub async fn read_header<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Source, BadHeader> {
    let mut line = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut line).await?;
    if line == SIGNATURE {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if length > REST_BYTES_MAX {
            return Err(BadHeader::Malformed("it announces too many bytes"));
        }
        let mut rest = vec![0; length];
        stream.read_exact(&mut rest).await?;
        return version_2(head[0], head[1], &rest).map_err(BadHeader::Malformed);
    }
    if !line.starts_with(b"PROXY ") {
        return Err(BadHeader::Malformed("it begins otherwise"));
    }
    // What follows the line is the client's, so nothing behind it may be taken.
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES_MAX {
            return Err(BadHeader::Malformed("its line is too long"));
        }
        line.push(stream.read_u8().await?);
    }
    version_1(&line).map_err(BadHeader::Malformed)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 40000 21\r\n`.
fn version_1(line: &[u8]) -> Result<Source, &'static str> {
    let text = str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n")).ok_or("its line is no text")?;
    let mut words = text.split(' ');
    if words.next() != Some("PROXY") {
        return Err("it begins otherwise");
    }
    let ipv4 = match words.next() {
        Some("TCP4") => true,
        Some("TCP6") => false,
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => return Ok(Source::Itself),
        _ => return Err("its protocol is neither TCP4 nor TCP6"),
    };
    let [Some(source), Some(target), Some(port), Some(target_port), None] = [(); 5].map(|()| words.next()) else {
        return Err("its line has other fields than two addresses and two ports");
    };
    let address = |text: &str| text.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == ipv4);
    match (address(source), address(target), number(port), number(target_port)) {
        (Some(source), Some(_), Some(port), Some(_)) => {
            Ok(Source::Client(SocketAddr::new(source.to_canonical(), port)))
        }
        _ => Err("its addresses or ports cannot be read"),
    }
}

/// A port in decimal digits alone.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn version_2(version_and_command: u8, family: u8, rest: &[u8]) -> Result<Source, &'static str> {
    match version_and_command {
        0x20 => return Ok(Source::Itself),
        0x21 => {}
        _ => return Err("its version or its command is unknown"),
    }
    // Family and transport in one byte: TCP over IPv4 and over IPv6; what else there is has no address for us.
    match family {
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low, ..] = *rest else { return Err("its addresses are cut off") };
            rest.get(..12).ok_or("its addresses are cut off")?;
            Ok(Source::Client(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]))))
        }
        0x21 => {
            let addresses = rest.get(..36).ok_or("its addresses are cut off")?;
            let source: [u8; 16] = addresses[..16].try_into().map_err(|_| "its addresses are cut off")?;
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Ok(Source::Client(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(source)).to_canonical(), port)))
        }
        _ => Ok(Source::Itself),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a reader makes of `bytes`, and how many it has taken.
    fn read(bytes: &[u8]) -> (Result<Source, BadHeader>, usize) {
        let mut rest = bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(read_header(&mut rest));
        (outcome, bytes.len() - rest.len())
    }

    fn header_1(source: SocketAddr, target: SocketAddr) -> Vec<u8> {
        let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
        let (from, to) = (source.ip(), target.ip());
        format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), target.port()).into_bytes()
    }

    fn header_2(source: SocketAddr, target: SocketAddr, extra: &[u8]) -> Vec<u8> {
        let mut rest = Vec::new();
        for address in [source, target] {
            match address.ip() {
                IpAddr::V4(address) => rest.extend(address.octets()),
                IpAddr::V6(address) => rest.extend(address.octets()),
            }
        }
        rest.extend(source.port().to_be_bytes());
        rest.extend(target.port().to_be_bytes());
        rest.extend(extra);
        let family = if source.is_ipv4() { 0x11 } else { 0x21 };
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[0x21, family], &length, &rest].concat()
    }

    #[test]
    fn balancers_that_speak_for_themselves() {
        for header in [
            &b"PROXY UNKNOWN\r\n"[..],
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x00\0\x03abc",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\0",
        ] {
            let (outcome, taken) = read(&[header, b"USER anna\r\n"].concat());
            assert_eq!((outcome.unwrap(), taken), (Source::Itself, header.len()), "{}", header.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for header in [
            &b"USER anna\r\nPASS x\r\n"[..],
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
            &[&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
            b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c0123456789ab",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b0123456789ab",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x0c0123456789ab",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        ] {
            let (outcome, _) = read(header);
            assert!(matches!(outcome, Err(BadHeader::Malformed(_))), "{}: {outcome:?}", header.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn headers_name_the_client_and_leave_its_bytes(
            a: IpAddr, b: IpAddr, port: u16, other: u16, extra in prop::collection::vec(any::<u8>(), 0..200),
            first in prop::collection::vec(any::<u8>(), 0..50)
        ) {
            let b = match (a, b) {
                (IpAddr::V4(_), IpAddr::V6(_)) => IpAddr::from([192, 0, 2, 1]),
                (IpAddr::V6(_), IpAddr::V4(_)) => IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1]),
                _ => b,
            };
            let (source, target) = (SocketAddr::new(a, port), SocketAddr::new(b, other));
            let client = SocketAddr::new(a.to_canonical(), port);
            for header in [header_1(source, target), header_2(source, target, &extra)] {
                let (outcome, taken) = read(&[&header[..], &first].concat());
                prop_assert_eq!(outcome.unwrap(), Source::Client(client));
                prop_assert_eq!(taken, header.len());
                for cut in 0..header.len() {
                    prop_assert!(read(&header[..cut]).0.is_err());
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0usize..4) {
            let begin: &[u8] = [&b""[..], b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11", b"\r\n\r\n\0\r\nQUIT\n"][kind];
            let _ = read(&[begin, &bytes].concat());
        }
    }
}
