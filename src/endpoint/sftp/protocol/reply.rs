//! What a server answers.

use super::{Attributes, Fields, Malformed, put_packet, put_string};

const VERSION: u8 = 2;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum StatusCode {
    /// Done.
    Ok = 0,
    /// Nothing more to read.
    Eof = 1,
    /// No such file or directory.
    NoSuchFile = 2,
    /// Not allowed.
    PermissionDenied = 3,
    /// Anything that has no code of its own; the message says what.
    Failure = 4,
    /// The packet is malformed.
    BadMessage = 5,
    /// Not offered here.
    Unsupported = 8,
}

impl StatusCode {
    fn from_wire(code: u32) -> Self {
        match code {
            0 => StatusCode::Ok,
            1 => StatusCode::Eof,
            2 => StatusCode::NoSuchFile,
            3 => StatusCode::PermissionDenied,
            5 => StatusCode::BadMessage,
            8 => StatusCode::Unsupported,
            // 6 and 7 are a client's own; later versions' codes mean no more than failure in version 3.
            _ => StatusCode::Failure,
        }
    }
}

/// One name of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name itself.
    pub name: Vec<u8>,
    /// The line that `ls -l` would print.
    pub longname: Vec<u8>,
    /// Its attributes.
    pub attributes: Attributes,
}

impl Name {
    /// How many bytes this name takes in a reply, at most.
    pub fn wire_len(&self) -> usize {
        self.name.len() + self.longname.len() + 40
    }
}

