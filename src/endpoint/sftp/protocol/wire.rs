//! The bytes below the messages: integers, strings, and packets cut out of a stream.
//!
//! Owns every bound on what a peer may announce: nothing is allocated before its length has been checked. Knows no
//! message.

use super::Malformed;

/// The longest packet accepted, in bytes after its length field; the same as OpenSSH's.
pub const PACKET_MAX: usize = 256 * 1024;

/// Reads the fields of one packet, front to back.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Fields(bytes)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    /// A big-endian number of 4 bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A big-endian number of 8 bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }

    /// A string: its length, then its bytes.
    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()?;
        self.take(usize::try_from(length).map_err(|_| Malformed::Short)?)
    }

    /// Whatever is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends `bytes` as a string.
pub fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    // A string longer than 4 GiB cannot come from a packet or a name; the cast never cuts.
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends one packet: a place for its length, then whatever `body` writes, then the length filled in.
pub fn put_packet(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Cuts a stream that arrives in pieces of any size into packets. The bytes of each packet are copied once.
#[derive(Debug, Default)]
pub struct Packets {
    head: [u8; 4],
    head_length: usize,
    body: Vec<u8>,
    wanted: usize,
}

impl Packets {
    /// Nothing received yet.
    pub fn new() -> Self {
        Packets::default()
    }

    /// Takes in `piece` and gives each packet that it completes, without its length field, to `packet`.
    ///
    /// # Errors
    /// When the peer announces an empty packet or one longer than [`PACKET_MAX`]: the stream cannot be followed further.
    pub fn feed(&mut self, mut piece: &[u8], mut packet: impl FnMut(Vec<u8>)) -> Result<(), Malformed> {
        while !piece.is_empty() {
            if self.wanted == 0 {
                let count = piece.len().min(4 - self.head_length);
                self.head[self.head_length..self.head_length + count].copy_from_slice(&piece[..count]);
                self.head_length += count;
                piece = &piece[count..];
                if self.head_length == 4 {
                    self.begin()?;
                }
            } else {
                let count = piece.len().min(self.wanted - self.body.len());
                self.body.extend_from_slice(&piece[..count]);
                piece = &piece[count..];
                if self.body.len() == self.wanted {
                    self.wanted = 0;
                    packet(std::mem::take(&mut self.body));
                }
            }
        }
        Ok(())
    }

    /// Whether the stream stands between two packets.
    pub fn is_between(&self) -> bool {
        self.head_length == 0 && self.wanted == 0
    }

    fn begin(&mut self) -> Result<(), Malformed> {
        let length = u32::from_be_bytes(self.head);
        self.head_length = 0;
        match usize::try_from(length) {
            Ok(0) => Err(Malformed::Empty),
            Ok(wanted) if wanted <= PACKET_MAX => {
                self.wanted = wanted;
                self.body = Vec::with_capacity(wanted);
                Ok(())
            }
            _ => Err(Malformed::TooLong(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, Result<(), Malformed>) {
        let mut packets = Packets::new();
        let mut found = Vec::new();
        for piece in stream.chunks(piece.max(1)) {
            if let Err(fault) = packets.feed(piece, |packet| found.push(packet)) {
                return (found, Err(fault));
            }
        }
        (found, Ok(()))
    }

    #[test]
    fn an_endless_packet_is_refused_before_it_is_allocated() {
        assert_eq!(cut(&[0xff; 4], 1).1, Err(Malformed::TooLong(u32::MAX)));
        assert_eq!(cut(&[0; 4], 4).1, Err(Malformed::Empty));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_packets(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..12), piece in 1usize..300
        ) {
            let mut stream = Vec::new();
            for body in &bodies {
                put_packet(&mut stream, |out| out.extend_from_slice(body));
            }
            prop_assert_eq!(cut(&stream, piece), (bodies, Ok(())));
        }

        #[test]
        fn arbitrary_streams_never_panic(stream in prop::collection::vec(any::<u8>(), 0..400), piece in 1usize..50) {
            let _ = cut(&stream, piece);
        }
    }
}
