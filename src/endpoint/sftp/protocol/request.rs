//! What a client asks.

use super::{Attributes, Extended, Fields, Malformed, put_packet, put_string};

const INIT: u8 = 1;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
const WRITE: u8 = 6;
const LSTAT: u8 = 7;
const FSTAT: u8 = 8;
const SETSTAT: u8 = 9;
const FSETSTAT: u8 = 10;
const OPENDIR: u8 = 11;
const READDIR: u8 = 12;
const REMOVE: u8 = 13;
const MKDIR: u8 = 14;
const RMDIR: u8 = 15;
const REALPATH: u8 = 16;
const STAT: u8 = 17;
const RENAME: u8 = 18;
const READLINK: u8 = 19;
const SYMLINK: u8 = 20;
const EXTENDED: u8 = 200;

/// How a file is to be opened: the flags of OPEN as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags(pub u32);

impl OpenFlags {
    /// SSH_FXF_READ.
    pub const READ: u32 = 1;
    /// SSH_FXF_WRITE.
    pub const WRITE: u32 = 2;
    /// SSH_FXF_APPEND: each write goes to the end, whatever its offset.
    pub const APPEND: u32 = 4;
    /// SSH_FXF_CREAT: the file is made if it is absent.
    pub const CREATE: u32 = 8;
    /// SSH_FXF_TRUNC: what the file held is not kept.
    pub const TRUNCATE: u32 = 16;
    /// SSH_FXF_EXCL: fail if the file is there.
    pub const EXCLUSIVE: u32 = 32;

    /// Whether all of `flags` are set.
    pub fn has(self, flags: u32) -> bool {
        self.0 & flags == flags
    }
}

