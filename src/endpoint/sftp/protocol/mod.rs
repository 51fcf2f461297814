//! SFTP version 3 on the wire: requests, replies, attributes; encoding and decoding of both directions.
//!
//! Owns the meaning of bytes and their bounds, as draft-ietf-secsh-filexfer-02 and OpenSSH's PROTOCOL state them. Names
//! and handles stay bytes. Knows no tree, no channel and no session, so the server and a client both stand on it. What
//! is malformed comes back as [`Malformed`]; nothing here panics on any input.

mod extended;
mod reply;
mod request;
mod wire;

pub use extended::{CHECK_FILE, CheckFile, Checked, CopyData, Extended};
pub use reply::{Name, Reply, StatusCode, Statvfs, put_data};
pub use request::{OpenFlags, Request};
pub use wire::{Fields, PACKET_MAX, Packets, put_packet, put_string};

/// The version spoken here.
pub const VERSION: u32 = 3;

/// The most bytes that one READ answers and one WRITE may carry; leaves room for the other fields of a packet.
pub const DATA_MAX: usize = PACKET_MAX - 1024;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The packet ends before its fields do.
    #[error("the packet ends before its fields do")]
    Short,
    /// A packet of length 0.
    #[error("the packet is empty")]
    Empty,
    /// A packet longer than [`PACKET_MAX`].
    #[error("the packet announces {0} bytes, the limit is 262144")]
    TooLong(u32),
    /// A session begins with INIT, and has one.
    #[error("a session begins with the client's version, once")]
    Order,
    /// A message type that version 3 does not know.
    #[error("message type {0} is unknown in SFTP version 3")]
    UnknownType(u8),
}

/// What is known, or to be set, of a file. Absent fields are not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Length in bytes.
    pub size: Option<u64>,
    /// Numeric user and group.
    pub owner: Option<(u32, u32)>,
    /// File type and permission bits, as in `st_mode`.
    pub permissions: Option<u32>,
    /// Times of last access and last change, in seconds since 1970-01-01 UTC.
    pub times: Option<(u32, u32)>,
}

const HAS_SIZE: u32 = 1;
const HAS_OWNER: u32 = 2;
const HAS_PERMISSIONS: u32 = 4;
const HAS_TIMES: u32 = 8;
const HAS_EXTENDED: u32 = 0x8000_0000;

impl Attributes {
    /// Reads attributes; extended pairs are read over, since none are known.
    pub(crate) fn decode(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        let flags = fields.u32()?;
        let mut attributes = Attributes::default();
        if flags & HAS_SIZE != 0 {
            attributes.size = Some(fields.u64()?);
        }
        if flags & HAS_OWNER != 0 {
            attributes.owner = Some((fields.u32()?, fields.u32()?));
        }
        if flags & HAS_PERMISSIONS != 0 {
            attributes.permissions = Some(fields.u32()?);
        }
        if flags & HAS_TIMES != 0 {
            attributes.times = Some((fields.u32()?, fields.u32()?));
        }
        if flags & HAS_EXTENDED != 0 {
            // Each pair takes 8 bytes at least, so a false count ends with the packet.
            for _ in 0..fields.u32()? {
                fields.string()?;
                fields.string()?;
            }
        }
        Ok(attributes)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut flags = 0;
        flags |= if self.size.is_some() { HAS_SIZE } else { 0 };
        flags |= if self.owner.is_some() { HAS_OWNER } else { 0 };
        flags |= if self.permissions.is_some() { HAS_PERMISSIONS } else { 0 };
        flags |= if self.times.is_some() { HAS_TIMES } else { 0 };
        out.extend_from_slice(&flags.to_be_bytes());
        if let Some(size) = self.size {
            out.extend_from_slice(&size.to_be_bytes());
        }
        if let Some((user, group)) = self.owner {
            out.extend_from_slice(&user.to_be_bytes());
            out.extend_from_slice(&group.to_be_bytes());
        }
        if let Some(permissions) = self.permissions {
            out.extend_from_slice(&permissions.to_be_bytes());
        }
        if let Some((accessed, changed)) = self.times {
            out.extend_from_slice(&accessed.to_be_bytes());
            out.extend_from_slice(&changed.to_be_bytes());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn attributes() -> impl Strategy<Value = Attributes> {
        (any::<Option<u64>>(), any::<Option<(u32, u32)>>(), any::<Option<u32>>(), any::<Option<(u32, u32)>>())
            .prop_map(|(size, owner, permissions, times)| Attributes { size, owner, permissions, times })
    }

    #[test]
    fn extended_attributes_are_read_over() {
        let mut bytes = HAS_EXTENDED.to_be_bytes().to_vec();
        bytes.extend_from_slice(&1u32.to_be_bytes());
        put_string(&mut bytes, b"acl@example.com");
        put_string(&mut bytes, b"\x00");
        let mut fields = Fields::new(&bytes);
        assert_eq!(Attributes::decode(&mut fields), Ok(Attributes::default()));
        assert!(fields.is_empty());
    }

    #[test]
    fn a_false_count_of_extended_attributes_ends_with_the_packet() {
        let mut bytes = HAS_EXTENDED.to_be_bytes().to_vec();
        bytes.extend_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(Attributes::decode(&mut Fields::new(&bytes)), Err(Malformed::Short));
    }

    proptest! {
        #[test]
        fn attributes_survive_the_wire(attributes in attributes()) {
            let mut bytes = Vec::new();
            attributes.encode(&mut bytes);
            let mut fields = Fields::new(&bytes);
            prop_assert_eq!(Attributes::decode(&mut fields), Ok(attributes));
            prop_assert!(fields.is_empty());
        }
    }
}