/// The answer to `statvfs@openssh.com`, as statvfs(3) defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statvfs {
    /// Size of a block in bytes.
    pub block_size: u64,
    /// Blocks in all.
    pub blocks: u64,
    /// Free blocks.
    pub free: u64,
    /// Free blocks that a customer may use.
    pub available: u64,
    /// Longest name in bytes.
    pub name_max: u64,
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The first message of a server; it alone has no id.
    Version {
        /// The version spoken from here on.
        version: u32,
        /// Names of extensions with their versions.
        extensions: Vec<(&'a [u8], &'a [u8])>,
    },
    /// How a request ended.
    Status {
        /// The code.
        code: StatusCode,
        /// A sentence for people.
        message: &'a str,
    },
    /// A file or directory is open.
    Handle(&'a [u8]),
    /// Bytes of a file.
    Data(&'a [u8]),
    /// Names of a listing.
    Names(Vec<Name>),
    /// Attributes.
    Attributes(Attributes),
    /// The answer to `limits@openssh.com`: longest packet, read and write in bytes, most open handles.
    Limits([u64; 4]),
    /// The answer to `statvfs@openssh.com`.
    Statvfs(Statvfs),
    /// An extension's answer that is not taken apart; what a client sees of the two above.
    Extended(&'a [u8]),
}

impl<'a> Reply<'a> {
    /// Appends this reply as a packet.
    pub fn encode(&self, id: u32, out: &mut Vec<u8>) {
        put_packet(out, |out| {
            out.push(self.kind());
            match self {
                Reply::Version { version, .. } => out.extend_from_slice(&version.to_be_bytes()),
                _ => out.extend_from_slice(&id.to_be_bytes()),
            }
            self.encode_fields(out);
        });
    }

    fn kind(&self) -> u8 {
        match self {
            Reply::Version { .. } => VERSION,
            Reply::Status { .. } => STATUS,
            Reply::Handle(_) => HANDLE,
            Reply::Data(_) => DATA,
            Reply::Names(_) => NAME,
            Reply::Attributes(_) => ATTRS,
            Reply::Limits(_) | Reply::Statvfs(_) | Reply::Extended(_) => EXTENDED_REPLY,
        }
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Version { extensions, .. } => {
                for (name, version) in extensions {
                    put_string(out, name);
                    put_string(out, version);
                }
            }
            Reply::Status { code, message } => {
                out.extend_from_slice(&(*code as u32).to_be_bytes());
                put_string(out, message.as_bytes());
                put_string(out, b"en");
            }
            Reply::Handle(bytes) | Reply::Data(bytes) => put_string(out, bytes),
            Reply::Names(names) => {
                out.extend_from_slice(&(names.len() as u32).to_be_bytes());
                for name in names {
                    put_string(out, &name.name);
                    put_string(out, &name.longname);
                    name.attributes.encode(out);
                }
            }
            Reply::Attributes(attributes) => attributes.encode(out),
            Reply::Limits(limits) => {
                for limit in limits {
                    out.extend_from_slice(&limit.to_be_bytes());
                }
            }
            Reply::Statvfs(space) => {
                // f_bsize f_frsize f_blocks f_bfree f_bavail f_files f_ffree f_favail f_fsid f_flag f_namemax; how many
                // files there may be is not limited here, which the largest number says.
                let files = u64::from(u32::MAX);
                let numbers = [space.block_size, space.block_size, space.blocks, space.free, space.available];
                for number in numbers.into_iter().chain([files, files, files, 0, 0, space.name_max]) {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }
            Reply::Extended(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The reply in `packet` (without its length field) and its id, which is 0 for VERSION.
    ///
    /// # Errors
    /// When the packet is malformed.
    pub fn decode(packet: &'a [u8]) -> Result<(u32, Reply<'a>), Malformed> {
        let mut fields = Fields::new(packet);
        let kind = fields.u8()?;
        let id = fields.u32()?;
        let reply = match kind {
            VERSION => {
                let mut extensions = Vec::new();
                while !fields.is_empty() {
                    extensions.push((fields.string()?, fields.string()?));
                }
                return Ok((0, Reply::Version { version: id, extensions }));
            }
            STATUS => {
                let code = StatusCode::from_wire(fields.u32()?);
                // The message is missing from some servers and need not be UTF-8 from others.
                let message = fields.string().ok().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("");
                Reply::Status { code, message }
            }
            HANDLE => Reply::Handle(fields.string()?),
            DATA => Reply::Data(fields.string()?),
            NAME => Reply::Names(decode_names(&mut fields)?),
            ATTRS => Reply::Attributes(Attributes::decode(&mut fields)?),
            EXTENDED_REPLY => Reply::Extended(fields.rest()),
            other => return Err(Malformed::UnknownType(other)),
        };
        Ok((id, reply))
    }
}

/// Appends a DATA reply of at most `length` bytes that `read` puts straight into `out`; `read` returns how many it gave.
/// When it gives none or fails, `out` is left as it was.
///
/// # Errors
/// Those of `read`.
pub fn put_data<E>(
    out: &mut Vec<u8>,
    id: u32,
    length: usize,
    read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<usize, E> {
    // Length of the packet, type, id, length of the data.
    const HEAD: usize = 4 + 1 + 4 + 4;
    let start = out.len();
    out.resize(start + HEAD + length, 0);
    let outcome = read(&mut out[start + HEAD..]);
    let count = outcome.as_ref().map_or(0, |count| *count);
    if count == 0 {
        out.truncate(start);
        return outcome;
    }
    out.truncate(start + HEAD + count);
    out[start..start + 4].copy_from_slice(&((HEAD - 4 + count) as u32).to_be_bytes());
    out[start + 4] = DATA;
    out[start + 5..start + 9].copy_from_slice(&id.to_be_bytes());
    out[start + 9..start + HEAD].copy_from_slice(&(count as u32).to_be_bytes());
    outcome
}

fn decode_names(fields: &mut Fields<'_>) -> Result<Vec<Name>, Malformed> {
    // The count is the peer's word: names are taken while the packet has any, so nothing is allocated for a false one.
    let mut names = Vec::new();
    for _ in 0..fields.u32()? {
        names.push(Name {
            name: fields.string()?.to_vec(),
            longname: fields.string()?.to_vec(),
            attributes: Attributes::decode(fields)?,
        });
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::attributes;
    use super::*;

    #[test]
    fn limits_and_space_have_the_length_that_clients_expect() {
        let mut packet = Vec::new();
        Reply::Limits([1, 2, 3, 4]).encode(5, &mut packet);
        assert_eq!(packet.len(), 4 + 1 + 4 + 4 * 8);
        packet.clear();
        Reply::Statvfs(Statvfs::default()).encode(5, &mut packet);
        assert_eq!(packet.len(), 4 + 1 + 4 + 11 * 8);
    }

    #[test]
    fn data_read_in_place_is_the_same_reply() {
        let mut out = b"before".to_vec();
        let read = |buffer: &mut [u8]| {
            buffer[..3].copy_from_slice(b"abc");
            Ok::<_, ()>(3)
        };
        assert_eq!(put_data(&mut out, 9, 100, read), Ok(3));
        assert_eq!(put_data(&mut out, 9, 100, |_| Ok::<_, ()>(0)), Ok(0));
        assert_eq!(put_data(&mut out, 9, 100, |_| Err("no")), Err("no"));
        let mut expected = b"before".to_vec();
        Reply::Data(b"abc").encode(9, &mut expected);
        assert_eq!(out, expected);
    }

    #[test]
    fn a_status_without_a_message_is_understood() {
        let packet = [STATUS, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(Reply::decode(&packet), Ok((1, Reply::Status { code: StatusCode::NoSuchFile, message: "" })));
    }

    proptest! {
        #[test]
        fn replies_survive_the_wire(
            a in prop::collection::vec(any::<u8>(), 0..40), b in prop::collection::vec(any::<u8>(), 0..40),
            text in ".{0,20}", id in any::<u32>(), attributes in attributes()
        ) {
            let name = Name { name: a.clone(), longname: b.clone(), attributes };
            for reply in [
                Reply::Status { code: StatusCode::Failure, message: &text },
                Reply::Handle(&a),
                Reply::Data(&b),
                Reply::Names(vec![name.clone(), name]),
                Reply::Names(Vec::new()),
                Reply::Attributes(attributes),
                Reply::Extended(&a),
            ] {
                let mut packet = Vec::new();
                reply.encode(id, &mut packet);
                prop_assert_eq!(Reply::decode(&packet[4..]), Ok((id, reply)));
            }
            let version = Reply::Version { version: 3, extensions: vec![(&a, &b)] };
            let mut packet = Vec::new();
            version.encode(id, &mut packet);
            prop_assert_eq!(Reply::decode(&packet[4..]), Ok((0, version)));
        }

        #[test]
        fn arbitrary_replies_never_panic(packet in prop::collection::vec(any::<u8>(), 0..120), kind in 100u8..106) {
            let _ = Reply::decode(&packet);
            let mut packet = packet;
            if let Some(first) = packet.first_mut() {
                *first = kind;
            }
            let _ = Reply::decode(&packet);
        }
    }
}