/// One request. Paths, names, handles and data borrow from the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are those of the draft, under its names.
pub enum Request<'a> {
    /// The first message of a client; it alone has no id.
    Init { version: u32 },
    /// Opens a file.
    Open { path: &'a [u8], flags: OpenFlags, attributes: Attributes },
    /// Ends the use of a handle.
    Close { handle: &'a [u8] },
    /// Asks for `length` bytes from `offset`.
    Read { handle: &'a [u8], offset: u64, length: u32 },
    /// Puts `data` at `offset`.
    Write { handle: &'a [u8], offset: u64, data: &'a [u8] },
    /// Attributes by path; links are not followed.
    Lstat { path: &'a [u8] },
    /// Attributes by handle.
    Fstat { handle: &'a [u8] },
    /// Sets attributes by path.
    Setstat { path: &'a [u8], attributes: Attributes },
    /// Sets attributes by handle.
    Fsetstat { handle: &'a [u8], attributes: Attributes },
    /// Begins a listing.
    Opendir { path: &'a [u8] },
    /// Asks for the next names of a listing.
    Readdir { handle: &'a [u8] },
    /// Removes a file.
    Remove { path: &'a [u8] },
    /// Makes a directory.
    Mkdir { path: &'a [u8], attributes: Attributes },
    /// Removes an empty directory.
    Rmdir { path: &'a [u8] },
    /// Asks for the absolute form of a path.
    Realpath { path: &'a [u8] },
    /// Attributes by path.
    Stat { path: &'a [u8] },
    /// Renames; the new name must not exist.
    Rename { from: &'a [u8], to: &'a [u8] },
    /// Asks where a link points.
    Readlink { path: &'a [u8] },
    /// Makes a link.
    Symlink { link: &'a [u8], target: &'a [u8] },
    /// A request beyond version 3.
    Extended(Extended<'a>),
}

impl<'a> Request<'a> {
    /// The request in `packet` (without its length field) and its id, which is 0 for INIT. What follows the last field is
    /// left alone: Go's pkg/sftp, and with it rclone, sends the rest of its buffer after the data of a short WRITE.
    ///
    /// # Errors
    /// The id, when it could be read, and what is wrong.
    pub fn decode(packet: &'a [u8]) -> Result<(u32, Request<'a>), (Option<u32>, Malformed)> {
        let mut fields = Fields::new(packet);
        let kind = fields.u8().map_err(|fault| (None, fault))?;
        if kind == INIT {
            // Extension pairs may follow the version; none mean anything here.
            let version = fields.u32().map_err(|fault| (None, fault))?;
            return Ok((0, Request::Init { version }));
        }
        let id = fields.u32().map_err(|fault| (None, fault))?;
        let request = Self::decode_kind(kind, &mut fields).map_err(|fault| (Some(id), fault))?;
        Ok((id, request))
    }

    fn decode_kind(kind: u8, fields: &mut Fields<'a>) -> Result<Self, Malformed> {
        Ok(match kind {
            OPEN => Request::Open {
                path: fields.string()?,
                flags: OpenFlags(fields.u32()?),
                attributes: Attributes::decode(fields)?,
            },
            CLOSE => Request::Close { handle: fields.string()? },
            READ => Request::Read { handle: fields.string()?, offset: fields.u64()?, length: fields.u32()? },
            WRITE => Request::Write { handle: fields.string()?, offset: fields.u64()?, data: fields.string()? },
            LSTAT => Request::Lstat { path: fields.string()? },
            FSTAT => Request::Fstat { handle: fields.string()? },
            SETSTAT => Request::Setstat { path: fields.string()?, attributes: Attributes::decode(fields)? },
            FSETSTAT => Request::Fsetstat { handle: fields.string()?, attributes: Attributes::decode(fields)? },
            OPENDIR => Request::Opendir { path: fields.string()? },
            READDIR => Request::Readdir { handle: fields.string()? },
            REMOVE => Request::Remove { path: fields.string()? },
            MKDIR => {
                let path = fields.string()?;
                // Some clients leave the attributes out.
                let attributes = if fields.is_empty() { Attributes::default() } else { Attributes::decode(fields)? };
                Request::Mkdir { path, attributes }
            }
            RMDIR => Request::Rmdir { path: fields.string()? },
            REALPATH => Request::Realpath { path: fields.string()? },
            STAT => Request::Stat { path: fields.string()? },
            RENAME => Request::Rename { from: fields.string()?, to: fields.string()? },
            READLINK => Request::Readlink { path: fields.string()? },
            SYMLINK => Request::Symlink { link: fields.string()?, target: fields.string()? },
            EXTENDED => Request::Extended(Extended::decode(fields)?),
            other => return Err(Malformed::UnknownType(other)),
        })
    }

    /// Appends this request as a packet.
    pub fn encode(&self, id: u32, out: &mut Vec<u8>) {
        put_packet(out, |out| {
            out.push(self.kind());
            match *self {
                Request::Init { version } => out.extend_from_slice(&version.to_be_bytes()),
                _ => out.extend_from_slice(&id.to_be_bytes()),
            }
            self.encode_fields(out);
        });
    }

    fn kind(&self) -> u8 {
        match self {
            Request::Init { .. } => INIT,
            Request::Open { .. } => OPEN,
            Request::Close { .. } => CLOSE,
            Request::Read { .. } => READ,
            Request::Write { .. } => WRITE,
            Request::Lstat { .. } => LSTAT,
            Request::Fstat { .. } => FSTAT,
            Request::Setstat { .. } => SETSTAT,
            Request::Fsetstat { .. } => FSETSTAT,
            Request::Opendir { .. } => OPENDIR,
            Request::Readdir { .. } => READDIR,
            Request::Remove { .. } => REMOVE,
            Request::Mkdir { .. } => MKDIR,
            Request::Rmdir { .. } => RMDIR,
            Request::Realpath { .. } => REALPATH,
            Request::Stat { .. } => STAT,
            Request::Rename { .. } => RENAME,
            Request::Readlink { .. } => READLINK,
            Request::Symlink { .. } => SYMLINK,
            Request::Extended(_) => EXTENDED,
        }
    }

    fn encode_fields(&self, out: &mut Vec<u8>) {
        match *self {
            Request::Init { .. } => {}
            Request::Open { path, flags, attributes } => {
                put_string(out, path);
                out.extend_from_slice(&flags.0.to_be_bytes());
                attributes.encode(out);
            }
            Request::Read { handle, offset, length } => {
                put_string(out, handle);
                out.extend_from_slice(&offset.to_be_bytes());
                out.extend_from_slice(&length.to_be_bytes());
            }
            Request::Write { handle, offset, data } => {
                put_string(out, handle);
                out.extend_from_slice(&offset.to_be_bytes());
                put_string(out, data);
            }
            Request::Close { handle: name } | Request::Fstat { handle: name } | Request::Readdir { handle: name } => {
                put_string(out, name);
            }
            Request::Lstat { path }
            | Request::Stat { path }
            | Request::Opendir { path }
            | Request::Remove { path }
            | Request::Rmdir { path }
            | Request::Realpath { path }
            | Request::Readlink { path } => put_string(out, path),
            Request::Setstat { path: name, attributes }
            | Request::Fsetstat { handle: name, attributes }
            | Request::Mkdir { path: name, attributes } => {
                put_string(out, name);
                attributes.encode(out);
            }
            Request::Rename { from: first, to: second } | Request::Symlink { link: first, target: second } => {
                put_string(out, first);
                put_string(out, second);
            }
            Request::Extended(extended) => extended.encode(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::extended::tests::extended;
    use super::super::tests::attributes;
    use super::*;

    /// One request of each kind, made from the given parts.
    fn requests<'a>(a: &'a [u8], b: &'a [u8], n: u64, attributes: Attributes) -> Vec<Request<'a>> {
        let flags = OpenFlags(n as u32);
        let mut all = vec![
            Request::Open { path: a, flags, attributes },
            Request::Close { handle: a },
            Request::Read { handle: a, offset: n, length: n as u32 },
            Request::Write { handle: a, offset: n, data: b },
            Request::Lstat { path: a },
            Request::Fstat { handle: a },
            Request::Setstat { path: a, attributes },
            Request::Fsetstat { handle: a, attributes },
            Request::Opendir { path: a },
            Request::Readdir { handle: a },
            Request::Remove { path: a },
            Request::Mkdir { path: a, attributes },
            Request::Rmdir { path: a },
            Request::Realpath { path: a },
            Request::Stat { path: a },
            Request::Rename { from: a, to: b },
            Request::Readlink { path: a },
            Request::Symlink { link: a, target: b },
        ];
        all.extend(extended(a, b, n, attributes).into_iter().map(Request::Extended));
        all
    }

    #[test]
    fn an_unknown_type_keeps_its_id() {
        assert_eq!(Request::decode(&[99, 0, 0, 0, 7]), Err((Some(7), Malformed::UnknownType(99))));
        assert_eq!(Request::decode(&[CLOSE, 0, 0]), Err((None, Malformed::Short)));
    }

    #[test]
    fn what_follows_the_last_field_is_left_alone() {
        let write = Request::Write { handle: b"h", offset: 0, data: b"ab" };
        let mut packet = Vec::new();
        write.encode(1, &mut packet);
        packet.extend(b"the rest of a buffer");
        assert_eq!(Request::decode(&packet[4..]), Ok((1, write)));
    }

    #[test]
    fn a_directory_may_be_made_without_attributes() {
        let packet = [MKDIR, 0, 0, 0, 1, 0, 0, 0, 1, b'd'];
        let made = Request::Mkdir { path: b"d", attributes: Attributes::default() };
        assert_eq!(Request::decode(&packet), Ok((1, made)));
    }

    proptest! {
        #[test]
        fn requests_survive_the_wire(
            a in prop::collection::vec(any::<u8>(), 0..40), b in prop::collection::vec(any::<u8>(), 0..40),
            n in any::<u64>(), id in any::<u32>(), attributes in attributes()
        ) {
            for request in requests(&a, &b, n, attributes) {
                let mut packet = Vec::new();
                request.encode(id, &mut packet);
                prop_assert_eq!(Request::decode(&packet[4..]), Ok((id, request)));
            }
        }

        #[test]
        fn every_shorter_packet_is_refused(cut in 5usize..60, n in any::<u64>(), attributes in attributes()) {
            for request in requests(b"some/path", b"other", n, attributes) {
                let mut packet = Vec::new();
                request.encode(1, &mut packet);
                let whole = packet.len() - 4;
                // MKDIR without attributes and an extension's name alone are whole in themselves.
                let exempt = matches!(request, Request::Mkdir { .. } | Request::Extended(_));
                if cut < whole && !exempt {
                    prop_assert_eq!(Request::decode(&packet[4..4 + cut]), Err((Some(1), Malformed::Short)));
                }
            }
        }

        #[test]
        fn arbitrary_packets_never_panic(packet in prop::collection::vec(any::<u8>(), 0..120), kind in 0u8..22) {
            let _ = Request::decode(&packet);
            let mut packet = packet;
            if let Some(first) = packet.first_mut() {
                *first = kind;
            }
            let _ = Request::decode(&packet);
        }
    }
}
