//! What must hold for any bytes on an SSH channel: SFTP's packets, and lines that clients ask to be run. See
//! [`crate::fuzzing`].

use super::protocol::{PACKET_MAX, Packets, Request};
use super::words::words;
use super::{scp, sums};

/// The first byte says how the rest is cut into pieces, or that it is the inside of one packet.
///
/// # Panics
/// When something does not hold.
pub fn requests(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    if how & 0x80 != 0 {
        return request(bytes);
    }
    let (found, fault) = cut(bytes, usize::from(*how) + 1);
    assert_eq!((&found, fault), (&cut(bytes, bytes.len().max(1)).0, cut(bytes, 1).1), "where pieces end matters");
    assert!(found.iter().map(|packet| packet.len() + 4).sum::<usize>() <= bytes.len());
    for packet in found {
        assert!((1..=PACKET_MAX).contains(&packet.len()));
        request(&packet);
    }
}

/// The packets of a stream that comes in pieces, and whether it went wrong.
fn cut(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut packets, mut found) = (Packets::new(), Vec::new());
    let fault = bytes.chunks(piece).any(|piece| packets.feed(piece, |packet| found.push(packet)).is_err());
    (found, fault)
}

fn request(packet: &[u8]) {
    let Ok((id, request)) = Request::decode(packet) else { return };
    let mut rendered = Vec::new();
    request.encode(id, &mut rendered);
    assert_eq!(Request::decode(&rendered[4..]), Ok((id, request)));
    // Flags that mean nothing are left out, and attributes that clients may leave out are put in.
    assert!(rendered.len() <= packet.len() + 8, "{} bytes from {}", rendered.len(), packet.len());
}

/// Lines as clients send them with `exec`.
///
/// # Panics
/// When something does not hold.
pub fn command_lines(line: &[u8]) {
    if let Some(found) = words(line) {
        assert!(found.iter().map(Vec::len).sum::<usize>() <= line.len());
        let quoted: Vec<Vec<u8>> = found.iter().map(|word| quote(word)).collect();
        assert_eq!(words(&quoted.join(&b' ')), Some(found));
    }
    let scp = scp::Command::parse(line);
    let sums = sums::Command::parse(line);
    assert!(scp.is_none() || sums.is_none(), "one line, two programs");
    if let Some(command) = scp {
        assert!(!command.paths.is_empty());
        assert!(!command.sink || command.paths.len() == 1);
    }
}

/// A word between single quotes.
fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}
